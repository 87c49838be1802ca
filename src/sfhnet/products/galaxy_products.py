"""All products of a galaxy's answers: maps, the table of bins, their spectra, and the summary in numbers and words."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyprospect.stars.library import SSPLibrary
from sfhnet.core.posterior import Posterior
from sfhnet.core.spectra import Spectra
from sfhnet.core.training_grid import TrainingGrid
from sfhnet.inference.surviving_mass import SurvivingMass
from sfhnet.predictive_check.result import Predictive
from sfhnet.products.bin_table import bin_columns
from sfhnet.products.galaxy_summary import prior_labels, summarise
from sfhnet.products.maps import write_maps, write_table
from sfhnet.products.spectra_file import write_bin_spectra
from sfhnet.tools.hdf5 import write_json

__all__ = ["write_galaxy_products"]

_log = logging.getLogger("sfhnet.products.galaxy_products")


def write_galaxy_products(
    spectra: Spectra,
    posterior: Posterior,
    model: Mapping[str, Any],
    *,
    predictive: Predictive | None,
    summed: tuple[Spectra, Posterior] | None,
    held_out: Sequence[Path],
    ssp: Path | None,
    out_maps: Path,
    out_bins: Path,
    out_spectra: Path | None,
    out_json: Path | None,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """Write maps, table, spectra and summary of a galaxy.

    Parameters
    ----------
    spectra, posterior : Spectra, Posterior
        Prepared spectra and their answers.
    model : mapping
        The model's ``model.json``: the prior, for what the data added, and the resolution.
    predictive : Predictive or None
        Check of the answers.
    summed : (Spectra, Posterior) or None
        Sum of all bins and its answer.
    held_out : sequence of Path
        Shards whose mean is the prior mean to beat; may be empty.
    ssp : Path or None
        Stellar library of the mocks, for the mass that survives.
    out_maps, out_bins, out_spectra, out_json : Path
        FITS, ECSV, FITS, JSON; no spectra, no JSON for None.
    provenance : mapping
        Stored in maps and JSON.

    Returns
    -------
    dict
        From `sfhnet.products.galaxy_summary.summarise`.
    """
    prior = model["prior"]
    survives = (
        None if ssp is None else SurvivingMass.of_library(SSPLibrary.read(ssp), posterior.age_edges_myr)
    )
    table = bin_columns(spectra, posterior, prior, predictive=predictive, surviving=survives)
    write_maps(
        out_maps, spectra, posterior, table=table, provenance=provenance, prior=prior, surviving=survives
    )
    if out_spectra is not None:
        write_bin_spectra(
            out_spectra,
            spectra,
            posterior,
            table=table,
            predictive=predictive,
            grid=TrainingGrid.from_json(model),
            provenance=provenance,
        )
    summary = summarise(
        spectra,
        posterior,
        table,
        prior=prior_labels(held_out) if held_out else None,
        summed=(*summed, bin_columns(*summed, surviving=survives)) if summed else None,
    )
    write_table(out_bins, table, {"galaxy": spectra.galaxy, "verdict": summary["verdict"]})
    if out_json is not None:
        write_json(out_json, summary | {"provenance": dict(provenance)})
    for sentence in summary["verdict"]:
        _log.info("%s: %s", spectra.galaxy, sentence)
    for name, entry in summary.get("truth", {}).items():
        of_prior = entry.get("rms_prior_mean")
        _log.info("%s: %s recovered to %.3f (prior mean: %s)", spectra.galaxy, name, entry["rms"], of_prior)
    return summary
