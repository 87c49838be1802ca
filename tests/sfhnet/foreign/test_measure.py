"""Scores on galaxies that no training knew, and real spectra against what is known of them."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from galaxy_answers import make_answer, make_spectra
from sfhnet.config import Config, ValidationConfig
from sfhnet.core.flags import Flag
from sfhnet.core.quantities import SCALARS
from sfhnet.foreign.measure import foreign_scores, markdown, measure_foreign
from sfhnet.foreign.real_spectra import answer_real, read_real
from sfhnet.inference.model import load
from sfhnet.mocks.benchmark_noise import BENCHMARK_NOISE
from sfhnet.ppxf.benchmark_fits import PpxfAnswers, _put
from sfhnet.ppxf.foreign_scores import ppxf_rows
from sfhnet.tools.hdf5 import create_h5
from sfhnet.validation.benchmark_sets import BENCHMARK_KINDS, benchmark_cases, find_case, read_foreign


@pytest.fixture
def galaxy():
    """Sixteen answers that are right to the last digit, and the truth."""
    spectra = make_spectra(side=4)
    answer = make_answer(spectra, width=0.1)
    truth = {name: value.copy() for name, value in answer.scalars.items()}
    return answer, truth | {"mass_fraction": answer.mass_fraction.copy(), "mh": answer.mh.copy()}


def test_right_answers_are_right(galaxy):
    scores = foreign_scores(*galaxy)
    assert (scores["n"], scores["cum_mae"], scores["wrong"], scores["flagged_wrong"]) == (16, 0.0, 0.0, None)
    assert scores["lw_log_age_coverage68"] == 1.0 and scores["flagged_right"] == 0.0


def test_errors_coverage_and_flags_are_counted(galaxy):
    answer, truth = galaxy
    # five are 0.5 dex too young, of which two are flagged; one of the others is flagged without need
    truth["lw_log_age"][:5] += 0.5
    answer.flags[[0, 1, 9]] = int(Flag.BAD_FIT)
    answer.flags[12] = int(Flag.NO_BANDS | Flag.MISSING_BANDS)
    scores = foreign_scores(answer, truth)
    assert scores["wrong"] == pytest.approx(5 / 16)
    assert scores["flagged_wrong"] == pytest.approx(2 / 5)
    assert scores["flagged_right"] == pytest.approx(1 / 11)
    assert scores["lw_log_age_coverage68"] == pytest.approx(11 / 16)
    assert scores["lw_log_age_bias"] == 0.0 and scores["mw_log_age_coverage68"] == 1.0
    # two sigma off is not wrong
    truth["mw_log_age"] += 0.2
    assert foreign_scores(answer, truth)["wrong"] == pytest.approx(5 / 16)
    assert foreign_scores(answer, truth)["mw_log_age_bias"] == pytest.approx(-0.2)


def real_file(path, **changes):
    wave = np.arange(4700.0, 9400.0, 1.25)
    attributes = {"redshift": 0.01, "grade": "B", "age_lo_gyr": 8.0, "age_hi_gyr": 13.0} | changes
    with h5py.File(path, "w") as file:
        group = file.create_group("old one")
        for name, values in {
            "wave_air": wave,
            "flux": wave**0,
            "err": 0.02 * wave**0,
            "fwhm_aa": 2.6 * wave**0,
        }.items():
            group[name] = values
        group["fwhm_aa"][:10] = np.nan
        group.attrs.update({name: value for name, value in attributes.items() if value is not None})
    return read_real(path)["old one"]


class Answering:
    """A model that always says the same, with a 68 % interval of 0.1 dex either way."""

    def __init__(self, lw_log_age, flags=0):
        self.said, self.flags, self.asked = lw_log_age, flags, {}

    def infer(self, wave, flux, err, **options):
        self.asked = {"wave": wave, "flux": flux, **options}
        values = {"lw_log_age": self.said, "mw_log_age": 10.0, "lw_mh": 0.0, "mw_mh": 0.0}
        return SimpleNamespace(
            usable=np.array([True]),
            flags=np.array([self.flags], dtype=np.uint32),
            chi2=np.array([1.1]),
            ood_score=np.array([np.nan]),
            measured={
                name: np.array([0.5]) for name in ("chi2_stars", "without_lines", "by_halves", "stability")
            },
            scalars={"a_v": np.array([0.1])} | {name: np.array([value]) for name, value in values.items()},
            interval=lambda name, level: (np.array([values[name] - 0.1]), np.array([values[name] + 0.1])),
        )


def test_a_real_spectrum_is_accepted_where_its_interval_meets_what_is_known(tmp_path):
    spectrum = real_file(tmp_path / "a.h5")
    assert spectrum.fwhm_aa == pytest.approx(2.6)
    for said, accepted in ((9.95, True), (9.81, True), (9.7, False), (10.3, False)):
        row = answer_real(Answering(said), spectrum)
        assert row["age_accepted"] is accepted and row["mh_accepted"] is None
        assert row["signs"]["width"] == pytest.approx(0.2) and row["signs"]["ood_score"] is None
    row = answer_real(Answering(9.5, int(Flag.OUT_OF_DISTRIBUTION)), spectrum)
    assert row["flagged"] and row["flags"][0].startswith("OUT_OF_DISTRIBUTION")


def test_milky_way_is_taken_off_and_clusters_are_cold(tmp_path):
    model = Answering(10.0)
    answer_real(model, real_file(tmp_path / "a.h5", av_foreground=0.5, grade="A"))
    assert model.asked["dispersion_kms"] == 10.0
    # more of the blue light is given back
    assert model.asked["flux"][0] / model.asked["flux"][-1] > 1.2
    answer_real(model, real_file(tmp_path / "b.h5", dispersion_kms=230.0))
    assert model.asked["dispersion_kms"] == 230.0 and np.all(model.asked["flux"] == 1.0)


def test_what_a_file_lacks_is_named(tmp_path):
    with pytest.raises(ValueError, match="old one has no attribute redshift"):
        real_file(tmp_path / "a.h5", redshift=None)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_group("bare").attrs["redshift"] = 0.0
    with pytest.raises(ValueError, match="bare has no dataset wave_air"):
        read_real(tmp_path / "b.h5")


def test_the_table_shows_every_row(galaxy):
    scores = foreign_scores(*galaxy)
    result = {
        "snr": 50.0,
        "mocks": {"bagpipes": {"all": scores, "weak_lines": scores}},
        "ppxf": {"bagpipes": {"pPXF": {"n": 16, "cum_mae": 0.1}}},
        "real": {
            "x": {
                "grade": "A",
                "age_lo_gyr": 1,
                "age_hi_gyr": 2,
                "mh_lo": None,
                "mh_hi": None,
                "refused": "too short",
            }
        },
    }
    lines = markdown(result)
    rows = [line for line in lines if line.startswith("| bagpipes")]
    assert [row.split(" | ")[0] for row in rows] == [
        "| bagpipes",
        "| bagpipes, EW(Halpha) < 20 AA",
        "| bagpipes: pPXF",
    ]
    assert len({row.count("|") for row in rows}) == 1
    assert any("refused: too short" in line for line in lines)


def test_nothing_to_measure_is_an_error():
    with pytest.raises(ValueError, match="no foreign mocks and no real spectra given"):
        measure_foreign(None, {}, None, noise=None, seed=1)


@pytest.fixture(scope="module")
def measured(model_dir, shard_paths, tmp_path_factory):
    """A small model on mocks that are called foreign, and one real spectrum."""
    folder = tmp_path_factory.mktemp("foreign")
    for name in ("bagpipes", "own"):
        (folder / f"{name}.h5").write_bytes(shard_paths[-1].read_bytes())
    mocks = read_foreign([folder / "bagpipes.h5", folder / "own.h5"])
    config = ValidationConfig(galaxies=60)
    real = {"old one": real_file(folder / "real.h5")}
    result = measure_foreign(load(model_dir), mocks, config, noise=BENCHMARK_NOISE, seed=1, real=real)
    return result, mocks, config


def test_every_kind_that_has_mocks_is_measured(measured):
    result, mocks, _ = measured
    wanted = [name for name, kind in BENCHMARK_KINDS.items() if kind.foreign and kind.mocks in mocks]
    # This grid ends where that one begins to hide: it would be `bagpipes` again.
    wanted.remove("bagpipes_blue")
    assert list(result["mocks"]) == wanted and "bagpipes_tilted" in wanted
    assert all(case["all"]["n"] + case["unusable"] == 60 for case in result["mocks"].values())
    # the same galaxies and noise under two names; hiding and tilting change what is answered
    errors = {name: case["all"]["cum_mae"] for name, case in result["mocks"].items()}
    assert errors["bagpipes"] == errors["own"]
    assert len({errors[name] for name in wanted}) == len(wanted) - 1
    assert len(markdown(result)) > len(wanted) and "real" in result and result["real_summary"]["n"] == 1


def test_hidden_stretches_are_hidden(measured):
    _, mocks, config = measured
    for case in benchmark_cases(mocks, config, BENCHMARK_NOISE, seed=1):
        seen = case.batch.mask.any(dim=0).numpy()
        wave = mocks["bagpipes"].wave_aa
        if case.kind == "bagpipes_blue":
            assert seen[wave < 7350].all() and not seen[wave > 7350].any()
        if case.kind == "bagpipes_no_lines":
            assert not seen[np.abs(wave - 6562.8) < 10].any() and seen[np.abs(wave - 5400) < 90].all()
        if case.kind == "bagpipes":
            assert seen.all() and not case.batch.band_mask.any()


def test_files_that_are_no_foreign_mocks_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\['spiky.h5'\] are no foreign mocks; there are bagpipes, own"):
        read_foreign([tmp_path / "spiky.h5"])


def test_ppxf_stands_in_the_same_table(measured, tmp_path):
    _, mocks, config = measured
    root = Config().model_copy(update={"validation": config})
    case = find_case("bagpipes_snr050_nobands", mocks, config, noise=BENCHMARK_NOISE, seed=1)
    rows, truth = np.arange(20), case.benchmark.truth
    answers = PpxfAnswers(
        row=rows,
        mass_fraction=truth["mass_fraction"][rows],
        mh=truth["mh"][rows],
        scalars={name: truth[name][rows] + 0.1 for name in SCALARS},
        of_fit={
            name: np.ones(20)
            for name in ("regul", "rise", "chi2", "velocity_kms", "sigma_kms", "cpu_s", "wall_s")
        },
    )
    for file, digest in (("0.h5", case.benchmark.sha256), ("1.h5", "other")):
        with create_h5(tmp_path / file, "sfhnet.ppxf", 1) as out:
            out.attrs["case"], out.attrs["benchmark_sha256"] = case.name, digest
            for scheme in ("best", "recommended"):
                _put(out.create_group(scheme), answers)
    row = ppxf_rows([tmp_path / "0.h5"], mocks, root)["bagpipes"]["pPXF, best"]
    assert row["n"] == 20 and row["cum_mae"] == pytest.approx(0, abs=1e-6)
    assert row["lw_log_age_bias"] == pytest.approx(0.1, abs=1e-5)
    with pytest.raises(ValueError, match="was fitted to other spectra of bagpipes_snr050_nobands; fit again"):
        ppxf_rows([tmp_path / "1.h5"], mocks, root)
