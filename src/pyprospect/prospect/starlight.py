"""From the intrinsic light of young and old stars to light behind dust, with emission lines: one chain for all.

`shine` is the part that `sfh_func` and `sfh_burst` share. It has two modes. ``compat=True`` follows ProSpect
1.11.0 step by step, including its quirks; the default keeps the energy balance:

- lines are evaluated on the grid of the result (library wavelengths and a fine grid around each line), carry
  exactly their luminosity, end at 5 sigma and exist only inside the library's range;
- the nebular continuum, if asked for, belongs to the Halpha of the lines; where lines are scaled by the ionising
  light, lines and continuum share it;
- absorbed = missing: lumtot_unatten + lumtot_excess - lumtot_outside - integral of lum_atten is exactly
  lumtot_birth + lumtot_screen. All integrals are sums of value times distance to the pixel before, on the
  wavelengths of the result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pyprospect.constants import HALPHA_LSOL_PER_SFR, LSOL_ERG_S, LYMAN_LIMIT_AA
from pyprospect.dust.attenuation import CF_birth, CF_screen
from pyprospect.gas.continuum import continuum_at, continuum_outside
from pyprospect.gas.ionizing_light import PHOTON_ERG_AA, halpha_from_ionizing_photons
from pyprospect.gas.lines import (
    LINE_REACH,
    LineScaling,
    emission_lines,
    halpha_luminosity,
    line_grid,
    line_luminosities,
    line_profiles,
    line_sigmas,
)
from pyprospect.numerics.lsf import LSFLike, disp_stars_with_nan
from pyprospect.numerics.lsf import disp_stars as broaden
from pyprospect.numerics.rebin import addspec

__all__ = ["Light", "Recipe", "shine", "total"]

_SAME_PIXEL = 1e-9
_UNIT_ALL: LineScaling = {"All_lum": 1.0}
_UNIT_HALPHA: LineScaling = {"Ha_lum": 1.0}


@dataclass(frozen=True, eq=False)
class Recipe:
    """How light is treated on its way out; fields are the arguments of `pyprospect.sfh_func`.

    ``burst=True`` marks a simple stellar population: with `compat`, ionising light then stays in the spectrum
    whatever `escape_frac` says, and lumtot_birth knows of the lines.
    """

    tau_birth: float = 1.0
    tau_screen: float = 0.3
    pow_birth: float = -0.7
    pow_screen: float = -0.7
    emission: bool = False
    veldisp: float = 50
    range: float = 5
    res: float = 0.5
    emission_scale: str = "FUV"
    escape_frac: ArrayLike | None = None
    Ly_limit: ArrayLike = LYMAN_LIMIT_AA
    LKL10: Any = None
    disp_stars: bool = False
    LSF: LSFLike = None
    z: float = 0.1
    Eb: float = 0
    L0: float = 2175.8
    LFWHM: float = 470
    lumscale: float = HALPHA_LSOL_PER_SFR
    nebular_continuum: bool | Callable[[np.ndarray, float], np.ndarray] = False
    burst: bool = False
    compat: bool = False

    def __post_init__(self) -> None:
        for name in ("tau_birth", "tau_screen", "Eb"):
            value = getattr(self, name)
            if not value >= 0 or not np.isfinite(value):
                raise ValueError(f"{name}={value} must be finite and >= 0")
        for name in ("pow_birth", "pow_screen", "L0", "LFWHM", "lumscale"):
            if not np.isfinite(getattr(self, name)):
                raise ValueError(f"{name}={getattr(self, name)} must be a number")
        known = ("FUV", "SFR") if self.compat else ("FUV", "photons", "SFR")
        if self.emission_scale not in known:
            raise ValueError(f"emission_scale={self.emission_scale!r} must be one of {known}")
        if self.nebular_continuum is not False and self.compat:
            raise ValueError("nebular_continuum: ProSpect has none; leave compat=True or the continuum out")
        if self.nebular_continuum is not False and not self.emission:
            raise ValueError("nebular_continuum goes with the lines of the same gas; give emission=True too")

    def bands(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the Lyman limits, descending (Angstrom), and the escape fraction below each."""
        limits = np.atleast_1d(np.asarray(self.Ly_limit, dtype=float))
        default = 0.0 if self.emission else 1.0
        fractions = np.atleast_1d(
            np.asarray(default if self.escape_frac is None else self.escape_frac, dtype=float)
        )
        if fractions.size == 1:
            fractions = np.full(limits.size, fractions[0])
        if limits.ndim != 1 or fractions.shape != limits.shape:
            raise ValueError(
                f"{fractions.size} escape_frac for {limits.size} Ly_limit; give one escape fraction a limit"
            )
        if not np.all(np.diff(limits) < 0) or not limits[-1] > 0:
            raise ValueError(f"Ly_limit={limits.tolist()} must descend, from the longest wavelength on")
        if not np.all((fractions >= 0) & (fractions <= 1)):
            raise ValueError(f"escape_frac={fractions.tolist()} must lie between 0 and 1")
        return limits, fractions

    def escape(self, wave: np.ndarray) -> np.ndarray:
        """Return the fraction of the light that leaves the gas at each wavelength."""
        limits, fractions = self.bands()
        out = np.ones(wave.size)
        if self.burst and self.compat:
            return out
        for upper, lower, fraction in zip(limits, [*limits[1:], -np.inf], fractions, strict=True):
            out[(wave < upper) & (wave > lower)] = fraction
        return out

    def birth(self, wave: np.ndarray) -> np.ndarray:
        """Return the transmission of the birth clouds."""
        return CF_birth(wave, self.tau_birth, self.pow_birth) if self.tau_birth else np.ones(wave.size)

    def screen(self, wave: np.ndarray) -> np.ndarray:
        """Return the transmission of the screen."""
        if not self.tau_screen:
            return np.ones(wave.size)
        return CF_screen(wave, self.tau_screen, self.pow_screen, Eb=self.Eb, L0=self.L0, LFWHM=self.LFWHM)


