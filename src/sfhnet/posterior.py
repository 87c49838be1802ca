"""What every network answers: star-formation history, metallicity history and scalars, with uncertainties."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from pyprospect.constants import Z_SUN
from sfhnet.flags import UNUSABLE
from sfhnet.io import create_h5, open_h5, put

__all__ = ["INTERVALS", "LEVELS", "NUISANCES", "SCALARS", "SFR_FLOOR_PER_YR", "Posterior"]

SCHEMA, SCHEMA_VERSION = "sfhnet.posterior", 1

# Quantile levels of every answer: the median and both ends of the 50, 68, 90 and 95 % intervals.
LEVELS: tuple[float, ...] = (0.025, 0.05, 0.16, 0.25, 0.5, 0.75, 0.84, 0.95, 0.975)

# Nominal coverage -> indices of its ends in LEVELS.
INTERVALS: dict[float, tuple[int, int]] = {0.50: (3, 5), 0.68: (2, 6), 0.90: (1, 7), 0.95: (0, 8)}

# ASSUME: a specific star-formation rate below this cannot be told from none (1/yr per Msol formed).
SFR_FLOOR_PER_YR = 1e-13

# Scalar -> (unit, meaning).
SCALARS: dict[str, tuple[str, str]] = {
    "lw_log_age": ("log10 yr", "light-weighted mean of log age"),
    "mw_log_age": ("log10 yr", "mass-weighted mean of log age"),
    "lw_mh": ("dex", "light-weighted [M/H]"),
    "mw_mh": ("dex", "mass-weighted [M/H]"),
    "t10": ("log10 yr", "look-back time by which 10 % of the mass had formed"),
    "t25": ("log10 yr", "look-back time by which 25 % of the mass had formed"),
    "t50": ("log10 yr", "look-back time by which half of the mass had formed"),
    "t75": ("log10 yr", "look-back time by which 75 % of the mass had formed"),
    "t90": ("log10 yr", "look-back time by which 90 % of the mass had formed"),
    "log_sfr10": ("log10 1/yr", "star-formation rate over 10 Myr per Msol formed"),
    "log_sfr100": ("log10 1/yr", "star-formation rate over 100 Myr per Msol formed"),
    "a_v": ("mag", "effective V-band attenuation"),
    "log_ml": ("log10 Msol AA/Lsol", "mass formed per luminosity at the normalising flux"),
}


# Parameters of the forward model that joint samples hold beside histories and scalars -> (unit, meaning).
NUISANCES: dict[str, tuple[str, str]] = {
    "tau_birth": ("", "optical depth of the birth clouds at 5500 AA"),
    "tau_screen": ("", "optical depth of the screen at 5500 AA"),
    "pow_birth": ("", "power of the birth clouds' attenuation with wavelength"),
    "pow_screen": ("", "power of the screen's attenuation with wavelength"),
    "bump": ("", "strength of the 2175 AA bump of the screen"),
    "log_line_scale": ("dex", "Halpha over the calibration with the star-formation rate of 10 Myr"),
    "log_u_offset": ("dex", "ionisation parameter over its relation with metallicity"),
}


# Dataset -> (unit, axes).
_PLAIN: dict[str, tuple[str, str]] = {
    "mass_fraction": ("", "spectrum, age"),
    "mh": ("dex", "spectrum, age"),
    "mass_fraction_q": ("", "spectrum, quantile, age"),
    "cum_mass_q": ("", "spectrum, quantile, age"),
    "mh_q": ("dex", "spectrum, quantile, age"),
    "flags": ("bits", "spectrum"),
    "snr": ("", "spectrum"),
    "log_scale": ("log10 flux unit", "spectrum"),
    "chi2": ("", "spectrum"),
    "ood_score": ("", "spectrum"),
}


@dataclass(frozen=True)
class Posterior:
    """Answers for ``n`` spectra. Unusable spectra hold NaN.

    Attributes
    ----------
    age_edges_myr : ndarray (n_age+1,)
        Edges of the age bins in Myr, youngest first.
    mass_fraction : ndarray (n, n_age)
        Fraction of the mass formed in each bin; sums to one.
    mh : ndarray (n, n_age)
        [M/H] in dex of the stars of each bin, mass weighted.
    levels : ndarray (n_quant,)
        Quantile levels.
    mass_fraction_q, cum_mass_q, mh_q : ndarray (n, n_quant, n_age)
        Quantiles; ``cum_mass`` is the mass fraction younger than the bin's upper edge.
    scalars : dict of ndarray (n,)
        Point estimates, names and units in `SCALARS`.
    scalars_q : dict of ndarray (n, n_quant)
        Their quantiles.
    flags : ndarray (n,) uint32
        Bits of `sfhnet.flags.Flag`.
    snr : ndarray (n,)
        Median S/N per pixel.
    log_scale : ndarray (n,)
        log10 of the normalising flux in the input's unit; with `log_ml` it gives the mass.
    chi2 : ndarray (n,)
        Reduced chi-square of the linear basis against the errors.
    ood_score : ndarray (n,)
        Distance from the mocks: one at the limit beyond which a spectrum is flagged.
    samples : dict of ndarray, optional
        Joint samples: ``mass_fraction`` and ``mh`` (n, n_sample, n_age), scalars and `NUISANCES` (n, n_sample).
    meta : dict
        Model name, units, version.
    """

    age_edges_myr: np.ndarray
    mass_fraction: np.ndarray
    mh: np.ndarray
    mass_fraction_q: np.ndarray
    cum_mass_q: np.ndarray
    mh_q: np.ndarray
    scalars: dict[str, np.ndarray]
    scalars_q: dict[str, np.ndarray]
    flags: np.ndarray
    snr: np.ndarray
    log_scale: np.ndarray
    chi2: np.ndarray
    ood_score: np.ndarray
    levels: np.ndarray = field(default_factory=lambda: np.array(LEVELS))
    samples: dict[str, np.ndarray] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n, n_age = self.mass_fraction.shape
        if len(self.age_edges_myr) != n_age + 1:
            raise ValueError(f"{n_age} age bins need {n_age + 1} edges, got {len(self.age_edges_myr)}")
        for name in ("mass_fraction_q", "cum_mass_q", "mh_q"):
            if getattr(self, name).shape != (n, len(self.levels), n_age):
                raise ValueError(
                    f"{name} has shape {getattr(self, name).shape}, not {(n, len(self.levels), n_age)}"
                )

    def __len__(self) -> int:
        return len(self.mass_fraction)

    @property
    def cum_mass(self) -> np.ndarray:
        """Mass fraction younger than each bin's upper edge, (n, n_age)."""
        return np.cumsum(self.mass_fraction, axis=1)

    @property
    def log_z(self) -> np.ndarray:
        """log10 of the metal mass fraction in each bin, (n, n_age)."""
        return self.mh + np.log10(Z_SUN)

    @property
    def log_mass(self) -> np.ndarray:
        """log10 of the stellar mass formed per Lsol/AA of the input's unit, (n,): add the luminosity scale."""
        return self.scalars["log_ml"] + self.log_scale

    @property
    def usable(self) -> np.ndarray:
        """True where there is an answer, (n,) bool."""
        return (self.flags & int(UNUSABLE)) == 0

    def interval(self, name: str, coverage: float) -> tuple[np.ndarray, np.ndarray]:
        """Return both ends of a central interval of a scalar.

        Parameters
        ----------
        name : str
            One of `SCALARS`.
        coverage : float
            0.5, 0.68, 0.9 or 0.95.
        """
        if coverage not in INTERVALS:
            raise ValueError(f"no interval of coverage {coverage}; there are {sorted(INTERVALS)}")
        low, high = INTERVALS[coverage]
        return self.scalars_q[name][:, low], self.scalars_q[name][:, high]

    def take(self, index: np.ndarray) -> Posterior:
        """Return the answers for some of the spectra."""
        values: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in ("age_edges_myr", "levels", "meta"):
                values[item.name] = value
            elif isinstance(value, Mapping):
                values[item.name] = {key: array[index] for key, array in value.items()}
            else:
                values[item.name] = value[index]
        return Posterior(**values)

    def with_meta(self, **meta: Any) -> Posterior:
        """Return the same answers with more metadata."""
        return replace(self, meta={**self.meta, **meta})

    @classmethod
    def cat(cls, parts: Sequence[Posterior]) -> Posterior:
        """Join answers along the spectra."""
        first = parts[0]
        values: dict[str, Any] = {}
        for item in fields(cls):
            value = getattr(first, item.name)
            if item.name in ("age_edges_myr", "levels", "meta"):
                values[item.name] = value
            elif isinstance(value, Mapping):
                values[item.name] = {
                    k: np.concatenate([getattr(p, item.name)[k] for p in parts]) for k in value
                }
            else:
                values[item.name] = np.concatenate([getattr(p, item.name) for p in parts])
        return cls(**values)

    def write(self, path: str | os.PathLike, provenance: Mapping[str, Any] | None = None) -> None:
        """Write to HDF5; every dataset carries ``unit`` and ``axes``."""
        with create_h5(path, SCHEMA, SCHEMA_VERSION, provenance) as file:
            file.attrs["meta"] = json.dumps(self.meta)
            put(file, "age_edges_myr", self.age_edges_myr, "Myr", "age_edge")
            put(file, "levels", self.levels, "", "quantile")
            for name, (unit, axes) in _PLAIN.items():
                value = np.asarray(getattr(self, name))
                value = value.astype(np.uint32) if name == "flags" else value
                put(file, name, value.astype(np.float32) if value.ndim > 1 else value, unit, axes)
            for name, value in self.scalars.items():
                put(file, f"scalars/{name}", value, SCALARS[name][0], "spectrum")
            for name, value in self.scalars_q.items():
                put(
                    file,
                    f"scalars_q/{name}",
                    value.astype(np.float32),
                    SCALARS[name][0],
                    "spectrum, quantile",
                )
            for name, value in self.samples.items():
                unit = "dex" if name == "mh" else {**SCALARS, **NUISANCES}.get(name, ("", ""))[0]
                axes = "spectrum, sample, age" if value.ndim == 3 else "spectrum, sample"
                # Half precision holds a sample to a thousandth, far below its scatter.
                put(file, f"samples/{name}", value.astype(np.float16), unit, axes)

    @classmethod
    def read(cls, path: str | os.PathLike) -> Posterior:
        """Read what `write` wrote."""
        with open_h5(path, SCHEMA, SCHEMA_VERSION) as file:
            return cls(
                **{name: file[name][()] for name in ("age_edges_myr", "levels", *_PLAIN)},
                scalars={name: value[()] for name, value in file["scalars"].items()},
                scalars_q={name: value[()] for name, value in file["scalars_q"].items()},
                samples={name: value[()] for name, value in file["samples"].items()}
                if "samples" in file
                else {},
                meta=json.loads(file.attrs["meta"]),
            )
