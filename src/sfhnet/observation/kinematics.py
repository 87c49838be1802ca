"""Velocities and dispersions of spectra, from fits of broadened stellar populations."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import OptimizeResult, least_squares, nnls

from pyprospect.constants import C_KMS
from pyprospect.stars.library import SSPLibrary
from sfhnet.core.emission_lines import BESIDE_STARS, LINES_AA, NA_I_D_AA
from sfhnet.observation.kinematic_templates import KinematicTemplates
from sfhnet.observation.resample import kernel, pixel_edges

# What is masked in the fit: gas in emission, and in absorption.
_GAS_AA = (*(line for group in BESIDE_STARS for line in LINES_AA[group]), *NA_I_D_AA)

_SIGMA_START_KMS = 80.0
_SIGMA_MAX_KMS = 600.0
_N_ROUNDS = 4
_CLIP_SIGMA = 4.0
_MIN_PIXELS = 200


@dataclass(frozen=True)
class Kinematics:
    """Result of one fit.

    Parameters
    ----------
    velocity_kms, velocity_err_kms : float
        Relative to the redshift that was given: c ln(1 + z_fit) - c ln(1 + z). Errors from the curvature of chi2, scaled
        by the root of chi2 per pixel; on mocks at S/N 35 the scatter is 1.2 times what they say.
    sigma_kms, sigma_err_kms : float
        Stellar velocity dispersion, freed of the instrument.
    chi2_per_pixel : float
        Of the fit, with the errors in the file.
    noise_scale : float
        Robust scatter of the residuals over the errors in the file.
    fitted : bool
        False if the spectrum could not be fitted; the errors are NaN then.
    """

    velocity_kms: float
    velocity_err_kms: float
    sigma_kms: float
    sigma_err_kms: float
    chi2_per_pixel: float
    noise_scale: float
    fitted: bool


@dataclass(frozen=True)
class LogSpectrum:
    """One spectrum on the log grid of a fitter, normalised to a median of 1.

    Parameters
    ----------
    flux, sigma : ndarray, shape (n_log,)
        Flux and its error.
    good : ndarray of bool, shape (n_log,)
        Pixels to fit.
    """

    flux: np.ndarray
    sigma: np.ndarray
    good: np.ndarray


class KinematicFitter:
    """Fit velocity and dispersion of spectra that share an instrument and a systemic redshift.

    The model is a non-negative mix of stellar populations, shifted and broadened in Fourier space on a grid even in
    log wavelength, plus a Legendre polynomial that absorbs dust, calibration and what gas adds to the continuum.

    Parameters
    ----------
    ssp : SSPLibrary
        Templates, air wavelengths.
    wave_aa : ndarray, shape (n_wave,)
        Observed air wavelengths of the spectra.
    redshift : float
        Redshift about which to fit.
    fwhm_aa : ndarray, shape (n_wave,)
        Resolution of the spectra at ``wave_aa``.
    window_aa : (float, float)
        Rest-frame range to fit.
    degree : int
        Degree of the additive polynomial.
    line_mask_kms : float
        Half width of the mask around each emission line.

    Raises
    ------
    ValueError
        If the library is in vacuum wavelengths, or the spectra cover too little of the window.
    """

    def __init__(
        self,
        ssp: SSPLibrary,
        wave_aa: np.ndarray,
        redshift: float,
        *,
        fwhm_aa: np.ndarray,
        window_aa: tuple[float, float] = (4800.0, 7000.0),
        degree: int = 8,
        line_mask_kms: float = 500.0,
    ) -> None:
        if ssp.meta.get("medium", "air") != "air":
            raise ValueError(
                f"templates {ssp.name!r} have {ssp.meta['medium']} wavelengths; convert them to air first"
            )
        wave_rest_aa = np.asarray(wave_aa, dtype=float) / (1 + redshift)
        inside = (wave_rest_aa >= window_aa[0]) & (wave_rest_aa <= window_aa[1])
        if inside.sum() < 300:
            raise ValueError(
                f"only {inside.sum()} pixels between {window_aa[0]:.0f} and {window_aa[1]:.0f} Angstrom in the rest frame "
                f"(z = {redshift}); check the redshift or change galaxies.kinematics_window_aa"
            )
        self.native = np.flatnonzero(inside)
        rest = wave_rest_aa[inside]
        native_edges = pixel_edges(rest)
        log_step = float(np.median(np.diff(rest))) / rest[-1]
        self.velscale_kms = log_step * C_KMS
        log_edges = np.arange(np.log(native_edges[0]), np.log(native_edges[-1]), log_step)
        log_wave = 0.5 * (log_edges[1:] + log_edges[:-1])
        self.to_log = kernel(native_edges, np.exp(log_edges), np.zeros(log_edges.size - 1))
        fwhm_rest_aa = np.asarray(fwhm_aa)[inside] / (1 + redshift)
        self.templates = KinematicTemplates(ssp, rest, fwhm_rest_aa, log_edges=log_edges, log_step=log_step)
        position = 2 * (log_wave - log_wave[0]) / np.ptp(log_wave) - 1
        self.polynomials = np.polynomial.legendre.legvander(position, degree)
        wave = np.exp(log_wave)
        distance_kms = np.abs(wave[:, None] / np.array(_GAS_AA) - 1) * C_KMS
        self.line_free = (distance_kms > line_mask_kms).all(axis=1)

    def to_log_grid(self, flux: np.ndarray, variance: np.ndarray, good: np.ndarray) -> LogSpectrum:
        """Rebin one spectrum to the log grid.

        Parameters
        ----------
        flux, variance : ndarray, shape (n_wave,)
            On the observed grid given at construction.
        good : ndarray of bool, shape (n_wave,)
            Good pixels.

        Returns
        -------
        LogSpectrum
            Emission lines are not good.
        """
        usable = good[self.native] & (variance[self.native] > 0)
        weight = self.to_log @ usable.astype(float)
        keep = (weight > 0.9) & self.line_free
        safe = np.where(weight > 0.9, weight, 1.0)
        rebinned = self.to_log @ np.where(usable, flux[self.native], 0.0) / safe
        squared = self.to_log.power(2) @ np.where(usable, variance[self.native], 0.0) / safe**2
        level = np.median(rebinned[keep]) if keep.any() else 1.0
        level = level if np.isfinite(level) and level > 0 else 1.0
        sigma = np.sqrt(np.where(keep & (squared > 0), squared, 1.0)) / level
        return LogSpectrum(rebinned / level, sigma, keep)

    def choose_templates(self, spectrum: LogSpectrum, velocity_kms: float, sigma_kms: float) -> np.ndarray:
        """Find the templates that a non-negative fit uses.

        Parameters
        ----------
        spectrum : LogSpectrum
            From `to_log_grid`.
        velocity_kms, sigma_kms : float
            Kinematics at which to choose.

        Returns
        -------
        ndarray of int, shape (n_active,)
        """
        good = spectrum.good
        columns = self._columns(velocity_kms, sigma_kms, slice(None))
        # A polynomial of either sign is the difference of two non-negative ones.
        matrix = np.hstack([columns, self.polynomials, -self.polynomials])[good] / spectrum.sigma[good, None]
        scale = np.sqrt((matrix**2).sum(axis=0))
        weights, _ = nnls(
            matrix / scale, spectrum.flux[good] / spectrum.sigma[good], maxiter=50 * matrix.shape[1]
        )
        active = np.flatnonzero(weights[: columns.shape[1]] > 0)
        return active if active.size else np.array([columns.shape[1] // 2])

    def residuals(self, kinematics: np.ndarray, spectrum: LogSpectrum, active: np.ndarray) -> np.ndarray:
        """Return (data - best linear model) / sigma of the good pixels for given kinematics.

        Parameters
        ----------
        kinematics : ndarray, shape (2,)
            Velocity and dispersion in km/s.
        spectrum : LogSpectrum
            From `to_log_grid`.
        active : ndarray of int, shape (n_active,)
            From `choose_templates`.

        Returns
        -------
        ndarray, shape (n_good,)
        """
        good = spectrum.good
        columns = self._columns(kinematics[0], kinematics[1], active)
        matrix = np.hstack([columns, self.polynomials])[good] / spectrum.sigma[good, None]
        target = spectrum.flux[good] / spectrum.sigma[good]
        normal = matrix.T @ matrix
        normal[np.diag_indices_from(normal)] *= 1 + 1e-9
        try:
            weights = cho_solve(cho_factor(normal), matrix.T @ target)
        except LinAlgError:
            weights = np.linalg.lstsq(matrix, target, rcond=None)[0]
        return target - matrix @ weights

    def _columns(self, velocity_kms: float, sigma_kms: float, active: np.ndarray | slice) -> np.ndarray:
        return self.templates.columns(velocity_kms / self.velscale_kms, sigma_kms / self.velscale_kms, active)

    def _jacobian(self, kinematics: np.ndarray, spectrum: LogSpectrum, active: np.ndarray) -> np.ndarray:
        steps = np.array([1.0, 2.0 if kinematics[1] < _SIGMA_MAX_KMS - 10 else -2.0])
        here = self.residuals(kinematics, spectrum, active)
        columns = [
            (self.residuals(kinematics + step, spectrum, active) - here) / step.sum()
            for step in np.diag(steps)
        ]
        return np.array(columns).T

    def fit(
        self,
        flux: np.ndarray,
        variance: np.ndarray,
        good: np.ndarray,
        *,
        start: Kinematics | None = None,
        search_kms: float = 600.0,
        max_error_kms: float = 60.0,
    ) -> Kinematics:
        """Fit one spectrum.

        Parameters
        ----------
        flux, variance : ndarray, shape (n_wave,)
            On the observed grid given at construction.
        good : ndarray of bool, shape (n_wave,)
            Good pixels.
        start : Kinematics, optional
            Where to start, e.g. the fit of the whole galaxy.
        search_kms : float
            Velocities to scan on either side of the start.
        max_error_kms : float
            A velocity less certain than this counts as not fitted.

        Returns
        -------
        Kinematics
        """
        centre = start.velocity_kms if start else 0.0
        width = start.sigma_kms if start else _SIGMA_START_KMS
        spectrum = self.to_log_grid(flux, variance, good)
        if spectrum.good.sum() < _MIN_PIXELS:
            return not_fitted(centre, width)
        active = self.choose_templates(spectrum, centre, width)
        scan = centre + np.arange(-search_kms, search_kms + 1, 1.5 * self.velscale_kms)
        chi2 = [(self.residuals(np.array([v, width]), spectrum, active) ** 2).sum() for v in scan]
        guess = np.array([scan[int(np.argmin(chi2))], width])
        bounds = ([centre - search_kms - 50, 1.0], [centre + search_kms + 50, _SIGMA_MAX_KMS])
        for attempt in range(_N_ROUNDS):
            solution = least_squares(
                self.residuals,
                np.clip(guess, np.array(bounds[0]) + 0.5, np.array(bounds[1]) - 0.5),
                bounds=bounds,
                args=(spectrum, active),
                x_scale=(self.velscale_kms, self.velscale_kms),
                jac=self._jacobian,
                max_nfev=30,
            )
            guess = solution.x
            if attempt == _N_ROUNDS - 1:
                break
            # Lines that no list holds, notches and cosmic rays would rule the fit; they are cut off, wide of the noise.
            clipped = _clip(solution.fun, spectrum)
            if attempt > 0 and clipped.good.sum() == spectrum.good.sum():
                break
            spectrum = clipped
            active = self.choose_templates(spectrum, *guess)
        return self._result(solution, centre, width, max_error_kms)

    def noise_at(
        self,
        flux: np.ndarray,
        variance: np.ndarray,
        good: np.ndarray,
        *,
        velocity_kms: float,
        sigma_kms: float,
    ) -> tuple[float, float]:
        """Measure the scatter of one spectrum about its best model at kinematics that are known.

        Parameters
        ----------
        flux, variance, good : ndarray, shape (n_wave,)
            As for `fit`.
        velocity_kms, sigma_kms : float
            Velocity relative to the redshift given at construction, and dispersion.

        Returns
        -------
        chi2_per_pixel, noise_scale : float
            As in `Kinematics`; NaN where too few pixels are good.
        """
        spectrum = self.to_log_grid(flux, variance, good)
        if spectrum.good.sum() < _MIN_PIXELS:
            return np.nan, np.nan
        known = np.array([velocity_kms, sigma_kms])
        active = self.choose_templates(spectrum, velocity_kms, sigma_kms)
        for _ in range(2):
            spectrum = _clip(self.residuals(known, spectrum, active), spectrum)
        residual = self.residuals(known, spectrum, active)
        return self._chi2(residual), _spread(residual)

    def _chi2(self, residual: np.ndarray) -> float:
        return float((residual**2).sum() / max(residual.size - self.polynomials.shape[1] - 4, 1))

    def _result(
        self, solution: OptimizeResult, centre: float, width: float, max_error_kms: float
    ) -> Kinematics:
        chi2, spread = self._chi2(solution.fun), _spread(solution.fun)
        failed = replace(not_fitted(centre, width), chi2_per_pixel=chi2, noise_scale=spread)
        jacobian = solution.jac
        step_matrix = jacobian.T @ jacobian
        if not np.all(np.isfinite(step_matrix)) or np.linalg.det(step_matrix) <= 0:
            return failed
        errors = np.sqrt(np.diag(np.linalg.inv(step_matrix)) * max(chi2, 1.0))
        if not errors[0] < max_error_kms:
            return failed
        return Kinematics(
            velocity_kms=float(solution.x[0]),
            velocity_err_kms=float(errors[0]),
            sigma_kms=float(solution.x[1]),
            sigma_err_kms=float(errors[1]),
            chi2_per_pixel=chi2,
            noise_scale=spread,
            fitted=True,
        )


def not_fitted(velocity_kms: float, sigma_kms: float) -> Kinematics:
    """Return kinematics that are assumed: without errors, fit and scatter.

    Parameters
    ----------
    velocity_kms, sigma_kms : float
        What is assumed.

    Returns
    -------
    Kinematics
    """
    return Kinematics(
        velocity_kms=velocity_kms,
        velocity_err_kms=np.nan,
        sigma_kms=sigma_kms,
        sigma_err_kms=np.nan,
        chi2_per_pixel=np.nan,
        noise_scale=np.nan,
        fitted=False,
    )


def _spread(residual: np.ndarray) -> float:
    return float(1.4826 * np.median(np.abs(residual - np.median(residual))))


def _clip(residual: np.ndarray, spectrum: LogSpectrum) -> LogSpectrum:
    """Return the spectrum without the pixels that lie far off."""
    kept = spectrum.good.copy()
    kept[spectrum.good] = np.abs(residual - np.median(residual)) < _CLIP_SIGMA * max(_spread(residual), 1e-12)
    return replace(spectrum, good=kept)
