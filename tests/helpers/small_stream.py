"""A stream of galaxies of toy stars, and a short run on it, for tests."""

from functools import cache

from ingredients import gas_lines, top_hats, toy_stars
from sfhnet.config import Config
from small_networks import SMALL

# A few steps of a small network on few galaxies.
SHORT = {
    "source": "stream",
    "epochs": 2,
    "draws": 12 * 32,
    "batch": 32,
    "reuse": 2.0,
    "pool": 256,
    "validation_galaxies": 48,
    "fit_galaxies": 96,
    "device": "cpu",
}


def stream_config(kind="linear", **training):
    """A configuration with one small network that learns from a stream."""
    model = {"kind": kind, **SMALL[kind]}
    return Config.model_validate(
        {"models": {"small": model}, "galaxies": {"model": "small"}, "training": {**SHORT, **training}}
    )


@cache
def _parts():
    from sfhnet.core.training_grid import training_grid
    from sfhnet.mocks.synthesize import make_synthesizer

    library = toy_stars()
    synthesizer = make_synthesizer(Config(), library, top_hats(), lines=gas_lines())
    return synthesizer, training_grid(Config().grid, library)


def small_forward(config=None):
    """The forward model of toy stars for a configuration that draws as the default one does."""
    from sfhnet.mocks.forward_file import ForwardModel

    return ForwardModel(config or stream_config(), *_parts(), {"test": True})


def small_stream(block):
    """A stream of galaxies of the default prior."""
    from sfhnet.mocks.galaxy_stream import GalaxyStream

    return GalaxyStream(Config(), *_parts(), block=block)
