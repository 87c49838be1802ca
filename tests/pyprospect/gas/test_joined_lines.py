"""Two line grids on one list: no line that MUSE sees is missing, and any mixture of both can be had."""

import numpy as np
import pytest
import torch

from pyprospect.fast.synthesizer import Synthesizer
from pyprospect.gas.joined_lines import DIFFUSE_PER_HALPHA, join_lines
from pyprospect.gas.line_grids import LineGrid
from pyprospect.stars.toy import toy_library

MUSE_AA = (4700.0, 9700.0)
# Air wavelengths that the data-analysis pipelines of PHANGS-MUSE and MaNGA fit in that range.
FITTED_AA = (
    *(4861.3, 4958.9, 5006.8, 5197.9, 5200.3, 5754.6, 5875.6, 6300.3, 6312.1, 6363.8, 6548.1, 6562.8, 6583.5),
    *(6678.2, 6716.4, 6730.8, 7065.3, 7135.8, 7319.5, 7330.2, 7751.1, 9014.9, 9068.6, 9229.0, 9530.6, 9546.0),
)


@pytest.fixture(scope="module")
def grids(upstream):
    pair = LineGrid.mappings51(upstream("mappings51")), LineGrid.cloudy(upstream("cloudy_nebular"))
    return tuple(grid.select(1990.0, 9700.0) for grid in pair)


@pytest.fixture(scope="module")
def lines(grids):
    return join_lines(*grids)


@pytest.mark.parametrize("code", [0, 1])
def test_no_line_above_half_a_per_cent_of_halpha_is_missing(grids, lines, code):
    grid = grids[code]
    inside = (grid.wave_aa > MUSE_AA[0]) & (grid.wave_aa < MUSE_AA[1])
    strong = inside & (grid.ratio.max(axis=(0, 1)) > 0.005)
    assert strong.sum() > 15
    for name, wave in zip(np.array(grid.line_names)[strong], grid.wave_aa[strong], strict=True):
        reach = 4.0 if name.startswith("Blnd") else 1.0
        assert np.abs(lines.wave_aa - wave).min() < reach, f"{name} of {grid.name} is missing"


def test_lines_that_pipelines_fit_are_there(lines):
    for wave in FITTED_AA:
        assert np.abs(lines.wave_aa - wave).min() < 1.0, f"{wave} AA is missing"
    # what neither grid has: the Paschen series, and O I that starlight pumps
    for name in ("Pa11", "Pa14", "Pa20", "OI8446"):
        assert name in lines.names


def test_each_line_stands_once(lines):
    """A line of the second grid that is one of the first's under another wavelength would be counted twice."""
    steps = np.diff(lines.wave_aa)
    close = {(lines.names[i], lines.names[i + 1]) for i in np.flatnonzero(steps < 1.5)}
    assert close <= {
        ("HeI3889", "H8"),
        ("OII7330", "OII7331"),
        ("CII2324", "CII2324.7"),
        ("CII2324.7", "CII2325.4"),
    } | {
        ("CII2325.4", "CII2327"),
        ("CII2327", "CII2328"),
    }


def test_a_blend_keeps_its_sum(grids, lines):
    cloudy = grids[1]
    blend = cloudy.line_names.index("Blnd  7332.00A")
    parts = [lines.names.index(name) for name in ("OII7330", "OII7331")]
    for i in (2, 6):
        whole = cloudy.ratios(lines.z[i], cloudy.q[2])[blend]
        at_u = int(np.argmin(np.abs(lines.log_u - cloudy.log_u[2])))
        assert lines.other[i, at_u, parts].sum() == pytest.approx(whole, rel=1e-6)


def test_grids_that_do_not_meet_are_refused(grids):
    far = LineGrid(
        "far",
        ("Halpha",),
        np.array([6562.8]),
        np.array([0.5]),
        grids[0].q,
        np.ones((1, grids[0].q.size, 1)),
        "",
    )
    with pytest.raises(ValueError, match=r"far 0.5..0.5: there is nothing to mix"):
        join_lines(grids[0], far)


@pytest.fixture(scope="module")
def synthesizer(lines):
    return Synthesizer(toy_library(), np.arange(4750.0, 9350.0, 2.5), lines=lines, dtype=torch.float64)


def galaxy(synthesizer, young: float):
    n_age = synthesizer.library.age_yr.size
    mass = torch.zeros(1, n_age, dtype=torch.float64)
    mass[0, 0], mass[0, -1] = young, 1.0
    return mass, torch.full((1, n_age), 0.012, dtype=torch.float64)


def test_ratios_of_both_codes_and_between(synthesizer, lines):
    mass = galaxy(synthesizer, 1e-3)
    flux = {
        mix: synthesizer(*mass, line_mix=mix, tau_birth=0, tau_screen=0).line_flux[0]
        for mix in (0.0, 0.5, 1.0)
    }
    torch.testing.assert_close(flux[0.5], 0.5 * (flux[0.0] + flux[1.0]))
    oiii = lines.names.index("OIII5007")
    assert flux[1.0][oiii] > 3 * flux[0.0][oiii] > 0
    torch.testing.assert_close(flux[0.0], synthesizer(*mass, tau_birth=0, tau_screen=0).line_flux[0])
    with pytest.raises(ValueError, match=r"line_mix is 1.5; a share is at most 1"):
        synthesizer(*mass, line_mix=1.5)


def test_diffuse_gas_shines_without_young_stars_and_outside_their_dust(synthesizer, lines):
    mass = galaxy(synthesizer, 0.0)
    halpha, nii = (lines.names.index(name) for name in ("Halpha", "NII6583"))
    assert float(synthesizer(*mass).line_flux.sum()) == 0.0
    clear, dusty = (synthesizer(*mass, diffuse_ew_aa=2.0, tau_birth=tau, tau_screen=0) for tau in (0.0, 2.5))
    # the definition: Halpha is the light around it times the width
    wave = torch.from_numpy(synthesizer.wave_aa)
    around = (wave > 6480) & (wave < 6540) | (wave > 6600) & (wave < 6640)
    assert float(clear.line_flux[0, halpha] / clear.flux[0, around].mean()) == pytest.approx(2.0, rel=0.03)
    assert float(clear.line_flux[0, nii] / clear.line_flux[0, halpha]) == pytest.approx(
        DIFFUSE_PER_HALPHA["NII6583"]
    )
    torch.testing.assert_close(dusty.line_flux, clear.line_flux)
    torch.testing.assert_close(dusty.flux, clear.flux, rtol=2e-3, atol=0)
    screened = synthesizer(*mass, diffuse_ew_aa=2.0, tau_birth=0, tau_screen=1.0, pow_screen=0.0)
    torch.testing.assert_close(screened.line_flux, clear.line_flux * float(np.exp(-1.0)))


def test_lines_without_the_wanted_ratios_are_refused(grids):
    from pyprospect.gas.ratios import LineRatios

    grid = grids[0]
    alone = LineRatios(grid.names, grid.wave_aa, grid.z, grid.log_u, grid.ratio)
    plain = Synthesizer(toy_library(), np.arange(4750.0, 9350.0, 5.0), lines=alone)
    with pytest.raises(ValueError, match=r"line_mix is up to 0.3, but the lines have no 'other' ratios"):
        plain(*galaxy(plain, 0.1), line_mix=0.3)
    with pytest.raises(ValueError, match=r"other line ratios have shape"):
        LineRatios(grid.names, grid.wave_aa, grid.z, grid.log_u, grid.ratio, other=grid.ratio[..., :3])
