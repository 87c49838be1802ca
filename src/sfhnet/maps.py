"""From answers per bin to maps and tables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS

from pyprospect.constants import LSOL_ERG_S, MPC_CM

from .flags import MEANING, describe
from .io import atomic_write
from .posterior import Posterior
from .spectra import Spectra

# Scalar of the posterior -> what the maps call it; point estimate and the ends of the 68 % interval are given.
QUANTITIES: dict[str, str] = {
    "lw_log_age": "light-weighted mean log age",
    "mw_log_age": "mass-weighted mean log age",
    "lw_mh": "light-weighted [M/H]",
    "mw_mh": "mass-weighted [M/H]",
    "t50": "log look-back time by which half of the mass had formed",
    "t75": "log look-back time by which 75 % of the mass had formed",
    "t90": "log look-back time by which 90 % of the mass had formed",
    "a_v": "effective V attenuation",
}
_YOUNG_MYR, _OLD_MYR = 1000.0, 5000.0
ASSUMED_COVERAGE = 0.68


def luminosity_per_flux(spectra: Spectra) -> float:
    """Give the luminosity density in Lsol/Angstrom of one unit of the spectra's rest-frame flux."""
    distance_cm = spectra.distance_mpc * MPC_CM
    return 4 * np.pi * distance_cm**2 * spectra.flux_unit_cgs / LSOL_ERG_S


def arcsec_kpc(spectra: Spectra) -> float:
    """Give kpc per arcsec at the galaxy, from the luminosity distance and the systemic redshift."""
    redshift = float(np.median(spectra.redshift))
    angular_mpc = spectra.distance_mpc / (1 + redshift) ** 2
    return angular_mpc * 1e3 * np.deg2rad(1 / 3600)


def bin_columns(spectra: Spectra, posterior: Posterior) -> QTable:
    """Collect what is known of each bin.

    Parameters
    ----------
    spectra : Spectra
        Prepared spectra.
    posterior : Posterior
        Answers, in the same order.

    Returns
    -------
    astropy.table.QTable
        One row a bin; bins without an answer hold NaN and say why in ``flag_words``.

    Raises
    ------
    ValueError
        If the two have different numbers of bins.
    """
    if len(posterior) != spectra.n:
        raise ValueError(
            f"{spectra.galaxy}: {spectra.n} spectra but {len(posterior)} answers; infer this very spectra file again"
        )
    table = QTable()
    flags = posterior.flags.astype(np.uint32) | spectra.flags
    log_mass = posterior.log_mass + np.log10(luminosity_per_flux(spectra))
    kpc2 = spectra.area_arcsec2 * arcsec_kpc(spectra) ** 2
    # Seen from above, an inclined disc is larger by 1 / cos(i).
    log_kpc2 = np.log10(kpc2 / np.cos(np.deg2rad(spectra.meta.get("inclination_deg") or 0.0)))
    table["bin"] = np.arange(spectra.n)
    table["x"], table["y"] = spectra.x_arcsec * u.arcsec, spectra.y_arcsec * u.arcsec
    table["area"] = spectra.area_arcsec2 * u.arcsec**2
    radius = deprojected_radius(spectra)
    table["radius"] = radius * u.arcsec
    table["snr"] = spectra.snr
    table["redshift"] = spectra.redshift
    for name in ("velocity", "velocity_err", "sigma", "sigma_err"):
        table[name] = getattr(spectra, f"{name}_kms") * (u.km / u.s)
    table["log_mass_formed"] = log_mass
    table["log_mass_formed_p16"], table["log_mass_formed_p84"] = (
        end - posterior.scalars["log_ml"] + log_mass for end in _interval(posterior, "log_ml")
    )
    table["log_mass_density"] = log_mass - log_kpc2
    for name in QUANTITIES:
        if name not in posterior.scalars:
            continue
        table[name] = posterior.scalars[name]
        table[f"{name}_p16"], table[f"{name}_p84"] = _interval(posterior, name)
    for name in ("log_sfr10", "log_sfr100"):
        rate = posterior.scalars[name] + log_mass
        table[name] = rate
        table[f"{name}_p16"], table[f"{name}_p84"] = (end + log_mass for end in _interval(posterior, name))
        table[f"{name}_density"] = rate - log_kpc2
    young = np.asarray(posterior.age_edges_myr[1:]) <= _YOUNG_MYR
    old = np.asarray(posterior.age_edges_myr[:-1]) >= _OLD_MYR
    for name, chosen in (("mh_young", young), ("mh_old", old)):
        weight = posterior.mass_fraction[:, chosen]
        with np.errstate(invalid="ignore", divide="ignore"):
            table[name] = (weight * posterior.mh[:, chosen]).sum(axis=1) / weight.sum(axis=1)
    table["chi2"], table["ood_score"] = posterior.chi2, posterior.ood_score
    table["fraction_masked"] = spectra.fraction_masked
    table["n_bands"] = spectra.band_mask.sum(axis=1)
    for column, band in enumerate(spectra.band_names):
        if np.isfinite(spectra.band_synthetic[:, column]).any():
            measured = np.where(spectra.band_mask[:, column], spectra.band_flux[:, column], np.nan)
            name = f"muse_over_hst_{band.lower()}"
            table[name] = spectra.band_synthetic[:, column] / measured
            table[name].info.description = f"flux of the MUSE spectrum in {band} over that of HST"
    table["flags"] = flags
    table["flag_words"] = [
        "; ".join(words.split(":")[0] for words in describe(value)) or "none" for value in flags
    ]
    for name, text in _DESCRIPTIONS.items():
        if name in table.colnames:
            table[name].info.description = text
    for name, text in QUANTITIES.items():
        if name in table.colnames:
            table[name].info.description = f"{text} [{_unit_of(name)}]"
    return table


