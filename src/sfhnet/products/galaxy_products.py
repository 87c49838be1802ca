"""All products of a galaxy's answers: maps, the table of bins, and the summary in numbers and words."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sfhnet.core.posterior import Posterior
from sfhnet.core.spectra import Spectra
from sfhnet.predictive_check.result import Predictive
from sfhnet.products.bin_table import bin_columns
from sfhnet.products.galaxy_summary import prior_labels, summarise
from sfhnet.products.maps import write_maps, write_table
from sfhnet.tools.hdf5 import write_json

__all__ = ["write_galaxy_products"]

_log = logging.getLogger("sfhnet.products.galaxy_products")


def write_galaxy_products(
    spectra: Spectra,
    posterior: Posterior,
    prior: Mapping[str, Any],
    *,
    predictive: Predictive | None,
    summed: tuple[Spectra, Posterior] | None,
    held_out: Sequence[Path],
    out_maps: Path,
    out_bins: Path,
    out_json: Path | None,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """Write maps, table and summary of a galaxy.

    Parameters
    ----------
    spectra, posterior : Spectra, Posterior
        Prepared spectra and their answers.
    prior : mapping
        ``prior`` of the model's ``model.json``, for what the data added.
    predictive : Predictive or None
        Check of the answers.
    summed : (Spectra, Posterior) or None
        Sum of all bins and its answer.
    held_out : sequence of Path
        Shards whose mean is the prior mean to beat; may be empty.
    out_maps, out_bins, out_json : Path
        FITS, ECSV, JSON; no JSON for None.
    provenance : mapping
        Stored in maps and JSON.

    Returns
    -------
    dict
        From `sfhnet.products.galaxy_summary.summarise`.
    """
    table = bin_columns(spectra, posterior, prior, predictive=predictive)
    write_maps(out_maps, spectra, posterior, table=table, provenance=provenance, prior=prior)
    summary = summarise(
        spectra,
        posterior,
        table,
        prior=prior_labels(held_out) if held_out else None,
        summed=(*summed, bin_columns(*summed)) if summed else None,
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
