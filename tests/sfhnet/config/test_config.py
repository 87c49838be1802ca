"""The configuration: what is accepted, what is refused with which words, and that its documents are current."""

import json
from pathlib import Path

import pytest

from sfhnet.__main__ import main
from sfhnet.commands.config import galaxies_table
from sfhnet.config import Config, ConfigError, config_from_dict, load_config
from sfhnet.config.docs import config_page, json_schema
from sfhnet.config.load import merge, read_yaml


def write(folder, text, name="overlay.yaml"):
    path = folder / name
    path.write_text(text)
    return path


def refused(folder, text, base=()):
    with pytest.raises(ConfigError) as caught:
        load_config([*base, write(folder, text)])
    return str(caught.value)


def test_config_yaml_is_the_default(root):
    """config.yaml states the schema's defaults, so there is one truth."""
    stated = load_config([root / "config.yaml"]).model_dump(mode="json")
    default = Config().model_dump(mode="json")
    for section in default:
        assert stated[section] == default[section], f"{section} differs between config.yaml and its schema"


def test_config_yaml_states_every_key(root):
    """Every section and key can be seen in config.yaml; tables of free keys hold what they like."""
    given, _ = read_yaml(root / "config.yaml")
    missing = []
    for name, field in Config.model_fields.items():
        if name not in given:
            missing.append(name)
        elif hasattr(field.annotation, "model_fields"):
            missing.extend(f"{name}.{key}" for key in field.annotation.model_fields if key not in given[name])
    assert not missing, f"add to config.yaml with a comment: {missing}"


def test_every_key_is_described():
    def walk(model, prefix):
        for name, field in model.model_fields.items():
            inner = field.annotation
            if hasattr(inner, "model_fields"):
                yield from walk(inner, f"{prefix}{name}.")
            elif not field.description:
                yield prefix + name

    assert not list(walk(Config, ""))


@pytest.mark.parametrize(
    "overlay", sorted(Path(__file__).parents[3].glob("configs/*.yaml")), ids=lambda p: p.name
)
def test_shipped_overlays(root, overlay):
    assert isinstance(load_config([root / "config.yaml", overlay]), Config)


def test_overlays_are_merged(tmp_path):
    first = write(
        tmp_path, "seed: 3\nsynthesis: {n_shards: 50, storage: float16}\nbands: [F555W]\n", "a.yaml"
    )
    second = write(tmp_path, "synthesis: {n_shards: 60}\nbands: [F814W, F555W]\n", "b.yaml")
    config = load_config([first, second])
    assert config.seed == 3
    assert (config.synthesis.n_shards, config.synthesis.storage) == (60, "float16")
    assert config.bands == ("F814W", "F555W")


def test_null_removes_an_entry(tmp_path):
    first = write(
        tmp_path, "models: {one: {kind: attention}, two: {kind: pca_mlp}}\ngalaxies: {model: one}\n", "a.yaml"
    )
    second = write(tmp_path, "models: {two: null}\n", "b.yaml")
    assert list(load_config([first, second]).models) == ["one"]


