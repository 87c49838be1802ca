"""ProSpect for Python: star-formation and metallicity histories to spectra and photometry."""

from typing import TYPE_CHECKING, Any

from pyprospect import massfunc, zfunc
from pyprospect.burst import sfh_burst
from pyprospect.messages import ClampWarning, CoverageWarning, ProSpectWarning
from pyprospect.sed import ProSpectSED, prospect_sed
from pyprospect.sfh import SFHResult, sfh_func
from pyprospect.smstar import smstar_func
from pyprospect.ssp import SSPLibrary

if TYPE_CHECKING:
    from pyprospect.synthesis import Synthesizer

__all__ = [
    "ClampWarning",
    "CoverageWarning",
    "ProSpectSED",
    "ProSpectWarning",
    "SFHResult",
    "SSPLibrary",
    "Synthesizer",
    "massfunc",
    "prospect_sed",
    "sfh_burst",
    "sfh_func",
    "smstar_func",
    "zfunc",
]


def __getattr__(name: str) -> Any:
    # The fast synthesizer needs torch, which takes a second to import and nothing else here needs.
    if name == "Synthesizer":
        import pyprospect.fast  # noqa: F401  (says how to get torch where it is missing)
        from pyprospect.synthesis import Synthesizer

        return Synthesizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
