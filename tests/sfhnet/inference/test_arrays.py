"""Plain arrays as people have them: one spectrum in any shape is one spectrum."""

import astropy.units as u
import numpy as np
import pandas as pd
import pytest

from sfhnet.inference.arrays import read_arrays

WAVE = np.linspace(4750.0, 9350.0, 400)
FLUX = 1 + 0.1 * np.sin(WAVE / 50)
SIGMA = np.full(WAVE.size, 0.02)


@pytest.mark.parametrize(
    ("wave", "note"),
    [
        (WAVE / 10, "taken to be in nm"),
        (WAVE / 1e4, "taken to be in um"),
        (WAVE / 1e10, "taken to be in m"),
        (np.log10(WAVE), "log10 of Angstrom"),
        (np.log(WAVE), "ln of Angstrom"),
        (WAVE * u.AA, None),
        ((WAVE * u.AA).to(u.um), None),
        ((WAVE * u.AA).to(u.THz, u.spectral()), None),
        (pd.Series(WAVE), None),
        (WAVE.astype(">f8"), None),
        (list(WAVE), None),
    ],
)
def test_wavelengths_of_any_unit_are_angstrom(wave, note):
    found = read_arrays(wave, FLUX, SIGMA)
    assert found.wave_aa == pytest.approx(WAVE, rel=1e-12)
    assert bool(found.notes) == (note is not None)
    assert note is None or note in found.notes[0]


@pytest.mark.parametrize(
    "values",
    [
        FLUX.astype(">f4"),
        FLUX.astype(np.float32),
        pd.Series(FLUX),
        FLUX * u.Unit("1e-17 erg / (s cm2 AA)"),
        np.ma.masked_array(FLUX, mask=np.zeros(FLUX.size, bool)),
        [float(value) for value in FLUX],
    ],
)
def test_flux_of_any_kind_keeps_its_shape(values):
    found = read_arrays(WAVE, values, SIGMA)
    assert found.flux.dtype == np.float64
    assert found.flux[0] / found.flux[0, 0] == pytest.approx(FLUX / FLUX[0], rel=1e-6)
    assert found.good.all()


def test_half_precision_is_read_to_its_digits():
    assert read_arrays(WAVE, FLUX.astype(np.float16), SIGMA).flux[0] == pytest.approx(FLUX, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "values"), [("sigma", SIGMA), ("variance", SIGMA**2), ("ivar", SIGMA**-2.0)]
)
def test_each_kind_of_error_is_an_error(name, values):
    assert read_arrays(WAVE, FLUX, **{name: values}).sigma[0] == pytest.approx(SIGMA)


def test_f_nu_becomes_f_lambda_with_its_errors():
    unit = u.Jy
    f_nu = (FLUX * u.Unit("erg / (s cm2 AA)")).to(unit, u.spectral_density(WAVE * u.AA))
    found = read_arrays(WAVE, f_nu, 0.02 * f_nu)
    assert found.flux[0] / found.flux[0, 0] == pytest.approx(FLUX / FLUX[0], rel=1e-9)
    assert found.sigma[0] / found.flux[0] == pytest.approx(0.02)
    assert "turned into f_lambda" in found.notes[0]
    of_variance = read_arrays(WAVE, f_nu, variance=(0.02 * f_nu) ** 2)
    assert of_variance.sigma[0] / of_variance.flux[0] == pytest.approx(0.02)


def test_descending_and_repeated_wavelengths_are_put_right():
    down = read_arrays(WAVE[::-1], FLUX[::-1], SIGMA[::-1])
    assert down.wave_aa == pytest.approx(WAVE)
    assert down.flux[0] == pytest.approx(FLUX)
    assert list(down.order[:2]) == [WAVE.size - 1, WAVE.size - 2]
    twice = np.insert(WAVE, 100, WAVE[100])
    flux = np.insert(FLUX, 100, FLUX[100] + 0.1)
    found = read_arrays(twice, flux, np.full(twice.size, 0.02))
    assert found.wave_aa == pytest.approx(WAVE)
    assert found.flux[0, 100] == pytest.approx(FLUX[100] + 0.05)
    assert found.sigma[0, 100] == pytest.approx(0.02 / np.sqrt(2))
    assert "1 wavelengths stand twice" in found.notes[0]


def test_masks_of_every_kind_hide_pixels():
    hidden = np.zeros(WAVE.size, bool)
    hidden[5] = True
    masked = read_arrays(WAVE, np.ma.masked_array(FLUX, hidden), SIGMA)
    of_errors = read_arrays(WAVE, FLUX, np.ma.masked_array(SIGMA, hidden))
    nothing = read_arrays(WAVE, FLUX, ivar=np.where(hidden, 0.0, SIGMA**-2.0))
    for found in (masked, of_errors, nothing, read_arrays(WAVE, FLUX, SIGMA, mask=~hidden)):
        assert list(np.flatnonzero(~found.good[0])) == [5]


@pytest.mark.parametrize(
    ("arguments", "errors", "message"),
    [
        ((WAVE, FLUX), {}, "give one of sigma, variance and ivar; given: none"),
        ((WAVE, FLUX), {"sigma": SIGMA, "ivar": SIGMA}, "given: sigma, ivar"),
        ((np.roll(WAVE, 3), FLUX), {"sigma": SIGMA}, "is followed by 4750.00 at pixel 3"),
        ((WAVE * 1e7, FLUX), {"sigma": SIGMA}, "in no unit of an optical spectrum"),
        ((np.where(WAVE > 9000, np.nan, WAVE), FLUX), {"sigma": SIGMA}, "wavelength 369 is nan"),
        ((WAVE[:5], FLUX[:5]), {"sigma": SIGMA[:5]}, "at least 10 pixels"),
        ((WAVE, FLUX[:-1]), {"sigma": SIGMA}, r"flux \(1, 399\), sigma \(1, 400\)"),
        ((WAVE, ["a"] * WAVE.size), {"sigma": SIGMA}, "flux holds something that is no number"),
        ((WAVE * u.kg, FLUX), {"sigma": SIGMA}, "kg, which is no length"),
        ((WAVE, FLUX * u.m), {"sigma": SIGMA}, "flux is in m"),
    ],
)
def test_what_fits_no_spectrum_is_named(arguments, errors, message):
    with pytest.raises(ValueError, match=message):
        read_arrays(*arguments, **errors)
