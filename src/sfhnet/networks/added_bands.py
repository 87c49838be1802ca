"""Bands that a trained network learns later: they speak through an adapter that is silent where they are absent."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["AddedBands", "feature_columns"]


class AddedBands(nn.Module):
    """What bands add to the latent vector, given all that is known besides; exactly nothing where none of them is there.

    Parameters
    ----------
    n_feature, width, inner : int
        Length of the features, of the latent vector, and between the two layers.
    present : Tensor (n_band,) int64
        Which of the features say that a band is there.
    """

    present: Tensor

    def __init__(self, n_feature: int, width: int, inner: int, present: Tensor) -> None:
        super().__init__()
        self.register_buffer("present", present, persistent=False)
        self.expand = nn.Linear(n_feature, inner)
        self.shrink = nn.Linear(inner, width)
        # Silent at first: a network with new bands answers as it did.
        nn.init.zeros_(self.shrink.weight)
        nn.init.zeros_(self.shrink.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return what is to be added to the latent vectors, (n, n_feature) -> (n, width)."""
        there = (features.index_select(1, self.present) > 0).any(dim=1, keepdim=True)
        found = self.shrink(nn.functional.gelu(self.expand(features)))
        return torch.where(there, found, 0.0)


def feature_columns(
    names: Sequence[str], known: Sequence[str], *, first: int, n_context: int
) -> tuple[Tensor, Tensor]:
    """Return where a layer that knows some bands finds its features among those of a network that has others.

    Parameters
    ----------
    names, known : sequence of str
        Bands of the network, three features each behind `first` others, and those that the layer was made for.
    first, n_context : int
        Features before the bands and behind them.

    Returns
    -------
    columns : Tensor (n_feature,) int64
        Into the network's features with one column of zeros behind them: a band that the network has no longer is absent.
    present : Tensor (n_known,) int64
        Which of the layer's own features say that a band is there.
    """
    zero = first + 3 * len(names) + n_context
    place = {name: first + 3 * k for k, name in enumerate(names)}
    bands = [place[name] + k if name in place else zero for name in known for k in range(3)]
    columns = [*range(first), *bands, *range(zero - n_context, zero)]
    present = [first + 3 * k + 2 for k in range(len(known))]
    return torch.tensor(columns), torch.tensor(present)
