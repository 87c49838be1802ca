"""From whatever describes bands to a list of filter curves.

Names are looked up in the EAZY filter list that ProSpect ships (`EAZY_filters.rda`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pyprospect import tables
from pyprospect.bands.curve import Filter, read_curve

# 1-based records of the EAZY list. "F814W" is the ACS curve because that is the one ProSpect's
# reference photometry was made with; the UVIS curve has its own name.
EAZY_INDEX: dict[str, int] = {
    "F275W": 208,
    "F336W": 209,
    "F438W": 211,
    "F555W": 213,
    "F814W": 239,
    "F814W_UVIS": 217,
    "F435W_ACS": 233,
    "F555W_ACS": 235,
    "F814W_ACS": 239,
}
# R's own names, as far as the EAZY list has the instrument's curve.
R_NAMES: dict[str, int] = {
    "FUV_GALEX": 120, "NUV_GALEX": 121,
    "u_SDSS": 156, "g_SDSS": 157, "r_SDSS": 158, "i_SDSS": 159, "z_SDSS": 160,
    "u_VST": 278, "g_VST": 279, "r_VST": 280, "i_VST": 281, "z_VST": 282,
    "g_HSC": 314, "r_HSC": 315, "i_HSC": 316, "z_HSC": 317, "Y_HSC": 318,
    "Y_VISTA": 256, "J_VISTA": 257, "H_VISTA": 258, "K_VISTA": 259, "Ks_VISTA": 259,
    "Z_UKIRT": 261, "Y_UKIRT": 262, "J_UKIRT": 263, "H_UKIRT": 264, "K_UKIRT": 265,
    "J_2MASS": 161, "H_2MASS": 162, "K_2MASS": 163,
    "W1_WISE": 244, "W2_WISE": 245, "W3_WISE": 246, "W4_WISE": 247,
    "I1_Spitzer": 18, "I2_Spitzer": 19, "I3_Spitzer": 20, "I4_Spitzer": 21,
    "M24_Spitzer": 325, "M70_Spitzer": 326, "M160_Spitzer": 327,
    "P70_Herschel": 328, "P100_Herschel": 329, "P160_Herschel": 330,
    "S250_Herschel": 331, "S350_Herschel": 332, "S500_Herschel": 333,
    "S450_JCMT": 323, "S850_JCMT": 324,
}  # fmt: skip
_HST = ("F275W", "F336W", "F438W", "F555W", "F814W")
BAND_SETS: dict[str, tuple[str, ...]] = {
    "hst": _HST,
    # R's set "GAMA" but for Z of VISTA, which the EAZY list has not.
    "gama": (
        "FUV_GALEX",
        "NUV_GALEX",
        "u_VST",
        "g_VST",
        "r_VST",
        "i_VST",
        "Y_VISTA",
        "J_VISTA",
        "H_VISTA",
        "K_VISTA",
        "W1_WISE",
        "W2_WISE",
        "W3_WISE",
        "W4_WISE",
        "P100_Herschel",
        "P160_Herschel",
        "S250_Herschel",
        "S350_Herschel",
        "S500_Herschel",
    ),
    "all": (*_HST, "F435W_ACS", "F555W_ACS", "F814W_UVIS"),
}


def cenwave(curve: Any) -> float:
    """Return ProSpect's `cenwavefunc`: sum(R w) / sum(R) over the rows of the table [Angstrom].

    A plain sum, not an integral, so it depends on how the curve is sampled. NaN for a function.
    """
    f = resolve(curve)[0]
    return float("nan") if f.func else float(np.sum(f.response * f.wave_aa) / np.sum(f.response))


def pivwave(curve: Any) -> float:
    """Return ProSpect's `pivwavefunc`: sqrt(sum(R w) / sum(R / w)) over the rows of the table [Angstrom].

    A plain sum, not an integral (`Filter.pivot_aa` is the integral). NaN for a function.
    """
    f = resolve(curve)[0]
    if f.func:
        return float("nan")
    return float(np.sqrt(np.sum(f.response * f.wave_aa) / np.sum(f.response / f.wave_aa)))


def _eazy(index: int, name: str | None = None) -> Filter:
    table = tables.load("EAZY_filters")
    if not 1 <= index <= len(table["info"]):
        raise ValueError(f"EAZY filter {index} does not exist; records run from 1 to {len(table['info'])}")
    curve = np.asarray(table["filters"][index - 1], dtype=float)
    # some EAZY records end in a row of NA, which R's interpolation leaves out
    curve = curve[np.isfinite(curve).all(axis=1)]
    return Filter(name or str(table["info"][index - 1]), curve[:, 0], curve[:, 1])


def _top_hat(name: str, low_aa: float, high_aa: float) -> Filter:
    """Return R's ``tophat_LOW_HIGH``: one between two wavelengths in Angstrom, zero outside."""
    if not 0 < low_aa < high_aa:
        raise ValueError(f"filter {name!r}: give tophat_LOW_HIGH with 0 < LOW < HIGH in Angstrom")
    step = 1e-4 * (high_aa - low_aa)
    wave = np.array([low_aa - step, low_aa, high_aa, high_aa + step])
    return Filter(name, wave, np.array([0.0, 1.0, 1.0, 0.0]))


