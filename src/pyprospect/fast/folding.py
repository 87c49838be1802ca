"""Fold what is linear and the same for every galaxy into the SSP library once.

Line-spread function, velocity dispersion, resampling and band integrals are matrices on the wavelength
axis of the library; dust curves are smooth, so their values at a few nodes give them everywhere.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ndtr

from pyprospect.constants import C_KMS, FWHM_PER_SIGMA
from pyprospect.numerics.rebin import pixel_edges, smoothing_matrix

Array = NDArray[np.float64]

KERNEL_RANGE_SIGMA = 6.0
"""Gaussians are cut here; what is beyond (2e-9) is given back by the normalisation."""


def sigma_to_add_aa(
    wave_aa: Array,
    veldisp_kms: float,
    lsf_fwhm_aa: Callable[[Array], Array] | None = None,
    *,
    own_fwhm_aa: Array | None = None,
    lsf_scale: float = 1.0,
) -> Array:
    """Return the Gaussian width that brings a spectrum of known resolution to an instrument and a dispersion.

    Parameters
    ----------
    wave_aa : ndarray, shape (n,)
        Wavelengths in Angstrom.
    veldisp_kms : float
        Velocity dispersion in km/s (Gaussian sigma).
    lsf_fwhm_aa : callable, optional
        Instrument FWHM in Angstrom at given wavelengths.
    own_fwhm_aa : ndarray, shape (n,), optional
        Resolution that the spectrum has already, FWHM in Angstrom.
    lsf_scale : float
        Factor on the instrument's FWHM.

    Returns
    -------
    ndarray, shape (n,)
        Sigma in Angstrom.

    Notes
    -----
    Where the instrument is sharper than the spectrum the quadrature difference is clipped at zero: MUSE is,
    by up to 2 per cent of the FWHM, between 6760 and 8900 Angstrom against the 2.51 Angstrom of E-MILES.
    """
    instrument = np.zeros_like(wave_aa)
    if lsf_fwhm_aa is not None:
        instrument = np.asarray(lsf_fwhm_aa(wave_aa), dtype=float) * lsf_scale
    own = np.zeros_like(wave_aa) if own_fwhm_aa is None else own_fwhm_aa
    extra = np.clip(instrument**2 - own**2, 0.0, None) / FWHM_PER_SIGMA**2
    return np.sqrt(extra + (veldisp_kms / C_KMS * wave_aa) ** 2)


def broadening_matrix(native_aa: Array, wave_aa: Array, sigma_aa: Array) -> sparse.csr_array:
    """Return the matrix that broadens native spectra and averages them over the pixels of another grid.

    Parameters
    ----------
    native_aa : ndarray, shape (n_native,)
        Wavelengths of the library in Angstrom, ascending.
    wave_aa : ndarray, shape (n_wave,)
        Pixel centres of the target in Angstrom, ascending.
    sigma_aa : ndarray, shape (n_wave,)
        Gaussian sigma at each target pixel in Angstrom; 0 resamples only.

    Returns
    -------
    scipy.sparse.csr_array, shape (n_native, n_wave)
        ``flux_native @ matrix`` is the mean f_lambda in each target pixel; columns sum to one.

    Raises
    ------
    ValueError
        If the library does not cover the target with the margin that broadening needs.
    """
    edges, out_edges = pixel_edges(native_aa), pixel_edges(wave_aa)
    low = float((out_edges[:-1] - KERNEL_RANGE_SIGMA * sigma_aa).min())
    high = float((out_edges[1:] + KERNEL_RANGE_SIGMA * sigma_aa).max())
    if low < edges[0] or high > edges[-1]:
        raise ValueError(
            f"the library covers {edges[0]:.1f} .. {edges[-1]:.1f} Angstrom; a grid of {wave_aa[0]:.1f} .. "
            f"{wave_aa[-1]:.1f} Angstrom needs {low:.1f} .. {high:.1f} with its broadening. "
            "Shorten the grid or take a longer library"
        )
    matrix = smoothing_matrix(edges, out_edges, sigma_aa, KERNEL_RANGE_SIGMA)
    matrix.data /= np.repeat(matrix.sum(axis=1), np.diff(matrix.indptr))
    return matrix.T.tocsr()


def line_profiles(line_aa: Array, wave_aa: Array, sigma_aa: Array) -> Array:
    """Return the pixel-averaged Gaussian profiles of unit flux.

    Parameters
    ----------
    line_aa, sigma_aa : ndarray, shape (n_line,)
        Centres and Gaussian sigmas in Angstrom.
    wave_aa : ndarray, shape (n_wave,)
        Pixel centres in Angstrom.

    Returns
    -------
    ndarray, shape (n_line, n_wave)
        Mean over each pixel in 1/Angstrom; a line well inside the grid integrates to one.
    """
    edges = pixel_edges(wave_aa)
    cdf = ndtr((edges[None, :] - line_aa[:, None]) / np.maximum(sigma_aa[:, None], 1e-12))
    return np.diff(cdf, axis=1) / np.diff(edges)


def chebyshev_nodes(low_aa: float, high_aa: float, n_node: int) -> Array:
    """Return the Chebyshev nodes of the first kind in log wavelength, ascending, in Angstrom.

    Parameters
    ----------
    low_aa, high_aa : float
        Ends of the range, Angstrom.
    n_node : int
        Number of nodes.

    Returns
    -------
    ndarray, shape (n_node,)
        Angstrom.
    """
    x = np.cos(np.pi * (np.arange(n_node)[::-1] + 0.5) / n_node)
    return np.exp(0.5 * (np.log(high_aa) + np.log(low_aa)) + 0.5 * (np.log(high_aa) - np.log(low_aa)) * x)


def lagrange_matrix(nodes: Array, points: Array) -> Array:
    """Return the polynomial interpolation from Chebyshev nodes of the first kind (barycentric form).

    Parameters
    ----------
    nodes : ndarray, shape (n_node,)
        Ascending nodes; wavelengths are interpolated in their logarithm by passing logarithms here.
    points : ndarray, shape (n,)
        Where to interpolate.

    Returns
    -------
    ndarray, shape (n_node, n)
        ``values_at_nodes @ matrix`` are the values at the points.

    Notes
    -----
    Berrut & Trefethen (2004), SIAM Review 46, 501, eq. 4.2 and 5.3.
    """
    n = nodes.size
    angle = np.pi * (np.arange(n)[::-1] + 0.5) / n
    weight = (-1.0) ** np.arange(n) * np.sin(angle)
    gap = points[None, :] - nodes[:, None]
    exact = np.abs(gap) < 1e-14 * max(1.0, float(np.abs(nodes).max()))
    term = weight[:, None] / np.where(exact, 1.0, gap)
    matrix = term / term.sum(axis=0)
    on_node = exact.any(axis=0)
    matrix[:, on_node] = exact[:, on_node].astype(float)
    return matrix


class DustNodes:
    """Wavelengths at which dust inside a band is computed, and the interpolation between them.

    Most of the response lies in one stretch; what leaks beyond (a red leak matters for F275W, where a red galaxy has
    a thousand times less light) gets a coarser one on each side.

    Parameters
    ----------
    wave_aa : ndarray, shape (n,)
        Rest wavelengths at which the band responds, in Angstrom, ascending.
    weight : ndarray, shape (n,)
        Share of the response of each.
    reach : (float, float)
        Factors by which the stretches grow at the blue and the red end (redshifts that share the nodes).
    """

    MAIN, BLUE, RED = 8, 3, 5

    def __init__(self, wave_aa: Array, weight: Array, reach: tuple[float, float] = (1.0, 1.0)) -> None:
        cumulative = np.cumsum(weight) / weight.sum()

        def at(share: float) -> float:
            return float(wave_aa[min(int(np.searchsorted(cumulative, share)), wave_aa.size - 1)])

        low, main_low, main_high, high = at(5e-7), at(5e-4), at(1 - 5e-4), at(1 - 5e-7)
        low, main_low, main_high, high = (
            low * reach[0],
            main_low * reach[0],
            main_high * reach[1],
            high * reach[1],
        )
        stretches = [
            (low, main_low, self.BLUE),
            (main_low, main_high, self.MAIN),
            (main_high, high, self.RED),
        ]
        self.stretches = [(a, b, n) for a, b, n in stretches if b > a * 1.001]
        self.wave_aa = np.concatenate([chebyshev_nodes(a, b, n) for a, b, n in self.stretches])

    def interpolation(self, points_aa: Array) -> Array:
        """Return the matrix (n_node, n_points); points beyond the outermost stretch take its end value."""
        points = np.clip(points_aa, self.stretches[0][0], self.stretches[-1][1])
        matrix = np.zeros((self.wave_aa.size, points.size))
        start = 0
        for i, (low, high, n) in enumerate(self.stretches):
            last = i == len(self.stretches) - 1
            inside = (points >= low) & ((points <= high) if last else (points < high))
            nodes = np.log(self.wave_aa[start : start + n])
            if inside.any():
                matrix[start : start + n, inside] = lagrange_matrix(nodes, np.log(points[inside]))
            start += n
        return matrix


def band_quadrature(
    native_aa: Array, band_wave_aa: Array, response: Array, *, name: str = "band", redshift: float = 0.0
) -> tuple[Array, Array]:
    """Return the points and weights of a photon-weighted band mean of rest-frame spectra.

    Parameters
    ----------
    native_aa : ndarray, shape (n_native,)
        Wavelengths of the spectra in Angstrom; they are taken as linear between pixels.
    band_wave_aa, response : ndarray, shape (n,)
        Photon-counting response against observed wavelength in Angstrom.
    name : str
        For messages.
    redshift : float
        The band sees the rest wavelengths ``band_wave_aa / (1 + redshift)``.

    Returns
    -------
    points_aa, weight : ndarray, shape (m,)
        Rest wavelengths inside the spectra; weights sum to one.

    Raises
    ------
    ValueError
        If the spectra miss more than 1e-4 of the band's response.
    """
    wave = np.asarray(band_wave_aa, dtype=float) / (1.0 + redshift)
    response = np.abs(np.asarray(response, dtype=float))
    grid = np.union1d(native_aa[(native_aa >= wave[0]) & (native_aa <= wave[-1])], wave)
    through = np.interp(grid, wave, response) * grid
    # Gauss-Legendre on every interval: response and flux are linear, dust is smooth inside it
    left, right = grid[:-1], grid[1:]
    offset = 0.5 / np.sqrt(3.0)
    points = np.stack([left + (0.5 - offset) * (right - left), left + (0.5 + offset) * (right - left)]).ravel(
        "F"
    )
    weight = np.interp(points, grid, through) * np.repeat(0.5 * (right - left), 2)
    weight /= weight.sum()
    covered = (points >= native_aa[0]) & (points <= native_aa[-1])
    lost = float(weight[~covered].sum())
    if lost > 1e-4:
        raise ValueError(
            f"band {name} responds over {wave[0]:.0f} .. {wave[-1]:.0f} Angstrom (rest, z = {redshift}); the "
            f"library covers {native_aa[0]:.0f} .. {native_aa[-1]:.0f} and misses {100 * lost:.2f} % of it. "
            "Leave the band out or take a library that reaches further"
        )
    return points[covered], weight[covered] / weight[covered].sum()


def band_moments(native_aa: Array, points_aa: Array, weight: Array, *, nodes: DustNodes) -> Array:
    """Split a band mean over the nodes of a smooth dust curve.

    The mean of ``f(w) A(w)`` in the band is ``sum_j A(node_j) * (f @ moments[:, j])`` as far as A is the
    polynomial through its values at the nodes: dust inside the band at the price of a few columns.

    Parameters
    ----------
    native_aa : ndarray, shape (n_native,)
    points_aa, weight : ndarray, shape (m,)
        From `band_quadrature`.
    nodes : DustNodes

    Returns
    -------
    ndarray, shape (n_native, n_node)
        Dimensionless; they sum to one over both axes.
    """
    basis = nodes.interpolation(points_aa)
    index = np.clip(np.searchsorted(native_aa, points_aa, side="right") - 1, 0, native_aa.size - 2)
    fraction = (points_aa - native_aa[index]) / (native_aa[index + 1] - native_aa[index])
    moments = np.zeros((native_aa.size, nodes.wave_aa.size))
    for j, row in enumerate(basis):
        moments[:, j] = np.bincount(index, weight * (1 - fraction) * row, native_aa.size)
        moments[:, j] += np.bincount(index + 1, weight * fraction * row, native_aa.size)
    return moments


def line_band_moments(
    line_aa: Array,
    sigma_aa: Array,
    band_wave_aa: Array,
    *,
    response: Array,
    nodes: DustNodes,
    redshift: float = 0.0,
) -> Array:
    """Return the band mean of emission lines of unit flux, split over the dust nodes of the band.

    Parameters
    ----------
    line_aa, sigma_aa : ndarray, shape (n_line,)
        Rest wavelengths and widths in Angstrom.
    band_wave_aa, response : ndarray, shape (n,)
        Photon-counting response against observed wavelength in Angstrom.
    nodes : DustNodes
    redshift : float
        As in `band_quadrature`.

    Returns
    -------
    ndarray, shape (n_line, n_node)
        In 1/Angstrom.
    """
    wave = np.asarray(band_wave_aa, dtype=float) / (1.0 + redshift)
    through = np.abs(np.asarray(response, dtype=float)) * wave
    norm = np.trapezoid(through, wave)
    abscissa, weight = np.polynomial.hermite_e.hermegauss(15)
    points = line_aa[:, None] + sigma_aa[:, None] * abscissa  # (n_line, 15)
    share = (np.interp(points, wave, through, left=0.0, right=0.0) * weight).sum(axis=1) / weight.sum() / norm
    return share[:, None] * nodes.interpolation(line_aa).T


def compress(spectra: Array, tolerance: float) -> tuple[Array, Array, float]:
    """Return the low-rank form of positive spectra with a bound that holds for every mixture of them.

    For weights that are not negative, the relative error of a mixture at a pixel is at most the largest
    relative error of any of the spectra there; that maximum is what the rank is chosen by.

    Parameters
    ----------
    spectra : ndarray, shape (n, n_wave)
        Positive.
    tolerance : float
        Largest relative error allowed; 0 keeps the spectra as they are.

    Returns
    -------
    coefficients : ndarray, shape (n, rank)
    basis : ndarray, shape (rank, n_wave)
        ``coefficients @ basis`` are the spectra.
    error : float
        Largest relative error over spectra and pixels.
    """
    n = spectra.shape[0]
    if tolerance <= 0 or n == 0:
        return np.eye(n), spectra, 0.0
    scale = spectra.mean(axis=1)
    typical = (spectra / scale[:, None]).mean(axis=0)
    relative = spectra / scale[:, None] / typical
    # singular vectors from the Gram matrix of the fewer rows: exact to 1e-8, far below any tolerance of use
    value, vector = np.linalg.eigh(relative @ relative.T)
    used = value[::-1] > 1e-14 * value[-1]
    s, u = np.sqrt(value[::-1][used]), vector[:, ::-1][:, used]
    vt = (u / s).T @ relative
    sample = relative.astype(np.float32)

    def error(rank: int) -> float:
        rest = ((u[:, :rank] * s[:rank]).astype(np.float32) @ vt[:rank].astype(np.float32)) / sample
        return float(np.abs(rest - 1.0).max())

    low, high = 1, s.size
    if error(high) > tolerance:
        return np.eye(n), spectra, 0.0
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if error(middle) <= tolerance else (middle + 1, high)
    rank = high
    if rank >= n:
        return np.eye(n), spectra, 0.0
    # s is shared between both factors so that float32 sees numbers of similar size
    root = np.sqrt(s[:rank])
    return u[:, :rank] * root * scale[:, None], root[:, None] * vt[:rank] * typical, error(rank)
