"""A network's draws under the exact likelihood: right ones keep their weight, wrong ones are told."""

import dataclasses
import re

import numpy as np
import pytest
import torch

from ingredients import WAVE_AA, gas_lines, top_hats
from pyprospect.fit.fitting import ConvergenceWarning
from sfhnet.core.batch import Batch
from sfhnet.core.posterior import point_posterior
from sfhnet.core.quantities import SCALARS
from sfhnet.predictive_check.exact_posterior import exact_fit, network_draws, weigh_posterior

EDGES_MYR = np.array([0.0, 100.0, 1000.0, 4000.0, 14000.0])
GRID_AA = WAVE_AA[::4]
TRUTH = {
    "mass_fraction": [0.05, 0.15, 0.3, 0.5],
    "mh": [-0.1, -0.2, -0.3, -0.5],
    "tau_birth": 0.8,
    "tau_screen": 0.4,
    "pow_birth": -0.8,
    "pow_screen": -0.8,
    "Eb": 0.5,
    "_log_u_offset": 0.0,
    "log_line_scale": 0.0,
    "log_mass": 0.0,
}


def batch_of(flux, band, rng, snr=15.0):
    sigma = flux / snr
    return Batch.from_arrays(
        GRID_AA,
        flux + sigma * rng.standard_normal(flux.shape),
        sigma,
        mask=rng.random(flux.shape) > 0.02,
        band_flux=band * (1 + 0.05 * rng.standard_normal(band.shape)),
        band_sigma=0.05 * band,
        band_mask=np.ones(band.shape, bool),
    )


@pytest.fixture(scope="module")
def galaxy(toy_ssp):
    """A set-up, a noisy galaxy, its exact fit, and draws of the normal about the mode as a network's answer."""
    rng = np.random.default_rng(4)
    set_up = {
        "wave_aa": GRID_AA,
        "library": toy_ssp,
        "bands": top_hats(),
        "lines": gas_lines(),
        "parameters": {"pow_birth": -0.8, "pow_screen": -0.8, "Eb": 0.5},
    }
    ones = np.ones((1, GRID_AA.size))
    blank = batch_of(ones, np.ones((1, 5)), rng)
    model = exact_fit(blank, 0, age_edges_myr=EDGES_MYR, **set_up).model
    p = model.parameters
    u = p.to_normal({name: np.array([TRUTH[name]]) for name in p.priors})
    with torch.no_grad():
        light = model.predict(p.values(u))
    batch = batch_of(light.spectrum.numpy(), light.bands.numpy(), rng)
    found = exact_fit(batch, 0, age_edges_myr=EDGES_MYR, **set_up)
    near = {name: np.array([TRUTH[name]]) for name in p.priors}
    found.map(n_start=3, starts=near)
    answer = found.sample("laplace", n_draw=800)
    values = p.values(torch.as_tensor(answer.u[0]))
    samples = {name: values[name].numpy()[None] for name in p.priors if name != "log_mass"}
    samples |= {name: np.full((1, 800), TRUTH[name]) for name in ("pow_birth", "pow_screen")}
    samples["bump"], samples["log_u_offset"] = np.full((1, 800), 0.5), samples.pop("_log_u_offset")
    scalars = {name: np.zeros(1) for name in SCALARS}
    point = point_posterior(
        EDGES_MYR, samples["mass_fraction"].mean(1), samples["mh"].mean(1), scalars=scalars
    )
    return set_up, batch, found, dataclasses.replace(point, samples=samples)


def test_mode_is_near_the_truth(galaxy):
    _, _, found, _ = galaxy
    rows = {row.name: row for row in found.answers["laplace"].rows()}
    for name in ("tau_screen", "tau_birth"):
        assert abs(rows[name].mean - TRUTH[name]) < 4 * rows[name].sigma, name


def test_draws_that_are_right_keep_their_weight(galaxy):
    set_up, batch, found, posterior = galaxy
    draws = network_draws(posterior, 0, found)
    assert set(draws) == set(found.model.parameters.priors)
    weighed = weigh_posterior(posterior, batch, 0, **set_up)
    assert weighed.effective_size > 10 and np.isfinite(weighed.log_evidence)
    assert abs(weighed.log_evidence - found.log_evidence["laplace"]) < 5
    np.testing.assert_allclose(weighed.answer.weights.sum(), 1.0)


def test_draws_of_somewhere_else_collapse(galaxy):
    set_up, batch, _, posterior = galaxy
    off = posterior.samples | {"mh": np.clip(posterior.samples["mh"] - 0.8, -1.6, 0.3)}
    with pytest.warns(ConvergenceWarning, match="the weights collapse"):
        weighed = weigh_posterior(dataclasses.replace(posterior, samples=off), batch, 0, **set_up)
    assert weighed.collapsed and weighed.effective_size < 10


def test_answers_without_joint_draws_are_refused(galaxy):
    set_up, batch, _, posterior = galaxy
    with pytest.raises(ValueError, match="lacks samples of mass_fraction, mh, tau_birth"):
        weigh_posterior(dataclasses.replace(posterior, samples={}), batch, 0, **set_up)


def test_code_of_the_page_runs(root):
    code = re.findall(
        r"^```python\n(.*?)^```", (root / "docs" / "how-sure.md").read_text(), flags=re.M | re.S
    )
    names = {}
    exec(compile("".join(code), "how-sure.md", "exec"), names)
    assert names["found"].model.parameters.labels[:2] == ("log_mass", "mass_fraction[0]")
