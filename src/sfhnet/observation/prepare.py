"""From a galaxy's files to spectra that the network can read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord

from pyprospect.constants import C_KMS
from pyprospect.numerics.lsf import muse_udf10_fwhm_aa
from pyprospect.stars.library import SSPLibrary
from sfhnet.config import GalaxiesConfig, GridConfig
from sfhnet.core.flags import Flag
from sfhnet.core.spectra import Spectra, Unbinned
from sfhnet.core.training_grid import training_grid
from sfhnet.observation.bin_spectra import Survey, check_memory, sum_bins, survey
from sfhnet.observation.binning import bin_to_snr, one_bin_per_spaxel, read_labels
from sfhnet.observation.cube import Cube, open_cube
from sfhnet.observation.dap_maps import BinKinematics, DapMaps, in_bins, read_maps
from sfhnet.observation.fits_files import open_fits
from sfhnet.observation.galaxy_files import Target
from sfhnet.observation.hst_image import read_image
from sfhnet.observation.hst_photometry import BandFluxes, image_field, measure_bands
from sfhnet.observation.milky_way_extinction import attenuation_mag, correction, ebv_sf11
from sfhnet.observation.muse_against_hst import disagree, synthetic_bands
from sfhnet.observation.region_bins import read_regions
from sfhnet.observation.rest_frame import Observed, RestFrame, fit_kinematics, sky_mask, to_rest_frame
from sfhnet.observation.spectrum_files import read_spectra
from sfhnet.observation.true_maps import truth_in_bins
from sfhnet.observation.wavelengths_and_units import vacuum_to_air

# Below this share of good channels a spaxel joins no bin.
_MIN_GOOD_CHANNELS = 0.5


def prepare(
    target: Target,
    config: GalaxiesConfig,
    grid: GridConfig,
    *,
    band_names: tuple[str, ...],
    ssp: SSPLibrary,
    curves: Mapping[str, Any] | None = None,
) -> Spectra:
    """Prepare a galaxy for inference.

    Parameters
    ----------
    target : Target
        Galaxy and files.
    config : GalaxiesConfig
        How to prepare.
    grid : GridConfig
        Training grid and resolution.
    band_names : tuple of str
        Bands of the network, in its order.
    ssp : SSPLibrary
        Templates for the kinematics.
    curves : mapping of str to curve, optional
        Filter curves, to compare HST with the spectrum.

    Returns
    -------
    Spectra

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged, of another kind or place, or holds no good pixel; galaxy, file, extension and remedy are
        named.
    """
    if target.kind == "cube":
        return _prepare_cube(target, config, grid, band_names, ssp, curves or {})
    if target.kind in ("sdss", "table"):
        return _prepare_spectrum(target, config, grid, band_names, ssp)
    raise ValueError(f"{target.galaxy}: kind {target.kind!r} is unknown; choose 'cube', 'sdss' or 'table'")


def _prepare_cube(
    target: Target,
    config: GalaxiesConfig,
    grid: GridConfig,
    band_names: tuple[str, ...],
    ssp: SSPLibrary,
    curves: Mapping[str, Any],
) -> Spectra:
    galaxy = target.galaxy
    cube = open_cube(target.data, galaxy)
    # Everything that can be wrong with the other files comes to light before the cube is read.
    unknown = sorted(set(target.images) - set(band_names))
    if unknown:
        raise ValueError(
            f"{galaxy}: images in {unknown}, the network knows {list(band_names)}; leave them out"
        )
    field = image_field(cube.wcs, cube.shape[1:], target.psf_fwhm_arcsec)
    images = {band: partial(read_image, path, band, galaxy, field=field) for band, path in target.images.items()}
    for read in images.values():
        read()
    maps = None
    if target.maps is not None:
        maps = read_maps(target.maps, cube.shape[1:], cube.wcs, redshift=target.redshift, galaxy=galaxy)
    labels = _labels(target, cube, maps)
    excluded = _read_mask(target, cube)
    window = tuple((1 + target.redshift) * edge for edge in config.snr_window_aa)
    found = survey(cube, window, config.memory_gb)
    bin_map, unbinned = _bins(target, config, found, labels, excluded)
    n_bins = int(bin_map.max()) + 1
    check_memory(n_bins, cube, config.memory_gb)
    weight = np.where(bin_map >= 0, np.clip(np.nan_to_num(found.signal), 0, None) + 1e-12, 0.0)
    flux, variance, good = sum_bins(cube, bin_map, n_bins, weight=weight, memory_gb=config.memory_gb)
    ebv = ebv_sf11(target.ebv_mw, config.ebv_scale)
    spoilt = sky_mask(cube.wave_aa, variance, good, config=config)
    good &= ~spoilt
    undim = correction(cube.wave_aa, ebv, config.extinction_law).astype(np.float32)
    flux *= undim
    variance *= undim**2
    fwhm = muse_udf10_fwhm_aa(cube.wave_aa)
    given = None
    if maps is not None and config.kinematics == "maps":
        given = in_bins(maps, bin_map, n_bins, weight=weight)
    rest, redshift = _rest_frame(
        Observed(cube.wave_aa, fwhm, flux, variance, good), target, config, grid, ssp, given
    )
    del flux, variance, good  # they may fill the memory that is allowed
    fwhm_by_band = {band: target.hst_fwhm_arcsec or config.band_fwhm_arcsec(band) for band in images}
    bands = measure_bands(
        images,
        band_names,
        bin_map,
        n_bins=n_bins,
        wcs=cube.wcs,
        cube_fwhm_arcsec=target.psf_fwhm_arcsec,
        hst_fwhm_arcsec=fwhm_by_band,
        galaxy=galaxy,
    )
    band_flux, band_sigma, band_mask = _band_columns(bands, ebv, rest.redshift, cube.flux_unit_cgs, config)
    wanted = {band: curve for band, curve in curves.items() if band in images}
    synthetic, share = synthetic_bands(
        rest.wave_aa, rest.flux, rest.mask, redshift=rest.redshift, curves=wanted, names=band_names
    )
    x, y, area = _places(target, cube, bin_map, n_bins, weight)
    flags = rest.flags.copy()
    apart = disagree(synthetic, share, band_flux, band_sigma=band_sigma, band_mask=band_mask)
    flags[apart] |= np.uint32(Flag.MUSE_HST_DISAGREE)
    flags[~band_mask.all(axis=1)] |= np.uint32(Flag.MISSING_BANDS)
    flags[rest.snr < config.min_snr_kinematics] |= np.uint32(Flag.LOW_SNR)
    if excluded is not None:
        touched = np.unique(bin_map[_grow(excluded) & (bin_map >= 0)])
        flags[touched] |= np.uint32(Flag.FOREGROUND)
    meta = _meta(target, config, redshift, ebv) | {
        "n_spaxels": int((bin_map >= 0).sum()),
        "n_spaxels_good": int((found.good_fraction > _MIN_GOOD_CHANNELS).sum()),
        "snr_of_bins_by_stat": _snr_by_stat(bin_map, found),
        "n_channels_sky": int(spoilt.sum()),
        "hst_background": bands.background,
        "pixel_arcsec2": cube.pixel_arcsec2,
    }
    truth = truth_in_bins(target.truth, bin_map, n_bins, galaxy=galaxy) if target.truth else {}
    return Spectra(
        galaxy,
        rest.wave_aa,
        rest.flux,
        rest.sigma,
        rest.mask,
        band_names,
        band_flux,
        band_sigma,
        band_mask,
        cube.flux_unit_cgs,
        target.distance_mpc,
        **_columns(rest),
        band_synthetic=synthetic,
        area_arcsec2=area,
        x_arcsec=x,
        y_arcsec=y,
        flags=flags,
        bin_map=bin_map,
        wcs_header=cube.wcs.to_header_string(),
        white=found.white,
        unbinned=unbinned,
        meta=meta,
        truth=truth,
    )


def _columns(rest: RestFrame) -> dict[str, np.ndarray]:
    names = (
        "redshift",
        "velocity_kms",
        "velocity_err_kms",
        "sigma_kms",
        "sigma_err_kms",
        "snr",
        "noise_scale",
    )
    return {name: getattr(rest, name) for name in (*names, "smoothing_aa")}


def _rest_frame(
    observed: Observed,
    target: Target,
    config: GalaxiesConfig,
    grid: GridConfig,
    ssp: SSPLibrary,
    given: BinKinematics | None = None,
) -> tuple[RestFrame, float]:
    redshift, kinematics = fit_kinematics(
        observed, target.redshift, ssp, config=config, galaxy=target.galaxy, given=given
    )
    rest = to_rest_frame(
        observed, redshift, kinematics, grid=training_grid(grid, ssp), config=config, galaxy=target.galaxy
    )
    if not rest.mask.any():
        raise ValueError(
            f"{target.galaxy}: {target.data} has no good pixel on the training grid {rest.wave_aa[0]:.0f} .. "
            f"{rest.wave_aa[-1]:.0f} Angstrom at z = {redshift:.5f}; check redshift and wavelengths"
        )
    return rest, redshift


def _labels(target: Target, cube: Cube, maps: DapMaps | None) -> np.ndarray | None:
    """Bins that are given, not made here."""
    if target.bins in ("snr", "spaxel", "all"):
        return None
    if target.bins == "maps":
        if maps is None or maps.bin_map is None:
            what = "column maps is empty" if maps is None else f"{target.maps} has no extension BINID"
            raise ValueError(
                f"{target.galaxy}: bins are to be those of the MAPS, but {what}; give it, or bins = snr"
            )
        return maps.bin_map
    if str(target.bins).endswith(".reg"):
        return read_regions(target.bins, cube.shape[1:], cube.wcs, galaxy=target.galaxy)
    return read_labels(target.bins, cube.shape[1:], target.galaxy)


def _bins(
    target: Target,
    config: GalaxiesConfig,
    found: Survey,
    labels: np.ndarray | None,
    excluded: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Bins, and of each spaxel that is in none the reason."""
    good = found.good_fraction > _MIN_GOOD_CHANNELS
    reason = np.where(good, Unbinned.IN_A_BIN, Unbinned.FEW_GOOD_CHANNELS)
    reason[found.good_fraction == 0] = Unbinned.NO_DATA
    if excluded is not None:
        good &= ~excluded
        reason[excluded] = Unbinned.MASKED
    if not good.any():
        raise ValueError(
            f"{target.galaxy}: no spaxel of {target.data} has more than {_MIN_GOOD_CHANNELS:.0%} good channels outside the "
            "mask; fetch the cube again or correct the mask"
        )
    if labels is not None:
        bin_map = np.where(good, labels, -1).astype(np.int32)
        if not (bin_map >= 0).any():
            raise ValueError(
                f"{target.galaxy}: no bin of {target.bins} holds a good spaxel of {target.data}; are they of this cube?"
            )
        # A bin of which nothing is good stays on the map, to be flagged there: no silent hole.
        lost = ~np.isin(labels, bin_map) & (labels >= 0)
        bin_map[lost] = labels[lost]
        reason[good & (bin_map < 0)] = Unbinned.OUTSIDE_OF_BINS
    elif target.bins == "spaxel":
        bin_map = one_bin_per_spaxel(good)
    elif target.bins == "all":
        bin_map = np.where(good, 0, -1).astype(np.int32)
    else:
        try:
            wanted = target.target_snr or config.target_snr
            bin_map = bin_to_snr(found.signal, found.noise, wanted, good=good, min_snr=config.min_spaxel_snr)
        except ValueError as error:
            raise ValueError(f"{target.galaxy}: {target.data}: {error}") from error
        reason[good & (bin_map < 0)] = Unbinned.LOW_SNR
    reason[bin_map >= 0] = Unbinned.IN_A_BIN
    return bin_map, reason.astype(np.uint8)


