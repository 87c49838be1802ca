"""From what is known of each bin to FITS maps and a table."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS

from sfhnet.core.flags import MEANING
from sfhnet.core.posterior import Posterior
from sfhnet.core.spectra import Spectra, Unbinned
from sfhnet.inference.information import information
from sfhnet.inference.surviving_mass import SurvivingMass
from sfhnet.tools.hdf5 import atomic_write

# Columns of the table that are no map, or one of integers.
_NO_MAP = ("bin", "x", "y", "flags", "quality", "flag_words")


def to_map(bin_map: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Paint the values of bins on the map; NaN outside.

    Parameters
    ----------
    bin_map : ndarray of int, shape (ny, nx)
        Bin of each spaxel, -1 outside.
    values : ndarray, shape (n,)
        One value a bin.

    Returns
    -------
    ndarray of float32, shape (ny, nx)
    """
    padded = np.append(np.asarray(values, dtype=float), np.nan)
    return padded[np.where(bin_map >= 0, bin_map, len(values))].astype(np.float32)


def write_maps(
    path: str | os.PathLike,
    spectra: Spectra,
    posterior: Posterior,
    *,
    table: QTable,
    provenance: Mapping[str, Any] | None = None,
    prior: Mapping[str, Any] | None = None,
    surviving: SurvivingMass | None = None,
) -> Path:
    """Write all maps of a galaxy to one FITS file, an extension a quantity and percentile.

    Parameters
    ----------
    path : path
        File to write.
    spectra, posterior : Spectra, Posterior
        As for `sfhnet.products.bin_table.bin_columns`.
    table : QTable
        From `sfhnet.products.bin_table.bin_columns`.
    provenance : mapping, optional
        Written to the primary header as HISTORY.
    prior : mapping, optional
        ``prior`` of the model's ``model.json``: adds the information gained on each age bin.
    surviving : SurvivingMass, optional
        Adds the mass of each age bin that is there today.

    Returns
    -------
    Path
    """
    hdus: list[fits.PrimaryHDU | fits.ImageHDU | fits.BinTableHDU] = [
        _primary(spectra, posterior, provenance)
    ]
    wcs = WCS(fits.Header.fromstring(spectra.wcs_header)).to_header() if spectra.wcs_header else fits.Header()
    for layer in _layers(spectra, posterior, table, prior=prior, surviving=surviving):
        hdu = fits.ImageHDU(layer.image, wcs, name=layer.name.upper())
        hdu.header["BUNIT"] = layer.unit
        hdu.header["COMMENT"] = layer.comment
        hdus.append(hdu)
    hdus += [_age_bins(posterior), _flag_bits()]
    with atomic_write(path) as partial:
        fits.HDUList(hdus).writeto(partial, checksum=True)
    return Path(path)


class _Layer(NamedTuple):
    """A map, shape (ny, nx) or (n_age, ny, nx), with what its header says."""

    name: str
    image: np.ndarray
    unit: str
    comment: str


def _primary(spectra: Spectra, posterior: Posterior, provenance: Mapping[str, Any] | None) -> fits.PrimaryHDU:
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"] = spectra.galaxy
    primary.header["REDSHIFT"] = (
        spectra.meta.get("redshift_systemic", float(np.median(spectra.redshift))),
        "systemic",
    )
    primary.header["DISTANCE"] = (spectra.distance_mpc, "Mpc")
    primary.header["INCLIN"] = (
        spectra.meta.get("inclination_deg") or 0.0,
        "deg, areas are deprojected",
    )
    primary.header["MODEL"] = str(posterior.meta.get("model", ""))
    for key in ("git_commit", "config_sha256", "code_sha256", "made_utc"):
        if provenance and key in provenance:
            primary.header.add_history(f"{key} {provenance[key]}")
    return primary


def _layers(
    spectra: Spectra,
    posterior: Posterior,
    table: QTable,
    *,
    prior: Mapping[str, Any] | None,
    surviving: SurvivingMass | None,
) -> Iterator[_Layer]:
    yield from _of_spaxels(spectra)
    for name in table.colnames:
        if name not in _NO_MAP:
            yield _of_column(spectra, table, name)
    yield from _flags(spectra, table)
    for name, values, unit, comment in _per_age(spectra, posterior, table, prior, surviving):
        image = np.stack([to_map(spectra.bin_map, column) for column in values.T])
        yield _Layer(name, image, unit, comment)


def _of_spaxels(spectra: Spectra) -> Iterator[_Layer]:
    yield _Layer("bin", spectra.bin_map, "", "index of the bin, -1 outside")
    reasons = ", ".join(f"{int(why)} {why.name.lower().replace('_', ' ')}" for why in Unbinned)
    unbinned = np.asarray(spectra.unbinned, dtype=np.uint8)
    yield _Layer("unbinned", unbinned, "", f"why a spaxel is in no bin: {reasons}")
    white = np.asarray(spectra.white, dtype=np.float32)
    yield _Layer("white", white, f"{spectra.flux_unit_cgs:g} erg/s/cm2/Angstrom", "mean flux")


