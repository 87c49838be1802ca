"""Observe a known galaxy: a MUSE-like cube and HST images, with the truth beside them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from astropy.io import fits
from astropy.wcs import WCS
from scipy.ndimage import convolve, gaussian_filter

from pyprospect.constants import C_KMS, FWHM_PER_SIGMA
from pyprospect.dust.emission import DaleTemplates
from pyprospect.fast.synthesizer import Synthesis, Synthesizer
from pyprospect.gas.ratios import LineRatios
from pyprospect.numerics.lsf import muse_udf10_fwhm_aa
from pyprospect.stars.library import SSPLibrary
from sfhnet.config import NoiseConfig, SimulatedGalaxyConfig
from sfhnet.config.galaxies import DEC_DEG, RA_DEG
from sfhnet.core.bands import find_band
from sfhnet.core.geometry import luminosity_per_flux
from sfhnet.core.quantities import SNR_WINDOW_AA
from sfhnet.mocks.muse_sky_noise import sky_lines_sigma, smooth_sigma
from sfhnet.mocks.synthesize import synthesizer_inputs
from sfhnet.observation.milky_way_extinction import attenuation_mag
from sfhnet.simulated_galaxy.clusters import Clusters, draw_clusters
from sfhnet.simulated_galaxy.disc import DiscHistory, disc_history, places_in_disc
from sfhnet.simulated_galaxy.instrument_errors import InstrumentErrors, draw_errors
from sfhnet.simulated_galaxy.truth import write_truth
from sfhnet.tools.hdf5 import atomic_write
from sfhnet.tools.random_streams import stream

# The public PHANGS-MUSE cubes: 3761 channels from 4700 Angstrom (NGC 628: CRVAL3 4699.97...).
_WAVE_START_AA, _WAVE_STEP_AA, _N_WAVE = 4700.0, 1.25, 3761
_UNIT_CGS = 1e-20
# The model is made on a finer grid than the channels, then moved to each velocity.
_FINE_STEP_AA = 0.625
_FINE_MARGIN_AA = 60.0
_EXPOSURE_S = 1000.0
# Real images are turned against the cube.
_HST_ROLL_DEG = 27.0
# Neighbouring spaxels share noise after drizzling; STAT does not know.
_SHARED_NOISE = 0.15
_SKY_RESIDUAL = 0.2
_MIN_HST_PIXELS = 8
# Lines that can fall on the cube or into the bands.
LINE_RANGE_AA = (2000.0, 10500.0)


@dataclass(frozen=True)
class SimulatedFiles:
    """Paths of a simulated galaxy.

    Parameters
    ----------
    cube : Path
        MUSE-like cube: DATA, STAT, DQ.
    truth : Path
        Mass formed and [M/H] per spaxel and age bin, A_V, velocity.
    images : dict
        Band -> HST-like image.
    """

    cube: Path
    truth: Path
    images: dict[str, Path]


def simulate_galaxy(
    config: SimulatedGalaxyConfig,
    ssp: SSPLibrary,
    bands: Mapping[str, Any],
    *,
    age_edges_yr: np.ndarray,
    out_dir: str | os.PathLike,
    seed: int,
    lines: LineRatios | None = None,
    halpha_lsol_per_msol: np.ndarray | None = None,
    dust_templates: DaleTemplates | None = None,
    noise: NoiseConfig | None = None,
) -> SimulatedFiles:
    """Make the cube, the images and the truth.

    Parameters
    ----------
    config : SimulatedGalaxyConfig
        Galaxy and instrument.
    ssp : SSPLibrary
        Stars.
    bands : mapping of str to curve
        Band -> (wave_aa, response) or a filter object; as for `pyprospect.fast.synthesizer.Synthesizer`.
    age_edges_yr : ndarray
        Edges of the age bins in which the truth is stored.
    out_dir : path
        Folder to write ``cube.fits``, ``truth.fits`` and ``hst_{band}.fits`` to.
    seed : int
        Seed of the noise.
    lines : LineRatios, optional
        Emission lines of gas; without them the galaxy has none.
    halpha_lsol_per_msol : ndarray, shape (n_z, n_age), optional
        Halpha luminosity of each SSP; ProSpect's calibration with the star-formation rate without it.
    dust_templates : DaleTemplates, optional
        Emission of dust in the images; without them there is none.
    noise : NoiseConfig, optional
        Sizes of the errors that spaxels share (`sfhnet.simulated_galaxy.instrument_errors`); without it there are none.

    Returns
    -------
    SimulatedFiles
    """
    out_dir = Path(out_dir)
    wcs = map_wcs(config.n_spaxels, config.spaxel_arcsec)
    disc = disc_history(places_in_disc(*sky_offsets(wcs, config.n_spaxels), config), ssp.age_edges_yr, config)
    clusters = draw_clusters(config, ssp.age_edges_yr, stream("simulation.clusters", 0))
    wave_aa = _WAVE_START_AA + _WAVE_STEP_AA * np.arange(_N_WAVE)
    side, n_line = config.n_spaxels * config.spaxel_arcsec, 0 if lines is None else len(lines.names)
    errors = draw_errors(
        noise or NoiseConfig(off=("calibration", "zero_points", "line_scatter")),
        wave_aa,
        side_arcsec=side,
        pointing_arcsec=config.pointing_arcsec,
        bands=tuple(bands),
        n_line=n_line,
        rng=stream("simulation.instrument", seed),
    )
    gas: dict[str, Any] = {"lines": lines, "halpha_lsol_per_msol": halpha_lsol_per_msol}
    flux = _observed_spectra(config, ssp, disc, clusters, wave_aa, gas, errors)
    flux = errors.calibrate(flux, config.spaxel_arcsec)
    rng = stream("simulation.cube", seed)
    files = SimulatedFiles(
        out_dir / "cube.fits",
        out_dir / "truth.fits",
        {band: out_dir / f"hst_{band.lower()}.fits" for band in bands},
    )
    _write_cube(files.cube, flux, wave_aa, wcs, config, rng)
    del flux
    write_truth(files.truth, disc, clusters, ssp, age_edges_yr=age_edges_yr, wcs=wcs, config=config)
    gas["dust_templates"] = dust_templates
    _write_images(files.images, config, ssp, bands, clusters, gas, errors, stream("simulation.images", seed))
    return files


def map_wcs(n_pixels: int, pixel_arcsec: float, roll_deg: float = 0.0) -> WCS:
    """Make the celestial WCS of a square map centred on the simulated galaxy.

    Parameters
    ----------
    n_pixels : int
        Pixels along each side.
    pixel_arcsec : float
        Pixel scale.
    roll_deg : float
        Angle by which the map is turned.

    Returns
    -------
    WCS
    """
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [RA_DEG, DEC_DEG]
    wcs.wcs.crpix = [0.5 * (n_pixels + 1)] * 2
    roll = np.deg2rad(roll_deg)
    step = pixel_arcsec / 3600
    wcs.wcs.cd = step * np.array([[-np.cos(roll), np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    wcs.wcs.cunit = ["deg", "deg"]
    return wcs


def sky_offsets(wcs: WCS, n_pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the offsets of all pixels of a square map from the galaxy centre, row by row.

    Parameters
    ----------
    wcs : WCS
        From `map_wcs`.
    n_pixels : int
        Pixels along each side.

    Returns
    -------
    east_arcsec, north_arcsec : ndarray, shape (n_pixels**2,)
    """
    y, x = np.mgrid[:n_pixels, :n_pixels]
    # On a tangent plane the matrix of the WCS gives the offsets at once.
    offset = np.stack([x.ravel() + 1 - wcs.wcs.crpix[0], y.ravel() + 1 - wcs.wcs.crpix[1]])
    east, north = 3600 * wcs.wcs.cd @ offset
    return east, north


