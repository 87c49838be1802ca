"""What a person types: the commands that there are, and what is answered where something is wrong."""

import shlex
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from sfhnet.__main__ import main
from sfhnet.commands import catalogue, config, reference
from typed import said_one_line, sfhnet

COMMANDS = tuple(catalogue.COMMANDS)


@pytest.mark.parametrize("words", [(), ("--help",)])
def test_alone_it_lists_all_commands(words, capsys):
    assert main(words) == 0
    shown = capsys.readouterr().out
    for name, command in catalogue.COMMANDS.items():
        assert f"\n  {name} " in shown
        assert command.sentence in shown and command.example in shown


def test_a_command_is_a_module_of_its_name(root):
    modules = {path.stem for path in (root / "src" / "sfhnet" / "commands").glob("[a-z]*.py")}
    assert modules == {*COMMANDS, "catalogue", "reference"}


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_may_be_typed(name):
    program, verb, *words = shlex.split(catalogue.COMMANDS[name].example)
    module = catalogue.module_of(name)
    own, _ = module.split(words) if hasattr(module, "split") else (words, [])
    assert (program, verb) == ("sfhnet", name)
    catalogue.parser_of(name).parse_intermixed_args(own)  # exits where it does not know a word


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name):
    actions = catalogue.parser_of(name)._actions
    assert not [action.dest for action in actions if not action.help]


def test_mistyped_command(tmp_path):
    done = sfhnet("sorces", "list", cwd=tmp_path)
    assert done.returncode == 2 and said_one_line(done)
    assert done.stderr == "error: there is no command sorces; did you mean sources?\n"
    assert "sfhnet alone lists them" in sfhnet("qqq", cwd=tmp_path).stderr


@pytest.mark.parametrize(
    "typed, answer",
    [
        ("infer a.csv --modle m -o b.h5", "there is no option --modle; did you mean --model?"),
        ("sources list --miror d", "there is no option --miror; did you mean --mirror?"),
        ("run --dry-run", "there is no option --dry-run; options of Snakemake stand behind --"),
        ("run -n", "unrecognized arguments: -n; options of Snakemake stand behind --"),
        ("infer", "arguments are required"),
        ("config chek", "invalid choice: 'chek'"),
    ],
)
def test_mistyped_option(typed, answer, capsys):
    with pytest.raises(SystemExit) as left:
        main(typed.split())
    assert left.value.code == 2
    assert answer in capsys.readouterr().err


def test_options_may_stand_before_names(root, tmp_path, capsys):
    assert main(["sources", "list", "--data-dir", str(tmp_path), "hst_filters"]) == 0
    assert "hst_filters" in capsys.readouterr().out


@pytest.mark.parametrize(
    "typed, answer",
    [
        ("infer none.csv -o b.h5", "none.csv does not exist; correct the path"),
        ("infer cut.h5 -o b.h5", "cut.h5 is damaged or not an HDF5 file"),
        ("infer a.csv --model nowhere -o b.h5", "no model 'nowhere'"),
        ("infer a.csv --model cut -o b.h5", "cut/model.json is not valid JSON"),
        ("show none.h5", "none.h5 does not exist; correct the path"),
        ("show cut.h5", "cut.h5 is damaged or not an HDF5 file"),
        ("score cut.h5 --benchmark none.h5", "none.h5 does not exist; correct the path"),
        ("score cut.h5 --benchmark cut.h5", "cut.h5 is damaged or not an HDF5 file"),
        ("config check", "there is no configuration file config.yaml; correct the path"),
        ("config docs", "galaxies.md does not exist; go to a checkout"),
        ("sources list --config none.yaml", "there is no configuration file none.yaml; correct the path"),
        ("phangs list", "there is no configuration file configs/phangs.yaml; correct the path"),
        ("run --config none.yaml", "there is no configuration file none.yaml; targets stand before"),
    ],
)
def test_missing_and_truncated_files(typed, answer, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(8))
    Path("a.csv").write_text("wave,flux,sigma\n5000,1,0.1\n")
    Path("cut").mkdir()
    Path("cut/model.json").write_text('{"schema_version": ')
    assert main(typed.split()) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    assert answer in said
    assert not Path("b.h5").exists()


def test_no_traceback_reaches_the_person(tmp_path):
    done = sfhnet("show", "none.h5", cwd=tmp_path)
    assert done.returncode == 1 and said_one_line(done)


def test_interrupted(monkeypatch, capsys):
    monkeypatch.setattr(config, "run", lambda args: signal.raise_signal(signal.SIGINT))
    # A shell lets what it runs in the background ignore Ctrl-C, these tests included.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(["config", "check"]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert "interrupted" in capsys.readouterr().err


def test_missing_library_is_no_traceback(monkeypatch, capsys):
    def run(args):
        raise ModuleNotFoundError("No module named 'astroquery'")

    monkeypatch.setattr(config, "run", run)
    assert main(["config", "check"]) == 1
    assert capsys.readouterr().err == "error: No module named 'astroquery'\n"


def test_versions(tmp_path):
    done = sfhnet("versions", cwd=tmp_path)
    assert done.returncode == 0
    shown = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert {"sfhnet", "pyprospect", "python", "system", "numpy", "torch", "snakemake", "ppxf"} <= set(shown)
    assert "threads" in shown["torch"] and ("CUDA" in shown["torch"] or "no GPU" in shown["torch"])
    assert shown["python"] == sys.version.split()[0]


def test_the_page_names_every_option(root):
    page = reference.commands_page(root)
    assert (root / "docs" / "commands.md").read_text("utf-8") == page, "make docs, and commit"
    for name in COMMANDS:
        for action in catalogue.parser_of(name)._actions:
            assert all(f"`{option}`" in page for option in action.option_strings if action.dest != "help")
    for script in (root / "scripts").glob("[a-z]*.py"):
        assert f"| `{script.stem}` |" in page


def test_an_old_page_is_seen(root, tmp_path, capsys):
    folder = root / "docs"
    for name in ("config.md", "config.schema.json", "galaxies.md", "results.md"):
        shutil.copy(folder / name, tmp_path)
    (tmp_path / "commands.md").write_text("old\n")
    typed = ["config", "docs", "--docs-dir", str(tmp_path)]
    assert main([*typed, "--check"]) == 1
    assert f"{tmp_path}/commands.md is not what the code says" in capsys.readouterr().out
    assert main(typed) == 0
    assert "1 of 5 pages written" in capsys.readouterr().out
    assert main([*typed, "--check"]) == 0


def test_bands_of_a_spreadsheet_are_read_and_a_word_in_them_is_named(tmp_path, capsys):
    from sfhnet.commands.infer import _read_bands

    path = tmp_path / "b.csv"
    path.write_bytes("\ufeffid,F275W,F275W_err,F814W,F814W_err\n1,0.1,0.01,,\n".encode())
    found = _read_bands(path, 1)
    assert list(found) == ["F275W", "F814W"]
    assert found["F275W"] == (0.1, 0.01)
    assert np.isnan(found["F814W"][0])
    assert "not used: id, which is no band" in capsys.readouterr().err
    path.write_text("F275W,F275W_err\nn/a,0.01\n")
    with pytest.raises(ValueError, match=r"b\.csv, line 2: F275W is 'n/a', no number"):
        _read_bands(path, 1)
