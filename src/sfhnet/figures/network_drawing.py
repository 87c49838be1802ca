"""Draw a network as boxes and arrows from the network itself: sizes and numbers of weights are counted, not typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from torch import nn

from sfhnet.config import FiguresConfig
from sfhnet.figures.style import save, style
from sfhnet.networks.attention import Attention
from sfhnet.networks.base import Network
from sfhnet.networks.baselines import PcaMlp
from sfhnet.networks.four_branch import FourBranch
from sfhnet.networks.heads import Head
from sfhnet.networks.linear_mlp import LinearMlp
from sfhnet.networks.storage import load_network

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
    """A box: text, kind of part, place in a grid of columns (left to right) and rows, what feeds it, whose weights it holds."""

    name: str
    text: str
    kind: str
    column: float
    row: float
    feeds: tuple[str, ...] = ()
    modules: tuple[nn.Module | nn.Parameter, ...] = ()

    @property
    def n_weights(self) -> int:
        """Trainable numbers in this part."""
        return sum(
            m.numel() if isinstance(m, nn.Parameter) else sum(p.numel() for p in m.parameters())
            for m in self.modules
        )

    @property
    def label(self) -> str:
        """The text of the box, with its number of weights."""
        n = self.n_weights
        if not n:
            return self.text
        return f"{self.text}\n" + (f"{n / 1e6:.2f} M weights" if n >= 1e5 else f"{n:,} weights")


def parts_of(network: Network) -> list[Part]:
    """Return the boxes of a network; together they hold all of its weights.

    Raises
    ------
    ValueError
        If its kind has no drawing.
    """
    spec = network.spec
    n_band, o = len(spec.band_names), spec.options
    spectrum = Part("spectrum", f"spectrum / s, errors, mask\n{spec.n_wave} pixels", "input", 0, 2)
    bands = Part("bands", f"{n_band} band fluxes / s, errors,\npresent or absent", "input", 0, 1)
    context = Part("context", "S/N, what is missing", "input", 0, 0)
    if isinstance(network, PcaMlp):
        pca = f"{o['n_component']} principal components\nof mocks, gaps filled"
        mlp = f"MLP, {o['depth']} residual blocks\nwidth {o['width']}"
        sources = ("pca", "bands", "context")
        return [
            *(spectrum, bands, context),
            Part("pca", pca, "linear", 1, 2, ("spectrum",)),
            Part("mlp", mlp, "decoder", 2, 1, sources, (network.mlp, network.head)),
            *_outputs(network.head, 3, "mlp"),
        ]
    if isinstance(network, LinearMlp):
        return [spectrum, bands, context, *_linear(network)]
    if isinstance(network, Attention):
        return [spectrum, bands, context, *_attention(network)]
    if isinstance(network, FourBranch):
        layers = " ".join(str(k) for k in network.FILTERS)
        encoder, photometric = f"spectral encoder\nconvolutions {layers}", "photometric encoder"
        # The published network has no uncertainties; this head learns from its latent vector without changing it.
        head = "linear head, not the paper's:\nquantiles, scalars"
        return [
            *(spectrum, bands),
            Part("encoder", encoder, "attention", 1, 2, ("spectrum",), (network.spectral,)),
            Part("photometric", photometric, "linear", 1, 1, ("bands",), (network.photometric,)),
            Part("joint", "joint latent", "linear", 2, 1.5, ("encoder", "photometric")),
            Part("sfh", "history decoder", "decoder", 3, 2, ("joint",), (network.decode_mass,)),
            Part("z", "metallicity decoder", "decoder", 3, 1, ("joint",), (network.decode_mh,)),
            Part("head", head, "decoder", 3, 0, ("joint",), (network.head,)),
            Part("out", "mass fractions and [M/H]\nper age bin", "output", 4, 1.5, ("sfh", "z")),
            Part("quantiles", f"{network.head.n_q} quantiles", "output", 4, 0, ("head",)),
        ]
    raise ValueError(f"no drawing for networks of kind {spec.kind!r}")


def _linear(network: LinearMlp) -> list[Part]:
    o = network.spec.options
    estimate = f"best linear estimate of\n{o['n_component']} components, and how well\neach is known"
    lines = f"the same of spectrum / continuum;\nlog continuum at {o['n_node']} wavelengths"
    mlp = f"MLP, {o['depth']} residual blocks\nwidth {o['width']}"
    # Bands by tokens, and those that came later, stand with the MLP that they feed.
    of_bands = [network.added, *([] if network.tokens is None else [network.tokens])]
    parts = [
        Part("estimate", estimate, "linear", 1, 2, ("spectrum",)),
        Part("lines", lines, "linear", 1, 1.2, ("spectrum",)),
        Part(
            "mlp",
            mlp,
            "decoder",
            2,
            1,
            ("estimate", "lines", "bands", "context"),
            (network.mlp, *of_bands, network.head),
        ),
        *_outputs(network.head, 3, "mlp"),
    ]
    return parts + _joint(network, "mlp")


def _joint(network: Network, source: str) -> list[Part]:
    """Return the boxes of the joint posterior, if there is one."""
    if network.posterior is None:
        return []
    flow = f"{network.spec.options['n_transform']} coupling layers of splines"
    return [
        Part("flow", flow, "decoder", 2, -1, (source,), (network.posterior,)),
        Part("joint", "joint samples of all of it,\ndust and lines", "output", 3, -1, ("flow",)),
    ]


def _attention(network: Attention) -> list[Part]:
    o, n_band = network.spec.options, len(network.spec.band_names)
    patches = f"high-pass, convolution {o['patch']}/{o['stride']}\n{network.n_patch} patch tokens x {o['token_width']}"
    projection = f"global linear projection\n{o['n_component']} components ({network.n_spectral} tokens)"
    tokens = f"{n_band} band tokens, 1 context token"
    of_tokens = (network.band_token, network.context_token, network.band_code, network.kind_code)
    blocks = f"{o['n_layer']} layers of {o['n_head']} heads: tokens attend\nto patches, then to each other"
    decoder = f"one shared decoder\nwidth {o['width']}"
    of_decoder = (network.direct, network.gathered, network.mlp, network.head)
    read = ("patches", "projection", "tokens")
    parts = [
        Part("patches", patches, "attention", 1, 2, ("spectrum",), (network.stem, network.patch_mlp)),
        Part(
            "projection", projection, "linear", 1, 1, ("spectrum",), (network.learned, network.spectral_token)
        ),
        Part("tokens", tokens, "linear", 1, 0, ("bands", "context"), of_tokens),
        Part("blocks", blocks, "attention", 2, 1.5, read, (network.blocks,)),
        Part("decoder", decoder, "decoder", 2, 0.3, ("blocks", *read[1:]), of_decoder),
        *_outputs(network.head, 3, "decoder"),
    ]
    return parts + _joint(network, "decoder")


def _outputs(head: Head, column: int, source: str) -> list[Part]:
    mass = f"mass fractions (simplex)\n{head.n_age} age bins + {head.n_q} quantiles"
    scalars = f"{head.n_scalar} scalars (ages, $t_x$, SFR, $A_V$)\n{head.n_q} quantiles"
    return [
        Part("mass", mass, "output", column, 2, (source,)),
        Part("mh", f"[M/H] per age bin\n+ {head.n_q} quantiles", "output", column, 1, (source,)),
        Part("scalars", scalars, "output", column, 0, (source,)),
    ]


def draw_network(folder: Path, stem: Path, config: FiguresConfig) -> list[Path]:
    """Draw the network of a model folder.

    Parameters
    ----------
    folder : Path
        Model folder.
    stem : Path
        Path of the figure without suffix.
    config : FiguresConfig
        Look.

    Returns
    -------
    list of Path
        The PDF and the PNG.
    """
    network, info = load_network(folder)
    parts = parts_of(network)
    with style(config):
        columns, lowest = 1 + max(part.column for part in parts), min(part.row for part in parts)
        figure, axis = plt.subplots(figsize=(config.width_inch, 0.12 * (3 - lowest) * config.width_inch))
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
                part.column, part.row, part.label, ha="center", va="center", fontsize=0.62 * config.font_size
            )
            for source in part.feeds:
                _arrow(axis, place[source], place[part.name], width, height)
        n = info["training"]["n_parameters"]
        axis.set_title(f"{folder.name.replace('_', ' ')}: {n / 1e6:.2f} M weights", loc="left")
        axis.set(xlim=(-0.5, columns - 0.5), ylim=(lowest - 0.5, 2.5))
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