def _snr_by_stat(bin_map: np.ndarray, found: Survey) -> list[float]:
    """Least, median and greatest S/N of bins by STAT alone, without covariance."""
    inside = (bin_map >= 0) & (found.noise > 0)
    n_bins = int(bin_map.max()) + 1
    signal = np.bincount(bin_map[inside], weights=found.signal[inside], minlength=n_bins)
    variance = np.bincount(bin_map[inside], weights=found.noise[inside] ** 2, minlength=n_bins)
    snr = signal / np.sqrt(np.where(variance > 0, variance, np.inf))
    return [float(value) for value in np.percentile(snr, [0, 50, 100])]


def _read_mask(target: Target, cube: Cube) -> np.ndarray | None:
    if target.mask is None:
        return None
    with open_fits(target.mask, target.galaxy) as hdus:
        images = [hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS") == 2]
        if not images:
            raise ValueError(
                f"{target.galaxy}: {target.mask} holds no 2-D image; give a mask, not zero where masked"
            )
        mask = np.nan_to_num(np.asarray(images[0].data, dtype=float)) != 0
    if mask.shape != cube.shape[1:]:
        raise ValueError(
            f"{target.galaxy}: mask {target.mask} has shape {mask.shape}, the cube has {cube.shape[1:]}"
        )
    return mask


def _grow(mask: np.ndarray) -> np.ndarray:
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown


def _band_columns(
    bands: BandFluxes, ebv: float, redshift: np.ndarray, unit_cgs: float, config: GalaxiesConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    known = np.isfinite(bands.pivot_aa)
    factor = np.ones(bands.pivot_aa.size)
    factor[known] = 10 ** (0.4 * attenuation_mag(bands.pivot_aa[known], ebv, config.extinction_law))
    scale = factor[None, :] * (1 + redshift)[:, None] / unit_cgs
    flux = bands.flux * scale
    sigma = np.hypot(bands.sigma * scale, config.band_error_floor * flux)
    mask = (
        np.isfinite(flux) & np.isfinite(sigma) & (sigma > 0) & (bands.coverage >= config.min_coverage) & known
    )
    return np.where(mask, flux, 0.0), np.where(mask, sigma, 1.0), mask


def _places(
    target: Target, cube: Cube, bin_map: np.ndarray, n_bins: int, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    inside = bin_map >= 0
    labels = bin_map[inside]
    row, column = np.nonzero(inside)
    sky = cube.wcs.pixel_to_world(column, row)
    if target.center_deg is not None:
        centre = SkyCoord(*target.center_deg, unit="deg")
    else:
        y, x = np.unravel_index(int(np.argmax(weight)), weight.shape)
        centre = cube.wcs.pixel_to_world(x, y)
    east, north = (
        offset.to_value(u.arcsec) for offset in centre.transform_to(sky.frame).spherical_offsets_to(sky)
    )
    light = np.bincount(labels, weights=weight[inside], minlength=n_bins)
    light = np.where(light > 0, light, 1.0)
    x = np.bincount(labels, weights=weight[inside] * east, minlength=n_bins) / light
    y = np.bincount(labels, weights=weight[inside] * north, minlength=n_bins) / light
    return x, y, np.bincount(labels, minlength=n_bins) * cube.pixel_arcsec2


def _meta(target: Target, config: GalaxiesConfig, redshift: float, ebv: float) -> dict:
    return {
        "kind": target.kind,
        "data": Path(target.data).name,
        "images": {band: Path(path).name for band, path in target.images.items()},
        "redshift_systemic": float(redshift),
        "redshift_given": target.redshift,
        "velocity_systemic_kms": float(C_KMS * np.log1p(redshift)),
        "ebv_mw_sf11": ebv,
        "extinction_law": f"{config.extinction_law}, R_V = 3.1",
        "bins": Path(target.bins).name,
        "kinematics": "fit" if config.kinematics == "maps" and target.maps is None else config.kinematics,
        "maps": Path(target.maps).name if target.maps else None,
        "center_deg": list(target.center_deg) if target.center_deg else None,
        "inclination_deg": target.inclination_deg,
        "position_angle_deg": target.position_angle_deg,
        "r25_arcsec": target.r25_arcsec,
        "psf_fwhm_arcsec": target.psf_fwhm_arcsec,
    }


def _prepare_spectrum(
    target: Target, config: GalaxiesConfig, grid: GridConfig, band_names: tuple[str, ...], ssp: SSPLibrary
) -> Spectra:
    found = read_spectra(target.data, target.kind, target.galaxy)
    if target.medium not in ("air", "vacuum"):
        raise ValueError(f"{target.galaxy}: medium {target.medium!r} is unknown; choose 'air' or 'vacuum'")
    wave_aa = vacuum_to_air(found.wave_aa) if target.medium == "vacuum" else found.wave_aa
    if target.images:
        raise ValueError(
            f"{target.galaxy}: a single spectrum has no map to sum HST images in; leave them out"
        )
    ebv = ebv_sf11(target.ebv_mw, config.ebv_scale)
    undim = correction(wave_aa, ebv, config.extinction_law)
    flux, variance = found.flux * undim, (found.sigma * undim) ** 2
    good = found.good & ~sky_mask(wave_aa, found.sigma**2, found.good, config=config)
    observed = Observed(wave_aa, found.fwhm_aa, flux, variance, good)
    rest, redshift = _rest_frame(observed, target, config, grid, ssp)
    n_band = len(band_names)
    return Spectra(
        target.galaxy,
        rest.wave_aa,
        rest.flux,
        rest.sigma,
        rest.mask,
        band_names,
        np.zeros((1, n_band)),
        np.ones((1, n_band)),
        np.zeros((1, n_band), dtype=bool),
        found.flux_unit_cgs,
        target.distance_mpc,
        **_columns(rest),
        area_arcsec2=np.array([target.area_arcsec2]),
        x_arcsec=np.zeros(1),
        y_arcsec=np.zeros(1),
        flags=rest.flags | np.uint32(Flag.MISSING_BANDS | Flag.NO_BANDS),
        bin_map=np.zeros((1, 1), dtype=np.int32),
        meta=_meta(target, config, redshift, ebv),
    )
