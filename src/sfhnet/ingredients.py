"""Filter curves and emission-line ratios from the folders of upstream files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from astropy.table import Table

from pyprospect.filter_curve import Filter, read_curve
from pyprospect.synthesis import LineRatios

# File of each band in a folder of filters, and its record where the file is a collection (EAZY list).
CURVES: dict[str, tuple[str, int | None]] = {
    "F275W": ("wfc3_uvis_f275w.par", None),
    "F336W": ("wfc3_uvis_f336w.par", None),
    "F438W": ("FILTER.RES.txt", 211),
    "F555W": ("wfc3_uvis_f555w.par", None),
    "F814W": ("wfc3_uvis_f814w.par", None),
}

# Lines of the grid between 1900 and 11000 Angstrom and their wavelengths in Angstrom (air), as NebulaBayes lists them.
MAPPINGS_LINES: dict[str, float] = {
    "CIII1907": 1906.7,
    "CIII1909": 1908.7,
    "NII2143": 2142.8,
    "OIII2321": 2321.0,
    "CII2324": 2323.5,
    "CII2324.7": 2324.7,
    "CII2325.4": 2325.4,
    "CII2327": 2326.9,
    "CII2328": 2328.1,
    "HeII2385": 2385.4,
    "OII2470": 2470.3,
    "HeII2511": 2511.2,
    "HeII2733": 2733.3,
    "ArIV2854": 2853.7,
    "HeI3188": 3187.7,
    "HeII3203": 3203.1,
    "SIII3722": 3721.6,
    "OII3726": 3726.0,
    "OII3729": 3728.8,
    "NeIII3869": 3868.8,
    "HeI3889": 3888.6,
    "NeIII3967": 3967.5,
    "SII4069": 4068.6,
    "Hdelta": 4101.7,
    "Hgamma": 4340.5,
    "OIII4363": 4363.2,
    "HeI4472": 4471.5,
    "HeII4686": 4685.7,
    "ArIV4711": 4711.3,
    "ArIV4740": 4740.1,
    "Hbeta": 4861.3,
    "OIII5007": 5006.8,
    "HeI5016": 5015.7,
    "NI5198": 5197.9,
    "NI5200": 5200.3,
    "NII5755": 5754.6,
    "HeI5876": 5875.7,
    "OI6300": 6300.3,
    "SIII6312": 6312.1,
    "OI6364": 6363.8,
    "HeII6560": 6560.1,
    "Halpha": 6562.8,
    "NII6583": 6583.5,
    "HeI6678": 6678.2,
    "SII6716": 6716.4,
    "SII6731": 6730.8,
    "HeI7065": 7065.2,
    "OII7320": 7320.0,
    "OII7330": 7329.7,
    "OII7331": 7330.7,
    "SIII9069": 9068.6,
    "SIII9531": 9530.6,
    "Padelta": 10049.4,
    "HeII10124": 10123.6,
    "HeI10830": 10830.2,
    "Pagamma": 10938.1,
}
# Line of the same upper level: name, wavelength in Angstrom, flux ratio
_PARTNERS = {"OIII5007": ("OIII4959", 4958.9, 1 / 2.98), "NII6583": ("NII6548", 6548.1, 1 / 3.05)}


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


def load_lines(
    path: str | Path, low_aa: float, high_aa: float, log_pressure: float = 5.8, solar_log_oh: float = 8.76
) -> LineRatios:
    """Read HII-region line ratios from the MAPPINGS 5.1 grid that NebulaBayes ships.

    Parameters
    ----------
    path : path
        ``NB_HII_grid.fits.gz``; its wavelengths are those of `MAPPINGS_LINES`.
    low_aa, high_aa : float
        Lines in this range are kept, Angstrom.
    log_pressure : float
        log10 of P/k in K/cm3; the nearest node is taken. ASSUME: 5.8, about 30 electrons per cm3.
    solar_log_oh : float
        12 + log O/H at Z = 0.0142 (Nicholls et al. 2017, whose abundances the grid has).

    Returns
    -------
    LineRatios
        Relative to Halpha; [O III] 4959 and [N II] 6548, which the grid leaves out, are added at 1/2.98 and 1/3.05
        of their partners (Storey & Zeippen 2000).

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
    table = Table.read(path, hdu=1)
    axes = ("log U", "log P/k", "12 + log O/H")
    missing = [name for name in (*axes, "Halpha", "OIII5007", "NII6583") if name not in table.colnames]
    if missing:
        raise ValueError(f"{path} has no columns {missing}; expected the HII-region grid of NebulaBayes")
    pressures = np.unique(table["log P/k"])
    table = table[table["log P/k"] == pressures[np.argmin(np.abs(pressures - log_pressure))]]
    log_u, log_oh = np.unique(table["log U"]), np.unique(table["12 + log O/H"])
    row = np.searchsorted(log_oh, table["12 + log O/H"]), np.searchsorted(log_u, table["log U"])
    lines: list[tuple[float, str, np.ndarray]] = []
    for name, wave in MAPPINGS_LINES.items():
        grid = np.zeros((log_oh.size, log_u.size))
        # the grid leaves a line out (NaN) where it is fainter than 1e-5 of Hbeta
        grid[row] = np.nan_to_num(np.asarray(table[name], dtype=float)) / np.asarray(
            table["Halpha"], dtype=float
        )
        lines.append((wave, name, grid))
        if name in _PARTNERS:
            other, other_wave, share = _PARTNERS[name]
            lines.append((other_wave, other, share * grid))
    lines = sorted((line for line in lines if low_aa <= line[0] <= high_aa), key=lambda line: line[0])
    return LineRatios(
        names=tuple(name for _, name, _ in lines),
        wave_aa=np.array([wave for wave, _, _ in lines]),
        z=0.0142 * 10.0 ** (log_oh.astype(float) - solar_log_oh),
        log_u=log_u.astype(float),
        ratio=np.stack([grid for _, _, grid in lines], axis=2),
    )
