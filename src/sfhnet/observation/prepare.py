"""From a galaxy's files to spectra that the network can read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pyprospect.constants import C_KMS, LSOL_ERG_S, MPC_CM
from pyprospect.stars.library import SSPLibrary
from sfhnet.config import GalaxiesConfig, GridConfig
from sfhnet.core.flags import Flag
from sfhnet.core.spectra import Spectra
from sfhnet.core.training_grid import training_grid
from sfhnet.observation.artefacts import light
from sfhnet.observation.band_columns import BandColumns, band_columns, no_bands
from sfhnet.observation.band_weights import band_weights
from sfhnet.observation.bin_spectra import check_memory, sum_bins
from sfhnet.observation.cube import Cube, open_cube
from sfhnet.observation.cube_bins import CubeBins, Places, bin_cube, find_places, given_labels, read_mask
from sfhnet.observation.dap_maps import BinKinematics, DapMaps, in_bins, read_maps
from sfhnet.observation.galaxy_files import Target
from sfhnet.observation.galaxy_kinematics import fit_kinematics
from sfhnet.observation.hst_image import HSTImage, read_image
from sfhnet.observation.hst_photometry import image_field, measure_bands
from sfhnet.observation.line_spread import line_spread_fwhm_aa
from sfhnet.observation.milky_way_extinction import correction, ebv_sf11
from sfhnet.observation.muse_against_hst import disagree, synthetic_bands
from sfhnet.observation.observed import Observed
from sfhnet.observation.point_spread import PointSpread, psf_of, read_psf
from sfhnet.observation.rest_frame import RestFrame, to_rest_frame
from sfhnet.observation.sky_channels import sky_mask
from sfhnet.observation.spectrum_files import read_spectra
from sfhnet.observation.true_maps import truth_in_bins
from sfhnet.observation.wavelengths_and_units import vacuum_to_air

_log = logging.getLogger("sfhnet.observation.prepare")


# l L(l) of the brightest spectrum: from below the faintest cluster to above the brightest galaxy.
_LUMINOSITY_LSUN = (1e-2, 1e14)


@dataclass(frozen=True)
class _Run:
    """What is the same for all galaxies: configuration, training grid, bands in the network's order, templates."""

    config: GalaxiesConfig
    grid: GridConfig
    band_names: tuple[str, ...]
    ssp: SSPLibrary


@dataclass(frozen=True)
class _FilesBeside:
    """What belongs to a cube, read and checked before its pixels are."""

    images: dict[str, Callable[[], HSTImage]]
    cube_psf: PointSpread
    image_psf: dict[str, PointSpread]
    maps: DapMaps | None
    labels: np.ndarray | None
    excluded: np.ndarray | None


@dataclass(frozen=True)
class _MapFields:
    """The fields of `Spectra` that tell of a map; those of a single spectrum by default."""

    bin_map: np.ndarray = field(default_factory=lambda: np.zeros((1, 1), dtype=np.int32))
    wcs_header: str = ""
    white: np.ndarray = field(default_factory=lambda: np.full((1, 1), np.nan, dtype=np.float32))
    unbinned: np.ndarray = field(default_factory=lambda: np.zeros((1, 1), dtype=np.uint8))
    truth: dict[str, np.ndarray] = field(default_factory=dict)


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
    run = _Run(config, grid, band_names, ssp)
    if target.kind == "cube":
        return checked_scale(target, _prepare_cube(target, run, curves or {}))
    if target.kind in ("sdss", "table"):
        return checked_scale(target, _prepare_spectrum(target, run))
    raise ValueError(f"{target.galaxy}: kind {target.kind!r} is unknown; choose 'cube', 'sdss' or 'table'")


