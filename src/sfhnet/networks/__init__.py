"""The networks by name, behind one interface (see `sfhnet.networks.base`)."""

from __future__ import annotations

import torch

from sfhnet.networks.attention import Attention
from sfhnet.networks.base import Network, Spec
from sfhnet.networks.baselines import PcaMlp, PriorMean
from sfhnet.networks.flow import Flow
from sfhnet.networks.four_branch import FourBranch
from sfhnet.networks.linear_flow import LinearFlow
from sfhnet.networks.linear_mlp import LinearMlp
from sfhnet.tools.random_streams import seed_torch

__all__ = ["KINDS", "Network", "Spec", "build"]

KINDS: dict[str, type[Network]] = {
    "prior_mean": PriorMean,
    "pca_mlp": PcaMlp,
    "linear": LinearMlp,
    "linear_flow": LinearFlow,
    "attention": Attention,
    "flow": Flow,
    "four_branch": FourBranch,
}


def build(spec: Spec, seed: int = 0) -> Network:
    """Make a network with fresh weights.

    Parameters
    ----------
    spec : Spec
        What to build.
    seed : int
        Seed of the initial weights; torch's global generator is left as it was.

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        If the kind is unknown.
    """
    if spec.kind not in KINDS:
        raise ValueError(f"unknown network kind {spec.kind!r}; known are {', '.join(KINDS)}")
    with torch.random.fork_rng(devices=[]):
        seed_torch("network.weights", seed)
        return KINDS[spec.kind](spec)
