"""What each band brings: the same mocks with bands given and taken away."""

import csv
import io

import numpy as np
import pytest
import torch
from PIL import Image

from ingredients import BANDS
from sfhnet.config import BandValueConfig, FiguresConfig
from sfhnet.figures.band_value import plot_band_value
from sfhnet.inference.model import load
from sfhnet.mocks.benchmark_noise import BENCHMARK_NOISE
from sfhnet.mocks.dataset import Mocks
from sfhnet.validation.band_value import MEASURED, band_sets, band_value, table
from sfhnet.validation.benchmark_sets import make_benchmark
from small_networks import small_trainer

CONFIG = BandValueConfig(snr=(20.0, 50.0), galaxies=90)


@pytest.fixture(scope="module")
def measured(shard_paths, tmp_path_factory):
    folder, mocks = tmp_path_factory.mktemp("band_value"), Mocks(shard_paths[3:])
    found = {}
    for kind in ("linear", "prior_mean"):
        small_trainer(kind, Mocks(shard_paths[:3]), mocks, folder / kind, epochs=4).run()
        model = load(folder / kind)
        found[kind] = model, band_value(model, mocks, CONFIG, noise=BENCHMARK_NOISE, seed=3)
    return mocks, found


def test_every_band_is_given_and_taken_away(measured):
    _, result = measured[1]["linear"]
    keys = {(row["snr"], row["bands"], row["quantity"]) for row in result["rows"]}
    assert len(keys) == len(result["rows"]) == 2 * (2 + 2 * len(BANDS)) * len(MEASURED)
    sets = band_sets(BANDS)
    assert sets["without F438W"] == ("F275W", "F336W", "F555W", "F814W") and sets["only F438W"] == ("F438W",)
    rows = list(csv.DictReader(io.StringIO(table(result)), delimiter="\t"))
    assert len(rows) == len(result["rows"])
    assert float(rows[0]["error"]) == pytest.approx(result["rows"][0]["error"], rel=1e-4)


def test_numbers_are_those_of_the_benchmark(measured):
    mocks, found = measured
    model, result = found["linear"]
    made = make_benchmark("real", 50.0, mocks, n=90, noise=BENCHMARK_NOISE, seed=3)
    rows = {(row["snr"], row["bands"], row["quantity"]): row for row in result["rows"]}
    for name, batch in (("all", made.batch), ("none", made.batch.without_bands())):
        answer = model.infer_batch(batch)
        error = np.abs(answer.scalars["a_v"] - made.truth["a_v"]).mean()
        assert rows[50.0, name, "a_v"]["error"] == pytest.approx(error, rel=1e-12)
    without, every = rows[50.0, "without F275W", "a_v"], rows[50.0, "all", "a_v"]
    assert without["against"] == "all"
    assert without["error_change"] == pytest.approx(100 * (without["error"] / every["error"] - 1), rel=1e-9)
    assert any(abs(row["width_change"]) > 0.01 for row in result["rows"] if row["bands"].startswith("only"))


def test_what_looks_at_no_band_gains_nothing(measured):
    _, result = measured[1]["prior_mean"]
    assert all(row["error_change"] == row["width_change"] == 0 for row in result["rows"])


def test_absent_bands_are_absent(measured):
    made = make_benchmark("real", 50.0, measured[0], n=20, noise=BENCHMARK_NOISE, seed=3)
    keep = torch.tensor([True, False, True, True, True])
    some = made.batch.only_bands(keep)
    assert (
        not some.band_mask[:, 1].any()
        and (some.band_flux[:, 1] == 0).all()
        and (some.band_sigma[:, 1] == 1).all()
    )
    assert torch.equal(some.band_flux[:, keep], made.batch.band_flux[:, keep])
    assert torch.equal(made.batch.only_bands(torch.ones(5, dtype=torch.bool)).flags, made.batch.flags)


def test_other_bands_are_refused(measured, tmp_path):
    model, _ = measured[1]["linear"]
    other = Mocks.__new__(Mocks)
    other.band_names = ["F200W"]
    with pytest.raises(ValueError, match=r"the model knows F275W.*the mocks have F200W"):
        band_value(model, other, CONFIG, noise=BENCHMARK_NOISE, seed=3)


def test_the_figure(measured, tmp_path):
    _, result = measured[1]["linear"]
    paths = plot_band_value(result, tmp_path / "band_value", FiguresConfig(dpi=60))
    with Image.open(paths[-1]) as picture:
        assert np.asarray(picture.convert("L")).std() > 5