def checked_scale(target: Target, spectra: Spectra) -> Spectra:
    """Return spectra whose brightest is as bright as a cluster or a galaxy; refuse others: unit or distance is wrong."""
    sphere_cm2 = 4 * np.pi * (spectra.distance_mpc * MPC_CM) ** 2
    flux_cgs = np.where(spectra.mask, spectra.flux, np.nan).astype(float) * spectra.flux_unit_cgs
    brightest = float(np.nanmax(np.abs(flux_cgs))) * 5400.0 * sphere_cm2 / LSOL_ERG_S
    low, high = _LUMINOSITY_LSUN
    if not low < brightest < high:
        raise ValueError(
            f"{target.galaxy}: {target.data} would be of {brightest:.3g} Lsun at {spectra.distance_mpc:g} Mpc in units of "
            f"{spectra.flux_unit_cgs:g} erg/s/cm2/Angstrom, expected {low:g} .. {high:g}; check the unit of its flux and the "
            "distance"
        )
    return spectra


def _prepare_cube(target: Target, run: _Run, curves: Mapping[str, Any]) -> Spectra:
    config = run.config
    cube = open_cube(target.data, target.galaxy, layout=target.layout, lsf=target.lsf)
    for note in cube.notes:
        _log.warning("%s: %s: %s", target.galaxy, target.data, note)
    # Everything that can be wrong with the other files comes to light before the cube is read.
    reach = config.registration.max_shift_fwhm if curves and config.registration.measure else 0.0
    beside = _read_beside(target, cube, run, reach)
    wanted = {band: curve for band, curve in curves.items() if band in beside.images}
    weights = band_weights(wanted, cube.wave_aa) if config.registration.measure else None
    bins = bin_cube(target, cube, config, labels=beside.labels, excluded=beside.excluded, weights=weights)
    check_memory(bins.n, cube, config.memory_gb)
    ebv = ebv_sf11(target.ebv_mw, config.ebv_scale)
    observed, n_masked = _sum_cube(cube, bins, config, ebv)
    given = None
    if beside.maps is not None and config.kinematics == "maps":
        given = in_bins(beside.maps, bins.bin_map, bins.n, weight=bins.light)
    rest, redshift = _rest_frame(observed, target, run, given)
    synthetic, share = synthetic_bands(
        observed.wave_aa, observed.flux, observed.good, curves=wanted, names=run.band_names
    )
    synthetic *= (1 + rest.redshift)[:, None]
    del observed  # it may fill the memory that is allowed
    fluxes = measure_bands(
        beside.images,
        run.band_names,
        bins.bin_map,
        n_bins=bins.n,
        wcs=cube.wcs,
        cube_psf=beside.cube_psf,
        image_psf=beside.image_psf,
        galaxy=target.galaxy,
        shown=bins.survey.bands,
        registration=config.registration,
    )
    bands = band_columns(
        fluxes, synthetic, rest.redshift, ebv=ebv, unit_cgs=cube.flux_unit_cgs, config=config
    )
    meta = {
        "n_spaxels": int((bins.bin_map >= 0).sum()),
        "n_spaxels_good": bins.n_good_spaxels,
        "snr_of_bins_by_stat": bins.snr_by_stat(),
        "n_channels_sky": n_masked,
        "hst_background": fluxes.background,
        "registration": {band: found.record() for band, found in fluxes.registration.items()},
        "pixel_arcsec2": cube.pixel_arcsec2,
        "instrument": cube.layout.name,
        "lsf": cube.lsf_from,
        "errors_from": cube.errors_from,
        "notes": list(cube.notes),
    }
    truth = truth_in_bins(target.truth, bins.bin_map, bins.n, galaxy=target.galaxy) if target.truth else {}
    return _assemble(
        target,
        rest,
        run.band_names,
        bands=bands,
        flux_unit_cgs=cube.flux_unit_cgs,
        places=find_places(bins, cube, target.center_deg),
        flags=_flags_of_bins(rest, bands, share, cube=cube, bins=bins, config=config),
        on_map=_MapFields(
            bin_map=bins.bin_map,
            wcs_header=cube.wcs.to_header_string(),
            white=bins.survey.white,
            unbinned=bins.unbinned,
            truth=truth,
        ),
        meta=_meta(target, config, redshift, ebv) | meta,
    )


