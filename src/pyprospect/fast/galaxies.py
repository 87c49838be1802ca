"""Galaxies as the synthesizer takes them: checked, as tensors of its type and device."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pyprospect.arguments import RANGES
from pyprospect.fast.folded_library import FoldedLibrary

__all__ = ["Galaxies", "Given", "checked_galaxies"]

# Lines of more than so many times their usual light overflow single precision with the mass.
_FACTOR = (0.0, 1e6)

Given = ArrayLike | Tensor
"""A parameter of galaxies: a number, or something a tensor is made of."""


class Galaxies(NamedTuple):
    """Checked galaxies as tensors of the synthesizer's type and device; names as in `Synthesizer.__call__`."""

    mass: Tensor
    """(n, n_age); so is z."""
    z: Tensor
    tau_birth: Tensor
    """(n,); so are all that follow, but for line_scatter (n, n_line)."""
    tau_screen: Tensor
    pow_birth: Tensor
    pow_screen: Tensor
    bump: Tensor
    line_scale: Tensor
    log_u: Tensor
    line_scatter: Tensor | None
    line_mix: Tensor | None
    diffuse_ew_aa: Tensor | None
    veldisp_kms: Tensor | None
    lsf_scale: Tensor | None
    redshift: Tensor | None
    birth_age_yr: Tensor | None
    library_mix: Tensor | None
    """(n, n_variant)"""
    alpha_sf_birth: Tensor | None
    """(n,); so is the other."""
    alpha_sf_screen: Tensor | None

    def part(self, rows: slice) -> Galaxies:
        """Return some of the galaxies."""
        return Galaxies._make(value if value is None else value[rows] for value in self)


def checked_galaxies(
    library: FoldedLibrary, mass_msun: Given, z: Given, *, given: Mapping[str, Any]
) -> Galaxies:
    """Return galaxies that can be synthesised.

    Parameters
    ----------
    library : FoldedLibrary
        What they are to be made with.
    mass_msun, z : (n, n_age)
        As of `Synthesizer.__call__`.
    given : mapping of str to (n,), (n, n_line) or scalar
        All other fields of `Galaxies`; None where nothing was given.

    Returns
    -------
    Galaxies

    Raises
    ------
    ValueError
        If masses, metallicities or parameters are impossible; the message names the galaxy and the value.
    """
    mass, metals = _cells(library, mass_msun, z)
    n = mass.shape[0]

    def each(name: str, limits: tuple[float, float] = (-math.inf, math.inf)) -> Tensor:
        return _checked(library, name, given[name], RANGES.get(name, limits)).expand(n)

    def within(name: str, nodes: Tensor) -> Tensor | None:
        return None if given[name] is None else _within(nodes, name, each(name))

    def of_emission(name: str) -> Tensor | None:
        if given[name] is not None and not library.emits:
            raise ValueError(
                f"{name} is given, but the dust of this synthesizer emits nothing; give it dust_templates"
            )
        return within(name, library.alpha_sf_nodes) if library.emits else None

    scatter = given["line_scatter"]
    return Galaxies(
        mass=mass,
        z=metals,
        tau_birth=each("tau_birth"),
        tau_screen=each("tau_screen"),
        pow_birth=each("pow_birth"),
        pow_screen=each("pow_screen"),
        bump=each("bump", RANGES["Eb"]),
        line_scale=each("line_scale", _FACTOR),
        log_u=each("log_u"),
        line_scatter=None if scatter is None else _checked(library, "line_scatter", scatter, _FACTOR),
        line_mix=_of_lines(library, "line_mix", given["line_mix"], needed="other", n=n),
        diffuse_ew_aa=_of_lines(library, "diffuse_ew_aa", given["diffuse_ew_aa"], needed="diffuse", n=n),
        veldisp_kms=within("veldisp_kms", library.veldisp_nodes),
        lsf_scale=within("lsf_scale", library.lsf_nodes),
        redshift=within("redshift", library.redshift_nodes),
        library_mix=_mix(library, given["library_mix"], n),
        birth_age_yr=within("birth_age_yr", _tensor(library, library.birth_age_range_yr)),
        alpha_sf_birth=of_emission("alpha_sf_birth"),
        alpha_sf_screen=of_emission("alpha_sf_screen"),
    )


