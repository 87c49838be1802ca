"""Filter curves and emission-line ratios from the folders of upstream files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pyprospect.filter_curve import Filter, read_curve
from pyprospect.line_grids import LineGrid

# File of each band in a folder of filters, and its record where the file is a collection (EAZY list).
CURVES: dict[str, tuple[str, int | None]] = {
    "F275W": ("wfc3_uvis_f275w.par", None),
    "F336W": ("wfc3_uvis_f336w.par", None),
    "F438W": ("FILTER.RES.txt", 211),
    "F555W": ("wfc3_uvis_f555w.par", None),
    "F814W": ("wfc3_uvis_f814w.par", None),
}


def load_bands(folder: str | Path, names: Iterable[str]) -> dict[str, Filter]:
    """Read the filter curves of bands.

    Parameters
    ----------
    folder : path
        Holds the files of `CURVES`; a file ``{name}.dat`` (Angstrom, throughput) there goes first.
    names : iterable of str
        Bands.

    Returns
    -------
    dict of str to Filter

    Raises
    ------
    ValueError
        If a band is unknown; names those that are known.
    FileNotFoundError
        If its file is not there.
    """
    folder = Path(folder)
    bands = {}
    for name in names:
        own = folder / f"{name}.dat"
        if own.is_file():
            bands[name] = read_curve(own, name=name)
            continue
        if name not in CURVES:
            raise ValueError(
                f"no curve is known for band {name!r}; known: {', '.join(CURVES)}, or put {own} there"
            )
        file, record = CURVES[name]
        if not (folder / file).is_file():
            raise FileNotFoundError(f"{folder / file} does not exist; fetch the source hst_filters")
        bands[name] = read_curve(folder / file, record=record, name=name)
    return bands


def load_lines(path: str | Path, low_aa: float, high_aa: float) -> LineGrid:
    """Read the HII-region line ratios of MAPPINGS 5.1 between two wavelengths in Angstrom.

    Parameters
    ----------
    path : path
        ``NB_HII_grid.fits.gz``, with ``Linelist.csv`` beside it.
    low_aa, high_aa : float

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If it is not that grid.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; fetch the source mappings51")
    return LineGrid.mappings51(path).select(low_aa, high_aa)
