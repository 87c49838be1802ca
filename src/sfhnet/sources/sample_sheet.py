"""The sample sheet, galaxies.tsv: one row a galaxy to infer, checked before any job runs."""

from __future__ import annotations

import csv
import difflib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from sfhnet.config.base import Section
from sfhnet.sources.registry import Registry, load_registry

__all__ = ["Galaxy", "SheetError", "load_sheet", "row_of"]

_EMPTY = ("", "-")
# Ways to bin that are no file.
BINNINGS = ("snr", "spaxel", "all", "maps")
# Value of the column source for files that are fetched from the public archives.
ARCHIVED = "phangs"


class SheetError(ValueError):
    """A sample sheet is not valid; the message lists every fault with its row and column."""


class Galaxy(Section):
    """One row: a galaxy and its files. Empty cells (or -) take the default."""

    galaxy: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")
    """Name, as used in results/galaxies/{galaxy}."""
    kind: Literal["cube", "sdss", "table", "simulated"]
    """cube: MUSE cube (FITS with DATA and STAT). sdss: SDSS spectrum (FITS). table: text table of wavelength, flux and
    variance. simulated: the galaxy that the workflow makes from simulated_galaxy in the configuration."""
    source: str | None = None
    """Key of data/sources.yaml, for files that are fetched; or phangs: the files of the other columns are fetched by
    their names from ESO (cubes, MAPS) and MAST (HST images) into galaxies.data_dir."""
    path: Path | None = None
    """The cube or spectrum: a file, or with a source the name of one of its files (not needed if it has only one)."""
    redshift: float | None = Field(None, gt=-0.01, lt=1.0)
    """Systemic redshift, or a guess within 500 km/s."""
    distance_mpc: float | None = Field(None, gt=0)
    """Luminosity distance [Mpc]."""
    ebv_mw: float = Field(0.0, ge=0, le=5)
    """Foreground E(B-V) [mag], on the scale galaxies.ebv_scale."""
    medium: Literal["air", "vacuum"] = "air"
    """Wavelengths of a spectrum; cubes say so themselves."""
    psf_fwhm_arcsec: float | None = Field(None, gt=0)
    """FWHM of the cube's point-spread function [arcsec]; needed to add HST images."""
    hst_fwhm_arcsec: float | None = Field(None, gt=0)
    """FWHM of the HST images [arcsec], if not galaxies.hst_fwhm_arcsec."""
    bins: str = "snr"
    """snr (reach the target S/N), spaxel, all (one bin), maps (the Voronoi bins of the column maps), or the path of a
    FITS image of bin numbers or of a ds9 region file (.reg)."""
    maps: Path | None = None
    """MAPS of the PHANGS DAP (FITS): stellar velocities and dispersions, which are fitted otherwise."""
    target_snr: float | None = Field(None, gt=0)
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
    r25_arcsec: float | None = Field(None, gt=0)
    """Isophotal radius [arcsec]; gradients are also given per R25."""
    area_arcsec2: float | None = Field(None, gt=0)
    """Aperture of a single spectrum [arcsec^2]."""
    images: dict[str, Path] = Field(default_factory=dict)
    """HST image of each band: one column a band, named like it; empty for none."""

    @model_validator(mode="after")
    def _check(self) -> Galaxy:
        if (self.ra_deg is None) != (self.dec_deg is None):
            raise ValueError("ra_deg and dec_deg belong together; give both or neither")
        if self.kind == "simulated":
            given = [name for name in ("source", "path", "mask", "maps") if getattr(self, name) is not None]
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
        if self.bins == "maps" and self.maps is None:
            raise ValueError("bins = maps, but column maps is empty; give the MAPS file")
        if self.images and self.psf_fwhm_arcsec is None:
            raise ValueError("psf_fwhm_arcsec is empty; HST images cannot be matched to the cube without it")
        return self

    def data_path(self, data_dir: str | os.PathLike, registry: Registry | None = None) -> Path:
        """Path of the cube or spectrum.

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
        """Give the row with its relative paths taken from a folder."""
        folder = Path(data_dir)
        moved: dict[str, object] = {"images": {band: folder / path for band, path in self.images.items()}}
        for name in ("mask", "maps") if self.source not in (None, ARCHIVED) else ("path", "mask", "maps"):
            if getattr(self, name) is not None:
                moved[name] = folder / getattr(self, name)
        if self.bins not in BINNINGS:
            moved["bins"] = str(folder / self.bins)
        return self.model_copy(update=moved)

    def local_files(self) -> dict[str, Path]:
        """Files that are not in the registry of sources, by column: there before the workflow starts, unless archived."""
        result = dict(self.images)
        if self.source in (None, ARCHIVED) and self.path is not None:
            result["path"] = self.path
        for name in ("mask", "maps"):
            if getattr(self, name) is not None:
                result[name] = getattr(self, name)
        if self.bins not in BINNINGS:
            result["bins"] = Path(self.bins)
        return result


def load_sheet(
    path: str | os.PathLike,
    bands: Sequence[str],
    registry: Registry | None = None,
    *,
    check_files: bool = True,
    data_dir: str | os.PathLike | None = None,
) -> dict[str, Galaxy]:
    """Read and check a sample sheet.

    Parameters
    ----------
    path : path
        Tab-separated table with a header line; lines that start with # are comments.
    bands : sequence of str
        Names of the bands of the configuration, allowed as columns.
    registry : Registry, optional
        Upstream sources, by default data/sources.yaml.
    check_files : bool
        Whether files that are not fetched must exist now.
    data_dir : path, optional
        Folder that relative paths in the sheet are taken from; by default the working directory.

    Returns
    -------
    dict
        Rows by the name of the galaxy, in the order of the sheet.

    Raises
    ------
    SheetError
        If anything is wrong; lists all faults.
    FileNotFoundError
        If there is no such sheet.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no sample sheet {path}; galaxies.sheet in the configuration names it"
        )
    registry = registry or load_registry()
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    rows = [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if not rows:
        raise SheetError(f"{path} is empty; its first line names the columns, as in galaxies.tsv")
    header = [name.strip() for name in rows[0][1].split("\t")]
    faults = [f"{path}, header: {fault}" for fault in _header_faults(header, bands)]
    if faults:
        raise SheetError("\n".join(faults))
    galaxies: dict[str, Galaxy] = {}
    first_row: dict[str, int] = {}
    for number, cells in zip([n for n, _ in rows[1:]], csv.reader([t for _, t in rows[1:]], delimiter="\t")):
        where = f"{path}, line {number}"
        if len(cells) > len(header):
            faults.append(
                f"{where}: {len(cells)} cells but {len(header)} columns; cells are separated by tabs"
            )
            continue
        values = {name: cell.strip() for name, cell in zip(header, cells) if cell.strip() not in _EMPTY}
        label = f"{where} ({values.get('galaxy', 'no name')})"
        try:
            galaxy = _row(values, bands)
        except ValidationError as error:
            faults.extend(f"{label}, {text}" for text in _row_faults(error, values, header))
            continue
        galaxy = galaxy if data_dir is None else galaxy.under(data_dir)
        key = galaxy.galaxy.lower()
        if key in first_row:
            faults.append(f"{label}, column galaxy: listed twice, first in line {first_row[key]}; remove one")
            continue
        first_row[key] = number
        faults.extend(f"{label}, {text}" for text in _file_faults(galaxy, registry, check_files))
        galaxies[galaxy.galaxy] = galaxy
    if faults:
        raise SheetError("\n".join(faults))
    return galaxies


def weights_of(image: str | os.PathLike) -> Path | None:
    """Name the weight map that PHANGS-HST publishes with an image.

    Parameters
    ----------
    image : path
        Science image, named ``*_exp-drc-sci.fits`` (or ``*_exp_drc_sci.fits``).

    Returns
    -------
    Path or None
        ``*_err-drc-wht.fits`` beside it, inverse variance in the unit of the image; None for other names.
    """
    image = Path(image)
    name, n = re.subn(r"exp([-_])dr([cz])([-_])sci(\.fits(?:\.gz)?)$", r"err\1dr\2\3wht\4", image.name)
    return image.with_name(name) if n else None


def row_of(sheet: Mapping[str, Galaxy], galaxy: str, path: str | os.PathLike = "the sample sheet") -> Galaxy:
    """Look a galaxy up by name.

    Raises
    ------
    SheetError
        If it is not in the sheet; suggests the nearest name.
    """
    if galaxy in sheet:
        return sheet[galaxy]
    close = difflib.get_close_matches(galaxy, list(sheet), 1, 0.5)
    hint = f"did you mean {close[0]}?" if close else f"it lists {', '.join(sheet)}"
    raise SheetError(f"{galaxy} is not in {path}; {hint}")


def _header_faults(header: Sequence[str], bands: Sequence[str]) -> list[str]:
    known = [name for name in Galaxy.model_fields if name != "images"] + list(bands)
    faults = []
    for name in header:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1, 0.6)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            faults.append(f"unknown column {name!r}; {hint}")
    faults.extend(
        f"column {name!r} is there twice" for name in sorted({n for n in header if header.count(n) > 1})
    )
    faults.extend(f"no column {name!r}" for name in ("galaxy", "kind") if name not in header)
    return faults


