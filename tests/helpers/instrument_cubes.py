"""Small cubes in the layouts of MUSE, MaNGA, CALIFA and KCWI: headers as those of the public files, pixels of a known galaxy.

None is a public file: MUSE's header is that of the A478 cube (ESO 094.A-0859); MaNGA's that of DR17 as its data model has it;
CALIFA's that of DR3; KCWI's what its Python pipeline writes.
"""

from dataclasses import dataclass, field

import numpy as np
from astropy.io import fits

from galaxy_files import map_header
from pyprospect.constants import C_KMS, FWHM_PER_SIGMA
from sfhnet.observation.resample import kernel, pixel_edges
from sfhnet.observation.wavelengths_and_units import vacuum_to_air

REDSHIFT, VELOCITY_KMS, SIGMA_KMS = 0.0040, 60.0, 70.0
N, SNR = 4, 40.0
# erg/s/cm2/Angstrom of a spaxel at 5500 Angstrom.
LEVEL_CGS = 3e-17


def seen(library, wave_air_aa, fwhm_aa):
    """What an instrument with a line-spread function (its pixel included) sees of the galaxy, in 1e-17 cgs a spaxel."""
    mix = sum(
        share * library.spectra[2, i] / library.spectra[2, i].mean() for share, i in ((0.6, 12), (0.4, 10))
    )
    observed = library.wave_aa * (1 + REDSHIFT) * np.exp(VELOCITY_KMS / C_KMS)
    step = np.gradient(wave_air_aa)
    instrument = np.clip(fwhm_aa**2 - 2.51**2, 0, None) / FWHM_PER_SIGMA**2
    width = np.sqrt(np.clip(instrument + (wave_air_aa * SIGMA_KMS / C_KMS) ** 2 - step**2 / 12, 0, None))
    flux = kernel(pixel_edges(observed), pixel_edges(wave_air_aa), width) @ mix
    return flux / np.interp(5500.0, observed, mix) * LEVEL_CGS / 1e-17


@dataclass
class Made:
    """A cube that was made."""

    path: object
    wave_air_aa: np.ndarray
    flux: np.ndarray
    sigma: np.ndarray
    header: fits.Header = field(default_factory=fits.Header)


def noisy(library, wave_air_aa, fwhm_aa, rng):
    flux = seen(library, wave_air_aa, fwhm_aa)
    sigma = np.full(flux.shape, np.median(flux) / SNR)
    cube = flux[:, None, None] + sigma[:, None, None] * rng.standard_normal((flux.size, N, N))
    return Made(None, wave_air_aa, cube, np.broadcast_to(sigma[:, None, None], cube.shape).copy())


def axes(start_aa, step_aa, ctype, pixel_arcsec=0.5, **cards):
    wcs = map_header(N, pixel_arcsec)
    header = fits.Header()
    for i in (1, 2):
        header[f"CTYPE{i}"], header[f"CRVAL{i}"], header[f"CRPIX{i}"] = (
            wcs.wcs.ctype[i - 1], wcs.wcs.crval[i - 1], wcs.wcs.crpix[i - 1],
        )  # fmt: skip
        header[f"CUNIT{i}"], header[f"CD{i}_{i}"] = "deg", wcs.wcs.cd[i - 1, i - 1]
    header["CTYPE3"], header["CUNIT3"], header["CRPIX3"] = ctype, "Angstrom", 1.0
    header["CRVAL3"], header["CD3_3"] = start_aa, step_aa
    header.update(cards)
    return header


def write(path, hdus):
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


def image(values, header=None, name=None, dtype=np.float32):
    return fits.ImageHDU(np.asarray(values).astype(dtype), header, name=name)


def write_muse(path, library, rng, mode="WFM-NOAO-N", pixel_arcsec=0.2):
    """DATA, STAT, DQ from 4749.9 in steps of 1.25; behind the notch filter of the laser there is rubbish."""
    wave = 4749.890625 + 1.25 * np.arange(3681)
    made = noisy(library, wave, 5.866e-8 * wave**2 - 9.187e-4 * wave + 6.040, rng)
    unit = "10**(-20)*erg/s/cm**2/Angstrom"
    header = axes(wave[0], 1.25, "AWAV", pixel_arcsec, BUNIT=unit)
    notch = {"WFM-AO-N": (5800, 5970), "WFM-AO-E": (5750, 6010), "NFM-AO-N": (5780, 6050)}.get(mode)
    if notch:
        made.flux[(wave > notch[0]) & (wave < notch[1])] *= 0.2
    primary = fits.PrimaryHDU()
    primary.header["INSTRUME"], primary.header["HIERARCH ESO INS MODE"] = "MUSE", mode
    stat = axes(wave[0], 1.25, "AWAV", pixel_arcsec, BUNIT="(10**(-20)*erg/s/cm**2/Angstrom)**2")
    hdus = [primary, image(1e3 * made.flux, header, "DATA"), image((1e3 * made.sigma) ** 2, stat, "STAT")]
    return write(path, [*hdus, image(np.zeros(made.flux.shape), None, "DQ", np.uint8)])


