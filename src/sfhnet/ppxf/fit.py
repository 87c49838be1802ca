"""One spectrum through pPXF: kinematics, attenuation, and star-formation histories at several regularisations."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyprospect.constants import DUST_PIVOT_AA
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

# pPXF's two-parameter curve for stars (Calzetti+00, Kriek & Conroy 13, Cappellari 23): A_V and slope, bounds of its
# examples. Beside it, birth clouds around the youngest stars (Charlot & Fall 00), with the usual slope.
_STARS_START, _STARS_BOUNDS = (0.3, -0.1), ((0.0, 4.0), (-1.0, 0.4))
_BIRTH_START, _BIRTH_BOUNDS, _BIRTH_SLOPE = 0.5, (0.0, 1.0), -0.9

# Kinematics and attenuation are fitted with every so many ages and metallicities, the histories with all.
_KINEMATIC_AGES, _DUST_AGES, _COARSE_Z = 5, 3, 2
_KINEMATIC_DEGREE = 8
# Velocity and dispersion of stars and of gas (km/s, those of the templates not included); faint gas has to stay near.
_STARS_KMS, _GAS_KMS = ((-400.0, 400.0), (20.0, 400.0)), ((-200.0, 200.0), (60.0, 250.0))


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
class FitSettings:
    """How to fit.

    Attributes
    ----------
    known_kinematics : bool
        Velocity and dispersion are those of the training spectra; otherwise they are fitted.
    mdegree : int
        Degree of the multiplicative polynomial on the spectrum, beside the attenuation; 0 is none.
    reguls : tuple of float
        Fixed values of pPXF's ``regul``.
    recommended : bool
        Also find the value that its manual recommends.
    """

    known_kinematics: bool
    mdegree: int
    reguls: tuple[float, ...]
    recommended: bool = True


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


def import_ppxf() -> Any:
    """Return the class `ppxf`.

    Raises
    ------
    ImportError
        If pPXF is not installed; says how to get it.
    """
    try:
        from ppxf.ppxf import ppxf
    except ImportError as error:
        raise ImportError(
            "pPXF is not installed; its licence (no commercial use) keeps it out of the requirements. If you may use it: "
            "pip install 'ppxf>=9.4,<10' into this environment. Nothing but the comparison needs it"
        ) from error
    return ppxf


def scheme_name(regul: float | None) -> str:
    """Return the name of a regularisation: ``regul_10``, or that of the recommended one for None."""
    return RECOMMENDED if regul is None else f"regul_{regul:g}"


class _Clock:
    """Seconds of CPU and of the wall since it was made."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def __call__(self) -> np.ndarray:
        return np.array([time.process_time() - self._cpu, time.perf_counter() - self._wall])


def _birth_clouds(wave_aa: np.ndarray, tau: float) -> np.ndarray:
    return np.exp(-tau * (wave_aa / DUST_PIVOT_AA) ** _BIRTH_SLOPE)


def _attenuation(wave_aa: np.ndarray, a_v: float, slope: float) -> np.ndarray:
    from ppxf.ppxf import attenuation

    return attenuation(wave_aa, a_v, slope)