_DESCRIPTIONS = {
    "bin": "index in the bin map",
    "x": "offset east of the galaxy centre, light weighted",
    "y": "offset north of the galaxy centre, light weighted",
    "radius": "distance from the centre in the plane of the disc",
    "snr": "median S/N per pixel of 1.25 Angstrom",
    "log_mass_formed": "log10 of the stellar mass ever formed [Msun]; gas returned since is not taken off",
    "log_mass_density": "log10 of the mass formed per area of the disc [Msun/kpc2]",
    "log_sfr10": "log10 of the star-formation rate over 10 Myr [Msun/yr]",
    "log_sfr100": "log10 of the star-formation rate over 100 Myr [Msun/yr]",
    "log_sfr10_density": "log10 of the star-formation rate over 10 Myr per area of the disc [Msun/yr/kpc2]",
    "log_sfr100_density": "log10 of the star-formation rate over 100 Myr per area of the disc [Msun/yr/kpc2]",
    "mh_young": "[M/H] of the stars younger than 1 Gyr, mass weighted [dex]",
    "mh_old": "[M/H] of the stars older than 5 Gyr, mass weighted [dex]",
    "chi2": "reduced chi-square of the network's linear basis",
    "ood_score": "distance from the training mocks; above 1 the spectrum is out of distribution",
    "fraction_masked": "share of the training grid without a good pixel",
    "n_bands": "number of HST bands used",
    "flags": "sum of bits, see the column flag_words and the extension FLAG_BITS of the maps",
}


def _unit_of(name: str) -> str:
    if name == "a_v":
        return "mag"
    return "dex" if name.endswith("mh") else "log10 yr"


def _interval(posterior: Posterior, name: str) -> tuple[np.ndarray, np.ndarray]:
    return posterior.interval(name, ASSUMED_COVERAGE)


def deprojected_radius(spectra: Spectra) -> np.ndarray:
    """Give each bin's distance from the centre in the plane of the disc, in arcsec.

    Orientation comes from the galaxy table; a galaxy without one is taken to be seen face on.
    """
    angle = np.deg2rad(spectra.meta.get("position_angle_deg") or 0.0)
    cosine = np.cos(np.deg2rad(spectra.meta.get("inclination_deg") or 0.0))
    major = spectra.y_arcsec * np.cos(angle) + spectra.x_arcsec * np.sin(angle)
    minor = -spectra.y_arcsec * np.sin(angle) + spectra.x_arcsec * np.cos(angle)
    return np.hypot(major, minor / cosine)


