"""Laws that hold for every input, tried on many: shares sum to one, quantiles rise, times are in order, maps invert."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ingredients import AGE_EDGES_MYR
from sfhnet.core.histories import formation_age_yr, history_scalars, share_formed
from sfhnet.core.quantities import DUST_AND_LINES
from sfhnet.inference.conformal import INTERVALS, _rescale, _with_marginals, conformal_factor
from sfhnet.networks.flow import Flow
from sfhnet.networks.history_code import HistoryCode
from sfhnet.observation.wavelengths_and_units import parse_flux_unit, vacuum_to_air
from small_networks import SMALL, small_model

EDGES_YR = 1e6 * AGE_EDGES_MYR
N_AGE = len(EDGES_YR) - 1
MASS = arrays(float, N_AGE, elements=st.floats(0.0, 1.0)).filter(lambda mass: mass.sum() > 0.01)
NUMBER = st.floats(-5.0, 5.0, width=32)


@given(mass=MASS, scale=st.floats(1e-6, 1e12))
def test_the_share_that_had_formed_falls_with_age_whatever_the_unit(mass, scale):
    formed = share_formed(mass)
    assert formed[0] == 1.0
    assert formed[-1] == 0.0
    assert np.all(np.diff(formed) <= 0)
    np.testing.assert_allclose(share_formed(mass * scale), formed, atol=1e-12)


@given(mass=MASS, percents=st.lists(st.floats(1.0, 99.0), min_size=2, max_size=6))
def test_formation_times_are_in_order(mass, percents):
    formed = share_formed(mass)
    ages = [float(formation_age_yr(formed, EDGES_YR, percent)) for percent in sorted(percents)]
    assert np.all(np.diff(ages) <= 0)  # more had formed later: nearer to today
    assert 0 <= ages[-1] <= ages[0] <= EDGES_YR[-1]


@given(mass=MASS, percent=st.floats(1.0, 99.0))
def test_by_the_time_of_a_share_that_share_had_formed(mass, percent):
    formed = share_formed(mass)
    age = float(formation_age_yr(formed, EDGES_YR, percent))
    assert np.interp(age, EDGES_YR, formed) == pytest.approx(percent / 100, abs=1e-6)


@given(mass=MASS)
def test_times_of_a_history_agree_in_numpy_and_torch(mass):
    mass = mass / mass.sum()
    arrays_, tensors = (history_scalars(kind(mass[None]), EDGES_YR) for kind in (np.asarray, torch.tensor))
    for name, value in arrays_.items():
        np.testing.assert_allclose(tensors[name].numpy(), value, rtol=1e-9, err_msg=name)


def code(n_mh=N_AGE):
    return HistoryCode(list(AGE_EDGES_MYR), n_mh)


@given(vectors=arrays(np.float32, (3, code().width), elements=NUMBER))
def test_any_vector_decodes_to_a_history(vectors):
    decoded = code().decode(torch.from_numpy(vectors))
    assert torch.all(decoded["mass_fraction"] >= 0)
    assert torch.allclose(decoded["mass_fraction"].sum(-1), torch.ones(3), atol=1e-5)


@given(mass=MASS, mh=arrays(np.float32, N_AGE, elements=st.floats(-2.0, 0.5, width=32)), number=NUMBER)
def test_decoding_inverts_encoding_of_any_history(mass, mh, number):
    network_code = code()
    labels = {"mass_fraction": torch.tensor(mass / mass.sum())[None], "mh": torch.tensor(mh)[None]}
    labels |= {name: torch.tensor([number]) for name in network_code.names}
    decoded = network_code.decode(network_code.encode(labels, noisy=False))
    assert torch.allclose(decoded["mass_fraction"], labels["mass_fraction"].float(), atol=1e-5)
    assert torch.allclose(decoded["mh"], labels["mh"], atol=1e-5)
    for name in (*DUST_AND_LINES, "a_v"):
        assert torch.allclose(decoded[name], labels[name], atol=1e-5), name


@settings(max_examples=5)  # each builds the graph of a network
@given(
    normal=arrays(
        np.float32, (1, 4, code(SMALL["flow"]["n_mh"]).width), elements=st.floats(-3.0, 3.0, width=32)
    )
)
def test_the_flow_gives_back_the_deviates_that_a_draw_was_made_of(flow, normal):
    posterior = flow.posterior
    latent = torch.full((1, posterior.location.in_features), 0.3)
    with torch.no_grad():
        drawn = posterior.draw(latent, torch.from_numpy(normal))[0]
        centre, log_width = posterior.location(latent).chunk(2, dim=1)
        found, context = ((drawn - centre) * torch.exp(-log_width)).T, posterior.context(latent)
        for layer in posterior.flow.layers:
            found, _ = layer(context, found)
    np.testing.assert_allclose(found.T.numpy(), normal[0], atol=2e-4)


@pytest.fixture(scope="module")
def flow():
    from sfhnet.training.setup import make_spec

    torch.manual_seed(3)
    network = Flow(make_spec(small_model("flow"), 400, ("F555W",), age_edges_myr=AGE_EDGES_MYR))
    # A flow starts as the identity, which any draw would invert.
    for layer in network.posterior.flow.layers:
        torch.nn.init.normal_(layer.last.weight, std=0.3)
        torch.nn.init.normal_(layer.last.bias, std=0.5)
    return network.eval()


@given(
    quantiles=arrays(float, (3, 9), elements=st.floats(-10, 10)),
    factor=arrays(float, (3, len(INTERVALS)), elements=st.floats(0.1, 5.0)),
    samples=arrays(float, (3, 20), elements=st.floats(-10, 10), unique=True),
)
def test_quantiles_rise_after_any_calibration(quantiles, factor, samples):
    rescaled = _rescale(np.sort(quantiles, axis=1), factor)
    assert np.all(np.diff(rescaled, axis=1) >= 0)
    carried = _with_marginals(samples, rescaled)
    order = np.argsort(samples, axis=1)
    assert np.all(np.diff(np.take_along_axis(carried, order, axis=1)) >= -1e-12)


@given(
    score=arrays(float, 30, elements=st.floats(0.0, 10.0)),
    coverages=st.lists(st.floats(0.05, 0.95), min_size=2, max_size=2),
    stretch=st.floats(1.0, 3.0),
)
def test_more_coverage_and_larger_scores_ask_for_wider_intervals(score, coverages, stretch):
    low, high = (conformal_factor(score, coverage) for coverage in sorted(coverages))
    assert low <= high
    assert conformal_factor(score * stretch, coverages[0]) >= conformal_factor(score, coverages[0])
    assert np.mean(score <= high) >= max(coverages)
    weighted = conformal_factor(score, coverages[0], np.ones(30))
    assert np.mean(score <= weighted) >= coverages[0]


@given(wave_aa=arrays(float, 5, elements=st.floats(2500.0, 20_000.0)))
def test_air_wavelengths_are_in_order_and_lead_back(wave_aa):
    vacuum = np.sort(wave_aa)
    air = vacuum_to_air(vacuum)
    assert np.all(np.diff(air) >= 0)
    assert np.all((vacuum / air > 1.0002) & (vacuum / air < 1.0004))
    back = air * vacuum / vacuum_to_air(vacuum)
    for _ in range(3):  # as one inverts it: the index hardly changes over the shift
        back = air * back / vacuum_to_air(back)
    np.testing.assert_allclose(back, vacuum, rtol=1e-10)


@given(power=st.integers(-22, 0), number=st.floats(0.1, 9.9))
def test_units_of_flux_mean_the_same_however_they_are_written(power, number):
    assert parse_flux_unit(f"10**({power})*erg/s/cm**2/Angstrom", "a") == pytest.approx(10.0**power)
    text = f"{number:.3f}E{power} erg/cm^2/s/Ang"
    assert parse_flux_unit(text, "a") == pytest.approx(float(f"{number:.3f}e{power}"))
