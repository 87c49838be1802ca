"""Muon: orthogonal updates, one schedule for all groups, resuming to the bit, and faster than AdamW where it should be."""

import copy

import pytest
import torch
from torch import nn

from host_sync import NoHostSync
from sfhnet.networks.baselines import Residual
from sfhnet.training.muon import Muon, hidden_matrices, optimizer_for, orthogonal


class Net(nn.Module):
    """A small residual network."""

    def __init__(self, width=32, depth=2):
        super().__init__()
        self.first = nn.Linear(8, width)
        self.blocks = nn.ModuleList(Residual(width, 2 * width) for _ in range(depth))
        self.last = nn.Linear(width, 4)

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.last(x)

    def hidden_matrices(self):
        return [w for block in self.blocks for w in (block.expand.weight, block.shrink.weight)]


def net(seed=0):
    torch.manual_seed(seed)
    return Net()


def problem(n=1024):
    """Inputs and outputs that bend in several directions of the inputs."""
    x = torch.randn(n, 8, generator=torch.Generator().manual_seed(7))
    y = [
        torch.sin(3 * x[:, 0] + x[:, 1]),
        torch.cos(2 * x[:, 2] * x[:, 3]),
        torch.tanh(x[:, 4] * x[:, 5]) * x[:, 6].sign(),
        torch.sin(2 * x.sum(1)),
    ]
    return x, torch.stack(y, 1)


def train(network, optimizer, steps, start=0, fade=False):
    """Train some steps and return the loss."""
    x, y = problem()
    peak = [group["lr"] for group in optimizer.param_groups]
    for step in range(start, start + steps):
        for group, lr in zip(optimizer.param_groups, peak, strict=True):
            group["lr"] = lr * (1 - step / steps) if fade else lr
        rows = slice(128 * (step % 8), 128 * (step % 8) + 128)
        optimizer.zero_grad()
        ((network(x[rows]) - y[rows]) ** 2).mean().backward()
        optimizer.step()
    with torch.no_grad():
        return float(((network(x) - y) ** 2).mean())


def test_updates_are_orthogonal():
    torch.manual_seed(1)
    shapes = [(16, 48), (48, 16), (32, 32), (16, 48)]
    given = [torch.randn(shape) for shape in shapes]
    found = orthogonal(given)
    for before, after in zip(given, found, strict=True):
        assert after.shape == before.shape
        u, s, v = torch.linalg.svd(before, full_matrices=False)
        near = u.T @ after @ v.T
        assert torch.linalg.svdvals(after)[0] < 1.3
        # Directions that stand out of float32 and the fifth iteration keep their singular vectors.
        assert (near - torch.diag(near.diagonal())).abs().max() < 1e-3
        assert near.diagonal()[s > 0.1 * s[0]].min() > 0.6


def test_scale_of_the_gradient_does_not_matter_and_zero_stays_zero():
    torch.manual_seed(2)
    matrix = torch.randn(8, 24)
    small, large, zero = orthogonal([1e-3 * matrix, 1e3 * matrix, 0 * matrix])
    assert torch.allclose(small, large, atol=1e-3)
    assert (zero == 0).all()


def test_only_the_named_matrices_are_orthogonalised():
    network = net()
    optimizer = optimizer_for(network, lr=1e-2, weight_decay=0.0)
    hidden = hidden_matrices(network)
    assert len(hidden) == 4
    before = copy.deepcopy(network)
    train(network, optimizer, 1)
    # Only four directions of the second matrix of a block reach the outputs; the rate is ratio * lr.
    change = (network.blocks[0].shrink.weight - before.blocks[0].shrink.weight).detach() / (10 * 1e-2)
    values = torch.linalg.svdvals(change)
    assert 0.6 < values[2] <= values[0] < 1.3
    assert values[4] < 1e-2
    # AdamW's first step has the size of the rate everywhere.
    change = (network.first.weight - before.first.weight).detach().abs().max()
    assert float(change) == pytest.approx(1e-2, rel=1e-3)
    assert {"momentum"} == set(optimizer.state[hidden[0]])
    assert {"step", "exp_avg", "exp_avg_sq"} == set(optimizer.state[network.last.bias])


def test_without_hidden_matrices_it_is_adamw():
    first, second = nn.Linear(8, 4), nn.Linear(8, 4)
    second.load_state_dict(first.state_dict())
    mine = optimizer_for(first, lr=3e-3, weight_decay=0.1)
    groups = [{"params": [second.weight]}, {"params": [second.bias], "weight_decay": 0.0}]
    theirs = torch.optim.AdamW(groups, lr=3e-3, weight_decay=0.1, betas=(0.9, 0.99), fused=True)
    assert train(first, mine, 20) == train(second, theirs, 20)
    assert torch.equal(first.weight, second.weight)


def test_weight_decay_is_decoupled_and_spares_vectors():
    network = net()
    with torch.no_grad():
        network.last.bias.fill_(1.0)
    before = copy.deepcopy(network)
    optimizer = optimizer_for(network, lr=1e-2, weight_decay=0.5)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    hidden, plain = network.blocks[1].expand.weight, network.first.weight
    assert torch.allclose(hidden, before.blocks[1].expand.weight * (1 - 0.1 * 0.5))
    assert torch.allclose(plain, before.first.weight * (1 - 1e-2 * 0.5))
    assert torch.equal(network.last.bias, before.last.bias)


def test_resuming_changes_no_bit():
    whole = net()
    train(whole, optimizer_for(whole, lr=5e-3, weight_decay=0.01), 12)
    half = net()
    optimizer = optimizer_for(half, lr=5e-3, weight_decay=0.01)
    train(half, optimizer, 5)
    weights, state = copy.deepcopy(half.state_dict()), copy.deepcopy(optimizer.state_dict())
    assert all(
        isinstance(value, torch.Tensor) for moments in state["state"].values() for value in moments.values()
    )
    again = net(seed=1)
    again.load_state_dict(weights)
    resumed = optimizer_for(again, lr=5e-3, weight_decay=0.01)
    resumed.load_state_dict(state)
    train(again, resumed, 7, start=5)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_a_parameter_without_gradient_stays():
    network = net()
    before = copy.deepcopy(network)
    optimizer = optimizer_for(network, lr=1e-2, weight_decay=0.1)
    network(torch.randn(4, 8)).mean().backward()
    network.blocks[0].expand.weight.grad = None
    network.first.bias.grad = None
    optimizer.step()
    assert torch.equal(network.blocks[0].expand.weight, before.blocks[0].expand.weight)
    assert torch.equal(network.first.bias, before.first.bias)
    assert not torch.equal(network.last.weight, before.last.weight)


def test_it_learns_faster_than_adamw_at_its_best_rate():
    network = net()
    loss = train(network, optimizer_for(network, lr=1e-2, weight_decay=0.0), 80, fade=True)
    others = []
    for lr in (3e-3, 1e-2, 3e-2):
        network = net()
        adamw = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=0.0, betas=(0.9, 0.99))
        others.append(train(network, adamw, 80, fade=True))
    assert loss < 0.7 * min(others)  # measured: 0.15 against 0.32


def test_nothing_waits_for_the_device():
    network = net()
    optimizer = optimizer_for(network, lr=1e-3, weight_decay=0.01)
    loss = network(torch.randn(4, 8)).mean()
    with NoHostSync():
        loss.backward()
        optimizer.step()


def test_vectors_are_no_hidden_matrices():
    with pytest.raises(ValueError, match="matrices"):
        Muon([torch.zeros(3)], [])
