"""Bins from ds9 region files."""

import numpy as np
import pytest

from galaxy_files import map_header
from sfhnet.observation.region_bins import read_regions

N = 12
WCS = map_header(N)


def read(folder, text):
    path = folder / "bins.reg"
    path.write_text(text)
    return read_regions(path, (N, N), WCS, galaxy="G")


def test_regions_on_the_sky_and_in_pixels(tmp_path):
    """The first region wins, a minus takes out, image pixels count from 1."""
    labels = read(
        tmp_path,
        "# Region file format: DS9 version 4.1\nglobal color=green\nicrs\n"
        'circle(24.17,15.78,0.5") # text={core}\n-circle(24.17,15.78,0.2")\ncircle(24.17,15.78,0.9")\n'
        "image\nbox(2,2,2.5,2.5,0)\n",
    )
    y, x = np.mgrid[:N, :N] - (N - 1) / 2
    radius = np.hypot(x, y) * 0.2
    np.testing.assert_array_equal(labels == 0, (radius > 0.2) & (radius < 0.5))
    np.testing.assert_array_equal(labels == 1, (radius > 0.5) & (radius < 0.9))
    np.testing.assert_array_equal(np.argwhere(labels == 2).min(axis=0), [0, 0])
    assert (labels[:3, :3] == 2).all()
    assert (labels[radius < 0.2] == -1).all()


def test_a_region_beside_the_cube_is_said_and_leaves_no_gap(tmp_path, caplog):
    labels = read(tmp_path, 'fk5\ncircle(20,15.78,0.5")\ncircle(24.17,15.78,0.5")\n')
    assert "region 1 of" in caplog.text and "holds no spaxel" in caplog.text
    np.testing.assert_array_equal(np.unique(labels), [-1, 0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello there", "cannot be read as ds9 regions"),
        ("", "holds no region that is understood"),
        ("fk5\nvector(24,15,3,4)\n", "not supported"),
        ('fk5\ncircle(20,15.78,0.5")\n', "none of the 1 regions in .* of another galaxy"),
    ],
)
def test_files_that_hold_no_bins(tmp_path, text, words):
    with pytest.raises(ValueError, match=r"G: .*bins\.reg.*" + words + "|G: " + words):
        read(tmp_path, text)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"G: .*none\.reg does not exist"):
        read_regions(tmp_path / "none.reg", (N, N), WCS, galaxy="G")