def write_manga(path, library, rng, resolution="SPECRES"):
    """LOGCUBE: vacuum, even in log, R of 1,600 to 2,300, bits that spoil (1024) and bits that do not (256)."""
    vacuum = 10 ** (3.5589 + 1e-4 * np.arange(4563))
    power = np.interp(vacuum, [3600.0, 6000.0, 10300.0], [1600.0, 2000.0, 2300.0])
    air = vacuum_to_air(vacuum)
    made = noisy(library, air, air / power, rng)
    header = axes(vacuum[0], vacuum[0] * 1e-4 * np.log(10), "WAVE-LOG", BUNIT="1E-17 erg/s/cm^2/Ang/spaxel")
    header["HDUCLAS1"], header["ERRDATA"], header["QUALDATA"] = "CUBE", "IVAR", "MASK"
    mask = np.zeros(made.flux.shape, dtype=np.int32)
    mask[:, 0, 0], mask[:, 1, 1], mask[500:520] = 1024 + 1, 256, 1024
    made.flux[mask > 256] = 1e3
    primary = fits.PrimaryHDU()
    primary.header["TELESCOP"], primary.header["INSTRUME"] = "SDSS 2.5-M", "MaNGA"
    hdus = [primary, image(made.flux, header, "FLUX"), image(1 / made.sigma**2, None, "IVAR")]
    hdus += [image(mask, None, "MASK", np.int32), image(vacuum, None, "WAVE", np.float64)]
    if resolution == "LSFPOST":
        sigma = (vacuum / power / FWHM_PER_SIGMA)[:, None, None] * np.ones((1, N, N))
        hdus.append(image(sigma, None, "LSFPOST"))
        del hdus[4]
    else:
        hdus.append(image(power, None, "SPECRES", np.float64))
    hdus.append(image(np.zeros((3, 3)), None, "RIMG"))
    hdus += [fits.BinTableHDU.from_columns([fits.Column("MJD", "J", array=[57000])], name="OBSINFO")]
    return write(path, hdus)


def write_califa(path, library, rng, setup="V500"):
    """Flux first, in units of 1e-16, without a name; ERROR is 1e10 where BADPIX is set."""
    start = {"V500": 3749.0, "COMB": 3701.0}[setup]
    wave = start + 2.0 * np.arange({"V500": 1877, "COMB": 1901}[setup])
    made = noisy(library, wave, np.full(wave.shape, 6.0), rng)
    header = axes(wave[0], 2.0, "AWAV", 1.0, BUNIT="1E-16 erg/s/cm^2", INSTRUME="PMAS/PPAK")
    bad = np.zeros(made.flux.shape)
    bad[700:710] = 1
    made.sigma[bad > 0] = 1e11
    hdus = [fits.PrimaryHDU((0.1 * made.flux).astype(np.float32), header)]
    hdus += [image(0.1 * made.sigma, None, "ERROR"), image(np.ones(made.flux.shape), None, "ERRWEIGHT")]
    return write(path, [*hdus, image(bad, None, "BADPIX", np.uint8), image(bad, None, "FIBCOVER", np.uint8)])


def write_kcwi(path, library, rng):
    """An icubes file of the blue camera, grating BL and medium slicer; BUNIT has the sign that the pipeline writes."""
    vacuum = 3600.0 + 0.5 * np.arange(4000)
    air = vacuum_to_air(vacuum)
    made = noisy(library, air, air / 1800.0, rng)
    cards = {"INSTRUME": "KCWI", "CAMERA": "BLUE", "BGRATNAM": "BL", "IFUNAM": "Medium", "WCSNAME": "KCWI"}
    unit = "1e+16 erg / (Angstrom s cm2)"
    header = axes(vacuum[0], 0.5, "WAVE", 0.7, BUNIT=unit, **cards)
    mask = np.zeros(made.flux.shape)
    mask[:40] = 1
    hdus = [fits.PrimaryHDU((0.1 * made.flux).astype(np.float32), header)]
    hdus += [image(0.1 * made.sigma, None, "UNCERT"), image(mask, None, "MASK", np.uint8)]
    return write(path, [*hdus, image(mask, None, "FLAGS", np.uint8)])


def write_other(
    path, library, rng, *, errors="ERR", unit="1e-17 erg/s/cm2/Angstrom", names=("FLUX",), ctype="AWAV"
):
    """FLUX and ERR from 4700 to 9300 in steps of 1.5 Angstrom, R = 2,200, without a word on its instrument."""
    wave = 4700.0 + 1.5 * np.arange(3067)
    air = vacuum_to_air(wave) if ctype == "WAVE" else wave
    made = noisy(library, air, air / 2200.0, rng)
    factor = np.ones(wave.size)
    if "pix" in unit:
        factor *= 1.5
    if unit.startswith("erg"):
        factor *= 1e-17
    if "Jy" in unit:
        factor = wave**2 / 2.99792458e18 * 1e-17 / 1e-29  # uJy
    header = axes(wave[0], 1.5, ctype, BUNIT=unit)
    hdus = [fits.PrimaryHDU(), image(made.flux * factor[:, None, None], header, names[0])]
    if errors is not None:
        hdus.append(image(made.sigma * factor[:, None, None], None, errors))
    return write(path, hdus)
