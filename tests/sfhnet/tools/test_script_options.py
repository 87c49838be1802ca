"""Options that scripts share: declared once, worded once, and a mistyped one is named."""

import ast
import re
from pathlib import Path

import pytest

from sfhnet.tools import script_options

INGREDIENTS = ("ssp", "filters", "mappings", "cloudy")


def declared(script: Path) -> set[str]:
    """Words of the options that a script declares by itself; with a name put together, all words of the script count."""
    nodes = list(ast.walk(ast.parse(script.read_text())))
    names = [
        node.args[0]
        for node in nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "add_argument"
    ]
    if any(not isinstance(name, ast.Constant) for name in names):
        names = nodes
    words = [node.value for node in names if isinstance(node, ast.Constant)]
    return {word.lstrip("-") for word in words if isinstance(word, str)}


def test_no_script_declares_an_ingredient_by_itself(root):
    scripts = [*(root / "scripts").glob("*.py"), *(root / "speed").glob("*.py")]
    assert len(scripts) > 30
    again = {path.name: declared(path) & set(INGREDIENTS) for path in scripts}
    assert not {name: options for name, options in again.items() if options}


def test_shared_options_are_files_that_must_be_given(capsys):
    parser = script_options.parser("x")
    script_options.add_options(parser, *INGREDIENTS, "shards", "stress", "case")
    given = [
        "--ssp",
        "a.h5",
        "--filters",
        "b",
        "--mappings",
        "c",
        "--cloudy",
        "d",
        "--shards",
        "1.h5",
        "2.h5",
        "--case",
        "x",
    ]
    args = parser.parse_args(given)
    assert (args.ssp, args.shards, args.stress) == (Path("a.h5"), [Path("1.h5"), Path("2.h5")], [])
    assert args.case == "x"
    with pytest.raises(SystemExit) as left:
        parser.parse_args(given[2:])
    assert left.value.code == 2 and "required: --ssp" in capsys.readouterr().err


def test_options_that_need_not_be_given():
    parser = script_options.parser("x", config=False)
    script_options.add_options(parser, *INGREDIENTS, required=False)
    assert vars(parser.parse_args([]))["filters"] is None


def test_an_option_that_is_not_shared_is_refused():
    with pytest.raises(ValueError, match=r"no option --mapings is shared; did you mean mappings\?"):
        script_options.add_options(script_options.parser("x"), "mapings")


@pytest.mark.parametrize(
    "word, answer",
    [
        ("--spektra", r"there is no option --spektra; did you mean --spectra\?"),
        ("--spektra=a.h5", r"there is no option --spektra; did you mean --spectra\?"),
        ("--zzz", r"there is no option --zzz$"),
    ],
)
def test_mistyped_option_is_named_before_what_is_missing(word, answer, capsys):
    parser = script_options.parser("x")
    script_options.add_options(parser, "spectra", "posterior")
    with pytest.raises(SystemExit) as left:
        parser.parse_args([word])
    said = capsys.readouterr().err
    assert left.value.code == 2 and "required" not in said
    assert re.search(answer, said.strip())


def config_of(*words: str) -> list[Path]:
    return script_options.parser("x").parse_args(["--config", *words] if words else []).config


def test_overlays_lie_on_the_configuration_of_the_folder_or_of_the_project(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    assert config_of() == [root / "config.yaml"]
    assert config_of("a.yaml", "b.yaml") == [root / "config.yaml", Path("a.yaml"), Path("b.yaml")]
    (tmp_path / "config.yaml").touch()
    assert config_of() == [Path("config.yaml")]
    assert config_of("a.yaml") == [Path("config.yaml"), Path("a.yaml")]


@pytest.mark.parametrize("files", [("other/config.yaml", "a.yaml"), ("kept.json",)])
def test_what_is_whole_lies_on_nothing(files):
    assert config_of(*files) == [Path(file) for file in files]


def test_a_configuration_on_top_of_overlays_is_refused(capsys):
    with pytest.raises(SystemExit) as left:
        config_of("a.yaml", "config.yaml")
    assert left.value.code == 2
    assert "config.yaml would hide a.yaml: overlays lie on it" in capsys.readouterr().err
