"""``sfhnet versions``: what is installed here, for a bug report."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import platform

import sfhnet
from sfhnet.tools.provenance import git_commit, versions
from sfhnet.tools.script_options import Parser

__all__ = ["add_arguments", "run"]

# What the numbers depend on, then what the extras bring.
_LIBRARIES = (
    *("numpy", "scipy", "astropy", "h5py", "safetensors", "pydantic"),
    *("matplotlib", "photutils", "reproject", "ppxf", "snakemake"),
)


def add_arguments(parser: Parser) -> None:
    """Declare the options: there are none."""


def run(args: argparse.Namespace) -> int:
    """Print it; give the exit status."""
    found = versions(_LIBRARIES)
    distributions = importlib.metadata.packages_distributions().get("pyprospect", [])
    rows = {
        "sfhnet": f"{sfhnet.__version__}, commit {git_commit()}",
        "pyprospect": ", ".join(
            f"{importlib.metadata.version(name)} of {name}" for name in set(distributions)
        )
        or "not installed, taken from a checkout",
        "python": found["python"],
        "system": platform.platform(),
        **{name: found.get(name, "not installed") for name in _LIBRARIES},
        "torch": _torch(),
    }
    print("\n".join(f"{name:12s} {text}" for name, text in rows.items()))
    return 0


def _torch() -> str:
    if importlib.util.find_spec("torch") is None:
        return "not installed"
    import torch

    graphics = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    where = f"CUDA {torch.version.cuda}, {', '.join(graphics)}" if graphics else "no GPU"
    return f"{torch.__version__}, {torch.get_num_threads()} threads, {where}"
