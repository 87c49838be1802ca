"""Emission lines of ionised gas, with the line ratios of Levesque, Kewley & Larson (2010, AJ 139, 712)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypedDict

import numpy as np
from numpy.typing import ArrayLike

from pyprospect.arguments import checked
from pyprospect.constants import C_KMS, HALPHA_AA, HALPHA_LSOL_PER_SFR
from pyprospect.messages import ClampWarning, warn_once
from pyprospect.numerics.interpolation import interp_param
from pyprospect.numerics.lsf import LSFLike, lsf_sigma_kms
from pyprospect.tables import load

__all__ = ["LineSpectrum", "LineTable", "Z2q", "emission_lines", "line_luminosities", "lkl10", "sfr2lum"]

_NORMS = ("All", "Halpha", "Hbeta", "Hlines")
LINE_REACH = 5.0
"""Sigmas from its centre at which a line ends; in ProSpect too, whatever `range` is."""


@dataclass(frozen=True, eq=False)
class LineTable:
    """Line luminosities on a grid of metallicity and ionisation parameter.

    Attributes
    ----------
    z : (n_z,) ndarray
        Metal mass fraction of the gas, ascending.
    q : (n_q,) ndarray
        Ionisation parameter, cm/s, ascending.
    wave_aa : (n_line,) ndarray
        Wavelengths, Angstrom (LKL10: air in the optical, Lyman alpha vacuum).
    linelum : (n_z, n_line, n_q) ndarray
        Luminosities in units of the quantity that `norm` names.
    norm : str
        "All" (all lines sum to 1), "Halpha", "Hbeta" or "Hlines" (all hydrogen lines).
    element, state : (n_line,) ndarray of str
        Such as "O" and "III".
    name : str
    """

    z: np.ndarray
    q: np.ndarray
    wave_aa: np.ndarray
    linelum: np.ndarray
    norm: str
    element: np.ndarray
    state: np.ndarray
    name: str = "LKL10"


class LineSpectrum(NamedTuple):
    """Emission-line spectrum: wavelengths (Angstrom) and Lsol/Angstrom."""

    wave: np.ndarray
    lum: np.ndarray


@checked
def Z2q(
    Zgas: ArrayLike = 0.02, *, q0: float = 2.8e7, g0: float = -1.3, Z0: float = 0.012
) -> np.ndarray | np.float64:
    """Return the ionisation parameter (cm/s) of gas of metal mass fraction `Zgas`: q0 (Zgas/Z0)^g0.

    Parameters
    ----------
    Zgas : array_like
        Metal mass fraction of the gas.
    q0 : float
        cm/s at `Z0`.
    g0 : float
        Slope.
    Z0 : float
        Metal mass fraction.

    Returns
    -------
    ndarray or float
        cm/s, of the shape of `Zgas`.

    Notes
    -----
    Orsi et al. (2014, MNRAS 443, 799), Equation 7, with ProSpect's numbers.
    """
    return q0 * (np.asarray(Zgas, dtype=float) / Z0) ** g0


@checked
def sfr2lum(SFR: ArrayLike = 1.0, lumscale: float = HALPHA_LSOL_PER_SFR) -> np.ndarray | np.float64:
    """Return the Halpha luminosity (Lsol) of a star-formation rate (Msol/yr); ProSpect's ``SFR2Lum``.

    Parameters
    ----------
    SFR : array_like
        Msol/yr.
    lumscale : float
        Lsol of Halpha per Msol/yr.

    Returns
    -------
    ndarray or float
        Lsol, of the shape of `SFR`.

    Notes
    -----
    `lumscale` is Kennicutt (1998, ARA&A 36, 189), 1/7.9e-42 erg/s for a Salpeter IMF, divided by 1.53. For a
    Chabrier IMF the calibration MULTIPLIED by 1.53, 5.06e7, follows from the definition.
    """
    return np.asarray(SFR, dtype=float) * lumscale


@lru_cache(maxsize=8)
def lkl10(norm: str = "Halpha") -> LineTable:
    """Return the lines of Levesque, Kewley & Larson (2010), 47 from Lyman alpha to [C II] 157.7 micron.

    Parameters
    ----------
    norm : {"All", "Halpha", "Hbeta", "Hlines"}
        What the luminosities are relative to.

    Returns
    -------
    LineTable

    Raises
    ------
    ValueError
        An unknown norm.
    FileNotFoundError
        ProSpect's table is not installed, see `pyprospect.tables`.
    """
    if norm not in _NORMS:
        raise ValueError(f"norm={norm!r}; LKL10 comes relative to one of {_NORMS}")
    return _table(load(f"LKL10_Norm{norm}"), norm)


def _table(lkl: dict[str, Any], norm: str) -> LineTable:
    frames = list(lkl["Mappings"].values()) if isinstance(lkl["Mappings"], dict) else lkl["Mappings"]
    first = frames[0]
    return LineTable(
        np.asarray(lkl["Z"], dtype=float),
        np.asarray(lkl["q"], dtype=float),
        np.asarray(first["wave"], dtype=float),
        np.array([frame.iloc[:, 3:].to_numpy(dtype=float) for frame in frames]),
        norm,
        np.asarray(first["element"], dtype=str),
        np.asarray(first["state"], dtype=str),
    )


class LineScaling(TypedDict, total=False):
    """The argument of `line_luminosities` that scales the lines: one of these is enough."""

    Ha_lum: float
    Hb_lum: float
    Hlines_lum: float
    All_lum: float
    SFR: float


def _scaling(
    Ha_lum: float | None,
    Hb_lum: float | None,
    Hlines_lum: float | None,
    All_lum: float | None,
    SFR: float | None,
    lumscale: float,
) -> tuple[str, float]:
    # The order of precedence is ProSpect's.
    if SFR is not None:
        return "Halpha", float(sfr2lum(SFR, lumscale))
    for norm, value in zip(_NORMS, (All_lum, Ha_lum, Hb_lum, Hlines_lum), strict=True):
        if value is not None and norm != "All":
            return norm, float(value)
    if All_lum is None:
        raise ValueError(
            "emission lines need a scaling: give one of SFR, Ha_lum, Hb_lum, Hlines_lum or All_lum"
        )
    return "All", float(All_lum)


@checked
def line_luminosities(
    Ha_lum: float | None = None,
    *,
    Hb_lum: float | None = None,
    Hlines_lum: float | None = None,
    All_lum: float | None = None,
    SFR: float | None = None,
    Z: float = 0.02,
    q: float | None = None,
    lumscale: float = HALPHA_LSOL_PER_SFR,
    log: bool = True,
    LKL10: LineTable | dict[str, Any] | Callable[[str], LineTable] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the wavelengths (Angstrom) and luminosities (Lsol) of all lines.

    Parameters
    ----------
    Ha_lum, Hb_lum, Hlines_lum, All_lum, SFR, Z, q, lumscale, log, LKL10
        As `emission_lines`.

    Returns
    -------
    wave_aa, lum
        (n_line,) ndarray: Angstrom and Lsol.

    Raises
    ------
    ValueError
        No scaling, a scaling that is negative or not finite, or a table relative to something else.
    """
    norm, scale = _scaling(Ha_lum, Hb_lum, Hlines_lum, All_lum, SFR, lumscale)
    if not scale >= 0 or not np.isfinite(scale):
        raise ValueError(f"emission lines of total {scale} Lsol; the scaling must be finite and >= 0")
    if LKL10 is None:
        table = lkl10(norm)
    elif isinstance(LKL10, dict):
        table = _table(LKL10, norm)  # R's own object: which norm it is, only the user knows
    else:
        table = LKL10(norm) if callable(LKL10) else LKL10
    if table.norm != norm:
        raise ValueError(
            f"the line table is relative to {table.norm}, the scaling is {norm}; give the matching one"
        )
    q = float(Z2q(Z)) if q is None else float(q)
    for name, value, nodes in (("gas metallicity Z", Z, table.z), ("ionisation parameter q", q, table.q)):
        if not nodes[0] <= value <= nodes[-1]:
            warn_once(
                f"{table.name} {name}",
                f"{name}={value:.4g} is outside the line table {table.name} ({nodes[0]:.4g} to {nodes[-1]:.4g}); "
                "the end value is used, as ProSpect does",
                ClampWarning,
            )
    in_z = interp_param(Z, table.z, log)
    in_q = interp_param(q, table.q, log)
    lum = np.zeros(table.wave_aa.size)
    for i, weight_z in ((in_z.id_lo[0], in_z.wt_lo[0]), (in_z.id_hi[0], in_z.wt_hi[0])):
        for j, weight_q in ((in_q.id_lo[0], in_q.wt_lo[0]), (in_q.id_hi[0], in_q.wt_hi[0])):
            lum = lum + weight_z * weight_q * table.linelum[i, :, j]
    return table.wave_aa, lum * scale


