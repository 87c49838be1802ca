"""The spectra of the bins beside their models as FITS, for other programs to read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS

from pyprospect.constants import FWHM_PER_SIGMA
from sfhnet.core.posterior import Posterior
from sfhnet.core.spectra import Spectra
from sfhnet.core.training_grid import TrainingGrid
from sfhnet.predictive_check.result import Predictive
from sfhnet.tools.hdf5 import atomic_write

__all__ = ["write_bin_spectra"]

_FRAME = "rest frame, air; summed over the bin, freed of Milky-Way extinction, times 1 + z"
# Models of the check -> extension and what its header says.
_MODELS = {
    "refined": ("MODEL", "best model near the posterior's draws (calibration curve of the check included)"),
    "draws_p16": ("MODEL_P16", "16th percentile of the draws, scaled to the data"),
    "draws_p84": ("MODEL_P84", "84th percentile of the draws, scaled to the data"),
}
_PLACES = ("bin", "x", "y", "area", "snr", "redshift", "velocity", "sigma", "quality", "flags")


def write_bin_spectra(
    path: str | os.PathLike,
    spectra: Spectra,
    posterior: Posterior,
    *,
    table: QTable,
    predictive: Predictive | None,
    grid: TrainingGrid,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write spectra, errors, masks and models of all bins to one FITS file, a row a bin.

    Parameters
    ----------
    path : path
        File to write.
    spectra, posterior : Spectra, Posterior
        As for `sfhnet.products.bin_table.bin_columns`.
    table : QTable
        From `sfhnet.products.bin_table.bin_columns`.
    predictive : Predictive or None
        Its ``models`` are written, if it has some.
    grid : TrainingGrid
        Of the model: the resolution.
    provenance : mapping, optional
        Written to the primary header as HISTORY.

    Returns
    -------
    Path
    """
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"] = spectra.galaxy
    primary.header["DISTANCE"] = (spectra.distance_mpc, "Mpc")
    primary.header["MODEL"] = str(posterior.meta.get("model", ""))
    for key in ("git_commit", "config_sha256", "code_sha256", "made_utc"):
        if provenance and key in provenance:
            primary.header.add_history(f"{key} {provenance[key]}")
    hdus = [primary, *_images(spectra, posterior, predictive, grid), _bins(spectra, table)]
    if spectra.wcs_header:
        sky = WCS(fits.Header.fromstring(spectra.wcs_header)).to_header()
        hdus.append(fits.ImageHDU(np.asarray(spectra.bin_map, dtype=np.int32), sky, name="BIN"))
        hdus[-1].header["COMMENT"] = "row of each spaxel in the other extensions, -1 outside"
    with atomic_write(path) as partial:
        fits.HDUList(hdus).writeto(partial)
    return Path(path)


def _images(
    spectra: Spectra, posterior: Posterior, predictive: Predictive | None, grid: TrainingGrid
) -> Iterator[fits.ImageHDU]:
    unit, scale = u.erg / u.s / u.cm**2 / u.AA, spectra.flux_unit_cgs
    power = round(np.log10(scale))
    # FITS has powers of ten in its units, no other factors.
    if abs(scale / 10.0**power - 1) < 1e-6:
        unit, scale = u.Unit(10.0**power * unit), 1.0
    bunit = unit.to_string("fits")

    def image(name: str, values: np.ndarray, comment: str, unit: str = bunit) -> fits.ImageHDU:
        hdu = fits.ImageHDU(values, name=name)
        if unit:
            hdu.header["BUNIT"] = unit
        step = float(spectra.wave_aa[1] - spectra.wave_aa[0])
        for key, value in (
            ("WCSAXES", values.ndim),
            ("CTYPE1", "AWAV"),
            ("CUNIT1", "Angstrom"),
            ("CRPIX1", 1.0),
            ("CRVAL1", float(spectra.wave_aa[0])),
            ("CDELT1", round(step, 9)),
            ("SPECSYS", "SOURCE"),
        ):
            hdu.header[key] = value
        if values.ndim == 2:
            hdu.header["CTYPE2"] = ("BIN", "row of BINS, from 0")
            hdu.header["CRPIX2"], hdu.header["CRVAL2"], hdu.header["CDELT2"] = 1.0, 0.0, 1.0
        hdu.header["COMMENT"] = comment
        return hdu

    yield image("FLUX", (scale * spectra.flux).astype(np.float32), _FRAME)
    yield image(
        "STD", (scale * spectra.sigma).astype(np.float32), "1 sigma of one pixel of independent noise"
    )
    mask = image("MASK", (~spectra.mask).astype(np.uint8), "1: not to be used", unit="")
    mask.header["BFORM"] = ("L", "true or false")
    yield mask
    models = {} if predictive is None else predictive.models
    level = scale * 10.0 ** np.nan_to_num(posterior.log_scale, neginf=0.0)[:, None]
    for kind, (name, comment) in _MODELS.items():
        if kind in models:
            values = models[kind][:, : spectra.wave_aa.size].astype(float) * level
            yield image(name, values.astype(np.float32), comment)
    width = (FWHM_PER_SIGMA * grid.sigma_aa).astype(np.float32)
    comment = "FWHM of instrument and stars together that spectra are broadened to; broader ones stay (SIGMA of BINS)"
    yield image("LSF", width, comment, unit="Angstrom")


def _bins(spectra: Spectra, table: QTable) -> fits.BinTableHDU:
    rows = table[[name for name in _PLACES if name in table.colnames]]
    for column, band in enumerate(spectra.band_names):
        there = spectra.band_mask[:, column]
        for name, values in ((band, spectra.band_flux), (f"{band}_ERR", spectra.band_sigma)):
            flux = np.where(there, values[:, column], np.nan) * spectra.flux_unit_cgs
            rows[name] = flux * u.erg / u.s / u.cm**2 / u.AA
    hdu = fits.table_to_hdu(rows)
    hdu.name = "BINS"
    return hdu
