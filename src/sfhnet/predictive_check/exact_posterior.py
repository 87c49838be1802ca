"""How sure is the network? Its draws, weighed by the exact likelihood of `pyprospect.fit`.

The forward model of the training mocks is fitted to the spectrum itself: with its noise, a calibration polynomial and the
errors' scale, under a stated prior and any stellar library. Draws that are right keep their weights; where the weights
collapse the network's answer is not the posterior of this model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyprospect.constants import Z_SUN
from pyprospect.fit import (
    Calibration,
    Data,
    Dirichlet,
    Fit,
    GalaxyModel,
    Photometry,
    Several,
    Spectrum,
    Uniform,
    fit,
)
from pyprospect.fit.answers import Answer
from pyprospect.gas.ratios import LineRatios
from pyprospect.numerics.lsf import muse_udf10_fwhm_aa
from pyprospect.stars.library import SSPLibrary
from sfhnet.core.batch import Batch
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import DUST_AND_LINES
from sfhnet.mocks.synthesize import gas_log_u

__all__ = ["WeighedAnswer", "exact_fit", "network_draws", "weigh_posterior"]

# The level of normalised data is free: masses are in units of what gives the data.
_LOG_MASS_REACH = 6.0
# Draws give no bin less than this: a share of exactly zero has no logarithm.
_LEAST_SHARE = 1e-6


@dataclass(frozen=True)
class WeighedAnswer:
    """A network's draws with the weights of the exact posterior.

    Attributes
    ----------
    answer : Answer
        Draws, weights, quantiles.
    effective_size : float
        Effective number of draws.
    pareto_k : float
        Shape of the weights' tail; above 0.7 their mean means nothing.
    log_evidence : float
        Of the model, from the draws.
    collapsed : bool
        The draws miss the posterior.
    fit : Fit
        To go on from: ``fit.map(starts=...)``, ``fit.sample("nuts")``.
    """

    answer: Answer
    effective_size: float
    pareto_k: float
    log_evidence: float
    collapsed: bool
    fit: Fit


def _prior(library: SSPLibrary, n_age: int, changed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the prior of a network's parameters: every composition alike, [M/H] over the library, dust as it is fitted."""
    low, high = np.log10(library.z[[0, -1]] / Z_SUN)
    given: dict[str, Any] = {
        "log_mass": Uniform(-_LOG_MASS_REACH, _LOG_MASS_REACH),
        "mass_fraction": Dirichlet(np.ones(n_age)),
        "mh": Several([Uniform(float(low), float(high))] * n_age),
    }
    for name, parameter in DUST_AND_LINES.items():
        given[{"bump": "Eb", "log_u_offset": "_log_u_offset"}.get(name, name)] = Uniform(*parameter.fitted)
    # The gas has the metals of the youngest stars.
    given["log_u"] = lambda p: gas_log_u(Z_SUN * 10.0 ** p["mh"][:, 0], p["_log_u_offset"])
    return given | dict(changed)


