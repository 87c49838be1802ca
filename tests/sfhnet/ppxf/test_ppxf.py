"""The comparison with pPXF: what is converted and compared is tested without pPXF, the fit itself where it is installed."""

import importlib.util
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline

from galaxy_answers import make_answer, make_spectra
from ingredients import WAVE_AA, WIDE_AGE_EDGES_MYR
from pyprospect.fast.synthesizer import Synthesizer
from pyprospect.gas.ratios import LineRatios
from pyprospect.numerics.lsf import muse_udf10_fwhm_aa
from sfhnet.config import config_from_dict
from sfhnet.core.quantities import SCALARS, SFR_FLOOR_PER_YR
from sfhnet.figures.style import save, style
from sfhnet.mocks.labels import Labeller
from sfhnet.ppxf import (
    benchmark_fits as mocks,
)
from sfhnet.ppxf import (
    comparison_table as table,
)
from sfhnet.ppxf import (
    fit,
)
from sfhnet.ppxf import (
    galaxy_fits as galaxies,
)
from sfhnet.ppxf.figures import galaxy_page, plot_comparison
from sfhnet.ppxf.histories import Histories
from sfhnet.ppxf.templates import make_templates
from sfhnet.predictive_check.result import BLOCK_NAMES, unchecked
from sfhnet.tools.hdf5 import create_h5, put, write_json
from sfhnet.validation.validate import SCHEMA, SCHEMA_VERSION


@pytest.fixture(scope="module")
def lines():
    return LineRatios(
        ("Hbeta", "Halpha", "faint"),
        np.array([4861.3, 6562.8, 7000.0]),
        np.array([0.004, 0.03]),
        np.array([-3.0, -2.0]),
        np.broadcast_to([0.35, 1.0, 1e-5], (2, 2, 3)).copy(),
    )


@pytest.fixture(scope="module")
def synthesizer(toy_ssp, hst_bands):
    return Synthesizer(
        toy_ssp,
        WAVE_AA,
        lsf_fwhm_aa=muse_udf10_fwhm_aa,
        veldisp_kms=(150.0,),
        redshift=(0.003,),
        bands=hst_bands,
        dtype=torch.float64,
        compression=0,
    )


@pytest.fixture(scope="module")
def templates(toy_ssp, lines, hst_bands):
    return make_templates(toy_ssp, WAVE_AA, 150.0, lines=lines, bands=hst_bands, redshift=0.003)


@pytest.fixture
def histories(rng, toy_ssp):
    """Five galaxies on the age bins of the library: mass shares and metallicities within it."""
    mass = rng.dirichlet(np.full(toy_ssp.age_yr.size, 0.4), 5)
    z = 10 ** rng.uniform(np.log10(0.0045), np.log10(0.029), mass.shape)
    return torch.from_numpy(mass), torch.from_numpy(z)


def test_masses_become_the_labels_of_the_mocks(toy_ssp, synthesizer, histories):
    mass, z = histories
    tau_birth, tau_screen = torch.full((5,), 0.7).double(), torch.full((5,), 0.4).double()
    labeller = Labeller(synthesizer, toy_ssp.age_edges_yr, WIDE_AGE_EDGES_MYR * 1e6)
    ssp_mass, ssp_z = labeller.ssp(mass, z)
    dust = {"tau_birth": tau_birth, "tau_screen": tau_screen, "bump": torch.zeros(5).double()}
    labels = labeller(mass, z, ssp_mass=ssp_mass, ssp_z=ssp_z, **dust)
    cells = synthesizer.weights(mass, z).numpy()
    young = toy_ssp.age_edges_yr[1:] <= 1e7
    through = np.exp(-0.4 - np.where(young, 0.7, 0.0))
    convert = Histories(toy_ssp, WIDE_AGE_EDGES_MYR)
    for row in range(5):
        found = convert(3.0 * cells[row], through)
        for name in (
            "mass_fraction",
            "mw_log_age",
            "lw_log_age",
            "mw_mh",
            "lw_mh",
            "t10",
            "t50",
            "t90",
            "a_v",
        ):
            np.testing.assert_allclose(found[name], labels[name][row].numpy(), atol=2e-6, err_msg=name)
        formed = labels["mass_fraction"][row].numpy() > 1e-6
        np.testing.assert_allclose(found["mh"][formed], labels["mh"][row].numpy()[formed], atol=1e-5)
        for name in ("sfr10", "sfr100"):
            rate = np.log10(max(float(labels[name][row]), SFR_FLOOR_PER_YR))
            assert found[f"log_{name}"] == pytest.approx(rate, abs=1e-6)
        assert found["log_ml"] == pytest.approx(np.log10(3.0))