@dataclass(frozen=True)
class _Problem:
    """A spectrum on pPXF's grid with everything that all its fits share."""

    ppxf: Any
    templates: Templates
    settings: FitSettings
    flux: np.ndarray
    sigma: np.ndarray
    good: np.ndarray
    phot: dict[str, np.ndarray] | None

    def _call(
        self, ages: int, metals: int, kinematics: list[list[float]], scale: float = 1.0, **options: Any
    ) -> Any:
        """Run pPXF with every `ages`-th age and `metals`-th metallicity."""
        t = self.templates
        stars = np.arange(t.n_star).reshape(t.n_age, t.n_z)[::ages, (metals - 1) % t.n_z :: metals]
        chosen = np.append(stars.ravel(), np.arange(t.n_star, t.spectra.shape[1]))
        is_star = chosen < t.n_star
        young = is_star & np.repeat([*t.young, False], [t.n_z] * t.n_age + [len(t.gas_names)])[chosen]
        phot = None
        if self.phot is not None and options.get("degree", -1) < 0:
            phot = {
                "galaxy": self.phot["flux"],
                "noise": self.phot["sigma"] * scale,
                "templates": self.phot["templates"][:, chosen],
                "lam": self.phot["wave"][:, chosen],
            }
        dust = options.pop("dust", None)
        if dust is not None:
            stellar, clouds, shape = dust

            def curve(wave_aa: np.ndarray, a_v: float, slope: float) -> np.ndarray:
                # A polynomial found before belongs to the spectrum alone; bands come as a matrix.
                through = _attenuation(wave_aa, a_v, slope)
                if shape is None or wave_aa.ndim > 1:
                    return through
                return through * np.interp(wave_aa, t.wave_aa, shape)

            dust = [
                {"start": list(stellar), "bounds": _STARS_BOUNDS, "component": is_star, "func": curve},
                {"start": [clouds], "bounds": [_BIRTH_BOUNDS], "component": young, "func": _birth_clouds},
            ]
        with np.errstate(
            invalid="ignore", divide="ignore"
        ):  # capfit divides by a gain of zero at the optimum
            return self.ppxf(
                t.spectra[:, chosen],
                self.flux,
                self.sigma * scale,
                t.velscale_kms,
                kinematics,
                mask=self.good,
                lam=t.wave_aa,
                lam_temp=t.template_aa,
                component=np.where(is_star, 0, 1),
                gas_component=~is_star,
                reg_dim=stars.shape,
                dust=dust,
                phot=phot,
                linear_method="nnls",  # scipy's; same answer as pPXF's own solver at a fifth of its time
                quiet=True,
                **options,
            )

    def kinematics(self) -> list[list[float]]:
        """Fit velocity and dispersion of stars and of gas."""
        start = [[0.0, self.templates.dispersion_kms]] * 2
        if self.settings.known_kinematics:
            return start
        bounds = [list(_STARS_KMS), list(_GAS_KMS)]
        found = self._call(
            _KINEMATIC_AGES, _COARSE_Z, start, bounds=bounds, moments=[2, 2], degree=_KINEMATIC_DEGREE
        )
        return [[float(value) for value in sol[:2]] for sol in found.sol]

    def attenuation(self, kinematics: list[list[float]]) -> tuple[list[float], float, np.ndarray | None]:
        """Fit the dust, and the polynomial if there is one."""
        mdegree = self.settings.mdegree
        found = self._call(
            _DUST_AGES,
            _COARSE_Z,
            kinematics,
            moments=[-2, -2],
            degree=-1,
            mdegree=mdegree,
            dust=(_STARS_START, _BIRTH_START, None),
        )
        stars, birth = (entry["sol"] for entry in found.dust)
        return list(map(float, stars)), float(birth[0]), found.mpoly if mdegree > 0 else None

    def populations(self, kinematics: list[list[float]], dust: Any, regul: float, scale: float) -> Any:
        """Fit the weights of all populations, a linear problem."""
        return self._call(
            1, 1, kinematics, scale, moments=[-2, -2], degree=-1, dust=dust, regul=regul, linear=True
        )


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
    problem = _Problem(import_ppxf(), templates, settings, flux, sigma, good, _bands(spectrum, templates))
    kinematics = problem.kinematics()
    dust = problem.attenuation(kinematics)
    free = problem.populations(kinematics, dust, 0.0, 1.0)
    scale = float(np.sqrt(free.chi2))
    before = clock()
    n = good.sum() + (0 if problem.phot is None else len(problem.phot["flux"]))

    def solve(regul: float) -> tuple[Any, float]:
        found = problem.populations(kinematics, dust, regul, scale)
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
    through = float(_attenuation(pivot, a_v, slope)[0])
    clouds = float(_birth_clouds(pivot, birth)[0])
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
