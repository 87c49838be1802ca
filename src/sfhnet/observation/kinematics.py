"""Velocities and dispersions of spectra, from fits of broadened stellar populations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import least_squares, nnls

from pyprospect.constants import C_KMS, FWHM_PER_SIGMA
from pyprospect.stars.library import SSPLibrary
from sfhnet.observation.resample import kernel, pixel_edges

# Air wavelengths in Angstrom of what is masked in the fit: gas in emission, and Na I D, which the gas absorbs.
LINES_AA = (4861.33, 4958.91, 5006.84, 5197.9, 5200.26, 5754.64, 5875.62, 5889.95, 5895.92, 6300.30, 6312.06)
LINES_AA += (6363.78, 6548.05, 6562.80, 6583.45, 6678.15, 6716.44, 6730.82, 7065.2, 7135.8)

# ASSUME: six ages and three metallicities span what matters for velocities; the polynomial takes the rest.
_TEMPLATE_AGES_YR = (1e7, 6e7, 2.5e8, 1e9, 3e9, 1e10)
_TEMPLATE_LOG_Z = (-0.7, 0.0, 0.25)
_SIGMA_START_KMS = 80.0
_SIGMA_MAX_KMS = 600.0
_PAD_AA = 120.0
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
        False if the spectrum could not be fitted; velocity is 0 then and the errors are NaN.
    """

    velocity_kms: float
    velocity_err_kms: float
    sigma_kms: float
    sigma_err_kms: float
    chi2_per_pixel: float
    noise_scale: float
    fitted: bool


