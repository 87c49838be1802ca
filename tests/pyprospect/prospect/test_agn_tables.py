"""Grids of tori in the layouts they are handed around in: small ones, written as the published files are."""

from itertools import product

import numpy as np
import pytest
import rdata
from astropy.io import fits

from pyprospect.prospect.agn import agn_grid_interp
from pyprospect.prospect.agn_tables import read_agn_grid

MICRON = np.array([1e-3, 0.1, 0.5, 2.0, 10.0, 1e3])
FRITZ_HEADER = (
    " # Header information of smooth output file\n # beta and gamma is, in the name of the model, be and al\n"
)
HASHES = " " + 54 * "#" + "\n"


def fortran(value):
    """A number as those files have it: an exponent of three digits leaves the E out."""
    mantissa, exponent = f"{value:.4E}".split("E")
    return f"{mantissa}{exponent}" if len(exponent) > 3 else f"{mantissa}E{exponent}"


def fritz_spectrum(ct, al, be, ta, rm, an):
    """erg/s/micron, linear in some parameters so that interpolation is exact."""
    return 1e44 * (1 + ct + 2 * an) * (1 + 0.1 * rm) * MICRON**-1.0


def write_fritz(folder, *, skip=()):
    for ct, rm in product((20, 40), (10, 30)):
        name = f"ct{ct}al4.0be-0.50ta1.0rm{rm}.tot"
        if name in skip:
            continue
        text = FRITZ_HEADER + HASHES
        for an in (0.001, 89.99):
            text += f"{len(MICRON):12d}{2:12d}\n Total spectrum computed for viewing angle:\n  {an:.17E}\n"
            for wave, flux in zip(MICRON, fritz_spectrum(ct, 4.0, -0.5, 1.0, rm, an), strict=True):
                text += (
                    "  "
                    + "  ".join(fortran(v) for v in (wave, flux, 1.7368e-108, 0.3 * flux, 0.7 * flux))
                    + "\n"
                )
            text += HASHES
        (folder / name).write_text(text)


def test_folder_of_fritz(tmp_path):
    write_fritz(tmp_path)
    grid = read_agn_grid(tmp_path)
    assert grid.kind == "Fritz" and list(grid.axes) == ["ct", "al", "be", "ta", "rm", "an"]
    np.testing.assert_allclose(grid.Wave, MICRON * 1e4)
    found = agn_grid_interp(grid, lum=1e44, ct=30, al=4, be=-0.5, ta=1, rm=20, an=45)
    expected = 1e44 * fritz_spectrum(30, 4, -0.5, 1, 20, 45) / 1e46 / 1e4
    np.testing.assert_allclose(found.Aspec, expected, rtol=1e-4)


def test_holes_and_damage_are_said(tmp_path):
    write_fritz(tmp_path, skip=("ct40al4.0be-0.50ta1.0rm10.tot",))
    with pytest.raises(ValueError, match=r"lacks 2 of the 8 tori of its box, the first ct=40, al=4"):
        read_agn_grid(tmp_path)
    whole = (tmp_path / "ct20al4.0be-0.50ta1.0rm10.tot").read_text()
    (tmp_path / "ct20al4.0be-0.50ta1.0rm10.tot").write_text(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"rm10.tot is not a file of Fritz et al. \(2006\), or is damaged"):
        read_agn_grid(tmp_path)


def test_folder_of_skirtor(tmp_path):
    flux = 1e-13 * (1 + MICRON)  # lambda F_lambda, W/m2
    for oa, an in product((30, 40), (0, 30)):
        columns = np.stack([MICRON, (oa + an) * flux, flux, flux, flux, flux, flux], axis=1)
        np.savetxt(
            tmp_path / f"t5_p1_q0.5_oa{oa}_R20_Mcl0.97_i{an}_sed.dat",
            columns,
            header="SKIRTOR\nlambda [micron]",
        )
    grid = read_agn_grid(tmp_path)
    found = agn_grid_interp(grid, lum=1e44, ta=5, p=1, q=0.5, ct=35, rm=20, an=15)
    ten_mpc_m = 10 * 3.0856775814913673e22
    expected = 50 * flux * 1e7 * 4 * np.pi * ten_mpc_m**2 / (3.839e33 * 1e11) * 1e44 / (MICRON * 1e4)
    np.testing.assert_allclose(found.Aspec, expected, rtol=1e-5)
    (tmp_path / "t5_p1_q0.5_oa30_R20_Mcl1_i0_sed.dat").write_text("1 1\n")
    with pytest.raises(ValueError, match=r"mixes Mcl \[0.97, 1.0\]"):
        read_agn_grid(tmp_path)


