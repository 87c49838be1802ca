"""ProSpect for Python: star-formation and metallicity histories to spectra and photometry."""

from pyprospect import massfunc, zfunc
from pyprospect.messages import ProSpectWarning

__all__ = ["ProSpectWarning", "massfunc", "zfunc"]
