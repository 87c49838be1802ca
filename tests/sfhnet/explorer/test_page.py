"""The page of a galaxy holds what the products hold, in few bytes, and nothing from outside."""

import base64
import json
import re
import zlib
from dataclasses import replace

import numpy as np
import pytest

from explored_galaxy import make_checked, make_page, make_ppxf
from sfhnet.__main__ import main
from sfhnet.core.flags import MEANING
from sfhnet.explorer.advice import ADVICE
from sfhnet.explorer.bins import BLOCK, BinBlocks
from sfhnet.explorer.from_files import PRODUCTS, explore
from sfhnet.explorer.packing import KINDS
from sfhnet.explorer.page import write_explorer
from sfhnet.ppxf import galaxy_fits
from sfhnet.products.maps import write_table
from sfhnet.tools.provenance import provenance


def element(page, name):
    return re.search(f'<script type="text/plain" id="{name}">(.*?)</script>', page, re.DOTALL).group(1)


def unpacked(text):
    return zlib.decompress(base64.b64decode(text))


def contents(page, meta, index):
    """Read a bin as the script of the page does."""
    number, row = divmod(index, BLOCK)
    data = unpacked(element(page, f"block{number}"))
    n, start, found = min(BLOCK, meta["n"] - number * BLOCK), 0, {}
    for name, kind, length, differences in meta["layout"]:
        values = np.frombuffer(data, KINDS[kind], n * length, start).reshape(n, length)[row]
        found[name] = np.cumsum(values, dtype=values.dtype) if differences else values
        start += n * length * int(kind[1])
    assert start == len(data)
    return found


@pytest.fixture(scope="module")
def galaxy():
    return make_checked(9)


@pytest.fixture(scope="module")
def page(galaxy, tmp_path_factory):
    spectra, answer, predictive, table = galaxy
    path = tmp_path_factory.mktemp("page") / "explorer.html"
    return write_explorer(path, spectra, answer, table=table, predictive=predictive).read_text()


@pytest.fixture(scope="module")
def meta(page):
    return json.loads(element(page, "meta"))


def test_the_page_needs_nothing_else(page):
    for outside in ("http://", "https://", "src=", "@import", "<link", "import("):
        assert outside not in page, outside


def test_maps_and_columns_are_those_of_the_table(galaxy, page, meta):
    spectra, _, _, table = galaxy
    bins = np.frombuffer(unpacked(element(page, "bin_map")), "<i4").reshape(meta["shape"])
    np.testing.assert_array_equal(bins, spectra.bin_map)
    columns = np.frombuffer(unpacked(element(page, "columns")), "<f4").reshape(-1, spectra.n)
    names = [quantity["name"] for quantity in meta["quantities"]]
    assert len(columns) == len(names)
    for name in ("mw_log_age", "a_v_p84", "snr", "quality"):
        np.testing.assert_allclose(columns[names.index(name)], np.asarray(table[name], float), rtol=1e-6)
    flags = np.frombuffer(unpacked(element(page, "flags")), "<u4")
    np.testing.assert_array_equal(flags, np.asarray(table["flags"]))


@pytest.mark.parametrize("index", [0, 31, 32, 80])
def test_a_bin_is_what_the_products_say(galaxy, page, meta, index):
    spectra, answer, predictive, _ = galaxy
    found = contents(page, meta, index)
    scale = found["scale"][0]
    np.testing.assert_allclose(found["data"] * scale, spectra.flux[index], atol=0.6 * scale)
    level = 10.0 ** answer.log_scale[index]
    n_wave = spectra.wave_aa.size
    refined = predictive.models["refined"][index].astype(float) * level
    np.testing.assert_allclose(found["model"] * scale, refined[:n_wave], atol=0.6 * scale)
    np.testing.assert_allclose(found["band_refined"], refined[n_wave:], rtol=1e-6)
    low, high = found["sigma_range"]
    sigma = np.exp(low + (high - low) * found["sigma"] / 255)
    np.testing.assert_allclose(sigma, spectra.sigma[index], rtol=0.01)
    np.testing.assert_allclose(found["mass_fraction"] / 65535, answer.mass_fraction[index], atol=1e-5)
    np.testing.assert_allclose(found["mh"] / 1000, answer.mh[index], atol=6e-4)
    np.testing.assert_allclose(
        found["true_mass_fraction"] / 65535, spectra.truth["mass_fraction"][index], atol=1e-5
    )
    median = found["cum_mass_q"].reshape(len(meta["levels"]), -1)[meta["levels"].index(0.5)] / 65535
    np.testing.assert_allclose(median, answer.cum_mass_q[index, 4], atol=1e-5)
    ends = found["draw_range"].reshape(-1, 2)
    draws = found["draws"].reshape(len(ends), -1) / 255 * np.diff(ends) + ends[:, :1]
    name = meta["corner"][1]["name"]
    np.testing.assert_allclose(draws[1], answer.samples[name][index, :80], atol=float(np.ptp(ends[1])) / 255)


