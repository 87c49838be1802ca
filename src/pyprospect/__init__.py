"""ProSpect for Python: star-formation and metallicity histories to spectra and photometry."""

from pyprospect import massfunc, zfunc
from pyprospect.messages import ClampWarning, CoverageWarning, ProSpectWarning
from pyprospect.sed import ProSpectSED, prospect_sed
from pyprospect.sfh import SFHResult, sfh_burst, sfh_func
from pyprospect.smstar import smstar_func
from pyprospect.ssp import SSPLibrary

__all__ = [
    "ClampWarning",
    "CoverageWarning",
    "ProSpectSED",
    "ProSpectWarning",
    "SFHResult",
    "SSPLibrary",
    "massfunc",
    "prospect_sed",
    "sfh_burst",
    "sfh_func",
    "smstar_func",
    "zfunc",
]
