"""Open FITS files so that a truncated one is an error that names it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["whole_fits"]


@contextmanager
def whole_fits(path: Path, expected: str) -> Iterator[fits.HDUList]:
    """Open a FITS file for reading; anything that is missing in it is a ValueError.

    Parameters
    ----------
    path : Path
        The file.
    expected : str
        What the file should hold, for the message.

    Yields
    ------
    astropy.io.fits.HDUList

    Raises
    ------
    ValueError
        If the file is truncated, or the body of the ``with`` finds an extension, key or array missing.
    """
    # Slow to import, and of no use to who reads no FITS file.
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyUserWarning

    try:
        with path.open("rb") as handle, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", AstropyUserWarning)
            with fits.open(handle, memmap=False) as hdus:
                yield hdus
        cut = [str(warning.message) for warning in caught if "truncated" in str(warning.message)]
        if cut:
            raise ValueError(cut[0])
    except (OSError, TypeError, ValueError, KeyError, IndexError) as error:
        raise ValueError(
            f"{path} is not whole or not what it should be ({type(error).__name__}: {error}); expected {expected}. "
            "Fetch it again"
        ) from error
