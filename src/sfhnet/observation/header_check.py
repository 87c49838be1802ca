"""What the headers of a galaxy's files tell before anything is computed: for ``sfhnet config check``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sfhnet.config import GalaxiesConfig
from sfhnet.observation.cube import open_cube
from sfhnet.observation.galaxy_files import Target
from sfhnet.observation.hst_image import Field, check_image
from sfhnet.observation.line_spread import line_spread_fwhm_aa
from sfhnet.observation.point_spread import psf_of, read_psf
from sfhnet.observation.spectrum_files import read_spectra
from sfhnet.tools.verification import use_verification, verifying

__all__ = ["header_faults"]


def header_faults(target: Target, config: GalaxiesConfig) -> list[str]:
    """Look into the files of a galaxy, as preparing it would, but at no pixel of cubes and images.

    Parameters
    ----------
    target : Target
        Galaxy and files; those that are not there are left out.
    config : GalaxiesConfig
        For images of point-spread functions.

    Returns
    -------
    list of str
        One a fault, with galaxy, file, extension and remedy.
    """
    if not target.data.is_file():
        return []
    # Sums are compared when a file is prepared: that reads all of a cube.
    verified = verifying()
    use_verification(False)
    try:
        return _faults(target, config)
    finally:
        use_verification(verified)


def _faults(target: Target, config: GalaxiesConfig) -> list[str]:
    faults: list[str] = []
    if target.kind != "cube":
        return _tried(partial(_check_spectrum, target))
    field = None
    try:
        cube = open_cube(target.data, target.galaxy, layout=target.layout, lsf=target.lsf)
        field = Field(cube.wcs, cube.shape[1:])
    except (ValueError, OSError) as error:
        faults.append(str(error))
    for band, path in target.images.items():
        if path.is_file():
            faults += _tried(partial(check_image, path, band, target.galaxy, field=field))
        faults += _tried(partial(psf_of, band, target, config))
    if target.psf_image is not None and target.psf_image.is_file():
        faults += _tried(
            partial(read_psf, target.psf_image, f"{target.galaxy}: point-spread function of the cube")
        )
    return faults


def _check_spectrum(target: Target) -> None:
    read = read_spectra(target.data, target.kind, target.galaxy)
    if target.lsf is not None:
        line_spread_fwhm_aa(target.lsf, read.wave_aa, where=f"{target.galaxy}: {target.data}")


def _tried(check: Callable[[], object]) -> list[str]:
    try:
        check()
    except (ValueError, OSError) as error:
        return [str(error)]
    return []
