"""Pages of checks and of example bins: drawn without a warning, for a cube, a single spectrum and an unchecked galaxy."""

import dataclasses

import numpy as np
import pytest

from galaxy_answers import BANDS, make_answer, make_spectra
from galaxy_copies import replicate
from sfhnet.config import FiguresConfig
from sfhnet.core.flags import Flag
from sfhnet.figures.bin_pages import examples_page, quality_page
from sfhnet.figures.style import save, style
from sfhnet.predictive_check.result import BLOCK_NAMES, unchecked
from sfhnet.products.bin_table import bin_columns


def prior_of(answer):
    return {
        "cum_mass_q": answer.cum_mass_q[0].tolist(),
        "mh_q": answer.mh_q[0].tolist(),
        "scalars_q": {name: value[0].tolist() for name, value in answer.scalars_q.items()},
    }


def checked(spectra, answer, rng, index=(0,)):
    n = spectra.n
    chi2 = 1 + 0.1 * np.abs(rng.standard_normal((n, len(BLOCK_NAMES))))
    window = (spectra.wave_aa > 5300) & (spectra.wave_aa < 5500)
    scale = np.median(spectra.flux[:, window], axis=1, keepdims=True)
    data = np.concatenate([spectra.flux, spectra.band_flux], axis=1)[list(index)] / scale[list(index)]
    sigma = 0.02 * np.abs(data)
    return dataclasses.replace(
        unchecked(n, 16, spectra.wave_aa, band_names=BANDS, why=""),
        chi2={"best": chi2 + 0.1, "mean": chi2 + 0.3, "refined": chi2},
        n_data=np.full((n, len(BLOCK_NAMES)), 100),
        shift=np.full(n, 0.7),
        calibration_rms=np.full(n, 0.02),
        refined={"mass_fraction": answer.mass_fraction, "mh": answer.mh},
        flags=np.where(np.arange(n) == 0, int(Flag.NOT_REPRODUCED), 0).astype(np.uint32),
        examples={
            "index": np.array(index),
            "data": data,
            "sigma": sigma,
            "mask": np.ones(data.shape, dtype=bool),
            "refined": 1.01 * data,
            "draws_p16": 0.97 * data,
            "draws_p84": 1.03 * data,
        },
    )


def words(figure):
    return "\n".join(
        [text.get_text() for axes in figure.axes for text in axes.texts]
        + [axes.get_title(loc) for axes in figure.axes for loc in ("center", "left")]
        + [text.get_text() for text in figure.texts]
    )


@pytest.mark.parametrize("side", [8, 1])
def test_pages(tmp_path, rng, side):
    spectra = make_spectra(side)
    answer = make_answer(spectra)
    prior = prior_of(make_answer(spectra, width=0.5))
    found = checked(spectra, answer, rng, (0, 40) if side > 1 else (0,))
    table = bin_columns(spectra, answer, prior, predictive=found)
    assert table["ppc_chi2"][0] == pytest.approx(found.chi2["refined"][0, 0])
    assert table["quality"][0] == 2
    with style(FiguresConfig(dpi=50)):
        quality = quality_page(spectra, answer, table, prior=prior)
        text = words(quality)
        assert "what the data say beyond the prior" in text
        assert ("predictive χ² / noise, refined" in text) == (side > 1)
        examples = examples_page(spectra, answer, table, predictive=found)
        assert "flags: not_reproduced" in words(examples)
        assert "bin 40" in words(examples) or side == 1
        for name, figure in (("quality", quality), ("examples", examples)):
            assert all(path.stat().st_size > 8_000 for path in save(figure, tmp_path / name))


def test_page_says_why_nothing_was_checked(tmp_path):
    spectra = make_spectra(6)
    answer = make_answer(spectra)
    none = unchecked(36, 16, spectra.wave_aa, band_names=BANDS, why="the model has no joint posterior")
    table = bin_columns(spectra, answer, prior_of(answer), predictive=none)
    assert np.isnan(table["ppc_chi2"]).all()
    with style(FiguresConfig(dpi=50)):
        figure = examples_page(spectra, answer, table, predictive=none)
        assert "no joint posterior" in words(figure)
        save(figure, tmp_path / "examples")
        save(quality_page(spectra, answer, table, prior=prior_of(answer)), tmp_path / "quality")
    with pytest.raises(ValueError, match="toy: 36 spectra but 3 checks"):
        bin_columns(spectra, answer, None, predictive=none.take(np.arange(3)))


def test_copies_of_a_galaxy():
    spectra = make_spectra(6)
    many = replicate(spectra, 100)
    assert many.n == 100
    np.testing.assert_array_equal(many.flux[36], spectra.flux[0])
    assert (np.unique(many.bin_map[many.bin_map >= 0]) == np.arange(100)).all()