def test_bins_without_mass_take_the_metallicity_of_their_neighbours(toy_ssp):
    mass = np.zeros((toy_ssp.z.size, toy_ssp.age_yr.size))
    mass[0, 0], mass[-1, -1] = 1.0, 1.0  # poor and young, rich and old
    found = Histories(toy_ssp, WIDE_AGE_EDGES_MYR)(mass, np.ones(toy_ssp.age_yr.size))
    assert np.all(np.diff(found["mh"]) > 0)
    assert found["mh"][[0, -1]] == pytest.approx(toy_ssp.log_z_solar[[0, -1]])
    with pytest.raises(ValueError, match="holds no history"):
        Histories(toy_ssp, WIDE_AGE_EDGES_MYR)(np.zeros(mass.shape), np.ones(toy_ssp.age_yr.size))


def test_templates_are_the_spectra_and_bands_of_the_mocks(templates, synthesizer, histories):
    mass, z = histories
    made = synthesizer(mass, z, tau_birth=0.0, tau_screen=0.0)
    cells = synthesizer.weights(mass, z).numpy()
    weights = (cells.transpose(0, 2, 1) * templates.norm).reshape(5, -1)
    stars = templates.spectra[:, : templates.n_star]
    # pPXF's own convolution: a Gaussian in pixels of log wavelength
    pixel = templates.dispersion_kms / templates.velscale_kms
    offset = np.arange(-12, 13)
    kernel = np.exp(-0.5 * (offset / pixel) ** 2)
    pad = (len(templates.template_aa) - len(templates.wave_aa)) // 2
    log_wave = np.log(templates.wave_aa)
    log_step = log_wave[1] - log_wave[0]
    for row in range(5):
        broad = np.convolve(stars @ weights[row], kernel / kernel.sum(), mode="same")[pad:-pad]
        flux, _, good = templates.rebin(
            made.flux[row].numpy(), np.ones(WAVE_AA.size), np.ones(WAVE_AA.size, bool)
        )
        assert good[1:-1].all()
        inner = slice(20, -20)
        fine_aa = np.exp(log_wave[:, None] + log_step * (np.arange(21) - 10) / 21)
        smooth = np.average(CubicSpline(WAVE_AA, made.flux[row].numpy())(fine_aa), axis=1, weights=fine_aa)
        np.testing.assert_allclose(broad[inner], smooth[inner], rtol=1e-4)
        # rebin takes the light to be even across a pixel of the training grid; on the flank of a line it is not
        np.testing.assert_allclose(flux[inner], smooth[inner], rtol=2e-3)
        bands = templates.photometry.flux[:, : templates.n_star] @ weights[row]
        np.testing.assert_allclose(bands, made.band_flux[row].numpy(), rtol=1e-4)
        np.testing.assert_allclose(templates.masses(weights[row]), cells[row], rtol=1e-12)


def test_lines_and_continuum_are_templates_of_their_own(templates, hst_bands):
    assert templates.gas_names == ("Hbeta", "Halpha", "continuum")  # the faint one is left out
    halpha = templates.spectra[:, templates.n_star + 1]
    assert halpha.max() == 1.0
    assert abs(templates.template_aa[halpha.argmax()] - 6562.8) < 2
    # a line in F555W adds response / integral of the response, per unit of its flux
    line = templates.spectra[:, templates.n_star]
    flux = line @ np.gradient(templates.template_aa)
    curve = hst_bands["F555W"]
    seen = curve.response * curve.wave_aa
    wanted = flux * 1.003 * np.interp(4861.3 * 1.003, curve.wave_aa, seen) / np.trapezoid(seen, curve.wave_aa)
    assert templates.photometry.flux[3, templates.n_star] == pytest.approx(wanted, rel=1e-3)
    assert templates.photometry.flux[0, templates.n_star] < 1e-5  # F275W has a red leak


