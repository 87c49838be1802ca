"""Learn on mocks when a redshift that a spectrum gives is to be believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfhnet.core.batch import Batch
from sfhnet.inference.screens import Screens
from sfhnet.observation.redshift import REDSHIFT_RANGE, RedshiftFinder, Redshifts
from sfhnet.tools.random_streams import stream

__all__ = ["RedshiftLimits", "learn_redshift"]

# Redshifts that mocks are moved to; mocks of one are looked at together.
_N_REDSHIFT = 12
# A redshift within this of the truth is right.
_RIGHT = 1e-3
# Share of the believed redshifts that shall be right, and of spectra without any features that shall not be believed.
_RIGHT_SHARE, _REFUSED_SHARE = 0.995, 0.995
# Share of the right redshifts that the limit of the gain costs, and of those of bright galaxies that the lead may cost.
_COST, _BRIGHT_COST = 0.01, 0.05
# Order of the polynomial that is left of a spectrum without features.
_FEATURELESS = 5
# S/N from which on redshifts are expected.
_BRIGHT_SNR = 10.0


@dataclass(frozen=True)
class RedshiftLimits:
    """When a redshift is believed.

    Attributes
    ----------
    lead, gain : float
        Least chi-square by which it leads over all others, and that templates save there.
    report : dict
        On mocks that taught nothing: share ``believed`` at S/N above 10, share ``right`` among the believed of any S/N, mean
        ``probability`` and share right of all, share of featureless spectra ``believed_without_features``; None where
        there are none.
    """

    lead: float
    gain: float
    report: dict[str, float | None]


def learn_redshift(finder: RedshiftFinder, wave_aa: np.ndarray, batch: Batch, *, seed: int) -> RedshiftLimits:
    """Learn the limits.

    Parameters
    ----------
    finder : RedshiftFinder
        Of the model.
    wave_aa : ndarray (n_wave,)
        Rest-frame wavelengths of the mocks in AA.
    batch : Batch
        Noisy mocks.
    seed : int
        Of the redshifts that they are moved to.

    Returns
    -------
    RedshiftLimits
    """
    rng = stream("screens.redshift", seed)
    low, high = REDSHIFT_RANGE
    redshift = rng.permutation(np.resize(rng.uniform(low + 0.001, high - 0.005, _N_REDSHIFT), len(batch)))
    flux, sigma = batch.flux.double().numpy(), batch.sigma.double().numpy()
    good = batch.mask.numpy()
    featureless = _smooth(flux, good) + sigma * rng.standard_normal(flux.shape)
    found, empty = (
        _found(finder, wave_aa, values, sigma, good=good, redshift=redshift) for values in (flux, featureless)
    )
    right = np.abs(found.z - redshift) < _RIGHT * (1 + redshift)
    # By chance: neighbours in a Sobol sequence take turns in what they are.
    taught = rng.permutation(len(batch)) % 2 == 0
    bright = batch.log_snr.double().numpy() > np.log10(_BRIGHT_SNR)
    lead, gain = _limits(found, empty, right=right, bright=bright, rows=taught)
    tested = ~taught
    believed = (found.lead > lead) & (found.gain > gain)
    without = (empty.lead > lead) & (empty.gain > gain)
    report = {
        "believed": _share(believed, tested & bright),
        "right": _share(right, tested & believed),
        "probability": _share(found.probability, tested),
        "right_of_all": _share(right, tested),
        "believed_without_features": _share(without, tested),
    }
    every = np.ones(len(batch), dtype=bool)
    return RedshiftLimits(*_limits(found, empty, right=right, bright=bright, rows=every), report)


def _limits(
    found: Redshifts, empty: Redshifts, *, right: np.ndarray, bright: np.ndarray, rows: np.ndarray
) -> tuple[float, float]:
    """Return the least lead and gain: what makes enough redshifts right and refuses spectra without features, at little cost."""
    leading = rows & (found.lead > 0)
    if not (leading & right).any():
        return Screens.redshift_lead, Screens.redshift_gain
    order = np.argsort(-found.lead[leading])
    leads, shares = (
        found.lead[leading][order],
        np.cumsum(right[leading][order]) / np.arange(1, leading.sum() + 1),
    )
    # The longest list, from the clearest on, of which enough are right; beyond all of them if there is none.
    enough = np.flatnonzero(shares >= _RIGHT_SHARE)
    lead = float(leads[enough[-1]] if enough.size else leads[0])
    gain = float(np.quantile(found.gain[leading & right], _COST))
    strange = empty.lead[rows & (empty.gain > gain)]
    if strange.size:
        lead = max(lead, float(np.quantile(strange, _REFUSED_SHARE)))
    # Bright galaxies are not given up for it.
    clear = found.lead[leading & right & bright]
    return min(lead, float(np.quantile(clear, _BRIGHT_COST))) if clear.size else lead, gain


def _share(values: np.ndarray, rows: np.ndarray) -> float | None:
    """Return the mean over some rows; None over none."""
    return float(values[rows].mean()) if rows.any() else None


def _smooth(flux: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Return polynomials through the good pixels of spectra, (n, n_wave)."""
    basis = np.polynomial.legendre.legvander(np.linspace(-1, 1, flux.shape[1]), _FEATURELESS)
    gram = np.einsum("iw,wj,wk->ijk", good.astype(float), basis, basis, optimize=True)
    gram += 1e-6 * np.eye(basis.shape[1])
    return np.linalg.solve(gram, (np.where(good, flux, 0.0) @ basis)[..., None])[..., 0] @ basis.T


def _found(
    finder: RedshiftFinder,
    wave_aa: np.ndarray,
    flux: np.ndarray,
    sigma: np.ndarray,
    *,
    good: np.ndarray,
    redshift: np.ndarray,
) -> Redshifts:
    """Return what spectra say of their redshifts when they are moved to some."""
    values = np.empty((len(Redshifts.__dataclass_fields__), len(flux)))
    for z in np.unique(redshift):
        rows = redshift == z
        variance = np.where(good[rows], sigma[rows] ** 2, 0.0)
        one = finder.find(wave_aa * (1 + z), flux[rows], variance, good=good[rows])
        values[:, rows] = [getattr(one, name) for name in Redshifts.__dataclass_fields__]
    return Redshifts(*values)
