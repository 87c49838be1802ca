"""Calls of R ProSpect, as stored with their results, turned into calls of pyprospect.

A stored call is a group ``inputs`` whose attributes (scalars) and datasets (vectors) carry R's argument names.
What stands for an object - a library, a line-spread function, a set of filters - is a name.
"""

import numpy as np

from pyprospect.numerics.lsf import muse_udf10_sigma_kms

FLAGS = ("emission", "disp_stars", "intSFR", "log", "SMstar", "returnall", "addradio_SF", "addradio_AGN")
PYTHON_NAMES = {"yield": "yield_", "lambda": "lambda_"}


def muse_lsf(wave_observed_aa):
    """The formula that R was given, which is not held outside the range of MUSE."""
    return muse_udf10_sigma_kms(wave_observed_aa, extrapolate=True)


def plain(value):
    """A stored value as a Python one."""
    if isinstance(value, bytes):
        return value.decode()
    if (isinstance(value, np.ndarray) and value.ndim == 0) or isinstance(value, np.generic):
        return value.item()
    return value


def hst_bands(reference):
    """Names and curves of the five HST bands that R used, in its order."""
    group = reference["unit/filters"]
    bands = ("F275W", "F336W", "F438W", "F555W", "F814W")
    return {name: (group[name]["wave"][()], group[name]["response"][()]) for name in bands}


def python_call(inputs, *, libraries, reference):
    """Keyword arguments for pyprospect from a stored group of R's arguments.

    Parameters
    ----------
    inputs : h5py.Group
    libraries : callable
        Gives an SSPLibrary by R's name of it.
    reference : h5py.File
        Holds the filters and the table of a line-spread function.
    """
    call = {name: plain(value) for name, value in inputs.attrs.items()}
    call |= {name: plain(inputs[name][()]) for name in inputs}
    for name in FLAGS:
        if name in call:
            call[name] = bool(call[name])
    for name, python_name in PYTHON_NAMES.items():
        if name in call:
            call[python_name] = call.pop(name)
    if "speclib" in call:
        call["speclib"] = libraries(call["speclib"])
    if isinstance(call.get("LSF"), str):
        call["LSF"] = {"muse": muse_lsf, "matrix": reference["sfh/LSF_matrix"][()]}[call["LSF"]]
    if call.get("filters") == "hst":
        call["filters"] = hst_bands(reference)
    if call.get("filters") == "NULL":
        call["filters"] = None
    if not call.get("unimax", True):
        call["unimax"] = False
    return call