def to_map(bin_map: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Paint the values of bins on the map; NaN outside.

    Parameters
    ----------
    bin_map : ndarray of int, shape (ny, nx)
        Bin of each spaxel, -1 outside.
    values : ndarray, shape (n,)
        One value a bin.
    """
    padded = np.append(np.asarray(values, dtype=float), np.nan)
    return padded[np.where(bin_map >= 0, bin_map, len(values))].astype(np.float32)


def write_maps(
    path: str | os.PathLike,
    spectra: Spectra,
    posterior: Posterior,
    table: QTable,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write all maps of a galaxy to one FITS file, an extension a quantity and percentile.

    Parameters
    ----------
    path : path
        File to write.
    spectra, posterior : Spectra, Posterior
        As for `bin_columns`.
    table : QTable
        From `bin_columns`.
    provenance : mapping, optional
        Written to the primary header as HISTORY.

    Returns
    -------
    Path
    """
    header = (
        WCS(fits.Header.fromstring(spectra.wcs_header)).to_header() if spectra.wcs_header else fits.Header()
    )
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"] = spectra.galaxy
    primary.header["REDSHIFT"] = (
        spectra.meta.get("redshift_systemic", float(np.median(spectra.redshift))),
        "systemic",
    )
    primary.header["DISTANCE"] = (spectra.distance_mpc, "Mpc")
    primary.header["MODEL"] = str(posterior.meta.get("model", ""))
    for key in ("git_commit", "config_sha256", "code_sha256", "made_utc"):
        if provenance and key in provenance:
            primary.header.add_history(f"{key} {provenance[key]}")
    hdus: list[fits.hdu.base.ExtensionHDU] = []

    def add(name: str, image: np.ndarray, unit: str, comment: str) -> None:
        hdu = fits.ImageHDU(image, header, name=name.upper())
        hdu.header["BUNIT"] = unit
        hdu.header["COMMENT"] = comment
        hdus.append(hdu)

    add("BIN", spectra.bin_map, "", "index of the bin, -1 outside")
    add(
        "WHITE",
        np.asarray(spectra.white, dtype=np.float32),
        f"{spectra.flux_unit_cgs:g} erg/s/cm2/Angstrom",
        "mean flux",
    )
    for name in table.colnames:
        if name in ("bin", "x", "y", "flags", "flag_words"):
            continue
        column = table[name]
        base = name.removesuffix("_p16").removesuffix("_p84")
        text = table[base].info.description or base
        if name != base:
            text += f", {'16th' if name.endswith('p16') else '84th'} percentile"
        unit = str(column.unit) if column.unit is not None else _bracketed(text)
        add(
            name,
            to_map(spectra.bin_map, np.asarray(getattr(column, "value", column), dtype=float)),
            unit,
            text,
        )
    # Flags are exact: integers, and 0 outside where nothing was looked at.
    flags = np.append(np.asarray(table["flags"]).astype(np.int32), np.int32(0))
    add(
        "FLAGS",
        flags[np.where(spectra.bin_map >= 0, spectra.bin_map, -1)],
        "",
        "sum of the bits in FLAG_BITS",
    )
    mass = 10.0 ** np.asarray(table["log_mass_formed"])[:, None] * posterior.mass_fraction
    cube = np.stack([to_map(spectra.bin_map, column) for column in mass.T])
    per_spaxel = np.bincount(spectra.bin_map[spectra.bin_map >= 0], minlength=spectra.n)
    cube /= to_map(spectra.bin_map, np.maximum(per_spaxel, 1))[None]
    add("MASS_PER_AGE", cube.astype(np.float32), "Msun", "mass formed per spaxel in each age bin of AGE_BINS")
    add(
        "MH_PER_AGE",
        np.stack([to_map(spectra.bin_map, c) for c in posterior.mh.T]),
        "dex",
        "[M/H] in each age bin",
    )
    edges = np.asarray(posterior.age_edges_myr, dtype=float)
    hdus.append(
        fits.BinTableHDU.from_columns(
            [
                fits.Column("AGE_MIN", "D", unit="Myr", array=edges[:-1]),
                fits.Column("AGE_MAX", "D", unit="Myr", array=edges[1:]),
            ],
            name="AGE_BINS",
        )
    )
    hdus.append(
        fits.BinTableHDU.from_columns(
            [
                fits.Column("BIT", "J", array=[int(flag) for flag in MEANING]),
                fits.Column("NAME", "24A", array=[flag.name for flag in MEANING]),
                fits.Column("MEANING", "120A", array=list(MEANING.values())),
            ],
            name="FLAG_BITS",
        )
    )
    with atomic_write(path) as partial:
        fits.HDUList([primary, *hdus]).writeto(partial)
    return Path(path)


def _bracketed(text: str) -> str:
    return text[text.rindex("[") + 1 : text.rindex("]")] if "[" in text and "]" in text else ""


def write_table(path: str | os.PathLike, table: QTable, meta: Mapping[str, Any]) -> Path:
    """Write the table of bins as ECSV (text, with units and descriptions)."""
    table = table.copy()
    table.meta.update(dict(meta))
    with atomic_write(path) as partial:
        table.write(partial, format="ascii.ecsv", overwrite=True)
    return Path(path)
