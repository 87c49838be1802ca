"""An active nucleus in the batch model: a tabulated torus, a power law, narrow lines, each behind dust."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pyprospect.bands.curve import Filter
from pyprospect.constants import DUST_PIVOT_AA, ERG_S_TO_LSOL
from pyprospect.fast import folding
from pyprospect.prospect.agn import AGNTemplate, as_agn

__all__ = ["NARROW_LINES", "Nucleus", "NucleusLight"]

Array = NDArray[np.float64]

# ASSUME: the narrow lines of a typical Seyfert 2 galaxy before dust (Osterbrock & Ferland 2006, table 14.2, and the
# Seyfert branch of Kewley et al. 2006), air wavelengths, relative to Hbeta.
NARROW_LINES: dict[str, tuple[float, float]] = {
    "OII3727": (3727.4, 2.5),
    "NeIII3869": (3868.8, 0.9),
    "HeII4686": (4685.7, 0.25),
    "Hbeta": (4861.3, 1.0),
    "OIII4959": (4958.9, 3.35),
    "OIII5007": (5006.8, 10.0),
    "OI6300": (6300.3, 0.55),
    "NII6548": (6548.1, 0.98),
    "Halpha": (6562.8, 3.0),
    "NII6583": (6583.5, 2.9),
    "SII6716": (6716.4, 1.0),
    "SII6731": (6730.8, 1.0),
    "SIII9069": (9068.6, 0.5),
}
_POWER_LAW_AA = 5100.0
_POINTS_PER_BAND = 24


@dataclass(frozen=True)
class Nucleus:
    """Which parts a nucleus has.

    Parameters
    ----------
    torus : object, optional
        What `pyprospect.prospect.agn.as_agn` takes; True for ProSpect's table. Parameter ``log_agn_lum``: log10 of its
        luminosity [erg/s]; ``tau_AGN``, ``pow_AGN``: dust of its own.
    power_law : bool
        L_lambda = lambda**agn_slope; parameter ``log_agn_5100``: log10 of lambda L_lambda at 5100 Angstrom [erg/s].
    narrow_lines : bool
        `NARROW_LINES`; parameter ``log_agn_oiii``: log10 of the luminosity of [OIII] 5007 [erg/s].
    lines_veldisp_kms : float
        Dispersion of the narrow lines.
    """

    torus: Any = None
    power_law: bool = False
    narrow_lines: bool = False
    lines_veldisp_kms: float = 200.0

    def __post_init__(self) -> None:
        if not 0 < self.lines_veldisp_kms <= 1e5:
            raise ValueError(
                f"Nucleus: lines_veldisp_kms={self.lines_veldisp_kms} must be positive and at most 1e5"
            )

    @property
    def defaults(self) -> dict[str, float | None]:
        """Parameters with their defaults; None: it must be given."""
        out: dict[str, float | None] = {}
        if self.torus is not None and self.torus is not False:
            out |= {"log_agn_lum": None}
        if self.power_law:
            out |= {"log_agn_5100": None, "agn_slope": -1.5}
        if self.narrow_lines:
            out |= {"log_agn_oiii": None}
        if not out:
            raise ValueError("this nucleus has no light; give a torus, a power law or narrow lines")
        return out | {"tau_AGN": 0.0, "pow_AGN": -0.7}


class NucleusLight:
    """Light of nuclei on the grid and in the bands of a fit.

    Parameters
    ----------
    nucleus : Nucleus
    wave_aa : array_like
        Grid at rest, Angstrom; may be empty.
    bands : sequence of Filter
    redshift : float
        Of the bands.
    lsf_fwhm_aa : callable, optional
        The instrument's FWHM at rest wavelengths.
    """

    def __init__(
        self,
        nucleus: Nucleus,
        wave_aa: ArrayLike,
        bands: Sequence[Filter],
        *,
        redshift: float,
        lsf_fwhm_aa: Any = None,
    ) -> None:
        self.nucleus = nucleus
        wave = np.asarray(wave_aa, dtype=float)
        self.n_wave, n_band = wave.size, len(bands)
        points, sums = [wave], []
        for band in bands:
            at, weight = self._quadrature(band, redshift)
            points.append(at)
            sums.append(weight)
        # One axis of points: the grid, then the points of each band, and what sums these into bands.
        every = np.concatenate(points)
        total = np.zeros((every.size - wave.size, n_band))
        start = 0
        for i, weight in enumerate(sums):
            total[start : start + weight.size, i] = weight
            start += weight.size
        self._sum = torch.as_tensor(total)
        self._log_wave = torch.as_tensor(np.log(every / DUST_PIVOT_AA))
        self._log_5100 = torch.as_tensor(np.log(every / _POWER_LAW_AA))
        self._torus = None
        if nucleus.torus is not None and nucleus.torus is not False:
            template = as_agn(nucleus.torus)
            if not isinstance(template, AGNTemplate):
                raise ValueError("a grid of tori has parameters of its own; give one template of it")
            self._torus = torch.as_tensor(np.interp(every, template.Wave, template.Aspec) * ERG_S_TO_LSOL)
        if nucleus.narrow_lines:
            self._make_lines(wave, bands, redshift, lsf_fwhm_aa)

    @staticmethod
    def _quadrature(band: Filter, redshift: float) -> tuple[Array, Array]:
        fine = np.linspace(band.wave_aa[0], band.wave_aa[-1], 2001)
        at, weight = folding.band_quadrature(
            fine / (1 + redshift), band.wave_aa, band.response, name=band.name, redshift=redshift
        )
        # Of smooth light a few points with the weight of their neighbours know the mean.
        share = np.minimum((np.cumsum(weight) * _POINTS_PER_BAND).astype(int), _POINTS_PER_BAND - 1)
        summed = np.bincount(share, weight)
        return np.bincount(share, weight * at) / summed, np.asarray(summed, dtype=float)

    def _make_lines(self, wave: Array, bands: Sequence[Filter], redshift: float, lsf: Any) -> None:
        at = np.array([line[0] for line in NARROW_LINES.values()])
        ratio = np.array([line[1] for line in NARROW_LINES.values()]) / NARROW_LINES["OIII5007"][1]
        profiles = np.zeros((at.size, wave.size))
        if wave.size:
            width = folding.sigma_to_add_aa(at, self.nucleus.lines_veldisp_kms, lsf)
            profiles = folding.line_profiles(at, wave, width)
        in_bands = np.zeros((at.size, len(bands)))
        for i, band in enumerate(bands):
            rest = band.wave_aa / (1 + redshift)
            through = np.interp(at, rest, np.abs(band.response), left=0.0, right=0.0) * at
            in_bands[:, i] = through / np.trapezoid(np.abs(band.response) * rest, rest)
        self._line_log_wave = torch.as_tensor(np.log(at / DUST_PIVOT_AA))
        self._lines = torch.as_tensor(ratio[:, None] * np.concatenate([profiles, in_bands], axis=1))

    def __call__(self, p: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return spectra (n, n_wave) and band means (n, n_band), Lsol/Angstrom.

        Parameters
        ----------
        p : dict of Tensor (n,)
            Parameters of the parts, ``tau_AGN``, ``pow_AGN``, and the screen's ``tau_screen`` and ``pow_screen``.
        """
        light = torch.zeros(1, len(self._log_wave), dtype=torch.float64)
        if self._torus is not None:
            light = light + 10.0 ** p["log_agn_lum"][:, None] * self._torus
        if self.nucleus.power_law:
            at_5100 = 10.0 ** p["log_agn_5100"][:, None] * (ERG_S_TO_LSOL / _POWER_LAW_AA)
            light = light + at_5100 * torch.exp(p["agn_slope"][:, None] * self._log_5100)
        own = p["tau_AGN"][:, None] * torch.exp(p["pow_AGN"][:, None] * self._log_wave)
        light = light * torch.exp(-own - self._screen(p, self._log_wave))
        spectrum, band = light[:, : self.n_wave], light[:, self.n_wave :] @ self._sum
        if self.nucleus.narrow_lines:
            oiii = 10.0 ** p["log_agn_oiii"][:, None] * ERG_S_TO_LSOL
            lines = (oiii * torch.exp(-self._screen(p, self._line_log_wave))) @ self._lines
            spectrum, band = spectrum + lines[:, : self.n_wave], band + lines[:, self.n_wave :]
        return spectrum, band

    @staticmethod
    def _screen(p: dict[str, Tensor], log_wave: Tensor) -> Tensor:
        return p["tau_screen"][:, None] * torch.exp(p["pow_screen"][:, None] * log_wave)
