"""Bands beyond the standard library: stars that are widened, dust that emits what it absorbed, both against ProSpect."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch

from pyprospect.constants import C_KMS
from pyprospect.dust.emission import dale_interp, dale_templates
from pyprospect.fast.packed import pack, unpack
from pyprospect.fast.synthesizer import Synthesizer
from pyprospect.gas.ionizing_light import with_ionizing_photons
from pyprospect.prospect.sed import prospect_sed
from pyprospect.stars.library import SSPLibrary
from pyprospect.stars.merge import repair_holes
from pyprospect.stars.widen import widened
from sfhnet.config import Config, config_from_dict
from sfhnet.core.bands import PHANGS_HST, library_reach_aa, see_dust
from sfhnet.mocks.dust_emission import draw_dust_emission, dust_templates
from sfhnet.mocks.filters_and_lines import load_bands
from sfhnet.mocks.shard_identity import prior_identity
from sfhnet.mocks.synthesize import make_synthesizer, synthesize
from sfhnet.priors.sample import sample

NAMES = ("GALEX_FUV", "F275W", "F435W", "F814W", "F200W", "F335M", "F770W", "F2100W")
REDSHIFT = 0.01


@pytest.fixture(scope="module")
def ends(upstream):
    """E-MILES to 5 um with its holes mended, thinned out in age, and BC03-MILES."""
    young = with_ionizing_photons(SSPLibrary.read(upstream("bc03_miles") / "bc03_miles_stellar_grids.fits"))
    old = SSPLibrary.read(upstream("emiles"))
    some = np.arange(0, old.age_yr.size, 3)
    thin = dataclasses.replace(
        old,
        age_yr=old.age_yr[some],
        age_edges_yr=np.append(old.age_edges_yr[some], old.age_edges_yr[-1]),
        spectra=old.spectra[:, some],
        evolution=old.evolution[:, some],
    )
    return repair_holes(thin, young), young


@pytest.fixture(scope="module")
def wide(ends):
    old, young = ends
    low, high = library_reach_aa(NAMES, REDSHIFT)
    return SSPLibrary.merge(young, widened(old, young, low, high), seam_age_yr=63e6).select_ages(14.1e9)


@pytest.fixture(scope="module")
def prospect_tables(upstream):
    return upstream("prospect_tables")


@pytest.fixture(scope="module")
def curves(upstream):
    upstream("sedpy_filters")
    return load_bands(upstream("hst_filters"), NAMES)


def test_only_bands_that_need_more_widen_the_library():
    assert library_reach_aa(PHANGS_HST, 0.01) is None and not see_dust(PHANGS_HST)
    assert library_reach_aa(("F435W", "ACS_F814W", "SDSS_u"), 0.01) is None
    assert library_reach_aa(("F275W", "GALEX_NUV"), 0.01)[0] == pytest.approx(911.75)
    low, high = library_reach_aa(("F555W", "F2100W"), 0.01)
    assert low == pytest.approx(911.75) and high > 255000
    assert see_dust(("F200W",)) and not see_dust(("F160W",))


def test_a_widened_library_keeps_its_own_and_goes_on(ends, wide):
    old, _ = ends
    own = widened(old, ends[1], *library_reach_aa(NAMES, REDSHIFT))
    fine = old.wave_aa <= 11000
    same = np.isin(own.wave_aa, old.wave_aa[fine])
    assert np.array_equal(own.spectra[:, :, same], old.spectra[:, :, fine].astype(float))
    assert own.holes().size == 0 and wide.holes(1000, 2.6e5).size == 0
    # Averages keep the light of E-MILES in the infrared.
    a, b = 12000.0, 45000.0
    inside = [(library.wave_aa > a) & (library.wave_aa < b) for library in (own, old)]
    light = [
        np.trapezoid(library.spectra[:, :, some], library.wave_aa[some])
        for library, some in zip((own, old), inside, strict=True)
    ]
    assert np.allclose(*light, rtol=5e-3)
    # Bare photospheres: old stars are in the Rayleigh-Jeans tail at 10 um.
    at = [np.searchsorted(own.wave_aa, value) for value in (90000, 110000)]
    slope = np.diff(np.log(own.spectra[:, -3][:, at])) / np.diff(np.log(own.wave_aa[at]))
    assert np.all(np.abs(slope + 4) < 0.25)
    low, high = own.meta["widened"]["constants"]["red"]
    assert 0.3 < low < high < 3.0


@pytest.mark.parametrize("dust", [False, True])
def test_parity_with_prospect_sed(wide, curves, prospect_tables, dust):
    """The same stars, dust and bands through ProSpect's own path: within 0.003 mag."""
    blunt = dataclasses.replace(wide, meta={"medium": "air"})
    templates = dale_templates()
    fast = Synthesizer(
        blunt,
        np.arange(5000.0, 5100.0, 1.25),
        bands=curves,
        dust_templates=templates if dust else None,
        dtype=torch.float64,
    )
    edges, index = wide.age_edges_yr, np.arange(wide.age_yr.size)
    rates = {
        "constant": np.ones(index.size),
        "old": (index > index.size - 6) + 1e-4,
        "young": np.where(edges[1:] <= 2e7, 1.0, 1e-3),
    }
    p = {"tau_birth": 1.2, "tau_screen": 0.5, "pow_birth": -0.9, "pow_screen": -0.7}
    alphas = {"alpha_sf_birth": 1.3, "alpha_sf_screen": 2.6} if dust else {}
    for name, rate in rates.items():
        mass, z = rate * np.diff(edges), np.full(index.size, 0.019)
        found = fast(mass[None], z[None], **p, bump=0.5, **alphas).band_flux[0].numpy()

        def sfr(age, rate=rate):
            return rate[np.clip(np.searchsorted(edges, age, side="right") - 1, 0, rate.size - 1)]

        exact = prospect_sed(
            massfunc=sfr,
            z=0.0,
            speclib=blunt,
            Z=0.019,
            **p,
            Eb=0.5,
            alpha_SF_birth=1.3,
            alpha_SF_screen=2.6,
            Dale=None if dust else False,
            unimax=False,
            sparse=1,
            filters=list(curves.values()),
        ).Photom
        pivot = np.array([curve.pivot_aa for curve in curves.values()])
        scale = 3.828e33 / (4 * np.pi * (3.08568e19) ** 2)
        mag = -2.5 * np.log10(found * pivot**2 / (C_KMS * 1e13) * scale) - 48.6
        # In the optical the tables shine where dust does not, and ProSpect adds that.
        seen = (pivot > 1e4) | (not dust)
        assert np.all(np.abs(mag - exact)[seen] < 0.003), (name, dict(zip(NAMES, mag - exact, strict=True)))


