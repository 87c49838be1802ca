"""What a shard was made for: content counts, dates and places do not."""

import dataclasses

import h5py
import numpy as np
import pytest

from pyprospect.bands.curve import Filter
from sfhnet.config import Config
from sfhnet.mocks.shard_identity import (
    ShardError,
    content_sha256,
    first_difference,
    prior_identity,
    same_identity,
    shard_identity,
    stress_identity,
)
from sfhnet.tools.provenance import provenance, sha256_file


@pytest.fixture(scope="module")
def config():
    return Config(bands=("F336W", "F814W"), synthesis={"n_shards": 6})


@pytest.fixture(scope="module")
def bands():
    wave, bell = np.linspace(3000.0, 4000.0, 50), np.hanning(50)
    return {"F336W": Filter("F336W", wave, bell), "F814W": Filter("F814W", wave * 1.8, bell)}


def changed(config, section, **values):
    """A configuration with some values of a section changed."""
    return config.model_copy(update={section: getattr(config, section).model_copy(update=values)})


def test_a_library_made_again_gives_the_same_identity(toy_ssp, config, bands, tmp_path):
    """Two files of one library differ by their dates and paths only."""
    first = toy_ssp.write(tmp_path / "a.h5", provenance=provenance(made="on Monday"))
    again = toy_ssp.write(tmp_path / "elsewhere" / "b.h5", provenance=provenance(made="on Tuesday"))
    assert sha256_file(first) != sha256_file(again)
    assert content_sha256(first) == content_sha256(again)
    made_for = shard_identity(config, 0, inputs={"ssp": first}, bands=bands)
    assert made_for == shard_identity(config, 0, inputs={"ssp": again}, bands=bands)
    same_identity("shard", made_for, shard_identity(config, 0, inputs={"ssp": again}, bands=bands))


def one_pixel(file):
    file["Zspec"][1, 2, 3] *= 1.0001


def medium(file):
    file.attrs["meta"] = '{"medium": "vacuum"}'


def unit(file):
    file["Wave"].attrs["unit"] = "nm"


def another_name(file):
    file.move("Zevo", "Zevolution")


@pytest.mark.parametrize("change", [one_pixel, medium, unit, another_name])
def test_another_library_gives_another_identity(toy_ssp, config, bands, tmp_path, change):
    first, other = (toy_ssp.write(tmp_path / name) for name in ("a.h5", "b.h5"))
    with h5py.File(other, "r+") as file:
        change(file)
    made_for, wanted = (
        shard_identity(config, 0, inputs={"ssp": path}, bands=bands) for path in (first, other)
    )
    with pytest.raises(ShardError, match=r"0000\.h5 is foreign: its inputs\.ssp is [0-9a-f]{64}, expected"):
        same_identity("0000.h5", made_for, wanted)


def test_text_in_a_file_counts(tmp_path):
    paths = [tmp_path / name for name in ("a.h5", "b.h5", "c.h5")]
    for path, text in zip(paths, ("Padova", "Padova", "BaSTI"), strict=True):
        with h5py.File(path, "w") as file:
            file["isochrones"], file["all"] = text, [text, "x"]
            file.attrs["names"] = [text, "x"]
    first, again, other = map(content_sha256, paths)
    assert first == again != other


def test_identity_names_what_the_numbers_depend_on(config, bands, tmp_path):
    grid = tmp_path / "grid.fits"
    grid.write_bytes(b"one")

    def difference(config, curves):
        found = first_difference(first, shard_identity(config, 0, inputs={"lines": grid}, bands=curves))
        return found and found[0]

    first = shard_identity(config, 0, inputs={"lines": grid}, bands=bands)
    assert difference(config.model_copy(update={"models": {}}), bands) is None
    assert difference(changed(config, "synthesis", chunk=7), bands) is None
    assert difference(changed(config, "synthesis", storage="float16"), bands) == "synthesis.storage"
    assert difference(changed(config, "prior", sampler="random"), bands) == "prior"
    assert difference(changed(config, "grid", wave_step_aa=2.5), bands) == "grid"
    wider = Filter("F814W", bands["F814W"].wave_aa * 1.001, bands["F814W"].response)
    assert difference(config, bands | {"F814W": wider}) == "bands.F814W"
    grid.write_bytes(b"two")
    assert difference(config, bands) == "inputs.lines"
    with pytest.raises(ValueError, match="counts from 0"):
        prior_identity(config, 6)


def test_stress_mocks_depend_on_more_than_the_prior(config, bands):
    first = stress_identity(config, "spiky", inputs={}, bands=bands)
    for other in (
        stress_identity(config, "held_out", inputs={}, bands=bands),
        stress_identity(changed(config, "validation", stress_galaxies=7), "spiky", inputs={}, bands=bands),
        stress_identity(changed(config, "grid", wave_step_aa=2.5), "spiky", inputs={}, bands=bands),
        stress_identity(
            config,
            "spiky",
            inputs={},
            bands=bands | {"F336W": dataclasses.replace(bands["F814W"], name="F336W")},
        ),
    ):
        assert first_difference(first, other)


def test_a_difference_is_named_where_it_lies():
    made = {"seed": 1, "bands": ["U", "R"], "prior": {"sampler": "sobol"}}
    assert first_difference(made, {**made, "bands": ("U", "R")}) is None
    assert first_difference(made, {**made, "bands": ["U", "I"]}) == ("bands[1]", "R", "I")
    assert first_difference(made, {**made, "bands": ["U"]}) == ("bands", "['U', 'R']", "['U']")
    assert first_difference(made, {**made, "prior": {}}) == ("prior.sampler", "sobol", "None")
    assert first_difference({}, {"seed": 1}) == ("seed", "None", "1")
