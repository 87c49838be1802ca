"""Compare networks at equal CPU time of one thread: each trained for as many seconds, seed by seed, and measured.

    python speed/compare_networks.py --config speed/networks.yaml --shards results/synthesis/00*.h5 \
        --validation results/synthesis/0020.h5 --test results/synthesis/0023.h5 --seconds 120 --seeds 1 2 3 --out table.json

Every network of the configuration's ``models`` takes part. Noisy draws are made once for all networks that see the same
features and banked; what making them took, shared over the uses of a draw, counts as time of training.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from sfhnet.config import Config, load_config
from sfhnet.mocks.dataset import Mocks
from sfhnet.networks.linear_features import FeatureBatch
from sfhnet.tools.hdf5 import write_json
from sfhnet.tools.random_streams import torch_stream
from sfhnet.training.setup import make_spec, training_config
from sfhnet.training.source import StoredMocks
from sfhnet.training.trainer import Trainer
from sfhnet.validation.learning_curve import errors_of

# Steps that tell how long one takes, after as many to warm up.
_TRIAL = 12


class Bank:
    """Draws as features, used again and again in another order: a `sfhnet.training.source.Source`."""

    def __init__(self, whole: FeatureBatch, batch: int, seed: int) -> None:
        self.whole, self.batch, self.seed = whole, batch, seed
        self.steps_per_epoch, self.identity = 1, {"bank": len(whole)}

    def batches(self, step: int) -> Iterator[FeatureBatch]:
        """Give batches; see `sfhnet.training.source.Source`."""
        per_pass = len(self.whole) // self.batch
        while True:
            number, at = divmod(step, per_pass)
            generator = torch_stream("speed.order", self.seed, number)
            order = torch.randperm(len(self.whole), generator=generator)
            for rows in order[at * self.batch : per_pass * self.batch].split(self.batch):
                labels = {name: value[rows] for name, value in self.whole.labels.items()}
                yield FeatureBatch(self.whole.features[rows], labels)
                step += 1


def banked(trainer: Trainer, draws: int) -> tuple[FeatureBatch, float]:
    """Return draws as the trainer's network sees them, and the CPU seconds that one took."""
    source = StoredMocks(trainer.mocks, trainer.noise_model, batch=512, seed=trainer.seed)
    parts: list[FeatureBatch] = []
    started = time.thread_time()
    for batch in source.batches(0):
        parts.append(trainer.network.prepared(batch))
        if len(parts) * 512 >= draws:
            break
    seconds = (time.thread_time() - started) / (512 * len(parts))
    labels = {name: torch.cat([part.labels[name] for part in parts]) for name in parts[0].labels}
    return FeatureBatch(torch.cat([part.features for part in parts]), labels), seconds


def compared(
    config: Config, name: str, seed: int, *, args: argparse.Namespace, banks: dict
) -> dict[str, Any]:
    """Train one network for the seconds and return what it costs and what it does."""
    training = training_config(config, name).model_copy(update={"patience": 10**6, "epochs": args.epochs})
    mocks, held_out = Mocks(args.shards), Mocks(args.validation)
    spec = make_spec(
        config.models[name], len(mocks.wave_aa), mocks.band_names, age_edges_myr=mocks.age_edges_myr
    )

    def trainer(folder: str, steps: int) -> Trainer:
        made = Trainer(
            spec,
            training,
            config.noise,
            mocks=mocks,
            held_out=held_out,
            folder=Path(folder),
            seed=seed,
        )
        if isinstance(made._held_out_batches[0], FeatureBatch):
            view = {k: spec.options[k] for k in ("n_component", "n_node", "continuum_pixels", "pairs")}
            key = str(view)
            if key not in banks:
                banks[key] = banked(made, args.draws)
            made.source = Bank(banks[key][0], training.batch, seed)
            made.draw_seconds = banks[key][1]
        made.steps_per_epoch = steps
        made.total_steps = steps * training.epochs
        return made

    with tempfile.TemporaryDirectory() as folder:
        trial = trainer(folder, 1)
        batches = trial.source.batches(0)
        for k in range(2 * _TRIAL):
            if k == _TRIAL:
                started = time.thread_time()
            trial._step(next(batches))
        step_seconds = (time.thread_time() - started) / _TRIAL
        made = getattr(trial, "draw_seconds", None)
        n_parameter = sum(p.numel() for p in trial.network.parameters())
        drawn = 0.0
        if made is not None:
            # Draws are shared by all steps; how many are used is known once the steps are.
            steps = args.seconds / step_seconds
            drawn = min(args.draws, steps * training.batch) * made
            steps = max(0.25 * steps, (args.seconds - drawn) / step_seconds)
        else:
            steps = args.seconds / step_seconds
        run = trainer(folder, max(1, round(steps / training.epochs)))
        network = run.run(resume=False)
    first = [row["held_out_total"] for row in run.history if row["stage"] == 0]
    return {
        "network": name,
        "seed": seed,
        "n_parameter": n_parameter,
        "draws": run.state.step * training.batch,
        "us_per_draw": 1e6 * step_seconds / training.batch,
        "making_us_per_draw": None if made is None else 1e6 * made,
        "held_out_loss": min(first),
        "held_out_nll": run.history[-1].get("held_out_nll"),
        **errors_of(network, Mocks(args.test), config),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table, mean over the seeds and half their range."""
    lines = ["| network | weights | draws | us a draw | held-out loss | W1 ideal | W1 real | age | [M/H] |"]
    lines += ["|---" * 9 + "|"]
    for name in dict.fromkeys(row["network"] for row in rows):
        mine = [row for row in rows if row["network"] == name]

        def mean(*keys: str, mine: list = mine) -> str:
            values = torch.tensor([_deep(row, keys) for row in mine], dtype=torch.float64)
            spread = f" +- {float(values.max() - values.min()) / 2:.3f}" if len(values) > 1 else ""
            return f"{float(values.mean()):.3f}{spread}"

        lines.append(
            f"| `{name}` | {mine[0]['n_parameter'] / 1e6:.2f} M | {mine[0]['draws'] / 1e6:.2f} M "
            f"| {mine[0]['us_per_draw']:.0f} | {mean('held_out_loss')} | {mean('ideal', 'w1_dex')} "
            f"| {mean('real', 'w1_dex')} | {mean('ideal', 'mw_log_age_scatter')} | {mean('ideal', 'mw_mh_scatter')} |"
        )
    return "\n".join(lines)


def _deep(row: dict[str, Any], keys: tuple[str, ...]) -> float:
    value: Any = row
    for key in keys:
        value = value[key]
    return float(value)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, nargs="+", required=True, help="configuration and overlays")
    for option in ("shards", "validation", "test"):
        parser.add_argument(f"--{option}", type=Path, nargs="+", required=True, help="files of mocks")
    parser.add_argument("--seconds", type=float, default=120.0, help="CPU seconds of each training")
    parser.add_argument("--draws", type=int, default=400_000, help="draws in a bank")
    parser.add_argument("--epochs", type=int, default=8, help="measurements of the held-out loss in a run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="one training each")
    parser.add_argument("--models", nargs="*", help="only these")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = load_config(args.config)
    rows: list[dict[str, Any]] = []
    banks: dict[str, tuple[FeatureBatch, float]] = {}
    for name in args.models or [m for m in config.models if config.models[m].kind != "prior_mean"]:
        for seed in args.seeds:
            rows.append(compared(config, name, seed, args=args, banks=banks))
            write_json(args.out, {"seconds": args.seconds, "rows": rows})
            print(table(rows), flush=True)
