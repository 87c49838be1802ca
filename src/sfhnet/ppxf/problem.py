"""What all fits of one spectrum with pPXF share: kinematics, dust, and how pPXF is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pyprospect.constants import DUST_PIVOT_AA
from sfhnet.ppxf.templates import Templates

__all__ = ["FitSettings", "Problem", "attenuation", "birth_clouds", "import_ppxf"]

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


def birth_clouds(wave_aa: np.ndarray, tau: float) -> np.ndarray:
    """Return the share of the light that birth clouds let through.

    Parameters
    ----------
    wave_aa : ndarray
        Rest wavelengths in Angstrom.
    tau : float
        Optical depth at `pyprospect.constants.DUST_PIVOT_AA`.

    Returns
    -------
    ndarray, shape of `wave_aa`
    """
    return np.exp(-tau * (wave_aa / DUST_PIVOT_AA) ** _BIRTH_SLOPE)


def attenuation(wave_aa: np.ndarray, a_v: float, slope: float) -> np.ndarray:
    """Return the share of the light that pPXF's curve for all stars lets through.

    Parameters
    ----------
    wave_aa : ndarray
        Rest wavelengths in Angstrom.
    a_v : float
        mag.
    slope : float
        Of Kriek & Conroy (2013).

    Returns
    -------
    ndarray, shape of `wave_aa`
    """
    from ppxf.ppxf import attenuation as curve

    return curve(wave_aa, a_v, slope)


@dataclass(frozen=True)
class Problem:
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
                through = attenuation(wave_aa, a_v, slope)
                if shape is None or wave_aa.ndim > 1:
                    return through
                return through * np.interp(wave_aa, t.wave_aa, shape)

            dust = [
                {"start": list(stellar), "bounds": _STARS_BOUNDS, "component": is_star, "func": curve},
                {"start": [clouds], "bounds": [_BIRTH_BOUNDS], "component": young, "func": birth_clouds},
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

    def populations(self, kinematics: list[list[float]], dust: Any, *, regul: float, scale: float) -> Any:
        """Fit the weights of all populations, a linear problem."""
        return self._call(
            1, 1, kinematics, scale, moments=[-2, -2], degree=-1, dust=dust, regul=regul, linear=True
        )
