"""Nebular continuum, ionising light and its energy balance: against Cloudy and textbook numbers."""

import numpy as np
import pytest

from pyprospect import SSPLibrary
from pyprospect.constants import LSOL_ERG_S
from pyprospect.gas.continuum import (
    CloudyContinuum,
    _free_bound,
    _two_photon,
    continuum_for,
    electron_temperature,
    halpha_emissivity,
    nebular_continuum,
    nebular_continuum_per_halpha,
)
from pyprospect.gas.ionizing_light import (
    energy_balance,
    halpha_from_ionizing_photons,
    ionizing_luminosity,
    ionizing_photons,
    ionizing_photons_from_sfr,
    library_ionizing_photons,
)
from pyprospect.gas.line_grids import LineGrid


@pytest.fixture(scope="module")
def cloudy(upstream):
    return CloudyContinuum.read(upstream("cloudy_nebular"))


@pytest.fixture(scope="module")
def bc03(upstream):
    return SSPLibrary.read(upstream("bc03_miles") / "bc03_miles_stellar_grids.fits")


def test_halpha_emissivity_of_the_textbook():
    # Osterbrock & Ferland (2006), Table 4.4, times case-B Halpha/Hbeta: 1.235e-25 x 2.863 at 1e4 K
    assert halpha_emissivity(1e4) == pytest.approx(1.235e-25 * 2.863, rel=0.01)
    assert halpha_emissivity(5e3) == pytest.approx(2.20e-25 * 3.04, rel=0.03)


def test_two_photon_emits_one_decay_of_energy():
    """Integrated over frequency, each recombination to 2s gives the energy of Lyman alpha."""
    nu = np.linspace(1.0, 2.466e15, 40001)
    total = np.trapezoid(_two_photon(nu, 1e4, 0.0), nu)
    assert total == pytest.approx(8.38e-14 * 6.626e-27 * 2.466e15, rel=3e-3)
    assert _two_photon(nu, 1e4, 1.55e4)[20000] == pytest.approx(
        0.5 * _two_photon(nu, 1e4, 0.0)[20000], rel=0.01
    )


def test_free_bound_recovers_the_recombination_coefficient():
    """Photons of the Lyman continuum, integrated, are the recombinations to n = 1: 1.58e-13 cm3/s at 1e4 K."""
    thermal = 1.380649e-16 * 1e4 / 6.62607e-27
    nu = 3.2880513e15 + np.linspace(0, 30 * thermal, 200001)[1:]
    kramers = 6.842e-38 / 100.0 * np.exp(-nu / thermal)
    photons = kramers * _free_bound(nu, 1, 3.2880513e15, thermal) / (6.62607e-27 * nu)
    assert np.trapezoid(photons, nu) == pytest.approx(1.58e-13, rel=0.05)


def test_continuum_follows_cloudy(cloudy):
    """From Z = 0.004 to 0.05: within 15 % from 1800 to 12,000 Angstrom, the Balmer jump within 6 %."""
    wave_aa = np.array(
        [1800.0, 2500, 2900, 3300, 3630, 3680, 4200, 4861, 5500, 6500, 8100, 8260, 9300, 12000]
    )
    i_u = int(np.argmin(np.abs(cloudy.log_u + 3)))
    for z in (0.004, 0.008, 0.02, 0.05):
        i_z = int(np.argmin(np.abs(cloudy.z - z)))
        theirs = np.interp(wave_aa, cloudy.wave_aa, cloudy.per_halpha[i_z, i_u])
        ours = nebular_continuum_per_halpha(wave_aa, electron_temperature(z))
        np.testing.assert_allclose(ours, theirs, rtol=0.15, err_msg=f"Z={z}")
        jump = [side[4] / side[5] for side in (ours, theirs)]
        assert jump[0] == pytest.approx(jump[1], rel=0.06)


def test_equivalent_width_of_hbeta():
    """Of gas alone at 1e4 K: about 1400 Angstrom below helium's share (Osterbrock & Ferland 2006: 1e3 or so)."""
    width = 1.0 / 2.863 / nebular_continuum_per_halpha(np.array([4861.0]), 1e4)[0]
    assert 1000 < width < 1700
    hot, cold = (nebular_continuum(np.array([3630.0, 3680.0]), te) for te in (1.5e4, 6e3))
    assert cold[0] / cold[1] > 2 * hot[0] / hot[1]


def test_continuum_for_a_library(libraries):
    library = libraries("toy").trim(2000, 9000)
    continuum = continuum_for(library)
    assert continuum.per_halpha.shape == (library.z.size, library.wave_aa.size)
    assert np.all(continuum.per_halpha > 0)


def test_bad_temperature_is_refused():
    with pytest.raises(ValueError, match="4000 to 25,000"):
        nebular_continuum(np.array([5000.0]), 1e3)
    with pytest.raises(ValueError, match="negative"):
        nebular_continuum(np.array([5000.0]), 1e4, helium=-1)
    with pytest.raises(ValueError, match="positive"):
        electron_temperature(0.0)