def test_answers_of_ppxf_are_there_where_they_were_given(galaxy, page, meta, tmp_path):
    assert meta["compared"] == []
    spectra, answer, predictive, table = galaxy
    ppxf = make_ppxf(answer)
    path = write_explorer(tmp_path / "c.html", spectra, answer, table=table, predictive=predictive, ppxf=ppxf)
    with_ppxf = path.read_text()
    compared = json.loads(element(with_ppxf, "meta"))
    assert {"mw_log_age", "lw_mh", "a_v"} <= set(compared["compared"])
    found = contents(with_ppxf, compared, 33)
    place = compared["compared"].index("lw_mh")
    assert found["ppxf"][place] == pytest.approx(ppxf.scalars["lw_mh"][33], rel=1e-6)
    np.testing.assert_allclose(found["ppxf_mass_fraction"] / 65535, ppxf.mass_fraction[33], atol=1e-5)
    np.testing.assert_allclose(found["ppxf_mh"] / 1000, ppxf.mh[33], atol=6e-4)
    assert np.isnan(contents(with_ppxf, compared, 9)["ppxf"]).all()
    with pytest.raises(ValueError, match="80 answers of pPXF; make them again"):
        write_explorer(
            tmp_path / "d.html",
            spectra,
            answer,
            table=table,
            predictive=predictive,
            ppxf=ppxf.take(np.arange(80)),
        )


def test_the_file_of_ppxf_is_found_beside_the_others(galaxy, tmp_path, capsys):
    spectra, answer, predictive, table = galaxy
    spectra.write(tmp_path / "spectra.h5")
    answer.write(tmp_path / "posterior.h5")
    predictive.write(tmp_path / "predictive.h5")
    write_table(tmp_path / "bins.ecsv", table, {})
    n, ppxf = spectra.n, make_ppxf(answer)
    of_fit = {"mass_fraction": ppxf.mass_fraction, "mh": ppxf.mh, **ppxf.scalars}
    of_fit |= {name: np.ones(n) for name in ("regul", "chi2", "velocity_kms", "sigma_kms", "cpu_s")}
    of_fit["bestfit"] = np.ones((n, 4), dtype=np.float32)
    made = provenance(inputs=[tmp_path / "spectra.h5"])
    galaxy_fits._write(tmp_path / "ppxf.h5", {"fixed": of_fit}, answer.age_edges_myr, np.ones(n), made)
    folder = tmp_path / "toy"
    folder.mkdir()
    for name in ("spectra.h5", "posterior.h5", "predictive.h5", "bins.ecsv", "ppxf.h5"):
        (tmp_path / name).rename(folder / name)
    assert main(["explore", str(folder)]) == 0
    meta = json.loads(element((folder / "explorer.html").read_text(), "meta"))
    assert "mw_log_age" in meta["compared"]
    # The spectra are prepared again: the fits are of others then.
    replace(spectra, flux=1.1 * spectra.flux).write(folder / "spectra.h5")
    assert main(["explore", str(folder)]) == 0
    assert "ppxf.h5 holds fits to other spectra: not shown" in capsys.readouterr().err
    assert json.loads(element((folder / "explorer.html").read_text(), "meta"))["compared"] == []
    files = {name: folder / file for name, file in PRODUCTS.items()}
    with pytest.raises(ValueError, match="fits to other spectra"):
        explore(tmp_path / "e.html", "toy", **files, ppxf=folder / "ppxf.h5")
    (folder / "ppxf.h5").unlink()
    assert main(["explore", str(folder)]) == 0
    assert json.loads(element((folder / "explorer.html").read_text(), "meta"))["compared"] == []
    assert "open it in a browser" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["toys"], "galaxies has no galaxy toys; did you mean toy?"),
        (["ngc628"], "galaxies has no galaxy ngc628; it holds toy. One of the sample sheet"),
        (
            ["toy"],
            "has no spectra.h5, posterior.h5, predictive.h5, bins.ecsv; make its products by: sfhnet run",
        ),
        (["toy", "--results", "elsewhere"], "there is no elsewhere/galaxies: give --results DIR of a run"),
    ],
)
def test_what_is_not_there_is_said_with_what_to_do(words, said, tmp_path, monkeypatch, capsys):
    (tmp_path / "results/galaxies/toy").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert main(["explore", *words]) == 1
    assert said in capsys.readouterr().err


