"""Adding and rebinning spectra: ProSpect's numbers, and what the default mode repairs."""

import numpy as np
import pytest

from pyprospect.numerics.rebin import addspec, pixel_edges, smoothing_matrix, spec_rebin


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
        edges = pixel_edges([1, 2, 4, 7, 11], logbin=kind == "log", compat=True)
        ours = np.array([edges[:-1], edges[1:], np.diff(edges)])
        parity.check("unit/specReBin", ours, theirs, 1e-10, label=f"edges {kind}")


def test_edges_lie_half_way_and_end_pixels_are_symmetric():
    np.testing.assert_allclose(pixel_edges([1.0, 2.0, 4.0]), [0.5, 1.5, 3.0, 5.0])
    np.testing.assert_allclose(pixel_edges([1.0, 4.0, 16.0], logbin=True), [0.5, 2.0, 8.0, 32.0])
    wave = np.arange(100.0, 110.0)
    np.testing.assert_allclose(np.diff(pixel_edges(wave)), 1.0)
    assert np.diff(pixel_edges(wave, compat=True))[-1] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("grid", "words"), [([5000.0], "at least 2"), ([2.0, 1.0], "ascend"), ([-1.0, 1.0], "positive")]
)
def test_edges_of_no_grid(grid, words):
    with pytest.raises(ValueError, match=words):
        pixel_edges(grid)


def _uneven():
    rng = np.random.default_rng([3, 14])
    wave = np.sort(rng.uniform(4900, 5100, 800))
    return wave, 1 + 30 * np.exp(-(((wave - 5000) / 2) ** 2) / 2)


def test_rebinning_conserves_flux_by_default_only():
    wave, flux = _uneven()
    grid = np.arange(4950.0, 5050.0, 1.25)
    edges = pixel_edges(grid)
    total = np.sum(flux * np.diff(np.clip(pixel_edges(wave), edges[0], edges[-1])))
    sizes = np.diff(edges)
    ours = spec_rebin(wave, flux, grid, logbin=False)
    assert np.sum(ours.flux * sizes) == pytest.approx(total, rel=1e-12)
    theirs = spec_rebin(wave, flux, grid, logbin=False, compat=True)
    assert abs(np.sum(theirs.flux * sizes) / total - 1) > 1e-4


def test_pixel_widths_as_weights_mend_prospects_mean():
    wave, flux = _uneven()
    grid = np.arange(4950.0, 5050.0, 1.25)
    widths = np.diff(pixel_edges(wave))
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


NATIVE = 4700.0 + 1.25 * np.arange(1200)
OUT = 4750.0 + 1.25 * np.arange(1000)
LINE = np.exp(-0.5 * ((NATIVE - 5300.3) / 2.0) ** 2)


def smoothing(sigma):
    return smoothing_matrix(pixel_edges(NATIVE), pixel_edges(OUT), np.broadcast_to(sigma, OUT.shape))


def test_no_change_on_the_same_grid():
    edges = pixel_edges(NATIVE)
    np.testing.assert_allclose(smoothing_matrix(edges, edges, 0.0).toarray(), np.eye(NATIVE.size), atol=1e-11)


def test_without_smoothing_it_is_the_mean_in_pixels():
    wave, flux = _uneven()
    grid = np.arange(4950.0, 5050.0, 1.25)
    ours = smoothing_matrix(pixel_edges(wave), pixel_edges(grid), 0.0) @ flux
    np.testing.assert_allclose(ours, spec_rebin(wave, flux, grid, logbin=False).flux, rtol=1e-9)


@pytest.mark.parametrize("sigma", [0.0, 0.4, 3.0, 8.0])
def test_flat_stays_flat_and_flux_is_conserved(sigma):
    matrix = smoothing(sigma)
    np.testing.assert_allclose(matrix @ np.ones(NATIVE.size), 1.0, atol=1e-8)
    assert (matrix @ LINE).sum() == pytest.approx(LINE.sum(), rel=1e-6)


def test_widths_add_in_quadrature():
    out = smoothing(3.0) @ LINE
    centre = (out * OUT).sum() / out.sum()
    width = np.sqrt((out * (OUT - centre) ** 2).sum() / out.sum())
    assert centre == pytest.approx(5300.3, abs=1e-3)
    # Besides the two Gaussians there are the boxes of the native and the new pixel.
    assert width == pytest.approx(np.sqrt(2.0**2 + 3.0**2 + 2 * 1.25**2 / 12), rel=2e-3)


def test_sigma_follows_the_new_pixel():
    matrix = smoothing(np.where(OUT < 5300, 1.0, 6.0))
    for place, expected in ((5000.0, 1.0), (5700.0, 6.0)):
        row = matrix[[int(np.argmin(abs(OUT - place)))]].toarray()[0]
        width = np.sqrt((row * (NATIVE - (row * NATIVE).sum()) ** 2).sum())
        assert width == pytest.approx(np.hypot(expected, 1.25 / np.sqrt(6)), rel=0.02)


def test_a_new_pixel_beyond_the_spectrum_gets_nothing():
    matrix = smoothing_matrix(pixel_edges(NATIVE[300:600]), pixel_edges(OUT), 2.0)
    assert matrix[[0, -1]].nnz == 0
    assert matrix.sum() == pytest.approx(300, abs=1)
