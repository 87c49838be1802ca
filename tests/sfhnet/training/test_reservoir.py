"""The reservoir: each draw used as often as asked, in an order of which the step alone decides."""

from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest
import torch

from sfhnet.training.reservoir import Plan, Reservoir

PLAN = Plan(block=64, n_block=4, reuse=3.5, batch=28, seed=1)


def numbered(block):
    return {"x": torch.arange(64) + 1000 * block, "twice": 2.0 * (torch.arange(64) + 1000 * block)}


def taken(plan, n, step=0, **options):
    reservoir = Reservoir(numbered, plan, **options)
    return list(islice(reservoir.batches(step), n))


def test_draws_are_used_as_often_as_asked():
    n_generation = 20
    batches = taken(PLAN, n_generation * PLAN.steps)
    values, counts = torch.unique(torch.cat([batch["x"] for batch in batches]), return_counts=True)
    # The first blocks stand in for those that are not there yet, the last are not done.
    inner = counts[(values >= 3000) & (values < 1000 * (n_generation - 3))].float()
    assert inner.mean() == pytest.approx(3.5, rel=0.01)
    assert {3, 4} == set(inner.int().tolist())
    assert (values < 1000 * (n_generation - 3)).sum() == 64 * (n_generation - 3)


def test_the_parts_of_a_draw_stay_together():
    assert all(torch.equal(2.0 * batch["x"], batch["twice"]) for batch in taken(PLAN, 50))


@pytest.mark.parametrize("step", [1, PLAN.steps - 1, PLAN.steps, 37])
def test_a_run_that_goes_on_has_the_same_batches(step):
    whole, rest = taken(PLAN, step + 20), taken(PLAN, 20, step)
    assert all(torch.equal(a["x"], b["x"]) for a, b in zip(whole[step:], rest, strict=True))


def test_who_makes_the_blocks_does_not_matter():
    with ThreadPoolExecutor(3) as executor:
        ahead = taken(PLAN, 60, executor=executor, ahead=3)
    assert all(torch.equal(a["x"], b["x"]) for a, b in zip(ahead, taken(PLAN, 60), strict=True))


def test_processes_share_the_sequence():
    plans = [Plan(block=64, n_block=4, reuse=2, batch=32, seed=1, rank=rank, n_rank=2) for rank in (0, 1)]
    blocks = [{int(value) // 1000 for batch in taken(plan, 40) for value in batch["x"]} for plan in plans]
    assert blocks == [set(range(0, 20, 2)), set(range(1, 20, 2))]


def test_a_block_that_fails_stops_the_run():
    def broken(block):
        if block == 2:
            raise ValueError("block 2 cannot be made")
        return numbered(block)

    with ThreadPoolExecutor(2) as executor, pytest.raises(ValueError, match="block 2"):
        list(islice(Reservoir(broken, PLAN, executor=executor, ahead=2).batches(), 40))


def test_an_impossible_plan_is_refused():
    with pytest.raises(ValueError, match="used 0 times"):
        Plan(block=64, n_block=4, reuse=0, batch=32, seed=1)
