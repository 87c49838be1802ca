"""One code path for mocks and data: units vanish, bad input is flagged, nobody disturbs a neighbour."""

import numpy as np
import pytest
import torch

from ingredients import WAVE_AA
from sfhnet.core.batch import Batch
from sfhnet.core.flags import Flag, describe_flags


def arrays(n=4, seed=0):
    rng = np.random.default_rng(seed)
    flux = 1.0 + 0.2 * np.sin(WAVE_AA / 300.0) + 0.02 * rng.standard_normal((n, len(WAVE_AA)))
    band = 1.0 + 0.1 * rng.standard_normal((n, 5))
    return {
        "flux": flux,
        "sigma": np.full(flux.shape, 0.02),
        "mask": np.ones(flux.shape, dtype=bool),
        "band_flux": band,
        "band_sigma": np.full(band.shape, 0.05),
        "band_mask": np.ones(band.shape, dtype=bool),
    }


def build(values):
    return Batch.from_arrays(WAVE_AA, **values)


@pytest.mark.parametrize("factor", [1e-20, 1e-35, 1e20])
def test_units_do_not_matter(factor):
    values = arrays()
    plain = build(values)
    scaled = build(
        {k: v * factor if k in ("flux", "sigma", "band_flux", "band_sigma") else v for k, v in values.items()}
    )
    assert torch.allclose(plain.flux, scaled.flux, rtol=1e-6)
    assert torch.allclose(plain.band_flux, scaled.band_flux, rtol=1e-6)
    assert np.allclose(scaled.log_scale - plain.log_scale, np.log10(factor))
    assert torch.equal(plain.flags, scaled.flags)


def test_many_spectra_are_cleaned_piece_by_piece(monkeypatch):
    values = arrays(7)
    values["flux"][2, 9], values["sigma"][4, 100], values["band_mask"][6] = np.nan, -1.0, False
    whole = build(values)
    monkeypatch.setattr("sfhnet.core.batch._ROWS", 3)
    pieces = build(values)
    for name in Batch.__dataclass_fields__:
        if name != "labels":
            assert torch.equal(getattr(whole, name), getattr(pieces, name)), name


def flags_of(change, row=1):
    values = arrays()
    change(values, row)
    batch = build(values)
    clean = build(arrays())
    others = [k for k in range(4) if k != row]
    for name in ("flux", "sigma", "mask", "band_flux", "log_snr", "log_scale", "flags"):
        assert torch.equal(getattr(batch, name)[others], getattr(clean, name)[others]), name
    assert torch.isfinite(batch.flux).all()
    assert torch.isfinite(batch.sigma).all()
    return Flag(int(batch.flags[row])), batch


def put(name, value, where=slice(None)):
    def change(values, row):
        values[name][row, where] = value

    return change


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        (put("flux", np.nan, slice(100, 120)), Flag.NOT_FINITE),
        (put("flux", np.inf, slice(100, 120)), Flag.NOT_FINITE),
        (put("sigma", np.nan, slice(0, 50)), Flag.BAD_SIGMA),
        (put("sigma", -1.0, slice(0, 50)), Flag.BAD_SIGMA),
        (put("sigma", 0.0, slice(0, 50)), Flag.BAD_SIGMA),
        (put("mask", False), Flag.NO_VALID_PIXELS),
        (put("sigma", np.nan), Flag.NO_VALID_PIXELS),
        (put("flux", -1.0), Flag.NEGATIVE_FLUX),
        (put("mask", False, slice(0, 1000)), Flag.MASKED_PIXELS),
        (put("band_mask", False, slice(0, 1)), Flag.MISSING_BANDS),
        (put("band_flux", np.nan, slice(0, 1)), Flag.MISSING_BANDS),
        (put("band_mask", False), Flag.NO_BANDS),
        (put("band_flux", 1e20), Flag.WRONG_UNITS),
        (put("mask", False, slice(440, 600)), Flag.OTHER_WINDOW),
    ],
)
def test_bad_input_is_flagged_and_stays_alone(change, flag):
    found, batch = flags_of(change)
    assert flag in found
    assert batch.usable[1] == (flag not in (Flag.NO_VALID_PIXELS, Flag.NEGATIVE_FLUX))
    assert any(text.startswith(flag.name) for text in describe_flags(int(batch.flags[1])))


def test_wrong_units_of_bands_leave_the_spectrum_alone():
    found, batch = flags_of(put("band_flux", 1e20))
    assert not batch.band_mask[1].any()
    assert batch.mask[1].all()
    assert Flag.NO_BANDS in found


@pytest.mark.parametrize(
    ("flux", "sigma", "flag"),
    [
        (0.0, 9.9e99, Flag.MISSING_BANDS),
        (0.0, 1e7, Flag.MISSING_BANDS),
        (np.inf, 1.0, Flag.MISSING_BANDS),
        (np.nan, np.nan, Flag.MISSING_BANDS),
        (1e30, 1.0, Flag.WRONG_UNITS),
    ],
)
def test_one_bad_band_costs_one_band(flux, sigma, flag):
    def change(values, row):
        values["band_flux"][row, 2], values["band_sigma"][row, 2] = flux, sigma

    found, batch = flags_of(change)
    assert flag in found
    assert batch.band_mask[1].tolist() == [True, True, False, True, True]
    assert float(batch.band_sigma[1, 2]) == 1.0


def test_without_bands_is_the_same_spectrum():
    batch = build(arrays())
    bare = batch.without_bands()
    assert torch.equal(batch.flux, bare.flux)
    assert not bare.band_mask.any()
    assert (bare.flags & int(Flag.NO_BANDS)).all()


def test_parts_join_to_the_whole():
    batch = build(arrays(6))
    again = Batch.cat([batch[:2], batch[2:]])
    for name in ("flux", "band_flux", "flags", "log_scale"):
        assert torch.equal(getattr(batch, name), getattr(again, name))
