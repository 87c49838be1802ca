"""Adding and rebinning spectra: ProSpect's numbers, and what the default mode repairs."""

import numpy as np
import pytest

from pyprospect.rebin import addspec, pixel_edges, spec_rebin


def test_addspec(reference, parity):
    group = reference["unit/addspec"]
    spectra = [group[name][()] for name in ("wave1", "flux1", "wave2", "flux2")]
    log_grid = np.log10(group["extrap0_waveout/wave"][()])
    for name, options in {
        "constant": {},
        "extrap0": {"extrap": 0},
        "extrap1e-3": {"extrap": 1e-3},
        "extrap0_waveout": {"extrap": 0, "waveout": log_grid},
    }.items():
        ours = addspec(*spectra, **options)
        parity.check("unit/addspec", ours.wave, group[name]["wave"][()], 1e-10, label=f"{name} wave")
        parity.check("unit/addspec", ours.flux, group[name]["flux"][()], 1e-10, label=f"{name} flux")


def test_spec_rebin(reference, parity):
    group = reference["unit/specReBin"]
    wave, flux, invar = (group[name][()] for name in ("wave_in", "flux_in", "invar_in"))
    muse, coarse, fine = (group[f"wave_{name}"][()] for name in ("muse", "coarse", "fine"))
    cases = {
        "muse_logbinTRUE": (muse, {}),
        "muse_logbinFALSE": (muse, {"logbin": False}),
        "muse_rough": (muse, {"rough": True}),
        "muse_rough_spline": (muse, {"rough": True, "interp": "spline"}),
        "coarse_partial_overlap_lin": (coarse, {"logbin": False}),
        "fine_lin": (fine, {"logbin": False}),
        "muse_invar_flux": (muse, {"invar": invar, "logbin": False}),
        "muse_invar_out": (muse, {"invar": invar, "logbin": False}),
        "auto_log": (None, {}),
        "auto_lin_bin2": (None, {"logbin": False, "bin": 2}),
    }
    for name, (grid, options) in cases.items():
        ours = spec_rebin(wave, flux, grid, compat=True, **options)
        theirs = group[name]["flux"][()] if name.startswith("auto") else group[name][()]
        values = ours.invar if name.endswith("_out") else ours.flux
        parity.check("unit/specReBin", values, theirs, 1e-10, label=name)
        if grid is None:
            parity.check("unit/specReBin", ours.wave, group[name]["wave"][()], 1e-10, label=f"{name} wave")
    for kind in ("lin", "log"):
        theirs = group[f"edges_{kind}_of_1_2_4_7_11"][()]
        lower, upper = pixel_edges([1, 2, 4, 7, 11], logbin=kind == "log", compat=True)
        ours = np.array([lower, upper, upper - lower])
        parity.check("unit/specReBin", ours, theirs, 1e-10, label=f"edges {kind}")


def test_last_pixel_is_symmetric_by_default():
    wave = np.arange(100.0, 110.0)
    lower, upper = pixel_edges(wave, logbin=False)
    np.testing.assert_allclose(upper - lower, 1.0)
    _, wide = pixel_edges(wave, logbin=False, compat=True)
    assert wide[-1] - lower[-1] == pytest.approx(2.0)


def _uneven():
    rng = np.random.default_rng([3, 14])
    wave = np.sort(rng.uniform(4900, 5100, 800))
    return wave, 1 + 30 * np.exp(-(((wave - 5000) / 2) ** 2) / 2)


def test_rebinning_conserves_flux_by_default_only():
    wave, flux = _uneven()
    grid = np.arange(4950.0, 5050.0, 1.25)
    inside = np.clip(np.array(pixel_edges(wave, False)), *(pixel_edges(grid, False)[k][-k] for k in (0, 1)))
    total = np.sum(flux * (inside[1] - inside[0]))
    sizes = np.subtract(*pixel_edges(grid, False)[::-1])
    ours = spec_rebin(wave, flux, grid, logbin=False)
    assert np.sum(ours.flux * sizes) == pytest.approx(total, rel=1e-12)
    theirs = spec_rebin(wave, flux, grid, logbin=False, compat=True)
    assert abs(np.sum(theirs.flux * sizes) / total - 1) > 1e-4


def test_pixel_widths_as_weights_mend_prospects_mean():
    wave, flux = _uneven()
    grid = np.arange(4950.0, 5050.0, 1.25)
    widths = np.subtract(*pixel_edges(wave, False)[::-1])
    mended = spec_rebin(wave, flux, grid, invar=widths, logbin=False, compat=True)
    ours = spec_rebin(wave, flux, grid, logbin=False)
    np.testing.assert_allclose(ours.flux[:-1], mended.flux[:-1], rtol=1e-12)


def test_flat_spectrum_stays_flat_and_empty_pixels_are_not_zero():
    wave, _ = _uneven()
    grid = np.arange(4800.0, 5200.0, 3.0)
    ours = spec_rebin(wave, np.full(wave.size, 7.0), grid)
    covered = ~np.isnan(ours.flux)
    np.testing.assert_allclose(ours.flux[covered], 7.0, rtol=1e-12)
    assert 0 < covered.sum() < grid.size
    assert np.all(ours.invar[~covered] == 0)
    theirs = spec_rebin(wave, np.full(wave.size, 7.0), grid, compat=True)
    assert np.all(theirs.flux[~covered][:10] == 0)


def test_bad_input():
    wave, flux = _uneven()
    with pytest.raises(ValueError, match="ascend"):
        spec_rebin(wave[::-1], flux, wave)
    with pytest.raises(ValueError, match="equal vectors"):
        spec_rebin(wave, flux[1:], wave)
    with pytest.raises(ValueError, match="inverse variances"):
        spec_rebin(wave, flux, wave, invar=flux[1:])
    with pytest.raises(ValueError, match="interp="):
        spec_rebin(wave, flux, wave, rough=True, interp="cubic")
    with pytest.raises(ValueError, match="step > 0"):
        spec_rebin(wave, flux, bin=0)
    with pytest.raises(ValueError, match="extrap="):
        addspec(wave, flux, wave, flux, extrap="linear")
