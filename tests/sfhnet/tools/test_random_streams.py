"""Streams of random numbers: registered, used once, and all different."""

import ast
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
import torch

from sfhnet.tools.random_streams import STREAMS, seed_torch, stream, stream_seed, torch_stream

MAKERS = {"default_rng", "SeedSequence", "manual_seed", "RandomState"}


def modules(root):
    files = [*(root / "src" / "sfhnet").rglob("*.py"), *(root / "speed").glob("*.py")]
    return [path for path in sorted(files) if path.name != "stream_names.py"]


def test_streams_of_one_seed_differ():
    keys = [
        (name, 1, *numbers) for name in STREAMS for numbers in ((), (0,), (0, 0), (1,), (0, 1), (2**32 - 1,))
    ]
    keys += [(name, 2) for name in STREAMS]
    first = {key: tuple(stream(*key).integers(2**63, size=4)) for key in keys}
    assert all(not set(first[a]) & set(first[b]) for a, b in combinations(keys, 2))
    drawn = {key: torch.rand(4, generator=torch_stream(*key), dtype=torch.float64).numpy() for key in keys}
    assert len({values.tobytes() for values in drawn.values()}) == len(keys)


def test_a_stream_is_the_same_each_time():
    assert np.array_equal(
        stream("train.order", 3, 5).random(9), stream("train.order", 3, np.int64(5)).random(9)
    )
    one, two = (torch.rand(9, generator=torch_stream("train.noise", 3, 5)) for _ in range(2))
    assert torch.equal(one, two)
    with torch.random.fork_rng(devices=[]):
        seed_torch("train.noise", 3, 5)
        assert torch.equal(torch.rand(9), one)
    # Frozen: results made before stay what their seeds say.
    assert stream_seed("train.order", 1, 0) == 5_716_777_104_402_933_201


@pytest.mark.parametrize("draw", [stream, stream_seed, torch_stream, seed_torch])
def test_a_name_that_is_not_registered_is_an_error(draw):
    with pytest.raises(ValueError, match=r"no random stream 'train\.ordre'; add it, with what it draws"):
        draw("train.ordre", 1)


@pytest.mark.parametrize("key", [(-1,), (2**128,), (1, -1), (1, 2**32)])
def test_a_number_out_of_range_is_an_error(key):
    # A larger number would take two words, and share a stream with two smaller ones.
    with pytest.raises(ValueError, match="must be whole, not negative, and below"):
        stream("train.order", *key)


def test_each_stream_is_asked_for_in_one_place(root):
    found = Counter(
        node.value
        for path in modules(root)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in STREAMS
    )
    assert found == dict.fromkeys(STREAMS, 1), "a name used twice is a shared stream, one not used is dead"


def test_random_numbers_come_from_streams_only(root):
    """No generator is made elsewhere, where its key could be that of another use."""
    made = [
        f"{path.name}:{node.lineno}"
        for path in modules(root)
        if path.name != "random_streams.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute | ast.Name)
        and (node.attr if isinstance(node, ast.Attribute) else node.id) in MAKERS
    ]
    assert made == []