def _read_beside(target: Target, cube: Cube, run: _Run, max_shift_fwhm: float) -> _FilesBeside:
    galaxy, shape = target.galaxy, cube.shape[1:]
    unknown = sorted(set(target.images) - set(run.band_names))
    if unknown:
        raise ValueError(
            f"{galaxy}: images in {unknown}, the network knows {list(run.band_names)}; leave them out"
        )
    cube_psf = PointSpread.gaussian(target.psf_fwhm_arcsec)
    if target.psf_image is not None:
        cube_psf = read_psf(target.psf_image, f"{galaxy}: point-spread function of the cube")
    wanted = image_field(cube.wcs, shape, cube_psf.fwhm_arcsec, max_shift_fwhm)
    images: dict[str, Callable[[], HSTImage]] = {
        band: partial(read_image, path, band, galaxy, field=wanted) for band, path in target.images.items()
    }
    # Images are larger than the memory that is allowed: each is looked at now and read again when it is its turn.
    for read in images.values():
        read()
    maps = None
    if target.maps is not None:
        maps = read_maps(target.maps, shape, cube.wcs, redshift=target.redshift, galaxy=galaxy)
    return _FilesBeside(
        images=images,
        cube_psf=cube_psf,
        image_psf={band: psf_of(band, target, run.config) for band in images},
        maps=maps,
        labels=given_labels(target, cube, maps),
        excluded=read_mask(target, cube),
    )


def _sum_cube(cube: Cube, bins: CubeBins, config: GalaxiesConfig, ebv: float) -> tuple[Observed, int]:
    """Return the spectra of the bins without Milky-Way extinction, and the number of channels lost to the sky."""
    flux, variance, good = sum_bins(cube, bins.bin_map, bins.n, weight=bins.light, memory_gb=config.memory_gb)
    masked = sky_mask(cube.wave_aa, variance, good, config=config)
    good &= ~masked
    # In place: the spectra may fill half of the memory that is allowed.
    dereddening = correction(cube.wave_aa, ebv, config.extinction_law).astype(np.float32)
    flux *= dereddening
    variance *= dereddening**2
    observed = Observed(
        wave_aa=cube.wave_aa,
        fwhm_aa=cube.fwhm_aa,
        flux=flux,
        variance=variance,
        good=good,
    )
    return observed, int(masked.sum())


def _flags_of_bins(
    rest: RestFrame,
    bands: BandColumns,
    share: np.ndarray,
    *,
    cube: Cube,
    bins: CubeBins,
    config: GalaxiesConfig,
) -> np.ndarray:
    flags = rest.flags.copy()
    differ = disagree(bands.synthetic, share, bands.flux, band_sigma=bands.sigma, band_mask=bands.mask)
    flags[differ] |= np.uint32(Flag.MUSE_HST_DISAGREE)
    flags[~bands.mask.all(axis=1)] |= np.uint32(Flag.MISSING_BANDS)
    flags[rest.snr < config.min_snr_kinematics] |= np.uint32(Flag.LOW_SNR)
    flags[bins.beside_the_mask()] |= np.uint32(Flag.FOREGROUND)
    if not cube.has_errors:
        flags |= np.uint32(Flag.ERRORS_MEASURED)
    return flags


