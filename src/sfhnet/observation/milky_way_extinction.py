"""Milky-Way extinction: undo the reddening in front of a galaxy."""

from __future__ import annotations

from collections.abc import Callable

import astropy.units as u
import numpy as np
from dust_extinction.parameter_averages import CCM89, F99, G23, O94

# O94 is Cardelli, Clayton & Mathis (1989) with the optical part of O'Donnell (1994): what PHANGS uses.
LAWS: dict[str, Callable] = {"O94": O94, "CCM89": CCM89, "F99": F99, "G23": G23}

# Schlafly & Finkbeiner (2011) found E(B-V) = 0.86 times the scale of Schlegel, Finkbeiner & Davis (1998).
SF11_PER_SFD98 = 0.86


# Redward of where a law ends (3.3 um), it goes on as it does from 1 um on (Cardelli et al. 1989): silicates at 10 um, some
# 0.005 mag at the reddening of PHANGS, are left out.
_INFRARED_POWER = 1.61


def ebv_sf11(ebv: float, scale: str) -> float:
    """Convert a catalogue E(B-V) to the scale of Schlafly & Finkbeiner (2011).

    Parameters
    ----------
    ebv : float
        E(B-V) in mag.
    scale : {"sf11", "sfd98"}
        Scale on which ``ebv`` was given.

    Returns
    -------
    float
        E(B-V) in mag, on the scale of Schlafly & Finkbeiner (2011).

    Raises
    ------
    ValueError
        If the scale is unknown, or E(B-V) negative or not finite.
    """
    if not (np.isfinite(ebv) and ebv >= 0):
        raise ValueError(f"E(B-V) = {ebv}; give a value >= 0 mag")
    if scale == "sf11":
        return float(ebv)
    if scale == "sfd98":
        return float(ebv * SF11_PER_SFD98)
    raise ValueError(f"E(B-V) scale {scale!r} is unknown; choose 'sf11' or 'sfd98'")


def attenuation_mag(wave_aa: np.ndarray, ebv: float, law: str = "O94", *, r_v: float = 3.1) -> np.ndarray:
    """Return the Milky-Way extinction in magnitudes.

    Parameters
    ----------
    wave_aa : array_like
        Observed wavelengths in Angstrom (air or vacuum: the difference is far below the law's accuracy).
    ebv : float
        E(B-V) in mag, on the scale of Schlafly & Finkbeiner (2011).
    law : {"O94", "CCM89", "F99", "G23"}
        Extinction law: O'Donnell (1994), Cardelli et al. (1989), Fitzpatrick (1999), Gordon et al. (2023).
    r_v : float
        Total-to-selective extinction.

    Returns
    -------
    ndarray
        A(lambda) in mag, shape of ``wave_aa``.

    Raises
    ------
    ValueError
        If the law is unknown or begins redward of a wavelength.
    """
    if law not in LAWS:
        raise ValueError(f"extinction law {law!r} is unknown; choose one of {sorted(LAWS)}")
    model = LAWS[law](Rv=r_v)
    inverse_um = 1e4 / np.asarray(wave_aa, dtype=float)
    low, high = model.x_range
    if np.any(~(inverse_um > 0) | (inverse_um > high)):
        raise ValueError(
            f"extinction law {law} begins at {1e4 / high:.0f} Angstrom, asked for {np.min(wave_aa):.0f} .. "
            f"{np.max(wave_aa):.0f}; choose another law"
        )
    inside = np.maximum(inverse_um, low)
    return np.asarray(model(inside / u.um)) * (inverse_um / inside) ** _INFRARED_POWER * r_v * ebv


def correction(wave_aa: np.ndarray, ebv: float, law: str = "O94", *, r_v: float = 3.1) -> np.ndarray:
    """Return the factor by which an observed flux is multiplied to undo Milky-Way extinction.

    Parameters
    ----------
    wave_aa, ebv, law, r_v
        As of `attenuation_mag`, which says what is refused.

    Returns
    -------
    ndarray
        Factor >= 1, shape of ``wave_aa``.
    """
    return 10.0 ** (0.4 * attenuation_mag(wave_aa, ebv, law, r_v=r_v))
