"""Benchmark mocks through pPXF: which ones, the regularisation that suits them best, and the answers chunk by chunk."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sfhnet.config import Config
from sfhnet.core.posterior import point_posterior
from sfhnet.core.quantities import SCALARS
from sfhnet.mocks.benchmark_noise import BENCHMARK_NOISE
from sfhnet.mocks.calibration_errors import zero_point_rms
from sfhnet.ppxf.fit import RECOMMENDED, FitSettings, PpxfSpectrum, fit_spectrum, scheme_name
from sfhnet.ppxf.histories import Histories
from sfhnet.ppxf.templates import Templates
from sfhnet.tools.hdf5 import create_h5, open_h5, put, read_json, write_json
from sfhnet.tools.progress import track
from sfhnet.validation.benchmark_sets import BENCHMARK_KINDS, Case
from sfhnet.validation.metrics import point_metrics

__all__ = ["BEST", "PpxfAnswers", "fit_chunk", "measured_rows", "tune", "tuning_rows"]

_log = logging.getLogger("sfhnet.ppxf")

SCHEMA, SCHEMA_VERSION = "sfhnet.ppxf", 1
TUNING = "sfhnet.ppxf_regularisation/1"

# Name in tables of the fixed regularisation that does best on the tuning mocks.
BEST = "best"

# Multiplicative polynomial where the templates are not what the spectra were made of: as for real galaxies.
FOREIGN_DEGREE = 10

# What is kept of each fit beside the history -> unit.
_OF_FIT = {
    "regul": "",
    "rise": "sqrt(2 N)",
    "chi2": "",
    "velocity_kms": "km/s",
    "sigma_kms": "km/s",
    "cpu_s": "s",
    "wall_s": "s",
}


@dataclass(frozen=True)
class PpxfAnswers:
    """Answers to some mocks at one regularisation.

    Attributes
    ----------
    row : ndarray of int (n,)
        Places of the mocks in the benchmark set.
    mass_fraction, mh : ndarray (n, n_age)
        Histories; NaN where the fit failed.
    scalars : dict of ndarray (n,)
        Those of `sfhnet.core.quantities.SCALARS`.
    of_fit : dict of ndarray (n,)
        ``regul``, ``rise``, ``chi2``, kinematics and seconds, see `sfhnet.ppxf.fit.PpxfFit`.
    """

    row: np.ndarray
    mass_fraction: np.ndarray
    mh: np.ndarray
    scalars: dict[str, np.ndarray]
    of_fit: dict[str, np.ndarray]

    @property
    def found(self) -> np.ndarray:
        """True where there is an answer, (n,) bool."""
        return np.isfinite(self.mass_fraction).all(axis=1)

    @classmethod
    def cat(cls, parts: Sequence[PpxfAnswers]) -> PpxfAnswers:
        """Join chunks."""
        return cls(
            row=np.concatenate([p.row for p in parts]),
            mass_fraction=np.concatenate([p.mass_fraction for p in parts]),
            mh=np.concatenate([p.mh for p in parts]),
            scalars={k: np.concatenate([p.scalars[k] for p in parts]) for k in parts[0].scalars},
            of_fit={k: np.concatenate([p.of_fit[k] for p in parts]) for k in parts[0].of_fit},
        )


def measured_rows(n: int, config: Config) -> np.ndarray:
    """Return which of `n` mocks are measured: evenly spread, because neighbours share a kind of noise.

    Parameters
    ----------
    n : int
        Mocks of the benchmark set.
    config : Config
        Shares of the section ``ppxf``.

    Returns
    -------
    ndarray of int (n_measured,)
    """
    return _spread(n, config.ppxf.shares(n)[0])


def tuning_rows(n: int, config: Config) -> np.ndarray:
    """Return which of `n` mocks choose the regularisation: spread too, and none of the measured ones.

    Parameters
    ----------
    n : int
        Mocks of the benchmark set.
    config : Config
        Shares of the section ``ppxf``.

    Returns
    -------
    ndarray of int (n_tuning,)
    """
    rest = np.setdiff1d(np.arange(n), measured_rows(n, config))
    return rest[_spread(len(rest), config.ppxf.shares(n)[1])]


def _spread(n: int, wanted: int) -> np.ndarray:
    return (np.arange(wanted) * n) // wanted


def settings_for(case: Case, config: Config, reguls: Sequence[float], *, recommended: bool) -> FitSettings:
    """Return how a benchmark is fitted: known kinematics and exact calibration are not fitted.

    Parameters
    ----------
    case : Case
        Which benchmark.
    config : Config
        Section ``ppxf``.
    reguls : sequence of float
        Fixed regularisations.
    recommended : bool
        Also find the value that pPXF's manual recommends.

    Returns
    -------
    FitSettings
    """
    kind = BENCHMARK_KINDS[case.kind]
    off = set(kind.off) | set(BENCHMARK_NOISE.off)
    exact = "calibration" in off and not kind.ripple
    degree = 0 if exact else config.ppxf.multiplicative_degree
    return FitSettings(
        known_kinematics="kinematics" in off,
        mdegree=FOREIGN_DEGREE if kind.foreign else degree,
        reguls=tuple(reguls),
        recommended=recommended,
    )


def fit_rows(
    case: Case, rows: np.ndarray, templates: Templates, *, settings: FitSettings, config: Config
) -> dict[str, PpxfAnswers]:
    """Fit some mocks of a case; one that fails is logged and has NaN, the others go on.

    Parameters
    ----------
    case : Case
        Benchmark set.
    rows : ndarray of int (n,)
        Places of the mocks in it.
    templates : Templates
        With photometry if the case has bands.
    settings : FitSettings
        From `settings_for`.
    config : Config
        Age bins, zero points.

    Returns
    -------
    dict of PpxfAnswers
        By name of the scheme.
    """
    histories = Histories(templates.library, np.asarray(config.age_bins_myr))
    names = [scheme_name(value) for value in settings.reguls]
    names += [RECOMMENDED] if settings.recommended else []
    n_age = len(config.age_bins_myr) - 1
    nothing = {"mass_fraction": np.full(n_age, np.nan), "mh": np.full(n_age, np.nan)}
    found: dict[str, list[tuple[dict, dict]]] = {name: [] for name in names}
    batch = case.batch
    floor = _zero_point_error(case) if case.bands else 0.0
    for row in track(rows, f"pPXF on {case.name}", unit="mocks"):
        bands = {}
        if case.bands:
            flux = batch.band_flux[row].numpy().astype(float)
            sigma = np.hypot(batch.band_sigma[row].numpy(), floor * flux)
            bands = {"band_flux": flux, "band_sigma": sigma, "band_mask": batch.band_mask[row].numpy()}
        one = PpxfSpectrum(
            batch.flux[row].numpy(), batch.sigma[row].numpy(), batch.mask[row].numpy(), **bands
        )
        try:
            fits = fit_spectrum(one, templates, settings)
            answers = {
                name: (
                    histories(fit.mass_msun, fit.transmission_v),
                    {key: getattr(fit, key) for key in _OF_FIT},
                )
                for name, fit in fits.items()
            }
        except (ValueError, AssertionError, np.linalg.LinAlgError) as error:
            _log.warning("%s, mock %d: pPXF failed: %s", case.name, row, error)
            lost = (nothing | dict.fromkeys(SCALARS, np.nan), dict.fromkeys(_OF_FIT, np.nan))
            answers = dict.fromkeys(names, lost)
        for name in names:
            found[name].append(answers[name])
    return {name: _stack(np.asarray(rows), pairs) for name, pairs in found.items()}


def _stack(rows: np.ndarray, pairs: list[tuple[dict, dict]]) -> PpxfAnswers:
    return PpxfAnswers(
        row=rows,
        mass_fraction=np.array([history["mass_fraction"] for history, _ in pairs]),
        mh=np.array([history["mh"] for history, _ in pairs]),
        scalars={name: np.array([history[name] for history, _ in pairs]) for name in SCALARS},
        of_fit={name: np.array([fit[name] for _, fit in pairs]) for name in _OF_FIT},
    )


def _zero_point_error(case: Case) -> float:
    # The errors of the bands do not hold those of zero points, which the networks learn; pPXF is told.
    return float(np.hypot(*zero_point_rms(BENCHMARK_NOISE, BENCHMARK_KINDS[case.kind].off)))


def measure(answers: PpxfAnswers, case: Case, config: Config) -> dict[str, Any]:
    """Return `sfhnet.validation.metrics.point_metrics` of the answers that there are.

    Parameters
    ----------
    answers : PpxfAnswers
        Answers at one regularisation.
    case : Case
        Holds the truth.
    config : Config
        Age bins.

    Returns
    -------
    dict
    """
    keep = answers.found
    posterior = point_posterior(
        np.asarray(config.age_bins_myr),
        answers.mass_fraction[keep],
        answers.mh[keep],
        scalars={name: value[keep] for name, value in answers.scalars.items()},
    )
    truth = {name: value[answers.row[keep]] for name, value in case.benchmark.truth.items()}
    return point_metrics(posterior, truth)


def tune(
    case: Case, templates: Templates, config: Config, *, out: Path, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """Find the fixed regularisation with the smallest error of the cumulative history on the tuning mocks.

    Parameters
    ----------
    case : Case
        From `sfhnet.validation.benchmark_sets.find_case`.
    templates : Templates
        With photometry if the case has bands.
    config : Config
        The configuration.
    out : Path
        JSON.
    provenance : mapping
        Stored in it.

    Returns
    -------
    dict
        What the JSON holds: ``best``, and the metrics of every value.
    """
    rows = tuning_rows(len(case.batch), config)
    answers = fit_rows(
        case,
        rows,
        templates,
        settings=settings_for(case, config, config.ppxf.regul, recommended=False),
        config=config,
    )
    tried = {}
    for value in config.ppxf.regul:
        metrics = measure(answers[scheme_name(value)], case, config)
        tried[f"{value:g}"] = {name: metrics[name] for name in ("n", "cum_mae", "w1_dex", "mh_mae")}
    best = min(config.ppxf.regul, key=lambda value: tried[f"{value:g}"]["cum_mae"])
    result = {
        "schema_version": TUNING,
        "case": case.name,
        "best": best,
        "tried": tried,
        "rows": rows,
        "benchmark_sha256": case.benchmark.sha256,
        "provenance": dict(provenance),
    }
    write_json(out, result)
    return result


def fit_chunk(
    case: Case,
    chunk: int,
    tuning: Path,
    *,
    templates: Templates,
    config: Config,
    out: Path,
    provenance: Mapping[str, Any],
) -> None:
    """Fit one chunk of the measured mocks at the best and at the recommended regularisation.

    Parameters
    ----------
    case : Case
        From `sfhnet.validation.benchmark_sets.find_case`.
    chunk : int
        Which chunk.
    tuning : Path
        From `tune`.
    templates, config
        As there.
    out : Path
        HDF5, a group a scheme.
    provenance : mapping
        Stored in it.
    """
    best = float(read_json(tuning)["best"])
    rows = measured_rows(len(case.batch), config)[chunk * config.ppxf.chunk : (chunk + 1) * config.ppxf.chunk]
    answers = fit_rows(
        case, rows, templates, settings=settings_for(case, config, (best,), recommended=True), config=config
    )
    with create_h5(out, SCHEMA, SCHEMA_VERSION, provenance=provenance) as file:
        file.attrs["case"], file.attrs["benchmark_sha256"] = case.name, case.benchmark.sha256
        for name, key in ((BEST, scheme_name(best)), (RECOMMENDED, RECOMMENDED)):
            _put(file.create_group(name), answers[key])


def _put(group: Any, answers: PpxfAnswers) -> None:
    put(group, "row", answers.row, unit="", axes="galaxy")
    put(group, "mass_fraction", answers.mass_fraction, unit="", axes="galaxy, age")
    put(group, "mh", answers.mh, unit="dex", axes="galaxy, age")
    for name, value in answers.scalars.items():
        put(group, f"scalars/{name}", value, unit=SCALARS[name].unit, axes="galaxy")
    for name, value in answers.of_fit.items():
        put(group, f"fit/{name}", value, unit=_OF_FIT[name], axes="galaxy")


def case_of(path: Path) -> str:
    """Return the name of the case that a chunk belongs to."""
    with open_h5(path, SCHEMA, SCHEMA_VERSION) as file:
        return str(file.attrs["case"])


def read_chunks(paths: Sequence[Path]) -> tuple[str, dict[str, PpxfAnswers]]:
    """Read the chunks of one case.

    Returns
    -------
    sha256, answers : str, dict of PpxfAnswers
        Checksum of the benchmark set; answers by scheme.

    Raises
    ------
    ValueError
        If they belong to different benchmark sets.
    """
    sums: set[str] = set()
    parts: dict[str, list[PpxfAnswers]] = {BEST: [], RECOMMENDED: []}
    for path in paths:
        with open_h5(path, SCHEMA, SCHEMA_VERSION) as file:
            sums.add(file.attrs["benchmark_sha256"])
            for scheme, found in parts.items():
                group = file[scheme]
                found.append(
                    PpxfAnswers(
                        row=group["row"][()],
                        mass_fraction=group["mass_fraction"][()],
                        mh=group["mh"][()],
                        scalars={name: group[f"scalars/{name}"][()] for name in SCALARS},
                        of_fit={name: group[f"fit/{name}"][()] for name in _OF_FIT},
                    )
                )
    if len(sums) != 1:
        raise ValueError(
            f"{paths[0].parent} holds chunks of {len(sums)} benchmark sets; delete it and run again"
        )
    return sums.pop(), {scheme: PpxfAnswers.cat(found) for scheme, found in parts.items()}
