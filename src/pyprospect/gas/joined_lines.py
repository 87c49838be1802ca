"""Two line grids on one list of lines, so that galaxies may have any mixture of their ratios, and lines of diffuse gas."""

from __future__ import annotations

import re

import numpy as np

from pyprospect.gas.line_grids import C_CM_S, LineGrid
from pyprospect.gas.ratios import LineRatios

__all__ = ["DIFFUSE_PER_HALPHA", "join_lines"]

# Blueward two codes differ by lines that dust or resonance takes (Mg II): there the first grid's list stands.
JOINED_FROM_AA = 3600.0
SAME_LINE_AA = 1.0
BLEND_REACH_AA = 4.0
# Fainter lines of the second grid, over Halpha anywhere on it, are not worth a profile.
FAINTEST = 5e-4
ROMAN = ("", "I", "II", "III", "IV", "V", "VI")

# Gas that young stars do not light: ionised by old stars (Belfiore et al. 2016, MNRAS 461, 3111) and diffuse gas of
# discs (Belfiore et al. 2022, A&A 659, A26). Luminosity over that of Halpha; hydrogen follows case B of the grid.
DIFFUSE_PER_HALPHA: dict[str, float] = {
    "OII3726": 1.2,
    "OII3729": 1.6,
    "NeIII3869": 0.15,
    "NeIII3967": 0.045,
    "OIII4959": 0.168,
    "OIII5007": 0.50,
    "NI5198": 0.02,
    "NI5200": 0.03,
    "NII5755": 0.008,
    "HeI5876": 0.035,
    "OI6300": 0.12,
    "OI6364": 0.04,
    "NII6548": 0.262,
    "NII6583": 0.80,
    "HeI6678": 0.01,
    "SII6716": 0.50,
    "SII6731": 0.36,
    "ArIII7136": 0.02,
    "OII7320": 0.03,
    "OII7330": 0.012,
    "OII7331": 0.012,
    "ArIII7751": 0.005,
    "SIII9069": 0.08,
    "SIII9531": 0.20,
}


def join_lines(first: LineGrid, second: LineGrid) -> LineRatios:
    """Put two line grids on the nodes and the lines of the first, lines of the second that the first lacks added.

    A line of both has the ratio of each; one that only the first has keeps its ratio in both, and so does one that only
    the second has. Blends of the second (``Blnd``) are shared among the lines of the first that they are made of.

    Parameters
    ----------
    first, second : LineGrid
        Relative to Halpha.

    Returns
    -------
    LineRatios
        With ``other``, the ratios of the second grid, and ``diffuse``.

    Raises
    ------
    ValueError
        If the grids do not overlap in metallicity and ionisation parameter.
    """
    for axis, own, beside in (("Z", first.z, second.z), ("log U", first.log_u, second.log_u)):
        if own[-1] < beside[0] or own[0] > beside[-1]:
            raise ValueError(
                f"{first.name} has {axis} {own[0]:.4g}..{own[-1]:.4g}, {second.name} {beside[0]:.4g}..{beside[-1]:.4g}: "
                "there is nothing to mix"
            )
    theirs = _at_nodes(second, first)
    other, partner = first.ratio.copy(), _partners(first, second)
    names, waves, added = list(first.line_names), list(first.wave_aa), []
    for line, mine in partner.items():
        if mine:
            own = first.ratio[..., mine]
            total = own.sum(axis=-1, keepdims=True)
            share = np.where(total > 0, own / np.where(total > 0, total, 1.0), 1.0 / len(mine))
            other[..., mine] = theirs[..., line, None] * share
        elif theirs[..., line].max() >= FAINTEST:
            names.append(_plain_name(second.line_names[line]))
            waves.append(float(second.wave_aa[line]))
            added.append(theirs[..., line])
    extra = np.stack(added, axis=-1) if added else np.zeros((*first.ratio.shape[:2], 0))
    order = np.argsort(waves, kind="stable")
    ratio = np.concatenate([first.ratio, extra], axis=-1)[..., order]
    ordered = tuple(names[i] for i in order)
    return LineRatios(
        names=ordered,
        wave_aa=np.array(waves)[order],
        z=first.z,
        log_u=first.log_u,
        ratio=ratio,
        other=np.concatenate([other, extra], axis=-1)[..., order],
        diffuse=_diffuse(ordered, ratio, np.append(first.hydrogen, np.zeros(len(added), bool))[order]),
    )


def _at_nodes(second: LineGrid, first: LineGrid) -> np.ndarray:
    """Ratios of the second grid at the nodes of the first, end values beyond its own."""
    z = np.clip(first.z, second.z[0], second.z[-1])
    log_u = np.clip(first.log_u, second.log_u[0], second.log_u[-1])
    return np.array([[second.ratios(value, C_CM_S * 10.0**u) for u in log_u] for value in z])


def _partners(first: LineGrid, second: LineGrid) -> dict[int, list[int]]:
    """Lines of the second grid from `JOINED_FROM_AA` on -> the lines of the first that they are."""
    distance = np.abs(second.wave_aa[:, None] - first.wave_aa[None, :])
    distance[second.hydrogen[:, None] != first.hydrogen[None, :]] = np.inf
    wanted = np.flatnonzero((second.wave_aa >= JOINED_FROM_AA) & (second.wave_aa <= first.wave_aa[-1]))
    found = {
        int(line): [int(distance[line].argmin())] if distance[line].min() < SAME_LINE_AA else []
        for line in wanted
    }
    taken = {mine for partner in found.values() for mine in partner}
    for line, mine in found.items():
        if not mine and second.line_names[line].startswith("Blnd"):
            near = np.flatnonzero(distance[line] < BLEND_REACH_AA)
            mine.extend(int(i) for i in near if i not in taken)
    return found


def _plain_name(name: str) -> str:
    match = re.fullmatch(r"([A-Z][a-z]?)\s+(\d)\s+([\d.]+)A", name)
    return name if match is None else f"{match[1]}{ROMAN[int(match[2])]}{float(match[3]):.0f}"


def _diffuse(names: tuple[str, ...], ratio: np.ndarray, hydrogen: np.ndarray) -> np.ndarray:
    middle = np.median(ratio.reshape(-1, ratio.shape[-1]), axis=0)
    listed = np.array([DIFFUSE_PER_HALPHA.get(name, 0.0) for name in names])
    return np.where(hydrogen, middle, listed)