def test_dust_emits_what_it_absorbed(wide, prospect_tables):
    """Fences that share out 3 to 24 um: what they see of dust is the starlight that is missing, less what lies outside."""
    edges = np.geomspace(3e4, 2.4e5, 7)
    # f_lambda averaged over photons is that over wavelength for a response of 1 / wavelength.
    fences = {
        f"b{k}": (np.array([a, 1.0001 * a, 0.9999 * b, b]), np.array([0, 1 / a, 1 / b, 0]))
        for k, (a, b) in enumerate(pairwise(edges))
    }
    grid, options = np.arange(5000.0, 5100.0, 1.25), {"bands": fences, "dtype": torch.float64}
    shines = Synthesizer(wide, grid, dust_templates=dale_templates(), **options)
    dark = Synthesizer(wide, grid, **options)
    mass = np.diff(wide.age_edges_yr)[None]
    z = np.full_like(mass, 0.008)
    dusty = {"tau_birth": 1.0, "tau_screen": 0.4}
    seen = (shines(mass, z, **dusty).band_flux - dark(mass, z, **dusty).band_flux).numpy()[0] @ np.diff(edges)
    wave, spectra = wide.wave_aa, wide.spectra[3].astype(float)
    every, young = mass[0] @ spectra, (mass[0] * (wide.age_edges_yr[1:] <= 1.0001e7)) @ spectra
    birth, screen = (np.exp(-tau * (wave / 5500.0) ** -0.7) for tau in (1.0, 0.4))
    expected = 0.0
    for light, alpha in ((young * (1 - birth), 1.0), ((every - young * (1 - birth)) * (1 - screen), 3.0)):
        template = dale_interp(alpha, refine=True)
        inside = (template.Wave >= edges[0]) & (template.Wave <= edges[-1])
        share = np.trapezoid(template.Aspec[inside], template.Wave[inside])
        assert 0.1 < share < 0.6
        expected += np.trapezoid(light, wave) * share
    assert seen == pytest.approx(expected, rel=0.02)


