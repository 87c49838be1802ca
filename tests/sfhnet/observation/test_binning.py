"""Bins: they reach the signal-to-noise, hold every spaxel once, and label files are checked."""

import numpy as np
import pytest
from astropy.io import fits
from scipy import ndimage

from sfhnet.observation.binning import bin_to_snr, one_bin_per_spaxel, read_labels


def disc(n=60):
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    return 100 * np.exp(-np.hypot(x, y) / 8) + 0.5


def reached(signal, noise, labels):
    inside = labels >= 0
    n_spaxel = np.bincount(labels[inside])
    snr = np.bincount(labels[inside], signal[inside]) / np.sqrt(
        np.bincount(labels[inside], noise[inside] ** 2)
    )
    return snr, n_spaxel


@pytest.mark.parametrize("target", [20.0, 50.0, 100.0])
def test_every_rectangle_reaches_the_target(target):
    signal, noise = disc(), np.full((60, 60), 5.0)
    labels = bin_to_snr(signal, noise, target, good=np.ones((60, 60), dtype=bool), shape="rectangles")
    assert labels.min() == 0
    snr, n_spaxel = reached(signal, noise, labels)
    assert snr.min() >= target
    # Only lone spaxels and the halves that could not be cut evenly lie far above.
    assert np.median(snr[n_spaxel > 1]) < 2 * target
    for b in range(labels.max() + 1):
        y, x = np.nonzero(labels == b)
        assert (np.ptp(y) + 1) * (np.ptp(x) + 1) == y.size


def test_voronoi_cells_are_near_the_target_round_and_connected():
    radius = np.hypot(*(np.mgrid[:120, :120] - 60))
    signal = 100 * np.exp(-radius / 25) * (1 + 0.3 * np.random.default_rng(1).random((120, 120)))
    noise = np.sqrt(signal + 20)
    good = radius < 58
    labels = bin_to_snr(signal, noise, 30.0, good=good)
    assert ((labels >= 0) == good).all()
    snr, n_spaxel = reached(signal, noise, labels)
    several = n_spaxel > 1
    assert several.sum() > 40
    assert snr.min() > 0.8 * 30
    assert np.std(snr[several] / 30) < 0.1
    assert np.mean(snr[several] / 30) == pytest.approx(1.0, abs=0.05)
    rectangles = bin_to_snr(signal, noise, 30.0, good=good, shape="rectangles")
    assert labels.max() > 1.1 * rectangles.max()  # nothing is given away: more bins of the same light
    roundness = []
    for b in range(labels.max() + 1):
        assert ndimage.label(labels == b)[1] == 1
        y, x = np.nonzero(labels == b)
        if y.size > 10:
            roundness.append((y.var() + x.var()) / (y.size / (2 * np.pi)))  # 1 for a circle
    assert np.median(roundness) < 1.1


def test_spaxels_above_the_target_are_bins_of_their_own():
    signal = np.ones((9, 9))
    signal[4, 4] = 100.0
    labels = bin_to_snr(signal, np.ones((9, 9)), 50.0, good=np.ones((9, 9), dtype=bool))
    assert (labels == labels[4, 4]).sum() == 1
    assert labels[4, 4] == 0


@pytest.mark.parametrize("shape", ["voronoi", "rectangles"])
def test_bins_are_ordered_by_light_and_repeat(shape):
    signal, noise, good = disc(), np.full((60, 60), 5.0), np.ones((60, 60), dtype=bool)
    labels = bin_to_snr(signal, noise, 50.0, good=good, shape=shape)
    brightness = [signal[labels == b].mean() for b in range(labels.max() + 1)]
    assert (np.diff(brightness) <= 1e-9).all()
    np.testing.assert_array_equal(labels, bin_to_snr(signal, noise, 50.0, good=good, shape=shape))


def test_faint_and_bad_spaxels_are_left_out():
    signal, noise = disc(), np.full((60, 60), 5.0)
    good = np.ones((60, 60), dtype=bool)
    good[:5] = False
    signal[10, 10] = np.nan
    noise[11, 11] = 0
    labels = bin_to_snr(signal, noise, 20.0, good=good, min_snr=1.0)
    assert (labels[:5] == -1).all()
    assert labels[10, 10] == labels[11, 11] == -1
    assert (labels[signal < 5] == -1).all()


def test_one_bin_if_nothing_reaches_the_target():
    labels = bin_to_snr(np.ones((4, 4)), np.ones((4, 4)), 1e6, good=np.ones((4, 4), dtype=bool))
    assert (labels == 0).all()


def test_no_usable_spaxel():
    with pytest.raises(ValueError, match="no spaxel of 16 good ones has a signal-to-noise above 3"):
        bin_to_snr(np.ones((4, 4)), np.ones((4, 4)), 10.0, good=np.ones((4, 4), dtype=bool), min_snr=3.0)


def test_spaxels():
    good = np.array([[True, False], [True, True]])
    np.testing.assert_array_equal(one_bin_per_spaxel(good), [[0, -1], [1, 2]])


def test_labels_from_a_maps_file(tmp_path):
    labels = np.array([[7, 7, -1], [12, np.nan, 3]])
    path = tmp_path / "MAPS.fits"
    fits.HDUList(
        [fits.PrimaryHDU(), fits.ImageHDU(labels / 3, name="FLUX"), fits.ImageHDU(labels, name="BINID")]
    ).writeto(path)
    np.testing.assert_array_equal(read_labels(path, (2, 3), "G"), [[1, 1, -1], [2, -1, 0]])
    with pytest.raises(
        ValueError, match=r"G: bins in .*MAPS\.fits \[BINID\] have 2 x 3 spaxels, the cube has 4 x 4"
    ):
        read_labels(path, (4, 4), "G")


def test_labels_that_are_none(tmp_path):
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(np.full((2, 2), -1.0)).writeto(path)
    with pytest.raises(ValueError, match="hold no label >= 0"):
        read_labels(path, (2, 2), "G")
    fits.PrimaryHDU(np.zeros(3)).writeto(path, overwrite=True)
    with pytest.raises(ValueError, match="holds no 2-D image"):
        read_labels(path, (2, 2), "G")
    fits.PrimaryHDU(np.array([[0.5, 1.0], [2.0, 3.0]])).writeto(path, overwrite=True)
    with pytest.raises(ValueError, match="are not whole numbers"):
        read_labels(path, (2, 2), "G")
    path.write_bytes(b"not FITS")
    with pytest.raises(ValueError, match="cannot be read as FITS"):
        read_labels(path, (2, 2), "G")