def halpha_luminosity(wave_aa: np.ndarray, lum: np.ndarray) -> float:
    """Return the luminosity of Halpha among lines (Angstrom, any unit); ValueError if it is not one of them.

    Parameters
    ----------
    wave_aa, lum : (n_line,) ndarray
        Lines: Angstrom, any unit.

    Returns
    -------
    float
        In the unit of `lum`.
    """
    nearest = int(np.argmin(np.abs(wave_aa - HALPHA_AA)))
    if abs(wave_aa[nearest] - HALPHA_AA) > 3:
        raise ValueError(
            f"no Halpha among the {wave_aa.size} lines, to which the nebular continuum belongs; give a line grid "
            "with Halpha (LineGrid.select keeps a range of wavelengths only)"
        )
    return float(lum[nearest])


@checked
def emission_lines(
    Ha_lum: float | None = None,
    *,
    Hb_lum: float | None = None,
    Hlines_lum: float | None = None,
    All_lum: float | None = None,
    SFR: float | None = None,
    Z: float = 0.02,
    q: float | None = None,
    veldisp: float = 50,
    LSF: LSFLike = None,
    z_LSF: float = 0,
    lumscale: float = HALPHA_LSOL_PER_SFR,
    log: bool = True,
    range: float = 5,
    res: float = 0.5,
    LKL10: LineTable | dict[str, Any] | Callable[[str], LineTable] | None = None,
    compat: bool = False,
) -> LineSpectrum:
    """Return the spectrum of the emission lines, each a Gaussian.

    Parameters
    ----------
    Ha_lum, Hb_lum, Hlines_lum, All_lum : float, optional
        Luminosity in Lsol of Halpha, of Hbeta, of all hydrogen lines, or of all lines.
    SFR : float, optional
        Star-formation rate in Msol/yr, which sets Halpha by `sfr2lum`.
    Z : float
        Metal mass fraction of the gas; the end values of the table are used beyond it, with a warning.
    q : float, optional
        Ionisation parameter, cm/s; default `Z2q` of `Z`.
    veldisp : float
        Velocity dispersion, km/s.
    LSF : None, float, callable, table or "muse"
        Sigma of the line-spread function in km/s at observed wavelengths, see `pyprospect.numerics.lsf`.
    z_LSF : float
        Redshift at which the LSF sees the lines.
    lumscale : float
        Lsol of Halpha per Msol/yr.
    log : bool
        Interpolate the table in log Z and log q.
    range, res : float
        Extent and step, in sigma, of the wavelength grid around each line.
    LKL10 : LineTable or callable, optional
        Another line table, or a function that gives one for a norm, instead of `lkl10`.
    compat : bool
        As ProSpect: the grid spans +-range of `veldisp` alone, so that with an LSF the lines are cut off in
        their wings. By default it follows the width of the line.

    Returns
    -------
    LineSpectrum
        On the union of the grids of all lines.

    Raises
    ------
    ValueError
        No scaling, an unusable scaling, or an LSF as `pyprospect.numerics.lsf.lsf_sigma_kms` refuses.

    Notes
    -----
    ProSpect 1.11.0, ``emissionLines``: a line is zero from 5 sigma on, exactly; its grid reaches that edge.
    """
    centres, lum = line_luminosities(
        Ha_lum,
        Hb_lum=Hb_lum,
        Hlines_lum=Hlines_lum,
        All_lum=All_lum,
        SFR=SFR,
        Z=Z,
        q=q,
        lumscale=lumscale,
        log=log,
        LKL10=LKL10,
    )
    sigma = line_sigmas(centres, veldisp, LSF, z_LSF=z_LSF, compat=compat)
    wave = line_grid(centres, _doppler(veldisp, centres) if compat else sigma, range=range, res=res)
    return LineSpectrum(wave, line_profiles(wave, centres, sigma, lum=lum))