def _prepare_spectrum(target: Target, run: _Run) -> Spectra:
    config = run.config
    read = read_spectra(target.data, target.kind, target.galaxy)
    if read.flux_unit_cgs is None:
        raise ValueError(
            f"{target.galaxy}: {target.data} does not say the unit of its flux, or it is a surface brightness; a mass needs it"
        )
    for note in read.notes:
        _log.warning("%s: %s: %s", target.galaxy, target.data, note)
    if target.medium not in ("air", "vacuum"):
        raise ValueError(f"{target.galaxy}: medium {target.medium!r} is unknown; choose 'air' or 'vacuum'")
    wave_aa = vacuum_to_air(read.wave_aa) if target.medium == "vacuum" else read.wave_aa
    if target.images:
        raise ValueError(
            f"{target.galaxy}: a single spectrum has no map to sum HST images in; leave them out"
        )
    fwhm_aa = read.fwhm_aa
    if target.lsf is not None:
        fwhm_aa = line_spread_fwhm_aa(target.lsf, wave_aa, where=f"{target.galaxy}: {target.data}")
    ebv = ebv_sf11(target.ebv_mw, config.ebv_scale)
    dereddening = correction(wave_aa, ebv, config.extinction_law)
    good = light(read.flux, read.sigma**2, read.good)
    good &= ~sky_mask(wave_aa, read.sigma**2, good, config=config)
    observed = Observed(
        wave_aa=wave_aa,
        fwhm_aa=fwhm_aa,
        flux=np.where(good, read.flux * dereddening, 0.0),
        variance=np.where(good, read.sigma * dereddening, 0.0) ** 2,
        good=good,
    )
    rest, redshift = _rest_frame(observed, target, run)
    return _assemble(
        target,
        rest,
        run.band_names,
        bands=no_bands(len(run.band_names)),
        flux_unit_cgs=read.flux_unit_cgs,
        places=Places(
            x_arcsec=np.zeros(1), y_arcsec=np.zeros(1), area_arcsec2=np.array([target.area_arcsec2])
        ),
        flags=rest.flags | np.uint32(Flag.MISSING_BANDS | Flag.NO_BANDS),
        on_map=_MapFields(),
        meta=_meta(target, config, redshift, ebv) | {"notes": list(read.notes)},
    )


def _rest_frame(
    observed: Observed, target: Target, run: _Run, given: BinKinematics | None = None
) -> tuple[RestFrame, float]:
    redshift, kinematics = fit_kinematics(
        observed, target.redshift, run.ssp, config=run.config, galaxy=target.galaxy, given=given
    )
    grid = training_grid(run.grid, run.ssp)
    rest = to_rest_frame(observed, redshift, kinematics, grid=grid, config=run.config, galaxy=target.galaxy)
    if not rest.mask.any():
        raise ValueError(
            f"{target.galaxy}: {target.data} has no good pixel on the training grid {rest.wave_aa[0]:.0f} .. "
            f"{rest.wave_aa[-1]:.0f} Angstrom at z = {redshift:.5f}; check redshift and wavelengths"
        )
    return rest, redshift


def _assemble(
    target: Target,
    rest: RestFrame,
    band_names: tuple[str, ...],
    *,
    bands: BandColumns,
    flux_unit_cgs: float,
    places: Places,
    flags: np.ndarray,
    on_map: _MapFields,
    meta: dict[str, Any],
) -> Spectra:
    """Build the prepared spectra: the one place that knows which record holds which field."""
    return Spectra(
        galaxy=target.galaxy,
        wave_aa=rest.wave_aa,
        flux=rest.flux,
        sigma=rest.sigma,
        mask=rest.mask,
        band_names=band_names,
        band_flux=bands.flux,
        band_sigma=bands.sigma,
        band_mask=bands.mask,
        band_synthetic=bands.synthetic,
        flux_unit_cgs=flux_unit_cgs,
        distance_mpc=target.distance_mpc,
        redshift=rest.redshift,
        velocity_kms=rest.velocity_kms,
        velocity_err_kms=rest.velocity_err_kms,
        sigma_kms=rest.sigma_kms,
        sigma_err_kms=rest.sigma_err_kms,
        snr=rest.snr,
        noise_scale=rest.noise_scale,
        smoothing_aa=rest.smoothing_aa,
        area_arcsec2=places.area_arcsec2,
        x_arcsec=places.x_arcsec,
        y_arcsec=places.y_arcsec,
        flags=flags,
        bin_map=on_map.bin_map,
        wcs_header=on_map.wcs_header,
        white=on_map.white,
        unbinned=on_map.unbinned,
        meta=meta,
        truth=on_map.truth,
    )


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
