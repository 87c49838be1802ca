"""A galaxy and its files, ready to be prepared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sfhnet.config import GalaxiesConfig, SimulatedGalaxyConfig
from sfhnet.config.galaxies import DEC_DEG, RA_DEG
from sfhnet.observation.milky_way_extinction import SF11_PER_SFD98
from sfhnet.sources.sheet_row import Galaxy


@dataclass(frozen=True)
class Target:
    """A galaxy and its files.

    Parameters
    ----------
    galaxy : str
        Name.
    kind : {"cube", "sdss", "table"}
        Cube; SDSS spectrum (``loglam``, ``flux``, ``ivar``, ``wdisp``); text table of wavelength, flux and variance
        of a MUSE spectrum.
    data : Path
        The cube or spectrum.
    redshift : float
        Systemic redshift or a guess within about 500 km/s.
    distance_mpc : float
        Luminosity distance.
    ebv_mw : float
        Foreground E(B-V) in mag, on the scale ``galaxies.ebv_scale``.
    medium : {"air", "vacuum"}
        Wavelengths of a spectrum (cubes say so themselves).
    layout : str or None
        Layout of the cube, if it is not recognised, or what its extensions are.
    lsf : str or None
        Line-spread function, if it is not that of the instrument.
    psf_fwhm_arcsec : float
        FWHM of the cube's point-spread function.
    psf_image : Path or None
        Image of that function, in the orientation of the cube; a Gaussian of the FWHM otherwise.
    images : dict of str to Path
        Band -> HST image.
    hst_fwhm_arcsec : float or None
        FWHM of the HST images if it is not that of ``galaxies.hst_fwhm_arcsec``.
    bins : str
        ``snr`` (reach ``galaxies.target_snr``), ``spaxel``, ``all`` (one bin), ``maps`` (those of ``maps``), or the path
        of a FITS label image or ds9 region file.
    maps : Path or None
        MAPS of the PHANGS DAP: stellar kinematics and bins.
    target_snr : float or None
        S/N per pixel that binning aims at, if not ``galaxies.target_snr``.
    mask : Path or None
        FITS image, not zero where spaxels are left out (foreground stars).
    center_deg : (float, float) or None
        Right ascension and declination of the centre; the brightest spaxel otherwise.
    inclination_deg, position_angle_deg, r25_arcsec : float or None
        Orientation and size of the disc, kept for radii and gradients.
    area_arcsec2 : float
        Aperture of a single spectrum.
    truth : Path or None
        True maps of a simulated galaxy.
    """

    galaxy: str
    kind: str
    data: Path
    redshift: float
    distance_mpc: float
    ebv_mw: float
    medium: str = "air"
    layout: str | None = None
    lsf: str | None = None
    psf_fwhm_arcsec: float = 0.9
    psf_image: Path | None = None
    images: Mapping[str, Path] = field(default_factory=dict)
    hst_fwhm_arcsec: float | None = None
    bins: str = "snr"
    maps: Path | None = None
    target_snr: float | None = None
    mask: Path | None = None
    center_deg: tuple[float, float] | None = None
    inclination_deg: float | None = None
    position_angle_deg: float | None = None
    r25_arcsec: float | None = None
    area_arcsec2: float = np.nan
    truth: Path | None = None


def target_of(
    row: Galaxy,
    files: Sequence[Path],
    config: GalaxiesConfig,
    *,
    simulated: SimulatedGalaxyConfig,
    bands: Sequence[str],
) -> Target:
    """Bring a row of the sample sheet and its files together.

    Parameters
    ----------
    row : Galaxy
        Row of the sample sheet.
    files : sequence of Path
        The cube or spectrum; for a simulated galaxy the folder (or any file of it) that simulate_galaxy wrote.
    config : GalaxiesConfig
        For the scale of E(B-V).
    simulated : SimulatedGalaxyConfig
        Properties of a simulated galaxy.
    bands : sequence of str
        Bands of the configuration: those of the simulated images.

    Returns
    -------
    Target

    Raises
    ------
    ValueError
        If no file is given, or one does not belong.
    """
    if not files:
        raise ValueError(f"{row.galaxy}: no data file given; name the cube or spectrum")
    if row.kind != "simulated":
        if len(files) > 1:
            raise ValueError(
                f"{row.galaxy}: {len(files)} data files given, expected one cube or spectrum: {files}"
            )
        if row.redshift is None or row.distance_mpc is None:
            raise ValueError(f"{row.galaxy}: redshift or distance_mpc is empty; give both")
        return Target(
            galaxy=row.galaxy,
            kind=row.kind,
            data=files[0],
            redshift=row.redshift,
            distance_mpc=row.distance_mpc,
            ebv_mw=row.ebv_mw,
            medium=row.medium,
            layout=row.layout,
            lsf=row.lsf,
            psf_fwhm_arcsec=row.psf_fwhm_arcsec or 0.9,
            psf_image=row.psf_image,
            images=dict(row.images),
            hst_fwhm_arcsec=row.hst_fwhm_arcsec,
            bins=row.bins,
            maps=row.maps,
            target_snr=row.target_snr,
            mask=row.mask,
            center_deg=None if row.ra_deg is None or row.dec_deg is None else (row.ra_deg, row.dec_deg),
            inclination_deg=row.inclination_deg,
            position_angle_deg=row.position_angle_deg,
            r25_arcsec=row.r25_arcsec,
            area_arcsec2=np.nan if row.area_arcsec2 is None else row.area_arcsec2,
        )
    folder = files[0] if files[0].is_dir() else files[0].parent
    return Target(
        galaxy=row.galaxy,
        kind="cube",
        data=folder / "cube.fits",
        redshift=row.redshift if row.redshift is not None else simulated.redshift,
        distance_mpc=simulated.distance_mpc,
        ebv_mw=simulated.ebv_mw / (SF11_PER_SFD98 if config.ebv_scale == "sfd98" else 1.0),
        psf_fwhm_arcsec=simulated.psf_fwhm_arcsec,
        images={band: folder / f"hst_{band.lower()}.fits" for band in bands},
        hst_fwhm_arcsec=simulated.hst_fwhm_arcsec,
        bins=row.bins,
        target_snr=row.target_snr,
        center_deg=(RA_DEG, DEC_DEG),
        inclination_deg=simulated.inclination_deg,
        position_angle_deg=simulated.position_angle_deg,
        r25_arcsec=simulated.r25_arcsec,
        truth=folder / "truth.fits",
    )
