"""Radio continuum of star formation: free-free and synchrotron emission tied to the far infrared."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyprospect.arguments import checked
from pyprospect.bands.photometry import FluxSpectrum, convert_freq2wave, convert_wave2freq
from pyprospect.constants import C_MPS
from pyprospect.numerics.rebin import addspec

__all__ = ["radio_emission", "radiocont"]

# log10 of the frequency [Hz] of 1.4 GHz emission, and 0.1 / (1.4e10 * 1.4^-0.1): FIR = that x S(1.4 GHz),
# for the 10 % of 1.4 GHz emission that the default model makes free-free
_LOG_NU_1P4 = 9.146128
_FIR_PER_1P4 = 7.387284e-12
_FREE_FREE_PER_FIR = 13536775000.0
_SUBTRACT_ABOVE_AA = 1e6
_NOTHING = 1e-200


@checked
def radio_emission(
    freq: ArrayLike,
    FIR: float,
    *,
    Te: float = 1e4,
    ff_frac: float = 0.1,
    ff_power: float = -0.1,
    sy_power: float = -0.8,
) -> NDArray[np.float64]:
    """Return free-free plus synchrotron emission.

    Parameters
    ----------
    freq : array_like
        Frequency [Hz].
    FIR : float
        Far-infrared flux, 42.5-122.5 um [W/m2], or any quantity of which 1e26 is the unit of the result.
    Te : float
        Electron temperature [K].
    ff_frac : float
        Free-free fraction of the emission at 1.4 GHz, above 0 to 1.
    ff_power, sy_power : float
        Spectral slopes of both parts (per Hz).

    Returns
    -------
    ndarray
        Jansky, shape of `freq` (Condon 1992, ARA&A 30, 575, and the FIR-radio correlation).

    Raises
    ------
    ValueError
        If `ff_frac` is not above 0 and at most 1, or Te is not positive.
    """
    if not 0.0 < ff_frac <= 1.0:
        raise ValueError(f"ff_frac={ff_frac} must be above 0 and at most 1")
    if not Te > 0:
        raise ValueError(f"Te={Te} K must be positive")
    x = np.asarray(freq, dtype=float) / 1.4e9
    free_free = _FREE_FREE_PER_FIR * FIR * (Te / 1e4) ** 0.45
    return free_free * x**ff_power + free_free * (1.0 - ff_frac) / ff_frac * x**sy_power


@checked
def radiocont(
    wave: ArrayLike,
    flux: ArrayLike,
    z: float = 0.0,
    *,
    Te: float = 1e4,
    ff_frac: float = 0.1,
    ff_power: float = -0.1,
    sy_power: float = -0.8,
    wavesamp: ArrayLike | None = None,
    flux_in: str = "freq",
    flux_out: str | None = None,
    subtractonly: bool = False,
    compat: bool = False,
) -> FluxSpectrum:
    """Replace the radio continuum that the Dale templates contain by one of chosen properties.

    The templates' own 1.4 GHz emission fixes the far-infrared flux; the default continuum that belongs to
    it is taken off longward of 100 um, and the requested one is put on.

    Parameters
    ----------
    wave, flux : array_like, shape (n,)
        Observed wavelengths [Angstrom] and flux density.
    z : float
        Redshift by which `wave` is stretched.
    Te, ff_frac, ff_power, sy_power
        See `radio_emission`.
    wavesamp : array_like, optional
        log10 of the rest wavelengths at which the new continuum is put on; default 6 to 9.4 by 0.1.
    flux_in, flux_out : {'freq', 'wave'}
        Flux density per Hz or per Angstrom; `flux_out` defaults to `flux_in`.
    subtractonly : bool
        Take the continuum off and put none on.
    compat : bool
        As ProSpect 1.11.0, which turns flux per Angstrom into flux per Hz at rest wavelengths and back at
        observed ones, so that at z > 0 it comes out a factor (1+z)^2 too faint.

    Returns
    -------
    FluxSpectrum
        On `wave`, or on the union with `wavesamp`. Where nothing is left the flux is 1e-200, not 0, so
        that logarithms stay finite (ProSpect).

    Raises
    ------
    ValueError
        If shapes or options are invalid.
    """
    flux_out = flux_in if flux_out is None else flux_out
    for name, value in (("flux_in", flux_in), ("flux_out", flux_out)):
        if value not in ("freq", "wave"):
            raise ValueError(f"{name}={value!r} is unknown; use 'freq' or 'wave'")
    w, f = np.asarray(wave, dtype=float), np.asarray(flux, dtype=float)
    if w.ndim != 1 or w.shape != f.shape or not np.all(w > 0):
        raise ValueError(
            f"{w.shape} wavelengths and {f.shape} fluxes: need equal vectors, wavelengths positive"
        )
    if flux_in == "freq" and not compat:
        f = convert_freq2wave(f, w)
    w, f = w / (1.0 + z), f * (1.0 + z)
    if flux_in == "wave" or not compat:
        f = convert_wave2freq(f, w)
    freq = C_MPS / (w / 1e10)
    order = np.argsort(freq, kind="stable")
    with np.errstate(divide="ignore", invalid="ignore"):
        log_flux = np.log10(f)[order]
        log_at = np.interp(_LOG_NU_1P4, np.log10(freq)[order], log_flux, left=-200.0, right=-200.0)
    # zero flux on either side of 1.4 GHz leaves nothing to scale with
    fir = _FIR_PER_1P4 * 10.0**log_at if np.isfinite(log_at) else 0.0
    long = w > _SUBTRACT_ABOVE_AA
    out = f.copy()
    out[long] -= radio_emission(freq[long], fir)
    out[out <= 0] = _NOTHING
    if not subtractonly:
        samp = 10.0 ** (np.arange(60, 95) / 10.0 if wavesamp is None else np.asarray(wavesamp, dtype=float))
        added = radio_emission(
            C_MPS / (samp / 1e10), fir, Te=Te, ff_frac=ff_frac, ff_power=ff_power, sy_power=sy_power
        )
        w, out = addspec(w, out, samp, added, extrap=0)
    if compat:
        w, out = w * (1.0 + z), out / (1.0 + z)
        return FluxSpectrum(w, convert_freq2wave(out, w) if flux_out == "wave" else out)
    per_angstrom = convert_freq2wave(out, w) / (1.0 + z)
    w = w * (1.0 + z)
    return FluxSpectrum(w, per_angstrom if flux_out == "wave" else convert_wave2freq(per_angstrom, w))
