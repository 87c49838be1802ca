"""Galaxies drawn from a fit's own prior: are posteriors as wide as they should be, and does evidence tell models apart.

Of a truth drawn from the prior, the rank among the draws of its posterior is uniform (Talts et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from pyprospect.arguments import check_counts, checked
from pyprospect.fit.chains import sample_many
from pyprospect.fit.data import Data, Photometry, Spectrum
from pyprospect.fit.fitting import Fit, fit
from pyprospect.fit.laplace import laplace
from pyprospect.fit.likelihood import Likelihood
from pyprospect.fit.map import modes
from pyprospect.fit.model import GalaxyModel
from pyprospect.fit.target import Target

__all__ = ["mock", "rank_test", "ranks", "ranks_together", "together"]

Array = NDArray[np.float64]


def mock(
    model: GalaxyModel, values: Mapping[str, Any], *, snr: float, band_error: float, rng: np.random.Generator
) -> Data:
    """Return noisy data of one galaxy, in the set-up of a model.

    Parameters
    ----------
    model : GalaxyModel
    values : mapping
        From `Parameters.values`, (1,) each.
    snr : float
        Of a pixel.
    band_error : float
        Of a band, as a fraction of its flux.
    rng : Generator

    Returns
    -------
    Data

    Raises
    ------
    ValueError
        If `snr` or `band_error` is not positive and finite.
    """
    for name, value in (("snr", snr), ("band_error", band_error)):
        if not 0 < value < np.inf:
            raise ValueError(f"mock: {name}={value} must be positive and finite")
    with torch.no_grad():
        light = model.predict(dict(values))
    shape, spectrum, photometry = model.data_shape, None, None
    if shape.spectrum is not None:
        flux = light.spectrum.numpy()
        error = np.abs(flux) / snr
        noisy = flux + error * rng.standard_normal(flux.shape)
        s = shape.spectrum
        spectrum = Spectrum(s.wave_aa, noisy, error, frame=s.frame, lsf_fwhm_aa=s.lsf_fwhm_aa)
    if shape.photometry is not None:
        band = light.bands.numpy() * shape.photometry.jansky_per_flam
        error = band_error * np.abs(band)
        noisy = band + error * rng.standard_normal(band.shape)
        photometry = Photometry(list(shape.photometry.bands), noisy, error)
    return Data(spectrum, photometry, redshift=shape.redshift[:1], lum_dist_mpc=shape.lum_dist_mpc[:1])


def together(many: Sequence[Data]) -> Data:
    """Return the data of several galaxies, seen with one set-up, as one.

    Parameters
    ----------
    many : sequence of Data

    Returns
    -------
    Data
    """
    first = many[0]

    def joined(part: str, column: str) -> Array:
        return np.concatenate([getattr(getattr(one, part), column) for one in many])

    spectrum, photometry = first.spectrum, first.photometry
    if spectrum is not None:
        flux, sigma, mask = (joined("spectrum", k) for k in ("flux", "sigma", "mask"))
        spectrum = replace(spectrum, flux=flux, sigma=sigma, mask=mask)
    if photometry is not None:
        flux, sigma, mask = (joined("photometry", k) for k in ("flux", "sigma", "mask"))
        photometry = replace(
            photometry,
            bands=list(photometry.bands),
            flux=flux,
            sigma=sigma,
            mask=mask,
            upper_limit=joined("photometry", "upper_limit"),
        )
    redshift, distance = (np.concatenate([getattr(d, k) for d in many]) for k in ("redshift", "lum_dist_mpc"))
    return Data(spectrum, photometry, redshift=redshift, lum_dist_mpc=distance)


def ranks_together(
    model: GalaxyModel,
    n_mock: int,
    *,
    snr: float,
    band_error: float = 0.03,
    n_rank: int = 50,
    n_chain: int = 4,
    n_draw: int = 100,
    seed: int = 1,
    first: int = 0,
) -> Array:
    """Return what `ranks` does for chains, all mocks sampled at once.

    Parameters
    ----------
    model : GalaxyModel
        Of data of `n_mock` galaxies with one set-up.
    n_mock, snr, band_error, n_rank, seed, first
        As for `ranks`.
    n_chain, n_draw : int
        Of each mock.

    Returns
    -------
    ndarray, shape (n_mock, n_label)
    """
    check_counts("ranks_together", n_mock=n_mock, n_rank=n_rank, n_chain=n_chain, n_draw=n_draw)
    p, streams = model.parameters, [np.random.default_rng([seed, first + i]) for i in range(n_mock)]
    truth = torch.cat([torch.as_tensor(rng.standard_normal((1, p.n_free))) for rng in streams])
    many = [
        mock(model, p.values(u[None]), snr=snr, band_error=band_error, rng=rng)
        for u, rng in zip(truth, streams, strict=True)
    ]
    target = Target(model, Likelihood(together(many)))
    rows = torch.arange(n_mock)
    starts = torch.stack([target.start(8, rng) for rng in streams])
    found = modes(target, starts, rows)
    normal = laplace(target, found.u, rows, found.log_prob)
    u, _ = sample_many(target, normal, range(n_mock), seed=seed + first, n_chain=n_chain, n_draw=n_draw)
    true, out = p.flat(p.values(truth)).numpy(), []
    for i, rng in enumerate(streams):
        flat = u[i].reshape(-1, p.n_free)
        some = torch.as_tensor(flat[rng.choice(len(flat), n_rank, replace=False)])
        draws = p.flat(target.values(some, rows[i].expand(n_rank))).numpy()
        out.append(((draws < true[i]).sum(axis=0) + 0.5) / (n_rank + 1))
    return np.array(out)


def ranks(
    model: GalaxyModel,
    n_mock: int,
    sample: Callable[[Fit], Any],
    *,
    snr: float,
    band_error: float = 0.03,
    n_rank: int = 50,
    seed: int = 1,
    first: int = 0,
) -> Array:
    """Return the ranks of truths drawn from the prior among draws of their posteriors.

    Parameters
    ----------
    model : GalaxyModel
        Of data of one galaxy; its parameters are drawn from their priors.
    n_mock : int
    sample : callable
        Samples a `Fit` and returns an `Answer`, such as ``lambda f: f.sample("nuts")``.
    snr, band_error : float
        Noise of the mocks.
    n_rank : int
        Draws, about independent, that a truth is ranked among.
    seed : int
    first : int
        Number of the first mock, for those that are made some at a time.

    Returns
    -------
    ndarray, shape (n_mock, n_label)
        From 0 to 1, in the middles of n_rank + 1 equal steps.
    """
    check_counts("ranks", n_mock=n_mock, n_rank=n_rank)
    out = []
    p = model.parameters
    for i in range(first, first + n_mock):
        rng = np.random.default_rng([seed, i])
        truth = p.values(torch.as_tensor(rng.standard_normal((1, p.n_free))))
        found = fit(mock(model, truth, snr=snr, band_error=band_error, rng=rng), model, seed=seed + i)
        answer = sample(found)
        draws = p.flat(p.values(torch.as_tensor(answer.equal(n_rank, rng)))).numpy()
        below = (draws < p.flat(truth).numpy()).sum(axis=0)
        out.append((below + 0.5) / (n_rank + 1))
    return np.array(out)


@checked(found=(0.0, 1.0))
def rank_test(found: Array) -> dict[str, Array]:
    """Compare ranks with a uniform distribution.

    Parameters
    ----------
    found : ndarray, shape (n_mock, n_label)

    Returns
    -------
    dict of ndarray (n_label,)
        ``deviation``: the largest of their cumulative distribution from the diagonal; ``band``: what 95 % of uniform
        ranks stay within; ``p_value``: Kolmogorov's.
    """
    tests = [stats.kstest(column, "uniform") for column in found.T]
    band = stats.kstwo.ppf(0.95, len(found))
    return {
        "deviation": np.array([t.statistic for t in tests]),
        "band": np.full(found.shape[1], band),
        "p_value": np.array([t.pvalue for t in tests]),
    }
