"""Filter curves and emission-line ratios from the folders of upstream files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pyprospect.bands.curve import Filter, read_curve
from pyprospect.gas.line_grids import LineGrid
from pyprospect.gas.ratios import LineRatios
from sfhnet.core.bands import find_band


def load_bands(folder: str | Path, names: Iterable[str]) -> dict[str, Filter]:
    """Read the filter curves of bands.

    Parameters
    ----------
    folder : path
        Holds the files that `sfhnet.core.bands.BANDS` names.
    names : iterable of str
        Bands.

    Returns
    -------
    dict of str to Filter

    Raises
    ------
    ValueError
        If a band is not in that table.
    FileNotFoundError
        If its file is not there.
    """
    folder = Path(folder)
    bands = {}
    for name in names:
        band = find_band(name)
        path = folder / band.curve_file
        if not path.is_file():
            raise FileNotFoundError(f"{path} does not exist; fetch the source hst_filters")
        bands[name] = read_curve(path, record=band.curve_record, name=name)
    return bands


def load_lines(path: str | Path, low_aa: float, high_aa: float) -> LineRatios:
    """Read the HII-region line ratios of MAPPINGS 5.1 between two wavelengths in Angstrom.

    Parameters
    ----------
    path : path
        ``NB_HII_grid.fits.gz``, with ``Linelist.csv`` beside it.
    low_aa, high_aa : float

    Returns
    -------
    LineRatios

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
    grid = LineGrid.mappings51(path).select(low_aa, high_aa)
    return LineRatios(grid.names, grid.wave_aa, grid.z, grid.log_u, grid.ratio)
