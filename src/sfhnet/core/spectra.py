"""Observed spectra ready for the network: one data model, one HDF5 layout."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from sfhnet.tools.hdf5 import create_h5, open_h5, put, read_dataset

SCHEMA, VERSION = "sfhnet.spectra", 2

# name -> (dtype, axes, unit); everything with one value a bin.
_PER_BIN = {
    "redshift": ("f8", "bin", ""),
    "velocity_kms": ("f8", "bin", "km/s"),
    "velocity_err_kms": ("f8", "bin", "km/s"),
    "sigma_kms": ("f8", "bin", "km/s"),
    "sigma_err_kms": ("f8", "bin", "km/s"),
    "snr": ("f4", "bin", ""),
    "noise_scale": ("f4", "bin", ""),
    "smoothing_aa": ("f4", "bin", "Angstrom"),
    "area_arcsec2": ("f8", "bin", "arcsec2"),
    "x_arcsec": ("f8", "bin", "arcsec"),
    "y_arcsec": ("f8", "bin", "arcsec"),
    "flags": ("u4", "bin", ""),
}
_GRIDS = {
    "flux": ("f4", "bin, wave", "flux_unit"),
    "sigma": ("f4", "bin, wave", "flux_unit"),
    "mask": ("?", "bin, wave", ""),
    "band_flux": ("f8", "bin, band", "flux_unit"),
    "band_sigma": ("f8", "bin, band", "flux_unit"),
    "band_mask": ("?", "bin, band", ""),
    "band_synthetic": ("f8", "bin, band", "flux_unit"),
}


class Unbinned(IntEnum):
    """Why a spaxel is in no bin."""

    IN_A_BIN = 0
    NO_DATA = 1
    FEW_GOOD_CHANNELS = 2
    MASKED = 3
    LOW_SNR = 4
    OUTSIDE_OF_BINS = 5


@dataclass(frozen=True)
class Spectra:
    """Spectra of the bins of one galaxy, rest frame, air wavelengths, on the training grid and resolution.

    Parameters
    ----------
    galaxy : str
        Name in the sample sheet.
    wave_aa : ndarray, shape (n_wave,)
        Rest-frame air wavelengths in Angstrom: the training grid.
    flux, sigma : ndarray, shape (n, n_wave)
        Rest-frame f_lambda (observed f_lambda times 1 + z) summed over the bin, and its error, in units of
        ``flux_unit_cgs`` erg/s/cm2/Angstrom, free of Milky-Way extinction. ``sigma`` is the error of one pixel of
        independent noise: broadening to the training resolution correlates neighbours and hides part of the noise,
        so the scatter from pixel to pixel is smaller than ``sigma`` while any average over pixels has the error
        that ``sigma`` says.
    mask : ndarray of bool, shape (n, n_wave)
        True where the pixel is good.
    band_names : tuple of str
        Photometric bands.
    band_flux, band_sigma : ndarray, shape (n, n_band)
        Band-averaged f_lambda, in the unit of ``flux``.
    band_mask : ndarray of bool, shape (n, n_band)
        True where the band was measured over the whole bin.
    band_synthetic : ndarray, shape (n, n_band)
        What the bands would measure on the spectrum itself; NaN where they reach too far beyond it.
    flux_unit_cgs : float
        erg/s/cm2/Angstrom per unit of flux.
    distance_mpc : float
        Luminosity distance.
    redshift, velocity_kms, velocity_err_kms, sigma_kms, sigma_err_kms : ndarray, shape (n,)
        Redshift used; velocity relative to the systemic redshift; stellar dispersion; errors (NaN when not fitted).
    snr : ndarray, shape (n,)
        Median flux / sigma per pixel over the good pixels.
    noise_scale : ndarray, shape (n,)
        Factor by which the errors in the file were scaled to match the residuals.
    smoothing_aa : ndarray, shape (n,)
        Gaussian sigma of the broadening applied at the middle of the range: correlation length of the noise.
    area_arcsec2, x_arcsec, y_arcsec : ndarray, shape (n,)
        Area; light-weighted centre relative to the galaxy centre, x to the east and y to the north.
    flags : ndarray of uint32, shape (n,)
        Sum of `sfhnet.core.flags.Flag`.
    bin_map : ndarray of int32, shape (ny, nx)
        Index of the bin of each spaxel, -1 outside; shape (1, 1) for a single spectrum.
    wcs_header : str
        FITS header of the map's celestial WCS, empty for a single spectrum.
    white : ndarray of float32, shape (ny, nx)
        Mean flux density of the cube per spaxel, NaN outside: the picture of the galaxy.
    unbinned : ndarray of uint8, shape (ny, nx)
        `Unbinned`: why a spaxel is in no bin; 0 where it is in one.
    meta : dict
        How the spectra were made: source files, extinction law, kinematics, counts of masked pixels ...
    truth : dict of ndarray
        Only for simulated galaxies: quantity -> true values, shape (n,) or (n, n_age).

    Raises
    ------
    ValueError
        If shapes disagree, or good pixels have no positive error.
    """

    galaxy: str
    wave_aa: np.ndarray
    flux: np.ndarray
    sigma: np.ndarray
    mask: np.ndarray
    band_names: tuple[str, ...]
    band_flux: np.ndarray
    band_sigma: np.ndarray
    band_mask: np.ndarray
    flux_unit_cgs: float
    distance_mpc: float
    redshift: np.ndarray
    velocity_kms: np.ndarray
    velocity_err_kms: np.ndarray
    sigma_kms: np.ndarray
    sigma_err_kms: np.ndarray
    snr: np.ndarray
    noise_scale: np.ndarray
    smoothing_aa: np.ndarray
    area_arcsec2: np.ndarray
    x_arcsec: np.ndarray
    y_arcsec: np.ndarray
    flags: np.ndarray
    bin_map: np.ndarray
    band_synthetic: np.ndarray | None = None
    wcs_header: str = ""
    white: np.ndarray = field(default_factory=lambda: np.full((1, 1), np.nan, dtype=np.float32))
    unbinned: np.ndarray = field(default_factory=lambda: np.zeros((1, 1), dtype=np.uint8))
    meta: dict[str, Any] = field(default_factory=dict)
    truth: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "band_names", tuple(self.band_names))
        object.__setattr__(self, "wave_aa", np.asarray(self.wave_aa, dtype=np.float64))
        n, n_wave, n_band = len(self.flux), self.wave_aa.size, len(self.band_names)
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(_PER_BIN, (n,))
        shapes |= dict.fromkeys(("flux", "sigma", "mask"), (n, n_wave))
        shapes |= dict.fromkeys(("band_flux", "band_sigma", "band_mask", "band_synthetic"), (n, n_band))
        if self.band_synthetic is None:
            object.__setattr__(self, "band_synthetic", np.full((n, n_band), np.nan))
        for name, shape in shapes.items():
            dtype = (_PER_BIN | _GRIDS)[name][0]
            values = np.asarray(getattr(self, name), dtype=dtype)
            if values.shape != shape:
                raise ValueError(f"{self.galaxy}: {name} has shape {values.shape}, expected {shape}")
            object.__setattr__(self, name, values)
        object.__setattr__(self, "bin_map", np.asarray(self.bin_map, dtype=np.int32))
        if self.bin_map.ndim != 2 or self.bin_map.max(initial=-1) >= n:
            raise ValueError(
                f"{self.galaxy}: bin_map of shape {self.bin_map.shape} points to bin {self.bin_map.max(initial=-1)}, "
                f"there are {n} bins"
            )
        for values, errors, good, what in (
            (self.flux, self.sigma, self.mask, "flux"),
            (self.band_flux, self.band_sigma, self.band_mask, "band_flux"),
        ):
            bad = good & ~(np.isfinite(values) & np.isfinite(errors) & (errors > 0))
            if bad.any():
                raise ValueError(
                    f"{self.galaxy}: {int(bad.sum())} good points of {what} have no finite value with an error above "
                    "zero; mask them"
                )
        for name, values in self.truth.items():
            if len(values) != n:
                raise ValueError(f"{self.galaxy}: truth {name} has {len(values)} rows for {n} bins")

    @property
    def n(self) -> int:
        """Number of bins."""
        return len(self.flux)

    @property
    def fraction_masked(self) -> np.ndarray:
        """Fraction of the training grid without a good pixel, shape (n,)."""
        return 1.0 - self.mask.mean(axis=1)

    def with_flags(self, flags: np.ndarray) -> Spectra:
        """Return a copy with more flags set.

        Parameters
        ----------
        flags : ndarray of int, shape (n,)
            Bits to add.

        Returns
        -------
        Spectra
        """
        return replace(self, flags=self.flags | np.asarray(flags, dtype=np.uint32))

    def write(self, path: str | os.PathLike, provenance: Mapping[str, Any] | None = None) -> Path:
        """Write as HDF5; the file appears under its name only when it is whole.

        Parameters
        ----------
        path : path
            File to write.
        provenance : mapping, optional
            Stored as the JSON attribute ``provenance``.

        Returns
        -------
        Path
            The file.
        """
        unit = f"{self.flux_unit_cgs:g} erg/s/cm2/Angstrom"
        with create_h5(path, SCHEMA, VERSION, provenance) as file:
            file.attrs["galaxy"] = self.galaxy
            file.attrs["band_names"] = list(self.band_names)
            file.attrs["flux_unit_cgs"] = float(self.flux_unit_cgs)
            file.attrs["distance_mpc"] = float(self.distance_mpc)
            file.attrs["wcs_header"] = self.wcs_header
            file.attrs["meta"] = json.dumps(self.meta)
            put(file, "wave_aa", self.wave_aa, "Angstrom", "wave")
            put(file, "bin_map", self.bin_map, "", "y, x")
            put(file, "white", np.asarray(self.white, dtype=np.float32), unit, "y, x")
            put(file, "unbinned", np.asarray(self.unbinned, dtype=np.uint8), "", "y, x")
            for name, (_, axes, kind) in (_GRIDS | _PER_BIN).items():
                put(file, name, getattr(self, name), unit if kind == "flux_unit" else kind, axes)
            for name, values in self.truth.items():
                put(file, f"truth/{name}", values, "", "bin" if values.ndim == 1 else "bin, age")
        return Path(path)

    @classmethod
    def read(cls, path: str | os.PathLike) -> Spectra:
        """Read what `write` wrote.

        Raises
        ------
        ValueError
            If the file is damaged, of another kind or of another schema version.
        """
        with open_h5(path, SCHEMA, VERSION) as file:
            names = ("wave_aa", "bin_map", "white", "unbinned", *_GRIDS, *_PER_BIN)
            values = {name: read_dataset(file, name) for name in names}
            truth = {name: dataset[()] for name, dataset in file["truth"].items()} if "truth" in file else {}
            return cls(
                galaxy=str(file.attrs["galaxy"]),
                band_names=tuple(str(name) for name in file.attrs["band_names"]),
                flux_unit_cgs=float(file.attrs["flux_unit_cgs"]),
                distance_mpc=float(file.attrs["distance_mpc"]),
                wcs_header=str(file.attrs["wcs_header"]),
                meta=json.loads(file.attrs["meta"]),
                truth=truth,
                **values,
            )
