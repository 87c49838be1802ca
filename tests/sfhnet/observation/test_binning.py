"""Bins: they reach the signal-to-noise, hold every spaxel once, and label files are checked."""

import numpy as np
import pytest
from astropy.io import fits

from sfhnet.observation.binning import bin_to_snr, one_bin_per_spaxel, read_labels


def disc(n=60):
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    return 100 * np.exp(-np.hypot(x, y) / 8) + 0.5


@pytest.mark.parametrize("target", [20.0, 50.0, 100.0])
def test_every_bin_reaches_the_target(target):
    signal, noise = disc(), np.full((60, 60), 5.0)
    labels = bin_to_snr(signal, noise, target, good=np.ones((60, 60), dtype=bool))
    n = labels.max() + 1
    assert labels.min() == 0
    snr = [signal[labels == b].sum() / np.sqrt((noise[labels == b] ** 2).sum()) for b in range(n)]
    single = np.bincount(labels.ravel()) == 1
    assert min(snr) >= target
    # Only lone spaxels and the halves that could not be cut evenly lie far above.
    assert np.median(np.array(snr)[~single]) < 2 * target


def test_bins_are_compact_and_ordered_by_light():
    signal = disc()
    labels = bin_to_snr(signal, np.full((60, 60), 5.0), 50.0, good=np.ones((60, 60), dtype=bool))
    brightness = [signal[labels == b].mean() for b in range(labels.max() + 1)]
    assert (np.diff(brightness) <= 1e-9).all()
    for b in range(labels.max() + 1):
        y, x = np.nonzero(labels == b)
        assert (np.ptp(y) + 1) * (np.ptp(x) + 1) == y.size


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
