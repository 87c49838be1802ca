"""Line-spread functions and velocity dispersion.

A line-spread function (LSF) is given as the Gaussian sigma in km/s at OBSERVED wavelengths. Everywhere an
argument ``LSF`` is taken it may be None (no broadening), a number, a callable of the wavelength in Angstrom, a
table of two columns (Angstrom, km/s), a tuple of two vectors, a mapping of ``wave`` and ``sigma``, or the name
``"muse"``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pyprospect.arguments import checked
from pyprospect.constants import C_KMS, FWHM_PER_SIGMA

__all__ = [
    "LSFLike",
    "disp_stars",
    "effective_lsf",
    "lsf_sigma_kms",
    "muse_udf10_fwhm_aa",
    "muse_udf10_sigma_kms",
]

LSFLike = float | ArrayLike | Callable[[np.ndarray], np.ndarray] | str | None

MUSE_RANGE_AA = (4750.0, 9350.0)
"""Wavelengths over which the LSF of MUSE was measured."""


@checked
def muse_udf10_fwhm_aa(wave_aa: ArrayLike, extrapolate: bool = False) -> np.ndarray:
    """Return the FWHM of MUSE's LSF in Angstrom: 5.866e-8 w^2 - 9.187e-4 w + 6.040.

    Parameters
    ----------
    wave_aa : array_like
        Observed wavelengths, air, Angstrom.
    extrapolate : bool
        Follow the polynomial outside 4750-9350 Angstrom too (5 Angstrom at 1200 Angstrom) instead of holding
        the end values.

    Returns
    -------
    ndarray
        Of the shape of `wave_aa`.

    Notes
    -----
    Hubble Ultra Deep Field, UDF-10: Bacon et al. (2017, A&A 608, A1), Equation 8.
    """
    wave = np.asarray(wave_aa, dtype=float)
    if not extrapolate:
        wave = np.clip(wave, *MUSE_RANGE_AA)
    return 5.866e-8 * wave**2 - 9.187e-4 * wave + 6.040


@checked
def muse_udf10_sigma_kms(wave_aa: ArrayLike, extrapolate: bool = False) -> np.ndarray:
    """Return the sigma of MUSE's LSF in km/s at observed wavelengths; see `muse_udf10_fwhm_aa`.

    Parameters
    ----------
    wave_aa, extrapolate
        As `muse_udf10_fwhm_aa`.

    Returns
    -------
    ndarray
        km/s, of the shape of `wave_aa`.
    """
    wave = np.asarray(wave_aa, dtype=float)
    return muse_udf10_fwhm_aa(wave, extrapolate) / FWHM_PER_SIGMA / wave * C_KMS


def _named_columns(LSF: Any, names: list[Any]) -> tuple[ArrayLike, ArrayLike]:
    wave = [name for name in names if str(name).lower().startswith(("w", "lam"))]
    if len(names) != 2 or len(wave) != 1:
        raise ValueError(f"LSF has the columns {names}; give wave (Angstrom) and sigma (km/s)")
    sigma = next(name for name in names if name != wave[0])
    return LSF[wave[0]], LSF[sigma]


def _columns(LSF: Any) -> tuple[ArrayLike, ArrayLike]:
    names = getattr(getattr(LSF, "dtype", None), "names", None)
    if isinstance(LSF, dict) or names:
        return _named_columns(LSF, list(names or LSF))
    table = np.asarray(LSF, dtype=float)
    rows, pair = (table.ndim == 2 and table.shape[k] == 2 for k in (1, 0))
    if rows and pair:  # two nodes: wavelengths are larger than sigmas, a tuple is (wave, sigma)
        rows = not isinstance(LSF, tuple) and bool(np.all(table[:, 0] > table[:, 1]))
    if rows:
        return table[:, 0], table[:, 1]
    if pair:
        return table[0], table[1]
    raise ValueError(
        f"LSF of shape {table.shape}; give a number, a callable of the observed wavelength, or a table of two "
        "columns (Angstrom, sigma in km/s)"
    )


def _table(LSF: Any) -> tuple[np.ndarray, np.ndarray]:
    wave, sigma = _columns(LSF)
    wave, sigma = np.asarray(wave, dtype=float), np.asarray(sigma, dtype=float)
    order = np.argsort(wave, kind="stable")
    if wave.shape != sigma.shape or not np.all(wave > 0) or not np.all(np.diff(wave[order]) > 0):
        raise ValueError("the LSF table needs as many sigmas as wavelengths, positive and none twice")
    return wave[order], sigma[order]


@checked
def lsf_sigma_kms(LSF: LSFLike, wave_observed_aa: ArrayLike, compat: bool = False) -> np.ndarray:
    """Evaluate any form of LSF.

    Parameters
    ----------
    LSF : None, float, callable, table or "muse"
        See the module. A table is interpolated linearly in log wavelength, with its end values held.
    wave_observed_aa : (n,) array_like
        Observed wavelengths, Angstrom.
    compat : bool
        ``"muse"`` follows its polynomial outside 4750-9350 Angstrom, as the formula given to R did.

    Returns
    -------
    (n,) ndarray
        Sigma in km/s.

    Raises
    ------
    ValueError
        Another form, or values that are negative or not finite.
    """
    wave = np.asarray(wave_observed_aa, dtype=float)
    if LSF is None:
        return np.zeros(wave.shape)
    if isinstance(LSF, str):
        if LSF.lower() not in ("muse", "muse_udf10"):
            raise ValueError(f"no LSF is named {LSF!r}; there is 'muse', or give a callable, table or number")
        sigma = muse_udf10_sigma_kms(wave, extrapolate=compat)
    elif callable(LSF):
        sigma = np.broadcast_to(np.asarray(LSF(wave), dtype=float), wave.shape)
    elif np.size(LSF) == 1 and not isinstance(LSF, dict):
        sigma = np.full(wave.shape, float(np.ravel(LSF)[0]))
    else:
        nodes, values = _table(LSF)
        sigma = np.interp(np.log10(wave), np.log10(nodes), values)
    if not np.all(sigma >= 0) or not np.all(np.isfinite(sigma)):
        bad = np.flatnonzero(~(np.isfinite(sigma) & (sigma >= 0)))[0]
        raise ValueError(
            f"the LSF is {sigma[bad]} km/s at {wave[bad]:.1f} Angstrom; sigma must be finite and >= 0 (clamp it to "
            "the range of the instrument)"
        )
    return sigma


@checked
def effective_lsf(
    LSF: LSFLike, library_fwhm_aa: float | Callable[[np.ndarray], np.ndarray], z: float = 0.0
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the LSF that brings a library of its own finite resolution to the instrument's.

    sigma^2 = sigma_LSF^2 - sigma_library^2, zero where the library is the coarser one (nothing can be done
    there but to accept the library's resolution).

    Parameters
    ----------
    LSF : None, float, callable, table or "muse"
        The instrument's.
    library_fwhm_aa : float or callable
        FWHM of the library in Angstrom at rest wavelengths, such as ``library.fwhm_aa``.
    z : float
        Redshift at which the library is seen.

    Returns
    -------
    callable
        Sigma in km/s at observed wavelengths, to be given as ``LSF``.

    Raises
    ------
    ValueError
        A library without a stated resolution, or an LSF as `lsf_sigma_kms` refuses.
    """

    def sigma_kms(wave_aa: ArrayLike) -> np.ndarray:
        wave = np.asarray(wave_aa, dtype=float)
        rest = wave / (1.0 + z)
        fwhm = library_fwhm_aa(rest) if callable(library_fwhm_aa) else library_fwhm_aa
        if fwhm is None:
            raise ValueError("the library states no resolution of its own; give its FWHM in Angstrom")
        own = np.asarray(fwhm, dtype=float) / FWHM_PER_SIGMA / rest * C_KMS
        return np.sqrt(np.clip(lsf_sigma_kms(LSF, wave) ** 2 - own**2, 0.0, None))

    return sigma_kms


