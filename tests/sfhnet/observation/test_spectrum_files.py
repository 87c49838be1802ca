"""Files of spectra as people have them: what a file says is believed, converted or refused; what is not used is named."""

from __future__ import annotations

import gzip

import h5py
import numpy as np
import pytest
from astropy.io import fits

from sfhnet.observation.spectrum_columns import named_column, role_of
from sfhnet.observation.spectrum_files import read_spectra

WAVE = 4750.0 + 1.25 * np.arange(400)
FLUX = 2.0 + np.sin(WAVE / 37.0)
SIGMA = 0.05 + 0.01 * np.cos(WAVE / 50.0)
FNU = WAVE**2 / 5000.0**2
MUSE = "1e-17 erg/s/cm**2/Angstrom"


def columns(path, **named):
    """A FITS table; a value is (values, unit)."""
    made = [fits.Column(name, "D", array=values, unit=unit) for name, (values, unit) in named.items()]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(made)]).writeto(path, overwrite=True)
    return path


def image(path, cards, flux=FLUX, **extensions):
    header = fits.Header(cards)
    layers = [fits.ImageHDU(values, name=name) for name, values in extensions.items()]
    fits.HDUList([fits.PrimaryHDU(flux, header), *layers]).writeto(path, overwrite=True)
    return path


def text(path, header, *values, comments=""):
    np.savetxt(path, np.transpose(values), fmt="%.9g", header=header, comments=comments)
    return path


def same(found, *, wave=WAVE, flux=FLUX, sigma=SIGMA, rel=1e-5):
    scale = np.median(found.flux[0] / flux)
    assert found.wave_aa == pytest.approx(wave, rel=1e-7)
    assert found.flux[0] / scale == pytest.approx(flux, rel=rel)
    assert found.sigma[0] / scale == pytest.approx(sigma, rel=rel)


@pytest.mark.parametrize(
    ("unit", "factor"), [("Angstrom", 1), ("nm", 10), ("um", 1e4), ("ANGSTROMS", 1), ("m", 1e10), (None, 1)]
)
def test_wavelengths_are_converted_from_their_unit(tmp_path, unit, factor):
    same(
        read_spectra(
            columns(tmp_path / "s.fits", WAVE=(WAVE / factor, unit), FLUX=(FLUX, None), ERR=(SIGMA, None))
        )
    )


@pytest.mark.parametrize(
    ("unit", "named"), [("uJy", "flux"), ("erg/s/cm2/Hz", "flux"), (None, "fnu"), ("nanomaggies", "flux")]
)
def test_f_nu_becomes_f_lambda(tmp_path, unit, named):
    path = columns(
        tmp_path / "s.fits", wave=(WAVE, "AA"), **{named: (FLUX * FNU, unit)}, err=(SIGMA * FNU, unit)
    )
    found = read_spectra(path)
    same(found)
    assert found.converted_from == (unit or "f_nu")
    assert any("converted to f_lambda" in note for note in found.notes)


