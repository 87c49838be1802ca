"""One spectrum through pPXF: kinematics, attenuation, and star-formation histories at several regularisations."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyprospect.constants import DUST_PIVOT_AA
from sfhnet.ppxf.problem import FitSettings, Problem, attenuation, birth_clouds, import_ppxf
from sfhnet.ppxf.templates import Templates

__all__ = [
    "RECOMMENDED",
    "FitSettings",
    "PpxfFit",
    "PpxfSpectrum",
    "fit_spectrum",
    "import_ppxf",
    "scheme_name",
]

# Name of the scheme of pPXF's manual: the most regularisation that raises chi2 by no more than sqrt(2 N).
RECOMMENDED = "recommended"

# Where that is looked for, and how near (in sqrt(2 N)) the search has to come.
_REGUL_RANGE, _REGUL_START, _REGUL_STEPS, _REGUL_NEAR = (0.1, 1e4), 60.0, 6, 0.15


@dataclass(frozen=True)
class PpxfSpectrum:
    """One spectrum on the training grid: flux, sigma, mask (n_linear,); bands (n_band,) or None."""

    flux: np.ndarray
    sigma: np.ndarray
    mask: np.ndarray
    band_flux: np.ndarray | None = None
    band_sigma: np.ndarray | None = None
    band_mask: np.ndarray | None = None


@dataclass(frozen=True)
class PpxfFit:
    """Result at one regularisation.

    Attributes
    ----------
    regul : float
        pPXF's ``regul``.
    mass_msun : ndarray (n_z, n_age)
        Mass formed per unit of flux.
    transmission_v : ndarray (n_age,)
        Share of the V light of stars of each age that dust lets through.
    velocity_kms, sigma_kms : float
        Of the stars; the dispersion includes that of the templates.
    chi2 : float
        Per good pixel of the training grid, with the errors given.
    rise : float
        Rise of chi2 over the fit without regularisation, errors scaled to one per pixel, in units of sqrt(2 N).
    bestfit : ndarray (n_linear,)
        Model on the training grid.
    cpu_s, wall_s : float
        What this answer alone takes, from the spectrum on.
    """

    regul: float
    mass_msun: np.ndarray
    transmission_v: np.ndarray
    velocity_kms: float
    sigma_kms: float
    chi2: float
    rise: float
    bestfit: np.ndarray
    cpu_s: float
    wall_s: float


def scheme_name(regul: float | None) -> str:
    """Return the name of a regularisation: ``regul_10``, or that of the recommended one for None."""
    return RECOMMENDED if regul is None else f"regul_{regul:g}"


class _Clock:
    """Seconds of CPU and of the wall since it was made."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def __call__(self) -> np.ndarray:
        return np.array([time.process_time() - self._cpu, time.perf_counter() - self._wall])


def fit_spectrum(spectrum: PpxfSpectrum, templates: Templates, settings: FitSettings) -> dict[str, PpxfFit]:
    """Fit one spectrum at every regularisation that is asked for.

    Kinematics first (additive polynomial), then the attenuation, both with a coarser grid of populations; then the
    weights of all populations without regularisation; the errors are scaled to a chi2 of one per pixel, and the weights
    are fitted again with regularisation.

    Parameters
    ----------
    spectrum : Spectrum
        In units in which it is about one.
    templates : Templates
        Photometry included if the spectrum has bands.
    settings : FitSettings
        How.

    Returns
    -------
    dict of PpxfFit
        By name of the scheme, see `scheme_name`.

    Raises
    ------
    ValueError
        If the spectrum has no good pixel.
    ImportError
        If pPXF is not installed.
    """
    clock = _Clock()
    flux, sigma, good = templates.rebin(spectrum.flux, spectrum.sigma, spectrum.mask)
    if not good.any():
        raise ValueError("no good pixel is left on the grid of pPXF")
    problem = Problem(import_ppxf(), templates, settings, flux, sigma, good, _bands(spectrum, templates))
    kinematics = problem.kinematics()
    dust = problem.attenuation(kinematics)
    free = problem.populations(kinematics, dust, regul=0.0, scale=1.0)
    scale = float(np.sqrt(free.chi2))
    before = clock()
    n = good.sum() + (0 if problem.phot is None else len(problem.phot["flux"]))

    def solve(regul: float) -> tuple[Any, float]:
        found = problem.populations(kinematics, dust, regul=regul, scale=scale)
        return found, float((found.chi2 - 1.0) * n / np.sqrt(2 * n))

    def package(found: Any, regul: float, rise: float, spent: np.ndarray) -> PpxfFit:
        return _result(found, templates, spectrum, dust, kinematics[0], regul, rise, before + spent)

    fits = {}
    for regul in settings.reguls:
        clock = _Clock()
        found, rise = (free, 0.0) if regul == 0 else solve(regul)
        fits[scheme_name(regul)] = package(found, regul, rise, clock())
    if settings.recommended:
        clock = _Clock()
        found, regul, rise = _recommended(solve, free)
        fits[RECOMMENDED] = package(found, regul, rise, clock())
    return fits


def _bands(spectrum: PpxfSpectrum, templates: Templates) -> dict[str, np.ndarray] | None:
    flux, sigma, keep = spectrum.band_flux, spectrum.band_sigma, spectrum.band_mask
    if flux is None or sigma is None or keep is None or not keep.any():
        return None
    photometry = templates.of_bands()
    return {
        "flux": flux[keep].astype(float),
        "sigma": sigma[keep].astype(float),
        "templates": photometry.flux[keep],
        "wave": photometry.wave_aa[keep],
    }


def _recommended(solve: Callable[[float], tuple[Any, float]], free: Any) -> tuple[Any, float, float]:
    """Find the regularisation at which chi2 has risen by sqrt(2 N): bisection in log, the last one not above it."""
    low, high = np.log(_REGUL_RANGE)
    here, best = np.log(_REGUL_START), (free, 0.0, 0.0)
    for _ in range(_REGUL_STEPS):
        regul = float(np.exp(here))
        found, rise = solve(regul)
        if rise <= 1 + _REGUL_NEAR:
            best = (found, regul, rise)
            low = here
        else:
            high = here
        if abs(rise - 1) <= _REGUL_NEAR:
            break
        # chi2 rises about in proportion; a step by that rule, kept inside the bracket.
        guess = here - np.log(max(rise, 0.02))
        here = guess if low < guess < high else 0.5 * (low + high)
    return best


def _result(
    found: Any,
    templates: Templates,
    spectrum: PpxfSpectrum,
    dust: tuple[Sequence[float], float, Any],
    stars: list[float],
    regul: float,
    rise: float,
    spent: np.ndarray,
) -> PpxfFit:
    (a_v, slope), birth, _ = dust
    pivot = np.array([DUST_PIVOT_AA])
    through = float(attenuation(pivot, a_v, slope)[0])
    clouds = float(birth_clouds(pivot, birth)[0])
    bestfit = np.interp(templates.linear_aa, templates.wave_aa, found.bestfit[: templates.wave_aa.size])
    residual = (spectrum.flux - bestfit)[spectrum.mask] / spectrum.sigma[spectrum.mask]
    return PpxfFit(
        regul=regul,
        mass_msun=templates.masses(found.weights),
        transmission_v=np.where(templates.young, through * clouds, through),
        velocity_kms=stars[0],
        sigma_kms=float(np.hypot(stars[1], templates.base_kms)),
        chi2=float(np.mean(residual**2)),
        rise=rise,
        bestfit=bestfit,
        cpu_s=float(spent[0]),
        wall_s=float(spent[1]),
    )
