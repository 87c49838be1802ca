"""Filter curves: every way to give one, files of three formats, coverage, and the band operator."""

import numpy as np
import pandas as pd
import pytest

from pyprospect.bands import band_matrix as F
from pyprospect.bands.photometry import bandpass

WAVE = np.array([4000.0, 4500.0, 5000.0, 5500.0, 6000.0])
RESPONSE = np.array([0.0, 0.4, 1.0, 0.7, 0.0])


def box(low, high, n=3):
    w = np.linspace(low, high, n)
    return np.concatenate([[low - 1e-6], w, [high + 1e-6]]), np.concatenate([[0.0], np.ones(n), [0.0]])


def test_wavelengths_of_bands(reference, parity):
    for name, stored in reference["unit/filters"].items():
        curve = (stored["wave"][()], stored["response"][()])
        parity.check("unit/filters", F.cenwave(curve), stored.attrs["cenwave"], 1e-13, label=name)
        parity.check("unit/filters", F.pivwave(curve), stored.attrs["pivwave"], 1e-13, label=name)


def test_curves_by_name_and_number(reference, parity, prospect_tables):
    for name, stored in reference["unit/filters"].items():
        curve = (stored["wave"][()], stored["response"][()])
        if "EAZY_index_1based" in stored.attrs:
            for key in (name, f"eazy:{int(stored.attrs['EAZY_index_1based'])}"):
                ours = F.resolve(key)[0]
                parity.check("unit/filters EAZY", ours.wave_aa, curve[0], 1e-15, label=name)
                scaled = ours.response / ours.response.max()
                parity.check("unit/filters EAZY", scaled, curve[1], 1e-15, label=name)
            assert abs(ours.pivot_aa - stored.attrs["pivwave"]) < 0.05


def test_band_sets(prospect_tables):
    assert [f.name for f in F.resolve("hst")] == ["F275W", "F336W", "F438W", "F555W", "F814W"]
    every = F.resolve("all")
    assert {f.name for f in every} >= {"F435W_ACS", "F814W_UVIS"}
    uvis, acs = (F.resolve(n)[0].pivot_aa for n in ("F814W_UVIS", "F814W"))
    assert 8040 < acs < 8065 and 8040 < uvis < 8065 and uvis != acs


@pytest.mark.parametrize(
    "given",
    [
        (WAVE, RESPONSE),
        (WAVE.tolist(), RESPONSE.tolist()),
        np.stack([WAVE, RESPONSE], axis=1),
        np.stack([WAVE, RESPONSE]),
        np.stack([WAVE, RESPONSE], axis=1)[::-1],
        {"wave": WAVE, "response": RESPONSE},
        {"wave_aa": WAVE, "response": RESPONSE, "name": "B"},
        {"B": (WAVE, RESPONSE)},
        pd.DataFrame({"wave": WAVE, "response": RESPONSE}),
        np.array(list(zip(WAVE, RESPONSE, strict=True)), dtype=[("w", float), ("r", float)]),
        F.Filter("B", WAVE, RESPONSE),
        [(WAVE, RESPONSE)],
        [[WAVE, RESPONSE]],
    ],
)
def test_forms_of_one_curve(given):
    (f,) = F.resolve(given)
    np.testing.assert_array_equal(f.wave_aa, WAVE)
    np.testing.assert_array_equal(f.response, RESPONSE)
    np.testing.assert_allclose(f([3900.0, 4250.0, 5000.0, 7000.0]), [0.0, 0.2, 1.0, 0.0])


def test_mixture_keeps_order_and_names(prospect_tables):
    def gauss(wave):
        return np.exp(-(((wave - 6000) / 200) ** 2) / 2)

    bands = F.resolve(["F555W", (WAVE, RESPONSE), gauss, {"mine": (WAVE, RESPONSE)}, 208])
    assert [b.name for b in bands] == ["F555W", "filter_2", "gauss", "mine", "hst/wfc3/UVIS/f275w.dat"]
    assert np.isnan(bands[2].pivot_aa) and bands[2]([6000.0]) == 1.0


def test_none_is_no_bands():
    assert F.resolve(None) == F.resolve("NULL") == []


def test_two_curves_are_not_a_pair():
    curve = np.stack([WAVE, RESPONSE], axis=1)
    assert len(F.resolve([curve, curve])) == 2