def test_table_of_s3fit(tmp_path):
    places = list(product((3.0, 5.0), (30.0, 40.0), (20.0,), (0.0, 90.0)))
    table = np.zeros((2, 6 + MICRON.size, 1 + len(places)))
    table[:, 6:, 0] = MICRON
    for j, where in enumerate(places, 1):
        table[:, :4, j] = where
        table[0, 6:, j], table[1, 6:, j] = 1e33 / MICRON**2, sum(where) * 1e31 / MICRON
    fits.PrimaryHDU(table).writeto(tmp_path / "skirtor_for_s3fit.fits")
    grid = read_agn_grid(tmp_path / "skirtor_for_s3fit.fits")
    found = agn_grid_interp(grid, lum=3.839e33, ta=4, p=1, q=0.5, ct=35, rm=20, an=45)
    np.testing.assert_allclose(found.Aspec * 1e4, 1e33 / MICRON**2 + 104.0 * 1e31 / MICRON, rtol=1e-6)
    fits.PrimaryHDU(table[0]).writeto(tmp_path / "other.fits")
    with pytest.raises(ValueError, match="is not whole or not what it should be"):
        read_agn_grid(tmp_path / "other.fits")


def test_tables_of_r(tmp_path):
    """Lists as ProSpectData has them; SKIRTOR's with one share of clumps."""
    nodes = {"ta": [3.0, 5.0], "p": [1.0], "q": [0.5], "ct": [30.0, 40.0], "rm": [20.0], "an": [0.0, 30.0]}
    values = np.arange(48.0).reshape(2, 1, 1, 2, 1, 1, 2, 6)
    lists = {name: np.array(v) for name, v in nodes.items()} | {"Wave": MICRON * 1e4, "Aspec": values}
    rdata.write_rda(tmp_path / "SKIRTOR.rda", {"SKIRTOR": lists})
    grid = read_agn_grid(tmp_path / "SKIRTOR.rda")
    assert grid.kind == "SKIRTOR" and grid.Aspec.shape == (2, 1, 1, 2, 1, 2, 6)
    np.testing.assert_array_equal(grid.Aspec[1, 0, 0, 1, 0, 1], values[1, 0, 0, 1, 0, 0, 1])
    nodes = {"ct": [20.0, 40.0], "al": [4.0], "be": [-0.5], "ta": [1.0], "rm": [60.0], "an": [0.001, 89.99]}
    values = np.arange(24.0).reshape(2, 1, 1, 1, 1, 2, 6)
    lists = {name: np.array(v) for name, v in nodes.items()} | {"Wave": MICRON * 1e4, "Aspec": values}
    rdata.write_rda(tmp_path / "Fritz.rda", {"Fritz": lists})
    grid = read_agn_grid(tmp_path / "Fritz.rda")
    assert grid.kind == "Fritz"
    np.testing.assert_array_equal(grid.Aspec, values)
    rdata.write_rda(tmp_path / "other.rda", {"x": np.arange(3.0)})
    with pytest.raises(ValueError, match="no list with Aspec and Wave"):
        read_agn_grid(tmp_path / "other.rda")


def test_what_is_no_grid_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no grid of tori"):
        read_agn_grid(tmp_path / "none.fits")
    with pytest.raises(ValueError, match=r"holds no grid of tori; give ProSpect's Fritz.rda"):
        read_agn_grid(tmp_path)