def _cells(library: FoldedLibrary, mass_msun: Given, metal_fraction: Given) -> tuple[Tensor, Tensor]:
    mass, z = _tensor(library, mass_msun), _tensor(library, metal_fraction)
    n_age = library.library.age_yr.size
    if mass.ndim != 2 or mass.shape[1] != n_age or z.shape != mass.shape:
        raise ValueError(
            f"mass has shape {tuple(mass.shape)} and z {tuple(z.shape)}; both must be (n, {n_age}), "
            "one column an age bin of the library (see rebin_matrix)"
        )
    total = mass.detach().sum(dim=1)
    if not bool(torch.isfinite(total).all()) or bool((mass.detach() < 0).any()) or bool((total <= 0).any()):
        bad = int((~torch.isfinite(total) | (mass.detach() < 0).any(dim=1) | (total <= 0)).nonzero()[0])
        raise ValueError(
            f"galaxy {bad} forms {float(total[bad])} Msol with bins from {float(mass[bad].min())}; masses must "
            "be finite, not negative, and not all zero"
        )
    possible = (z.detach() > 0) & (z.detach() <= 1)
    if not bool(possible.all()):
        bad = int((~possible).any(dim=1).nonzero()[0])
        raise ValueError(
            f"galaxy {bad} has metallicity {float(z[bad][~possible[bad]][0])}; metal mass fractions must be > 0 and at most 1"
        )
    return mass, z


def _checked(library: FoldedLibrary, name: str, value: Given, limits: tuple[float, float]) -> Tensor:
    tensor = _tensor(library, value)
    seen = tensor.detach()
    if not bool(torch.isfinite(seen).all()):
        raise ValueError(f"{name} has values that are not finite; check the prior it was drawn from")
    low, high = limits
    if bool((seen < low).any()) or bool((seen > high).any()):
        raise ValueError(
            f"{name} runs {float(seen.min()):.4g} .. {float(seen.max()):.4g}; it must be from {low:g} to {high:g}"
        )
    return tensor


def _of_lines(
    library: FoldedLibrary, name: str, value: Given | None, *, needed: str, n: int
) -> Tensor | None:
    if value is None or library.lines is None:
        return None
    tensor = _checked(library, name, value, _FACTOR).expand(n)
    if getattr(library.lines, needed) is None:
        if not bool(tensor.detach().any()):
            return None
        raise ValueError(
            f"{name} is up to {float(tensor.detach().max()):.3g}, but the lines have no {needed!r} ratios; make them "
            "with pyprospect.gas.joined_lines.join_lines, or leave it out"
        )
    if name == "line_mix" and float(tensor.detach().max()) > 1 + 1e-6:
        raise ValueError(f"line_mix is {float(tensor.detach().max()):.3g}; a share is at most 1")
    return tensor


def _within(nodes: Tensor, name: str, tensor: Tensor) -> Tensor:
    seen = tensor.detach()
    low, high = float(nodes.min()), float(nodes.max())
    if float(seen.min()) < low - 1e-6 * max(1.0, low) or float(seen.max()) > high + 1e-6 * max(1.0, high):
        raise ValueError(
            f"{name} runs {float(seen.min()):.4g} .. {float(seen.max()):.4g}, the synthesizer was built "
            f"for {low:.4g} .. {high:.4g}; widen its nodes"
        )
    return tensor


def _mix(library: FoldedLibrary, library_mix: Given | None, n: int) -> Tensor | None:
    if library_mix is None:
        return None
    # Mixes may go beyond the libraries, as those with more alpha elements do; ten times over is no library.
    mix = _checked(library, "library_mix", library_mix, (-10.0, 10.0))
    if mix.shape != (n, len(library.variants)):
        raise ValueError(
            f"library_mix has shape {tuple(mix.shape)}; it must be (n, n_variant) = {(n, len(library.variants))}, a column "
            f"for each of {', '.join(library.variants) or 'no variants'}"
        )
    return mix


def _tensor(library: FoldedLibrary, value: Given) -> Tensor:
    return torch.as_tensor(value, dtype=library.dtype, device=library.device)
