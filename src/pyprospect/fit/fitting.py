"""One interface to every way of answering: the mode, the normal about it, chains, nested sampling, weighed draws."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pyprospect.arguments import check_argument, check_counts
from pyprospect.fit.answers import Answer, FitFileError, read_answers, write_answers
from pyprospect.fit.chains import Run, run_chains
from pyprospect.fit.data import Data
from pyprospect.fit.laplace import Laplace, laplace
from pyprospect.fit.likelihood import Calibration, Likelihood
from pyprospect.fit.map import modes
from pyprospect.fit.model import GalaxyModel
from pyprospect.fit.nested import sample_nested
from pyprospect.fit.target import Target
from pyprospect.fit.weigh import weigh
from pyprospect.messages import ProSpectWarning

__all__ = ["ConvergenceWarning", "FewDataWarning", "Fit", "fit"]

Array = NDArray[np.float64]
_DERIVED_BLOCK = 512


class ConvergenceWarning(ProSpectWarning):
    """A sampler did not reach what was asked of it."""


class FewDataWarning(ProSpectWarning):
    """There are fewer values than free parameters: the priors decide."""


class Fit:
    """A fit of one galaxy.

    Made by `fit`. A fit that was read from a file without its model can show what it has, but not go on.

    Attributes
    ----------
    answers : dict of str to Answer
        By way of sampling, the latest last.
    log_evidence : dict of str to float
        Of the ways that give one: ``laplace``, ``nested``, ``weighed``.
    """

    def __init__(
        self, data: Data, model: GalaxyModel, likelihood: Likelihood, *, path: Path | None, seed: int
    ) -> None:
        self.data, self.model, self.likelihood = data, model, likelihood
        self.path, self.seed = path, seed
        self.target = Target(model, likelihood)
        self.plain = Target(model, likelihood, level=False)
        self.answers: dict[str, Answer] = {}
        self.log_evidence: dict[str, float] = {}
        self.mode: Laplace | None = None
        self.arrays: dict[str, Array] = self._data_arrays()
        self.row = torch.zeros(1, dtype=torch.long)

    # -- ways of answering ---------------------------------------------------------------------------------------

    def map(self, n_start: int = 16, starts: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Find the most probable model: the mode in the coordinates where every prior is a unit normal.

        With uniform priors those are not quite the coordinates of the parameters: next to the edge of a prior the two
        modes differ, within the posterior's width.

        Parameters
        ----------
        n_start : int
            Draws of the prior to start from.
        starts : mapping, optional
            More starts: values (k,) of the free parameters, as a network's draws are.

        Returns
        -------
        dict
            The free parameters at the mode.
        """
        check_counts("map", n_start=n_start, least=1 if starts is None else 0)
        u = self.target.start(n_start, np.random.default_rng([self.seed, 1]))
        if starts is not None:
            given = self.model.parameters.to_normal(starts)
            u = torch.cat([self.target.to_coordinates(given, self.row.expand(len(given))), u])
        self.target.check(u, self.row.expand(len(u)))
        found = modes(self.target, u[None], self.row)
        if not bool(found.converged[0]):
            warnings.warn(
                "the climb to the mode did not end within its steps; take more starts, or sample instead",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.mode = laplace(self.target, found.u, self.row, found.log_prob)
        self.log_evidence["laplace"] = float(self.mode.log_evidence[0])
        self.arrays["mode"] = found.u.numpy()
        values = self.target.values(found.u, self.row)
        out = {k: values[k][0].tolist() for k in self.model.parameters.priors}
        return out | {"log_prob": float(found.log_prob[0]), "agreeing_starts": int(found.agreeing[0])}

    def sample(self, way: str = "nuts", **options: Any) -> Answer:
        """Sample the posterior.

        Parameters
        ----------
        way : {"laplace", "nuts", "nested"}
        **options
            ``laplace``: ``n_draw``. ``nuts``: ``n_chain`` (8), ``min_effective`` (400), ``max_draws`` a chain (1500).
            ``nested``: ``n_live``, ``n_effective``, ``n_networks``, ``seconds``. All: ``progress``.

        Returns
        -------
        Answer

        Raises
        ------
        ValueError
            For an unknown way.
        """
        ways: dict[str, Callable[..., Answer]] = {
            "laplace": self._laplace,
            "nuts": self._nuts,
            "nested": self._nested,
        }
        if way not in ways:
            raise ValueError(f"way of sampling {way!r} is unknown; use one of {sorted(ways)}")
        if self.mode is None and way != "nested":
            self.map()
        return self._keep(ways[way](**options))

    def _laplace(self, n_draw: int = 1000, progress: bool = False) -> Answer:
        check_counts("laplace", n_draw=n_draw)
        assert self.mode is not None  # noqa: S101 (made by sample)
        u = self.mode.draws(n_draw, np.random.default_rng([self.seed, 2]))[0]
        log_prob = self.target.log_prob(u, self.row.expand(n_draw))
        about = {"log_evidence": self.log_evidence["laplace"]}
        weight = np.full((1, n_draw), -np.log(n_draw))
        return self._answer("laplace", self._plain(u)[None], weight, log_prob[None], about)

    def _plain(self, u: torch.Tensor) -> Array:
        """Return coordinates of the target (n, n_free) as plain standard normal ones."""
        if not self.target.level:
            return u.numpy()
        values = self.target.values(u, self.row.expand(len(u)))
        prior, at = self.model.parameters.priors["log_mass"], self.model.parameters.slices["log_mass"]
        u = u.clone()
        edges = prior.from_normal(torch.tensor([[-5.0], [5.0]], dtype=torch.float64)).tolist()
        u[:, at] = prior.to_normal(values["log_mass"].clamp(*edges))
        return u.numpy()

    def _nuts(
        self,
        n_chain: int = 8,
        min_effective: float = 400,
        max_draws: int = 1500,
        progress: bool = False,
    ) -> Answer:
        check_counts("nuts", n_chain=n_chain, max_draws=max_draws)
        check_argument("nuts", "min_effective", min_effective)
        earlier = self.answers.get("nuts")
        go_on = None
        if earlier is not None and earlier.u.shape[0] == n_chain:
            go_on = Run(
                self.arrays["nuts_u"],
                earlier.log_prob,
                self.arrays["nuts_factor"],
                self.arrays["nuts_centre"],
                self.arrays["nuts_step"],
                earlier.about["divergences"],
                earlier.about["acceptance"],
            )
        assert self.mode is not None  # noqa: S101

        def keep(run: Run) -> None:
            kept = {"u": run.u, "factor": run.factor, "centre": run.centre, "step": run.step}
            self.arrays |= {f"nuts_{name}": value for name, value in kept.items()}
            self._keep(self._of_run(run, derive=False))

        run = run_chains(
            self.target,
            self.mode,
            galaxy=0,
            seed=self.seed,
            n_chain=n_chain,
            min_effective=min_effective,
            max_draws=max_draws,
            go_on=go_on,
            keep=keep,
            progress=progress,
        )
        if not run.enough(min_effective):
            warnings.warn(
                f"the chains did not converge: effective draws {run.effective:.0f} (asked {min_effective:.0f}), R-hat "
                f"{run.r_hat:.3f}; raise max_draws, or compare with sample('nested')",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self._of_run(run, derive=True)

    def _of_run(self, run: Run, *, derive: bool) -> Answer:
        weight = np.full(run.log_prob.shape, -np.log(run.log_prob.size))
        about = {"divergences": run.divergences, "acceptance": run.acceptance}
        u = self._plain(torch.as_tensor(run.u.reshape(-1, run.u.shape[2]))).reshape(run.u.shape)
        return self._answer("nuts", u, weight, torch.as_tensor(run.log_prob), about, derive=derive)

    def _nested(self, progress: bool = False, **options: Any) -> Answer:
        path = None
        if self.path is not None:
            # The sampler's own file does not say what it is of: its name does.
            said = repr((self.identity, self.seed, options.get("n_live"), options.get("n_networks")))
            key = hashlib.sha256(said.encode()).hexdigest()[:8]
            path = self.path.with_name(f"{self.path.stem}.nested-{key}.h5")
        plain = self.plain
        plain.check(plain.start(64, np.random.default_rng([self.seed, 1])), self.row.expand(64))
        found = sample_nested(plain, 0, seed=self.seed, path=path, progress=progress, **options)
        if not found.complete:
            warnings.warn(
                f"nested sampling stopped at {found.effective_size:.0f} effective draws; give it more seconds",
                ConvergenceWarning,
                stacklevel=3,
            )
        self.log_evidence["nested"] = found.log_evidence
        about = {"log_evidence": found.log_evidence, "log_evidence_error": found.log_evidence_error}
        u = torch.as_tensor(found.u)
        log_prob = torch.as_tensor(found.log_likelihood) + plain.log_prior(u)
        return self._answer("nested", found.u[None], found.log_weight[None], log_prob[None], about)

    def weigh(self, draws: Mapping[str, Any], log_density: Array | None = None) -> Answer:
        """Weigh draws of something else, such as a network, by the posterior: see `pyprospect.fit.weigh.weigh`."""
        target = self.target if log_density is None else self.plain
        found = weigh(target, draws, log_density)
        u = self._plain(found.u) if target.level else found.u.numpy()
        self.log_evidence["weighed"] = found.log_evidence
        if found.collapsed:
            warnings.warn(
                f"the weights collapse: {found.effective_size:.1f} effective of {found.u.shape[0]} draws "
                f"(Pareto k {found.pareto_k:.2f}); the draws miss the posterior: sample it instead",
                ConvergenceWarning,
                stacklevel=2,
            )
        about = {
            "log_evidence": found.log_evidence,
            "effective_size": found.effective_size,
            "pareto_k": found.pareto_k,
            "collapsed": found.collapsed,
        }
        answer = self._answer("weighed", u[None], found.log_weight[None], found.log_prob[None], about)
        return self._keep(answer)

    def best_log_mass(self, draws: Mapping[str, Any]) -> Array:
        """Return the ``log_mass`` that fits best with other values (n,) of the free parameters, inside its prior."""
        prior = self.model.parameters.priors["log_mass"]
        n = len(next(iter(draws.values())))
        low, middle, high = prior.from_normal(torch.tensor([[-5.0], [0.0], [5.0]], dtype=torch.float64))
        u = self.model.parameters.to_normal({**draws, "log_mass": middle.expand(n).numpy()})
        rows = self.row.expand(n)
        with torch.no_grad():
            light = self.model.predict(self.model.parameters.values(u), rows)
            share = self.likelihood.best_level(light, rows).clamp(min=1e-8)
        return (middle + torch.log10(share)).clamp(low, high).numpy()

    # -- what was found -------------------------------------------------------------------------------------------

    @property
    def latest(self) -> Answer:
        """The answer of the latest way; ValueError before there is one."""
        if not self.answers:
            raise ValueError("nothing was sampled yet; call sample() first")
        return next(reversed(self.answers.values()))

    def answer(self, way: str | None = None) -> Answer:
        """Return the answer of a way of sampling, by default the latest; ValueError where there is none."""
        if way is None:
            return self.latest
        if way not in self.answers:
            raise ValueError(f"nothing was sampled by {way!r}; there are {list(self.answers)}")
        return self.answers[way]

    def summary(self, way: str | None = None) -> str:
        """Return a table: mean, width, quantiles, effective draws and R-hat of everything."""
        answer = self.answer(way)
        head = f"{'':22s}{'mean':>10s}{'sigma':>10s}{'16 %':>10s}{'median':>10s}{'84 %':>10s}{'eff.':>8s}{'R-hat':>7s}"
        lines = [f"{answer.kind}: {answer.log_weight.size} draws", head]
        for r in answer.rows():
            numbers = (r.mean, r.sigma, r.q16, r.median, r.q84)
            lines.append(
                f"{r.name:22s}" + "".join(f"{x:10.4g}" for x in numbers) + f"{r.effective:8.0f}{r.r_hat:7.3f}"
            )
        for kind, value in self.log_evidence.items():
            lines.append(f"ln evidence ({kind}): {value:.2f}")
        return "\n".join(lines)

    def corner(self, way: str | None = None, **options: Any) -> Any:
        """Return a figure of all pairs of parameters; see `pyprospect.fit.figures.corner`."""
        from pyprospect.fit import figures

        return figures.corner(self.answer(way), **options)

    def plot_sed(self, way: str | None = None) -> Any:
        """Return a figure of data, model and residuals."""
        from pyprospect.fit import figures

        answer = self.answer(way)
        return figures.plot_sed(self.arrays, answer.kind)

    def plot_sfh(self, way: str | None = None) -> Any:
        """Return a figure of the star-formation history with its 68 and 95 % bands."""
        from pyprospect.fit import figures

        answer = self.answer(way)
        return figures.plot_sfh(self.arrays, answer.kind)

    # -- keeping --------------------------------------------------------------------------------------------------

    def _answer(
        self,
        kind: str,
        u: Array,
        log_weight: Array,
        log_prob: torch.Tensor,
        about: dict[str, Any],
        *,
        derive: bool = True,
    ) -> Answer:
        flat = torch.as_tensor(u.reshape(-1, u.shape[-1]))
        values = self.model.parameters.values(flat)
        columns = self.model.parameters.flat(values).numpy().reshape(*u.shape[:2], -1)
        derived: dict[str, Array] = {}
        if derive:
            parts = [self.model.derived(self.model.parameters.values(b)) for b in flat.split(_DERIVED_BLOCK)]
            derived = {k: np.concatenate([p[k] for p in parts]).reshape(u.shape[:2]) for k in parts[0]}
            derived = {k: v for k, v in derived.items() if np.isfinite(v).all()}
        labels = self.model.parameters.labels
        answer = Answer(kind, u, log_weight, log_prob.numpy(), labels, columns, derived, about)
        if derive:
            self._predict(answer)
        return answer

    def _predict(self, answer: Answer, n: int = 200) -> None:
        """Keep quantiles of what the posterior predicts, for the figures."""
        levels = np.array([0.025, 0.16, 0.5, 0.84, 0.975])
        u = torch.as_tensor(answer.equal(n, np.random.default_rng([self.seed, 3])))
        with torch.no_grad():
            values = self.model.parameters.values(u)
            rows = self.row.expand(n)
            fluxes = self.likelihood.calibrated(self.model.predict(values, rows), values, rows).numpy()
            mass, _ = self.model.masses(values)
        rate = mass.numpy() / np.diff(self.model.library.age_edges_yr)
        self.arrays[f"{answer.kind}_flux"] = np.quantile(fluxes, levels, axis=0)
        self.arrays[f"{answer.kind}_rate"] = np.quantile(rate, levels, axis=0)

    def _keep(self, answer: Answer) -> Answer:
        self.answers.pop(answer.kind, None)
        self.answers[answer.kind] = answer
        if self.path is not None:
            self.write(self.path)
        return answer

    def _data_arrays(self) -> dict[str, Array]:
        out: dict[str, Array] = {"age_edges_yr": np.asarray(self.model.library.age_edges_yr)}
        waves = []
        if self.data.spectrum is not None:
            waves.append(np.asarray(self.data.rest_wave_aa))
        if self.data.photometry is not None:
            waves.append(self.data.photometry.pivot_aa / (1 + self.data.redshift[0]))
        out["rest_wave_aa"] = np.concatenate(waves)
        like = self.likelihood
        out["n_wave"] = np.array(like.n_wave)
        return out | {
            "flux": like.flux[0].numpy(),
            "sigma": like.sigma[0].numpy(),
            "good": like.good[0].numpy(),
            "limit": like.limit[0].numpy(),
        }

    @property
    def identity(self) -> str:
        """A digest of data and model: what a file must be of, to go on from it."""
        digest = hashlib.sha256()
        for name in ("rest_wave_aa", "flux", "sigma", "good", "limit", "age_edges_yr"):
            digest.update(np.ascontiguousarray(self.arrays[name]).tobytes())
        p = self.model.parameters
        fixed = {name: value.tolist() for name, value in p.fixed.items()}
        m = self.model
        said = (m.history, m.metallicity, m.library.name, self.likelihood.kind, sorted(m.defaults))
        digest.update(
            repr((said, list(p.priors.items()), fixed, sorted(p.tied), self.likelihood.calibration)).encode()
        )
        return digest.hexdigest()

    def write(self, path: str | os.PathLike) -> None:
        """Write everything to one HDF5 file."""
        about = {"identity": self.identity, "log_evidence": self.log_evidence, "seed": self.seed}
        write_answers(path, self.answers, about, self.arrays)

    def resume(self, path: str | os.PathLike) -> Fit:
        """Take up what a file of this fit holds.

        Raises
        ------
        FitFileError
            If the file is of other data or another model.
        """
        answers, about, arrays = read_answers(path)
        if about["identity"] != self.identity:
            raise FitFileError(
                f"{path} is a fit of other data or another model; move it away, or give the fit another path"
            )
        self.answers, self.log_evidence = answers, about["log_evidence"]
        self.arrays |= arrays
        if "mode" in arrays:
            u = torch.as_tensor(arrays["mode"])
            self.mode = laplace(self.target, u, self.row, self.target.log_prob(u, self.row))
        return self

    @staticmethod
    def read(path: str | os.PathLike) -> StoredFit:
        """Read a fit without its model: it shows what it has."""
        return StoredFit(*read_answers(path))


class StoredFit(Fit):
    """A fit from a file, without its model: summary and figures, no sampling."""

    def __init__(self, answers: dict[str, Answer], about: dict[str, Any], arrays: dict[str, Array]) -> None:
        self.answers, self.log_evidence, self.arrays = answers, about["log_evidence"], arrays
        self.about, self.path = about, None

    def _without_model(self, *_: Any, **__: Any) -> Any:
        """Raise ValueError: there is no model."""
        raise ValueError(
            "a fit that was read has no model and can only show what it has; make it again with fit(..., path=...)"
        )

    map = sample = weigh = best_log_mass = resume = _without_model

    def write(self, path: str | os.PathLike) -> None:
        """Write it again."""
        write_answers(path, self.answers, self.about, self.arrays)


def fit(
    data: Data,
    model: GalaxyModel,
    *,
    likelihood: str = "norm",
    calibration: Calibration | None = None,
    path: str | os.PathLike | None = None,
    seed: int = 1,
) -> Fit:
    """Return a fit of one galaxy, ready to answer.

    Parameters
    ----------
    data : Data
        Of one galaxy; `fit_many` takes more.
    model : GalaxyModel
        Of these data.
    likelihood : {"norm", "st", "chisq"}
    calibration : Calibration, optional
        Marginalised.
    path : path, optional
        HDF5 file that is written after each step; if it is there, the fit goes on from it.
    seed : int
        Of all random numbers.

    Returns
    -------
    Fit

    Raises
    ------
    ValueError
        If data and model do not go together, or nothing usable is in the data.
    FitFileError
        If the file at `path` is of another fit.

    Examples
    --------
    >>> found = fit(data, model, path="galaxy.h5")  # doctest: +SKIP
    >>> found.map(); found.sample("nuts"); print(found.summary())  # doctest: +SKIP
    """
    if data.n != 1:
        raise ValueError(f"the data are of {data.n} galaxies; use fit_many, or data.take([0])")
    n_free, n_value = model.parameters.n_free, int(data.n_values[0])
    if n_value == 0:
        raise ValueError("every value of the data is masked or not finite; there is nothing to fit")
    if n_value < n_free:
        warnings.warn(
            f"{n_value} values for {n_free} free parameters: the priors decide the rest; fix or tie some parameters",
            FewDataWarning,
            stacklevel=2,
        )
    like = Likelihood(data, likelihood, calibration=calibration, n_free=n_free)
    found = Fit(data, model, like, path=None if path is None else Path(path), seed=seed)
    n_model = (model.synthesizer.wave_aa.size if model.has_spectrum else 0) + len(
        model.synthesizer.band_names
    )
    if n_model != like.flux.shape[1]:
        raise ValueError(
            f"the model gives {n_model} values, the data have {like.flux.shape[1]}; make the model of these data"
        )
    if found.path is not None and found.path.is_file():
        found.resume(found.path)
    return found
