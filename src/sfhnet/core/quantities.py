"""Every quantity of a galaxy, said once: its name in files, unit and meaning, and how it follows from a history.

Labels of mocks, answers of networks, parameters of the forward model, tables, maps and figures read their names and
units here. A formation time becomes one more answer of the networks by ``scalar=True`` in its line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "BURST_FACTOR",
    "BURST_WITHIN_YR",
    "DUST",
    "DUST_AND_LINES",
    "FROM_DRAWS",
    "INTERVALS",
    "LABELS",
    "LEARNED",
    "LEVELS",
    "LINES",
    "MAPPED",
    "OF_BINS",
    "OLD_YR",
    "QUANTITIES",
    "SCALARS",
    "SFR_FLOOR_PER_YR",
    "SNR_WINDOW_AA",
    "YOUNG_YR",
    "ForwardParameter",
    "Quantity",
]

# Quantile levels of every answer: the median and both ends of the 50, 68, 90 and 95 % intervals.
LEVELS: tuple[float, ...] = (0.025, 0.05, 0.16, 0.25, 0.5, 0.75, 0.84, 0.95, 0.975)

# Nominal coverage -> indices of its ends in LEVELS.
INTERVALS: dict[float, tuple[int, int]] = {0.50: (3, 5), 0.68: (2, 6), 0.90: (1, 7), 0.95: (0, 8)}

# ASSUME: a specific star-formation rate below this cannot be told from none (1/yr per Msol formed).
SFR_FLOOR_PER_YR = 1e-13

# A burst: stars formed this many times faster than on average before, at most so long ago.
BURST_FACTOR = 3.0
BURST_WITHIN_YR = 1e9

# Stars whose metallicity is told apart: those younger than the first, and those older than the second.
YOUNG_YR, OLD_YR = 1e9, 5e9

# Rest-frame window (air) in which spectra are normalised and PHANGS quotes S/N.
SNR_WINDOW_AA: tuple[float, float] = (5300.0, 5500.0)


@dataclass(frozen=True)
class Quantity:
    """One quantity of a galaxy.

    Attributes
    ----------
    name : str
        In files and tables; stored products rely on it.
    unit, meaning : str
        ``log10 yr`` is the unit of a logarithm.
    title : str
        What figures call it.
    per : str
        ``age_bin`` or ``age_edge`` where there is one value for each; empty for one number a galaxy.
    label : bool
        Mocks are stored with it.
    scalar : bool
        Networks answer it.
    mapped : bool
        Tables of bins and maps hold it with its 68 % interval.
    percent : float, optional
        It is the log look-back time by which this share of the mass had formed.
    window_yr : float, optional
        It is the mean star-formation rate over this time, or its logarithm.
    log_of : str
        Label whose log10 it is; empty if it is a label itself.
    floor : float, optional
        Smallest value whose logarithm is taken; without it a history gives no logarithm.
    adds_by : str
        ``mass`` or ``light``: that of a sum of galaxies is the mean of the parts by the mass that they formed or by their
        unattenuated light at 5500 Angstrom. Empty where it is not so simple.
    """

    name: str
    unit: str
    meaning: str
    title: str = ""
    per: str = ""
    label: bool = False
    scalar: bool = False
    mapped: bool = False
    percent: float | None = None
    window_yr: float | None = None
    log_of: str = ""
    floor: float | None = None
    adds_by: Literal["", "mass", "light"] = ""

    @property
    def axes(self) -> str:
        """Names of the axes in files of many galaxies."""
        return f"galaxy, {self.per}" if self.per else "galaxy"

    @property
    def from_history(self) -> bool:
        """Whether masses in age bins are enough to tell it."""
        return self.percent is not None or self.window_yr is not None

    @property
    def source(self) -> str:
        """Name of the label that holds it, in its own unit or before the logarithm."""
        return self.log_of or self.name

    @property
    def described(self) -> str:
        """Meaning and unit in one line."""
        return f"{self.meaning} [{self.unit}]"

    @property
    def plain_unit(self) -> str:
        """Unit of what the logarithm is taken of, or of the quantity itself."""
        return self.unit.removeprefix("log10 ")

    @property
    def heading(self) -> str:
        """Title and unit for figures; a title says itself that it is of a logarithm."""
        return f"{self.title} [{self.plain_unit}]"


@dataclass(frozen=True, kw_only=True)
class ForwardParameter(Quantity):
    """A parameter of dust or emission lines of the forward model.

    Attributes
    ----------
    drawn : tuple of float
        Ends between which a prior may draw it.
    fitted : tuple of float
        Ends between which fits of the forward model keep it.
    step : float
        Step of a finite difference.
    """

    drawn: tuple[float, float] = (-math.inf, math.inf)
    fitted: tuple[float, float]
    step: float


def _time(percent: int, scalar: bool = False, mapped: bool = False) -> Quantity:
    meaning = f"look-back time by which {percent} % of the mass had formed"
    title = f"log t{percent}"
    # The floor of one year only keeps the logarithm finite.
    return Quantity(
        f"t{percent}", "log10 yr", meaning, title, "", True, scalar, mapped, percent=percent, floor=1.0
    )


def _log_rate(window_yr: float, scalar: bool = False) -> Quantity:
    myr = f"{window_yr / 1e6:.0f}"
    return Quantity(
        f"log_sfr{myr}",
        "log10 1/yr",
        f"mean star-formation rate over the last {myr} Myr per Msol formed",
        f"log SFR / mass, {myr} Myr",
        scalar=scalar,
        window_yr=window_yr,
        log_of=f"sfr{myr}",
        floor=SFR_FLOOR_PER_YR,
    )


def _rates(window_yr: float) -> tuple[Quantity, Quantity]:
    log_rate = _log_rate(window_yr, scalar=True)
    title = log_rate.title.removeprefix("log ")
    rate = Quantity(
        log_rate.log_of, "1/yr", log_rate.meaning, title, label=True, window_yr=window_yr, adds_by="mass"
    )
    return rate, log_rate


_V_LIGHT = "unattenuated light at 5500 Angstrom"
# The order of the scalars is that of the networks' outputs, on which the weights of trained ones rely.
_ALL: tuple[Quantity, ...] = (
    Quantity(
        "mass_fraction",
        "",
        "share of the mass formed in each age bin",
        "mass fraction",
        "age_bin",
        True,
        adds_by="mass",
    ),
    Quantity(
        "mass_fraction_surviving",
        "Msol per Msol formed",
        "mass of living stars and remnants today in each age bin",
        "surviving mass fraction",
        "age_bin",
        True,
        adds_by="mass",
    ),
    Quantity("mh", "dex", "mass-weighted mean [M/H] in each age bin", "[M/H]", "age_bin", True),
    Quantity(
        "cum_mass",
        "",
        "share of the mass that had formed by each look-back age",
        "share of the mass formed",
        "age_edge",
        True,
        adds_by="mass",
    ),
    Quantity(
        "lw_log_age",
        "log10 yr",
        f"mean of log age weighted by {_V_LIGHT}",
        "light-weighted log age",
        label=True,
        scalar=True,
        mapped=True,
        adds_by="light",
    ),
    Quantity(
        "mw_log_age",
        "log10 yr",
        "mass-weighted mean of log age",
        "mass-weighted log age",
        label=True,
        scalar=True,
        mapped=True,
        adds_by="mass",
    ),
    Quantity(
        "lw_mh",
        "dex",
        f"mean [M/H] weighted by {_V_LIGHT}",
        "light-weighted [M/H]",
        label=True,
        scalar=True,
        mapped=True,
        adds_by="light",
    ),
    Quantity(
        "mw_mh",
        "dex",
        "mass-weighted mean [M/H]",
        "mass-weighted [M/H]",
        label=True,
        scalar=True,
        mapped=True,
        adds_by="mass",
    ),
    Quantity(
        "gas_mh", "dex", "[M/H] of the gas: that of the youngest SSP bin", "[M/H] of the gas", label=True
    ),
    _time(10, scalar=True),
    _time(20),
    _time(25, scalar=True),
    _time(30),
    _time(40),
    _time(50, scalar=True, mapped=True),
    _time(60),
    _time(70),
    _time(75, scalar=True, mapped=True),
    _time(80, mapped=True),
    _time(90, scalar=True, mapped=True),
    *_rates(1e7),
    *_rates(1e8),
    Quantity(
        "a_v",
        "mag",
        "attenuation of all star light at 5500 Angstrom",
        "A_V",
        label=True,
        scalar=True,
        mapped=True,
    ),
    Quantity("v_light", "Lsol/Angstrom per Msol formed", _V_LIGHT, "V light", label=True),
    Quantity(
        "log_ml",
        "log10 Msol AA/Lsol",
        "mass formed per luminosity at the normalising flux",
        "log M/L",
        scalar=True,
    ),
)

# Taken by the synthesizer under these names.
DUST: dict[str, ForwardParameter] = {
    quantity.name: quantity
    for quantity in (
        ForwardParameter(
            "tau_birth",
            "",
            "optical depth of the birth clouds at 5500 Angstrom",
            drawn=(0.0, 20.0),
            fitted=(0.0, 5.0),
            step=0.03,
        ),
        ForwardParameter(
            "tau_screen",
            "",
            "optical depth of the screen at 5500 Angstrom",
            drawn=(0.0, 20.0),
            fitted=(0.0, 5.0),
            step=0.02,
        ),
        ForwardParameter(
            "pow_birth",
            "",
            "power of the birth clouds' attenuation with wavelength",
            drawn=(-4.0, 1.0),
            fitted=(-3.0, 0.0),
            step=0.05,
        ),
        ForwardParameter(
            "pow_screen",
            "",
            "power of the screen's attenuation with wavelength",
            drawn=(-4.0, 1.0),
            fitted=(-3.0, 0.0),
            step=0.05,
        ),
        ForwardParameter(
            "bump",
            "",
            "strength of the 2175 Angstrom bump of the screen",
            drawn=(0.0, 20.0),
            fitted=(0.0, 2.0),
            step=0.05,
        ),
    )
}

# `sfhnet.mocks.synthesize.synthesizer_inputs` turns them into what the synthesizer takes.
LINES: dict[str, ForwardParameter] = {
    quantity.name: quantity
    for quantity in (
        ForwardParameter(
            "log_line_scale",
            "dex",
            "Halpha over that of all ionising photons, or of the star-formation rate (synthesis.halpha)",
            fitted=(-4.0, 2.0),
            step=0.02,
        ),
        ForwardParameter(
            "log_u_offset",
            "dex",
            "ionisation parameter over its relation with metallicity",
            fitted=(-2.0, 2.0),
            step=0.05,
        ),
    )
}

_BURST = (
    f"more than {BURST_FACTOR:g} times the mean rate before it, in the last {BURST_WITHIN_YR / 1e9:g} Gyr"
)
# Read off the joint samples of histories (`sfhnet.inference.draws`), which networks need not have.
FROM_DRAWS: dict[str, Quantity] = {
    quantity.name: quantity
    for quantity in (
        _log_rate(3e7),
        _log_rate(1e9),
        Quantity(
            "log_sfr10_over_sfr100",
            "dex",
            "star-formation rate over the last 10 Myr over that of 100 Myr, where stars formed: burstiness",
            "log SFR(10 Myr) / SFR(100 Myr)",
        ),
        Quantity("p_burst", "", f"probability of a burst: {_BURST}", "probability of a burst"),
        Quantity(
            "log_t_burst",
            "log10 yr",
            f"look-back time of the last burst, where one is likelier than not: {_BURST}",
            "log age of the last burst",
        ),
        Quantity(
            "surviving_fraction",
            "",
            "mass of living stars and remnants over the mass formed",
            "surviving fraction",
        ),
        Quantity(
            "mh_young",
            "dex",
            f"[M/H] of the stars younger than {YOUNG_YR / 1e9:g} Gyr, mass weighted",
            f"[M/H], younger than {YOUNG_YR / 1e9:g} Gyr",
        ),
        Quantity(
            "mh_old",
            "dex",
            f"[M/H] of the stars older than {OLD_YR / 1e9:g} Gyr, mass weighted",
            f"[M/H], older than {OLD_YR / 1e9:g} Gyr",
        ),
    )
}

# What joint samples hold beside histories and scalars: the priors draw them, the forward model fits them.
DUST_AND_LINES: dict[str, ForwardParameter] = DUST | LINES

QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _ALL} | DUST_AND_LINES
LABELS: dict[str, Quantity] = {name: quantity for name, quantity in QUANTITIES.items() if quantity.label}
SCALARS: dict[str, Quantity] = {name: quantity for name, quantity in QUANTITIES.items() if quantity.scalar}
MAPPED: dict[str, Quantity] = {name: quantity for name, quantity in QUANTITIES.items() if quantity.mapped}

# Labels the networks learn; those of the forward model's parameters and of the mass-to-light ratio join them.
LEARNED: tuple[str, ...] = (
    "mass_fraction",
    "mh",
    *(quantity.source for quantity in SCALARS.values() if quantity.source in LABELS),
)


def _of_bins() -> Iterator[Quantity]:
    yield Quantity(
        "log_mass_formed",
        "log10 Msun",
        "stellar mass ever formed, gas returned since not taken off",
        "log mass formed",
    )
    yield Quantity(
        "log_mass_density",
        "log10 Msun/kpc2",
        "mass formed per area of the disc (deprojected)",
        "log mass density",
    )
    yield Quantity(
        "log_mass_surviving",
        "log10 Msun",
        "mass of living stars and remnants today",
        "log surviving mass",
    )
    yield FROM_DRAWS["surviving_fraction"]
    yield from MAPPED.values()
    known = (*SCALARS.values(), *FROM_DRAWS.values())
    windows = {rate.name: rate.window_yr for rate in known if rate.window_yr is not None}
    for name, window_yr in sorted(windows.items(), key=lambda rate: rate[1]):
        myr = f"{window_yr / 1e6:.0f} Myr"
        meaning = f"star-formation rate over {myr}"
        yield Quantity(name, "log10 Msun/yr", meaning, f"log SFR, {myr}", window_yr=window_yr)
        yield Quantity(
            f"{name}_density",
            "log10 Msun/yr/kpc2",
            f"{meaning} per area of the disc (deprojected)",
            f"log SFR density, {myr}",
        )
    yield from (
        quantity
        for name, quantity in FROM_DRAWS.items()
        if quantity.window_yr is None and name != "surviving_fraction"
    )


# What tables and maps hold of a bin, the answers times its mass among them: there a rate is in Msun/yr.
OF_BINS: dict[str, Quantity] = {quantity.name: quantity for quantity in _of_bins()}
