"""Pages of a galaxy: drawn without a warning, with the verdict in words and the maps where they belong."""

import io

import numpy as np
import pytest

from galaxy_answers import make_answer, make_spectra
from sfhnet.config import FiguresConfig
from sfhnet.core.flags import Flag
from sfhnet.figures.galaxy_page import summary_page
from sfhnet.figures.style import save, style
from sfhnet.figures.truth_page import truth_page
from sfhnet.products.bin_table import bin_columns
from sfhnet.products.galaxy_summary import summarise


def page(spectra, answer, make=summary_page):
    table = bin_columns(spectra, answer)
    with style(FiguresConfig(dpi=50)):
        return make(
            spectra, answer, table, summary=summarise(spectra, answer, table, prior={"a_v": np.array([0.5])})
        )


def draw(figure):
    """Draw it, which warns of what does not fit or is not finite."""
    with style(FiguresConfig(dpi=50)):
        figure.savefig(io.BytesIO(), format="png")


def texts(figure):
    return "\n".join(text.get_text() for axes in figure.axes for text in axes.texts)


def titles(figure):
    return [axes.get_title() for axes in figure.axes]


def test_page_of_a_cube(tmp_path):
    spectra = make_spectra(12)
    figure = page(spectra, make_answer(spectra))
    assert "Nothing found wrong." in texts(figure)
    assert "NOT TO BE USED" not in texts(figure)
    assert "kpc" in texts(figure)
    for wanted in (
        "white light",
        "mass-weighted log age",
        "$A_V$ [mag]",
        "log SFR density, 100 Myr",
        "quality",
        "history",
        "metallicity relation",
    ):
        assert any(wanted in title for title in titles(figure)), wanted
    with style(FiguresConfig(dpi=50)):
        paths = save(figure, tmp_path / "summary")
    assert all(path.stat().st_size > 10_000 for path in paths)


def test_compass_points_to_the_sky():
    # Mirrored and turned by 90 degrees: east is up, north to the right.
    from astropy.wcs import WCS

    spectra = make_spectra(12)
    wcs = WCS(spectra.wcs_header)
    turned = WCS(naxis=2)
    turned.wcs.ctype, turned.wcs.crval, turned.wcs.crpix = wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix
    turned.wcs.cd = 2.0 / 3600 * np.array([[0.0, 1.0], [1.0, 0.0]])
    spectra = make_spectra(12, wcs_header=turned.to_header_string())
    figure = page(spectra, make_answer(spectra))
    place = {text.get_text(): text.get_position() for text in figure.axes[1].texts if text.get_text() in "NE"}
    assert place["N"][0] > place["E"][0]
    assert place["E"][1] > place["N"][1]


def test_out_of_distribution_is_shouted():
    spectra = make_spectra(6, simulated=False)
    figure = page(spectra, make_answer(spectra, flags=Flag.OUT_OF_DISTRIBUTION))
    assert "OUT OF DISTRIBUTION: do not use these numbers (36 of 36 bins)." in texts(figure)
    assert texts(figure).count("NOT TO BE USED") == 9
    draw(figure)


def test_page_of_a_single_spectrum():
    mask = np.ones((1, 2081), dtype=bool)
    mask[0, 800:900] = False
    spectra = make_spectra(
        1, simulated=False, mask=mask, flags=int(Flag.NO_BANDS), band_mask=np.zeros((1, 5), dtype=bool)
    )
    figure = page(spectra, make_answer(spectra))
    assert "No HST bands" in texts(figure)
    assert any("broadened to the training resolution" in axes.get_title(loc="left") for axes in figure.axes)
    draw(figure)


def test_page_without_any_answer():
    spectra = make_spectra(1, simulated=False)
    answer = make_answer(
        spectra, dict.fromkeys(("log_ml", "mw_log_age", "a_v", "mw_mh"), np.nan), flags=Flag.NO_VALID_PIXELS
    )
    figure = page(spectra, answer)
    assert "NO RESULT" in texts(figure)
    draw(figure)


def test_truth_page(rng):
    spectra = make_spectra(8)
    figure = page(spectra, make_answer(spectra, {"a_v": 0.05 * rng.standard_normal(64)}), truth_page)
    assert sum("recovered - true" in title for title in titles(figure)) == 5
    assert any("prior mean" in title for title in titles(figure))
    draw(figure)
    plain = make_spectra(8, simulated=False)
    with pytest.raises(ValueError, match="toy has no known truth"):
        page(plain, make_answer(plain), truth_page)
