"""Modules that version 0.2 moved: the old names still import, with a warning that gives the new one."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import warnings
from collections.abc import Mapping, Sequence
from types import ModuleType

__all__ = ["MOVED", "MovedModuleWarning", "import_from_old_names"]

MOVED = {
    "agn": "prospect.agn",
    "burst": "prospect.burst",
    "by_name": "prospect.by_name",
    "cosmology": "line_of_sight.cosmology",
    "dense_basis": "histories.dense_basis",
    "dust_emission": "dust.emission",
    "filter_curve": "bands.curve",
    "filter_names": "bands.names",
    "filters": "bands.band_matrix",
    "folded_library": "fast.folded_library",
    "folding": "fast.folding",
    "history": "histories.in_library_bins",
    "igm": "line_of_sight.igm",
    "imf": "stars.imf",
    "interpolation": "numerics.interpolation",
    "ionizing": "gas.ionizing_light",
    "kcorr": "bands.kcorr",
    "line_grids": "gas.line_grids",
    "lsf": "numerics.lsf",
    "magnitudes": "bands.magnitudes",
    "massfunc": "histories.massfunc",
    "nebular": "gas.lines",
    "nebular_continuum": "gas.continuum",
    "photometry": "bands.photometry",
    "quadrature": "numerics.quadrature",
    "radio": "dust.radio",
    "rebin": "numerics.rebin",
    "sed": "prospect.sed",
    "sed_parts": "prospect.sed_parts",
    "sfh": "prospect.sfh",
    "sfh_result": "prospect.sfh_result",
    "smstar": "prospect.smstar",
    "ssp": "stars.library",
    "ssp_merge": "stars.merge",
    "ssp_miles": "stars.miles_files",
    "ssp_readers": "stars.readers",
    "starlight": "prospect.starlight",
    "synthesis": "fast.synthesizer",
    "synthesis_inputs": "gas.ratios",
    "thermal": "dust.thermal",
    "zfunc": "histories.zfunc",
}
"""Name in version 0.1 -> name of today, both without ``pyprospect.``."""


class MovedModuleWarning(DeprecationWarning):
    """A module is imported by a name that a later version will not have."""


class _OldNames(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, moved: Mapping[str, str]) -> None:
        self.moved = dict(moved)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.moved:
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def exec_module(self, module: ModuleType) -> None:
        new = self.moved[module.__name__]
        warnings.warn(
            f"{module.__name__} is now {new}; the old name goes with version 0.3",
            MovedModuleWarning,
            stacklevel=2,
        )
        names = vars(importlib.import_module(new))
        vars(module).update({name: value for name, value in names.items() if not name.startswith("__")})


def import_from_old_names(package: str, moved: Mapping[str, str]) -> None:
    """Let modules of a package be imported by the names that they had.

    Parameters
    ----------
    package : str
        Its name.
    moved : mapping of str to str
        Old name -> the name of today, both without the package. A name that exists is never looked up here.
    """
    sys.meta_path.append(_OldNames({f"{package}.{old}": f"{package}.{new}" for old, new in moved.items()}))
