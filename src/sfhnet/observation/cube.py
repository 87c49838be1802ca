"""MUSE cubes: read whatever their size, in blocks of rows, with the checks that save hours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS

from sfhnet.observation.fits_files import open_fits
from sfhnet.observation.spectral_axis import spectral_axis
from sfhnet.observation.wavelengths_and_units import parse_flux_unit, parse_unit, vacuum_to_air

_BYTES_PER_VALUE = 16  # DATA, STAT as float32, DQ, and the working copies made of them


@dataclass(frozen=True)
class Block:
    """A block of whole rows of a cube.

    Parameters
    ----------
    rows : slice
        Rows of the map.
    flux, variance : ndarray of float32, shape (n_wave, n_rows, nx)
        In units of the cube's ``flux_unit_cgs``; 0 where bad.
    good : ndarray of bool, same shape
        Finite flux, no DQ bit, not masked by the galaxy's rules.
    """

    rows: slice
    flux: np.ndarray
    variance: np.ndarray
    good: np.ndarray


@dataclass(frozen=True)
class Cube:
    """What is known about a cube before its pixels are read.

    Parameters
    ----------
    path : Path
        FITS file.
    galaxy : str
        Name for messages.
    wave_aa : ndarray, shape (n_wave,)
        Observed AIR wavelengths in Angstrom, from the header of DATA.
    shape : (int, int, int)
        (n_wave, ny, nx).
    flux_unit_cgs : float
        erg/s/cm2/Angstrom per unit of DATA.
    wcs : astropy.wcs.WCS
        Celestial WCS of a spaxel map.
    pixel_arcsec2 : float
        Area of a spaxel.
    has_dq : bool
        Whether there is a DQ extension.
    """

    path: Path
    galaxy: str
    wave_aa: np.ndarray
    shape: tuple[int, int, int]
    flux_unit_cgs: float
    wcs: WCS
    pixel_arcsec2: float
    has_dq: bool

    def blocks(self, memory_bytes: float) -> Iterator[Block]:
        """Read the cube in blocks of whole rows.

        Parameters
        ----------
        memory_bytes : float
            Memory that one block may take, working copies included.

        Yields
        ------
        Block

        Raises
        ------
        ValueError
            If the file is truncated.
        """
        n_wave, ny, nx = self.shape
        rows = max(1, int(memory_bytes // (n_wave * nx * _BYTES_PER_VALUE)))
        with open_fits(self.path, self.galaxy) as hdus:
            for start in range(0, ny, rows):
                chosen = slice(start, min(start + rows, ny))
                try:
                    flux, variance = (_read_rows(hdus[name], chosen) for name in ("DATA", "STAT"))
                    dq = _read_rows(hdus["DQ"], chosen) if self.has_dq else None
                except (OSError, TypeError, ValueError, EOFError) as error:
                    raise ValueError(
                        f"{self.galaxy}: {self.path} is truncated, rows {chosen.start}..{chosen.stop - 1} of DATA, STAT "
                        f"or DQ cannot be read ({error}); fetch the file again"
                    ) from error
                yield _clean(chosen, flux, variance, dq)


def _read_rows(hdu: fits.hdu.image.ImageHDU, rows: slice) -> np.ndarray:
    """Read rows of all channels; float32 if the file has real numbers."""
    n_wave, ny, nx = hdu.shape
    kind = np.dtype({8: "u1", -32: ">f4"}.get(hdu.header["BITPIX"], "V1"))
    plain = (
        kind != "V1"
        and not ({"BSCALE", "BZERO", "BLANK"} & set(hdu.header))
        and not hdu.fileinfo()["file"].compression
    )
    if not plain or type(hdu) is not fits.ImageHDU:
        values = hdu.section[:, rows, :]
        return values if values.dtype.kind in "ui" else np.asarray(values, dtype=np.float32)
    # Astropy comes to the same in twice the time: a channel of a few rows is little for all that it does.
    info = hdu.fileinfo()
    values = np.empty((n_wave, rows.stop - rows.start, nx), dtype=kind)
    start, step = info["datLoc"] + rows.start * nx * kind.itemsize, ny * nx * kind.itemsize
    with Path(info["file"].name).open("rb", buffering=0) as handle:
        for channel in range(n_wave):
            if (
                os.preadv(handle.fileno(), [values[channel]], start + channel * step)
                != values[channel].nbytes
            ):
                raise EOFError(f"channel {channel} of {hdu.name} ends early")
    return values if kind == "u1" else values.byteswap(inplace=True).view(kind.newbyteorder())


def _clean(rows: slice, flux: np.ndarray, variance: np.ndarray, dq: np.ndarray | None) -> Block:
    good = np.isfinite(flux)
    if dq is not None:
        good &= np.asarray(dq) == 0
    # A flux of exactly zero with zero variance is how MUSE cubes fill the sodium gap and the edge of the field.
    zero_variance = ~((variance > 0) & (variance < np.inf))
    good &= ~((flux == 0) & zero_variance)
    # Elsewhere a zero in STAT is a known fault of public cubes; the median variance of the channel stands in.
    repair = good & zero_variance
    if repair.any():
        for channel in np.flatnonzero(repair.any(axis=(1, 2))):
            usable = good[channel] & ~zero_variance[channel]
            if usable.any():
                variance[channel][repair[channel]] = np.median(variance[channel][usable])
            else:
                good[channel][repair[channel]] = False
    flux[~good] = 0.0
    variance[~good] = 0.0
    return Block(rows, flux, variance, good)


def open_cube(path: str | os.PathLike, galaxy: str) -> Cube:
    """Read the headers of a MUSE cube and check that it is one.

    Parameters
    ----------
    path : path
        FITS file with extensions DATA and STAT, and optionally DQ.
    galaxy : str
        Name for messages.

    Returns
    -------
    Cube

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is truncated, lacks an extension, or has shapes, units, wavelengths or a WCS that are not understood.
    """
    path = Path(path)
    with open_fits(path, galaxy) as hdus:
        names = [hdu.name for hdu in hdus]
        for needed in ("DATA", "STAT"):
            if needed not in names:
                raise ValueError(
                    f"{galaxy}: {path} has no extension {needed} (found {names}); a MUSE cube has DATA and STAT "
                    "(flux and variance)"
                )
        header = hdus["DATA"].header
        primary = hdus[0].header
        shape = hdus["DATA"].shape
        if len(shape) != 3:
            raise ValueError(f"{galaxy}: {path} [DATA] has shape {shape}; a cube has (wavelength, y, x)")
        for other in ("STAT", "DQ"):
            if other in names and hdus[other].shape != shape:
                raise ValueError(
                    f"{galaxy}: {path} [{other}] has shape {hdus[other].shape}, DATA has {shape}"
                )
        unit_text = header.get("BUNIT") or primary.get("BUNIT")
        flux_unit_cgs = parse_flux_unit(unit_text, f"{galaxy}: {path} [DATA]")
        stat_unit = hdus["STAT"].header.get("BUNIT")
        if stat_unit:
            _check_variance_unit(stat_unit, unit_text, f"{galaxy}: {path} [STAT]")
        # Some programs keep the axis in the first header only.
        axis_header = header if "CRVAL3" in header else primary
        wave_aa = wavelength_axis(axis_header, shape[0], f"{galaxy}: {path} [DATA]")
        wcs = WCS(header).celestial
        if wcs.naxis != 2 or not wcs.has_celestial:
            raise ValueError(
                f"{galaxy}: {path} [DATA] has no celestial WCS (CTYPE1 = {header.get('CTYPE1')!r})"
            )
        area = float(wcs.proj_plane_pixel_area().to_value(u.arcsec**2))
        return Cube(path, galaxy, wave_aa, shape, flux_unit_cgs, wcs, area, "DQ" in names)


def _check_variance_unit(text: str, flux_unit: str, where: str) -> None:
    """Refuse a STAT that says it is something else than the variance of DATA."""
    if text.replace(" ", "") == f"{flux_unit}**2".replace(" ", ""):
        return  # MUSE's own way to write the square, which squares the last factor only
    unit, wanted = parse_unit(text, where), parse_unit(flux_unit, where) ** 2
    if not unit.is_equivalent(wanted):
        kind = ""
        if unit.is_equivalent(wanted**0.5):
            kind = ": that is of an error; square STAT"
        elif unit.is_equivalent(wanted**-1):
            kind = ": that is of an inverse variance; invert STAT"
        raise ValueError(
            f"{where} has BUNIT {text!r}, expected ({flux_unit})**2, of a variance{kind} or correct BUNIT"
        )
    if not abs(float(unit.to(wanted)) - 1) < 1e-6:
        raise ValueError(f"{where} has BUNIT {text!r} but DATA {flux_unit!r}: scales differ; make them agree")


def wavelength_axis(header: fits.Header, n_wave: int, where: str) -> np.ndarray:
    """Make the wavelength axis of a cube from its header, as air wavelengths in Angstrom.

    Parameters
    ----------
    header : fits.Header
        Header of DATA, as for `sfhnet.observation.spectral_axis.spectral_axis`.
    n_wave : int
        Number of channels.
    where : str
        Galaxy, file and extension for the error message.

    Returns
    -------
    ndarray, shape (n_wave,)

    Raises
    ------
    ValueError
        If keywords are missing, the axis is no wavelength, not optical, or of an unknown medium.
    """
    wave_aa, medium = spectral_axis(header, 3, n_wave, where=where)
    if medium is None:
        raise ValueError(
            f"{where} has CTYPE3 {header.get('CTYPE3')!r}; expected AWAV (air) or WAVE (vacuum), linear or -LOG"
        )
    return vacuum_to_air(wave_aa) if medium == "vacuum" else wave_aa
