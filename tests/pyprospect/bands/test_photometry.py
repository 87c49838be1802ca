"""Fluxes and magnitudes: R's numbers, and spectra whose photometry is known."""

import numpy as np
import pytest

from pyprospect.bands import photometry as P
from pyprospect.bands.kcorr import dcorr, kcorr
from pyprospect.line_of_sight.cosmology import lum_dist_mpc


@pytest.fixture(scope="module")
def photom(reference):
    return reference["unit/photom"]


@pytest.fixture(scope="module")
def curves(reference):
    return {k: (v["wave"][()], v["response"][()]) for k, v in reference["unit/filters"].items()}


def names(dataset):
    return [n.decode() for n in dataset[()]]


def test_bandpass(photom, curves, parity):
    wave, flux, table = photom["wave"][()], photom["flux_flam"][()], photom["bandpass"]
    options = zip(*(names(table[k]) for k in ("flux_in", "flux_out", "detect_type")), strict=True)
    for i, (flux_in, flux_out, detect) in enumerate(options):
        for band in ("F555W", "F814W"):
            ours = P.bandpass(
                wave, flux, [curves[band]], flux_in=flux_in, flux_out=flux_out, detect_type=detect
            )
            parity.check(
                "unit/photom bandpass", ours[0], table[band][i], 1e-13, label=f"{flux_in}->{flux_out}"
            )


def test_photom_flux(photom, curves, parity):
    wave, flux = photom["wave"][()], photom["flux_flam"][()]
    hst = [curves[n] for n in names(photom["filters"])]
    for outtype in ("mag", "jansky", "cgs"):
        ours = P.photom_flux(wave, flux, outtype, hst)
        parity.check(
            "unit/photom photom_flux", ours, photom[f"photom_flux_{outtype}"][()], 1e-12, label=outtype
        )
    named = [curves[n] for n in names(photom["photom_flux_named_filters"])]
    ours = P.photom_flux(wave, flux, "magAB", named, outside="compat")
    parity.check("unit/photom photom_flux", ours, photom["photom_flux_named_mag"][()], 1e-12, label="partial")


def test_luminosity_and_flux(photom, curves, parity):
    wave, lum = photom["wave"][()], photom["lum"][()]
    hst = [curves[n] for n in names(photom["filters"])]
    for i, z in enumerate(photom["lum_z"][()]):
        for outtype in ("mag", "jansky"):
            ours = P.photom_lum(wave, lum, outtype, hst, z=z, outside="compat")
            theirs = photom[f"photom_lum_{outtype}"][i]
            parity.check("unit/photom photom_lum", ours, theirs, 1e-11, label=f"z={z}")
        parity.check("unit/photom Lum2Flux", P.lum2flux_factor(z), photom["Lum2FluxFactor"][i], 1e-12)
    out = P.lum2flux(wave, lum, 0.1)
    parity.check("unit/photom Lum2Flux", out.wave, photom["Lum2Flux_z0.1_wave"][()], 1e-15)
    parity.check("unit/photom Lum2Flux", out.flux, photom["Lum2Flux_z0.1_flux"][()], 1e-12)
    given = P.lum2flux(wave, lum, 0.2, LumDist_Mpc=1000.0).flux
    parity.check("unit/photom Lum2Flux", given, photom["Lum2Flux_LumDist1000Mpc_z0.2"][()], 1e-12)
    planck = P.lum2flux(wave, lum, 0.3, ref="Planck15").flux
    parity.check("unit/photom Lum2Flux", planck, photom["Lum2Flux_ref_Planck15_z0.3"][()], 1e-12)
    back = P.flux2lum(*out, z=0.1)
    parity.check("unit/photom Flux2Lum", back.lum, photom["Flux2Lum_roundtrip"][()], 1e-13)


def test_conversions(photom, parity):
    wave, flux, mags = photom["wave"][()], photom["flux_flam"][()], photom["mags"][()]
    pairs = {
        "convert_wave2freq": P.convert_wave2freq(flux, wave),
        "convert_freq2wave": P.convert_freq2wave(flux, wave),
        "magAB2Jansky": P.magAB2Jansky(mags),
        "magAB2CGS": P.magAB2CGS(mags),
        "AbsoluteToWHz": P.AbsoluteToWHz(mags),
        "WHzToAbsolute_of_1e20..24": P.WHzToAbsolute(10.0 ** np.arange(20, 25)),
    }
    for name, ours in pairs.items():
        parity.check("unit/photom conversions", ours, photom[name][()], 1e-13, label=name)