def _doppler(veldisp: ArrayLike, centres: np.ndarray) -> np.ndarray:
    return centres * (np.asarray(veldisp) / C_KMS)


def line_sigmas(
    centres: np.ndarray, veldisp: float, LSF: LSFLike, *, z_LSF: float, compat: bool = False
) -> np.ndarray:
    """Return the Gaussian sigmas in Angstrom of lines at rest.

    Parameters
    ----------
    centres : (n_line,) ndarray
        Rest wavelengths, Angstrom.
    veldisp, LSF, z_LSF, compat
        As `emission_lines`.

    Returns
    -------
    (n_line,) ndarray
        Angstrom.
    """
    if not veldisp >= 0:
        raise ValueError(f"veldisp={veldisp} km/s must be >= 0")
    sigma = _doppler(np.hypot(veldisp, lsf_sigma_kms(LSF, centres * (1.0 + z_LSF), compat)), centres)
    if not np.all(sigma > 0):
        raise ValueError(f"veldisp={veldisp} km/s: emission lines need a dispersion > 0, or an LSF > 0")
    return sigma


def line_grid(centres: np.ndarray, sigma_aa: np.ndarray, *, range: float = 5, res: float = 0.5) -> np.ndarray:
    """Return the union of the grids centre + sigma g, g = -range ... range by `res`.

    Parameters
    ----------
    centres, sigma_aa : (n_line,) ndarray
        Lines: Angstrom.
    range, res : float
        Extent and step, in sigma.

    Returns
    -------
    (n,) ndarray
        Angstrom, ascending.
    """
    steps = np.arange(int(2 * range / res + 1e-10) + 1) * res - range
    return np.unique(np.multiply.outer(sigma_aa, steps) + centres[:, None])