@checked
def disp_stars(
    wave: ArrayLike,
    lum: ArrayLike,
    veldisp: float = 50,
    *,
    LSF: LSFLike = None,
    z: float = 0,
    range: float = 5,
    res: float = 0.5,
    compat: bool = False,
) -> np.ndarray:
    """Return a spectrum broadened by sqrt(veldisp^2 + LSF^2), a Gaussian that may change with wavelength.

    Parameters
    ----------
    wave : (n,) array_like
        Rest wavelengths, Angstrom, ascending.
    lum : (n,) array_like
        Luminosity density, >= 0.
    veldisp : float
        Velocity dispersion, km/s.
    LSF : None, float, callable, table or "muse"
        Sigma in km/s at observed wavelengths.
    z : float
        Redshift at which the LSF sees the spectrum.
    range, res : float
        Extent and step of the sum over the kernel, in sigma.
    compat : bool
        True: interpolate the shifted spectra as ProSpect does, linearly in log luminosity against log
        wavelength, which loses up to 1e-4 of the light in sharp features; and let ``LSF="muse"`` follow its
        polynomial outside its range. False: interpolate linearly, which keeps the light (1e-6 on grids that
        resolve the spectrum) and makes the dispersion a linear operator.

    Returns
    -------
    (n,) ndarray

    Raises
    ------
    ValueError
        Mismatched or unsorted vectors, negative fluxes, or a dispersion too large for this kernel.

    Notes
    -----
    ProSpect 1.11.0, ``.disp_stars_cpp``: the spectrum is shifted by each velocity of the kernel and the shifted
    spectra are added with the kernel's weights; end values are held beyond the ends. The library's own
    resolution is not taken off; see `effective_lsf`. Beside a pixel of exactly zero, where ProSpect gives NaN,
    the interpolation is always linear.
    """
    wave = np.asarray(wave, dtype=float)
    lum = np.asarray(lum, dtype=float)
    if wave.ndim != 1 or wave.shape != lum.shape:
        raise ValueError(f"{wave.shape} wavelengths and {lum.shape} luminosities; give equal vectors")
    if not np.all(np.diff(wave) > 0) or not wave[0] > 0:
        raise ValueError("dispersion needs positive wavelengths that ascend strictly")
    if not np.all(lum >= 0):
        raise ValueError(
            "dispersion works on log luminosity: negative or NaN luminosities must be removed first"
        )
    if not veldisp >= 0 or not range > 0 or not res > 0:
        raise ValueError(
            f"veldisp={veldisp}, range={range}, res={res}: dispersion >= 0 and a kernel > 0 needed"
        )
    sigma, steps = _kernel(wave, veldisp, LSF, z, range, res, compat)
    return _broadened(wave, lum, sigma, steps, res, _shift_log if compat else _shift)