class Light(NamedTuple):
    """Result of `shine`; attributes carry ProSpect's names (Angstrom, Lsol/Angstrom, Lsol)."""

    wave_lum: np.ndarray
    lum_atten: np.ndarray
    lum_unatten: np.ndarray
    lumtot_unatten: float
    lumtot_atten: float
    lumtot_birth: float
    lumtot_screen: float
    lumtot_lines: float
    """Lines before dust."""
    lumtot_continuum: float
    """Nebular continuum before dust."""
    lumtot_excess: float
    """Lines and continuum beyond what the absorbed ionising light of the library could power."""
    lumtot_outside: float
    """Lines and continuum outside the library's wavelengths, which are not in the spectrum."""
    emission_input: dict[str, float] | None


def total(wave: np.ndarray, lum: np.ndarray) -> float:
    """Return ProSpect's integral: sum of value times distance to the pixel before.

    Parameters
    ----------
    wave : (n,) ndarray
        Wavelengths, Angstrom, ascending.
    lum : (n,) ndarray
        Density per Angstrom.

    Returns
    -------
    float
        In the unit of `lum` times Angstrom.
    """
    return float(np.sum(np.diff(wave) * lum[1:]))


def _check_ionising(wave: np.ndarray, recipe: Recipe) -> None:
    limits, fractions = recipe.bands()
    if recipe.emission_scale != "SFR":
        if wave[0] >= limits[-1]:
            raise ValueError(
                f"emission_scale={recipe.emission_scale!r} scales the lines by the light below {limits[-1]:g} Angstrom, but the library "
                f"starts at {wave[0]:.1f} Angstrom; use emission_scale='SFR', or a library with ionising light"
            )
    elif np.any(fractions != fractions[0]):
        raise ValueError(
            f"emission_scale='SFR' needs one escape_frac, not {fractions.tolist()}; use 'FUV' for several bands"
        )