def _of_column(spectra: Spectra, table: QTable, name: str) -> _Layer:
    column = table[name]
    base = name.removesuffix("_p16").removesuffix("_p84")
    text = table[base].info.description or base
    if name != base:
        text += f", {'16th' if name.endswith('p16') else '84th'} percentile"
    unit = str(column.unit) if column.unit is not None else _bracketed(text)
    values = np.asarray(getattr(column, "value", column), dtype=float)
    return _Layer(name, to_map(spectra.bin_map, values), unit, text)


def _flags(spectra: Spectra, table: QTable) -> Iterator[_Layer]:
    # Flags are exact: integers, and outside, where nothing was looked at, 0 (flags) or -1 (quality).
    for name, outside, comment in (
        ("flags", 0, "sum of the bits in FLAG_BITS"),
        ("quality", -1, f"{table['quality'].info.description}; -1 outside"),
    ):
        padded = np.append(np.asarray(table[name]).astype(np.int32), np.int32(outside))
        yield _Layer(name, padded[np.where(spectra.bin_map >= 0, spectra.bin_map, -1)], "", comment)


def _age_bins(posterior: Posterior) -> fits.BinTableHDU:
    edges = np.asarray(posterior.age_edges_myr, dtype=float)
    return fits.BinTableHDU.from_columns(
        [
            fits.Column("AGE_MIN", "D", unit="Myr", array=edges[:-1]),
            fits.Column("AGE_MAX", "D", unit="Myr", array=edges[1:]),
        ],
        name="AGE_BINS",
    )


def _flag_bits() -> fits.BinTableHDU:
    return fits.BinTableHDU.from_columns(
        [
            fits.Column("BIT", "J", array=[int(flag) for flag in MEANING]),
            fits.Column("NAME", "24A", array=[flag.name for flag in MEANING]),
            fits.Column("MEANING", "120A", array=list(MEANING.values())),
        ],
        name="FLAG_BITS",
    )


def _per_age(
    spectra: Spectra,
    posterior: Posterior,
    table: QTable,
    prior: Mapping[str, Any] | None,
    surviving: SurvivingMass | None,
) -> Iterator[tuple[str, np.ndarray, str, str]]:
    """Cubes with an axis of age: name, values (n, n_age), unit, comment."""
    low, high = (int(np.argmin(np.abs(posterior.levels - level))) for level in (0.16, 0.84))
    per_spaxel = np.bincount(spectra.bin_map[spectra.bin_map >= 0], minlength=spectra.n)
    mass = (10.0 ** np.asarray(table["log_mass_formed"]) / np.maximum(per_spaxel, 1))[:, None]
    ends = {"": None, "_P16": low, "_P84": high}
    for end, level in ends.items():
        share = posterior.mass_fraction if level is None else posterior.mass_fraction_q[:, level]
        text = "mass formed per spaxel in each age bin of AGE_BINS"
        if level is not None:
            text += f", {end[2:]}th percentile of the share of the mass"
        yield f"MASS_PER_AGE{end}", mass * share, "Msun", text
        if surviving is not None:
            today = text.replace("formed per spaxel", "of living stars and remnants today per spaxel")
            yield f"MASS_SURVIVING_PER_AGE{end}", mass * share * surviving(posterior.mh), "Msun", today
    for end, level in ends.items():
        values = posterior.mh if level is None else posterior.mh_q[:, level]
        text = "[M/H] in each age bin" + ("" if level is None else f", {end[2:]}th percentile")
        yield f"MH_PER_AGE{end}", values, "dex", text
    if prior is not None:
        gain = information(posterior, dict(prior))
        text = "information gained over the prior; near 0 the prior speaks, not the data"
        yield "INFO_HISTORY_PER_AGE", gain["history"], "nat", f"mass younger than each age bin's end: {text}"
        yield "INFO_MH_PER_AGE", gain["metallicity"], "nat", f"[M/H] of each age bin: {text}"


def _bracketed(text: str) -> str:
    return text[text.rindex("[") + 1 : text.rindex("]")] if "[" in text and "]" in text else ""


def write_table(path: str | os.PathLike, table: QTable, meta: Mapping[str, Any]) -> Path:
    """Write the table of bins as ECSV (text, with units and descriptions).

    Parameters
    ----------
    path : path
        File to write.
    table : QTable
        From `sfhnet.products.bin_table.bin_columns`.
    meta : mapping
        Plain data for the head of the file.

    Returns
    -------
    Path
    """
    table = table.copy()
    table.meta.update(dict(meta))
    with atomic_write(path) as partial:
        table.write(partial, format="ascii.ecsv", overwrite=True)
    return Path(path)
