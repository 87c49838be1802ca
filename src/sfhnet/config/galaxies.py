"""Sections on the galaxies to infer, and on the simulated galaxy made by the workflow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from sfhnet.config.base import Section, WaveAa, check_range
from sfhnet.core.bands import find_band
from sfhnet.core.quantities import SNR_WINDOW_AA

__all__ = ["DEC_DEG", "RA_DEG", "GalaxiesConfig", "RegistrationConfig", "SimulatedGalaxyConfig"]

# Centre of the simulated galaxy: that of NGC 628 (PHANGS sample table v1.6).
RA_DEG, DEC_DEG = 24.1739, 15.7836


class RegistrationConfig(Section):
    """How the cube lies on each image: shift, rotation, resolution and zero point, measured on clusters and HII regions."""

    measure: bool = True
    """Measure them; needs filter curves, which the workflow has."""
    apply: list[Literal["shift", "rotation", "fwhm", "zero_point"]] = ["shift", "rotation"]
    """What is corrected where it differs by more than three errors; the others are written into the product only. fwhm: the
    cube's point-spread function in this band. zero_point: fluxes of the image are brought to the cube's scale."""
    max_shift_fwhm: float = Field(3.0, ge=0.1, le=20)
    """How far is looked for a shift, in FWHM of the cube's point-spread function."""


