"""ProSpect for Python: star-formation and metallicity histories to spectra and photometry."""

import importlib
from typing import TYPE_CHECKING, Any

from pyprospect.old_names import MOVED, import_from_old_names

if TYPE_CHECKING:
    from pyprospect.fast.synthesizer import Synthesizer
    from pyprospect.histories import massfunc, zfunc
    from pyprospect.messages import ClampWarning, CoverageWarning, ProSpectWarning
    from pyprospect.prospect.burst import sfh_burst
    from pyprospect.prospect.sed import ProSpectSED, prospect_sed
    from pyprospect.prospect.sed_like import prospect_sed_like
    from pyprospect.prospect.sfh import SFHResult, sfh_func
    from pyprospect.prospect.smstar import smstar_func
    from pyprospect.stars.library import SSPLibrary
    from pyprospect.stars.toy import toy_library

__all__ = [
    "ClampWarning",
    "CoverageWarning",
    "ProSpectSED",
    "ProSpectWarning",
    "SFHResult",
    "SSPLibrary",
    "Synthesizer",
    "__version__",
    "massfunc",
    "prospect_sed",
    "prospect_sed_like",
    "sfh_burst",
    "sfh_func",
    "smstar_func",
    "toy_library",
    "zfunc",
]

__version__ = "0.2.0"

import_from_old_names("pyprospect", MOVED)

# Loaded on first use: the synthesizer needs torch, the rest scipy, and who only wants a constant needs neither.
_PLACES = {
    "ClampWarning": "messages",
    "CoverageWarning": "messages",
    "ProSpectSED": "prospect.sed",
    "ProSpectWarning": "messages",
    "SFHResult": "prospect.sfh",
    "SSPLibrary": "stars.library",
    "Synthesizer": "fast.synthesizer",
    "massfunc": "histories.massfunc",
    "prospect_sed": "prospect.sed",
    "prospect_sed_like": "prospect.sed_like",
    "sfh_burst": "prospect.burst",
    "sfh_func": "prospect.sfh",
    "smstar_func": "prospect.smstar",
    "toy_library": "stars.toy",
    "zfunc": "histories.zfunc",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_PLACES[name]}")
    value = module if _PLACES[name].endswith(f".{name}") else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
