"""Measure how fast a trained network learns a new band, beside training from scratch with it.

    sfhnet run results/forward.safetensors --config speed/transfer.yaml
    python speed/transfer.py --config config.yaml speed/transfer.yaml --forward results/forward.safetensors \
        --seeds 1 2 3 --out transfer.json --page docs/bands.md --figure docs/images/transfer

Draws are made once, with all bands, and banked as features; each network is given its own bands of them. A network that knows
PHANGS-HST's bands is trained, then it goes on (`start_from`, trunk frozen) with few and with many draws, and a fresh network is
trained with the new band for as many draws as the first one. What is finished is kept in the output: run again, it goes on.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from compare_networks import Bank
from sfhnet.config import Config, load_config
from sfhnet.core.bands import PHANGS_HST
from sfhnet.core.posterior import Posterior
from sfhnet.mocks.benchmark_noise import BENCHMARK_NOISE
from sfhnet.mocks.dataset import MockBatch
from sfhnet.mocks.forward_file import read_forward
from sfhnet.mocks.galaxy_stream import FIT_BLOCK, HELD_OUT_BLOCK, GalaxyStream
from sfhnet.mocks.noise import NoiseModel
from sfhnet.networks import Network, build
from sfhnet.networks.linear_features import FeatureBatch
from sfhnet.tools.hdf5 import read_json, write_json
from sfhnet.tools.random_streams import torch_stream
from sfhnet.training.feature_bank import FeatureBank, batch_of
from sfhnet.training.scales import set_scales
from sfhnet.training.setup import make_spec, training_config
from sfhnet.training.streamed import DrawnMocks
from sfhnet.training.trainer import Trainer
from sfhnet.training.transfer import Start
from sfhnet.validation.band_value import measured
from sfhnet.validation.metrics import truth_from_labels
from transfer_page import draw_figure, write_page

MODEL = "linear"
# What each case takes from and adds to PHANGS-HST's bands.
CASES = {
    "F435W for F438W": ("F438W", "F435W"),
    "F335M": (None, "F335M"),
    "F770W": (None, "F770W"),
}
# Measurements of the held-out loss in a training.
EPOCHS = 6
BLOCK = 4096
N_TEST, N_FIT, N_OWN_FIT = 2000, 2000, 256
SNR = (20.0, 50.0)


def bands_of(case: str) -> tuple[str, ...]:
    """Return the bands of the network that has learnt a case."""
    gone, new = CASES[case]
    if gone is None:
        return (*PHANGS_HST, new)
    return tuple(new if name == gone else name for name in PHANGS_HST)


class SomeBands:
    """Mocks of which only some bands are looked at: a `sfhnet.training.source.FixedMocks`."""

    def __init__(self, mocks: DrawnMocks, names: tuple[str, ...]) -> None:
        self.mocks, self.band_names = mocks, list(names)
        self.wave_aa, self.age_edges_myr, self.grid = mocks.wave_aa, mocks.age_edges_myr, mocks.grid
        self.columns = [mocks.band_names.index(name) for name in names]
        self.identity = {**mocks.identity, "bands": self.band_names}

    def __len__(self) -> int:
        return len(self.mocks)

    def get(self, index: np.ndarray) -> MockBatch:
        """Return the mocks at `index`."""
        batch = self.mocks.get(index)
        return replace(batch, band_flux=batch.band_flux[:, self.columns])


class Study:
    """Draws with all bands, seen by networks that know some of them.

    Parameters
    ----------
    config : Config
    forward : Path
        Of pack_forward.
    n_block, realisations : int
        Blocks of draws; noise realisations of each galaxy.
    """

    def __init__(self, config: Config, forward: Path, *, n_block: int, realisations: int) -> None:
        self.config, self.training = config, training_config(config, MODEL)
        model = read_forward(forward, config)
        galaxies = GalaxyStream(config, model.synthesizer, model.grid, block=BLOCK // realisations)
        self.names = tuple(galaxies.band_names)
        self.mocks = DrawnMocks(galaxies, FIT_BLOCK, N_FIT)
        noise = NoiseModel(config.noise, galaxies.wave_aa, galaxies.band_names)
        self.wide = self._network(self.names)
        set_scales(self.wide, self.wide.spec, self.mocks, config.noise, n=N_FIT, seed=config.seed)
        options = {"about": {}, "realisations": realisations}
        bank = FeatureBank(galaxies, noise, self.wide.eval(), **options)
        started = time.thread_time()
        blocks = [bank.block(number) for number in range(n_block)]
        self.us_made = 1e6 * (time.thread_time() - started) / (n_block * BLOCK)
        self.drawn = batch_of({name: torch.cat([block[name] for block in blocks]) for name in blocks[0]})
        self.held_out = batch_of(bank.block(HELD_OUT_BLOCK))
        self.tests = {snr: self._test(galaxies, snr) for snr in SNR}

    def _network(self, names: tuple[str, ...]) -> Network:
        grids = len(self.mocks.wave_aa), names
        spec = make_spec(self.config.models[MODEL], *grids, age_edges_myr=self.mocks.age_edges_myr)
        return build(spec, self.config.seed)

    @torch.no_grad()
    def _test(self, galaxies: GalaxyStream, snr: float) -> tuple[FeatureBatch, dict[str, np.ndarray]]:
        """Return test mocks, every band there, as the benchmark `real` has them."""
        mocks = DrawnMocks(galaxies, HELD_OUT_BLOCK + 1, N_TEST)
        noise = NoiseModel(BENCHMARK_NOISE, mocks.wave_aa, mocks.band_names, off=("band_dropout",))
        generator = torch_stream("speed.transfer", self.config.seed, round(10 * snr))
        some = np.split(np.arange(N_TEST), N_TEST // 500)
        seen = [self.wide.prepared(mocks.get(rows).noisy(noise, generator, snr=snr)) for rows in some]
        labels = {name: torch.cat([part.labels[name] for part in seen]) for name in seen[0].labels}
        truth = truth_from_labels({name: value.numpy() for name, value in labels.items()})
        return FeatureBatch(torch.cat([part.features for part in seen]), labels), truth

    def seen(self, batch: FeatureBatch, names: tuple[str, ...], hidden: str | None = None) -> FeatureBatch:
        """Return draws as a network sees them that knows these bands; one of them may be hidden."""
        _, columns, _ = self.wide.features.of_bands(self.names, names)
        features = batch.features.index_select(1, columns)
        if hidden is not None:
            first = features.shape[1] - self.wide.features.n_context - 3 * len(names)
            place = first + 3 * names.index(hidden)
            features[:, place : place + 3] = 0
        return FeatureBatch(features, batch.labels)

    def _as_wide(self, network: Network) -> None:
        """Give a network the scales that the draws were made with."""
        state, wide = network.state_dict(), self.wide.state_dict()
        columns = [self.names.index(name) for name in network.spec.band_names]
        for name, _ in network.named_buffers():
            if name in ("features.band_mean", "features.band_std"):
                state[name] = wide[name][columns]
            elif name in wide and name in state:
                state[name] = wide[name]
        network.load_state_dict(state)

    def trained(
        self, names: tuple[str, ...], draws: int, *, seed: int, folder: Path, start: Start | None = None
    ) -> tuple[Network, float]:
        """Train on the first `draws` draws, each used ``training.reuse`` times; return the network and the CPU seconds."""
        c = self.training.model_copy(
            update={"fit_galaxies": N_OWN_FIT, "validation_galaxies": 2, "epochs": EPOCHS}
        )
        mocks, spec = SomeBands(self.mocks, names), self._network(names).spec
        some = FeatureBatch(self.drawn.features[:draws], {k: v[:draws] for k, v in self.drawn.labels.items()})
        bank = Bank(self.seen(some, names), c.batch, seed)
        bank.steps_per_epoch = max(1, round(c.reuse * draws / c.batch / EPOCHS))
        trainer = Trainer(
            spec if start is None else start.spec(spec, mocks.grid),
            c,
            self.config.noise,
            mocks=mocks,
            held_out=mocks,
            folder=folder,
            seed=seed,
            source=lambda trainer: bank,
            start=start,
        )
        for network in (trainer.network, trainer.averaged):
            self._as_wide(network)
        trainer._held_out_batches = [self.seen(self.held_out, names)]
        started = time.thread_time()
        network = trainer.run(resume=False)
        return network, time.thread_time() - started

    @torch.no_grad()
    def errors(self, network: Network, hidden: str | None = None) -> dict[str, Any]:
        """Return the held-out loss, and by S/N the mean error of what `sfhnet.validation.band_value.MEASURED` lists."""
        names = network.spec.band_names
        found: dict[str, Any] = {
            "loss": float(network.loss(self.seen(self.held_out, names, hidden))["total"])
        }
        for snr, (batch, truth) in self.tests.items():
            n = len(batch)
            answer = Posterior(
                age_edges_myr=self.mocks.age_edges_myr,
                flags=np.zeros(n, dtype=np.uint32),
                snr=np.full(n, snr),
                log_scale=np.zeros(n),
                chi2=np.full(n, np.nan),
                ood_score=np.full(n, np.nan),
                **network.answer(self.seen(batch, names, hidden)),
            )
            found[f"{snr:g}"] = {name: float(error.mean()) for name, (error, _) in measured(answer, truth)}
        return found


def run(study: Study, seed: int, draws: list[int], done: list[dict[str, Any]], keep: Any) -> None:
    """Train all networks of a seed that are not done; `keep` is given each row."""
    finished = {(row["seed"], row["case"], row["how"], row["draws"]) for row in done}
    most = len(study.drawn)

    def row(case: str, how: str, n: int, seconds: float, **measured_: Any) -> None:
        keep({"seed": seed, "case": case, "how": how, "draws": n, "train_s": seconds, **measured_})

    with tempfile.TemporaryDirectory() as folder:
        base, seconds = study.trained(PHANGS_HST, most, seed=seed, folder=Path(folder, "base"))
        if (seed, "", "base", most) not in finished:
            row("", "base", most, seconds, **study.errors(base))
        for case, (gone, _) in CASES.items():
            names = bands_of(case)
            if (seed, case, "before", 0) not in finished:
                row(case, "before", 0, 0.0, **study.errors(base, hidden=gone))
            if (seed, case, "scratch", most) not in finished:
                network, seconds = study.trained(names, most, seed=seed, folder=Path(folder, f"{case} new"))
                row(case, "scratch", most, seconds, **study.errors(network))
            for n in draws:
                if (seed, case, "start_from", n) in finished:
                    continue
                start = Start(Path(folder, "base"), 0.0)
                place = Path(folder, f"{case} {n}")
                network, seconds = study.trained(names, n, seed=seed, folder=place, start=start)
                row(case, "start_from", n, seconds, **study.errors(network))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, nargs="+", required=True, help="configuration and overlays")
    parser.add_argument("--forward", type=Path, required=True, help="of pack_forward, with all bands")
    parser.add_argument("--blocks", type=int, default=12, help=f"blocks of {BLOCK} draws")
    parser.add_argument("--realisations", type=int, default=2, help="noise realisations of each galaxy")
    parser.add_argument(
        "--draws", type=int, nargs="+", default=[1024, 4096, 16384], help="of the networks that go on"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="one set of trainings each")
    parser.add_argument("--out", type=Path, required=True, help="JSON of what was measured")
    parser.add_argument("--page", type=Path, help="page with the marks between which the tables belong")
    parser.add_argument("--figure", type=Path, help="figure, without suffix")
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = load_config(args.config)
    found: dict[str, Any] = read_json(args.out) if args.out.is_file() else {"rows": []}
    study = Study(config, args.forward, n_block=args.blocks, realisations=args.realisations)
    found |= {"us_made": study.us_made, "reuse": study.training.reuse, "realisations": args.realisations}
    found |= {"draws": len(study.drawn), "n_test": N_TEST}

    def keep(row: dict[str, Any]) -> None:
        found["rows"].append(row)
        write_json(args.out, found)
        print({name: row[name] for name in ("seed", "case", "how", "draws", "train_s", "loss")}, flush=True)

    for seed in args.seeds:
        run(study, seed, args.draws, found["rows"], keep)
    if args.page:
        write_page(args.page, found)
    if args.figure:
        draw_figure(args.figure, found, config.figures)
