"""What R exports: every name answers or says what replaces it, and what was missing does what R's does."""

import numpy as np
import pytest
from astropy.io import fits

from pyprospect import SSPLibrary, prospect_sed
from pyprospect.bands.kcorr import kcorr, kcorr_evo, vmax_hunt
from pyprospect.bands.names import BAND_SETS, R_NAMES, resolve
from pyprospect.bands.photometry import CGScalc, Janskycalc, lum2flux, magABcalc, photom_lum
from pyprospect.bands.transformations import filter_tran_mags
from pyprospect.histories.genbox import genbox
from pyprospect.prospect import r_names
from pyprospect.prospect.filter_tran import filter_tran_bands
from pyprospect.prospect.sed_figure import plot_components
from pyprospect.stars.imf import binlims, imf_chabrier

pytestmark = pytest.mark.usefixtures("prospect_tables")


@pytest.mark.parametrize("name", r_names.PLACES)
def test_name_of_r_is_here(name):
    assert r_names.find(name) is not None


@pytest.mark.parametrize("name", [*r_names.REPLACED, "SFHp4"])
def test_name_that_is_not_here_says_so(name):
    with pytest.raises(LookupError, match=r"is replaced here: .+|is not a name of ProSpect"):
        r_names.find(name)


# Middles of the bands in Angstrom: a wrong record of the EAZY list would be far off.
MIDDLES = {"FUV_GALEX": 1530, "r_SDSS": 6165, "g_VST": 4750, "i_HSC": 7700, "Ks_VISTA": 21500, "Z_UKIRT": 8800,
           "J_2MASS": 12400, "W1_WISE": 33700, "W4_WISE": 221000, "I1_Spitzer": 35500, "M24_Spitzer": 237000,
           "P100_Herschel": 1.0e6, "S250_Herschel": 2.5e6, "S500_Herschel": 5.1e6, "S850_JCMT": 8.5e6}  # fmt: skip


@pytest.mark.parametrize("name", MIDDLES)
def test_bands_have_r_names(name):
    assert abs(resolve(name)[0].pivot_aa / MIDDLES[name] - 1) < 0.05


def test_sets_and_top_hats():
    pivots = [resolve(name)[0].pivot_aa for name in R_NAMES]
    assert np.all(np.isfinite(pivots))
    gama = resolve("GAMA")
    assert [band.name for band in gama] == list(BAND_SETS["gama"])
    assert np.all(np.diff([band.pivot_aa for band in gama]) > 0)
    box = resolve("tophat_4000_5000")[0]
    assert box(4500.0) == 1 and box(5100.0) == 0
    with pytest.raises(ValueError, match="0 < LOW < HIGH"):
        resolve("tophat_5000_4000")


def spectrum():
    wave = np.linspace(1000.0, 30000.0, 30001)
    return wave, 1e6 * (wave / 5000.0) ** -1.5


def test_one_band_of_a_spectrum():
    wave, lum = spectrum()
    flux = lum2flux(wave, lum, z=0.1)
    mag = magABcalc(*flux)
    np.testing.assert_allclose(-2.5 * np.log10(CGScalc(*flux)) - 48.6, mag)
    np.testing.assert_allclose(Janskycalc(*flux), 1e23 * CGScalc(*flux))
    np.testing.assert_allclose(magABcalc(np.stack(flux, axis=1), filter="r_VST"), mag)


def test_k_corrections_with_redshift():
    wave, lum = spectrum()
    many = kcorr_evo(wave, lum, [0.1, 0.5], filters=["r_VST", "i_VST"])
    np.testing.assert_allclose(many.kcorr[1], kcorr(wave, lum, 0.5, filters=["r_VST", "i_VST"]).kcorr)
    # of a power law lambda**b the correction is 2.5 (1 + b) log10(1 + z)
    np.testing.assert_allclose(many.kcorr[:, 0], -1.25 * np.log10(1 + many.z), atol=1e-3)


def test_furthest_redshift():
    wave, lum = spectrum()
    limit = float(photom_lum(wave, lum * 1e4, z=0.2, filters="r_VST")[0])
    found = vmax_hunt(wave, lum * 1e4, limit)
    np.testing.assert_allclose(found.zmax, 0.2, atol=1e-6)
    assert vmax_hunt(wave, lum * 1e4, limit, z_range=(0.3, 0.4)).vmax_gpc3 == 0
    bright = vmax_hunt(wave, lum * 1e4, limit, z_range=(1e-4, 0.1), sky_share=0.5)
    assert bright.zmax == 0.1 and 0 < bright.vmax_gpc3 < found.vmax_gpc3
    with pytest.raises(ValueError, match="0 < near < far"):
        vmax_hunt(wave, lum, limit, z_range=(0.0, 1.0))


def test_transformations_of_magnitudes(rng):
    colour, red = rng.uniform(0, 1, 50), rng.uniform(15, 20, 50)
    out = red + 0.3 * colour + 0.05
    fits = filter_tran_mags({"g": red + colour, "r": red}, out)
    by_band = {fit.band: fit for fit in fits}
    np.testing.assert_allclose([by_band["r"].alpha, by_band["r"].beta], [0.3, 0.05], atol=1e-10)
    np.testing.assert_allclose(by_band["g"].alpha, -0.7, atol=1e-10)
    assert filter_tran_mags({"g": red + colour, "r": red}, out, "bestalpha")[0].band == "r"
    single = filter_tran_mags(red, out)[0]
    np.testing.assert_allclose([single.beta, single.sigma], [(out - red).mean(), (out - red).std(ddof=1)])
    with pytest.raises(ValueError, match="best='x' is unknown"):
        filter_tran_mags({"g": red, "r": red}, out, "x")


