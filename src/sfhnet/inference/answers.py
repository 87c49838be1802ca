"""What inference gives back for spectra: the answers, what was measured on the way, and what to look at."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sfhnet.core.flags import describe_flags, quality
from sfhnet.core.posterior import Posterior

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.figure import Figure

__all__ = ["MEASURED", "Answers", "Seen"]

# name -> (unit, meaning) of what is measured beside the answers.
MEASURED: dict[str, tuple[str, str]] = {
    "redshift": ("", "redshift that was used"),
    "redshift_err": ("", "its error; NaN if it was given"),
    "redshift_found": ("", "redshift that the spectrum prefers"),
    "redshift_probability": ("", "probability of the redshifts within 300 km/s of it"),
    "dispersion_kms": ("km/s", "velocity dispersion, or width of the lines if the instrument is not known"),
    "dispersion_err_kms": ("km/s", "its error; NaN if it was given"),
    "noise_scale": ("", "factor that the errors were multiplied by"),
    "halpha_ew_aa": ("Angstrom", "equivalent width of Halpha and [NII] in emission"),
    "stability": ("", "change of the answer when asked again, over its limit"),
    "without_lines": ("", "change of the answer without emission lines, in half widths of its 68 % interval"),
    "by_halves": ("", "largest change with a part of the range, in half widths of the 68 % interval"),
    "chi2_stars": ("", "reduced chi-square of the network's basis beside the lines"),
    "covered": ("", "share of the training range with good pixels"),
    "smoothing_aa": ("Angstrom", "Gaussian sigma of the broadening to the training resolution"),
    "log_mass_formed": ("log10 Msun", "stellar mass ever formed; NaN without unit of flux and distance"),
}


_OF_SPECTRA = ("flux", "sigma", "mask", "band_flux", "band_sigma", "band_mask", "model")


@dataclass(frozen=True)
class Seen:
    """Spectra as the network saw them: rest frame, training grid and resolution, over the normalising flux.

    Parameters
    ----------
    wave_aa : ndarray (n_wave,)
        Rest-frame air wavelengths.
    flux, sigma : ndarray of float32 (n, n_wave)
        Spectrum and error.
    mask : ndarray of bool (n, n_wave)
        True = good.
    band_flux, band_sigma : ndarray of float32 (n, n_band)
        Bands, as far as they count.
    band_mask : ndarray of bool (n, n_band)
        True = present.
    model : ndarray of float32 (n, n_wave)
        Best spectrum of the network's linear basis, or the refined one of the forward model.
    """

    wave_aa: np.ndarray
    flux: np.ndarray
    sigma: np.ndarray
    mask: np.ndarray
    band_flux: np.ndarray
    band_sigma: np.ndarray
    band_mask: np.ndarray
    model: np.ndarray

    def take(self, index: np.ndarray | slice) -> Seen:
        """Return some of the spectra, in arrays of their own: a view would keep all of them in memory."""
        return Seen(self.wave_aa, *(np.array(getattr(self, name)[index]) for name in _OF_SPECTRA))

    @classmethod
    def cat(cls, parts: Sequence[Seen]) -> Seen:
        """Join parts along the spectra."""
        joined = (np.concatenate([getattr(part, name) for part in parts]) for name in _OF_SPECTRA)
        return cls(parts[0].wave_aa, *joined)


@dataclass(frozen=True)
class Answers(Posterior):
    """Answers for ``n`` spectra with all that was measured; everything of `Posterior`, and

    Attributes
    ----------
    measured : dict of ndarray (n,)
        Names and units in `MEASURED`.
    seen : Seen or None
        What the network saw; None if it was not to be kept.
    notes : tuple of str
        What was taken for what, for all spectra.
    refined : dict of ndarray
        The best models near the draws, where they were checked (`sfhnet.predictive_check.of_answers`): ``mass_fraction``,
        ``mh`` (n, n_age), the parameters `sfhnet.core.quantities.DUST_AND_LINES`, ``log_ml``, ``mw_log_age``, ``mw_mh``,
        ``chi2`` per pixel over that of noise, ``shift`` from the draws in their standard deviations, (n,).
    """

    measured: dict[str, np.ndarray] = field(default_factory=dict)
    seen: Seen | None = None
    notes: tuple[str, ...] = ()
    refined: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        posterior: Posterior,
        measured: Mapping[str, np.ndarray],
        *,
        seen: Seen | None = None,
        notes: tuple[str, ...] = (),
    ) -> Answers:
        """Join answers with what was measured."""
        values = {name: getattr(posterior, name) for name in Posterior.__dataclass_fields__}
        return cls(**values, measured=dict(measured), seen=seen, notes=notes)

    @property
    def quality(self) -> np.ndarray:
        """0 nothing found wrong, 1 take note, 2 doubtful, 3 not to be used, (n,)."""
        return quality(self.flags)

    def take(self, index: np.ndarray) -> Answers:
        """Return the answers for some of the spectra."""
        some = Answers.of(
            super().take(index),
            {name: values[index] for name, values in self.measured.items()},
            seen=None if self.seen is None else self.seen.take(index),
            notes=self.notes,
        )
        return replace(some, refined={name: values[index] for name, values in self.refined.items()})

    def with_meta(self, **meta: Any) -> Answers:
        """Return the same answers with more metadata."""
        return replace(self, meta={**self.meta, **meta})

    def summary(self, row: int | None = None) -> str:
        """Return a readable block for one spectrum, or for each.

        Parameters
        ----------
        row : int, optional
            Which spectrum; all by default.
        """
        from sfhnet.inference.report import block

        rows = range(len(self)) if row is None else [row]
        return "\n\n".join([*(block(self, i) for i in rows), *(f"note: {note}" for note in self.notes)])

    def to_table(self) -> Table:
        """Return one row a spectrum: scalars with both ends of their 68 % intervals, what was measured, flags."""
        from sfhnet.inference.report import table

        return table(self)

    def plot(self, row: int = 0) -> Figure:
        """Draw one spectrum with model and residuals, history, metallicities and flags.

        Parameters
        ----------
        row : int
            Which spectrum.
        """
        from sfhnet.inference.picture import draw_answer

        return draw_answer(self, row)

    def write(self, path: str | os.PathLike, provenance: Mapping[str, Any] | None = None) -> None:
        """Write to a file: ``.ecsv`` and ``.fits`` the table, everything else the whole in HDF5.

        Parameters
        ----------
        path : path
            File to write. `sfhnet.core.posterior.Posterior.read` reads the posterior of an HDF5 file.
        provenance : mapping, optional
            Stored in it, but in FITS.
        """
        from sfhnet.inference.report import TABLE_SUFFIXES, write_table

        if Path(path).suffix.lower() in TABLE_SUFFIXES:
            write_table(self, Path(path), provenance)
        else:
            super().write(path, provenance)

    def _write_more(self, file: Any) -> None:
        from sfhnet.tools.hdf5 import put

        file.attrs["notes"] = list(self.notes)
        for name, values in self.measured.items():
            put(file, f"measured/{name}", values, unit=MEASURED[name][0], axes="spectrum")
        for name, values in self.refined.items():
            put(
                file,
                f"refined/{name}",
                values,
                unit="",
                axes="spectrum, age" if values.ndim == 2 else "spectrum",
            )

    def words(self, row: int) -> list[str]:
        """Return the flags of a spectrum in words."""
        return describe_flags(self.flags[row])