def _ionising_compat(wave: np.ndarray, lum: np.ndarray, recipe: Recipe) -> float:
    limits, fractions = recipe.bands()
    if np.all(fractions == fractions[0]):
        below = wave < limits[0]
        return (1.0 - fractions[0]) * total(wave[below], lum[below])
    power = 0.0
    for upper, lower, fraction in zip(limits[:-1], limits[1:], fractions[:-1], strict=True):
        band = (wave < upper) & (wave > lower)
        power += (1.0 - fraction) * (upper - lower) * lum[band].mean()
    below = wave < limits[-1]
    return power + (1.0 - fractions[-1]) * total(wave[below], lum[below])


def shine(
    wave: np.ndarray,
    young: np.ndarray,
    old: np.ndarray,
    *,
    recipe: Recipe,
    sfr_10myr: Callable[[], float],
    gas_z: float,
) -> Light:
    """Carry starlight through gas, birth clouds, dispersion and screen, and add emission lines.

    Parameters
    ----------
    wave : (n,) ndarray
        Rest wavelengths, Angstrom.
    young, old : (n,) ndarray
        Light of stars inside and outside birth clouds, Lsol/Angstrom.
    recipe : Recipe
        The treatment.
    sfr_10myr : callable
        Gives the mean star-formation rate of the last 10 Myr, Msol/yr, where lines are scaled by it.
    gas_z : float
        Metal mass fraction of the gas.

    Returns
    -------
    Light

    Raises
    ------
    ValueError
        Lines that the library cannot power, and as `Recipe`, `emission_lines` and `disp_stars`.
    """
    if recipe.emission:
        _check_ionising(wave, recipe)
    return (_shine_compat if recipe.compat else _shine)(wave, young, old, recipe, sfr_10myr, gas_z)


def _broaden(wave: np.ndarray, lum: np.ndarray, recipe: Recipe) -> np.ndarray:
    return broaden(
        wave,
        lum,
        recipe.veldisp,
        LSF=recipe.LSF,
        z=recipe.z,
        range=recipe.range,
        res=recipe.res,
        compat=recipe.compat,
    )


def _line_input(
    recipe: Recipe, ionising: float, sfr_10myr: Callable[[], float], gas_z: float, photons: float = 0.0
) -> tuple[LineScaling, dict[str, float]]:
    if recipe.emission_scale == "FUV":
        amount = ionising
        scaling = LineScaling(All_lum=amount)
    elif recipe.emission_scale == "photons":
        amount = halpha_from_ionizing_photons(photons)
        scaling = LineScaling(Ha_lum=amount)
    else:
        amount = (1.0 - recipe.bands()[1][0]) * sfr_10myr()
        scaling = LineScaling(SFR=amount)
    return scaling, {next(iter(scaling)): amount, "veldisp": float(recipe.veldisp), "Z": float(gas_z)}