def test_corrections(photom, curves, parity):
    wave, lum = photom["wave"][()], photom["lum"][()]
    hst = [curves[n] for n in names(photom["filters"])]
    out, stored = kcorr(wave, lum, 0.2, filters=hst), photom["kcorr_z0.2"]
    for name in ("AbsMag", "ApMag", "kcorr"):
        parity.check("unit/photom kcorr", getattr(out, name), stored[name][()], 1e-11, label=name, scale=1.0)
    parity.check("unit/photom kcorr", out.DistMod, stored.attrs["DistMod"], 1e-12)
    stored = photom["Dcorr"]
    grey = 10 ** (-0.4 * stored["Dcorr"][()][0])
    out = dcorr(wave, lum * grey, lum, filters=hst)
    parity.check("unit/photom Dcorr", out.AbsMag_unatten, stored["AbsMag_unatten"][()], 1e-12)
    parity.check("unit/photom Dcorr", out.AbsMag_atten, stored["AbsMag_atten"][()], 1e-12)
    parity.check("unit/photom Dcorr", out.Dcorr, stored["Dcorr"][()], 1e-11)


def test_no_overlap(photom, curves, parity):
    wave = np.linspace(100.0, 200.0, 50)
    none = P.bandpass(wave, np.ones(50), [curves["F555W"]], outside="compat")
    parity.check("unit/photom bandpass", none[0], photom.attrs["bandpass_no_overlap"], 0.0)
    assert np.isposinf(P.photom_flux(wave, np.ones(50), "mag", [curves["F555W"]], outside="compat"))


CURVE = (np.linspace(4000, 6000, 41), np.sin(np.linspace(0, np.pi, 41)))


@pytest.mark.parametrize("quadrature", ["sed", "union"])
@pytest.mark.parametrize("detect_type", ["photon", "energy"])
def test_flat_spectra_stay_flat(quadrature, detect_type, rng):
    wave = np.sort(rng.uniform(3000, 7000, 400))
    options = {"detect_type": detect_type, "quadrature": quadrature}
    assert P.bandpass(wave, np.full(400, 7.0), [CURVE], flux_in="wave", flux_out="wave", **options)[
        0
    ] == pytest.approx(7.0)
    if quadrature == "sed":
        assert P.bandpass(wave, np.full(400, 7.0), [CURVE], **options)[0] == pytest.approx(7.0)


def test_ab_zero_point():
    wave = np.linspace(3500, 6500, 60001)
    flat = P.convert_freq2wave(np.full(wave.size, 10 ** (-0.4 * 48.6)), wave)
    for quadrature in ("sed", "union"):
        assert P.photom_flux(wave, flat, "mag", [CURVE], quadrature=quadrature)[0] == pytest.approx(
            0.0, abs=1e-8
        )


def test_quadratures_converge():
    wave = np.linspace(3500, 6500, 200001)
    flux = 1e-15 * np.exp(-wave / 2000) * (1 + 0.3 * np.sin(wave / 30))
    sed, union = (P.photom_flux(wave, flux, "mag", [CURVE], quadrature=q)[0] for q in ("sed", "union"))
    assert sed == pytest.approx(union, abs=2e-6)


def test_luminosity_falls_with_distance():
    wave, lum = np.array([4000.0, 5000.0]), np.array([1.0, 2.0])
    near, far = (P.lum2flux(wave, lum, 0.001, lum_dist_mpc=d).flux for d in (10.0, 20.0))
    np.testing.assert_allclose(near / far, 4.0)
    # all the light crosses the sphere: integral of flux * 4 pi D^2 is the luminosity
    out = P.lum2flux(wave, lum, 1.0)
    distance_cm = 3.08568e24 * lum_dist_mpc(1.0)
    power = np.trapezoid(out.flux, out.wave) * 4 * np.pi * distance_cm**2 / 3.828e33
    assert power == pytest.approx(np.trapezoid(lum, wave), rel=1e-12)


