"""The sample sheet: rows become galaxies, faults name line and column."""

import pytest

from sfhnet.core.bands import PHANGS_HST
from sfhnet.sources.sample_sheet import SheetError, load_sheet

BANDS = ("F275W", "F814W")
HEADER = ["galaxy", "kind", "path", "source", "redshift", "distance_mpc", "psf_fwhm_arcsec", "bins", "maps"]
HEADER += ["F275W"]


def sheet(folder, *rows, header=HEADER):
    path = folder / "galaxies.tsv"
    path.write_text("# a comment\n" + "\n".join("\t".join(row) for row in [header, *rows]) + "\n")
    return path


def row(**values):
    default = {
        "galaxy": "NGC1",
        "kind": "cube",
        "source": "a478_cube",
        "redshift": "0.01",
        "distance_mpc": "40",
    }
    return [{**default, **values}.get(name, "-") for name in HEADER]


def refused(path, **options):
    with pytest.raises(SheetError) as caught:
        load_sheet(path, BANDS, **options)
    return str(caught.value)


def test_shipped_sheet(root, monkeypatch):
    monkeypatch.chdir(root)
    galaxies = load_sheet("galaxies.tsv", PHANGS_HST)
    assert {"A478", "NGC3073", "NGC3522"} <= set(galaxies)
    assert [galaxy.kind for galaxy in galaxies.values()].count("simulated") == 1
    assert galaxies["NGC3073"].medium == "vacuum"
    path = galaxies["NGC3522"].data_path("data")
    assert path.as_posix() == "data/ngc3522/NGC3522_SDSS_DR18.fits"


def test_images_and_files(tmp_path):
    (tmp_path / "cube.fits").touch()
    (tmp_path / "f275w.fits").touch()
    path = sheet(
        tmp_path,
        row(
            source="-",
            path=str(tmp_path / "cube.fits"),
            F275W=str(tmp_path / "f275w.fits"),
            psf_fwhm_arcsec="0.8",
        ),
    )
    galaxy = load_sheet(path, BANDS)["NGC1"]
    assert galaxy.images == {"F275W": tmp_path / "f275w.fits"}
    assert galaxy.data_path("data") == tmp_path / "cube.fits"
    assert set(galaxy.local_files()) == {"path", "F275W"}
    (tmp_path / "f275w.fits").unlink()
    assert "line 3 (NGC1), column F275W: there is no file" in refused(path)
    assert load_sheet(path, BANDS, check_files=False)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "cubes"}, ["column kind = 'cubes'", "did you mean cube?"]),
        ({"kind": "-"}, ["column kind: empty"]),
        ({"redshift": "abc"}, ["column redshift = 'abc'", "valid number"]),
        ({"redshift": "nan"}, ["column redshift = 'nan'", "finite"]),
        ({"redshift": "12"}, ["column redshift = '12'", "less than 0.2"]),
        ({"redshift": "-"}, ["redshift is empty; give it"]),
        ({"distance_mpc": "-3"}, ["column distance_mpc = '-3'", "greater than or equal to 0.001"]),
        ({"galaxy": "a/b"}, ["column galaxy = 'a/b'", "match"]),
        ({"source": "a478"}, ["column source = 'a478'", "did you mean a478_cube?"]),
        ({"source": "emiles"}, ["path must name one of the files of source emiles"]),
        ({"source": "-"}, ["neither source nor path"]),
        ({"F275W": "x.fits"}, ["psf_fwhm_arcsec is empty"]),
        ({"kind": "sdss", "F275W": "x.fits"}, ["need a cube; this is kind sdss"]),
        ({"kind": "sdss", "bins": "all"}, ["maps and bins need a cube; this is kind sdss"]),
        ({"bins": "maps"}, ["column maps is empty; give the MAPS file"]),
        ({"maps": "none.fits"}, ["column maps: there is no file none.fits"]),
        ({"bins": "none.reg"}, ["column bins: there is no file none.reg"]),
        ({"kind": "simulated"}, ["made by the workflow; leave source empty"]),
        ({"source": "-", "path": "nowhere.fits"}, ["column path: there is no file nowhere.fits"]),
    ],
)
def test_refused_row(tmp_path, values, words):
    message = refused(sheet(tmp_path, row(galaxy="first"), row(**values)))
    assert message.startswith(f"{tmp_path / 'galaxies.tsv'}, line 4")
    for word in words:
        assert word in message


def test_listed_twice(tmp_path):
    message = refused(sheet(tmp_path, row(), row(galaxy="ngc1")))
    assert "line 4 (ngc1), column galaxy: listed twice, first in line 3" in message


def test_all_faults_are_listed(tmp_path):
    assert len(refused(sheet(tmp_path, row(kind="x"), row(redshift="y"))).splitlines()) == 2


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ([*HEADER, "readshift"], "unknown column 'readshift'; did you mean redshift?"),
        ([*HEADER, "F999W"], "unknown column 'F999W'"),
        (HEADER[1:], "no column 'galaxy'"),
        ([*HEADER, "kind"], "column 'kind' is there twice"),
    ],
)
def test_refused_header(tmp_path, header, words):
    assert words in refused(sheet(tmp_path, header=header))


def test_a_band_is_no_column(tmp_path):
    with pytest.raises(SheetError, match="the band distance_mpc has the name of a column"):
        load_sheet(sheet(tmp_path, row()), [*BANDS, "distance_mpc"])


def test_too_many_cells(tmp_path):
    assert "cells but" in refused(sheet(tmp_path, [*row(), "more"]))


def test_empty_and_absent(tmp_path):
    (tmp_path / "empty.tsv").write_text("# nothing\n\n")
    with pytest.raises(SheetError, match="is empty"):
        load_sheet(tmp_path / "empty.tsv", BANDS)
    with pytest.raises(FileNotFoundError, match=r"galaxies\.sheet"):
        load_sheet(tmp_path / "absent.tsv", BANDS)


def test_quotes_of_spreadsheets_swallow_no_row(tmp_path):
    rows = [row(galaxy=name) for name in ("A1", "B2", "C3")]
    quoted = [[f'"{cell}"' for cell in cells] for cells in rows]
    assert list(load_sheet(sheet(tmp_path, *quoted, header=[f'"{name}"' for name in HEADER]), BANDS)) == [
        "A1",
        "B2",
        "C3",
    ]
    for column in ("distance_mpc", "path"):
        ditto = [cells.copy() for cells in rows]
        ditto[1][HEADER.index(column)] = '"'
        assert f"line 4, column {column}: a quote that is not closed" in refused(sheet(tmp_path, *ditto))
    (tmp_path / "galaxies.tsv").write_bytes("galaxy\tkind\n\xdc\tcube\n".encode("latin-1"))
    assert "is not UTF-8 text" in refused(tmp_path / "galaxies.tsv")