def _shine_compat(
    wave: np.ndarray,
    young: np.ndarray,
    old: np.ndarray,
    recipe: Recipe,
    sfr_10myr: Callable[[], float],
    gas_z: float,
) -> Light:
    unatten = young + old
    lumtot_unatten = total(wave, unatten)
    escape = recipe.escape(wave)
    lum = (young * recipe.birth(wave) + old) * escape
    lumtot_birth = lumtot_unatten - total(wave, lum) if recipe.tau_birth else 0.0
    if recipe.disp_stars:
        if recipe.emission:
            # Absorbed ionising light is exactly zero, which makes NaN of its neighbours; where lines are added
            # NaN becomes 0. (Without lines R stops or returns NaN, and here the neighbours are kept.)
            dispersed = disp_stars_with_nan(
                wave, lum, recipe.veldisp, LSF=recipe.LSF, z=recipe.z, range=recipe.range, res=recipe.res
            )
            lum = np.nan_to_num(dispersed)
        else:
            lum = _broaden(wave, lum, recipe)
    used, power = None, 0.0
    if recipe.emission:
        scaling, used = _line_input(recipe, _ionising_compat(wave, unatten, recipe), sfr_10myr, gas_z)
        lines = emission_lines(
            **scaling,
            Z=gas_z,
            veldisp=recipe.veldisp,
            LSF=recipe.LSF,
            z_LSF=recipe.z,
            lumscale=recipe.lumscale,
            range=recipe.range,
            res=recipe.res,
            LKL10=recipe.LKL10,
            compat=True,
        )
        power = total(lines.wave, lines.lum)
        behind_birth = lines.lum * recipe.birth(lines.wave)
        grid, lum = addspec(wave, lum, lines.wave, behind_birth)
        if recipe.burst:
            lumtot_birth -= power - total(lines.wave, behind_birth)
        # else ProSpect means to do the same, but attenuates in place: its correction is always 0 (quirk Q1).
        lumtot_birth = max(lumtot_birth, 0.0)
        unatten = np.interp(np.log10(grid), np.log10(wave), unatten, left=np.nan, right=np.nan)
        wave = grid
    lumtot_screen = 0.0
    if recipe.tau_screen:
        lum = lum * recipe.screen(wave)
        lumtot_screen = max(lumtot_unatten - lumtot_birth - total(wave, lum), 0.0)
    lumtot_atten = lumtot_unatten - total(wave, lum)
    return Light(
        wave_lum=wave,
        lum_atten=lum,
        lum_unatten=unatten,
        lumtot_unatten=lumtot_unatten,
        lumtot_atten=lumtot_atten,
        lumtot_birth=lumtot_birth,
        lumtot_screen=lumtot_screen,
        lumtot_lines=power,
        lumtot_continuum=0.0,
        lumtot_excess=0.0,
        lumtot_outside=0.0,
        emission_input=used,
    )


def _refine(grid: np.ndarray, wave: np.ndarray, lum: np.ndarray) -> np.ndarray:
    # On a finer grid that holds all of `wave`: straight in log-log, or in lum beside a zero.
    if grid is wave:
        return lum
    positive = lum > 0
    with np.errstate(divide="ignore"):
        log_lum = np.where(positive, np.log(lum), 0.0)
    curved = np.exp(np.interp(np.log(grid), np.log(wave), log_lum))
    if positive.all():
        return curved
    k = np.clip(np.searchsorted(wave, grid, side="right") - 1, 0, wave.size - 2)
    return np.where(positive[k] & positive[k + 1], curved, np.interp(grid, wave, lum))


def _with_line_pixels(wave: np.ndarray, fine: np.ndarray) -> np.ndarray:
    # Pixels that differ by rounding would coincide once they are redshifted.
    nearest = np.clip(np.searchsorted(wave, fine), 1, wave.size - 1)
    apart = np.minimum(np.abs(fine - wave[nearest - 1]), np.abs(wave[nearest] - fine)) > _SAME_PIXEL * fine
    fine = fine[apart]
    return np.union1d(wave, fine[np.diff(fine, prepend=0.0) > _SAME_PIXEL * fine])


class _Lines(NamedTuple):
    """Lines (Angstrom), and which of them lie inside the library's wavelengths."""

    centres: np.ndarray
    sigma: np.ndarray
    inside: np.ndarray


class _Gas(NamedTuple):
    spectrum: np.ndarray
    lines: float
    continuum: float
    outside: float
    used: dict[str, float] | None


