"""Draw a network as boxes and arrows from the network itself: sizes and numbers of weights are counted, not typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from torch import nn

from sfhnet.checkpoint import load_network
from sfhnet.config import FiguresConfig
from sfhnet.figure_style import save, style
from sfhnet.networks import Network

__all__ = ["draw_network", "parts_of"]

_COLOURS = {
    "input": "#E8F1F8",
    "linear": "#FBE7D6",
    "attention": "#DDF0E7",
    "decoder": "#F6E3EE",
    "output": "#FFF6D5",
}


@dataclass(frozen=True)
class Part:
    """A box: text, kind of part, place in a grid of columns (left to right) and rows, and what feeds it."""

    name: str
    text: str
    kind: str
    column: float
    row: float
    feeds: tuple[str, ...] = ()


def _weights(*modules: nn.Module | nn.Parameter) -> str:
    n = sum(
        m.numel() if isinstance(m, nn.Parameter) else sum(p.numel() for p in m.parameters()) for m in modules
    )
    return f"{n / 1e6:.2f} M weights" if n >= 1e5 else f"{n:,} weights"


def parts_of(network: Network) -> list[Part]:
    """Return the boxes of a network.

    Raises
    ------
    ValueError
        If its kind has no drawing.
    """
    spec = network.spec
    n_band = len(spec.band_names)
    spectrum = Part("spectrum", f"spectrum / s, errors, mask\n{spec.n_wave} pixels", "input", 0, 2)
    bands = Part("bands", f"{n_band} band fluxes / s, errors,\npresent or absent", "input", 0, 1)
    context = Part("context", "S/N, what is missing", "input", 0, 0)
    kind = spec.kind
    if kind == "pca_mlp":
        o = spec.options
        return [
            spectrum,
            bands,
            context,
            Part(
                "pca",
                f"{o['n_component']} principal components\nof mocks, gaps filled",
                "linear",
                1,
                2,
                ("spectrum",),
            ),
            Part(
                "mlp",
                f"MLP, {o['depth']} residual blocks\nwidth {o['width']}\n{_weights(network.mlp)}",
                "decoder",
                2,
                1,
                ("pca", "bands", "context"),
            ),
            *_outputs(network, 3, "mlp"),
        ]
    if kind in ("attention", "flow"):
        o = spec.options
        patches = (
            f"high-pass, convolution {o['patch']}/{o['stride']}\n{network.n_patch} patch tokens x {o['token_width']}\n"
            f"{_weights(network.stem, network.patch_mlp)}"
        )
        projection = (
            f"global linear projection\n{o['n_component']} components ({network.n_spectral} tokens)\n"
            f"{_weights(network.learned, network.spectral_token)}"
        )
        tokens = (
            f"{n_band} band tokens, 1 context token\n{_weights(network.band_token, network.context_token)}"
        )
        attention = (
            f"{o['n_layer']} layers: tokens attend to\npatches, then to each other\n{o['n_head']} heads, "
            f"{_weights(network.blocks)}"
        )
        decoder = f"one shared decoder\nwidth {o['width']}\n{_weights(network.direct, network.gathered, network.mlp)}"
        return [
            spectrum,
            bands,
            context,
            Part("patches", patches, "attention", 1, 2, ("spectrum",)),
            Part("projection", projection, "linear", 1, 1, ("spectrum",)),
            Part("tokens", tokens, "linear", 1, 0, ("bands", "context")),
            Part("blocks", attention, "attention", 2, 1.5, ("patches", "projection", "tokens")),
            Part("decoder", decoder, "decoder", 2, 0.3, ("blocks", "projection", "tokens")),
            *_outputs(network, 3, "decoder"),
        ]
    if kind == "four_branch":
        return [
            spectrum,
            bands,
            Part(
                "encoder",
                f"spectral encoder\nconvolutions {' '.join(str(k) for k in network.FILTERS)}\n{_weights(network.spectral)}",
                "attention",
                1,
                2,
                ("spectrum",),
            ),
            Part(
                "photometric",
                f"photometric encoder\n{_weights(network.photometric)}",
                "linear",
                1,
                1,
                ("bands",),
            ),
            Part("joint", "joint latent", "linear", 2, 1.5, ("encoder", "photometric")),
            Part("sfh", f"history decoder\n{_weights(network.decode_mass)}", "decoder", 3, 2, ("joint",)),
            Part("z", f"metallicity decoder\n{_weights(network.decode_mh)}", "decoder", 3, 1, ("joint",)),
            Part("out", "mass fractions and [M/H]\nper age bin", "output", 4, 1.5, ("sfh", "z")),
        ]
    raise ValueError(f"no drawing for networks of kind {kind!r}")


def _outputs(network: Network, column: int, source: str) -> list[Part]:
    head = network.head
    return [
        Part(
            "mass",
            f"mass fractions (simplex)\n{head.n_age} age bins + {head.n_q} quantiles",
            "output",
            column,
            2,
            (source,),
        ),
        Part("mh", f"[M/H] per age bin\n+ {head.n_q} quantiles", "output", column, 1, (source,)),
        Part(
            "scalars",
            f"{head.n_scalar} scalars (ages, $t_x$, SFR, $A_V$)\n{head.n_q} quantiles",
            "output",
            column,
            0,
            (source,),
        ),
    ]


def draw_network(folder: Path, stem: Path, config: FiguresConfig) -> list[Path]:
    """Draw the network of a model folder."""
    network, info = load_network(folder)
    parts = parts_of(network)
    with style(config):
        columns = 1 + max(part.column for part in parts)
        figure, axis = plt.subplots(figsize=(config.width_inch, 0.36 * config.width_inch))
        width, height = 0.8, 0.62
        place = {part.name: (part.column, part.row) for part in parts}
        for part in parts:
            axis.add_patch(
                FancyBboxPatch(
                    (part.column - width / 2, part.row - height / 2),
                    width,
                    height,
                    boxstyle="round,pad=0,rounding_size=0.06",
                    fc=_COLOURS[part.kind],
                    ec="#444444",
                    lw=0.7,
                )
            )
            axis.text(
                part.column, part.row, part.text, ha="center", va="center", fontsize=0.62 * config.font_size
            )
            for source in part.feeds:
                _arrow(axis, place[source], place[part.name], width, height)
        n = info["training"]["n_parameters"]
        axis.set_title(f"{folder.name.replace('_', ' ')}: {n / 1e6:.2f} M weights", loc="left")
        axis.set(xlim=(-0.5, columns - 0.5), ylim=(-0.5, 2.5))
        axis.axis("off")
        return save(figure, stem)


def _arrow(
    axis: Axes, start: tuple[float, float], end: tuple[float, float], width: float, height: float
) -> None:
    if start[0] == end[0]:
        down = 1 if end[1] > start[1] else -1
        tail, tip = (start[0], start[1] + down * height / 2), (end[0], end[1] - down * height / 2)
    else:
        tail, tip = (start[0] + width / 2, start[1]), (end[0] - width / 2, end[1])
    axis.annotate(
        "",
        tip,
        tail,
        arrowprops={"arrowstyle": "-|>", "lw": 0.8, "color": "#444444", "shrinkA": 0, "shrinkB": 0},
    )
