"""An SSP library beyond its own wavelengths, for bands in the far ultraviolet and the infrared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pyprospect.numerics.rebin import pixel_edges
from pyprospect.stars.library import SSPLibrary
from pyprospect.stars.merge import hat, log_weights, project, same_medium

__all__ = ["widened"]

# Pixels beyond the spectral range serve bands only: widths in Angstrom, and over the wavelength to and beyond 5 um.
_UV_STEP_AA = 2.0
_FINE_UP_TO_AA = 11000.0
_RED_STEP, _FAR_STEP = 1e-3, 4e-3
# Stretch at each end over which the donor is made to meet the library, over the wavelength.
_WINDOW = 0.08

Array = NDArray[np.float64]


def widened(library: SSPLibrary, donor: SSPLibrary, low_aa: float, high_aa: float) -> SSPLibrary:
    """Return the library from the Lyman limit or redder to the far infrared, where bands need it.

    Up to 11,000 Angstrom its own pixels stay as they are. Redward, its spectra are averaged over pixels of a thousandth of
    the wavelength. Beyond its ends, the donor's spectrum of the same metallicity and age goes on, times one constant each
    that makes both meet over the last 8 %.

    Parameters
    ----------
    library : SSPLibrary
        Without holes (`pyprospect.stars.merge.repair_holes`).
    donor : SSPLibrary
        In the same medium, from `low_aa` to `high_aa`.
    low_aa, high_aa : float
        Ends that are wanted [Angstrom]; ends inside the library cut nothing off.

    Returns
    -------
    SSPLibrary
        ``meta["widened"]`` names the donor, the ends of the library's own light, and the range of the constants.

    Raises
    ------
    ValueError
        If the donor has no light there, or the media differ.

    Notes
    -----
    BC03, which goes beyond 5 um here, has bare photospheres there: no dust around AGB stars, which gives populations of
    0.1 to 2 Gyr up to half of their light at 8 to 20 um (Villaume et al. 2015), and no emission of gas.
    """
    same_medium(library, donor)
    own = library.wave_aa
    first, last = float(own[0]), float(own[-1])
    z_weights, _ = log_weights(donor.z, library.z)
    age_weights = hat(donor.age_yr, library.age_yr)
    parts, waves = [], []
    constants: dict[str, list[float]] = {}

    def beyond(wave: Array, window: tuple[float, float], end: str) -> None:
        near = (own >= window[0]) & (own <= window[1])
        spectra = project(donor, z_weights, age_weights, wave)
        at_window = project(donor, z_weights, age_weights, own[near])
        constant = library.spectra[:, :, near].mean(axis=2, dtype=np.float64) / at_window.mean(axis=2)
        if not np.all(np.isfinite(constant)) or spectra.min() < 0 or not spectra.max() > 0:
            raise ValueError(
                f"{donor.name} has no light between {window[0]:.0f} and {window[1]:.0f} Angstrom or beyond"
            )
        constants[end] = [float(constant.min()), float(constant.max())]
        parts.append(spectra * constant[..., None])
        waves.append(wave)

    if low_aa < first:
        # The first pixel of the library keeps its lower edge.
        edge = float(pixel_edges(own)[0])
        n = int(np.ceil((edge - low_aa) / _UV_STEP_AA))
        wave = edge - (np.arange(n)[::-1] + 0.5) * (edge - low_aa) / n
        beyond(wave, (first, first * (1 + _WINDOW)), "blue")
    fine = own <= _FINE_UP_TO_AA
    parts.append(library.spectra[:, :, fine].astype(np.float64))
    waves.append(own[fine])
    end = float(own[fine][-1])
    if last > end * 1.01:
        wave = end * np.exp(_RED_STEP * np.arange(1, int(np.log(last / end) / _RED_STEP)))
        parts.append(project(library, np.eye(library.z.size), np.eye(library.age_yr.size), wave))
        waves.append(wave)
        end = float(wave[-1])
    if high_aa > end:
        n = int(np.ceil(np.log(high_aa / end) / _FAR_STEP))
        beyond(end * np.exp(_FAR_STEP * np.arange(1, n + 1)), (end * (1 - _WINDOW), end), "red")
    return replace(
        library,
        wave_aa=np.concatenate(waves),
        spectra=np.concatenate(parts, axis=2),
        meta={
            **library.meta,
            "widened": {"donor": donor.name, "own_aa": [first, last], "constants": constants},
        },
    )