def _gas(
    grid: np.ndarray,
    lines: _Lines,
    recipe: Recipe,
    absorbed: np.ndarray,
    sfr_10myr: Callable[[], float],
    gas_z: float,
) -> _Gas:
    # Lines and continuum before dust, on the grid.
    photons = total(grid, np.where(grid < LYMAN_LIMIT_AA, absorbed * grid, 0.0)) * LSOL_ERG_S / PHOTON_ERG_AA
    scaling, used = _line_input(recipe, total(grid, absorbed), sfr_10myr, gas_z, photons)
    _, line_lum = line_luminosities(**scaling, Z=gas_z, lumscale=recipe.lumscale, LKL10=recipe.LKL10)
    continuum, beyond = np.zeros(grid.size), 0.0
    if recipe.nebular_continuum is not False:
        model = continuum_at if recipe.nebular_continuum is True else recipe.nebular_continuum
        halpha = halpha_luminosity(lines.centres, line_lum)
        continuum = halpha * model(grid, gas_z)
        beyond = halpha * continuum_outside(model, grid[0], grid[-1], z=gas_z)
        if "All_lum" in scaling:
            in_lines, rest = line_lum.sum(), total(grid, continuum) + beyond
            share = in_lines / (in_lines + rest) if in_lines > 0 else 1.0
            line_lum, continuum, beyond = line_lum * share, continuum * share, beyond * share
            used["All_lum"] = float(line_lum.sum())
    inside = lines.inside
    spectrum = line_profiles(
        grid, lines.centres[inside], lines.sigma[inside], lum=line_lum[inside], conserve=True
    )
    outside = float(line_lum[~inside].sum()) + beyond
    return _Gas(spectrum + continuum, float(line_lum.sum()), total(grid, continuum) + beyond, outside, used)


def _shine(
    wave: np.ndarray,
    young: np.ndarray,
    old: np.ndarray,
    recipe: Recipe,
    sfr_10myr: Callable[[], float],
    gas_z: float,
) -> Light:
    grid, lines = wave, None
    if recipe.emission:
        # The scaling is not known yet, and the wavelengths do not depend on it.
        centres, _ = line_luminosities(
            **_UNIT_ALL if recipe.emission_scale == "FUV" else _UNIT_HALPHA, Z=gas_z, LKL10=recipe.LKL10
        )
        sigma = line_sigmas(centres, recipe.veldisp, recipe.LSF, z_LSF=recipe.z)
        inside = (centres - LINE_REACH * sigma > wave[0]) & (centres + LINE_REACH * sigma < wave[-1])
        lines = _Lines(centres, sigma, inside)
        grid = _with_line_pixels(
            wave, line_grid(centres[inside], sigma[inside], range=recipe.range, res=recipe.res)
        )
    unatten = _refine(grid, wave, young + old)
    lumtot_unatten = total(grid, unatten)
    behind = young * recipe.birth(wave) + old
    escape = recipe.escape(grid)
    stars = _refine(grid, wave, behind) * escape
    absorbed = (1.0 - escape) * unatten
    ionising = total(grid, absorbed)
    power_stars = total(grid, stars)
    lumtot_birth = max(lumtot_unatten - ionising - power_stars, 0.0)
    if recipe.disp_stars:
        stars = _refine(grid, wave, _broaden(wave, behind * recipe.escape(wave), recipe))
        # Dispersion moves light in wavelength: what sampling and the ends of the library lose comes back.
        if power_stars > 0:
            stars = stars * (power_stars / total(grid, stars))
    gas = _Gas(np.zeros(grid.size), 0.0, 0.0, 0.0, None)
    if lines is not None:
        gas = _gas(grid, lines, recipe, absorbed, sfr_10myr, gas_z)
    gas_behind_birth = gas.spectrum * recipe.birth(grid)
    lumtot_birth += total(grid, gas.spectrum - gas_behind_birth)
    # ASSUME: ionising light that the gas absorbs and does not emit again heats the dust of the birth clouds; what
    # the gas emits outside the library's wavelengths leaves the galaxy.
    power = gas.lines + gas.continuum
    lumtot_birth += max(ionising - power, 0.0)
    lum = stars + gas_behind_birth
    seen = lum * recipe.screen(grid)
    lumtot_screen = total(grid, lum - seen)
    return Light(
        wave_lum=grid,
        lum_atten=seen,
        lum_unatten=unatten,
        lumtot_unatten=lumtot_unatten,
        lumtot_atten=lumtot_birth + lumtot_screen,
        lumtot_birth=lumtot_birth,
        lumtot_screen=lumtot_screen,
        lumtot_lines=gas.lines,
        lumtot_continuum=gas.continuum,
        lumtot_excess=max(power - ionising, 0.0),
        lumtot_outside=gas.outside,
        emission_input=gas.used,
    )