def test_merge_leaves_its_arguments_alone():
    base, overlay = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merge(base, overlay) == {"a": {"b": 1, "c": 2}}
    assert base == {"a": {"b": 1}} and overlay == {"a": {"c": 2}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("galxies: {}", ["line 1", "galxies = {}", "unknown key", "did you mean galaxies?"]),
        ("grid:\n  wave_step: 1", ["line 2", "grid.wave_step = 1", "did you mean grid.wave_step_aa?"]),
        ("n_shards: 5", ["did you mean synthesis.n_shards?"]),
        (
            "models:\n  attention: {kind: attention, widht: 3}",
            ["models.attention.widht", "models.attention.width?"],
        ),
        ("models:\n  attention: {kind: atention}", ["models.attention.kind", '"atention"', "'attention'"]),
        (
            "models: {pca_mlp: {kind: pca_mlp, patch: 3}}",
            [
                "models.pca_mlp.patch = 3: patch is an option of attention and flow, not of pca_mlp",
                "pca_mlp takes loss_weights, training, n_component, width, depth",
            ],
        ),
        (
            "models: {pca_mlp: {kind: pca_mlp, loss_weights: {nll: 1}}}",
            ["models.pca_mlp.loss_weights.nll = 1: nll is an option of flow, not of pca_mlp"],
        ),
        ("models: {mine: {width: 32}}", ["models.mine.kind is missing", "prior_mean, pca_mlp, linear"]),
        (
            "models: {flow: {kind: flow, width: 3}}",
            ["models.flow.width = 3", "or equal to 8 (Length of the latent"],
        ),
        ("grid: {veldisp_max_kms: 350.0}", ["veldisp_scale reaches 150 km/s; give both the same end"]),
        ("prior: {nuisance: {bump: [0, 1]}}", ["prior.nuisance.bump: [0, 1] is no distribution", "uniform("]),
        ("prior: {nuisance: {bump: {kind: uniform, low: 0}}}", ["prior.nuisance.bump.high is missing; add"]),
        (
            "prior: {nuisance: {bump: {kind: fixed, value: 1, low: 0}}}",
            ["low is an option of uniform, log_uniform and normal, not of fixed; fixed takes value"],
        ),
        ('seed: "3"', ["seed", '"3"', "valid integer"]),
        ("seed: true", ["seed", "true", "valid integer"]),
        ("seed: -1", ["seed = -1", "greater than or equal to 0"]),
        ("bands: F555W", ["bands", '"F555W"', "valid array"]),
        ("bands: [F555W, F555W]", ["bands lists a band twice"]),
        (
            "seed: 2\nbands: [F555W, F811W]",
            ["line 2: bands", "no band 'F811W' is known", "did you mean F814W", "docs/bands.md"],
        ),
        (
            "galaxies:\n  hst_fwhm_arcsec: {F999W: 0.1}",
            ["line 2: galaxies.hst_fwhm_arcsec", "no band 'F999W'"],
        ),
        (
            "galaxies: {hst_fwhm_arcsec: {F555W: 0}}",
            ["galaxies.hst_fwhm_arcsec.F555W = 0", "greater than or equal to 0.01"],
        ),
        ("grid: {wave_step_aa: .nan}", ["grid.wave_step_aa = nan", "finite"]),
        ("grid: {wave_min_aa: 9350}", ["fewer than 10 pixels"]),
        ("grid: {wave_step_aa: 1.7}", ["no whole number of steps of 1.7"]),
        ("age_bins_myr: [0, 100, 50]", ["age_bins_myr must ascend, but 100 is followed by 50"]),
        ("age_bins_myr: [10, 100, 500]", ["age_bins_myr must start at 0"]),
        ("synthesis: {n_shards: 4, n_test_shards: 3}", ["shards are held out", "n_shards = 4"]),
        ("noise: {snr_range: [50, 10]}", ["snr_range is [50, 10], low above high"]),
        ("galaxies: {model: nobody}", ["galaxies.model is 'nobody'", "not among models", "data/models/flow"]),
        ("- a list", ["holds a list, expected keys"]),
        ("seed: 1\nseed: 2", ["line 2: seed is given twice (first in line 1)"]),
        ("seed: [1", ["is not valid YAML"]),
        ("seed: !!python/object:os.system {}", ["is not valid YAML"]),
    ],
)
def test_refused(tmp_path, text, words):
    message = refused(tmp_path, text)
    assert "overlay.yaml" in message or "configuration" in message
    for word in words:
        assert word in message


def test_all_faults_are_listed(tmp_path):
    message = refused(tmp_path, "seed: x\ngrid: {lsf: none}\nsources: {data: here}\n")
    assert len(message.splitlines()) == 3


def test_numbers_as_in_yaml_12(tmp_path):
    data, lines = read_yaml(write(tmp_path, "a: 1e-3\nb: no\nc: 12:30\nd: 010\ne: 2024-01-01\nf: null\n"))
    assert data == {"a": 1e-3, "b": "no", "c": "12:30", "d": 10, "e": "2024-01-01", "f": None}
    assert lines["c",] == 3


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no configuration file .*nowhere\.yaml"):
        load_config([tmp_path / "nowhere.yaml"])


def test_from_memory():
    assert config_from_dict(Config().model_dump(mode="json")) == Config()
    with pytest.raises(ConfigError, match="configuration: sed = 1: unknown key; did you mean seed"):
        config_from_dict({"sed": 1})


def test_sections_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        Config().seed = 2


def test_documents_are_current(root):
    """After a change of the schema: make docs, and commit."""
    assert (root / "docs" / "config.md").read_text("utf-8") == config_page()
    assert (root / "docs" / "config.schema.json").read_text("utf-8") == json_schema()
    page = (root / "docs" / "galaxies.md").read_text("utf-8")
    assert page == galaxies_table(page)
    assert json.loads(json_schema())["additionalProperties"] is False


def test_command(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(root)
    assert main(["config", "check", "configs/tiny.yaml"]) == 0
    assert "valid" in capsys.readouterr().out
    assert main(["config", "check", str(write(tmp_path, "seeed: 1"))]) == 1
    assert "did you mean seed?" in capsys.readouterr().err
    assert main(["config", "docs", "--check", "--docs-dir", str(root / "docs")]) == 0, capsys.readouterr().out


def test_the_galaxies_model_may_be_a_folder(root, tmp_path):
    path = write(tmp_path, "galaxies: {model: data/models/flow}\n")
    assert load_config([root / "config.yaml", path]).galaxies.model_is_folder