def test_masked_pixels_are_no_data(galaxy):
    spectra, answer, predictive, _ = galaxy
    mask = spectra.mask.copy()
    mask[3, 100:200] = False
    flux = spectra.flux.copy()
    flux[3, 100:200] = np.nan
    blocks = BinBlocks(replace(spectra, mask=mask, flux=flux), answer, predictive)
    good = np.unpackbits(blocks.block(0)._parts[-2][3], bitorder="little")[: spectra.wave_aa.size]
    assert not good[100:200].any()
    assert good.sum() == mask[3].sum()


def test_a_bin_without_an_answer_and_a_galaxy_without_models(galaxy, tmp_path):
    spectra, answer, predictive, table = galaxy
    models = {name: np.full_like(values, np.nan) for name, values in predictive.models.items()}
    nothing = replace(predictive, models=models)
    write_explorer(tmp_path / "nan.html", spectra, answer, table=table, predictive=nothing)
    unchecked = replace(predictive, models={}, meta={"unchecked": "the model has no joint posterior"})
    bare = replace(answer, samples={})
    path = write_explorer(tmp_path / "none.html", spectra, bare, table=table, predictive=unchecked)
    meta = json.loads(element(path.read_text(), "meta"))
    assert not meta["checked"]
    assert meta["unchecked"] == "the model has no joint posterior"
    assert meta["corner"] == []


def test_a_large_galaxy_is_averaged_until_it_fits(galaxy, tmp_path):
    spectra, answer, predictive, table = galaxy
    path = write_explorer(
        tmp_path / "small.html", spectra, answer, table=table, predictive=predictive, max_bytes=600_000
    )
    meta = json.loads(element(path.read_text(), "meta"))
    assert meta["averaged"] > 1
    found = contents(path.read_text(), meta, 4)
    factor, n = meta["averaged"], meta["wave"][2]
    mean = spectra.flux[4, : n * factor].reshape(n, factor).mean(axis=1)
    np.testing.assert_allclose(found["data"] * found["scale"][0], mean, rtol=1e-3)
    # independent noise of so many pixels
    low, high = found["sigma_range"]
    sigma = np.exp(low + (high - low) * found["sigma"] / 255)
    expected = spectra.sigma[4, : n * factor].reshape(n, factor).mean(axis=1) / np.sqrt(factor)
    np.testing.assert_allclose(sigma, expected, rtol=0.02)


def test_a_hostile_name_stays_text(tmp_path):
    path = make_page(tmp_path / "a.html", side=3, galaxy='</script><img src=x onerror="alert(1)">')
    page = path.read_text()
    assert "<img" not in page
    assert json.loads(element(page, "meta"))["galaxy"].startswith("</script>")


def test_files_of_different_runs_are_refused(galaxy, tmp_path):
    spectra, answer, predictive, table = galaxy
    with pytest.raises(
        ValueError, match="81 spectra, 81 answers, 80 checks, 81 rows of the table; make them again"
    ):
        write_explorer(
            tmp_path / "a.html", spectra, answer, table=table, predictive=predictive.take(np.arange(80))
        )


def test_every_flag_says_what_to_do():
    assert set(ADVICE) == set(MEANING)
    assert all(text.endswith(".") for text in ADVICE.values())