def test_masked_pixels_do_not_reach_the_fit(templates):
    flux, mask = np.ones(WAVE_AA.size), np.ones(WAVE_AA.size, dtype=bool)
    flux[1000:1010], mask[1000:1010] = 1e6, False
    out, sigma, good = templates.rebin(flux, np.full(WAVE_AA.size, 0.1), mask)
    assert np.allclose(out[good], 1)
    assert 3 < (~good[1:-1]).sum() < 12
    # errors of a mean over many pixels survive the change of pixels
    mean_error = 1 / np.sqrt((good / sigma**2).sum())
    assert mean_error == pytest.approx(0.1 / np.sqrt(mask.sum()), rel=0.01)


@pytest.mark.parametrize("scale", [0.5, 20.0, 300.0])
def test_recommended_regularisation_raises_chi2_by_the_wanted_amount(scale):
    tried = []

    def solve(regul):
        tried.append(regul)
        return regul, (regul / scale) ** 0.7

    found, regul, rise = fit._recommended(solve, "free")
    assert found == regul
    assert 0.6 < rise <= 1.15
    assert len(tried) <= 6


def test_recommended_regularisation_without_any_rise_is_the_largest_tried():
    _, regul, rise = fit._recommended(lambda regul: (regul, 0.0), "free")
    assert regul > 5000
    assert rise == 0


def test_missing_ppxf_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ppxf", None)
    monkeypatch.setitem(sys.modules, "ppxf.ppxf", None)
    with pytest.raises(ImportError, match=r"licence.*pip install 'ppxf"):
        fit.import_ppxf()


