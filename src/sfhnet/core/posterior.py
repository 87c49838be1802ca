"""What every network answers: star-formation history, metallicity history and scalars, with uncertainties."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from pyprospect.constants import Z_SUN
from sfhnet.core.flags import UNUSABLE
from sfhnet.core.quantities import FROM_DRAWS, INTERVALS, LEVELS, QUANTITIES, SCALARS
from sfhnet.tools.hdf5 import create_h5, open_h5, put

__all__ = ["Posterior", "point_posterior"]

SCHEMA, SCHEMA_VERSION = "sfhnet.posterior", 1

# Dataset -> (unit, axes).
_PLAIN: dict[str, tuple[str, str]] = {
    **{name: (QUANTITIES[name].unit, "spectrum, age") for name in ("mass_fraction", "mh")},
    **{
        f"{name}_q": (QUANTITIES[name].unit, "spectrum, quantile, age")
        for name in ("mass_fraction", "cum_mass", "mh")
    },
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
        Point estimates, names and units in `sfhnet.core.quantities.SCALARS`.
    scalars_q : dict of ndarray (n, n_quant)
        Their quantiles.
    flags : ndarray (n,) uint32
        Bits of `sfhnet.core.flags.Flag`.
    snr : ndarray (n,)
        Median S/N per pixel.
    log_scale : ndarray (n,)
        log10 of the normalising flux in the input's unit; with `log_ml` it gives the mass.
    chi2 : ndarray (n,)
        Reduced chi-square of the linear basis against the errors.
    ood_score : ndarray (n,)
        Distance from the mocks: one at the limit beyond which a spectrum is flagged.
    samples : dict of ndarray, optional
        Joint samples: ``mass_fraction`` and ``mh`` (n, n_sample, n_age), scalars and the parameters
        `sfhnet.core.quantities.DUST_AND_LINES` (n, n_sample).
    from_draws : dict of ndarray, optional
        Quantiles (n, n_quant) of `sfhnet.core.quantities.FROM_DRAWS`, read off the joint samples; ``p_burst`` is (n,).
    meta : dict
        Model name, units, version; ``calibrated_draws`` names those of `from_draws` whose intervals are calibrated.
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
    from_draws: dict[str, np.ndarray] = field(default_factory=dict)
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

        Returns
        -------
        low, high : ndarray (n,)
            In the scalar's unit.

        Raises
        ------
        ValueError
            If there is no such interval.
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
        """Write to HDF5; every dataset carries ``unit`` and ``axes``.

        Parameters
        ----------
        path : path
            File to write; it appears under its name only when it is whole.
        provenance : mapping, optional
            Stored as the JSON attribute ``provenance``.
        """
        with create_h5(path, SCHEMA, SCHEMA_VERSION, provenance=provenance) as file:
            file.attrs["meta"] = json.dumps(self.meta)
            put(file, "age_edges_myr", self.age_edges_myr, unit="Myr", axes="age_edge")
            put(file, "levels", self.levels, unit="", axes="quantile")
            for name, (unit, axes) in _PLAIN.items():
                value = np.asarray(getattr(self, name))
                value = value.astype(np.uint32) if name == "flags" else value
                put(file, name, value.astype(np.float32) if value.ndim > 1 else value, unit=unit, axes=axes)
            for name, value in self.scalars.items():
                put(file, f"scalars/{name}", value, unit=QUANTITIES[name].unit, axes="spectrum")
            for name, value in self.scalars_q.items():
                put(
                    file,
                    f"scalars_q/{name}",
                    value.astype(np.float32),
                    unit=QUANTITIES[name].unit,
                    axes="spectrum, quantile",
                )
            for name, value in self.samples.items():
                axes = "spectrum, sample, age" if value.ndim == 3 else "spectrum, sample"
                # Half precision holds a sample to a thousandth, far below its scatter.
                put(file, f"samples/{name}", value.astype(np.float16), unit=QUANTITIES[name].unit, axes=axes)
            for name, value in self.from_draws.items():
                axes = "spectrum, quantile" if value.ndim == 2 else "spectrum"
                put(
                    file,
                    f"from_draws/{name}",
                    value.astype(np.float32),
                    unit=FROM_DRAWS[name].unit,
                    axes=axes,
                )
            self._write_more(file)

    def _write_more(self, file: Any) -> None:
        """Write what a kind of answers has beside the posterior into the open HDF5 file."""

    @classmethod
    def read(cls, path: str | os.PathLike) -> Posterior:
        """Read what `write` wrote."""
        with open_h5(path, SCHEMA, SCHEMA_VERSION) as file:
            return cls(
                **{name: file[name][()] for name in ("age_edges_myr", "levels", *_PLAIN)},
                scalars={name: value[()] for name, value in file["scalars"].items()},
                scalars_q={name: value[()] for name, value in file["scalars_q"].items()},
                samples=_optional(file, "samples"),
                from_draws=_optional(file, "from_draws"),
                meta=json.loads(file.attrs["meta"]),
            )


def _optional(file: Any, group: str) -> dict[str, np.ndarray]:
    """Return the arrays of a group of an HDF5 file that need not be there."""
    return {name: value[()] for name, value in file[group].items()} if group in file else {}


def point_posterior(
    age_edges_myr: np.ndarray, mass_fraction: np.ndarray, mh: np.ndarray, *, scalars: dict[str, np.ndarray]
) -> Posterior:
    """Return point estimates as a `Posterior` whose quantiles are NaN, so that the same metrics measure them.

    Parameters
    ----------
    age_edges_myr : ndarray (n_age + 1,)
        Age bins.
    mass_fraction, mh : ndarray (n, n_age)
        Estimates.
    scalars : dict of ndarray (n,)
        The names of `sfhnet.core.quantities.SCALARS`.

    Returns
    -------
    Posterior
        n rows.
    """
    n, n_age = mass_fraction.shape
    unknown = np.full(n, np.nan)
    no_history = np.full((n, len(LEVELS), n_age), np.nan)
    return Posterior(
        age_edges_myr=np.asarray(age_edges_myr, dtype=float),
        mass_fraction=np.asarray(mass_fraction, dtype=float),
        mh=np.asarray(mh, dtype=float),
        mass_fraction_q=no_history,
        cum_mass_q=no_history,
        mh_q=no_history,
        scalars={name: np.asarray(scalars[name], dtype=float) for name in SCALARS},
        scalars_q={name: np.full((n, len(LEVELS)), np.nan) for name in SCALARS},
        flags=np.zeros(n, dtype=np.uint32),
        snr=unknown,
        log_scale=unknown,
        chi2=unknown,
        ood_score=unknown,
    )