class GalaxiesConfig(Section):
    """Galaxies to infer and how their spectra are prepared."""

    sheet: Path = Path("galaxies.tsv")
    """Sample sheet: one row a galaxy (docs/galaxies.md)."""
    data_dir: Path = Path()
    """Folder that relative paths in the sheet are taken from; name your own if you have the files already."""
    model: str = "flow"
    """Which of the models is applied: a key of `models`, or the path of a folder that holds a trained one."""
    samples: int = Field(100, ge=0, le=100000)
    """Joint posterior samples kept of each bin (models of kind flow; others have none)."""
    target_snr: float = Field(50.0, ge=0.1, le=10000)
    """Median S/N per pixel that binning aims at."""
    min_spaxel_snr: float = Field(0.5, ge=0, le=10000)
    """Spaxels below this S/N per pixel by themselves join no bin."""
    snr_window_aa: tuple[WaveAa, WaveAa] = SNR_WINDOW_AA
    """Rest-frame window in which the S/N for binning is measured [Angstrom]."""
    memory_gb: float = Field(2.0, ge=0.5, le=10000)
    """Memory that preparing a cube may take, whatever the cube's size; 0.3 is the program's own [GB]."""
    extinction_law: Literal["O94", "CCM89", "F99", "G23"] = "O94"
    """Milky-Way extinction law: O'Donnell (1994), Cardelli+ (1989), Fitzpatrick (1999), Gordon+ (2023); R_V = 3.1."""
    ebv_scale: Literal["sf11", "sfd98"] = "sf11"
    """Scale of the E(B-V) in the sample sheet: Schlafly & Finkbeiner (2011) or Schlegel+ (1998, 0.86 times less)."""
    kinematics: Literal["maps", "fit", "fixed"] = "maps"
    """maps: velocity and dispersion of the DAP MAPS in the sheet, fitted where there are none. fit: always fitted per
    bin. fixed: the sheet's redshift and fixed_sigma_kms for all bins."""
    fixed_sigma_kms: float = Field(60.0, ge=0, le=500)
    """Stellar velocity dispersion where none is fitted [km/s]."""
    kinematics_window_aa: tuple[WaveAa, WaveAa] = (4800.0, 7000.0)
    """Rest-frame window of the kinematic fit [Angstrom]."""
    min_snr_kinematics: float = Field(10.0, ge=0, le=10000)
    """Bins below this S/N per pixel take the kinematics of the whole galaxy."""
    line_mask_kms: float = Field(500.0, gt=0, le=20000)
    """Half width of the mask around emission lines in the kinematic fit [km/s]."""
    rescale_errors: bool = True
    """Scale the errors in the file up to the scatter of the residuals (covariance); never down."""
    mask_windows_aa: list[tuple[WaveAa, WaveAa]] = [
        (5565.0, 5590.0),
        (6295.0, 6306.0),
        (6359.0, 6369.0),
        (6864.0, 6920.0),
        (7590.0, 7710.0),
    ]
    """Observed air wavelengths masked for sky lines and telluric absorption [Angstrom]."""
    sky_variance_ratio: float = Field(9.0, gt=1, le=1000000.0)
    """Pixels whose variance exceeds this multiple of its running median are sky lines, and masked."""
    max_masked_fraction: float = Field(0.25, gt=0, le=1)
    """Bins with more of the training grid masked are flagged MASKED_PIXELS."""
    min_coverage: float = Field(0.95, gt=0, le=1)
    """A band is dropped for a bin of which less than this share lies on the HST image."""
    hst_fwhm_arcsec: dict[str, Annotated[float, Field(ge=0.01, le=100)]] = {}
    """FWHM of the images' point-spread function [arcsec], for bands in which it is not that of sfhnet/core/bands.py."""
    psf_images: dict[str, Path] = {}
    """FITS images of the point-spread function of HST or JWST per band, oriented as the images, with PIXELSCL or a WCS;
    Gaussians of hst_fwhm_arcsec otherwise. Relative paths are taken from data_dir."""
    registration: RegistrationConfig = RegistrationConfig()
    """How the cube lies on each image, and what of it is corrected."""
    predictive_draws: int = Field(32, ge=8, le=100000)
    """Joint samples of each bin that are put through the forward model and compared with the spectrum."""
    n_examples: int = Field(6, ge=1, le=60)
    """Bins drawn with their spectra."""
    band_error_floor: float = Field(0.03, ge=0, le=1)
    """Relative error added in quadrature to HST fluxes: zero points, PSF matching, background."""

    @property
    def model_is_folder(self) -> bool:
        """True if `model` is a path: nothing is trained for the galaxies."""
        return "/" in self.model

    def band_fwhm_arcsec(self, band: str) -> float:
        """Return the FWHM of the point-spread function of a band's images [arcsec]; a ValueError if nobody knows it."""
        fwhm = self.hst_fwhm_arcsec.get(band) or find_band(band).psf_fwhm_arcsec
        if fwhm is None:
            raise ValueError(
                f"the point-spread function of {band} is not known; give its FWHM in arcsec as galaxies.hst_fwhm_arcsec"
            )
        return fwhm

    @field_validator("hst_fwhm_arcsec", "psf_images")
    @classmethod
    def _bands(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            find_band(name)
        return value

    @field_validator("snr_window_aa", "kinematics_window_aa")
    @classmethod
    def _window(cls, value: tuple[float, float]) -> tuple[float, float]:
        return check_range(value, "the window")

    @field_validator("mask_windows_aa")
    @classmethod
    def _windows(cls, value: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [check_range(window, "a window of mask_windows_aa") for window in value]


class SimulatedGalaxyConfig(Section):
    """The mock PHANGS-like galaxy (cube and HST images) whose true maps are known.

    Geometry of NGC 628 (Lang et al. 2020; Leroy et al. 2021, PHANGS sample table v1.6), sampled more coarsely than MUSE
    and HST do so that the files stay small: the sky area of PHANGS, fewer and larger pixels.
    """

    n_spaxels: int = Field(48, ge=8, le=400)
    """Spaxels along each side of the cube."""
    spaxel_arcsec: float = Field(4.0, ge=0.05, le=100)
    """Side of a spaxel [arcsec]; MUSE has 0.2."""
    psf_fwhm_arcsec: float = Field(6.0, ge=0.01, le=100)
    """FWHM of the cube's Gaussian point-spread function [arcsec]; PHANGS has 0.5 to 1.25."""
    pointing_arcsec: float = Field(64.0, ge=0.5, le=3600)
    """Side of a MUSE pointing [arcsec]; each pointing of the mosaic has a flux-calibration error of its own."""
    shared_errors: bool = True
    """Errors that spaxels share, of the sizes of the benchmark sets: calibration, zero points, line ratios."""
    hst_pixel_arcsec: float = Field(1.3, ge=0.01, le=100)
    """Pixel of the HST images [arcsec]; WFC3/UVIS has 0.04."""
    hst_fwhm_arcsec: float = Field(2.6, ge=0.01, le=100)
    """FWHM of the HST images [arcsec]."""
    distance_mpc: float = Field(9.84, ge=0.001, le=1000)
    """Distance [Mpc]; NGC 628: 9.84."""
    redshift: float = Field(0.00219, ge=0, le=0.1)
    """Systemic redshift; NGC 628: 0.00219 (657 km/s)."""
    inclination_deg: float = Field(8.9, ge=0, lt=85)
    """Inclination [degrees]; NGC 628: 8.9."""
    position_angle_deg: float = Field(20.7, ge=0, le=360)
    """Position angle of the receding half of the major axis, north through east [degrees]; NGC 628: 20.7."""
    r25_arcsec: float = Field(296.6, ge=0.1, le=36000)
    """Isophotal radius [arcsec]; NGC 628: 296.6."""
    effective_radius_arcsec: float = Field(75.7, ge=0.01, le=36000)
    """Half-mass radius of the exponential disc [arcsec]; NGC 628: 75.7."""
    log_mass_msun: float = Field(10.5, ge=7, le=12)
    """log10 of the mass formed [Msun]; NGC 628 has 10^10.27 left in stars."""
    velocity_amplitude_kms: float = Field(200.0, ge=0, le=1000)
    """Rotation speed of the disc, before projection [km/s]."""
    sigma_kms: float = Field(50.0, ge=0, le=140)
    """Stellar velocity dispersion [km/s]."""
    snr_centre: float = Field(25.0, ge=0.1, le=10000)
    """Median S/N per pixel of the central spaxel; the noise is that of the sky, so it falls outward with the light."""
    n_clusters: int = Field(60, ge=0, le=10000)
    """Star clusters and HII regions on the arms: points of 3e4 to 1e6 Msun, 2 to 300 Myr old."""
    ebv_mw: float = Field(0.0607, ge=0, le=5)
    """Foreground E(B-V) put in front of the galaxy [mag], SF11 scale; NGC 628: 0.0607."""
    hst_snr_centre: float = Field(60.0, ge=0.1, le=10000)
    """S/N of the central HST pixel in the bluest band; photon and sky noise elsewhere."""

    @model_validator(mode="after")
    def _check_sizes(self) -> SimulatedGalaxyConfig:
        side = self.n_spaxels * self.spaxel_arcsec
        if side / self.hst_pixel_arcsec > 10000:
            raise ValueError(
                f"hst_pixel_arcsec = {self.hst_pixel_arcsec:g} makes images of {side / self.hst_pixel_arcsec:.0f} pixels a "
                "side; make it larger"
            )
        if side / self.pointing_arcsec > 100:
            raise ValueError(
                f"pointing_arcsec = {self.pointing_arcsec:g} is too small for a field of {side:g} arcsec"
            )
        return self
