"""One row of the sample sheet: a galaxy, its files and how to prepare them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from sfhnet.config.base import Section
from sfhnet.sources.registry import Registry, load_registry
from sfhnet.sources.sheet_cells import CubeDescription, LsfCell, is_description

__all__ = ["ARCHIVED", "BINNINGS", "Galaxy"]

# Ways to bin that are no file.
BINNINGS = ("snr", "rectangles", "spaxel", "all", "maps")
# Value of the column source for files that are fetched from the public archives.
ARCHIVED = "phangs"


class Galaxy(Section):
    """One row: a galaxy and its files. Empty cells (or -) take the default."""

    galaxy: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")
    """Name, as used in results/galaxies/{galaxy}."""
    kind: Literal["cube", "sdss", "table", "simulated"]
    """cube: a cube of MUSE, MaNGA, CALIFA, KCWI or any other (FITS). sdss: SDSS spectrum (FITS). table: text table of
    wavelength, flux and variance. simulated: the galaxy that the workflow makes from simulated_galaxy in the configuration."""
    source: str | None = None
    """Key of data/sources.yaml, for files that are fetched; or phangs: the files of the other columns are fetched by
    their names from ESO (cubes, MAPS) and MAST (HST images) into galaxies.data_dir."""
    path: Path | None = None
    """The cube or spectrum: a file, or with a source the name of one of its files (not needed if it has only one)."""
    redshift: float | None = Field(None, gt=-0.01, lt=0.2)
    """Systemic redshift, or a guess within 500 km/s; beyond 0.2 the Universe is younger than the oldest mocks."""
    distance_mpc: float | None = Field(None, ge=1e-3, le=1e4)
    """Luminosity distance [Mpc]."""
    ebv_mw: float = Field(0.0, ge=0, le=5)
    """Foreground E(B-V) [mag], on the scale galaxies.ebv_scale."""
    medium: Literal["air", "vacuum"] = "air"
    """Wavelengths of a spectrum; cubes say so themselves."""
    layout: str | None = None
    """Layout of a cube, if it is not recognised: a name (muse, manga, califa, kcwi, fits), or what its extensions are, e.g.
    flux=SCI; sigma=ERR; bad=DQ; medium=vacuum (docs/galaxies.md)."""
    lsf: str | None = None
    """Line-spread function, if it is not the instrument's: 2.6 (FWHM in Angstrom), R=1800, sigma=1.1, muse_udf10,
    poly and coefficients, header KEYWORD, extension NAME, or the path of a table (docs/galaxies.md)."""
    psf_fwhm_arcsec: float | None = Field(None, ge=0.01, le=100)
    """FWHM of the cube's point-spread function [arcsec]; needed to add HST images."""
    psf_image: Path | None = None
    """FITS image of the cube's point-spread function, in its orientation, with PIXELSCL or a WCS; a Gaussian otherwise."""
    hst_fwhm_arcsec: float | None = Field(None, ge=0.01, le=100)
    """FWHM of the HST images [arcsec], if not galaxies.hst_fwhm_arcsec."""
    bins: str = "snr"
    """snr (Voronoi cells near the target S/N), rectangles (none below the target S/N), spaxel, all (one bin), maps (the
    Voronoi bins of the column maps), or the path of a FITS image of bin numbers or of a ds9 region file (.reg)."""
    maps: Path | None = None
    """MAPS of the PHANGS DAP (FITS): stellar velocities and dispersions, which are fitted otherwise."""
    target_snr: float | None = Field(None, ge=0.1, le=10000)
    """S/N per pixel that binning aims at, if not galaxies.target_snr."""
    mask: Path | None = None
    """FITS image, not zero where spaxels are left out (foreground stars)."""
    ra_deg: float | None = Field(None, ge=0, lt=360)
    """Right ascension of the centre [degrees]; the brightest spaxel if not given."""
    dec_deg: float | None = Field(None, ge=-90, le=90)
    """Declination of the centre [degrees]."""
    inclination_deg: float | None = Field(None, ge=0, lt=90)
    """Inclination of the disc [degrees]; seen face on if not given."""
    position_angle_deg: float | None = Field(None, ge=0, le=360)
    """Position angle of the major axis, north through east [degrees]."""
    r25_arcsec: float | None = Field(None, ge=0.1, le=36000)
    """Isophotal radius [arcsec]; gradients are also given per R25."""
    area_arcsec2: float | None = Field(None, ge=1e-4, le=1e8)
    """Aperture of a single spectrum [arcsec^2]."""
    images: dict[str, Path] = Field(default_factory=dict)
    """HST image of each band: one column a band, named like it; empty for none."""

    @model_validator(mode="after")
    def _check(self) -> Galaxy:
        if (self.ra_deg is None) != (self.dec_deg is None):
            raise ValueError("ra_deg and dec_deg belong together; give both or neither")
        if self.lsf is not None:
            LsfCell.parse(self.lsf)
        if self.layout is not None and is_description(self.layout):
            CubeDescription.parse(self.layout)
        if self.kind == "simulated":
            own = ("source", "path", "mask", "maps", "layout", "lsf", "psf_image")
            given = [name for name in own if getattr(self, name) is not None]
            if given or self.images:
                raise ValueError(
                    f"a simulated galaxy is made by the workflow; leave {', '.join(given or self.images)} empty"
                )
            return self
        if self.source in (None, ARCHIVED) and self.path is None:
            raise ValueError(
                "path is empty; name the file to fetch"
                if self.source
                else "neither source nor path says where its data are; give one"
            )
        for name in ("redshift", "distance_mpc"):
            if getattr(self, name) is None:
                raise ValueError(f"{name} is empty; give it")
        if self.images and self.kind != "cube":
            raise ValueError(f"HST images ({', '.join(self.images)}) need a cube; this is kind {self.kind}")
        if self.kind != "cube" and (self.maps is not None or self.bins != "snr"):
            raise ValueError(f"maps and bins need a cube; this is kind {self.kind}")
        if self.kind != "cube" and self.layout is not None:
            raise ValueError(f"layout needs a cube; this is kind {self.kind}")
        if self.bins == "maps" and self.maps is None:
            raise ValueError("bins = maps, but column maps is empty; give the MAPS file")
        bands_of: dict[Path, list[str]] = {}
        for band, image in self.images.items():
            bands_of.setdefault(image, []).append(band)
        for image, bands in bands_of.items():
            if len(bands) > 1:
                raise ValueError(f"{image} is the image of {' and '.join(bands)}; give each band its own")
        if self.images and self.psf_fwhm_arcsec is None:
            raise ValueError("psf_fwhm_arcsec is empty; HST images cannot be matched to the cube without it")
        return self

    def data_path(self, data_dir: str | os.PathLike, registry: Registry | None = None) -> Path:
        """Return the path of the cube or spectrum.

        Parameters
        ----------
        data_dir : path
            Folder of fetched sources.
        registry : Registry, optional
            Upstream sources, by default data/sources.yaml.

        Returns
        -------
        Path

        Raises
        ------
        ValueError
            For a simulated galaxy, which has no such file of its own, or a source that does not settle the file.
        """
        if self.source not in (None, ARCHIVED):
            registry = registry or load_registry()
            names = [file.name for file in registry.source(self.source).files]
            name = str(self.path) if self.path is not None else names[0]
            if name not in names or (self.path is None and len(names) > 1):
                raise ValueError(
                    f"path must name one of the files of source {self.source}: {', '.join(names)}"
                )
            return Path(data_dir) / self.source / name
        if self.path is None:
            raise ValueError(
                f"{self.galaxy} is simulated by the workflow and has no file in the sample sheet"
            )
        return self.path

    def under(self, data_dir: str | os.PathLike) -> Galaxy:
        """Return the row with its relative paths taken from a folder."""
        folder = Path(data_dir)
        moved: dict[str, object] = {"images": {band: folder / path for band, path in self.images.items()}}
        own = ("mask", "maps", "psf_image")
        for name in own if self.source not in (None, ARCHIVED) else ("path", *own):
            if getattr(self, name) is not None:
                moved[name] = folder / getattr(self, name)
        if self.bins not in BINNINGS:
            moved["bins"] = str(folder / self.bins)
        if self.lsf is not None:
            moved["lsf"] = LsfCell.parse(self.lsf).under(folder)
        return self.model_copy(update=moved)

    def local_files(self) -> dict[str, Path]:
        """Return the files that are not in the registry of sources, by column: there before the workflow starts, unless archived."""
        result = dict(self.images)
        if self.source in (None, ARCHIVED) and self.path is not None:
            result["path"] = self.path
        for name in ("mask", "maps", "psf_image"):
            if getattr(self, name) is not None:
                result[name] = getattr(self, name)
        if self.bins not in BINNINGS:
            result["bins"] = Path(self.bins)
        if self.lsf is not None and (table := LsfCell.parse(self.lsf).path) is not None:
            result["lsf"] = table
        return result