def test_distance_at_zero_redshift_is_used():
    wave, lum = np.array([4000.0, 5000.0]), np.ones(2)
    absolute = P.lum2flux(wave, lum, 0.0).flux
    np.testing.assert_allclose(P.lum2flux(wave, lum, 0.0, lum_dist_mpc=1e-5).flux, absolute, rtol=1e-12)
    np.testing.assert_allclose(P.lum2flux(wave, lum, 0.0, lum_dist_mpc=1e-4).flux, absolute / 100, rtol=1e-12)


def test_round_trip_and_stacks(rng):
    wave, lum = np.linspace(1000, 9000, 50), rng.uniform(1, 2, (4, 50))
    out = P.lum2flux(wave, lum, 0.3)
    back = P.flux2lum(*out, 0.3)
    np.testing.assert_allclose(back.wave, wave)
    np.testing.assert_allclose(back.lum, lum)
    assert P.photom_flux(*out, "jansky", [CURVE, CURVE]).shape == (4, 2)


def test_spectrum_as_one_argument():
    table = np.stack([np.linspace(3500, 6500, 30), np.ones(30)], axis=1)
    two = P.photom_flux(table[:, 0], table[:, 1], "mag", [CURVE])
    np.testing.assert_array_equal(P.photom_flux(table, outtype="mag", filters=[CURVE]), two)
    np.testing.assert_array_equal(P.photom_flux(P.FluxSpectrum(*table.T), filters=[CURVE]), two)


def test_holes_in_the_spectrum():
    wave = np.linspace(3500, 6500, 301)
    flux = np.ones(301)
    flux[150] = np.nan
    with pytest.raises(ValueError, match="too little for"):
        P.photom_flux(wave, flux, "jansky", [CURVE])
    assert np.isnan(P.photom_flux(wave, flux, "jansky", [CURVE], outside="nan")).all()
    assert np.isfinite(P.photom_flux(wave, flux, "jansky", [CURVE], outside="compat")).all()
    flux[150], flux[5] = 1.0, np.nan
    assert np.isfinite(P.photom_flux(wave, flux, "jansky", [CURVE])).all()


def test_undersampled_band_is_not_silent():
    wave = np.linspace(3000, 7000, 5)
    narrow = (np.array([5100.0, 5150.0, 5200.0]), np.array([0.0, 1.0, 0.0]))
    with pytest.raises(ValueError, match="too little for"):
        P.photom_flux(wave, np.ones(5), "jansky", [narrow])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: P.photom_flux([1.0, 2.0], [1.0, 2.0, 3.0], filters=[CURVE]), "last axis"),
        (lambda: P.photom_flux(np.linspace(3e3, 7e3, 9), np.ones(9), "nJy", [CURVE]), "outtype"),
        (lambda: P.photom_flux(np.linspace(3e3, 7e3, 9)[::-1], np.ones(9), "mag", [CURVE]), "ascending"),
        (lambda: P.photom_flux(np.linspace(3e3, 5e3, 99), np.ones(99), "mag", [CURVE]), "outside='nan'"),
        (lambda: P.bandpass(np.linspace(3e3, 7e3, 9), np.ones(9), [CURVE], flux_in="nu"), "flux_in='nu'"),
        (lambda: P.bandpass(np.linspace(3e3, 7e3, 9), np.ones(9), [CURVE], quadrature="x"), "quadrature"),
        (lambda: P.bandpass(np.linspace(3e3, 7e3, 9), np.ones(9), None), "filters=None"),
        (
            lambda: P.lum2flux([1.0, 2.0], [1.0, 2.0], 0.1, lum_dist_mpc=-3.0),
            "lum_dist_mpc=-3.0 must be positive",
        ),
        (lambda: P.lum2flux([1.0, 2.0], [1.0, 2.0], np.nan), "z=nan must be a finite number"),
        (lambda: P.lum2flux([1.0, 2.0]), "lum is missing"),
        (lambda: kcorr([1.0, 2.0], [1.0, 2.0], 0.0, filters=[CURVE]), "positive redshift"),
        (lambda: P.lum2flux([np.nan, 2.0], [1.0, 1.0]), "spectrum of lum: wave=.* must be a finite number"),
        (lambda: P.flux2lum(np.array([[-1.0, 1.0], [5e3, 1.0], [6e3, 1.0]])), "wave=.* must be positive"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