def test_pivot_of_a_box():
    # int R l dl / int R dl/l of a box
    f = F.resolve(box(4000.0, 6000.0))[0]
    assert f.pivot_aa == pytest.approx(np.sqrt((6000**2 - 4000**2) / 2 / np.log(1.5)), rel=1e-8)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("F999W", "unknown"),
        ("u.dat", "fits"),
        ("eazy:9999", "1 to 347"),
        ((WAVE, RESPONSE[:3]), "cannot read|fits|unknown|curve"),
        ((WAVE, np.zeros(5)), "responds nowhere"),
        ((WAVE, np.full(5, np.nan)), "NaN"),
        ((-WAVE, RESPONSE), "positive"),
        (np.ones((4, 3)), "shape"),
        ([], "empty"),
        (3.5, "cannot read"),
    ],
)
def test_bad_curves(given, message, prospect_tables):
    with pytest.raises(ValueError, match=message):
        F.resolve(given)


def test_function_of_wrong_shape():
    (f,) = F.resolve([lambda wave: np.ones(3)])
    with pytest.raises(ValueError, match="gave shape"):
        f(WAVE)


def test_read_plain_file(tmp_path):
    path = tmp_path / "mine.dat"
    path.write_text("# a comment\nwave,response\n4000, 0\n5000, 1e0\n6000, 0\n")
    f = F.read_curve(path)
    assert f.name == "mine" and f.wave_aa.tolist() == [4000, 5000, 6000]
    assert F.resolve(path)[0].pivot_aa == f.pivot_aa


def test_read_yanny_par(tmp_path):
    path = tmp_path / "old.par"
    path.write_text(
        "# sedpy\ntypedef struct {\n double lambda;\n double pass;\n} KFILTER;\n\nKFILTER 4000 0.0\nKFILTER 5000 0.3\n"
        "KFILTER 6000 0.0\n"
    )
    assert F.read_curve(path, name="old").response.tolist() == [0.0, 0.3, 0.0]


def test_read_collection(tmp_path):
    path = tmp_path / "FILTER.RES"
    path.write_text(
        "# file\n   3 hst/wfc3/UVIS/f438w.dat lambda_c= 4.3e+03\n 1 4000 0\n 2 4300 1\n 3 4600 0\n"
        "   2 other/r.dat x\n 1 6000 1\n 2 7000 0.5\n"
    )
    for record in (1, "f438w"):
        assert F.read_curve(path, record=record).wave_aa.tolist() == [4000, 4300, 4600]
    assert F.read_curve(path, record=2).name == "other/r.dat"
    with pytest.raises(ValueError, match="holds 2 filters"):
        F.read_curve(path)
    with pytest.raises(ValueError, match="fits 0"):
        F.read_curve(path, record="f999w")


def test_read_nonsense(tmp_path):
    path = tmp_path / "text.dat"
    path.write_text("there is\nno curve here\n")
    with pytest.raises(ValueError, match="no two-column"):
        F.read_curve(path)
    path.write_text("4000 0\n5000 1\nbroken line\n")
    with pytest.raises(ValueError, match="cannot read"):
        F.read_curve(path)


def test_operator_is_exact_for_polynomials(rng):
    # a triangle response and a linear spectrum on a ragged grid: int f R l / int R l in closed form
    wave = np.sort(np.concatenate([[3500.0, 6500.0], rng.uniform(3500, 6500, 40)]))
    flux = 2.0 + 3e-4 * wave
    triangle = (np.array([4000.0, 5000.0, 6000.0]), np.array([0.0, 1.0, 0.0]))
    moments = [np.polynomial.Polynomial([0] * p + [1]) for p in range(4)]
    up = np.polynomial.Polynomial([-4.0, 1e-3])
    down = np.polynomial.Polynomial([6.0, -1e-3])

    def integral(poly):
        first, second = (poly * up).integ(), (poly * down).integ()
        return first(5000) - first(4000) + second(6000) - second(5000)

    expected = integral((2.0 + 3e-4 * moments[1]) * moments[1]) / integral(moments[1])
    matrix = F.band_matrix(wave, [triangle])
    assert matrix.shape == (1, wave.size)
    assert (matrix @ flux)[0] == pytest.approx(expected, rel=1e-12)
    energy = F.band_matrix(wave, [triangle], detect_type="energy")
    assert (energy @ flux)[0] == pytest.approx(
        integral(2.0 + 3e-4 * moments[1]) / integral(moments[0]), rel=1e-12
    )


