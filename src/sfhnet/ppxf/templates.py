"""The SSP library of the mocks as pPXF wants it: log-rebinned, at the resolution of the training spectra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyprospect.constants import BIRTH_CLOUD_AGE_YR, C_KMS
from pyprospect.fast.folding import band_quadrature, broadening_matrix, line_profiles, sigma_to_add_aa
from pyprospect.gas.continuum import continuum_for
from pyprospect.gas.ratios import LineRatios
from pyprospect.numerics.lsf import muse_udf10_fwhm_aa
from pyprospect.stars.library import SSPLibrary
from sfhnet.observation.resample import kernel, pixel_edges, resample

__all__ = ["BASE_SHARE", "Photometry", "Templates", "make_templates"]

# Templates have this share of the training dispersion; pPXF's own kernel adds the rest, which it may fit. It keeps
# them well sampled in pixels of 79 km/s.
BASE_SHARE = 0.6

# The stars are normalised to their mean here, as in pPXF's examples: weights are V-light fractions (AA).
NORMALISATION_AA = (5070.0, 5950.0)

# Lines that never reach this share of Halpha are left out.
_FAINTEST_LINE = 1e-3

# Pixels of the templates beyond either end of the spectra: pPXF asks for 2900 km/s more than the
# largest velocity that is fitted.
_PAD = 50


@dataclass(frozen=True)
class Photometry:
    """Band fluxes of the templates.

    Attributes
    ----------
    names : tuple of str
        Bands.
    flux : ndarray (n_band, n_template)
        Mean f_lambda of each normalised template, stars before lines.
    wave_aa : ndarray (n_band, n_template)
        Effective rest wavelengths at which pPXF puts the attenuation.
    """

    names: tuple[str, ...]
    flux: np.ndarray
    wave_aa: np.ndarray


@dataclass(frozen=True)
class Templates:
    """Templates of stars and lines, and the way from the training grid to pPXF's.

    Attributes
    ----------
    library : SSPLibrary
        Where the stars come from.
    linear_aa : ndarray (n_linear,)
        Training grid.
    wave_aa : ndarray (n_wave,)
        Even in log wavelength; no pixel is narrower than one of the training grid.
    template_aa : ndarray (n_wave + 2 pad,)
        The same, extended on both sides.
    velscale_kms : float
        Width of a pixel.
    spectra : ndarray (n_wave + 2 pad, n_template)
        Stars, ages varying slower than metallicities as pPXF wants them, then lines and the nebular continuum.
    n_age, n_z : int
        Shape of the stellar grid.
    norm : ndarray (n_age, n_z)
        Luminosity per Msol formed in `NORMALISATION_AA`, Lsol/AA: weight / norm is mass.
    young : ndarray of bool (n_age,)
        Ages that lie in birth clouds.
    gas_names : tuple of str
        Lines, then ``continuum``.
    dispersion_kms : float
        Dispersion that pPXF has to add for spectra at the training resolution.
    base_kms : float
        Dispersion of the templates themselves.
    photometry : Photometry or None
        Bands.
    """

    library: SSPLibrary
    linear_aa: np.ndarray
    wave_aa: np.ndarray
    template_aa: np.ndarray
    velscale_kms: float
    spectra: np.ndarray
    n_age: int
    n_z: int
    norm: np.ndarray
    young: np.ndarray
    gas_names: tuple[str, ...]
    dispersion_kms: float
    base_kms: float
    photometry: Photometry | None

    @property
    def n_star(self) -> int:
        """Number of stellar templates."""
        return self.n_age * self.n_z

    def rebin(
        self, flux: np.ndarray, sigma: np.ndarray, mask: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bring a spectrum to pixels even in log wavelength.

        Parameters
        ----------
        flux, sigma, mask : ndarray (n_linear,)
            Spectrum on the training grid, its error, True = good.

        Returns
        -------
        flux, sigma, mask : ndarray (n_wave,)
            ``sigma`` is such that averages over many pixels have the right error; 1 where masked.
        """
        edges = pixel_edges(self.wave_aa, logbin=True)
        matrix = kernel(pixel_edges(self.linear_aa), edges, np.zeros(self.wave_aa.size))
        step = np.interp(self.wave_aa, self.linear_aa, np.gradient(self.linear_aa))
        ratio = step / np.diff(edges)
        out, variance, good = resample(matrix, flux, sigma.astype(float) ** 2, good=mask, pixel_ratio=ratio)
        good &= variance > 0
        return out, np.sqrt(np.where(good, variance, 1.0)), good

    def of_bands(self) -> Photometry:
        """Return the photometry.

        Raises
        ------
        ValueError
            If the templates were made without bands.
        """
        if self.photometry is None:
            raise ValueError("these templates hold no photometry; make them with the curves of the bands")
        return self.photometry

    def masses(self, weights: np.ndarray) -> np.ndarray:
        """Return mass formed (n_z, n_age) in Msol per unit of the flux given from pPXF's weights, stars first."""
        return (weights[: self.n_star].reshape(self.n_age, self.n_z) / self.norm).T


