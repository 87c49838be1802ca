"""The lean flow: inverse, Jacobian and density are exact, and it is zuko's flow to the last weight."""

import pytest
import torch
from safetensors.torch import load, save
from zuko.flows import NICE
from zuko.transforms import MonotonicAffineTransform, MonotonicRQSTransform

from host_sync import NoHostSync
from sfhnet.networks.lean_flow import LeanFlow, lean_tensors


def flow_of(n, bins=4, n_hidden=2, seed=0):
    """A flow that bends: last layers are random."""
    torch.manual_seed(seed)
    flow = LeanFlow(n, 3, n_transform=3, width=16, n_hidden=n_hidden, bins=bins)
    for layer in flow.layers:
        torch.nn.init.normal_(layer.last.weight, std=0.3)
        torch.nn.init.normal_(layer.last.bias, std=0.3)
    return flow


def nice(univariate, shapes, n=8):
    torch.manual_seed(4)
    return NICE(
        n, 3, transforms=3, randmask=True, univariate=univariate, shapes=shapes, hidden_features=(16, 16)
    )


@pytest.mark.parametrize("bins", [2, 4, 7])
@pytest.mark.parametrize("n_hidden", [1, 2])
def test_the_inverse_inverts(bins, n_hidden):
    flow = flow_of(6, bins, n_hidden).double()
    context = torch.randn(5, 3, dtype=torch.float64)
    normal = 2.5 * torch.randn(5, 40, 6, dtype=torch.float64)  # some beyond the splines
    with torch.no_grad():
        drawn = flow.draw(context, normal)
        back = drawn.flatten(0, 1).T.contiguous()
        for layer in flow.layers:
            back, _ = layer(context, back)
    assert torch.allclose(back.T.unflatten(0, (5, 40)), normal, atol=1e-9)
    assert (drawn - normal).abs().max() > 0.5


def test_the_density_is_that_of_autograd():
    flow = flow_of(5).double()
    context = torch.randn(4, 3, dtype=torch.float64)
    normal = torch.randn(4, 5, dtype=torch.float64)
    flow.requires_grad_(False)
    drawn = flow.draw(context, normal[:, None])[:, 0]
    for row in range(4):
        jacobian = torch.autograd.functional.jacobian(
            lambda z, row=row: flow.draw(context[row : row + 1], z[None, None])[0, 0], normal[row]
        )
        by_hand = torch.distributions.Normal(0.0, 1.0).log_prob(normal[row]).sum()
        by_hand = by_hand - torch.linalg.slogdet(jacobian)[1]
        found = flow.log_prob(context[row : row + 1], drawn[row : row + 1])
        assert float(found) == pytest.approx(float(by_hand), abs=1e-8)


@pytest.mark.parametrize("n", [1, 2])
def test_the_density_integrates_to_one(n):
    flow = flow_of(n)
    axis = torch.linspace(-9, 9, 18001 if n == 1 else 901)
    grid = torch.cartesian_prod(*[axis] * n).view(-1, n)
    with torch.no_grad():
        for context in torch.randn(2, 3):
            density = flow.log_prob(context.expand(len(grid), -1), grid).exp()
            assert float(density.sum()) * float(axis[1] - axis[0]) ** n == pytest.approx(1.0, abs=2e-3)


def test_it_is_zukos_flow():
    theirs = nice(MonotonicRQSTransform, [(4,), (4,), (3,)])
    flow = LeanFlow(8, 3, n_transform=3, width=16, n_hidden=2)
    flow.load_state_dict(lean_tensors(theirs.state_dict()))
    context, vectors, normal = torch.randn(9, 3), 2 * torch.randn(9, 8), 2 * torch.randn(9, 11, 8)
    with torch.no_grad():
        assert torch.allclose(flow.log_prob(context, vectors), theirs(context).log_prob(vectors), atol=1e-4)
        spread = context[:, None].expand(-1, 11, -1)
        expected = theirs(spread.reshape(-1, 3)).transform.inv(normal.reshape(-1, 8)).view(9, 11, 8)
        assert torch.allclose(flow.draw(context, normal), expected, atol=1e-4)


def test_another_flow_is_refused():
    with pytest.raises(ValueError, match="spline"):
        lean_tensors(nice(MonotonicAffineTransform, [(), ()]).state_dict())


def test_training_starts_at_the_identity_and_learns():
    torch.manual_seed(3)
    flow = LeanFlow(2, 3, n_transform=2, width=32)
    context = torch.randn(512, 3)
    vectors = torch.stack([context[:, 0] + 0.2 * torch.randn(512), torch.randn(512)], 1)
    vectors[:, 1] = 0.3 * vectors[:, 1] + vectors[:, 0] ** 2 / 2
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(vectors).sum(1)
    assert torch.allclose(flow.log_prob(context, vectors), normal, atol=1e-4)
    optimizer = torch.optim.AdamW(flow.parameters(), lr=5e-3)
    for _ in range(150):
        optimizer.zero_grad()
        loss = -flow.log_prob(context, vectors).mean()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < float(-normal.mean()) - 1.5


def test_samples_depend_on_their_own_deviates_only():
    flow = flow_of(6)
    context, normal = torch.randn(300, 3), torch.randn(300, 7, 6)  # more than go through at once
    with torch.no_grad():
        drawn = flow.draw(context, normal)
        alone = flow.draw(context[200:201], normal[200:201])
    assert torch.allclose(drawn[200:201], alone, atol=1e-5)


def test_the_flow_survives_saving():
    flow, other = flow_of(6), flow_of(6, seed=1)
    other.load_state_dict(load(save(flow.state_dict())))
    context, normal = torch.randn(4, 3), torch.randn(4, 5, 6)
    with torch.no_grad():
        assert torch.equal(flow.draw(context, normal), other.draw(context, normal))


def test_nothing_waits_for_the_device():
    flow = flow_of(6)
    context, normal = torch.randn(4, 3), torch.randn(4, 5, 6)
    with NoHostSync():
        flow.log_prob(context, normal[:, 0])
        flow.draw(context, normal)