def test_one_jansky_is_so_much_f_lambda(tmp_path):
    ones = np.ones(WAVE.size)
    found = read_spectra(columns(tmp_path / "s.fits", wave=(WAVE, "AA"), flux=(ones, "Jy"), err=(ones, "Jy")))
    expected = 1e-23 * 2.99792458e18 / WAVE**2
    assert found.flux[0] * found.flux_unit_cgs == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("cards", "medium", "wave"),
    [
        ({"CTYPE1": "AWAV", "CUNIT1": "nm", "CRVAL1": 475.0, "CDELT1": 0.125}, "air", WAVE),
        ({"CTYPE1": "WAVE", "CRVAL1": 4750.0, "CDELT1": 0.5, "PC1_1": 2.5}, "vacuum", WAVE),
        ({"CTYPE1": "WAVE", "CRVAL1": 4750.0, "CDELT1": 99.0, "CD1_1": 1.25}, "vacuum", WAVE),
        ({"CTYPE1": "LINEAR", "CRVAL1": np.log10(4750.0), "CDELT1": 1e-4, "DC-FLAG": 1}, None, None),
        (
            {
                "CTYPE1": "WAVE-LOG",
                "CUNIT1": "Angstrom",
                "CRVAL1": 4750.0,
                "CD1_1": 4750.0 * np.log(10) * 1e-4,
            },
            "vacuum",
            None,
        ),
        (
            {"CTYPE1": "AWAV-LOG", "CUNIT1": "nm", "CRVAL1": 475.0, "CD1_1": 475.0 * np.log(10) * 1e-4},
            "air",
            None,
        ),
    ],
)
def test_axes_of_images(tmp_path, cards, medium, wave):
    found = read_spectra(image(tmp_path / "s.fits", {"CRPIX1": 1.0, **cards}, ERR=SIGMA))
    same(found, wave=4750.0 * 10 ** (1e-4 * np.arange(400)) if wave is None else wave)
    assert found.medium == medium


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        (
            {"CRVAL1": 3.678, "CDELT1": 1e-4},
            r"s\.fits \[PRIMARY\] has wavelengths 3\.678 .* log10 of Angstrom\?",
        ),
        ({"CRVAL1": 8.466, "CDELT1": 1e-4}, "natural logarithms"),
        ({"CRVAL1": 475.0, "CDELT1": 0.125}, r"check CUNIT1 \(missing, so Angstrom\)"),
        ({"CRVAL1": 4750.0, "CDELT1": 1.25, "CTYPE1": "VELO"}, "CTYPE1 'VELO'"),
        ({"CRVAL1": 4750.0, "CDELT1": 1.25, "CTYPE1": "AWAV-TAB"}, "CTYPE1 'AWAV-TAB'"),
        ({"CRVAL1": 4750.0, "CDELT1": 1.25, "CUNIT1": "km/s"}, "CUNIT1: 'km/s' is no unit of wavelength"),
        ({"CRVAL1": 4750.0, "CDELT1": -1.25}, "ascending"),
        ({"CDELT1": 1.25}, "lacks CRVAL1"),
        ({"CRVAL1": 3.6, "CDELT1": 1e-4, "CTYPE1": "WAVE-LOG", "DC-FLAG": 1}, "only one can be meant"),
        (
            {"CRVAL1": 4750.0, "CDELT1": 1.25, "BUNIT": "counts"},
            r"\[flux\]: the unit 'counts' is not understood",
        ),
        ({"CRVAL1": 4750.0, "CDELT1": 1.25, "BUNIT": "erg/s/cm**2"}, "no flux density per wavelength"),
        ({"CRVAL1": 4750.0, "CDELT1": 1.25, "BUNIT": "10^20 erg/s/cm2/AA"}, "Is the sign of the power right"),
    ],
)
def test_axes_and_units_that_cannot_be_meant(tmp_path, cards, message):
    with pytest.raises(ValueError, match=message):
        read_spectra(image(tmp_path / "s.fits", cards, ERR=SIGMA))


@pytest.mark.parametrize(
    ("header", "third"),
    [
        ("wave flux sigma", SIGMA),
        ("# wave flux ivar", 1 / SIGMA**2),
        ("# wave flux variance", SIGMA**2),
        ("#lambda,flux,err".replace(",", " "), SIGMA),
        ("# a line of talk\n# Wavelength [AA] Flux Uncertainty", SIGMA),
        ("# wavelength (Angstrom) flux (1e-17 cgs) err (1e-17 cgs)", SIGMA),
    ],
)
def test_a_header_is_believed_commented_or_not(tmp_path, header, third):
    found = read_spectra(text(tmp_path / "s.txt", header, WAVE, FLUX, third))
    same(found)
    assert not found.notes


def test_without_a_header_the_assumption_is_told(tmp_path):
    found = read_spectra(text(tmp_path / "s.txt", "", WAVE, FLUX, SIGMA, 7 * FLUX))
    same(found)
    assert found.notes == (
        "no header says what the columns are: taken for wave, flux, sigma",
        "not used: the last 1 columns",
    )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("wave flux sigma ivar", "sigma and ivar tell different errors"),
        ("wave loglam flux sigma", r"loglam runs 1\.0.*no optical wavelengths"),
        ("wave wavelength flux sigma", "wavelength runs"),
        ("wave flux", "has 4 cells, 2 names"),
        ("wave flux flux sigma", "several columns flux"),
    ],
)
def test_columns_that_contradict_each_other(tmp_path, names, message):
    with pytest.raises(ValueError, match=message):
        read_spectra(text(tmp_path / "s.txt", names, WAVE, FLUX, FLUX, SIGMA))