def test_missing_cloudy_file(tmp_path):
    with pytest.raises(ValueError, match="one is expected"):
        CloudyContinuum.read(tmp_path)


def test_ionizing_photons_of_a_flat_photon_spectrum():
    wave_aa = np.arange(100.0, 2000.0, 0.5)
    lum = 1.0 / wave_aa
    expected = (911.75 - 100.0) * LSOL_ERG_S / (6.62606957e-27 * 2.99792458e18)
    assert ionizing_photons(wave_aa, lum) == pytest.approx(expected, rel=1e-6)
    assert ionizing_luminosity(wave_aa, lum) == pytest.approx(np.log(911.75 / 100.0), rel=1e-4)
    with pytest.raises(ValueError, match="above the Lyman limit"):
        ionizing_photons(wave_aa[2000:], lum[2000:])


def test_kennicutt_and_stars_agree(bc03):
    """Constant star formation, solar: BC03 (Kroupa) ionises within 50 % of Kennicutt for Chabrier."""
    photons = library_ionizing_photons(bc03)
    young = bc03.age_yr < 1e8
    per_sfr = (photons * bc03.age_weights_yr)[:, young].sum(axis=1)
    assert per_sfr[4] == pytest.approx(ionizing_photons_from_sfr(1.0, "chabrier"), rel=0.5)
    assert per_sfr[1] > per_sfr[4]
    assert ionizing_photons_from_sfr(2.0) == pytest.approx(2 / 1.08e-53)
    halpha = halpha_from_ionizing_photons(ionizing_photons_from_sfr(1.0))
    assert halpha * LSOL_ERG_S == pytest.approx(1 / 7.9e-42, rel=1e-6)
    assert halpha_from_ionizing_photons(ionizing_photons_from_sfr(1.0, "prospect")) == pytest.approx(
        21612724.0
    )


def test_photons_give_cloudys_halpha(bc03, upstream):
    """1.37e-12 erg a photon, from our count of photons, is the Halpha that Cloudy has for the same stars."""
    from astropy.io import fits

    photons = library_ionizing_photons(bc03)
    path = upstream("cloudy_nebular") / "bc03_miles_nebular_line_grids_extended_logU_nograins_cloudy25.fits"
    with fits.open(path) as hdus:
        for name, i_z in (("ZMET_1.000_LOGU_-3.0", 4), ("ZMET_0.200_LOGU_-3.0", 2)):
            table = hdus[name].data
            halpha = table[1, 1:][np.argmin(np.abs(table[0, 1:] - 6562.8))]
            i_age = int(np.argmin(np.abs(bc03.age_yr - table[1, 0])))
            assert halpha_from_ionizing_photons(photons[i_z, i_age]) == pytest.approx(halpha, rel=0.03)


def test_gas_does_not_emit_more_than_it_absorbs(bc03, upstream):
    """Lines and continuum of a 1 Myr population take less than its ionising light, and most of it."""
    grid = LineGrid.cloudy(upstream("cloudy_nebular"))
    i_age = int(np.argmin(np.abs(bc03.age_yr - 1e6)))
    stars = bc03.spectra[4, i_age]
    halpha = float(halpha_from_ionizing_photons(library_ionizing_photons(bc03)[4, i_age]))
    wave_aa = np.geomspace(912, 1e5, 20000)
    continuum = float(
        np.trapezoid(halpha * nebular_continuum_per_halpha(wave_aa, electron_temperature(0.02)), wave_aa)
    )
    lines = float(halpha * grid.ratios(0.02, 3e7).sum())
    balance = energy_balance(bc03.wave_aa, stars, lines_lsol=lines, continuum_lsol=continuum)
    assert balance.ionizing == pytest.approx(
        balance.escaped + balance.lines + balance.continuum + balance.left
    )
    assert 0.6 < (balance.lines + balance.continuum) / balance.ionizing < 1.0
    assert energy_balance(bc03.wave_aa, stars, lines_lsol=0.0, escape_frac=0.25).escaped == pytest.approx(
        0.25 * balance.ionizing
    )


def test_bad_rates_are_refused():
    with pytest.raises(ValueError, match="not negative"):
        ionizing_photons_from_sfr(-1)
    with pytest.raises(ValueError, match="choose one of"):
        ionizing_photons_from_sfr(1, "imf")
    with pytest.raises(ValueError, match="between 0 and 1"):
        halpha_from_ionizing_photons(1e50, 1.5)
    with pytest.raises(ValueError, match="negative"):
        halpha_from_ionizing_photons(-1e50)
    with pytest.raises(ValueError, match="between 0 and 1"):
        energy_balance(np.array([800.0, 1000.0]), np.ones(2), lines_lsol=0.0, escape_frac=-0.1)
