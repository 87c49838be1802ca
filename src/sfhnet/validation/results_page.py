"""The page docs/results.md: what the shipped networks reach, in numbers read from the files beside their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sfhnet.core.quantities import FROM_DRAWS, OF_BINS, QUANTITIES
from sfhnet.inference.model import CALIBRATION
from sfhnet.tools.hdf5 import read_json
from sfhnet.validation.band_value import MEASURED
from sfhnet.validation.benchmark_sets import BENCHMARK_KINDS
from sfhnet.validation.metrics import AGE_RANGES_MYR
from sfhnet.validation.model_card import learnt_from

__all__ = ["BAND_VALUE", "FOREIGN", "SIMULATED_GALAXY", "galaxy_results", "results_page"]

SIMULATED_GALAXY = "simulated_galaxy.json"
"""What `galaxy_results` keeps of the simulated galaxy, in the folder of a shipped model."""

FOREIGN = "foreign.json"
"""What `sfhnet.foreign.measure.measure_foreign` found, in the folder of a shipped model."""

BAND_VALUE = "band_value.json"
"""What `sfhnet.validation.band_value.band_value` found, in the folder of a shipped model."""

_SNR = 50.0
_UNIVERSE_MYR = 14000.0
_SHOWN = ("mw_log_age", "lw_log_age", "mw_mh", "lw_mh", "a_v", "t50", "log_sfr10", "log_sfr100", "log_ml")
_HEAD = """<!-- Written by `make docs` from the files of data/models; ship another network and run it again. -->
# Results

What the networks that come with the program reach. No number here was typed: all are read from the files beside the weights.

