"""Star-formation and enrichment histories from spectra and photometry with neural networks.

Priors, simulated libraries, networks, training, calibration, integral-field data, inference and maps. The
forward model is `pyprospect`; the workflow that runs it all is the Snakefile beside `src`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyprospect.old_names import import_from_old_names
from sfhnet.old_names import MOVED

if TYPE_CHECKING:
    from sfhnet.inference.model import load

__all__ = ["__version__", "load"]

__version__ = "0.2.0"


import_from_old_names("sfhnet", MOVED)


def __getattr__(name: str) -> Any:
    # Loaded on first use: a step that draws priors must not need torch.
    if name == "load":
        from sfhnet.inference.model import load

        return load
    raise AttributeError(f"module 'sfhnet' has no attribute {name!r}")