def _broadened(
    wave: np.ndarray,
    lum: np.ndarray,
    sigma: np.ndarray,
    steps: np.ndarray,
    res: float,
    shifted: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    weights = np.exp(-(steps**2) / 2) / np.sqrt(2 * np.pi) * res
    out = np.zeros(lum.shape)
    for step, weight in zip(steps, weights, strict=True):
        out += weight * shifted(wave, lum, step * sigma)
    return out


def _kernel(
    wave: np.ndarray, veldisp: float, LSF: LSFLike, z: float, extent: float, res: float, compat: bool
) -> tuple[np.ndarray, np.ndarray]:
    sigma = np.sqrt(veldisp**2 + lsf_sigma_kms(LSF, wave * (1.0 + z), compat) ** 2) / C_KMS
    if sigma.max() * extent >= 1:
        raise ValueError(f"a dispersion of {sigma.max() * C_KMS:.0f} km/s times {extent} reaches light speed")
    return sigma, np.arange(int(2 * extent / res + 1e-10) + 1) * res - extent


def disp_stars_with_nan(
    wave: np.ndarray,
    lum: np.ndarray,
    veldisp: float = 50,
    *,
    LSF: LSFLike = None,
    z: float = 0,
    range: float = 5,
    res: float = 0.5,
) -> np.ndarray:
    """Return ProSpect's dispersed spectrum beside pixels of exactly zero: NaN, or less the shifts that meet one.

    Arguments are those of `disp_stars`. The logarithm of zero is -Inf: at the blue node of an interval it makes
    NaN of every pixel that is interpolated there, at the red node it makes zero.

    Parameters
    ----------
    wave, lum, veldisp, LSF, z, range, res
        As `disp_stars`.

    Returns
    -------
    (n,) ndarray
    """
    sigma, steps = _kernel(wave, veldisp, LSF, z, range, res, True)
    return _broadened(wave, lum, sigma, steps, res, _shift_log if np.all(lum > 0) else _shift_nan)


def _shift(wave: np.ndarray, lum: np.ndarray, doppler: np.ndarray) -> np.ndarray:
    return np.interp(wave, wave * (1.0 + doppler), lum / (1.0 + doppler))


def _shift_log(wave: np.ndarray, lum: np.ndarray, doppler: np.ndarray) -> np.ndarray:
    log_wave, shift = np.log(wave), np.log1p(doppler)
    moved = log_wave + shift
    if lum.min() > 0:
        return np.exp(np.interp(log_wave, moved, np.log(lum) - shift))
    positive = lum > 0
    with np.errstate(divide="ignore"):
        curved = np.exp(np.interp(log_wave, moved, np.where(positive, np.log(lum), 0.0) - shift))
    # A pixel may be interpolated in the logarithm only if both of its neighbours have one.
    k = np.clip(np.searchsorted(moved, log_wave) - 1, 0, lum.size - 2)
    return np.where(positive[k] & positive[k + 1], curved, _shift(wave, lum, doppler))


def _shift_nan(wave: np.ndarray, lum: np.ndarray, doppler: np.ndarray) -> np.ndarray:
    log_wave, shift = np.log(wave), np.log1p(doppler)
    moved = log_wave + shift
    k = np.clip(np.searchsorted(moved, log_wave, side="right") - 1, 0, lum.size - 2)
    t = np.clip((log_wave - moved[k]) / (moved[k + 1] - moved[k]), 0.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_lum = np.log(lum) - shift
        inside = log_lum[k] + t * (log_lum[k + 1] - log_lum[k])
        ends = np.where(log_wave <= moved[0], log_lum[0], log_lum[-1])
        return np.exp(np.where((log_wave > moved[0]) & (log_wave < moved[-1]), inside, ends))