def test_warmth_is_drawn_only_where_it_is_seen(prospect_tables):
    default = Config()
    assert draw_dust_emission(default, 5, seed=1, shard=0) == {} and dust_templates(default) is None
    infrared = config_from_dict({"bands": ["F555W", "F770W"]})
    drawn = draw_dust_emission(infrared, 4000, seed=1, shard=0)
    assert 0.5 <= drawn["alpha_sf_birth"].min() < 0.51 and 1.99 < drawn["alpha_sf_birth"].max() <= 2
    assert 1.5 <= drawn["alpha_sf_screen"].min() < 1.51 and 3.99 < drawn["alpha_sf_screen"].max() <= 4
    assert abs(np.corrcoef(drawn["alpha_sf_birth"], drawn["alpha_sf_screen"])[0, 1]) < 0.05
    # Galaxies of the optical are what they were, whatever stands there.
    other = {"prior": {"dust_emission": {"alpha_sf_birth": 1.0}}}
    assert prior_identity(config_from_dict(other), 0) == prior_identity(default, 0)
    seen = config_from_dict({"bands": ["F770W"], **other})
    assert prior_identity(seen, 0) != prior_identity(config_from_dict({"bands": ["F770W"]}), 0)


def test_mocks_with_infrared_bands(wide, curves, prospect_tables):
    """From the prior to fluxes, and through a packed synthesizer; the optical does not notice the dust that shines."""
    config = config_from_dict({"bands": list(NAMES), "grid": {"wave_max_aa": 5750.0}})
    synthesizer = make_synthesizer(config, wide, curves, lines=None)
    drawn = sample(config.prior, 64, 1, shard=0, age_bins_yr=1e6 * np.array(config.age_bins_myr))
    library = synthesize(synthesizer, drawn, config, shard=0, threads=1, progress=False)
    flux = dict(zip(NAMES, library.band_flux.T, strict=True))
    assert np.all(np.isfinite(library.band_flux)) and np.all(library.band_flux > 0)
    assert set(library.parameters) >= {"alpha_sf_birth", "alpha_sf_screen"}
    dark = dataclasses.replace(
        drawn,
        parameters={**drawn.parameters, "tau_birth": 0 * drawn.log_prior, "tau_screen": 0 * drawn.log_prior},
    )
    bare = synthesize(synthesizer, dark, config, shard=0, threads=1, progress=False)
    bare_flux = dict(zip(NAMES, bare.band_flux.T, strict=True))
    # Without dust to absorb, none shines: photospheres fall by 200 from 2 to 7.7 um, free-free light by 15.
    ratio = bare_flux["F770W"] / bare_flux["F200W"]
    assert np.median(ratio) < 0.012 and ratio.max() < 1 / 14
    a_v = library.labels["a_v"]
    dusty = a_v > np.median(a_v)
    excess = {name: np.log10(flux[name] / bare_flux[name]) for name in NAMES}
    middle = {name: np.median(values[dusty]) for name, values in excess.items()}
    assert middle["F2100W"] > middle["F770W"] > 0 and middle["F770W"] > middle["F335M"]
    assert middle["F814W"] < 0 and middle["F435W"] < middle["F814W"]
    again = unpack(*pack(synthesizer))
    inputs = {"alpha_sf_birth": 1.0, "alpha_sf_screen": 2.0, "redshift": 0.005}
    mass = torch.ones(2, wide.age_yr.size)
    z = torch.full_like(mass, 0.01)
    assert torch.equal(again(mass, z, **inputs).band_flux, synthesizer(mass, z, **inputs).band_flux)
    with pytest.raises(ValueError, match="alpha_sf_birth runs 5"):
        synthesizer(mass, z, redshift=0.005, alpha_sf_birth=5.0)
