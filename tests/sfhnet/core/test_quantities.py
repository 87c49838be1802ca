"""The table of quantities: names in stored products stay, and a history gives its scalars by one formula for all."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from sfhnet.core.histories import (
    formation_age_quantiles,
    formation_age_yr,
    history_scalars,
    mean_rate_per_yr,
    scalar_from_label,
    share_formed,
    weighted_means,
)
from sfhnet.core.quantities import (
    DUST,
    DUST_AND_LINES,
    LABELS,
    LEARNED,
    LEVELS,
    MAPPED,
    OF_BINS,
    QUANTITIES,
    SCALARS,
    SFR_FLOOR_PER_YR,
)
from sfhnet.tools.hdf5 import read_json

EDGES_YR = np.array([0.0, 1e7, 1e8, 1e9, 1e10])


def test_the_shipped_network_answers_the_scalars_of_the_table_in_their_order(root):
    shipped = read_json(root / "data/models/flow/model.json")
    assert shipped["scalars"] == list(SCALARS)


def test_a_network_of_other_scalars_is_refused(root, tmp_path):
    from sfhnet.networks.storage import load_network

    shipped = read_json(root / "data/models/flow/model.json")
    shipped["scalars"].remove("t25")
    (tmp_path / "model.json").write_text(json.dumps(shipped))
    with pytest.raises(ValueError, match=r"this code asks for .* t25"):
        load_network(tmp_path)


def test_every_quantity_has_its_own_name_and_says_what_it_is():
    for table in (QUANTITIES, OF_BINS):
        for name, quantity in table.items():
            assert quantity.name == name
            assert quantity.meaning
    for name in (*MAPPED, *OF_BINS, *SCALARS):
        assert (OF_BINS.get(name) or QUANTITIES[name]).title, name
    assert OF_BINS["log_sfr10"].heading == "log SFR, 10 Myr [Msun/yr]"
    assert OF_BINS["t80"].described == "look-back time by which 80 % of the mass had formed [log10 yr]"


def test_scalars_come_from_labels_that_are_stored():
    missing = {scalar.source for scalar in SCALARS.values()} - set(LABELS)
    assert missing == {"log_ml"}  # of the spectrum, not of the galaxy
    assert set(LEARNED) == {"mass_fraction", "mh"} | {s.source for s in SCALARS.values()} - missing


def test_parameters_are_fitted_where_priors_may_draw_them():
    for name, parameter in DUST_AND_LINES.items():
        (low, high), (lowest, highest) = parameter.fitted, parameter.drawn
        assert lowest <= low < high <= highest, name
        assert 0 < parameter.step < 0.1 * (high - low), name


def test_the_synthesizer_takes_every_parameter_of_dust_under_its_name():
    from inspect import signature

    from pyprospect.fast.synthesizer import Synthesizer

    assert set(DUST) <= set(signature(Synthesizer.__call__).parameters)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_scalars_of_a_constant_rate(kind):
    mass = kind((np.diff(EDGES_YR) / EDGES_YR[-1])[None])
    found = history_scalars(mass, EDGES_YR)
    assert set(found) == {name for name, scalar in SCALARS.items() if scalar.from_history}
    for name, values in found.items():
        assert type(values) is type(mass)
        percent = SCALARS[name].percent
        expected = -10.0 if percent is None else np.log10(1e10 * (1 - percent / 100))
        assert float(values[0]) == pytest.approx(expected, abs=1e-12), name


def test_arrays_and_tensors_give_the_same(rng):
    mass = rng.dirichlet(np.full(4, 0.3), (5, 3))
    mh = rng.normal(size=mass.shape)
    arrays = history_scalars(mass, EDGES_YR) | weighted_means(mass, mh, EDGES_YR, by="mw")
    given = torch.from_numpy(mass), torch.from_numpy(mh)
    tensors = history_scalars(given[0], EDGES_YR) | weighted_means(*given, EDGES_YR, by="mw")
    assert arrays.keys() == tensors.keys()
    for name, values in arrays.items():
        assert values.shape == (5, 3)
        np.testing.assert_allclose(values, tensors[name].numpy(), rtol=1e-13, err_msg=name)


def test_a_new_formation_time_is_one_line_of_the_table(rng):
    t63 = replace(QUANTITIES["t80"], name="t63", percent=63)
    mass = rng.dirichlet(np.full(4, 2.0), 6)
    found = history_scalars(mass, EDGES_YR, [t63])
    assert list(found) == ["t63"]
    younger = np.concatenate([np.zeros((6, 1)), mass.cumsum(axis=1)], axis=1)
    by_hand = [np.log10(np.interp(0.37, one, EDGES_YR)) for one in younger]
    np.testing.assert_allclose(found["t63"], by_hand, rtol=1e-12)


def test_a_quantity_becomes_a_scalar_of_heads_histories_metrics_and_posterior(monkeypatch):
    from sfhnet.networks.heads import Head, scalar_labels
    from sfhnet.networks.history_code import HistoryCode
    from sfhnet.validation.metrics import truth_from_labels

    monkeypatch.setitem(SCALARS, "t80", replace(QUANTITIES["t80"], scalar=True))
    labels = {name: torch.full((3,), 9.0) for name in (*LEARNED, "t80", "log_ml")}
    assert scalar_labels(labels).shape == (3, len(SCALARS))
    assert set(SCALARS) < set(truth_from_labels(labels))
    edges_myr = list(1e-6 * EDGES_YR)
    weights = dict.fromkeys(("cum", "mh", "cum_q", "mass_fraction_q", "mh_q", "scalars"), 1.0)
    assert Head(8, edges_myr, weights)(torch.zeros(2, 8))["scalars_z"].shape == (2, 9, len(SCALARS))
    code = HistoryCode(edges_myr, n_mh=2)
    decoded = code.decode(torch.zeros(5, code.width))
    assert set(SCALARS) <= set(decoded)
    assert (decoded["t75"] > decoded["t80"]).all()
    assert (decoded["t80"] > decoded["t90"]).all()


def test_age_is_the_older_one_where_nothing_formed():
    mass = np.array([0.5, 0.0, 0.0, 0.5])
    assert formation_age_yr(share_formed(mass), EDGES_YR, 50) == pytest.approx(1e9)
    assert mean_rate_per_yr(mass, EDGES_YR, 1e8) == pytest.approx(0.5e-8)
    nothing_young = history_scalars(np.array([0.0, 0.0, 0.0, 1.0]), EDGES_YR)
    assert nothing_young["log_sfr10"] == pytest.approx(np.log10(SFR_FLOOR_PER_YR))


def test_rates_become_logarithms_with_a_floor():
    rate = np.array([0.0, 1e-9])
    found = scalar_from_label(SCALARS["log_sfr10"], rate)
    assert found.tolist() == pytest.approx([-13.0, -9.0])
    assert scalar_from_label(SCALARS["a_v"], rate) is rate


def test_quantiles_of_a_time_are_those_of_the_history_read_the_other_way(rng):
    # exact at the edges of bins, so with narrow ones
    edges_yr = np.linspace(0.0, 1e10, 101)
    draws = rng.dirichlet(np.full(100, 0.2), 4001)
    curves = np.quantile(draws.cumsum(axis=1), LEVELS, axis=0)[None]
    found = formation_age_quantiles(curves, edges_yr, 80)
    ages = np.array([np.interp(0.2, np.r_[0.0, one.cumsum()], edges_yr) for one in draws])
    np.testing.assert_allclose(found[0], np.quantile(ages, LEVELS), atol=0.5e8)
    curves[0, 2] = np.nan
    unknown = np.isnan(formation_age_quantiles(curves, edges_yr, 80)[0])
    assert unknown.tolist() == [k == 6 for k in range(len(LEVELS))]


def test_arrays_need_no_torch():
    program = (
        "import sys, numpy as np; sys.modules['torch'] = None; from sfhnet.core.histories import history_scalars; "
        "import sfhnet.config; print(history_scalars(np.ones(2) / 2, np.array([0.0, 1e9, 2e9]))['t50'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(9.0)