def _luminosity_to_flux(distance_mpc: float) -> float:
    return 1 / luminosity_per_flux(distance_mpc, _UNIT_CGS)


def _synthesize(synthesizer: Synthesizer, disc: DiscHistory, line_scatter: np.ndarray) -> Synthesis:
    gas_z = torch.as_tensor(disc.z[:, 0], dtype=torch.float32)
    dust = {"tau_screen": torch.from_numpy(disc.tau_screen), "tau_birth": torch.from_numpy(disc.tau_birth)}
    return synthesizer(
        disc.mass_fraction,
        disc.z,
        **synthesizer_inputs(dust, gas_z),
        line_scatter=line_scatter if line_scatter.size else None,
    )


def _observed_spectra(
    config: SimulatedGalaxyConfig,
    ssp: SSPLibrary,
    disc: DiscHistory,
    clusters: Clusters,
    wave_aa: np.ndarray,
    gas: Mapping[str, Any],
    errors: InstrumentErrors,
) -> np.ndarray:
    z_max = config.redshift + config.velocity_amplitude_kms / C_KMS
    low, high = wave_aa[0] / (1 + z_max) - _FINE_MARGIN_AA, wave_aa[-1] + _FINE_MARGIN_AA
    fine_aa = np.arange(low, high, _FINE_STEP_AA)
    # The instrument's width, given where the redshifted light falls.
    synthesizer = Synthesizer(
        ssp,
        fine_aa,
        lsf_fwhm_aa=lambda rest: muse_udf10_fwhm_aa(rest * (1 + config.redshift)) / (1 + config.redshift),
        veldisp_kms=(config.sigma_kms,),
        **gas,
    )
    to_flux = _luminosity_to_flux(config.distance_mpc)
    dimming = 10 ** (-0.4 * attenuation_mag(wave_aa, config.ebv_mw))

    def spectra(stars: DiscHistory, mass: np.ndarray, line_scatter: np.ndarray) -> np.ndarray:
        result = _synthesize(synthesizer, stars, line_scatter)
        flux = np.empty((wave_aa.size, mass.size), dtype=np.float32)
        for i, rest in enumerate(result.flux.numpy().astype(np.float64)):
            factor = (1 + config.redshift) * np.exp(stars.velocity_kms[i] / C_KMS)
            flux[:, i] = np.interp(wave_aa, fine_aa * factor, rest) * (mass[i] * to_flux / factor) * dimming
        return flux

    n, wcs = config.n_spaxels, map_wcs(config.n_spaxels, config.spaxel_arcsec)
    scatter = errors.line_factors(*sky_offsets(wcs, n))
    cube = spectra(disc, disc.surface_density * config.spaxel_arcsec**2, scatter).reshape(wave_aa.size, n, n)
    width = config.psf_fwhm_arcsec / FWHM_PER_SIGMA / config.spaxel_arcsec
    cube = gaussian_filter(cube, sigma=(0, width, width), mode="nearest")
    if clusters.mass_msun.size:
        scatter = errors.line_factors(clusters.east_arcsec, clusters.north_arcsec)
        share = clusters.footprints(wcs, n, config.spaxel_arcsec, config.psf_fwhm_arcsec).astype(np.float32)
        cube += (spectra(clusters.stars, clusters.mass_msun, scatter) @ share).reshape(cube.shape)
    return cube


