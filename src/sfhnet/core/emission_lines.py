"""The emission lines of galaxies that an optical spectrum shows, and the pixels that they cover: one list for all.

Air wavelengths in Angstrom. Lines that always lie within a neighbour's pixels are left out.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

__all__ = ["BESIDE_STARS", "LINES_AA", "LINE_GROUPS", "NAMED_AA", "NA_I_D_AA", "line_pixels"]

NAMED_AA: dict[str, float] = {
    "Hβ": 4861.33,
    "[OIII]4959": 4958.91,
    "[OIII]5007": 5006.84,
    "[NI]5198": 5197.90,
    "[NI]5200": 5200.26,
    "HeI5876": 5875.62,
    "[OI]6300": 6300.30,
    "[NII]6548": 6548.05,
    "Hα": 6562.80,
    "[NII]6583": 6583.45,
    "[SII]6716": 6716.44,
    "[SII]6731": 6730.82,
    "[ArIII]7136": 7135.79,
    "[SIII]9069": 9068.60,
}
"""Lines that other modules ask for by name."""


def _named(*names: str) -> tuple[float, ...]:
    return tuple(NAMED_AA[name] for name in names)


# Paschen lines are a group of their own: hiding them hides the calcium triplet.
LINES_AA: dict[str, tuple[float, ...]] = {
    "balmer": (3970.08, 4101.73, 4340.46, *_named("Hβ", "Hα")),
    # Strong ones of oxygen, neon, nitrogen, sulphur.
    "forbidden": (
        *(3726.03, 3728.82, 3868.76, *_named("[OIII]4959", "[OIII]5007", "[OI]6300"), 6363.78),
        *_named("[NII]6548", "[NII]6583", "[SII]6716", "[SII]6731", "[SIII]9069"),
    ),
    # Helium, argon, iron, chlorine, and the weak lines of the others.
    "weak": (
        *(3888.65, 4026.19, 4363.21, 4471.48, 4658.10, 4685.70, 4711.37, 4740.16, 4921.93, 5015.68),
        *(*_named("[NI]5198", "[NI]5200"), 5517.72, 5537.88, 5754.64, *_named("HeI5876"), 6312.06),
        *(6678.15, 7065.20, *_named("[ArIII]7136"), 7281.35, 7319.99, 7330.20, 7751.11, 8446.36),
    ),
    "paschen": (8413.32, 8437.96, 8467.25, 8502.48, 8545.38, 8598.39, 8665.02, 8750.47, 8862.78, 9014.91, 9229.01),
}  # fmt: skip
LINE_GROUPS: tuple[str, ...] = tuple(LINES_AA)

BESIDE_STARS: tuple[str, ...] = tuple(group for group in LINE_GROUPS if group != "paschen")
"""Groups that can be left out where stars are measured: without them the calcium triplet stays."""

NA_I_D_AA = (5889.95, 5895.92)
"""Lines that gas in front of stars absorbs."""


def line_pixels(
    wave_aa: np.ndarray, half_width_aa: float, groups: Collection[str] = LINE_GROUPS
) -> np.ndarray:
    """Return which pixels lie within `half_width_aa` of a line of some groups.

    Parameters
    ----------
    wave_aa : ndarray (n_wave,)
        Rest-frame air wavelengths in AA.
    half_width_aa : float
        To each side, AA.
    groups : collection of str
        Of `LINE_GROUPS`.

    Returns
    -------
    ndarray of bool (n_wave,)

    Raises
    ------
    ValueError
        If a group is unknown.
    """
    unknown = sorted(set(groups) - set(LINE_GROUPS))
    if unknown:
        raise ValueError(f"no group of lines {', '.join(unknown)}; there are {', '.join(LINE_GROUPS)}")
    lines = np.array([line for group in groups for line in LINES_AA[group]])
    return np.any(np.abs(np.asarray(wave_aa)[:, None] - lines) <= half_width_aa, axis=1)