@pytest.mark.parametrize(
    ("error", "unit", "message"),
    [
        ("VAR", MUSE, r"\[var\] is called a variance of a flux .*but has the unit"),
        ("ERR", f"({MUSE})**2", "called an error"),
        ("IVAR", MUSE, "called an inverse variance"),
        ("ERR", "Jy", "called an error"),
    ],
)
def test_errors_in_the_unit_of_something_else(tmp_path, error, unit, message):
    path = columns(tmp_path / "s.fits", wave=(WAVE, "AA"), flux=(FLUX, MUSE), **{error: (SIGMA, unit)})
    with pytest.raises(ValueError, match=message):
        read_spectra(path)


def test_errors_in_another_scale_are_brought_to_that_of_the_flux(tmp_path):
    path = columns(
        tmp_path / "s.fits",
        wave=(WAVE, "AA"),
        flux=(FLUX, MUSE),
        var=(1e6 * SIGMA**2, "(1e-20 erg/s/cm2/AA)**2"),
    )
    same(read_spectra(path))


@pytest.mark.parametrize("name", ["mask", "dq", "bad", "QUALITY", "good"])
def test_masks_are_heeded_in_every_format(tmp_path, name):
    bad = np.zeros(WAVE.size, dtype=np.uint8)
    bad[30:60] = 1
    values = 1 - bad if name == "good" else bad
    paths = [
        columns(
            tmp_path / "t.fits",
            wave=(WAVE, None),
            flux=(FLUX, None),
            err=(SIGMA, None),
            **{name: (values, None)},
        ),
        image(tmp_path / "i.fits", {"CRVAL1": 4750.0, "CDELT1": 1.25}, ERR=SIGMA, **{name: values}),
        text(tmp_path / "s.txt", f"wave flux {name} err", WAVE, FLUX, values, SIGMA),
    ]
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["wave"], file["flux"], file["sigma"], file[name] = WAVE, FLUX, SIGMA, values
    for path in (*paths, tmp_path / "s.h5"):
        assert (~read_spectra(path).good[0] == (bad > 0)).all(), path.name


def test_a_mask_that_leaves_out_most_pixels_is_doubted(tmp_path):
    path = text(tmp_path / "s.txt", "wave flux mask err", WAVE, FLUX, np.ones(WAVE.size), SIGMA)
    with pytest.raises(ValueError, match=r"mask is not zero in 100% .* if 1 is good call it good"):
        read_spectra(path)


def test_and_mask_of_sdss_counts_and_what_is_of_the_whole_fibre_does_not(tmp_path):
    mask = np.full(WAVE.size, 1 << 3)
    mask[10:20] |= 1 << 24
    made = {"flux": FLUX, "loglam": np.log10(WAVE), "ivar": 1 / SIGMA**2, "and_mask": mask, "or_mask": mask}
    table = fits.BinTableHDU.from_columns(
        [fits.Column(n, "D", array=v) for n, v in made.items()], name="COADD"
    )
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "spec.fits")
    found = read_spectra(tmp_path / "spec.fits")
    assert (np.flatnonzero(~found.good[0]) == np.arange(10, 20)).all()
    assert "bit 3 of and_mask is set in 100% of the pixels and not looked at" in found.notes
    assert "not used: or_mask" in found.notes
    assert "no column wdisp: the resolution is not known" in found.notes