@pytest.mark.parametrize(("n", "measured", "tuning"), [(1000, 300, 60), (64, 48, 16), (320, 260, 60)])
def test_mocks_that_choose_are_not_measured(n, measured, tuning):
    config = config_from_dict({})
    chosen, others = mocks.measured_rows(n, config), mocks.tuning_rows(n, config)
    assert (len(np.unique(chosen)), len(np.unique(others))) == (measured, tuning)
    assert not np.intersect1d(chosen, others).size
    assert max(chosen.max(), others.max()) < n
    # every quarter of a block of 500 has its own kind of noise
    quarters = np.bincount(chosen * 4 // n, minlength=4)
    assert quarters.max() - quarters.min() <= 2


def test_exact_calibration_and_known_kinematics_are_not_fitted():
    config = config_from_dict({"ppxf": {"multiplicative_degree": 6}})
    by_case = {
        name: mocks.settings_for(SimpleNamespace(kind=name), config, (1.0,), recommended=True)
        for name in ("ideal", "real", "ripple")
    }
    assert [s.known_kinematics for s in by_case.values()] == [True, False, True]
    assert [s.mdegree for s in by_case.values()] == [0, 6, 6]


def _answers(rng, truth, rows, error):
    scalars = {name: truth[name][rows] + error * rng.standard_normal(len(rows)) for name in SCALARS}
    of_fit = {name: np.full(len(rows), 2.0) for name in mocks._OF_FIT}
    return mocks.PpxfAnswers(rows, truth["mass_fraction"][rows], truth["mh"][rows] + error, scalars, of_fit)


@pytest.fixture
def stored(tmp_path, rng):
    """Two chunks of pPXF with errors of 0.1, one failed fit, and a network that is always right."""
    n, n_age = 40, WIDE_AGE_EDGES_MYR.size - 1
    truth = {"mass_fraction": rng.dirichlet(np.ones(n_age), n), "mh": rng.normal(size=(n, n_age))}
    truth |= {name: rng.normal(size=n) for name in SCALARS}
    folder = tmp_path / "real_snr050"
    folder.mkdir()
    for chunk, rows in enumerate((np.arange(0, 20, 2), np.arange(20, 40, 2))):
        answers = _answers(rng, truth, rows, 0.1)
        if chunk == 0:
            answers.mass_fraction[3] = np.nan
        with create_h5(folder / f"{chunk}.h5", mocks.SCHEMA, mocks.SCHEMA_VERSION) as file:
            file.attrs["case"], file.attrs["benchmark_sha256"] = "real_snr050", "abc"
            for name in (mocks.BEST, fit.RECOMMENDED):
                mocks._put(file.create_group(name), answers)
    write_json(folder / "regularisation.json", {"best": 10.0, "tried": {}})
    with create_h5(tmp_path / "validation.h5", SCHEMA, SCHEMA_VERSION) as file:
        put(file, "age_edges_myr", WIDE_AGE_EDGES_MYR, unit="Myr", axes="age_edge")
        for kind in ("truth", "estimate"):
            for name, values in truth.items():
                put(
                    file,
                    f"real_snr050/{kind}/{name}",
                    values.astype(np.float32),
                    unit="",
                    axes="galaxy, age"[: 6 + 5 * (values.ndim - 1)],
                )
    metrics = {
        "model": "oracle",
        "kind": "flow",
        "benchmarks_sha256": {"real_snr050": "abc"},
        "cases": {"real_snr050": {"unusable": 0}},
        "inference_ms_per_spectrum": {"one_core": 2.0},
    }
    write_json(tmp_path / "metrics.json", metrics)
    return tmp_path, metrics


def _compare(folder):
    case = folder / "real_snr050"
    return table.compare(
        {"real_snr050": [case / "0.h5", case / "1.h5"]},
        {"real_snr050": case / "regularisation.json"},
        [folder / "metrics.json"],
        numbers=[folder / "validation.h5"],
        out_json=folder / "comparison.json",
        out_csv=folder / "comparison.csv",
        provenance={},
    )


def test_comparison_measures_both_on_the_mocks_that_ppxf_fitted(stored):
    folder, _ = stored
    case = _compare(folder)["cases"]["real_snr050"]
    assert (case["n"], case["failed"]) == (19, 1)
    oracle, rival = case["models"]["oracle"], case["models"]["ppxf_best"]
    assert oracle["n"] == rival["n"] == 19
    assert oracle["mh_mae"] < 1e-6
    assert rival["mh_mae"] == pytest.approx(0.1, abs=1e-6)
    assert 0.05 < rival["scalars"]["mw_mh"]["scatter"] < 0.2
    assert case["ratios"]["oracle"]["mw_mh_scatter"] < 1e-5
    assert (oracle["cpu_s_per_spectrum"], rival["cpu_s_per_spectrum"]) == (0.002, 2.0)
    rows = (folder / "comparison.csv").read_text().splitlines()
    assert [row.split(",")[1] for row in rows] == ["who", "oracle", "ppxf_best", "ppxf_recommended"]
    assert len({row.count(",") for row in rows}) == 1


def test_comparison_refuses_other_mocks(stored):
    folder, metrics = stored
    write_json(folder / "metrics.json", metrics | {"benchmarks_sha256": {"real_snr050": "xyz"}})
    with pytest.raises(ValueError, match="other mocks or noise than pPXF in real_snr050"):
        _compare(folder)


def test_comparison_is_drawn(stored):
    folder, _ = stored
    config = config_from_dict({})
    paths = plot_comparison(_compare(folder), folder / "ppxf", config.figures)
    assert [path.name for path in paths] == ["ppxf.pdf", "ppxf.png"]
    assert all(path.stat().st_size > 5000 for path in paths)


def _galaxy(folder, side, shift):
    """A galaxy whose answers of the network lie above those of pPXF by `shift`; the last bin was not fitted."""
    spectra = make_spectra(side)
    answer = make_answer(spectra)
    values = {name: answer.scalars[name] - shift for name in SCALARS}
    values |= {name: np.full(spectra.n, 1.2) for name in galaxies._OF_FIT}
    values |= {"mass_fraction": answer.mass_fraction, "mh": answer.mh}
    values["bestfit"] = spectra.flux / 10.0 ** answer.log_scale[:, None]
    if side > 1:
        values["chi2"][-1] = np.nan
    found = dict.fromkeys(("fixed", fit.RECOMMENDED), values)
    galaxies._write(folder / "ppxf.h5", found, answer.age_edges_myr, 10.0**answer.log_scale, {})
    return spectra, answer


def _checked(spectra, chi2):
    """A check that finds `chi2` in every pixel and something else in the bands, which do not count here."""
    found = unchecked(spectra.n, 16, spectra.wave_aa, band_names=("F555W",), why="")
    found.n_data[:] = np.arange(1, len(BLOCK_NAMES) + 1)
    found.chi2["refined"][:] = chi2
    found.chi2["refined"][:, [BLOCK_NAMES.index("all"), BLOCK_NAMES.index("bands")]] = 7.0
    return found


@pytest.mark.parametrize(("side", "n"), [(4, 15), (1, 1)])
def test_galaxy_is_compared_and_drawn(tmp_path, side, n):
    spectra, answer = _galaxy(tmp_path, side, 0.1)
    out = tmp_path / "ppxf.json"
    result = galaxies.compare_galaxy(
        spectra, answer, _checked(spectra, 0.9), ppxf=tmp_path / "ppxf.h5", out=out, provenance={}
    )
    scheme = result["schemes"]["fixed"]
    assert scheme["network_chi2_median"] == pytest.approx(0.9)
    assert scheme["chi2_ratio_median"] == pytest.approx(0.75)
    assert (scheme["n"], scheme["failed"], scheme["chi2_median"]) == (n, side * side - n, 1.2)
    for numbers in scheme["quantities"].values():
        assert numbers["difference"] == pytest.approx(0.1)
        assert numbers["scatter"] == pytest.approx(0, abs=1e-6)
    other, fitted = galaxies.read_galaxy(tmp_path / "ppxf.h5", "fixed")
    config = config_from_dict({}).figures
    with style(config):
        paths = save(galaxy_page(spectra, answer, other, fit=fitted, comparison=scheme), tmp_path / "page")
    assert all(path.stat().st_size > 5000 for path in paths)


def test_galaxy_refuses_fits_of_other_bins(tmp_path):
    _galaxy(tmp_path, 4, 0.1)
    spectra = make_spectra(3)
    checked, out = _checked(spectra, 1.0), tmp_path / "x.json"
    with pytest.raises(ValueError, match="9 answers, 9 checks and 16 fits of pPXF"):
        galaxies.compare_galaxy(
            spectra, make_answer(spectra), checked, ppxf=tmp_path / "ppxf.h5", out=out, provenance={}
        )


@pytest.mark.skipif(
    importlib.util.find_spec("ppxf") is None, reason="pPXF is not installed; its licence keeps it optional"
)
def test_ppxf_recovers_a_galaxy_made_of_its_templates(templates, synthesizer, rng):
    library = templates.library
    mass = np.zeros((1, library.age_yr.size))
    mass[0, [4, 10, 12]] = 0.002, 0.3, 0.698
    z = torch.full(mass.shape, library.z[2]).double()
    made = synthesizer(torch.from_numpy(mass), z, tau_birth=0.5, tau_screen=0.4)
    flux = made.flux[0].numpy()
    level = np.median(flux)
    sigma = np.full(WAVE_AA.size, 0.01)
    noisy = flux / level + sigma * rng.standard_normal(WAVE_AA.size)
    bands = made.band_flux[0].numpy() / level
    one = fit.PpxfSpectrum(noisy, sigma, np.ones(WAVE_AA.size, bool), bands, 0.03 * bands, np.ones(5, bool))
    fits = fit.fit_spectrum(one, templates, fit.FitSettings(True, 0, (1.0,)))
    assert set(fits) == {"regul_1", fit.RECOMMENDED}
    convert = Histories(library, WIDE_AGE_EDGES_MYR)
    formed = np.zeros((library.z.size, library.age_yr.size))
    formed[2] = mass[0]
    truth = convert(formed, np.ones(library.age_yr.size))
    for found in fits.values():
        assert 0.85 < found.chi2 < 1.15
        assert (found.velocity_kms, found.sigma_kms) == (0, pytest.approx(150))
        answer = convert(found.mass_msun, found.transmission_v)
        assert answer["mw_log_age"] == pytest.approx(truth["mw_log_age"], abs=0.15)
        assert answer["log_ml"] == pytest.approx(np.log10(1 / level), abs=0.15)
    assert fits[fit.RECOMMENDED].rise <= 1.15