def exact_fit(
    batch: Batch,
    index: int,
    *,
    wave_aa: NDArray[np.float64],
    age_edges_myr: NDArray[np.float64],
    library: SSPLibrary,
    bands: Mapping[str, Any],
    lines: LineRatios | None = None,
    redshift: float = 0.0,
    veldisp_kms: float = 150.0,
    continuum: bool = False,
    calibration: Calibration | None = None,
    parameters: Mapping[str, Any] | None = None,
    path: Any = None,
    seed: int = 1,
    **options: Any,
) -> Fit:
    """Return an exact fit of one spectrum of a batch, with the parameters that a network answers.

    Parameters
    ----------
    batch : Batch
        As the network had it: at rest, on the training grid.
    index : int
        Which spectrum.
    wave_aa : ndarray, shape (n_wave,)
        Training grid.
    age_edges_myr : ndarray, shape (n_age + 1,)
        Of the network.
    library : SSPLibrary
        That of the training, or another.
    bands : mapping of str to Filter
        Curves in the order of the batch.
    lines : LineRatios, optional
    redshift : float
        Of the bands.
    veldisp_kms : float
        Of the training grid.
    continuum : bool
        Nebular continuum.
    calibration : Calibration, optional
        By default order 8, 2 % each, and a level of 5 % against the bands.
    parameters : mapping, optional
        Other priors, or fixed values, by their names in `pyprospect.fit.GalaxyModel`.
    path : path, optional
        HDF5 file of the fit.
    seed : int
    **options
        For `pyprospect.fit.GalaxyModel`: ``halpha_lsol_per_msol``, by default ProSpect's; that of mocks is
        `sfhnet.mocks.synthesize.halpha_of_photons` of the library.

    Returns
    -------
    Fit
    """

    def row(name: str) -> NDArray[np.float64]:
        return np.asarray(getattr(batch, name)[index].cpu().numpy(), dtype=float)

    spectrum = Spectrum(
        wave_aa,
        row("flux"),
        row("sigma"),
        row("mask").astype(bool),
        frame="rest",
        lsf_fwhm_aa=muse_udf10_fwhm_aa,
    )
    photometry = None
    if bands and row("band_mask").any():
        curves = Photometry(dict(bands), np.ones(len(bands)), np.ones(len(bands)))
        unit = curves.jansky_per_flam
        photometry = Photometry(
            dict(bands), row("band_flux") * unit, row("band_sigma") * unit, row("band_mask").astype(bool)
        )
    # At a distance where one Lsol/Angstrom gives a flux of one, masses are in units of the data.
    shape = Data(spectrum, photometry, redshift=redshift, lum_dist_mpc=1.0)
    unit_mpc = float(np.sqrt(shape.flux_per_lsol[0]))
    data = Data(spectrum, photometry, redshift=redshift, lum_dist_mpc=unit_mpc)
    model = GalaxyModel(
        library,
        data,
        _prior(library, len(age_edges_myr) - 1, {"veldisp_kms": veldisp_kms, **(parameters or {})}),
        history="binned",
        metallicity="binned",
        age_edges_yr=np.asarray(age_edges_myr, dtype=float) * 1e6,
        lines=lines,
        continuum=continuum,
        **options,
    )
    if calibration is None:
        calibration = Calibration(8, 0.02, level=0.05 if photometry is not None else 0.0)
    return fit(data, model, calibration=calibration, path=path, seed=seed)


def network_draws(posterior: Posterior, index: int, found: Fit) -> dict[str, NDArray[np.float64]]:
    """Return a network's draws as values of a fit's free parameters.

    Parameters
    ----------
    posterior : Posterior
        With joint samples.
    index : int
    found : Fit
        From `exact_fit`.

    Returns
    -------
    dict of ndarray (n_draw, ...)
        Brought inside the priors where they stick out by rounding; masses are those that fit best.

    Raises
    ------
    ValueError
        If the posterior has no joint samples.
    """
    samples = posterior.samples
    missing = [name for name in ("mass_fraction", "mh", *DUST_AND_LINES) if name not in samples]
    if missing:
        raise ValueError(f"the answer lacks samples of {', '.join(missing)}; only joint draws can be weighed")
    draws = {
        name: np.asarray(samples[name][index], dtype=float)
        for name in ("mass_fraction", "mh", *DUST_AND_LINES)
    }
    share = np.maximum(draws["mass_fraction"], _LEAST_SHARE)
    draws["mass_fraction"] = share / share.sum(axis=1, keepdims=True)
    draws["Eb"], draws["_log_u_offset"] = draws.pop("bump"), draws.pop("log_u_offset")
    out = {}
    for name, prior in found.model.parameters.priors.items():
        if name == "log_mass":
            continue
        value, bounds = draws[name], prior.priors[0] if isinstance(prior, Several) else prior
        if isinstance(bounds, Uniform):
            inset = 1e-6 * (bounds.high - bounds.low)
            value = np.clip(value, bounds.low + inset, bounds.high - inset)
        out[name] = value
    out["log_mass"] = found.best_log_mass(out)
    return out


def weigh_posterior(posterior: Posterior, batch: Batch, index: int, **set_up: Any) -> WeighedAnswer:
    """Weigh the draws of a network by the exact posterior: one call.

    Parameters
    ----------
    posterior : Posterior
        Answers with joint samples.
    batch : Batch
        What was answered.
    index : int
        Which spectrum.
    **set_up
        For `exact_fit`: grid, library, bands, lines; another library or other priors than the training's, too.

    Returns
    -------
    WeighedAnswer
        With a warning where the weights collapse.

    Raises
    ------
    ValueError
        If there are no joint samples, or the draws have no probability at all.
    """
    found = exact_fit(batch, index, age_edges_myr=posterior.age_edges_myr, **set_up)
    answer = found.weigh(network_draws(posterior, index, found))
    about = answer.about
    return WeighedAnswer(
        answer,
        about["effective_size"],
        about["pareto_k"],
        about["log_evidence"],
        about["collapsed"],
        found,
    )
