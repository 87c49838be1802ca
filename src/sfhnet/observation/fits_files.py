"""Open a galaxy's FITS files, so that one that is missing, foreign or cut short is an error with its remedy."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from sfhnet.observation.fits_sums import check_sums
from sfhnet.tools.reading import reading


@contextmanager
def open_fits(path: str | os.PathLike, galaxy: str) -> Iterator[fits.HDUList]:
    """Open a FITS file for reading; errors, those of astropy in the block too, name galaxy, file and remedy.

    Parameters
    ----------
    path : path
        File to open.
    galaxy : str
        Name for messages.

    Yields
    ------
    astropy.io.fits.HDUList
        Closed at the end of the block.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no FITS file, cut short, or damaged as far as CHECKSUM and DATASUM tell.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{galaxy}: {path} does not exist; correct the sample sheet or fetch the file"
        )
    with reading(path, galaxy), warnings.catch_warnings():
        # Astropy only warns of a file that is cut short; here that is an error, with the remedy.
        warnings.simplefilter("ignore", AstropyUserWarning)
        try:
            # Mapped files would count as memory; sections are read as they are asked for.
            hdus = fits.open(path, memmap=False, lazy_load_hdus=True)
        except OSError as error:
            raise ValueError(f"{galaxy}: {path} cannot be read as FITS ({error}); is it whole?") from error
        with hdus:
            if path.suffix != ".gz":
                _check_size(hdus, path, galaxy)
            check_sums(hdus, path, galaxy)
            yield hdus


def image_hdus(hdus: fits.HDUList) -> list[fits.hdu.image.ImageHDU]:
    """Return the extensions that hold a 2-D image, in their order."""
    return [hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS") == 2]


def science_image(hdus: fits.HDUList, where: str) -> fits.hdu.image.ImageHDU:
    """Return the extension SCI, else the first that holds a 2-D image.

    Parameters
    ----------
    hdus : HDUList
        File, open.
    where : str
        Galaxy and file for the error message.

    Returns
    -------
    astropy.io.fits.ImageHDU

    Raises
    ------
    ValueError
        If there is none, or more than one SCI.
    """
    science = [hdu for hdu in hdus if hdu.name == "SCI"]
    if len(science) > 1:
        raise ValueError(
            f"{where} has {len(science)} extensions SCI, of several chips or exposures; give one drizzled image (drc, drz, i2d) a band"
        )
    if science:
        return science[0]
    images = image_hdus(hdus)
    if images:
        return images[0]
    raise ValueError(
        f"{where} holds no 2-D image (found {[hdu.name for hdu in hdus]}); give a drizzled image"
    )


def _check_size(hdus: fits.HDUList, path: Path, galaxy: str) -> None:
    size = path.stat().st_size
    end = 0
    for index, hdu in enumerate(hdus):
        info = hdu.fileinfo()
        if info is None:
            continue
        needed = info["datLoc"] + hdu.size
        if needed > size:
            raise ValueError(
                f"{galaxy}: {path} is truncated: extension {index} [{hdu.name or 'PRIMARY'}] ends at byte {needed}, the "
                f"file has {size}; fetch it again"
            )
        end = info["datLoc"] + info["datSpan"]
    # A header that is damaged or cut short is no extension to astropy, and would be missed in silence.
    with path.open("rb") as handle:
        handle.seek(end)
        begin = handle.read(2880)
    if begin.startswith(b"XTENSION"):
        raise ValueError(
            f"{galaxy}: {path} is truncated: the header of extension {len(hdus)} begins at byte {end} and has no end, "
            f"the file has {size} bytes; fetch it again"
        )
    if begin.strip(b"\0 "):
        raise ValueError(
            f"{galaxy}: {path} is damaged: what begins at byte {end} is no extension, but {begin[:8]!r}; fetch it again"
        )
