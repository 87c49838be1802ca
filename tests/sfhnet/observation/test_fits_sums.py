"""Sums in FITS headers: right ones pass, damage is refused, old sums that a program left are told."""

import gzip

import pytest
from astropy.io import fits

from sfhnet.observation.fits_files import open_fits


@pytest.fixture
def path(tmp_path, rng):
    hdus = [fits.PrimaryHDU()]
    hdus += [fits.ImageHDU(rng.normal(size=(50, 60)), name=name) for name in ("DATA", "STAT")]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits", checksum=True)
    return tmp_path / "a.fits"


def opened(path):
    with open_fits(path, "NGC1") as hdus:
        return [hdu.data for hdu in hdus]


def test_what_astropy_writes_is_right(path, tmp_path, caplog):
    opened(path)
    packed = tmp_path / "a.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    opened(packed)
    assert not caplog.records


def test_damage_is_refused_by_name(path):
    raw = bytearray(path.read_bytes())
    raw[-3000] ^= 4
    path.write_bytes(raw)
    words = r"NGC1: .*a\.fits is damaged, .* extension 2 \[STAT\] \(DATASUM and CHECKSUM\).*fitscheck"
    for _ in range(2):
        with pytest.raises(ValueError, match=words):
            opened(path)


def test_a_changed_header_is_refused(path):
    raw = path.read_bytes().replace(b"'DATA    '", b"'DATE    '")
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"extension 1 \[DATE\] \(CHECKSUM\)"):
        opened(path)


def test_old_sums_that_were_copied_are_told(path, tmp_path, caplog):
    cut = tmp_path / "cut.fits"
    with fits.open(path) as hdus:
        primary = fits.PrimaryHDU(header=hdus[0].header)
        primary.header["HISTORY"] = "cut"
        parts = [fits.ImageHDU(hdu.data[:10], hdu.header, name=hdu.name) for hdu in hdus[1:]]
        fits.HDUList([primary, *parts]).writeto(cut)
    assert len(opened(cut)) == 3
    assert "cut.fits: no extension has the sums that its header gives" in caplog.text
