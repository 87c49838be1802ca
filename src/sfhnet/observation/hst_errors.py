"""Errors of HST images: from weights beside them, from an extension, or measured in the image."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.stats import sigma_clipped_stats

from sfhnet.observation.fits_files import open_fits, science_image
from sfhnet.sources.hst_file_names import weights_of

# Keywords in which AstroDrizzle and its users say what kind of weights WHT holds (final_wht_type: EXP, IVM, ERR).
_WEIGHT_KEYS = ("WHTTYPE", "WHT_TYPE", "FINALWHT", "D001OUWT", "D001WHTT", "D001WTYP")


@dataclass(frozen=True)
class Weights:
    """What tells the errors of an image.

    Parameters
    ----------
    name : str
        File or extension.
    values : ndarray of float32, shape (ny, nx)
        Standard deviations (an extension ERR) or inverse variances, in the unit of the image; or exposure times.
    are_exposures : bool
        Whether they are exposure times, AstroDrizzle's default for WHT: they tell how the noise goes, not how large it is.
    """

    name: str
    values: np.ndarray
    are_exposures: bool = False

    @property
    def are_errors(self) -> bool:
        """True for standard deviations; False for inverse variances and exposure times."""
        return self.name == "ERR"

    @property
    def origin(self) -> str:
        """Where the errors come from, in words."""
        return (
            f"measured in the image, times {self.name} (exposure time)" if self.are_exposures else self.name
        )


def read_weights(
    hdus: fits.HDUList,
    path: Path,
    weight_path: str | os.PathLike | None,
    *,
    cut: tuple[slice, slice],
    shape: tuple[int, int],
    galaxy: str,
    where: str,
) -> Weights | None:
    """Read what tells the errors of an image.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
        The image file, open.
    path : Path
        Its path, beside which PHANGS-HST's weights may lie.
    weight_path : path, optional
        Inverse variance; by default that of PHANGS-HST, else an extension ERR or WHT.
    cut : (slice, slice)
        Rows and columns that are wanted.
    shape : (int, int)
        (ny, nx) of the whole image.
    galaxy, where : str
        Galaxy, and galaxy with file and extension of the image, for messages.

    Returns
    -------
    Weights or None
        None where nothing tells the errors.

    Raises
    ------
    ValueError
        If the weights have another shape than the image.
    """
    if weight_path is None and (beside := weights_of(path)) is not None and beside.is_file():
        weight_path = beside
    if weight_path is not None:
        with open_fits(weight_path, galaxy) as others:
            hdu = science_image(others, f"{galaxy}: {weight_path}")
            return Weights(Path(weight_path).name, _section(hdu, cut, shape, where))
    name = next((name for name in ("ERR", "WHT") if name in hdus), None)
    if name is None:
        return None
    exposures = name == "WHT" and _are_exposures(hdus, cut)
    return Weights(name, _section(hdus[name], cut, shape, where), exposures)


def _are_exposures(hdus: fits.HDUList, cut: tuple[slice, slice]) -> bool:
    """Return whether WHT holds exposure times: because a header says so, or because none does and they reach EXPTIME."""
    headers = [hdu.header for hdu in hdus]
    said = {str(header[key]).strip().upper() for header in headers for key in _WEIGHT_KEYS if key in header}
    unit = str(hdus["WHT"].header.get("BUNIT", "")).strip().lower()
    if said & {"EXP", "EXPTIME", "EXPOSURE"} or unit in ("s", "sec", "second", "seconds"):
        return True
    if said:
        return False
    exposure = next((float(header["EXPTIME"]) for header in headers if header.get("EXPTIME")), 0.0)
    weights = np.asarray(hdus["WHT"].section[cut])
    positive = weights[np.isfinite(weights) & (weights > 0)]
    return exposure > 0 and positive.size > 0 and abs(np.percentile(positive, 95) / exposure - 1) < 0.02


def valid_and_variance(
    values: np.ndarray, weights: Weights | None, header: fits.Header, *, factor: float
) -> tuple[np.ndarray, np.ndarray]:
    """Find which pixels of an image are valid, and their variance.

    Parameters
    ----------
    values : ndarray of float32, shape (ny, nx)
        Image.
    weights : Weights or None
        From `read_weights`; None: the noise is measured in the image.
    header : fits.Header
        Its header, for the exposure time.
    factor : float
        erg/s/cm2/Angstrom per unit of the image.

    Returns
    -------
    valid : ndarray of bool, shape (ny, nx)
    variance : ndarray of float32, shape (ny, nx)
        In the square of the unit of the image; what it is where not valid has no meaning.
    """
    valid = np.isfinite(values)
    if weights is None:
        # Drizzled images are exactly zero where nothing was exposed.
        valid &= values != 0
        return valid, _measured_variance(np.where(valid, values, 0), valid, header, factor)
    valid &= np.isfinite(weights.values) & (weights.values > 0)
    if weights.are_exposures:
        shorter = (
            np.median(weights.values[valid]) / np.where(valid, weights.values, 1) if valid.any() else 1.0
        )
        return valid, _measured_variance(np.where(valid, values, 0), valid, header, factor) * shorter
    variance = np.zeros_like(weights.values)
    if weights.are_errors:
        np.square(weights.values, where=valid, out=variance)
    else:
        np.divide(1.0, weights.values, where=valid, out=variance)
    return valid, variance


def _section(
    hdu: fits.hdu.image.ImageHDU, cut: tuple[slice, slice], shape: tuple[int, int], where: str
) -> np.ndarray:
    if hdu.shape != shape:
        raise ValueError(f"{where} has shape {shape}, its weights or errors have {hdu.shape}")
    return np.array(hdu.section[cut], dtype=np.float32)


def _measured_variance(
    values: np.ndarray, valid: np.ndarray, header: fits.Header, factor: float
) -> np.ndarray:
    # Differences between neighbours hold noise and little light; sqrt(2) for two pixels.
    both = valid[:, 1:] & valid[:, :-1]
    step = (values[:, 1:] - values[:, :-1])[both] / np.sqrt(2)
    if step.size < 10:
        return np.ones(values.shape, dtype=np.float32)
    _, _, noise = sigma_clipped_stats(step, sigma=3.0, maxiters=5)
    variance = np.full(values.shape, max(noise, 0.0) ** 2, dtype=np.float32)
    exposure = float(header.get("EXPTIME", 0) or 0)
    if factor == header.get("PHOTFLAM") and exposure > 0:
        # ASSUME: electrons/s, so that the source adds its own photon noise.
        variance += np.clip(values, 0, None) / exposure
    return np.where(variance > 0, variance, np.finfo(np.float32).tiny)
