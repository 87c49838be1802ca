"""The page of a galaxy from the files that the workflow keeps of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astropy.table import QTable

from sfhnet.core.posterior import Posterior
from sfhnet.core.spectra import Spectra
from sfhnet.explorer.page import write_explorer
from sfhnet.ppxf.galaxy_fits import read_galaxy
from sfhnet.predictive_check.result import Predictive

__all__ = ["OPTIONAL", "PRODUCTS", "explore"]

# What a page is made of -> file in the folder of a galaxy.
PRODUCTS = {
    "spectra": "spectra.h5",
    "posterior": "posterior.h5",
    "predictive": "predictive.h5",
    "bins": "bins.ecsv",
}
# Made by `snakemake ppxf` alone, and shown where it is there.
OPTIONAL = {"ppxf": "ppxf.h5"}


def explore(
    out: str | os.PathLike,
    galaxy: str,
    *,
    spectra: Path,
    posterior: Path,
    predictive: Path,
    bins: Path,
    ppxf: Path | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write the page of a galaxy.

    Parameters
    ----------
    out : path
        HTML file to write.
    galaxy : str
        Its name.
    spectra, posterior, predictive, bins : Path
        `PRODUCTS` of the galaxy.
    ppxf : Path, optional
        Fits of pPXF (`sfhnet.ppxf.galaxy_fits`), of which those at the fixed regularisation are shown.
    provenance : mapping, optional
        Shown at the foot of the page.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If the spectra are of another galaxy, or the files do not belong together.
    """
    found = Spectra.read(spectra)
    if found.galaxy != galaxy:
        raise ValueError(f"{spectra} holds {found.galaxy}, not {galaxy}; give the file of that galaxy")
    return write_explorer(
        out,
        found,
        Posterior.read(posterior),
        table=QTable.read(bins, format="ascii.ecsv"),
        predictive=Predictive.read(predictive),
        ppxf=None if ppxf is None else read_galaxy(ppxf, "fixed")[0],
        provenance=provenance,
    )
