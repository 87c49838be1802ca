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
from sfhnet.ppxf.galaxy_fits import fitted_spectra, read_galaxy
from sfhnet.predictive_check.result import Predictive
from sfhnet.tools.provenance import sha256_file

__all__ = ["PPXF", "PRODUCTS", "explore", "is_of"]

# What a page is made of -> file in the folder of a galaxy.
PRODUCTS = {
    "spectra": "spectra.h5",
    "posterior": "posterior.h5",
    "predictive": "predictive.h5",
    "bins": "bins.ecsv",
}
PPXF = "ppxf.h5"
"""What `snakemake ppxf` leaves in the folder of a galaxy."""


def is_of(ppxf: Path, spectra: Path) -> bool:
    """Whether fits of pPXF are of this very file of spectra: not of an older one, nor of another galaxy."""
    return fitted_spectra(ppxf) == sha256_file(spectra)


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
        If the spectra are of another galaxy, or the files do not belong together: fits of pPXF to other spectra too.
    """
    found = Spectra.read(spectra)
    if found.galaxy != galaxy:
        raise ValueError(f"{spectra} holds {found.galaxy}, not {galaxy}; give the file of that galaxy")
    if ppxf is not None and not is_of(ppxf, spectra):
        raise ValueError(f"{ppxf} holds fits to other spectra than {spectra}; run fit_ppxf_galaxy again")
    return write_explorer(
        out,
        found,
        Posterior.read(posterior),
        table=QTable.read(bins, format="ascii.ecsv"),
        predictive=Predictive.read(predictive),
        ppxf=None if ppxf is None else read_galaxy(ppxf, "fixed")[0],
        provenance=provenance,
    )
