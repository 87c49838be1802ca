"""Weights of the nodes between which the synthesizer interpolates: metallicity, ionisation, dispersion, redshift."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["INSTRUMENT_KMS", "hat_weights", "polynomial_weights", "products", "width_variable"]

INSTRUMENT_KMS = 66.0
"""Width of a typical instrument, 2.6 Angstrom FWHM at 5000: narrower features are in no spectrum."""


def hat_weights(x: Tensor, nodes: Tensor) -> Tensor:
    """Return linear-interpolation weights (..., n_node), clamped at both ends as ProSpect's interp_param does."""
    if nodes.numel() == 1:
        return torch.ones_like(x).unsqueeze(-1)
    x = x.clamp(nodes[0], nodes[-1]).unsqueeze(-1)
    fraction = ((x - nodes[:-1]) / (nodes[1:] - nodes[:-1])).clamp(0.0, 1.0)  # 1 left of x, 0 right of it
    ones, zeros = torch.ones_like(x), torch.zeros_like(x)
    return torch.cat([ones, fraction], dim=-1) - torch.cat([fraction, zeros], dim=-1)


def polynomial_weights(x: Tensor, nodes: Tensor) -> Tensor:
    """Return Lagrange weights (n, n_node) of few, arbitrary nodes."""
    weights = []
    for i in range(nodes.numel()):
        others = torch.cat([nodes[:i], nodes[i + 1 :]])
        weights.append(((x.unsqueeze(-1) - others) / (nodes[i] - others)).prod(dim=-1))
    return torch.stack(weights, dim=-1)


def products(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Return products (n, i * j) of weights (n, i) and (n, j); either may be missing."""
    if first is None or second is None:
        return second if first is None else first
    return (first.unsqueeze(2) * second.unsqueeze(1)).flatten(1)


def width_variable(veldisp_kms: Tensor) -> Tensor:
    """Return the variable in which spectra change evenly with dispersion: the log of what it adds to an instrument's width."""
    return torch.log(veldisp_kms**2 + INSTRUMENT_KMS**2)
