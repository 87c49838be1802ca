"""Cubes: read whatever their instrument and size, in blocks of rows, with the checks that save hours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS

from sfhnet.observation import cube_califa, cube_kcwi, cube_manga, cube_muse
from sfhnet.observation.cube_described import described
from sfhnet.observation.cube_layout import CUBES, CubeLayout, Errors, name_of
from sfhnet.observation.fits_files import open_fits
from sfhnet.observation.line_spread import line_spread_fwhm_aa
from sfhnet.observation.scatter import scatter_variance
from sfhnet.observation.spectral_axis import spectral_axis
from sfhnet.observation.wavelengths_and_units import (
    OPTICAL_AA,
    parse_unit,
    to_f_lambda,
    vacuum_to_air,
    wavelength_unit_aa,
)
from sfhnet.sources.sheet_cells import is_description

__all__ = ["LAYOUTS", "Block", "Cube", "open_cube", "wavelength_axis"]

# Modules of loaders: each registers its own.
LAYOUTS = (cube_muse, cube_manga, cube_califa, cube_kcwi)
_BYTES_PER_VALUE = 16  # DATA, STAT as float32, DQ, and the working copies made of them
# Fluxes in larger units are brought to that of MUSE.
_LARGEST_UNIT_CGS, _UNIT_CGS = 1e-13, 1e-20
# What makes one kind of error another: (wanted, found) by the power of a standard deviation.
_REMEDY = {
    (2, 1): "square",
    (2, -2): "invert",
    (1, 2): "take the root of",
    (1, -2): "invert and take the root of",
    (-2, 1): "invert and square",
    (-2, 2): "invert",
}


@dataclass(frozen=True)
class Block:
    """A block of whole rows of a cube.

    Parameters
    ----------
    rows : slice
        Rows of the map.
    flux, variance : ndarray of float32 (float64 if the file's are), shape (n_wave, n_rows, nx)
        In units of the cube's ``flux_unit_cgs``; 0 where bad.
    good : ndarray of bool, same shape
        Finite flux, not masked by the file, where the instrument sees light.
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
        Observed AIR wavelengths in Angstrom.
    shape : (int, int, int)
        (n_wave, ny, nx).
    flux_unit_cgs : float
        erg/s/cm2/Angstrom per unit of the fluxes that are read.
    wcs : astropy.wcs.WCS
        Celestial WCS of a spaxel map.
    pixel_arcsec2 : float
        Area of a spaxel.
    layout : CubeLayout
        What is where in the file.
    flux_name : str
        Name of the extension with the fluxes, for messages.
    fwhm_aa : ndarray, shape (n_wave,)
        Resolution of the instrument.
    lsf_from : str
        Where that is from, for people.
    scale : ndarray, shape (n_wave,), or None
        Factor on the fluxes of the file; None: they are f_lambda.
    notes : tuple of str
        What was assumed, for people.
    """

    path: Path
    galaxy: str
    wave_aa: np.ndarray
    shape: tuple[int, int, int]
    flux_unit_cgs: float
    wcs: WCS
    pixel_arcsec2: float
    layout: CubeLayout
    flux_name: str
    fwhm_aa: np.ndarray
    lsf_from: str
    scale: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def has_errors(self) -> bool:
        """Whether the file tells the errors; they are measured from the scatter of the spectra otherwise."""
        return self.layout.errors is not None

    @property
    def errors_from(self) -> str:
        """Where the errors are from, in words."""
        errors = self.layout.errors
        return "scatter of the spectra" if errors is None else f"extension {errors.extension} ({errors.role})"

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
                    block = self._block(hdus, chosen)
                except (OSError, TypeError, ValueError, EOFError) as error:
                    raise ValueError(
                        f"{self.galaxy}: {self.path} is truncated, rows {chosen.start}..{chosen.stop - 1} of "
                        f"{self.flux_name}, errors or masks cannot be read ({error}); fetch the file again"
                    ) from error
                yield block

    def _block(self, hdus: fits.HDUList, rows: slice) -> Block:
        layout = self.layout
        flux = _read_rows(hdus[layout.flux], rows)
        good = np.isfinite(flux)
        for mask in layout.masks:
            values = _read_rows(hdus[mask.extension], rows)
            if mask.bits is not None:
                values = values.astype(np.int64) & mask.bits
            good &= (values == 0) if mask.bad else (values > 0)
            del values
        for low, high in layout.blind_aa:
            good[(self.wave_aa >= low) & (self.wave_aa <= high)] = False
        scale = None if self.scale is None else self.scale.astype(np.float32)[:, None, None]
        if scale is not None:
            # Before anything is squared: in erg/s/cm2/Angstrom squares vanish in single precision.
            flux *= scale
        if layout.errors is None:
            # A flux of exactly zero is how cubes fill what was not exposed.
            good &= flux != 0
            variance = scatter_variance(np.where(good, flux, 0.0), good)
            good &= variance > 0
        else:
            variance = _to_variance(_read_rows(hdus[layout.errors.extension], rows), layout.errors, scale)
            _mend(flux, variance, good, repair=layout.errors.role == "variance")
        flux[~good] = 0.0
        variance[~good] = 0.0
        return Block(rows, flux, variance, good)


def _read_rows(hdu: fits.hdu.image.ImageHDU, rows: slice) -> np.ndarray:
    """Read rows of all channels; real numbers as float32, or as float64 where the file has them: cgs variances need it."""
    n_wave, ny, nx = hdu.shape
    kind = np.dtype({8: "u1", -32: ">f4"}.get(hdu.header["BITPIX"], "V1"))
    plain = (
        kind != "V1"
        and not ({"BSCALE", "BZERO", "BLANK"} & set(hdu.header))
        and not hdu.fileinfo()["file"].compression
    )
    if not plain or type(hdu) not in (fits.ImageHDU, fits.PrimaryHDU):
        values = hdu.section[:, rows, :]
        precision = np.float64 if hdu.header["BITPIX"] == -64 else np.float32
        return values if values.dtype.kind in "ui" else np.asarray(values, dtype=precision)
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


def _to_variance(values: np.ndarray, errors: Errors, scale: np.ndarray | None) -> np.ndarray:
    """Return variances in the unit of the fluxes; 0 where the file says that it knows nothing."""
    values = np.asarray(values, dtype=np.float64 if values.dtype == np.float64 else np.float32)
    # One factor after the other: the square of a large one is beyond single precision.
    for _ in range(0 if scale is None else abs(errors.power)):
        values = values * scale if errors.power > 0 else values / scale
    if errors.role == "variance":
        return values
    known = np.isfinite(values) & (values > 0)
    if errors.role == "sigma":
        return np.square(values, where=known, out=np.zeros_like(values))
    return np.divide(1.0, values, where=known, out=np.zeros_like(values))


def _mend(flux: np.ndarray, variance: np.ndarray, good: np.ndarray, *, repair: bool) -> None:
    """Take pixels without a variance out of ``good``, or mend their variance, in place."""
    zero_variance = ~((variance > 0) & (variance < np.inf))
    if not repair:
        good &= ~zero_variance
        return
    # A flux of exactly zero with zero variance is how MUSE cubes fill the sodium gap and the edge of the field.
    good &= ~((flux == 0) & zero_variance)
    # Elsewhere a zero in STAT is a known fault of public cubes; the median variance of the channel stands in.
    mended = good & zero_variance
    for channel in np.flatnonzero(mended.any(axis=(1, 2))):
        usable = good[channel] & ~zero_variance[channel]
        if usable.any():
            variance[channel][mended[channel]] = np.median(variance[channel][usable])
        else:
            good[channel][mended[channel]] = False


def open_cube(
    path: str | os.PathLike, galaxy: str, *, layout: str | None = None, lsf: str | None = None
) -> Cube:
    """Read the headers of a cube and check that it is one.

    Parameters
    ----------
    path : path
        FITS file.
    galaxy : str
        Name for messages.
    layout : str, optional
        Kind of `CUBES`, or a description as in the sample sheet; by default the one that knows the file.
    lsf : str, optional
        Line-spread function as in the sample sheet; by default that of the instrument.

    Returns
    -------
    Cube

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is truncated, lacks an extension, has shapes, units, wavelengths or a WCS that are not understood, or if its
        resolution is not known.
    """
    path = Path(path)
    with open_fits(path, galaxy) as hdus:
        where = f"{galaxy}: {path}"
        if layout is not None and is_description(layout):
            found = described(hdus, where, layout)
        else:
            found = CUBES.named(layout or CUBES.recognise(hdus) or "fits", where)(hdus, where)
        flux_name = name_of(hdus, found.flux)
        at = f"{where} [{flux_name}]"
        header, primary = hdus[found.flux].header, hdus[0].header
        shape: tuple[int, ...] = tuple(getattr(hdus[found.flux], "shape", ()))
        if len(shape) != 3:
            raise ValueError(f"{at} has shape {shape}; a cube has (wavelength, y, x)")
        n_wave, ny, nx = shape
        errors = found.errors
        for number in [*([errors.extension] if errors else []), *(mask.extension for mask in found.masks)]:
            if hdus[number].shape != shape:
                raise ValueError(
                    f"{where} [{name_of(hdus, number)}] has shape {hdus[number].shape}, {flux_name} has {shape}"
                )
        wave_aa = _wavelengths(hdus, found, where)
        sky = header.copy()
        # Read above, in more spellings than astropy takes.
        sky.remove("CUNIT3", ignore_missing=True)
        wcs = WCS(sky).celestial
        if wcs.naxis != 2 or not wcs.has_celestial:
            raise ValueError(
                f"{at} has no celestial WCS (CTYPE1 = {header.get('CTYPE1')!r}); put one into its header"
            )
        area = float(wcs.proj_plane_pixel_area().to_value(u.arcsec**2))
        said = str(header.get("BUNIT") or primary.get("BUNIT") or "")
        factor, cgs, converted = to_f_lambda(
            found.unit or said, wave_aa, where=at, keyword="BUNIT", pixel_arcsec2=area
        )
        if cgs is None:
            raise ValueError(
                f"{at} has no BUNIT; expected a flux density such as '10**(-20)*erg/s/cm**2/Angstrom'. Correct the header, or "
                "write unit=... into the column layout"
            )
        if errors is not None and (unit := hdus[errors.extension].header.get("BUNIT")):
            error_name = name_of(hdus, errors.extension)
            _check_error_unit(str(unit), said or str(found.unit), errors, f"{where} [{error_name}]")
        if cgs > _LARGEST_UNIT_CGS:
            factor, cgs = factor * (cgs / _UNIT_CGS) * np.ones(n_wave), _UNIT_CGS
        fwhm_aa, lsf_from = _resolution(hdus, found, lsf, wave_aa=wave_aa, where=at)
        notes = [*found.notes]
        if converted:
            notes.append(f"fluxes in {converted} were converted to f_lambda")
        if errors is None:
            notes.append(
                f"no errors in the file: measured from the scatter of {flux_name}, and of the residuals"
            )
        return Cube(
            path=path,
            galaxy=galaxy,
            wave_aa=wave_aa,
            shape=(n_wave, ny, nx),
            flux_unit_cgs=cgs,
            wcs=wcs,
            pixel_arcsec2=area,
            layout=found,
            flux_name=flux_name,
            fwhm_aa=fwhm_aa,
            lsf_from=lsf_from,
            scale=factor if isinstance(factor, np.ndarray) else None,
            notes=tuple(notes),
        )


def _wavelengths(hdus: fits.HDUList, layout: CubeLayout, where: str) -> np.ndarray:
    n_wave = hdus[layout.flux].shape[0]
    if layout.wave is None:
        header = hdus[layout.flux].header
        # Some programs keep the axis in the first header only.
        axis_header = header if "CRVAL3" in header else hdus[0].header
        at = f"{where} [{name_of(hdus, layout.flux)}]"
        return wavelength_axis(axis_header, n_wave, at, medium=layout.medium)
    at = f"{where} [{name_of(hdus, layout.wave)}]"
    hdu = hdus[layout.wave]
    values = np.squeeze(np.asarray(hdu.data if hdu.is_image else [], dtype=float))
    if values.shape != (n_wave,):
        raise ValueError(
            f"{at} has shape {values.shape}, the cube {n_wave} channels; give one wavelength a channel"
        )
    wave_aa = values * wavelength_unit_aa(str(hdu.header.get("BUNIT", "") or "Angstrom"), f"{at} BUNIT")
    low, high = OPTICAL_AA
    if not (np.all(np.diff(wave_aa) > 0) and low < wave_aa[0] < wave_aa[-1] < high):
        raise ValueError(
            f"{at} runs {wave_aa[0]:.6g} .. {wave_aa[-1]:.6g} Angstrom, expected ascending wavelengths in {low:.0f} .. "
            f"{high:.0f}; correct its BUNIT"
        )
    medium = layout.medium or _medium_of(hdus[layout.flux].header)
    if medium is None:
        raise ValueError(
            f"{at} does not say whether they are in air or vacuum; write medium=... into the column layout"
        )
    return vacuum_to_air(wave_aa) if medium == "vacuum" else wave_aa


def _medium_of(header: fits.Header) -> str | None:
    return {"AWAV": "air", "WAVE": "vacuum"}.get(str(header.get("CTYPE3", "")).strip().upper()[:4])


def _resolution(
    hdus: fits.HDUList, layout: CubeLayout, lsf: str | None, *, wave_aa: np.ndarray, where: str
) -> tuple[np.ndarray, str]:
    if lsf is not None:
        return line_spread_fwhm_aa(lsf, wave_aa, where=where, hdus=hdus), lsf
    if layout.fwhm_aa is None:
        raise ValueError(
            f"{where} ({layout.name}) does not say its line-spread function; give it in the column lsf of the sample sheet: "
            "the FWHM in Angstrom, R=2000, or a table"
        )
    return layout.fwhm_aa(wave_aa), layout.lsf_from


def _check_error_unit(text: str, flux_unit: str, errors: Errors, where: str) -> None:
    """Refuse errors that say they are something else than what their extension is."""
    power = errors.power
    if text == flux_unit and power == 1:
        return
    if power == 2 and text.replace(" ", "") == f"{flux_unit}**2".replace(" ", ""):
        return  # MUSE's own way to write the square, which squares the last factor only
    unit, flux = parse_unit(text, where), parse_unit(flux_unit, where)
    wanted = flux**power
    wants = {1: "an error", 2: "a variance", -2: "an inverse variance"}
    if not unit.is_equivalent(wanted):
        meant = next((other for other in wants if unit.is_equivalent(flux**other)), None)
        kind = (
            ""
            if meant is None
            else f": that is of {wants[meant]}; {_REMEDY[power, meant]} {where.rsplit('[')[-1][:-1]}"
        )
        raise ValueError(
            f"{where} has BUNIT {text!r}, expected ({flux_unit})**{power}, of {wants[power]}{kind} or correct BUNIT"
        )
    if not abs(float(unit.to(wanted)) - 1) < 1e-6:
        raise ValueError(
            f"{where} has BUNIT {text!r} but the flux {flux_unit!r}: scales differ; make them agree"
        )


def wavelength_axis(header: fits.Header, n_wave: int, where: str, *, medium: str | None = None) -> np.ndarray:
    """Make the wavelength axis of a cube from its header, as air wavelengths in Angstrom.

    Parameters
    ----------
    header : fits.Header
        Header of DATA, as for `sfhnet.observation.spectral_axis.spectral_axis`.
    n_wave : int
        Number of channels.
    where : str
        Galaxy, file and extension for the error message.
    medium : {"air", "vacuum"}, optional
        Of an axis whose CTYPE does not say.

    Returns
    -------
    ndarray, shape (n_wave,)

    Raises
    ------
    ValueError
        If keywords are missing, the axis is no wavelength, not optical, or of an unknown medium.
    """
    wave_aa, said = spectral_axis(header, 3, n_wave, where=where)
    medium = said or medium
    if medium is None:
        raise ValueError(
            f"{where} has CTYPE3 {header.get('CTYPE3')!r}; expected AWAV (air) or WAVE (vacuum), linear or -LOG. Correct it, or "
            "write medium=... into the column layout"
        )
    return vacuum_to_air(wave_aa) if medium == "vacuum" else wave_aa