def _row(values: dict[str, str], bands: Sequence[str]) -> Galaxy:
    images = {name: values[name] for name in bands if name in values}
    own = {name: text for name, text in values.items() if name not in images}
    return Galaxy.model_validate({**own, "images": images})


def _row_faults(error: ValidationError, values: dict[str, str], header: Sequence[str]) -> list[str]:
    result = []
    for fault in error.errors(include_url=False):
        column = str(fault["loc"][-1]) if fault["loc"] else ""
        reason = fault["msg"].removeprefix("Value error, ")
        if not column:
            result.append(reason)
            continue
        value = values.get(column)
        if fault["type"] == "missing":
            result.append(f"column {column}: empty; give it")
            continue
        text = f"column {column} = {value!r}: {reason[0].lower()}{reason[1:]}"
        if fault["type"] == "literal_error":
            options = [
                option.strip(" '") for option in fault["ctx"]["expected"].replace(" or ", ", ").split(",")
            ]
            close = difflib.get_close_matches(value or "", options, 1, 0.5)
            text += f"; did you mean {close[0]}?" if close else ""
        result.append(text)
    return result


def _file_faults(galaxy: Galaxy, registry: Registry, check_files: bool) -> list[str]:
    faults = []
    if galaxy.source not in (None, ARCHIVED):
        try:
            galaxy.data_path(".", registry)
        except ValueError as error:
            faults.append(f"column source = {galaxy.source!r}: {error}")
    if check_files and galaxy.source != ARCHIVED:
        faults.extend(
            f"column {column}: there is no file {path}; correct the path or empty the cell"
            for column, path in galaxy.local_files().items()
            if not path.is_file()
        )
    return faults