def make_templates(
    library: SSPLibrary,
    wave_aa: np.ndarray,
    veldisp_kms: float,
    *,
    lines: LineRatios,
    bands: Mapping[str, Any] | None = None,
    redshift: float = 0.0,
    birth_age_yr: float = BIRTH_CLOUD_AGE_YR,
) -> Templates:
    """Build the templates.

    Parameters
    ----------
    library : SSPLibrary
        The library that made the mocks.
    wave_aa : ndarray (n_linear,)
        Training grid, evenly spaced, rest frame, air.
    veldisp_kms : float
        Dispersion of the training spectra.
    lines : LineRatios
        Emission lines; each becomes a template of its own, whatever its ratio to others.
    bands : mapping of str to curve, optional
        Photon-counting responses with ``wave_aa`` and ``response``.
    redshift : float
        At which the bands see the galaxy.
    birth_age_yr : float
        Stars up to this age lie in birth clouds.

    Returns
    -------
    Templates

    Raises
    ------
    ValueError
        If the library does not cover grid or bands.
    """
    step_aa = float(wave_aa[1] - wave_aa[0])
    log_step = step_aa / wave_aa[0]
    start, stop = np.log(wave_aa[0] - 0.5 * step_aa), np.log(wave_aa[-1] + 0.5 * step_aa)
    n_wave = int((stop - start) / log_step)
    log_wave = start + log_step * (np.arange(-_PAD, n_wave + _PAD) + 0.5)
    every_aa = np.exp(log_wave)
    base_kms = BASE_SHARE * veldisp_kms
    box = step_aa**2 / 12  # the spectra were averaged over pixels of the training grid before
    sigma = sigma_to_add_aa(every_aa, base_kms, muse_udf10_fwhm_aa, own_fwhm_aa=library.fwhm_aa(every_aa))
    matrix = broadening_matrix(library.wave_aa, every_aa, np.sqrt(sigma**2 + box))
    n_z, n_age = library.z.size, library.age_yr.size
    native = library.spectra.reshape(n_z * n_age, -1).astype(float)
    stars = np.asarray(native @ matrix).reshape(n_z, n_age, -1).transpose(2, 1, 0)
    window = (every_aa >= NORMALISATION_AA[0]) & (every_aa <= NORMALISATION_AA[1])
    norm = stars[window].mean(axis=0)
    margin = 30.0
    inside = (lines.wave_aa > wave_aa[0] - margin) & (lines.wave_aa < wave_aa[-1] + margin)
    inside &= lines.ratio.reshape(-1, len(lines.names)).max(axis=0) >= _FAINTEST_LINE
    line_aa = lines.wave_aa[inside]
    width = sigma_to_add_aa(line_aa, base_kms, muse_udf10_fwhm_aa)
    gas = line_profiles(line_aa, every_aa, np.sqrt(width**2 + box)).T
    # One shape of nebular continuum, that of solar metallicity; its strength is free of the lines'.
    nebula_aa = continuum_for(library)
    solar = int(np.abs(library.log_z_solar).argmin())
    nebula = np.interp(library.wave_aa, nebula_aa.wave_aa, nebula_aa.per_halpha[solar])
    gas = np.hstack([gas, np.asarray(nebula @ matrix)[:, None]])
    peak = gas.max(axis=0)
    photometry = None
    if bands:
        photometry = _photometry(bands, library, norm, line_aa, nebula, peak, redshift)
    return Templates(
        library=library,
        linear_aa=np.asarray(wave_aa, dtype=float),
        wave_aa=every_aa[_PAD:-_PAD],
        template_aa=every_aa,
        velscale_kms=log_step * C_KMS,
        spectra=np.hstack([(stars / norm).reshape(every_aa.size, -1), gas / peak]),
        n_age=n_age,
        n_z=n_z,
        norm=norm,
        young=library.age_edges_yr[1:] <= 1.0001 * birth_age_yr,
        gas_names=(*np.asarray(lines.names)[inside].tolist(), "continuum"),
        dispersion_kms=float(np.sqrt(veldisp_kms**2 - base_kms**2)),
        base_kms=base_kms,
        photometry=photometry,
    )


def _photometry(
    bands: Mapping[str, Any],
    library: SSPLibrary,
    norm: np.ndarray,
    line_aa: np.ndarray,
    nebula: np.ndarray,
    peak: np.ndarray,
    redshift: float,
) -> Photometry:
    n_age, n_z = norm.shape
    native = library.spectra.reshape(n_z * n_age, -1).astype(float)
    flux, wave = [], []
    for name, band in bands.items():
        points, weight = band_quadrature(
            library.wave_aa, band.wave_aa, band.response, name=name, redshift=redshift
        )
        at = np.array([np.interp(points, library.wave_aa, row) for row in native])
        mean = (at @ weight).reshape(n_z, n_age).T
        effective = ((at * points) @ weight).reshape(n_z, n_age).T / mean
        # A line of unit flux adds the response at its place to the mean.
        band_aa = np.asarray(band.wave_aa) / (1 + redshift)
        through = np.asarray(band.response) * band_aa
        line = np.interp(line_aa, band_aa, through, left=0, right=0) / np.trapezoid(through, band_aa)
        glow = np.interp(points, library.wave_aa, nebula) @ weight
        flux.append(np.concatenate([(mean / norm).ravel(), np.append(line, glow) / peak]))
        wave.append(np.concatenate([effective.ravel(), line_aa, [effective.mean()]]))
    return Photometry(tuple(bands), np.array(flux), np.array(wave))
