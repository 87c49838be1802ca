"""Which pixels of a mock are missing: sky lines, single ones, stretches, ends, all but a window, emission lines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sfhnet.config import NoiseConfig
from sfhnet.core.emission_lines import LINE_GROUPS, line_pixels

__all__ = ["HiddenPixels"]

# The laser of MUSE's adaptive optics.
_NOTCH_AA = (5800.0, 5970.0)
_N_WIDTH = 3
Random = Callable[..., Tensor]
Interval = tuple[Tensor, Tensor, Tensor]


class HiddenPixels:
    """Draw masks.

    Parameters
    ----------
    noise : NoiseConfig
        How often, how long.
    wave_aa : ndarray (n_wave,)
        Evenly spaced rest-frame air wavelengths in AA.
    on : callable
        Whether an effect is switched on.
    device : torch.device
        Where masks are made.
    """

    def __init__(
        self, noise: NoiseConfig, wave_aa: np.ndarray, on: Callable[[str], bool], device: torch.device
    ) -> None:
        self.noise, self.on, self.device, self.n_wave = noise, on, device, len(wave_aa)
        self.first, self.last = float(wave_aa[0]), float(wave_aa[-1])
        self.step = (self.last - self.first) / (self.n_wave - 1)
        widths = np.linspace(*noise.hidden_line_aa, _N_WIDTH)
        # (n_width * 2^n_group, n_wave): every combination of groups of lines, bit by bit; True = not hidden.
        self._beside_lines = torch.from_numpy(
            np.stack(
                [
                    ~line_pixels(wave_aa, width, [g for bit, g in enumerate(LINE_GROUPS) if code >> bit & 1])
                    for width in widths
                    for code in range(2 ** len(LINE_GROUPS))
                ]
            )
        ).to(device)

    def numbers(self, n: int, uniform: Random) -> dict[str, Tensor]:
        """Draw what decides `n` masks, but for windows and lines."""
        c, made = self.noise, {}
        intervals: list[Interval] = []
        if self.on("pixel_dropout"):
            low, high = c.sky_mask_ratio
            limit = low + (high - low) * uniform(n, 1)
            made["sky_limit"] = torch.where(uniform(n, 1) < c.sky_mask_probability, limit, torch.inf)
            # Drawn with replacement: a few are drawn twice.
            single = (uniform(n, round(c.pixel_drop_share * self.n_wave)) * self.n_wave).long()
            made["single"] = single.clamp_max(self.n_wave - 1)
            intervals += [self._block(*(uniform(n, 1) for _ in range(3))) for _ in range(c.max_blocks)]
            notch = [torch.full((n, 1), edge, device=self.device) for edge in _NOTCH_AA]
            intervals.append((notch[0], notch[1], uniform(n, 1) < c.notch_probability))
        if self.on("edges"):
            intervals += self._edges(*(uniform(n, 1) for _ in range(4)))
        return made | self._pixels(intervals)

    def new_numbers(self, n: int, uniform: Random, numbers: dict[str, Tensor]) -> dict[str, Tensor]:
        """Draw windows and lines, which came later, and join them to `numbers`: these stay what they were."""
        made = dict(numbers)
        if self.on("windows"):
            windows = self._pixels(self._window(*uniform(n, 3).split(1, dim=1)))
            made |= {
                name: torch.cat([made[name], value], dim=1) if name in made else value
                for name, value in windows.items()
            }
        if self.on("hidden_lines"):
            made["lines"] = self._combination(uniform(n, 3 + len(LINE_GROUPS)))
        return made

    def __call__(self, numbers: dict[str, Tensor], smooth_variance: Tensor, line_variance: Tensor) -> Tensor:
        """Return masks.

        Parameters
        ----------
        numbers : dict
            From `numbers`, with or without `new_numbers`.
        smooth_variance, line_variance : Tensor (n, n_wave)
            Of the sky, in any unit: where lines are much above the rest, preparation masks them.

        Returns
        -------
        Tensor of bool (n, n_wave)
            True = good.
        """
        mask = self._outside(numbers, len(smooth_variance))
        if "sky_limit" in numbers:
            mask &= line_variance < (numbers["sky_limit"] - 1.0) * smooth_variance
            mask.scatter_(1, numbers["single"], False)
        if "lines" in numbers:
            mask &= self._beside_lines.index_select(0, numbers["lines"])
        return mask

    def _block(self, place: Tensor, length: Tensor, used: Tensor) -> Interval:
        c = self.noise
        centre = self.first + (self.last - self.first) * place
        low, high = np.log(c.block_aa)
        half = 0.5 * torch.exp(low + (high - low) * length)
        return centre - half, centre + half, used < c.block_probability

    def _edges(self, red: Tensor, blue: Tensor, cut_red: Tensor, cut_blue: Tensor) -> list[Interval]:
        c = self.noise
        blue_end, red_end = self._ends(red)
        from_red = self.last + (c.red_edge_aa - self.last) * red
        to_blue = self.first + (c.blue_edge_aa - self.first) * blue
        return [
            (from_red, red_end, cut_red < c.edge_probability),
            (blue_end, to_blue, cut_blue < c.edge_probability),
        ]

    def _window(self, chosen: Tensor, of_length: Tensor, place: Tensor) -> list[Interval]:
        used = chosen < self.noise.window_probability
        whole = self.last - self.first
        shortest = np.log(min(self.noise.window_min_aa, whole))
        length = torch.exp(shortest + (np.log(whole) - shortest) * of_length)
        # Half of them begin where the range does: most instruments see the blue end.
        low_aa = self.first + (whole - length) * (2 * place - 1).clamp_min(0)
        blue_end, red_end = self._ends(low_aa)
        begins_later = low_aa > self.first + self.step
        return [
            (blue_end, low_aa - self.step, used & begins_later),
            (low_aa + length + self.step, red_end, used),
        ]

    def _ends(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return wavelengths just beyond both ends of the grid, shaped like `like`."""
        return torch.full_like(like, self.first - self.step), torch.full_like(like, self.last + self.step)

    def _pixels(self, intervals: list[Interval]) -> dict[str, Tensor]:
        """Return first pixels of intervals, and those after their last; both beyond the grid where not used."""
        if not intervals:
            return {}
        low, high, used = (torch.cat(parts, dim=1) for parts in zip(*intervals, strict=True))

        def pixel(wave_aa: Tensor) -> Tensor:
            number = torch.round((wave_aa - self.first) / self.step).clamp(0, self.n_wave)
            return torch.where(used, number, self.n_wave).long()

        return {"begin": pixel(low), "end": pixel(high + self.step)}

    def _outside(self, numbers: dict[str, Tensor], n: int) -> Tensor:
        """Return pixels in none of the intervals: where as many have ended as have begun."""
        change = torch.zeros(n, self.n_wave + 1, dtype=torch.int8, device=self.device)
        for name, sign in (("begin", 1), ("end", -1)):
            if name in numbers:
                one = torch.full_like(numbers[name], sign, dtype=torch.int8)
                change.scatter_add_(1, numbers[name], one)
        return torch.cumsum(change, 1, dtype=torch.int8)[:, : self.n_wave].logical_not()

    def _combination(self, draw: Tensor) -> Tensor:
        """Return rows of the table of lines, (n,): all groups in half of the cases, else each in half of them."""
        n_group = len(LINE_GROUPS)
        used, together, width, *single = draw.unbind(1)
        # The Paschen lines cover the calcium triplet: they are hidden by themselves.
        groups = torch.stack(
            [
                ((draw_ < 0.5) | ((together < 0.5) & (name != "paschen"))).long() << bit
                for bit, (name, draw_) in enumerate(zip(LINE_GROUPS, single, strict=True))
            ]
        ).sum(0)
        code = torch.where(used < self.noise.hidden_lines_probability, groups, 0)
        return (width * _N_WIDTH).long().clamp_max(_N_WIDTH - 1) * 2**n_group + code