def _named(name: str) -> list[Filter]:
    text = name.strip()
    if text.lower() in BAND_SETS:
        known = EAZY_INDEX | R_NAMES
        return [_eazy(known[band], band) for band in BAND_SETS[text.lower()]]
    box = re.fullmatch(r"tophat_([0-9.eE+]+)_([0-9.eE+]+)", text)
    if box:
        return [_top_hat(text, float(box.group(1)), float(box.group(2)))]
    if text in R_NAMES:  # R tells Z of VISTA from z of SDSS by the case
        return [_eazy(R_NAMES[text], text)]
    upper = {k.upper(): k for k in EAZY_INDEX}
    if text.upper() in upper:
        band = upper[text.upper()]
        return [_eazy(EAZY_INDEX[band], band)]
    match = re.fullmatch(r"eazy[ :#_]*(\d+)", text, flags=re.IGNORECASE)
    if match:
        return [_eazy(int(match.group(1)))]
    infos = [str(info) for info in tables.load("EAZY_filters")["info"]]
    hits = [i for i, info in enumerate(infos, 1) if text.lower() in info.lower()]
    if len(hits) == 1:
        return [_eazy(hits[0], text)]
    if hits:
        found = ", ".join(f"{i} {infos[i - 1]}" for i in hits[:8])
        raise ValueError(
            f"filter name {name!r} fits {len(hits)} EAZY records ({found} ...); give 'eazy:NUMBER'"
        )
    raise ValueError(
        f"filter {name!r} is unknown; use one of {sorted(EAZY_INDEX)}, R's names such as 'r_VST', 'hst', 'gama', 'all', 'tophat_LOW_HIGH', 'eazy:NUMBER', a part "
        "of an EAZY file name, or give the curve itself as (wave_aa, response), e.g. filters.read_curve(path)"
    )


def _is_pair(obj: Any) -> bool:
    if not isinstance(obj, (tuple, list)) or len(obj) != 2:
        return False
    if any(isinstance(o, (str, Path, Filter, Mapping)) or callable(o) for o in obj):
        return False
    a, b = np.asarray(obj[0]), np.asarray(obj[1])
    return (
        a.ndim == 1 and a.shape == b.shape and a.size >= 2 and a.dtype.kind in "iuf" and b.dtype.kind in "iuf"
    )


def _is_structured(obj: Any) -> bool:
    return bool(getattr(getattr(obj, "dtype", None), "names", None))


def _array(obj: Any, name: str) -> Filter:
    a = np.asarray(obj)
    if a.dtype.names:
        a = np.stack([np.asarray(a[n], dtype=float) for n in a.dtype.names[:2]], axis=1)
    if a.ndim == 2 and a.shape[1] == 2:
        return Filter(name, a[:, 0], a[:, 1])
    if a.ndim == 2 and a.shape[0] == 2:
        return Filter(name, a[0], a[1])
    raise ValueError(
        f"filter {name}: an array of shape {a.shape} is not a curve; give (n, 2): wave_aa, response"
    )


def _one(obj: Any, name: str) -> list[Filter]:
    if isinstance(obj, Filter):
        return [obj]
    if isinstance(obj, str):
        return _named(obj)
    if isinstance(obj, os.PathLike):
        return [read_curve(obj)]
    if isinstance(obj, (int, np.integer)) and not isinstance(obj, bool):
        return [_eazy(int(obj))]
    if isinstance(obj, bytes):
        return _named(obj.decode())
    if _is_pair(obj):
        return [Filter(name, np.asarray(obj[0]), np.asarray(obj[1]))]
    if isinstance(obj, Mapping):
        lower = {str(k).lower(): v for k, v in obj.items()}
        if "response" in lower and ("wave" in lower or "wave_aa" in lower):
            wave = lower.get("wave_aa", lower.get("wave"))
            return [Filter(str(lower.get("name", name)), np.asarray(wave), np.asarray(lower["response"]))]
        return [_renamed(f, str(k)) for k, v in obj.items() for f in _one(v, str(k))]
    if hasattr(obj, "columns") and hasattr(obj, "to_numpy"):
        return [_array(obj.to_numpy()[:, :2].astype(float), name)]
    if (isinstance(obj, np.ndarray) and obj.dtype.kind in "fiu") or _is_structured(obj):
        return [_array(obj, name)]
    if callable(obj):
        return [Filter(getattr(obj, "__name__", name), np.empty(0), np.empty(0), obj)]
    if isinstance(obj, (list, tuple, set, np.ndarray)) or hasattr(obj, "__iter__"):
        return [f for i, o in enumerate(obj) for f in _one(o, f"filter_{i + 1}")]
    raise ValueError(
        f"cannot read a filter from {type(obj).__name__}; give a name, (wave_aa, response) or a function"
    )


def _renamed(f: Filter, name: str) -> Filter:
    return Filter(name, f.wave_aa, f.response, f.func)


def resolve(filters: Any) -> list[Filter]:
    """Turn whatever describes bands into a list of `Filter`.

    Parameters
    ----------
    filters : object
        A band name ('F275W', 'F336W', 'F438W', 'F555W', 'F814W', 'F435W_ACS', 'F555W_ACS', 'F814W_ACS',
        'F814W_UVIS') or R's ('r_VST', 'W1_WISE' ...), 'hst' (the five of PHANGS-HST), 'GAMA', 'all' (HST's
        names), 'tophat_LOW_HIGH' in Angstrom, 'eazy:NUMBER' or the
        number itself (1-based record of the EAZY list), a part of an EAZY file name that fits one
        record; a ``(wave_aa, response)`` pair; an (n, 2) array, structured array or data frame; a
        function of wavelength [Angstrom]; a path; a `Filter`; a mapping from names to any of these or
        with the keys ``wave`` and ``response``; or a sequence of any mixture. None (or R's 'NULL') gives an
        empty list.

    Returns
    -------
    list of Filter

    Raises
    ------
    ValueError
        For an unknown name or a malformed curve; the message says what is accepted.
    """
    if filters is None or (isinstance(filters, str) and filters.lower() in ("none", "null")):
        return []
    out = _one(filters, "filter_1")
    if not out:
        raise ValueError("the list of filters is empty; give at least one band, or None for no photometry")
    return out