@pytest.mark.parametrize(
    "spell",
    [
        lambda rows: ("\ufeff" + "\n".join(rows)).encode(),
        lambda rows: "\r\n".join(rows).encode(),
        lambda rows: "\n".join(rows).encode("utf-16"),
        lambda rows: "\n".join(["# \xc5ngstr\xf6m", *rows]).encode("latin-1"),
        lambda rows: "\n".join(row.replace(",", ";").replace(".", ",") for row in rows).encode(),
        lambda rows: "\n".join(row + "," for row in rows).encode(),
        lambda rows: "\n".join([*rows[:50], "", *rows[50:], ""]).encode(),
        lambda rows: "\n".join(f"{k if k else ''},{row}" for k, row in enumerate(rows)).encode(),
        lambda rows: gzip.compress("\n".join(rows).encode()),
        lambda rows: "\n".join(['"Wavelength (Angstrom)", "Flux", "Error"', *rows[1:]]).encode(),
    ],
)
@pytest.mark.parametrize("name", ["s.csv", "s.txt"])
def test_spreadsheets(tmp_path, spell, name):
    rows = ["wave,flux,sigma", *(f"{w:.2f},{f:.6f},{s:.6f}" for w, f, s in zip(WAVE, FLUX, SIGMA))]
    (tmp_path / name).write_bytes(spell(rows))
    same(read_spectra(tmp_path / name), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "s.csv",
            b"wave,flux,sigma\n5000,1,abc\n5001,1,1",
            r"s\.csv line 2 column 'sigma': 'abc' is no number",
        ),
        ("s.csv", b"wave,flux,sigma\n5000,1,2\n5001,1", r"s\.csv line 3 has 2 cells, 3 names"),
        ("s.csv", b"wave,flux,sigma\n5001,1,1\n5001,1,1", r"5001 is followed by 5001 Angstrom \(row 2\)"),
        ("s.csv", b"wave,flux,sigma\nnan,1,1\n5001,1,1", r"finite wavelengths, at least two \(row 1\)"),
        (
            "s.csv",
            b"wave,flux,sigma\n500,1,1\n900,1,1",
            "wave runs 500 .. 900 without a unit.* nm\\? Declare the unit",
        ),
        ("s.csv", b"\x1f\x8bnothing", "damaged gzip"),
        ("s.txt", b"5000 1\x00 1", "zero bytes"),
        ("s.h5", b"nothing", r"s\.h5 is damaged or not an HDF5 file"),
        ("s.fits", b"nothing", r"s\.fits cannot be read as FITS"),
        ("s.txt", b"", "holds no numbers"),
    ],
)
def test_what_cannot_be_read_names_file_line_and_column(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_spectra(tmp_path / name)


def test_a_table_of_muse_believes_its_header(tmp_path):
    unit = "1e-18 erg/s/cm2/AA"
    by_name = read_spectra(
        text(tmp_path / "a.dat", f"wave sigma flux({unit})".replace(" erg", "erg"), WAVE, SIGMA, FLUX),
        "table",
    )
    same(by_name)
    assert by_name.flux_unit_cgs == pytest.approx(1e-18)
    by_place = read_spectra(
        text(tmp_path / "b.dat", "wave NSC_spec NSC_spec_var", WAVE, FLUX, SIGMA**2), "table"
    )
    same(by_place)
    assert by_place.flux_unit_cgs == 1e-20
    with pytest.raises(ValueError, match="'NSC_err' stands where the variance is expected"):
        read_spectra(text(tmp_path / "c.dat", "wave NSC_spec NSC_err", WAVE, FLUX, SIGMA), "table")


def test_names_of_columns():
    assert role_of("Wavelength (nm)") == "wave"
    assert role_of("INVERSE-VARIANCE") == "ivar"
    assert role_of("sky") is None
    for name, unit in (("lambda_um", "um"), ("wave[nm]", "nm"), ("flux_mjy", "mjy"), ("err (1 sigma)", None)):
        assert named_column(name, WAVE)[1].unit == unit, name


def files_of_all_formats(folder):
    """One small good file of each format."""
    wave, flux, sigma = WAVE[:60], FLUX[:60], SIGMA[:60]
    columns(folder / "t.fits", wave=(wave, "AA"), flux=(flux, MUSE), err=(sigma, MUSE))
    image(
        folder / "i.fits",
        {"CRVAL1": 4750.0, "CDELT1": 1.25, "CTYPE1": "AWAV", "BUNIT": MUSE},
        flux,
        ERR=sigma,
    )
    text(folder / "s.txt", "# wave flux ivar", wave, flux, 1 / sigma**2)
    text(folder / "s.csv", "wave,flux,sigma", wave, flux, sigma)
    with h5py.File(folder / "s.h5", "w") as file:
        file["wave"], file["flux"], file["sigma"] = wave, flux, sigma
        file["flux"].attrs["unit"] = file["sigma"].attrs["unit"] = MUSE
    return sorted(folder.iterdir())


def test_damaged_bytes_are_an_error_that_names_the_file_or_a_spectrum(tmp_path):
    """60 mutations a format; none may end in another exception, hang or fill the memory."""
    rng, unnamed = np.random.default_rng(20), []
    for path in files_of_all_formats(tmp_path):
        whole = path.read_bytes()
        for _ in range(60):
            data = bytearray(whole)
            for at in rng.integers(0, len(data), rng.integers(1, 4)):
                data[at] = rng.integers(0, 256)
            if rng.random() < 0.1:
                data = data[: rng.integers(0, len(data))]
            path.write_bytes(data)
            try:
                found = read_spectra(path)
            except ValueError as error:
                unnamed += [] if path.name in str(error) else [str(error)]
                continue
            assert (
                found.flux.shape
                == found.sigma.shape
                == found.good.shape
                == (len(found.flux), found.wave_aa.size)
            )
            assert np.all(np.diff(found.wave_aa) > 0)
    assert not unnamed
