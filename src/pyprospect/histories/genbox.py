"""A box of gas that forms stars and metals, with infall, outflow and dust: ProSpect's ``genbox``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pyprospect.arguments import checked

__all__ = ["genbox"]

_GYR = 1e9
_FRACTION, _OPEN = (0.0, 1.0), (1e-9, 1 - 1e-9)
_MOST_STEPS = 1e6


def _one(t: float, total: float, gasfrac: float) -> float:
    return 1.0


def _no_inflow(t: float, total: float) -> float:
    return 0.0


def _no_outflow(t: float, total: float, gas2stars: float, alpha: float) -> float:
    return 0.0


@checked(
    time=(1e-9, 1e4),
    step=(1e-9, 1e4),
    alpha=_OPEN,
    total=(1e-9, 1e20),
    gasfrac=_FRACTION,
    starfrac=_FRACTION,
    Zgas=_FRACTION,
    result=False,
    **dict.fromkeys(("Zsn", "Zstars", "dgas", "Zin", "Chi", "Chiin", "destroy"), _FRACTION),
)
def genbox(
    sfunc: Callable[[float, float, float], float] = _one,
    time: float = 10.0,
    step: float = 0.05,
    *,
    alpha: float = 0.8,
    total: float = 1e10,
    gasfrac: float = 1.0,
    starfrac: float | None = None,
    infunc: Callable[[float, float], float] = _no_inflow,
    outfunc: Callable[[float, float, float, float], float] = _no_outflow,
    Zsn: float = 0.12,
    Zgas: float = 0.0,
    Zstars: float = 0.0,
    dgas: float = 0.0,
    Zin: float = 0.0,
    Chi: float = 0.16,
    Chiin: float = 0.0,
    destroy: float = 0.01,
    yield_: float | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return the evolution of a box, step by step.

    Parameters
    ----------
    sfunc : callable
        Star-formation rate [Msol/yr] from time [Gyr], total mass [Msol] and gas fraction. R's ``args*`` are what the
        function closes over.
    time, step : float
        Length and step [Gyr].
    alpha : float
        Share of the mass of new stars that stays locked up.
    total, gasfrac, starfrac : float
        Mass [Msol] and its parts at the start; ``starfrac`` is the rest by default.
    infunc : callable
        Infall [Msol/yr] from time and total mass.
    outfunc : callable
        Outflow [Msol/yr] from time, total mass, star-formation rate and `alpha`.
    Zsn : float
        Metal fraction of what supernovae return; with `yield_` it follows from that.
    Zgas, Zstars, dgas : float
        Metal fractions and dust fraction of the gas at the start.
    Zin, Chiin : float
        Metals and dust of the infall.
    Chi, destroy : float
        Dust made per metal returned, and share of the dust destroyed per mass returned.
    yield_ : float, optional
        Metals added per mass locked up (R's ``yield``).

    Returns
    -------
    dict of ndarray (n_step,)
        R's columns: ``time``, ``SFR``, ``sumgas``, ``sumstars``, ``total``, ``Zgas``, ``Zstars``, ``gasfrac`` and so on. It
        ends before the stars outweigh the box.

    Raises
    ------
    ValueError
        For a step that is not positive or longer than the time, or a million times shorter.
    """
    if not 0 < step <= time <= _MOST_STEPS * step:
        raise ValueError(
            f"step={step} Gyr must be positive, at most time={time} Gyr, and no shorter than a millionth of it"
        )
    n_step = int(np.floor(time / step + 1e-10)) + 1
    stars = 1.0 - gasfrac if starfrac is None else starfrac
    rows: list[dict[str, float]] = []
    formed = 0.0
    for t in step * np.arange(n_step):
        rate = float(sfunc(float(t), total, gasfrac))
        infall = infunc(float(t), total) * step * _GYR
        outflow = outfunc(float(t), total, rate, alpha) * step * _GYR
        born = rate * step * _GYR
        returned_metals = Zsn if yield_ is None else Zgas + yield_ * alpha / (1.0 - alpha)
        gas, star = total * gasfrac + infall, total * stars
        metals, star_metals = total * gasfrac * Zgas + Zin * infall, star * Zstars
        dust = total * gasfrac * dgas + Chiin * infall
        recycled = (1.0 - alpha) * born
        gas += recycled - born
        star += born - recycled
        metals += returned_metals * recycled - Zgas * born
        dust += returned_metals * Chi * recycled - dgas * born
        star_metals += Zgas * (born - recycled)
        gas -= outflow
        metals -= Zgas * outflow
        dust -= dgas * outflow
        dust -= dust * destroy * recycled
        made = (returned_metals - Zgas) * (1.0 - alpha) / alpha
        with np.errstate(divide="ignore", invalid="ignore"):
            Zgas, Zstars, dgas = (
                float(np.float64(x) / y) for x, y in ((metals, gas), (star_metals, star), (dust, gas))
            )
        total = gas + star
        stars, gasfrac = star / total, gas / total
        if not stars <= 1:
            break
        formed += born
        rows.append(
            {
                "time": float(t), "SFR": rate, "sumgas": gas, "sumstars": star, "total": total, "sumZgas": metals,
                "sumZstars": star_metals, "sumZall": metals + star_metals, "sumdgas": dust, "Zgas": Zgas,
                "Zstars": Zstars, "Zfrac": (metals + star_metals) / total, "dgas": dgas, "gasfrac": gasfrac,
                "starfrac": stars, "dustfrac": dust / total, "yield": made, "addstars": born, "dead": alpha * born,
                "recycle": recycled, "infall": infall, "outflow": outflow, "sumstarsform": formed,
            }
        )  # fmt: skip
    return {name: np.array([row[name] for row in rows]) for name in rows[0]} if rows else {}
