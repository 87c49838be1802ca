"""What a synthesizer takes beside an SSP library: emission-line ratios and nebular continuum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LineRatios:
    """Emission-line fluxes relative to Halpha on a grid of gas metallicity and ionisation parameter.

    Parameters
    ----------
    names : tuple of str, length n_line
    wave_aa : ndarray, shape (n_line,)
        Rest wavelengths in Angstrom, in the medium of the library.
    z : ndarray, shape (n_z,)
        Gas metal mass fraction, ascending.
    log_u : ndarray, shape (n_u,)
        Ionisation parameter (or any one parameter of the grid), ascending.
    ratio : ndarray, shape (n_z, n_u, n_line)
        Line flux / Halpha flux, not negative.
    other : ndarray, shape (n_z, n_u, n_line), optional
        The same by another code; a galaxy may have any mixture of both.
    diffuse : ndarray, shape (n_line,), optional
        Line flux / Halpha flux of gas that young stars do not light.
    """

    names: tuple[str, ...]
    wave_aa: Array
    z: Array
    log_u: Array
    ratio: Array
    other: Array | None = None
    diffuse: Array | None = None

    def __post_init__(self) -> None:
        expected = (len(self.z), len(self.log_u), len(self.wave_aa))
        if np.shape(self.ratio) != expected or len(self.names) != expected[2]:
            raise ValueError(
                f"line ratios have shape {np.shape(self.ratio)} for {len(self.names)} names; the axes ask for "
                f"(n_z, n_u, n_line) = {expected}"
            )
        for what, values, shape in (("other", self.other, expected), ("diffuse", self.diffuse, expected[2:])):
            if values is not None and np.shape(values) != shape:
                raise ValueError(
                    f"{what} line ratios have shape {np.shape(values)}, the axes ask for {shape}"
                )
        for values in (self.ratio, self.other, self.diffuse):
            if values is not None and (not np.all(np.isfinite(values)) or np.min(values) < 0):
                raise ValueError(
                    "line ratios must be finite and not negative; check the grid that they came from"
                )


@dataclass(frozen=True)
class ContinuumPerHalpha:
    """Nebular continuum that belongs to a unit of Halpha luminosity.

    Parameters
    ----------
    wave_aa : ndarray, shape (n,)
        Rest wavelengths in Angstrom.
    z : ndarray, shape (n_z,)
        Gas metal mass fraction, ascending; one entry if it does not matter.
    per_halpha : ndarray, shape (n_z, n)
        Luminosity density over Halpha luminosity, 1/Angstrom.
    """

    wave_aa: Array
    z: Array
    per_halpha: Array
