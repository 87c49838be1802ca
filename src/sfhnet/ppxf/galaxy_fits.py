"""pPXF on the spectra of a galaxy, and what differs from the network's answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sfhnet.config import PpxfConfig
from sfhnet.core.batch import Batch
from sfhnet.core.posterior import Posterior, point_posterior
from sfhnet.core.quantities import QUANTITIES, SCALARS
from sfhnet.core.spectra import Spectra
from sfhnet.ppxf.fit import RECOMMENDED, FitSettings, PpxfFit, PpxfSpectrum, fit_spectrum, scheme_name
from sfhnet.ppxf.histories import Histories
from sfhnet.ppxf.templates import Templates
from sfhnet.predictive_check.result import Predictive
from sfhnet.tools.hdf5 import create_h5, open_h5, put, write_json
from sfhnet.tools.progress import track

__all__ = ["compare_galaxy", "fit_galaxy", "fitted_spectra", "read_galaxy"]

_log = logging.getLogger("sfhnet.ppxf")

SCHEMA, SCHEMA_VERSION = "sfhnet.ppxf_galaxy", 1
COMPARISON = "sfhnet.ppxf_galaxy_comparison/1"

# Dataset of each scheme -> unit; one value a bin.
_OF_FIT = {"regul": "", "chi2": "", "velocity_kms": "km/s", "sigma_kms": "km/s", "cpu_s": "s"}
_COMPARED = ("mw_log_age", "lw_log_age", "mw_mh", "lw_mh", "a_v")


def fit_galaxy(
    spectra: Spectra,
    templates: Templates,
    config: PpxfConfig,
    *,
    age_edges_myr: np.ndarray,
    out: Path,
    provenance: Mapping[str, Any],
) -> None:
    """Fit every bin of a galaxy at ``galaxy_regul`` and at the recommended regularisation.

    A bin that cannot be fitted holds NaN; the others go on. Bins without bands are fitted without.

    Parameters
    ----------
    spectra : Spectra
        Prepared spectra.
    templates : Templates
        On the same grid, with photometry of the same bands.
    config : PpxfConfig
        Regularisation and polynomial.
    age_edges_myr : ndarray (n_age + 1,)
        Age bins.
    out : Path
        HDF5: a group a scheme with histories, scalars and fit; ``bestfit`` on the training grid.
    provenance : mapping
        Stored in it.
    """
    batch = Batch.from_spectra(spectra, templates.of_bands().names)
    usable = batch.usable.numpy()
    settings = FitSettings(False, config.multiplicative_degree, (config.galaxy_regul,), True)
    schemes = {"fixed": scheme_name(config.galaxy_regul), RECOMMENDED: RECOMMENDED}
    histories = Histories(templates.library, age_edges_myr)
    n, n_age, n_wave = spectra.n, len(age_edges_myr) - 1, templates.linear_aa.size
    found = {
        name: {
            "mass_fraction": np.full((n, n_age), np.nan),
            "mh": np.full((n, n_age), np.nan),
            "bestfit": np.full((n, n_wave), np.nan, dtype=np.float32),
            **{key: np.full(n, np.nan) for key in (*SCALARS, *_OF_FIT)},
        }
        for name in schemes
    }
    for row in track(range(n), f"pPXF on {spectra.galaxy}", unit="bins"):
        if not usable[row]:
            continue
        fits = _fit(batch, row, templates, settings, spectra.galaxy)
        for name, key in schemes.items():
            if fits is None:
                continue
            fit = fits[key]
            values = histories(fit.mass_msun, fit.transmission_v)
            values |= {quantity: getattr(fit, quantity) for quantity in (*_OF_FIT, "bestfit")}
            for quantity, value in values.items():
                found[name][quantity][row] = value
    _write(out, found, age_edges_myr, 10.0 ** batch.log_scale.numpy(), provenance)


def _write(
    out: Path,
    found: Mapping[str, Mapping[str, np.ndarray]],
    age_edges_myr: np.ndarray,
    scale: np.ndarray,
    provenance: Mapping[str, Any],
) -> None:
    with create_h5(out, SCHEMA, SCHEMA_VERSION, provenance=provenance) as file:
        put(file, "age_edges_myr", age_edges_myr, unit="Myr", axes="age_edge")
        put(file, "scale", scale, unit="flux_unit", axes="bin")
        for name, values in found.items():
            group = file.create_group(name)
            for quantity, value in values.items():
                unit = QUANTITIES[quantity].unit if quantity in QUANTITIES else _OF_FIT.get(quantity, "scale")
                axes = {1: "bin", 2: "bin, wave" if quantity == "bestfit" else "bin, age"}[value.ndim]
                put(group, quantity, value, unit=unit, axes=axes)


def _fit(
    batch: Batch, row: int, templates: Templates, settings: FitSettings, galaxy: str
) -> dict[str, PpxfFit] | None:
    one = PpxfSpectrum(
        *(getattr(batch, name)[row].numpy() for name in ("flux", "sigma", "mask")),
        *(getattr(batch, f"band_{name}")[row].numpy() for name in ("flux", "sigma", "mask")),
    )
    try:
        return fit_spectrum(one, templates, settings)
    except (ValueError, AssertionError, np.linalg.LinAlgError) as error:
        _log.warning("%s, bin %d: pPXF failed: %s", galaxy, row, error)
        return None


def read_galaxy(path: Path, scheme: str) -> tuple[Posterior, dict[str, np.ndarray]]:
    """Read what `fit_galaxy` wrote, as point estimates and as numbers of the fit.

    Parameters
    ----------
    path : Path
        HDF5 file.
    scheme : str
        ``fixed`` or ``recommended``.

    Returns
    -------
    posterior : Posterior
        Point estimates.
    fit : dict of ndarray
        ``bestfit`` (n, n_wave), and of each bin ``chi2``, ``regul`` ... (n,).
    """
    with open_h5(path, SCHEMA, SCHEMA_VERSION) as file:
        group = file[scheme]
        posterior = point_posterior(
            file["age_edges_myr"][()],
            group["mass_fraction"][()],
            group["mh"][()],
            scalars={name: group[name][()] for name in SCALARS},
        )
        return posterior, {name: group[name][()] for name in (*_OF_FIT, "bestfit")}


def fitted_spectra(path: Path) -> str:
    """Return the checksum (SHA-256) of the file of spectra that `fit_galaxy` fitted, as its provenance has it; else empty."""
    with open_h5(path, SCHEMA, SCHEMA_VERSION) as file:
        return str(json.loads(file.attrs["provenance"]).get("inputs", {}).get("spectra.h5", ""))


def compare_galaxy(
    spectra: Spectra,
    posterior: Posterior,
    predictive: Predictive,
    *,
    ppxf: Path,
    out: Path,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """Compare the answers of network and pPXF bin by bin.

    Parameters
    ----------
    spectra, posterior : Spectra, Posterior
        Prepared spectra and the network's answers.
    predictive : Predictive
        The forward model on those answers.
    ppxf : Path
        From `fit_galaxy`.
    out : Path
        JSON: for each scheme the chi2 per good pixel of pPXF and of the refined forward model, and their ratio; for each
        quantity the median of both, the median difference (network less pPXF), its robust scatter, and how many of the
        network's own errors that is.
    provenance : mapping
        Stored in it.

    Returns
    -------
    dict
        What the JSON holds.

    Raises
    ------
    ValueError
        If they have different numbers of bins.
    """
    mine = predictive.pixel_chi2("refined")
    result: dict[str, Any] = {
        "schema_version": COMPARISON,
        "galaxy": spectra.galaxy,
        "model": posterior.meta.get("model"),
        "n_bins": spectra.n,
        "schemes": {},
        "provenance": dict(provenance),
    }
    for scheme in ("fixed", RECOMMENDED):
        other, fit = read_galaxy(ppxf, scheme)
        if not len(other) == len(posterior) == len(mine):
            raise ValueError(
                f"{spectra.galaxy}: {len(posterior)} answers, {len(mine)} checks and {len(other)} fits of pPXF; "
                "run fit_ppxf_galaxy again"
            )
        both = posterior.usable & np.isfinite(fit["chi2"])
        quantities = {name: _difference(posterior, other, name, both) for name in _COMPARED if both.any()}
        result["schemes"][scheme] = {
            "n": int(both.sum()),
            "failed": int((~np.isfinite(fit["chi2"])).sum()),
            "chi2_median": _median(fit["chi2"][both]),
            "network_chi2_median": _median(mine[both]),
            "chi2_ratio_median": _median((mine / fit["chi2"])[both]),
            "regul_median": _median(fit["regul"][both]),
            "cpu_s_per_spectrum": _median(fit["cpu_s"][both]),
            "quantities": quantities,
        }
    write_json(out, result)
    return result


def _difference(posterior: Posterior, other: Posterior, name: str, rows: np.ndarray) -> dict[str, float]:
    mine, theirs = posterior.scalars[name][rows], other.scalars[name][rows]
    low, high = posterior.interval(name, 0.68)
    error = 0.5 * (high - low)[rows]
    difference = mine - theirs
    spread = np.quantile(difference, [0.16, 0.84])
    return {
        "network": float(np.median(mine)),
        "ppxf": float(np.median(theirs)),
        "difference": float(np.median(difference)),
        "scatter": float(0.5 * (spread[1] - spread[0])),
        "difference_in_sigma": float(np.median(difference / error)),
    }


def _median(values: np.ndarray) -> float | None:
    return float(np.median(values)) if values.size else None
