"""Posterior-predictive check: does the forward model, run on the posterior's draws, give the spectrum back?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from pyprospect.fast.synthesizer import Synthesis
from sfhnet.config import NoiseConfig
from sfhnet.core.batch import Batch
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import DUST_AND_LINES
from sfhnet.core.spectra import Spectra
from sfhnet.predictive_check.forward_model import Forward
from sfhnet.predictive_check.limits import Limits
from sfhnet.predictive_check.linear_nuisances import NuisanceColumns, NuisanceSolver, observed
from sfhnet.predictive_check.refine import FitData, Prior, fit_nuisances, join, level, refine
from sfhnet.predictive_check.result import BLOCK_NAMES, BLOCKS_AA, PREDICTIONS, Predictive, unchecked
from sfhnet.tools.progress import Progress

__all__ = ["check", "check_spectra", "noise_shrinkage", "pick_examples"]

# Spectra in one go: the products of their Jacobians stay small.
_CHUNK = 16
# Spectra of a model that are kept.
_MODELS = ("refined", "draws_p16", "draws_p84")


def noise_shrinkage(smoothing_aa: np.ndarray, step_aa: float) -> np.ndarray:
    """Return the variance that Gaussian smoothing leaves of white noise.

    Parameters
    ----------
    smoothing_aa : ndarray
        Sigma of the smoothing in Angstrom.
    step_aa : float
        Pixel.

    Returns
    -------
    ndarray, shape of `smoothing_aa`
        Fraction; one without smoothing.
    """
    reach = np.arange(-12, 13) * step_aa
    kernel = np.exp(
        -0.5 * (reach / np.maximum(np.asarray(smoothing_aa, dtype=float)[..., None], 0.1 * step_aa)) ** 2
    )
    return ((kernel / kernel.sum(axis=-1, keepdims=True)) ** 2).sum(axis=-1)


def check(
    forward: Forward,
    noise: NoiseConfig,
    batch: Batch,
    *,
    samples: Mapping[str, np.ndarray],
    redshift: np.ndarray,
    expected: np.ndarray | None = None,
    examples: Sequence[int] = (),
    keep_models: bool = False,
    iterations: int = 5,
) -> Predictive:
    """Run the forward model on draws of the posterior and compare.

    Parameters
    ----------
    forward : Forward
    noise : NoiseConfig
        Nuisances that are allowed for.
    batch : Batch
        Spectra on the training grid.
    samples : mapping of ndarray
        Joint draws, (n, n_draw, ...), as `Forward.vectors` takes them; rows that are not finite are passed over.
    redshift : ndarray, shape (n,)
    expected : ndarray, shape (n,), optional
        From `noise_shrinkage`; default one.
    examples : sequence of int
        Spectra whose predictions are kept.
    keep_models : bool
        Keep the models of all spectra too, in half precision: 22 kB a spectrum.
    iterations : int
        Gauss-Newton steps at most.

    Returns
    -------
    Predictive
    """
    wave = forward.synthesizer.wave_aa
    nuisances = NuisanceColumns(noise, wave, forward.synthesizer.line_profiles)
    blocks = _block_matrix(wave, batch.band_flux.shape[1])
    n, n_block = len(batch), len(BLOCK_NAMES)
    vectors = forward.vectors(samples)
    usable = batch.usable.numpy() & torch.isfinite(vectors).all(dim=2).all(dim=1).numpy()
    rows = np.flatnonzero(usable)
    chi2 = {kind: np.full((n, n_block), np.nan) for kind in PREDICTIONS}
    numbers = np.zeros((n, n_block), dtype=np.int32)
    found = {name: np.full(n, np.nan) for name in ("shift", "calibration_rms", "log_ml", *DUST_AND_LINES)}
    found |= {name: np.full((n, forward.n_age), np.nan) for name in ("mass_fraction", "mh")}
    kept: list[dict[str, np.ndarray]] = []
    shape = (n, len(wave) + batch.band_flux.shape[1])
    models = {name: np.full(shape, np.nan, dtype=np.float16) for name in _MODELS} if keep_models else {}
    wanted = set(examples)
    z = torch.as_tensor(np.asarray(redshift, dtype=np.float64))

    with Progress(len(rows), "checking", "spectra") as bar:
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            data, root = observed(batch[part], noise)
            given = FitData(data, root, z[part])
            answer = _check_chunk(forward, nuisances, vectors[part], given, iterations)
            used = (root > 0).float() @ blocks
            numbers[part] = used.numpy()
            for kind in PREDICTIONS:
                misfit = ((data - answer[kind]) * root) ** 2
                with np.errstate(invalid="ignore", divide="ignore"):
                    chi2[kind][part] = (misfit @ blocks).numpy() / np.where(used > 0, used, np.nan)
            for name in found:
                found[name][part] = answer[name].numpy()
            if keep_models:
                for name, values in _models(answer).items():
                    models[name][part] = values.numpy()
            for row, index in enumerate(part):
                if int(index) in wanted:
                    kept.append(_example(int(index), row, data, root, answer))
            bar.update(len(part))
    return Predictive(
        chi2=chi2,
        n_data=numbers,
        expected=np.ones(n) if expected is None else np.asarray(expected, dtype=float),
        shift=found.pop("shift"),
        calibration_rms=found.pop("calibration_rms"),
        refined=found,
        flags=np.zeros(n, dtype=np.uint32),
        wave_aa=wave,
        band_names=forward.synthesizer.band_names,
        examples={name: np.stack([one[name] for one in kept]) for name in kept[0]} if kept else {},
        models=models,
    )


def check_spectra(
    forward: Forward,
    noise: NoiseConfig,
    spectra: Spectra,
    *,
    posterior: Posterior,
    limits: Limits | None,
    n_draws: int,
    n_examples: int,
) -> Predictive:
    """Check the prepared spectra of a galaxy and flag them.

    Parameters
    ----------
    forward, noise
        As for `check`.
    spectra, posterior : Spectra, Posterior
        Prepared spectra and their answers.
    limits : Limits or None
        Of the model; without them nothing is flagged.
    n_draws : int
        Draws that are checked, the first ones.
    n_examples : int
        Bins whose spectra are kept.

    Returns
    -------
    Predictive
        NaN, with a reason, where the model has no joint posterior.

    Raises
    ------
    ValueError
        If spectra and answers differ in number.
    """
    if len(posterior) != spectra.n:
        raise ValueError(
            f"{spectra.galaxy}: {spectra.n} spectra but {len(posterior)} answers; infer this very spectra file again"
        )
    bands = forward.synthesizer.band_names
    if not posterior.samples:
        why = f"the model {posterior.meta.get('model', '')} has no joint posterior; networks of kind flow have one"
        return unchecked(spectra.n, forward.n_age, spectra.wave_aa, band_names=bands, why=why)
    step = float(spectra.wave_aa[1] - spectra.wave_aa[0])
    found = check(
        forward,
        noise,
        Batch.from_spectra(spectra, bands),
        samples={name: values[:, :n_draws] for name, values in posterior.samples.items()},
        redshift=spectra.redshift,
        expected=noise_shrinkage(spectra.smoothing_aa, step),
        examples=pick_examples(posterior, n_examples),
        keep_models=True,
    )
    return found if limits is None else replace(found, flags=limits.flags(found, posterior.snr))


def pick_examples(posterior: Posterior, n_examples: int) -> list[int]:
    """Choose bins to show: evenly spread over the ranks of light-weighted age, the youngest and the oldest among them.

    Parameters
    ----------
    posterior : Posterior
        Answers of a galaxy.
    n_examples : int
        Bins at most.

    Returns
    -------
    list of int
        Places in the posterior, from the youngest to the oldest.
    """
    rows = np.flatnonzero(posterior.usable)
    order = rows[np.argsort(posterior.scalars["lw_log_age"][rows])]
    places = np.linspace(0, len(order) - 1, min(n_examples, len(order))).round().astype(int)
    return [int(order[place]) for place in np.unique(places)]


def _block_matrix(wave_aa: np.ndarray, n_band: int) -> Tensor:
    """Membership of each datum in each block, (n_data, n_block)."""
    n_wave = len(wave_aa)
    member = np.zeros((n_wave + n_band, len(BLOCK_NAMES)), dtype=np.float32)
    member[:, 0] = 1
    for column, (low, high) in enumerate(BLOCKS_AA, start=1):
        member[:n_wave, column] = (wave_aa >= low) & (wave_aa < high)
    member[n_wave:, -1] = 1
    return torch.from_numpy(member)


def _check_chunk(
    forward: Forward, nuisances: NuisanceColumns, vectors: Tensor, given: FitData, iterations: int
) -> dict[str, Tensor]:
    n, n_draw, p = vectors.shape
    data, root = given.data[:, None], given.root[:, None]
    prior = Prior.of(vectors)
    drawn = forward(vectors.reshape(n * n_draw, p), given.redshift.repeat_interleave(n_draw))
    spectra = join(drawn).view(n, n_draw, -1)
    scale = level(spectra, data, root)[..., None]
    spectra.mul_(scale)
    mean, n_wave = spectra.mean(dim=1), drawn.flux.shape[1]
    lines = (drawn.line_flux.view(n, n_draw, -1) * scale).mean(dim=1)
    # All draws share the nuisance columns of their mean.
    solver = NuisanceSolver(nuisances(Synthesis(mean[:, :n_wave], mean[:, n_wave:], lines)), given.root)
    best = solver.cost((data - spectra) * root).argmin(dim=1)
    first = vectors[torch.arange(n), best]
    fit = fit_nuisances(
        forward,
        nuisances,
        refine(forward, nuisances, prior, start=first, given=given, iterations=iterations),
        given=given,
    )
    return {
        "best": fit_nuisances(forward, nuisances, first, given=given).prediction,
        "mean": mean + solver.explain(given.data - mean)[1],
        "refined": fit.prediction,
        "draws": spectra,
        "shift": (prior.whiten(fit.vectors) ** 2).mean(dim=1).sqrt(),
        "calibration_rms": nuisances.calibration(fit.coefficients.float()).std(dim=1),
        "log_ml": fit.scale.log10(),
        **forward.unpack(fit.vectors),
    }


def _models(answer: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the refined models and both ends of the middle 68 % of the draws, (n, n_data) each."""
    low, high = torch.quantile(answer["draws"], torch.tensor([0.16, 0.84]), dim=1)
    return dict(zip(_MODELS, (answer["refined"], low, high), strict=True))


def _example(
    index: int, row: int, data: Tensor, root: Tensor, answer: dict[str, Tensor]
) -> dict[str, np.ndarray]:
    models = _models({name: answer[name][row : row + 1] for name in ("refined", "draws")})
    good = root[row] > 0
    return {
        "index": np.array(index),
        "data": data[row].numpy(),
        "sigma": torch.where(good, 1 / root[row].clamp(min=1e-30), torch.nan).numpy(),
        "mask": good.numpy(),
        **{name: values[0].numpy() for name, values in models.items()},
    }
