"""Small networks that train in seconds, for tests."""

from pydantic import TypeAdapter

from sfhnet.config import ModelConfig, NoiseConfig, TrainingConfig

ATTENTION = {
    "n_component": 12,
    "width": 32,
    "depth": 1,
    "token_width": 16,
    "n_head": 2,
    "n_layer": 1,
    "patch": 64,
    "stride": 64,
}
JOINT = {"n_transform": 2, "flow_width": 32, "context_width": 16, "n_mh": 4}
SMALL = {
    "prior_mean": {},
    "pca_mlp": {"n_component": 12, "width": 32, "depth": 1},
    "linear": {"n_component": 12, "width": 32, "depth": 1},
    "linear_flow": {"n_component": 12, "width": 32, "depth": 1, **JOINT},
    "attention": ATTENTION,
    "flow": {**ATTENTION, **JOINT},
    "four_branch": {"filters": (4, 4, 4), "decoder": (32,)},
}


def small_model(kind):
    """Configuration of a small network."""
    return TypeAdapter(ModelConfig).validate_python({"kind": kind, **SMALL[kind]})


def small_trainer(kind, mocks, held_out, folder, **training):
    """A trainer of a small network for a few steps."""
    from sfhnet.training.setup import make_spec
    from sfhnet.training.trainer import Trainer

    settings = {"epochs": 2, "batch": 32, "validation_galaxies": 48, "fit_galaxies": 96, "device": "cpu"}
    return Trainer(
        make_spec(small_model(kind), len(mocks.wave_aa), mocks.band_names, age_edges_myr=mocks.age_edges_myr),
        TrainingConfig(**{**settings, **training}),
        NoiseConfig(),
        mocks=mocks,
        held_out=held_out,
        folder=folder,
        seed=5,
    )
