"""Start a training from a trained network: more galaxies for it, or bands that it did not know."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sfhnet.config import ModelConfig
from sfhnet.core.training_grid import TrainingGrid
from sfhnet.mocks.galaxy_stream import GalaxyStream
from sfhnet.networks import Network, Spec
from sfhnet.networks.linear_mlp import LinearMlp
from sfhnet.networks.storage import load_network
from sfhnet.tools.shipped_files import verify
from sfhnet.training.setup import make_spec
from sfhnet.training.source import FixedMocks

__all__ = ["Start", "spec_and_start", "start_of"]


@dataclass(frozen=True)
class Start:
    """A trained network to start from.

    Attributes
    ----------
    folder : Path
        Where it lies.
    trunk_rate : float
        Learning rate of what it knows over that of what is new; zero leaves it as it is.
    """

    folder: Path
    trunk_rate: float

    def spec(self, spec: Spec, grid: TrainingGrid) -> Spec:
        """Return the spec of the network that goes on from it.

        Parameters
        ----------
        spec : Spec
            Of the configuration, with the bands of the mocks.
        grid : TrainingGrid
            Of the mocks.

        Returns
        -------
        Spec

        Raises
        ------
        ValueError
            If it is of another kind, grid, age bins or size than the configuration says.
        FileNotFoundError
            If there is no model.
        """
        network, info = load_network(self.folder)
        base, found = network.spec, TrainingGrid.from_json(info)
        where = f"start_from {self.folder}"
        if base.kind != spec.kind:
            raise ValueError(
                f"{where} is a network of kind {base.kind}, the model is {spec.kind}; give it that kind"
            )
        usual = {"band_tokens": False}
        options = {**usual, **spec.options, "loss_weights": None}
        for name, value in {**usual, **base.options, "loss_weights": None}.items():
            if options.get(name) != value:
                raise ValueError(
                    f"{where} has {name} = {value}, the model {options.get(name)}; give the model {name}: {value}"
                )
        if found.wave_aa.shape != grid.wave_aa.shape or not np.allclose(
            found.wave_aa, grid.wave_aa, atol=1e-3
        ):
            raise ValueError(
                f"{where} has a grid of {found.wave_aa[0]:.0f} to {found.wave_aa[-1]:.0f} AA in {len(found.wave_aa)} pixels, "
                f"the mocks {grid.wave_aa[0]:.0f} to {grid.wave_aa[-1]:.0f} in {len(grid.wave_aa)}; use the same section grid"
            )
        if base.age_edges_myr != spec.age_edges_myr:
            raise ValueError(
                f"{where} has the age bins {list(base.age_edges_myr)} Myr, the mocks {list(spec.age_edges_myr)}"
            )
        known = base.learnt or (base.band_names,)
        heard = {name for names in known for name in names}
        new = tuple(name for name in spec.band_names if name not in heard)
        if not new and self.trunk_rate != 1:
            raise ValueError(
                f"{where} knows all of {', '.join(spec.band_names)}, so nothing is new to learn: give it another band in "
                "bands, or trunk_rate: 1 to train all of it on, at training.learning_rate"
            )
        if spec.band_names == base.band_names:
            return replace(spec, learnt=base.learnt)
        return replace(spec, learnt=(*known, new) if new else known)

    def begin(self, network: Network) -> None:
        """Give a fresh network of `spec` all that the trained one knows."""
        verify(self.folder)
        base, _ = load_network(self.folder)
        if not isinstance(network, LinearMlp) or not isinstance(base, LinearMlp):
            raise ValueError(
                f"start_from is for networks of kind linear and linear_flow, not {network.spec.kind}"
            )
        network.go_on_from(base, self.trunk_rate)

    def parts(self) -> list[dict[str, Any]]:
        """Return what it was trained on: spectra, seconds and settings of each training that it went through."""
        training = load_network(self.folder)[1]["training"]
        return training.get("parts") or [{"spectra": training["n_spectra"], "seconds": training["seconds"]}]


def start_of(model: ModelConfig) -> Start | None:
    """Return what the training of a model starts from; None for fresh weights."""
    folder = getattr(model, "start_from", None)
    return None if folder is None else Start(Path(folder), float(getattr(model, "trunk_rate", 0.0)))


def spec_and_start(model: ModelConfig, mocks: FixedMocks | GalaxyStream) -> tuple[Spec, Start | None]:
    """Return the spec of a network that is to learn from mocks, and what it starts from.

    Parameters
    ----------
    model : ModelConfig
        Section of the model.
    mocks : FixedMocks or GalaxyStream
        Grid, bands and age bins.

    Returns
    -------
    spec : Spec
    start : Start or None
        None for fresh weights.
    """
    spec = make_spec(model, len(mocks.wave_aa), mocks.band_names, age_edges_myr=mocks.age_edges_myr)
    start = start_of(model)
    return (spec, None) if start is None else (start.spec(spec, mocks.grid), start)