class KinematicFitter:
    """Fits velocity and dispersion of spectra that share an instrument and a systemic redshift.

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
        self.wave_rest_aa = np.asarray(wave_aa, dtype=float) / (1 + redshift)
        inside = (self.wave_rest_aa >= window_aa[0]) & (self.wave_rest_aa <= window_aa[1])
        if inside.sum() < 300:
            raise ValueError(
                f"only {inside.sum()} pixels between {window_aa[0]:.0f} and {window_aa[1]:.0f} Angstrom in the rest frame "
                f"(z = {redshift}); check the redshift or change galaxies.kinematics_window_aa"
            )
        self.native = np.flatnonzero(inside)
        rest = self.wave_rest_aa[inside]
        self.native_edges = pixel_edges(rest)
        self.log_step = float(np.median(np.diff(rest))) / rest[-1]
        self.velscale_kms = self.log_step * C_KMS
        log_edges = np.arange(np.log(self.native_edges[0]), np.log(self.native_edges[-1]), self.log_step)
        self.log_wave = 0.5 * (log_edges[1:] + log_edges[:-1])
        self.to_log = kernel(self.native_edges, np.exp(log_edges), np.zeros(log_edges.size - 1))
        self.widths_native = np.diff(self.native_edges)
        self._templates(ssp, redshift, np.asarray(fwhm_aa)[inside] / (1 + redshift), rest, log_edges)
        position = 2 * (self.log_wave - self.log_wave[0]) / np.ptp(self.log_wave) - 1
        self.polynomials = np.polynomial.legendre.legvander(position, degree)
        wave = np.exp(self.log_wave)
        distance_kms = np.abs(wave[:, None] / np.array(LINES_AA) - 1) * C_KMS
        self.line_free = (distance_kms > line_mask_kms).all(axis=1)

    def _templates(
        self,
        ssp: SSPLibrary,
        redshift: float,
        fwhm_rest_aa: np.ndarray,
        rest: np.ndarray,
        log_edges: np.ndarray,
    ) -> None:
        pad = int(np.ceil(np.log1p(_PAD_AA / rest[0]) / self.log_step))
        wide = np.concatenate(
            [
                log_edges[0] - self.log_step * np.arange(pad, 0, -1),
                log_edges,
                log_edges[-1] + self.log_step * np.arange(1, pad + 1),
            ]
        )
        trimmed = ssp.trim(np.exp(wide[0]) - 40, np.exp(wide[-1]) + 40)
        ages = {
            int(np.argmin(np.abs(np.log(np.maximum(trimmed.age_yr, 1.0) / age)))) for age in _TEMPLATE_AGES_YR
        }
        metals = {int(np.argmin(np.abs(trimmed.log_z_solar - value))) for value in _TEMPLATE_LOG_Z}
        spectra = np.array(
            [trimmed.spectra[z, age] for z in sorted(metals) for age in sorted(ages)], dtype=float
        )
        centre = np.exp(0.5 * (wide[1:] + wide[:-1]))
        own = trimmed.fwhm_aa(centre)
        own = np.zeros(centre.size) if own is None else own
        instrument = np.interp(centre, rest, fwhm_rest_aa)
        # The library may be broader than the instrument (MUSE beyond 6800 AA); it cannot be sharpened.
        extra = np.clip(instrument**2 - own**2, 0, None) / FWHM_PER_SIGMA**2
        # Rebinning takes pixels as boxes and so broadens: the data by their pixel, the templates by theirs.
        pixel = np.interp(centre, rest, np.gradient(rest))
        own_pixel = np.interp(centre, trimmed.wave_aa, np.gradient(trimmed.wave_aa))
        extra = np.sqrt(np.clip(extra + (pixel**2 - own_pixel**2) / 12, 0, None))
        rebinned = (kernel(pixel_edges(trimmed.wave_aa), np.exp(wide), extra) @ spectra.T).T
        self.n_fft = int(2 ** np.ceil(np.log2(rebinned.shape[1] + 2 * pad)))
        self.pad = pad
        level = np.median(rebinned, axis=1)
        usable = level > 0
        # The spectrum is extended by its end values, so that the Fourier transform does not wrap light around.
        extended = np.pad(
            rebinned[usable] / level[usable, None], ((0, 0), (0, self.n_fft - rebinned.shape[1])), "edge"
        )
        self.spectra_fft = np.fft.rfft(extended, axis=1)
        self.frequency = 2 * np.pi * np.fft.rfftfreq(self.n_fft)

    def model_columns(self, velocity_kms: float, sigma_kms: float, active: np.ndarray | slice) -> np.ndarray:
        """Shift and broaden templates.

        Parameters
        ----------
        velocity_kms, sigma_kms : float
            Velocity c ln(1 + z) and dispersion.
        active : ndarray of int or slice
            Templates to use.

        Returns
        -------
        ndarray, shape (n_log, n_active)
        """
        shift = velocity_kms / self.velscale_kms
        width = sigma_kms / self.velscale_kms
        response = np.exp(-0.5 * (width * self.frequency) ** 2 - 1j * shift * self.frequency)
        moved = np.fft.irfft(self.spectra_fft[active] * response, n=self.n_fft, axis=1)
        return moved[:, self.pad : self.pad + self.log_wave.size].T

    def prepare(
        self, flux: np.ndarray, variance: np.ndarray, good: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rebin one spectrum to the log grid.

        Parameters
        ----------
        flux, variance : ndarray, shape (n_wave,)
            On the observed grid.
        good : ndarray of bool, shape (n_wave,)
            Good pixels.

        Returns
        -------
        flux, sigma, good : ndarray, shape (n_log,)
            Normalised to a median of 1.
        """
        ok = good[self.native] & (variance[self.native] > 0)
        weight = self.to_log @ ok.astype(float)
        keep = (weight > 0.9) & self.line_free
        safe = np.where(weight > 0.9, weight, 1.0)
        rebinned = self.to_log @ np.where(ok, flux[self.native], 0.0) / safe
        squared = self.to_log.power(2) @ np.where(ok, variance[self.native], 0.0) / safe**2
        level = np.median(rebinned[keep]) if keep.any() else 1.0
        level = level if np.isfinite(level) and level > 0 else 1.0
        sigma = np.sqrt(np.where(keep & (squared > 0), squared, 1.0)) / level
        return rebinned / level, sigma, keep

    def choose_templates(
        self, flux: np.ndarray, sigma: np.ndarray, good: np.ndarray, velocity_kms: float, sigma_kms: float
    ) -> np.ndarray:
        """Find the templates that a non-negative fit uses.

        Parameters
        ----------
        flux, sigma, good : ndarray, shape (n_log,)
            From `prepare`.
        velocity_kms, sigma_kms : float
            Kinematics at which to choose.

        Returns
        -------
        ndarray of int
        """
        columns = self.model_columns(velocity_kms, sigma_kms, slice(None))
        # A polynomial of either sign is the difference of two non-negative ones.
        matrix = np.hstack([columns, self.polynomials, -self.polynomials])[good] / sigma[good, None]
        scale = np.sqrt((matrix**2).sum(axis=0))
        weights, _ = nnls(matrix / scale, flux[good] / sigma[good], maxiter=50 * matrix.shape[1])
        active = np.flatnonzero(weights[: columns.shape[1]] > 0)
        return active if active.size else np.array([columns.shape[1] // 2])

    def residuals(
        self,
        kinematics: np.ndarray,
        flux: np.ndarray,
        sigma: np.ndarray,
        good: np.ndarray,
        active: np.ndarray,
    ) -> np.ndarray:
        """Give (data - best linear model) / sigma of the good pixels for given kinematics.

        Parameters
        ----------
        kinematics : ndarray, shape (2,)
            Velocity and dispersion in km/s.
        flux, sigma, good, active
            From `prepare` and `choose_templates`.

        Returns
        -------
        ndarray, shape (n_good,)
        """
        columns = self.model_columns(kinematics[0], kinematics[1], active)
        matrix = np.hstack([columns, self.polynomials])[good] / sigma[good, None]
        target = flux[good] / sigma[good]
        normal = matrix.T @ matrix
        normal[np.diag_indices_from(normal)] *= 1 + 1e-9
        try:
            weights = cho_solve(cho_factor(normal), matrix.T @ target)
        except LinAlgError:
            weights = np.linalg.lstsq(matrix, target, rcond=None)[0]
        return target - matrix @ weights

    def _jacobian(self, kinematics: np.ndarray, *args: np.ndarray) -> np.ndarray:
        steps = np.array([1.0, 2.0 if kinematics[1] < _SIGMA_MAX_KMS - 10 else -2.0])
        here = self.residuals(kinematics, *args)
        columns = [(self.residuals(kinematics + step, *args) - here) / step.sum() for step in np.diag(steps)]
        return np.array(columns).T

    def fit(
        self,
        flux: np.ndarray,
        variance: np.ndarray,
        good: np.ndarray,
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
        rebinned, sigma, keep = self.prepare(flux, variance, good)
        if keep.sum() < _MIN_PIXELS:
            return Kinematics(centre, np.nan, width, np.nan, np.nan, np.nan, False)
        active = self.choose_templates(rebinned, sigma, keep, centre, width)
        scan = centre + np.arange(-search_kms, search_kms + 1, 1.5 * self.velscale_kms)
        chi2 = [
            (self.residuals(np.array([v, width]), rebinned, sigma, keep, active) ** 2).sum() for v in scan
        ]
        guess = np.array([scan[int(np.argmin(chi2))], width])
        bounds = ([centre - search_kms - 50, 1.0], [centre + search_kms + 50, _SIGMA_MAX_KMS])
        for attempt in range(_N_ROUNDS):
            solution = least_squares(
                self.residuals,
                np.clip(guess, np.array(bounds[0]) + 0.5, np.array(bounds[1]) - 0.5),
                bounds=bounds,
                args=(rebinned, sigma, keep, active),
                x_scale=(self.velscale_kms, self.velscale_kms),
                jac=self._jacobian,
                max_nfev=30,
            )
            guess = solution.x
            if attempt == _N_ROUNDS - 1:
                break
            # Lines that no list holds, notches and cosmic rays would rule the fit; they are cut off, wide of the noise.
            clipped = _clip(solution.fun, keep)
            if attempt > 0 and clipped.sum() == keep.sum():
                break
            keep = clipped
            active = self.choose_templates(rebinned, sigma, keep, *guess)
        return self._result(solution, centre, width, max_error_kms)

    def noise_at(
        self,
        flux: np.ndarray,
        variance: np.ndarray,
        good: np.ndarray,
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
        rebinned, sigma, keep = self.prepare(flux, variance, good)
        if keep.sum() < _MIN_PIXELS:
            return np.nan, np.nan
        known = np.array([velocity_kms, sigma_kms])
        active = self.choose_templates(rebinned, sigma, keep, *known)
        for _ in range(2):
            keep = _clip(self.residuals(known, rebinned, sigma, keep, active), keep)
        residual = self.residuals(known, rebinned, sigma, keep, active)
        return self._chi2(residual), _spread(residual)

    def _chi2(self, residual: np.ndarray) -> float:
        return float((residual**2).sum() / max(residual.size - self.polynomials.shape[1] - 4, 1))

    def _result(self, solution: object, centre: float, width: float, max_error_kms: float) -> Kinematics:
        chi2, spread = self._chi2(solution.fun), _spread(solution.fun)
        jacobian = solution.jac
        step_matrix = jacobian.T @ jacobian
        if not np.all(np.isfinite(step_matrix)) or np.linalg.det(step_matrix) <= 0:
            return Kinematics(centre, np.nan, width, np.nan, chi2, spread, False)
        errors = np.sqrt(np.diag(np.linalg.inv(step_matrix)) * max(chi2, 1.0))
        if not errors[0] < max_error_kms:
            return Kinematics(centre, np.nan, width, np.nan, chi2, spread, False)
        return Kinematics(
            float(solution.x[0]),
            float(errors[0]),
            float(solution.x[1]),
            float(errors[1]),
            chi2,
            spread,
            True,
        )


def _spread(residual: np.ndarray) -> float:
    return float(1.4826 * np.median(np.abs(residual - np.median(residual))))


def _clip(residual: np.ndarray, keep: np.ndarray) -> np.ndarray:
    clipped = keep.copy()
    clipped[keep] = np.abs(residual - np.median(residual)) < _CLIP_SIGMA * max(_spread(residual), 1e-12)
    return clipped