@pytest.mark.parametrize("detect_type", ["photon", "energy"])
def test_operator_keeps_flat_spectra_flat(detect_type, rng):
    wave = np.sort(rng.uniform(3000, 7000, 3000))
    bands = [(WAVE, RESPONSE), box(4200, 4210), lambda w: np.exp(-(((w - 5000) / 300) ** 2))]
    matrix = F.band_matrix(wave, bands, detect_type=detect_type)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=1e-12)
    per_hz = F.band_matrix(
        np.linspace(3000, 7000, 20001), bands[:2], flux_out="freq", detect_type=detect_type
    )
    flat_nu = 2.99792458e18 / np.linspace(3000, 7000, 20001) ** 2
    np.testing.assert_allclose(per_hz @ flat_nu, 1.0, rtol=1e-7)


def test_operator_equals_union_photometry(rng):
    wave = np.linspace(3900, 6100, 500)
    flux = rng.uniform(1, 2, (3, 500))
    direct = bandpass(wave, flux, [(WAVE, RESPONSE)], flux_in="wave", flux_out="wave", quadrature="union")
    np.testing.assert_allclose(flux @ F.band_matrix(wave, [(WAVE, RESPONSE)]).T, direct, rtol=1e-14)


def test_coverage():
    wave = np.linspace(4500, 7000, 200)
    curve = (WAVE, RESPONSE)
    with pytest.raises(ValueError, match=r"4500-7000 Angstrom.*filter_1 \(4000-6000 Angstrom, .* outside"):
        F.band_matrix(wave, [curve])
    assert np.isnan(F.band_matrix(wave, [curve], outside="nan")).all()
    np.testing.assert_allclose(F.band_matrix(wave, [curve], outside="compat").sum(), 1.0)
    assert not F.band_matrix(wave, [(WAVE - 3000, RESPONSE)], outside="compat").any()
    # a tail of 1e-6 of the throughput beyond the spectrum does not matter
    tail = (np.append(WAVE, 9000.0), np.append(RESPONSE, 0.0))
    tail[1][-2] = 1e-9
    assert np.isfinite(F.band_matrix(np.linspace(3900, 7000, 200), [tail])).all()


@pytest.mark.parametrize(
    ("wave", "options", "message"),
    [
        ([5000.0], {}, "at least two"),
        ([6000.0, 5000.0], {}, "ascending"),
        ([0.0, 5000.0], {}, "positive"),
        (np.linspace(3000, 7000, 9), {"flux_out": "nu"}, "flux_out"),
        (np.linspace(3000, 7000, 9), {"detect_type": "ccd"}, "detect_type"),
        (np.linspace(3000, 7000, 9), {"outside": "ignore"}, "outside"),
    ],
)
def test_bad_operator_input(wave, options, message):
    with pytest.raises(ValueError, match=message):
        F.band_matrix(wave, [(WAVE, RESPONSE)], **options)


@pytest.mark.parametrize(
    "text",
    [
        "4000 1.2e-13\n4500 0.4\n5000 0.5\n",
        "\ufeff# wavelength [micron]  T\n0.4 0\n0.45 0.4\n0.5 0.5\n",
        "wavelength_nm,T\n400,0\n450,0.4\n500,0.5\n",
        ",wave,T\n0,4000,0\n1,4500,0.4\n2,5000,0.5\n",
        "T,wave\n0,4000\n0.4,4500\n0.5,5000\n",
        "5000 0.5\n4500 0.4\n4000 0\n",
    ],
)
def test_units_and_orders_of_curves(tmp_path, text):
    path = tmp_path / "c.csv"
    path.write_text(text, encoding="utf-8")
    found = F.read_curve(path)
    assert found.wave_aa == pytest.approx([4000, 4500, 5000])
    assert found.response == pytest.approx([0, 0.4, 0.5], abs=1e-12)


@pytest.mark.parametrize(
    "text", ["0.4 0\n0.45 0.4\n", "400 0\n450 0.4\n", "0 4000\n0.4 4500\n", "3 a/b c\n1 4000 0\n"]
)
def test_curves_in_an_unknown_unit_or_cut_short(tmp_path, text):
    (tmp_path / "c.txt").write_text(text)
    with pytest.raises(
        ValueError, match=r"c\.txt (has wavelengths|is a collection of filters that is cut short)"
    ):
        F.read_curve(tmp_path / "c.txt")