def _write_cube(
    path: Path,
    flux: np.ndarray,
    wave_aa: np.ndarray,
    wcs: WCS,
    config: SimulatedGalaxyConfig,
    rng: np.random.Generator,
) -> None:
    n = config.n_spaxels
    window = (wave_aa > SNR_WINDOW_AA[0]) & (wave_aa < SNR_WINDOW_AA[1])
    centre = float(np.median(flux[window, n // 2, n // 2]))
    # ASSUME: half of the central variance is the sky's, half the source's own photons.
    sky = smooth_sigma(wave_aa)
    lines = sky_lines_sigma(wave_aa)
    unit = (centre / config.snr_centre) ** 2 / 2
    throughput = (sky / sky[window].mean()) ** 2
    variance = unit * (sky**2 + lines**2)[:, None, None] + unit * throughput[:, None, None] * (
        np.clip(flux, 0, None) / centre
    )
    variance = variance.astype(np.float32)
    pattern = np.array([[0, _SHARED_NOISE, 0], [_SHARED_NOISE, 1, _SHARED_NOISE], [0, _SHARED_NOISE, 0]])
    pattern /= np.sqrt((pattern**2).sum())
    data = np.empty_like(flux)
    for channel in range(wave_aa.size):
        noise = convolve(rng.standard_normal((n, n)), pattern, mode="wrap")
        data[channel] = flux[channel] + noise * np.sqrt(variance[channel])
    residual = _SKY_RESIDUAL * np.sqrt(unit) * rng.standard_normal((n, n))
    data += (lines[:, None, None] * residual).astype(np.float32)
    dq = np.zeros(data.shape, dtype=np.uint8)
    # The faults of public cubes: an unexposed corner, hot pixels, zeros in STAT.
    corner = np.add.outer(np.arange(n), np.arange(n)) < n // 8
    data[:, corner], variance[:, corner], dq[:, corner] = np.nan, np.nan, 1
    hot = rng.random(data.shape) < 2e-5
    data[hot] += 30 * np.sqrt(np.nan_to_num(variance[hot]))
    dq[hot] = 1
    variance[rng.random(data.shape) < 2e-5] = 0
    header = _cube_header(wcs, config)
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"] = "simulated galaxy with the geometry of NGC 628"
    primary.header["BUNIT"] = "10**(-20)*erg/s/cm**2/Angstrom"
    stat = header.copy()
    stat["BUNIT"] = "(10**(-20)*erg/s/cm**2/Angstrom)**2"
    with atomic_write(path) as partial:
        fits.HDUList(
            [
                primary,
                fits.ImageHDU(data, header, name="DATA"),
                fits.ImageHDU(variance, stat, name="STAT"),
                fits.ImageHDU(dq, name="DQ"),
            ]
        ).writeto(partial, checksum=True)


def _cube_header(wcs: WCS, config: SimulatedGalaxyConfig) -> fits.Header:
    header = wcs.to_header()
    # As MUSE writes it: a CD matrix with the third axis in air wavelengths.
    for key in list(header):
        if key.startswith(("PC", "CDELT", "WCSAXES")):
            del header[key]
    for i in (1, 2):
        for j in (1, 2):
            header[f"CD{i}_{j}"] = wcs.wcs.cd[i - 1, j - 1]
    header["CTYPE3"], header["CUNIT3"] = "AWAV", "Angstrom"
    header["CRVAL3"], header["CRPIX3"], header["CD3_3"] = _WAVE_START_AA, 1.0, _WAVE_STEP_AA
    for pair in ("CD1_3", "CD2_3", "CD3_1", "CD3_2"):
        header[pair] = 0.0
    header["BUNIT"] = "10**(-20)*erg/s/cm**2/Angstrom"
    header["PSF_FWHM"] = (config.psf_fwhm_arcsec, "arcsec, Gaussian")
    return header


def _write_images(
    paths: Mapping[str, Path],
    config: SimulatedGalaxyConfig,
    ssp: SSPLibrary,
    bands: Mapping[str, Any],
    clusters: Clusters,
    gas: Mapping[str, Any],
    errors: InstrumentErrors,
    rng: np.random.Generator,
) -> None:
    side = config.n_spaxels * config.spaxel_arcsec
    # Turned by the roll, the image still covers the cube's corners.
    n = max(int(np.ceil(1.42 * side / config.hst_pixel_arcsec)), _MIN_HST_PIXELS)
    wcs = map_wcs(n, config.hst_pixel_arcsec, _HST_ROLL_DEG)
    places = sky_offsets(wcs, n)
    disc = disc_history(places_in_disc(*places, config), ssp.age_edges_yr, config)
    # Only the bands are wanted; three wavelengths keep the rest of the synthesizer idle.
    synthesizer = Synthesizer(
        ssp,
        np.array([5400.0, 5401.0, 5402.0]),
        veldisp_kms=(150.0,),
        bands=bands,
        redshift=(config.redshift,),
        **gas,
    )
    result = _synthesize(synthesizer, disc, errors.line_factors(*places))
    mass = disc.surface_density * config.hst_pixel_arcsec**2
    per_mass = _luminosity_to_flux(config.distance_mpc) * _UNIT_CGS / (1 + config.redshift)
    points, share = None, None
    if clusters.mass_msun.size:
        scatter = errors.line_factors(clusters.east_arcsec, clusters.north_arcsec)
        points = _synthesize(synthesizer, clusters.stars, scatter).band_flux.numpy().astype(np.float64)
        points *= (clusters.mass_msun * per_mass)[:, None]
        share = clusters.footprints(wcs, n, config.hst_pixel_arcsec, config.hst_fwhm_arcsec)
    width = config.hst_fwhm_arcsec / FWHM_PER_SIGMA / config.hst_pixel_arcsec
    for column, name in enumerate(bands):
        band = find_band(name)
        dimming = 10 ** (-0.4 * attenuation_mag(np.array([band.pivot_aa]), config.ebv_mw)[0])
        flux = result.band_flux[:, column].numpy().astype(np.float64) * mass * per_mass
        seen = gaussian_filter(flux.reshape(n, n), width, mode="nearest")
        if points is not None and share is not None:
            seen += (points[:, column] @ share).reshape(n, n)
        rate = seen * dimming / band.simulated_photflam * errors.zero_point[name]
        # Sky and read noise such that the centre has the wanted S/N in every band.
        variance = (rate.max() / config.hst_snr_centre) ** 2 * (0.5 + 0.5 * rate / rate.max())
        image = rate + rng.standard_normal((n, n)) * np.sqrt(variance)
        header = wcs.to_header()
        header["BUNIT"], header["FILTER"] = "ELECTRONS/S", name
        header["PHOTFLAM"] = (band.simulated_photflam, "inverse sensitivity, erg/cm2/A/electron")
        header["PHOTPLAM"] = (band.pivot_aa, "Pivot wavelength (Angstroms)")
        header["EXPTIME"] = _EXPOSURE_S
        if band.detector:
            header["INSTRUME"], header["DETECTOR"] = band.detector.split("/")
        with atomic_write(paths[name]) as partial:
            fits.HDUList(
                [
                    fits.PrimaryHDU(image.astype(np.float32), header),
                    fits.ImageHDU((1 / variance).astype(np.float32), header, name="WHT"),
                ]
            ).writeto(partial, checksum=True)
