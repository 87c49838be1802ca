"""MAPS of the PHANGS data analysis pipeline (DAP): its bins and stellar kinematics."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS

from pyprospect.constants import C_KMS
from sfhnet.observation.binning import number_labels
from sfhnet.observation.fits_files import open_fits

# What an extension is called: the PHANGS DAP, then other pipelines of its family.
_NAMES = {
    "bins": ("BINID", "BIN_ID", "ID", "BINID_STARS"),
    "velocity": ("V_STARS", "VSTARS"),
    "velocity_err": ("FORM_ERR_V_STARS", "ERR_V_STARS", "V_STARS_ERR"),
    "sigma": ("SIGMA_STARS",),
    "sigma_err": ("FORM_ERR_SIGMA_STARS", "ERR_SIGMA_STARS", "SIGMA_STARS_ERR"),
}
# ASSUME: a file whose extensions have no names is ordered as the public release is (Emsellem et al. 2022).
_NUMBERS = {"bins": 1, "velocity": 2, "velocity_err": 3, "sigma": 4, "sigma_err": 5}
_MAX_SEPARATION_ARCSEC = 1.0
# MAPS and sheet may differ by this much; more is another galaxy.
_MAX_OFFSET_KMS = 500.0


@dataclass(frozen=True)
class DapMaps:
    """What the MAPS say of each spaxel.

    Parameters
    ----------
    path : Path
        FITS file.
    bin_map : ndarray of int32, shape (ny, nx), or None
        Voronoi bins, numbered from 0 without gaps, -1 outside; None if the file has none.
    systemic : float
        Systemic redshift: 1 + z = 1 + REDSHIFT / c.
    velocity_kms, velocity_err_kms, sigma_kms, sigma_err_kms : ndarray, shape (ny, nx)
        Stellar velocity relative to ``systemic``, dispersion freed of the instrument, and their formal errors; NaN
        where not measured.
    extensions : dict
        Quantity -> extension that it came from.
    """

    path: Path
    bin_map: np.ndarray | None
    systemic: float
    velocity_kms: np.ndarray
    velocity_err_kms: np.ndarray
    sigma_kms: np.ndarray
    sigma_err_kms: np.ndarray
    extensions: dict[str, str]


@dataclass(frozen=True)
class BinKinematics:
    """Kinematics given for bins, shape (n,) each; NaN where the MAPS hold none."""

    systemic: float
    velocity_kms: np.ndarray
    velocity_err_kms: np.ndarray
    sigma_kms: np.ndarray
    sigma_err_kms: np.ndarray


def read_maps(
    path: str | os.PathLike, shape: tuple[int, int], wcs: WCS, *, redshift: float, galaxy: str
) -> DapMaps:
    """Read MAPS and check that they belong to a cube.

    Parameters
    ----------
    path : path
        FITS file. Extensions are found by name (V_STARS, SIGMA_STARS, BINID ...), or, where none has a name, by the
        order of the public release.
    shape : (int, int)
        (ny, nx) of the cube.
    wcs : astropy.wcs.WCS
        Celestial WCS of the cube.
    redshift : float
        Redshift in the sample sheet; stands in for a missing REDSHIFT.
    galaxy : str
        Name for messages.

    Returns
    -------
    DapMaps

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is truncated, lacks the stellar kinematics, has another size or place than the cube, or another
        redshift than the sheet.
    """
    path = Path(path)
    with open_fits(path, galaxy) as hdus:
        places = _places(hdus, f"{galaxy}: {path}")
        values = {}
        for quantity, index in places.items():
            hdu, where = hdus[index], f"{galaxy}: {path} [{hdus[index].name or index}]"
            if hdu.shape != tuple(shape):
                raise ValueError(
                    f"{where} has {' x '.join(map(str, hdu.shape))} spaxels, the cube has {shape[0]} x {shape[1]}; use "
                    "the MAPS made from this very cube (same copt resolution)"
                )
            _check_place(hdu.header, wcs, where)
            values[quantity] = np.asarray(hdu.data, dtype=float)
        systemic = _systemic(hdus[0].header, redshift, f"{galaxy}: {path} [PRIMARY]")
        extensions = {quantity: hdus[index].name or str(index) for quantity, index in places.items()}
    good = np.isfinite(values["velocity"]) & np.isfinite(values["sigma"]) & (values["sigma"] > 0)
    if not good.any():
        raise ValueError(
            f"{galaxy}: {path} [{extensions['velocity']}, {extensions['sigma']}] hold no spaxel with a velocity and a dispersion "
            "above 0; leave the column maps empty to have them fitted"
        )
    nothing = np.full(shape, np.nan)
    measured = {
        name: np.where(good, values.get(name, nothing), np.nan)
        for name in ("velocity", "velocity_err", "sigma", "sigma_err")
    }
    return DapMaps(
        path=path,
        bin_map=number_labels(values["bins"]) if "bins" in values else None,
        systemic=systemic,
        velocity_kms=measured["velocity"],
        velocity_err_kms=measured["velocity_err"],
        sigma_kms=measured["sigma"],
        sigma_err_kms=measured["sigma_err"],
        extensions=extensions,
    )


def _places(hdus: fits.HDUList, where: str) -> dict[str, int]:
    names = [hdu.name for hdu in hdus]
    images = [hdu.is_image and hdu.header.get("NAXIS") == 2 for hdu in hdus]
    result = {}
    for quantity, known in _NAMES.items():
        index = next((names.index(name) for name in known if name in names), None)
        if index is not None and images[index]:
            result[quantity] = index
    if not result and not any(names[1:]):
        result = {q: n for q, n in _NUMBERS.items() if n < len(hdus) and images[n]}
    missing = [_NAMES[quantity][0] for quantity in ("velocity", "sigma") if quantity not in result]
    if missing:
        raise ValueError(
            f"{where} has no extension {', '.join(missing)} (found {names}); give the MAPS of the PHANGS DAP, or leave the "
            "column maps empty to have the kinematics fitted"
        )
    return result


def _check_place(header: fits.Header, wcs: WCS, where: str) -> None:
    own = WCS(header).celestial
    if own.naxis != 2 or not own.has_celestial:
        return
    separation = own.pixel_to_world(0, 0).separation(wcs.pixel_to_world(0, 0)).to_value(u.arcsec)
    if separation > _MAX_SEPARATION_ARCSEC:
        raise ValueError(
            f"{where} begins {separation:.1f} arcsec from where the cube does; use the MAPS made from this very cube"
        )


def _systemic(header: fits.Header, redshift: float, where: str) -> float:
    value = header.get("REDSHIFT")
    if value is None:
        return redshift
    # km/s in the public files; a number below 1 can only be a redshift.
    systemic = float(value) if abs(value) < 1 else float(value) / C_KMS
    offset_kms = C_KMS * (systemic - redshift)
    if abs(offset_kms) > _MAX_OFFSET_KMS:
        raise ValueError(
            f"{where} has REDSHIFT = {value} (z = {systemic:.5f}), {offset_kms:+.0f} km/s from the sheet's z = {redshift}; are "
            "these the MAPS of another galaxy?"
        )
    return systemic


def in_bins(maps: DapMaps, bin_map: np.ndarray, n_bins: int, *, weight: np.ndarray) -> BinKinematics:
    """Average the kinematics of spaxels over bins, weighted by light.

    The dispersion of a sum of spectra holds that of its spaxels and the scatter of their velocities.

    Parameters
    ----------
    maps : DapMaps
        From `read_maps`.
    bin_map : ndarray of int, shape (ny, nx)
        Bin of each spaxel, -1 outside.
    n_bins : int
        Number of bins.
    weight : ndarray, shape (ny, nx)
        Light per spaxel, not negative.

    Returns
    -------
    BinKinematics
    """
    used = (bin_map >= 0) & np.isfinite(maps.velocity_kms)
    labels = bin_map[used]
    light = np.bincount(labels, weights=weight[used], minlength=n_bins)
    some = light > 0
    safe = np.where(some, light, 1.0)

    def mean(values: np.ndarray) -> np.ndarray:
        total = np.bincount(labels, weights=(weight * values)[used], minlength=n_bins)
        return np.where(some, total / safe, np.nan)

    velocity = mean(maps.velocity_kms)
    scatter = mean(maps.velocity_kms**2) - velocity**2
    sigma = np.sqrt(mean(maps.sigma_kms**2) + np.clip(scatter, 0, None))
    # ASSUME: spaxels of a bin share the DAP's bins, so that averaging them makes no error smaller.
    return BinKinematics(
        systemic=maps.systemic,
        velocity_kms=velocity,
        velocity_err_kms=mean(maps.velocity_err_kms),
        sigma_kms=sigma,
        sigma_err_kms=mean(maps.sigma_err_kms),
    )