def test_transformations_of_bands(library):
    found = filter_tran_bands(
        ["g_SDSS", "r_SDSS"], "g_VST", speclib=library, n_sample=20, Dale=False, zrange=(0, 0.1)
    )
    best = min(found, key=lambda f: f.sigma)
    assert best.band == "g_SDSS" and abs(best.alpha) < 0.2 and best.sigma < 0.02


def test_limits_of_bins():
    limits = binlims([1.0, 2.0, 4.0])
    np.testing.assert_allclose(limits["lo"], [0.5, 1.5, 3.0])
    np.testing.assert_allclose(limits["hi"], [1.5, 3.0, 5.0])
    logs = binlims([1.0, 10.0, 100.0], log=True)
    np.testing.assert_allclose(logs["hi"], [10**0.5, 10**1.5, 10**2.5])
    masses = binlims(np.geomspace(0.01, 150, 400), log=True)
    masses = {k: v.clip(0.01, 150) for k, v in masses.items()}
    np.testing.assert_allclose(imf_chabrier(masses, massmult=True).sum(), 1.0, rtol=1e-6)
    with pytest.raises(ValueError, match="at least two ascending"):
        binlims([1.0])


def test_box_of_gas_conserves_mass_and_metals():
    box = genbox(
        lambda t, total, gasfrac: 1e9 * gasfrac / 1e9 * 2, time=5, step=0.01, yield_=0.03, total=1e10
    )
    np.testing.assert_allclose(box["sumgas"] + box["sumstars"], box["total"])
    np.testing.assert_allclose(box["total"], 1e10)
    made = np.cumsum(box["yield"] * box["dead"])
    np.testing.assert_allclose(box["sumZall"], made, rtol=1e-10)
    # a closed box: Z = yield ln(1 / gas fraction)
    np.testing.assert_allclose(box["Zgas"][-1], -0.03 * np.log(box["gasfrac"][-1]), rtol=0.01)
    lost = genbox(outfunc=lambda t, total, sfr, alpha: 0.5, infunc=lambda t, total: 0.2, time=2, step=0.1)
    np.testing.assert_allclose(np.diff(lost["total"]), (0.2 - 0.5) * 0.1e9, rtol=1e-8)
    assert len(genbox(lambda t, total, gasfrac: 10.0, time=10, step=0.1, total=1e9)["time"]) < 101
    with pytest.raises(ValueError, match="must be positive and at most"):
        genbox(step=0)


def as_fits(library, path, *, table=True, turned=False):
    """Write a library as ProSpect's flattened list is written."""
    hdus = [fits.PrimaryHDU()]
    for name, value in (("Z", library.z), ("Age", library.age_yr), ("AgeBins", library.age_edges_yr),
                        ("AgeWeights", np.diff(library.age_edges_yr)), ("Wave", library.wave_aa)):  # fmt: skip
        hdus.append(fits.ImageHDU(np.asarray(value), name=name))
    for i, spectra in enumerate(library.spectra, 1):
        hdus.append(fits.ImageHDU(spectra.T if turned else spectra, name=f"Zspec{i}"))
    for i, evolution in enumerate(library.evolution, 1):
        if table:
            names = ("SMstar", "SMgas", "SMtot", "SFR", "SMrem")
            columns = [fits.Column(n, "D", array=evolution[:, k]) for k, n in enumerate(names)]
            hdus.append(fits.BinTableHDU.from_columns(columns, name=f"Zevo{i}"))
        else:
            hdus.append(fits.ImageHDU(evolution.T if turned else evolution, name=f"Zevo{i}"))
    fits.HDUList(hdus).writeto(path)


@pytest.mark.parametrize(("table", "turned"), [(True, False), (False, True)])
def test_libraries_of_prospect_and_progeny(library, tmp_path, table, turned):
    as_fits(library, tmp_path / "toy.fits", table=table, turned=turned)
    again = SSPLibrary.read(tmp_path / "toy.fits")
    for name in ("z", "age_yr", "age_edges_yr", "wave_aa", "spectra", "evolution"):
        np.testing.assert_allclose(getattr(again, name), getattr(library, name), rtol=1e-6, err_msg=name)


def test_a_library_that_lacks_something(library, tmp_path):
    as_fits(library, tmp_path / "toy.fits")
    with fits.open(tmp_path / "toy.fits") as hdus:
        del hdus["Zevo2"]
        hdus.writeto(tmp_path / "less.fits")
    with pytest.raises(ValueError, match="has 3 tables Zevo"):
        SSPLibrary.read(tmp_path / "less.fits")


def test_picture_by_component(library):
    sed = prospect_sed(speclib=library, massfunc="snorm", mSFR=3, Z=0.02, z=0.05, filters=None, sparse=1)
    figure = plot_components(sed)
    top = figure.axes[0]
    assert [line.get_label() for line in top.lines] == [
        "total",
        "stars without dust",
        "stars behind dust",
        "dust",
    ]
    assert len(figure.axes) == 3