def line_profiles(
    wave: np.ndarray, centres: np.ndarray, sigma_aa: np.ndarray, *, lum: np.ndarray, conserve: bool = False
) -> np.ndarray:
    """Return the sum of Gaussian lines on a grid, each zero from 5 sigma on.

    Parameters
    ----------
    wave : (n,) ndarray
        Wavelengths, ascending, Angstrom.
    centres, sigma_aa, lum : (n_line,) ndarray
        Lines: Angstrom, Angstrom, Lsol.
    conserve : bool
        Scale each line such that its sum over pixels (value times distance to the pixel before) is `lum`.

    Returns
    -------
    (n,) ndarray
        Lsol/Angstrom.
    """
    out = np.zeros(wave.size)
    for centre, sigma, total in zip(centres, sigma_aa, lum, strict=True):
        first = np.searchsorted(wave, centre - LINE_REACH * sigma, side="right")
        stop = np.searchsorted(wave, centre + LINE_REACH * sigma, side="left")
        if total == 0 or stop <= first:
            continue
        profile = np.exp(-(((wave[first:stop] - centre) / sigma) ** 2) / 2) / (np.sqrt(2 * np.pi) * sigma)
        if conserve:
            profile /= np.sum(profile * np.diff(wave[first - 1 : stop]))
        out[first:stop] += total * profile
    return out