- **Scatter** is the standard deviation of the error, in brackets half of the range that holds 68 %, which a few bad answers do not move.
- **W1** is the distance of two cumulative histories in dex of age (Wasserstein), **MAE** the mean absolute error of the cumulative mass.
- Every network is set beside one that always answers the mean of the prior. Beside pPXF: [networks](networks.md#the-network-that-comes-with-the-program).
- How all this is measured: [calibration and validation](validation.md). What it does not tell: [limitations](limitations.md).
"""


def results_page(
    folders: Sequence[Path], *, foreign: Callable[[Mapping[str, Any]], Sequence[str]] | None = None
) -> str:
    """Write the page.

    Parameters
    ----------
    folders : sequence of Path
        Of shipped models: ``metrics.json``, ``model.json``, and ``calibration.json``, `BAND_VALUE`, `FOREIGN` and
        `SIMULATED_GALAXY` if they were kept.
    foreign : callable, optional
        Turns what `FOREIGN` holds into lines of Markdown.

    Returns
    -------
    str
        Markdown.
    """
    parts = [_HEAD]
    for folder in folders:
        metrics, info = (read_json(folder / f"{name}.json") for name in ("metrics", "model"))
        parts += [f"## The network {folder.name}\n", *_of_model(metrics, info)]
        calibration = folder / CALIBRATION
        if calibration.is_file() and (of_draws := read_json(calibration).get("from_draws")):
            parts += _of_draws(of_draws)
        if (folder / BAND_VALUE).is_file():
            parts += _of_bands(read_json(folder / BAND_VALUE))
        if foreign and (folder / FOREIGN).is_file():
            parts += foreign(read_json(folder / FOREIGN))
        galaxy = folder / SIMULATED_GALAXY
        if galaxy.is_file():
            parts += _of_galaxy(read_json(galaxy))
    return "\n".join(parts)


def galaxy_results(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page shows of the summary of a simulated galaxy (``summary.json``).

    Raises
    ------
    ValueError
        If the truth of the galaxy is not known.
    """
    if "truth" not in summary:
        raise ValueError(
            f"{summary['galaxy']}: its truth is not known; give the summary of a simulated galaxy"
        )
    return {
        name: summary.get(name) for name in ("galaxy", "model", "n_bins", "median_snr", "truth", "gradients")
    }


def _of_model(metrics: Mapping[str, Any], info: Mapping[str, Any]) -> Iterator[str]:
    training, wave = metrics["training"], info["wave_aa"]
    end = wave["start"] + wave["step"] * (wave["n"] - 1)
    speed = metrics["inference_ms_per_spectrum"]
    drawing = speed.get("one_core_500_samples")
    yield _table(
        ["", ""],
        [
            ["kind", f"`{metrics['kind']}`, {training['n_parameters'] / 1e6:.1f} million weights"],
            ["rest-frame range", f"{wave['start']:.0f} to {end:.0f} Angstrom"],
            ["bands", ", ".join(info["spec"]["band_names"]) or "none"],
            ["training", learnt_from(training)],
            [
                "time a spectrum, one core",
                f"{speed['one_core']:.2g} ms"
                + (f", with 500 joint samples {drawing:.0f} ms" if drawing else ""),
            ],
        ],
    )
    kinds = [kind for kind in ("ideal", "real") if _cases(metrics, kind)]
    main = {kind: min(_cases(metrics, kind), key=_distance) for kind in kinds}
    if main:
        yield from _errors(main)
        yield from _intervals(list(main.values())[-1])
    yield from _with_snr(metrics, kinds)
    yield from _unlike(metrics)


def _distance(case: Mapping[str, Any]) -> tuple[float, bool]:
    return abs(case["snr"] - _SNR), not case["bands"]


def _cases(metrics: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    return [case for case in metrics["cases"].values() if case["benchmark"] == kind]


def _set(case: Mapping[str, Any]) -> str:
    return f"S/N {case['snr']:g} per pixel, {'with' if case['bands'] else 'without'} bands"


def _errors(main: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    first = next(iter(main.values()))
    yield f"### Errors\n\n{_set(first)}, {first['model']['n']:,} mocks that no training saw.\n"
    heads = [f"`{kind}`: {BENCHMARK_KINDS[kind].title}" for kind in main]
    rows = [
        [
            _named(name),
            *(_scatter(case["model"]["scalars"][name]) for case in main.values()),
            _scatter(first["prior_mean"]["scalars"][name]),
        ]
        for name in _SHOWN
        if name in first["model"]["scalars"]
    ]
    for key, title in (("w1_dex", "history: W1 [dex]"), ("cum_mae", "history: MAE")):
        values = [case["model"][key] for case in main.values()]
        rows.append([title, *(f"{value:.3f}" for value in (*values, first["prior_mean"][key]))])
    yield _table(["", *heads, "always the prior mean"], rows)
    case = list(main.values())[-1]
    ranges = [
        [_ages(name), f"{one['w1_dex']:.3f}", f"{one['mass_share_mae']:.3f}", f"{one['mh_mae']:.2f}"]
        for name, one in case["model"]["age_ranges"].items()
    ]
    yield f"By age (`{case['benchmark']}`):\n"
    yield _table(["age", "W1 [dex]", "error of the share of the mass", "error of [M/H] [dex]"], ranges)


def _ages(name: str) -> str:
    low, high = AGE_RANGES_MYR[name]
    return f"older than {low:g} Myr" if high > _UNIVERSE_MYR else f"{low:g} to {high:g} Myr"


def _named(name: str) -> str:
    quantity = QUANTITIES[name]
    return f"{quantity.title} [{quantity.unit}]" if quantity.unit else quantity.title


def _scatter(one: Mapping[str, float]) -> str:
    return f"{one['scatter']:.2f} ({one['robust_scatter']:.2f})"


def _intervals(case: Mapping[str, Any]) -> Iterator[str]:
    found = case["model"]["coverage"]
    yield f"### Intervals\n\nHow many truths in a hundred lie inside, `{case['benchmark']}`, {_set(case)}.\n"
    rows = [("cumulative mass", found["cum_mass"]), ("[M/H] of each age", found["mh"])]
    rows += [(QUANTITIES[name].title, found["scalars"][name]) for name in _SHOWN if name in found["scalars"]]
    levels = list(found["cum_mass"])
    yield _table(
        ["", *(f"{level} % interval" for level in levels)],
        [[title, *(f"{100 * one[level]:.0f}" for level in levels)] for title, one in rows],
    )


def _with_snr(metrics: Mapping[str, Any], kinds: Sequence[str]) -> Iterator[str]:
    yield "### With signal-to-noise and bands\n"
    rows = []
    for kind in kinds:
        for case in sorted(_cases(metrics, kind), key=lambda one: (not one["bands"], one["snr"])):
            one = case["model"]
            scalars = (one["scalars"][name] for name in ("mw_log_age", "mw_mh"))
            rows.append(
                [
                    f"`{kind}`",
                    f"{case['snr']:g}",
                    "yes" if case["bands"] else "no",
                    f"{one['w1_dex']:.3f}",
                    f"{one['cum_mae']:.3f}",
                    *(_scatter(scalar) for scalar in scalars),
                ]
            )
    heads = ["set", "S/N", "bands", "W1 [dex]", "MAE", "mass-weighted log age", "mass-weighted [M/H]"]
    yield _table(heads, rows)


def _unlike(metrics: Mapping[str, Any]) -> Iterator[str]:
    rows = []
    for case in metrics["cases"].values():
        kind = BENCHMARK_KINDS[case["benchmark"]]
        if kind.stress:
            one = case["model"]
            covered = f"{100 * one['coverage']['cum_mass']['68']:.0f} %"
            flagged = f"{100 * case['flagged_out_of_distribution']:.0f} %"
            rows.append([f"`{case['benchmark']}`: {kind.title}", f"{one['w1_dex']:.3f}", covered, flagged])
    if rows:
        yield "### Mocks unlike the training\n"
        yield _table(["set", "W1 [dex]", "68 % intervals hold", "flagged as unlike the mocks"], rows)


def _of_draws(found: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "### What is read off the draws\n\nHow many truths in a hundred lie inside, before calibration and after it, on the half of the "
        "calibration mocks that taught nothing: any S/N, with bands and without. [What they are](products.md#the-quantities).\n"
    )
    levels = ("68", "95")
    rows = [
        [
            FROM_DRAWS[name].title,
            *(f"{100 * found[state][name][level]:.0f}" for level in levels for state in ("before", "after")),
            f"{one['n']:,}",
        ]
        for name, one in found["after"].items()
    ]
    heads = [f"{level} % interval, {words}" for level in levels for words in ("as drawn", "calibrated")]
    yield _table(["", *heads, "answers"], rows)
    yield "How often there was a burst, by the probability that the answer gave it (`p_burst`):\n"
    yield _table(
        ["probability in the answer", "bursts", "answers"],
        [[f"{100 * b['said']:.0f} %", f"{100 * b['was']:.0f} %", f"{b['n']:,}"] for b in found["bursts"]],
    )


def _of_bands(result: Mapping[str, Any]) -> Iterator[str]:
    calibrated = "" if result["calibrated"] else "not "
    yield (
        f"### What each band brings\n\n{result['galaxies']:,} mocks of `real`, the same for all rows. The first two rows are mean "
        "errors; the others are changes in %, of the error with its standard error, in brackets of the width of the 68 % interval "
        f"({calibrated}calibrated): where a band is taken away from all, against all; where it is given alone, against none.\n"
    )
    rows = {(row["snr"], row["bands"], row["quantity"]): row for row in result["rows"]}
    order = [f"{kind} {band}" for kind in ("without", "only") for band in result["band_names"]]
    for snr in dict.fromkeys(row["snr"] for row in result["rows"]):

        def cells(name: str, show: Callable[[Mapping[str, Any]], str], snr: float = snr) -> list[str]:
            return [name, *(show(rows[snr, name, quantity]) for quantity in MEASURED)]

        found = [cells(name, lambda row: f"{row['error']:.4f}") for name in ("none", "all")]
        yield _table(
            [f"S/N {snr:g}", *MEASURED.values()], [*found, *(cells(name, _changed) for name in order)]
        )


def _changed(row: Mapping[str, Any]) -> str:
    return f"{row['error_change']:+.1f} ± {row['error_change_err']:.1f} ({row['width_change']:+.1f})"


def _of_galaxy(kept: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"### A galaxy whose history is known\n\nThe simulated spiral, {kept['n_bins']} bins of median S/N "
        f"{kept['median_snr']:.0f}. Its bins share errors (one flux-calibration curve a pointing), so that their coverage is that of a few "
        "draws ([products](products.md#coverage-on-the-simulated-galaxy)).\n"
    )
    beside = any("rms_prior_mean" in one for one in kept["truth"].values())
    yield _table(
        ["", "bias", "RMS", *(["RMS, always the prior mean"] if beside else []), "68 % intervals hold"],
        [
            [
                f"{OF_BINS[name].title} [{OF_BINS[name].unit}]",
                f"{one['bias']:+.2f}",
                f"{one['rms']:.2f}",
                *([f"{one['rms_prior_mean']:.2f}" if "rms_prior_mean" in one else ""] if beside else []),
                f"{100 * one['coverage_68']:.0f} %",
            ]
            for name, one in kept["truth"].items()
        ],
    )
    rows = [
        [
            OF_BINS[name.removesuffix("_per_kpc")].title,
            f"{one['slope']:+.3f} ± {one['slope_err']:.3f}",
            f"{one['true_slope']:+.3f}",
            f"{abs(one['n_sigma']):.1f}",
        ]
        for name, one in (kept["gradients"] or {}).items()
        if name.endswith("_per_kpc") and one.get("true_slope") is not None
    ]
    if rows:
        yield "Gradients per kpc:\n"
        yield _table(["", "measured", "true", "off by, in its errors"], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines) + "\n"
