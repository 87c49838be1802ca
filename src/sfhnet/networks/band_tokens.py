"""Bands as tokens that carry physics: each enters with its flux and error, and with where, how wide and through what it looks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sfhnet.core.bands import Band

__all__ = ["BandTokens"]

# The first stands for all others.
_INSTRUMENTS = ("", "WFC3", "ACS", "NIRCAM", "MIRI", "SDSS", "GALEX")


class BandTokens(nn.Module):
    """The sum of one function of each band that is there: of any subset, in any order.

    Parameters
    ----------
    bands : sequence of Band
        Those that it is given, in their order.
    """

    WIDTH = 96

    facts: Tensor  # (n_band, n_fact)

    def __init__(self, bands: Sequence[Band]) -> None:
        super().__init__()
        facts = [_facts(band) for band in bands]
        self.register_buffer("facts", torch.tensor(facts, dtype=torch.float32).reshape(len(facts), -1))
        n_fact = 2 + len(_INSTRUMENTS)
        self.expand = nn.Linear(3 + n_fact, self.WIDTH)
        self.mix = nn.Linear(self.WIDTH, self.WIDTH)

    def forward(self, bands: Tensor) -> Tensor:
        """Return what the bands say together.

        Parameters
        ----------
        bands : Tensor (n, n_band, 3)
            Value, log error, presence; zeros where absent (`sfhnet.networks.projection.BandsAndContext.bands`).

        Returns
        -------
        Tensor (n, WIDTH)
        """
        facts = self.facts.expand(len(bands), *self.facts.shape)
        tokens = nn.functional.gelu(self.expand(torch.cat([bands, facts], dim=2)))
        return (nn.functional.gelu(self.mix(tokens)) * bands[:, :, 2:]).sum(dim=1)


def _facts(band: Band) -> list[float]:
    """Return pivot and width as logarithms of order one, and which instrument it is."""
    instrument = band.detector.partition("/")[0]
    number = _INSTRUMENTS.index(instrument) if instrument in _INSTRUMENTS else 0
    one_hot = [float(k == number) for k in range(len(_INSTRUMENTS))]
    return [
        2 * float(np.log10(band.pivot_aa / 5500.0)),
        float(np.log10(10 * band.width_aa / band.pivot_aa)),
        *one_hot,
    ]
