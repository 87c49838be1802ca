"""A fast batch path from star-formation and metallicity histories to spectra and band fluxes.

With W the mass per (metallicity, age) cell and S the SSP spectra, folded once to the instrument
(`pyprospect.fast.folding`), a galaxy is

    A_screen * (W_old @ S_old + A_birth * (W_young @ S_young + lines + nebular continuum)),

the physics of `pyprospect.sfh_func` with one change of order: dust acts after broadening instead of before.
Dust curves are smooth, so they are computed exactly at a few Chebyshev nodes and interpolated by a matrix
product; band fluxes carry their own nodes and have the dust inside the integral.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pyprospect.constants import DUST_PIVOT_AA
from pyprospect.dust.attenuation import drude
from pyprospect.fast.folded_library import SPECTRUM_NODES, FoldedLibrary
from pyprospect.gas.ratios import ContinuumPerHalpha, LineRatios

__all__ = ["INSTRUMENT_KMS", "ContinuumPerHalpha", "LineRatios", "Synthesis", "Synthesizer", "rebin_matrix"]

Array = NDArray[np.float64]

INSTRUMENT_KMS = 66.0
"""Width of a typical instrument, 2.6 Angstrom FWHM at 5000: narrower features are in no spectrum."""

STRIP = 128
"""Galaxies whose spectra are put together at a time: three strips of 3681 pixels fill 5.6 MB of cache."""


class Synthesis(NamedTuple):
    """Result of a `Synthesizer` call; luminosities per unit of the mass that was given (Lsol per Msol)."""

    flux: Tensor
    """(n, n_wave), Lsol/Angstrom, mean over each pixel."""
    band_flux: Tensor
    """(n, n_band), photon-weighted mean f_lambda in Lsol/Angstrom."""
    line_flux: Tensor
    """(n, n_line), attenuated line luminosity in Lsol."""


def _hat_weights(x: Tensor, nodes: Tensor) -> Tensor:
    """Linear-interpolation weights (..., n_node), clamped at both ends as ProSpect's interp_param does."""
    if nodes.numel() == 1:
        return torch.ones_like(x).unsqueeze(-1)
    x = x.clamp(nodes[0], nodes[-1]).unsqueeze(-1)
    fraction = ((x - nodes[:-1]) / (nodes[1:] - nodes[:-1])).clamp(0.0, 1.0)  # 1 left of x, 0 right of it
    ones, zeros = torch.ones_like(x), torch.zeros_like(x)
    return torch.cat([ones, fraction], dim=-1) - torch.cat([fraction, zeros], dim=-1)


def _polynomial_weights(x: Tensor, nodes: Tensor) -> Tensor:
    """Lagrange weights (n, n_node) of few, arbitrary nodes."""
    weights = []
    for i in range(nodes.numel()):
        others = torch.cat([nodes[:i], nodes[i + 1 :]])
        weights.append(((x.unsqueeze(-1) - others) / (nodes[i] - others)).prod(dim=-1))
    return torch.stack(weights, dim=-1)


def _outer(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Products (n, i * j) of weights (n, i) and (n, j); either may be missing."""
    if first is None or second is None:
        return second if first is None else first
    return (first.unsqueeze(2) * second.unsqueeze(1)).flatten(1)


def _of_width(veldisp_kms: Tensor) -> Tensor:
    """Return the variable in which spectra change evenly with dispersion: the log of what it adds to an instrument's width."""
    return torch.log(veldisp_kms**2 + INSTRUMENT_KMS**2)


_scratch = threading.local()
"""Buffers of each thread, kept between calls."""


class _Galaxies(NamedTuple):
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

    def part(self, rows: slice) -> _Galaxies:
        """Return some of the galaxies."""
        return _Galaxies._make(value if value is None else value[rows] for value in self)


class Synthesizer(FoldedLibrary):
    """Spectra and band fluxes of many galaxies from one SSP library.

    Built once with the arguments of `FoldedLibrary`, then called with batches of galaxies. Masses carry
    gradients, and so do metallicity, dust, line and kinematic parameters.
    """

    @property
    def bump_at_pivot(self) -> float:
        """Value of the dust bump's profile (its peak is 1) at 5500 Angstrom."""
        return float(drude(DUST_PIVOT_AA, Eb=1.0))

    @property
    def rank(self) -> tuple[int, int]:
        """Rows of the old and of the young block (young stars + lines + continuum) in the matrix products."""
        return self._old_basis.shape[0], self._young_basis.shape[0]

    @property
    def n_dust_node(self) -> int:
        """Wavelengths at which each galaxy's two dust curves are computed."""
        return self._log_node.numel()

    @property
    def flops_per_galaxy(self) -> int:
        """Multiplications and additions of the matrix products for one galaxy."""
        n_wave, n_z = self.wave_aa.size, self.library.z.size
        total = 2 * n_wave * (sum(self.rank) + 2 * SPECTRUM_NODES)
        for coefficients, index in (
            (self._old_coefficients, self._old_index),
            (self._young_coefficients, self._young_index),
        ):
            rows = n_z * (index.stop - index.start)
            if coefficients is not None:
                total += 2 * rows * coefficients.shape[0] * coefficients.shape[2]
            total += 2 * rows * self._old_moments.shape[1] if self.band_names else 0
        if self.lines is not None:
            grids = 1 if self._line_ratio_change is None else 2
            total += 2 * grids * self.n_line * self._line_ratio.shape[0]
            total += 2 * self.n_line * self._young_moments.shape[1] if self.band_names else 0
        return total

    def weights(self, mass_msun: Tensor, z: Tensor) -> Tensor:
        """Return the mass per (metallicity, age) cell.

        Parameters
        ----------
        mass_msun : Tensor, shape (n, n_age)
            Mass formed in each age bin of the library.
        z : Tensor, shape (n, n_age)
            Metal mass fraction; interpolated in log Z and clamped to the library, as ProSpect does.

        Returns
        -------
        Tensor, shape (n, n_z, n_age)
        """
        hats = _hat_weights(torch.log10(z), self._log_z)  # (n, n_age, n_z)
        return hats.transpose(1, 2) * mass_msun.unsqueeze(1)

    def young_shares(self, birth_age_yr: Tensor | None = None) -> Tensor:
        """Return the share of each age bin's mass that lies in birth clouds.

        Parameters
        ----------
        birth_age_yr : Tensor, shape (n,), optional
            Age up to which stars do. Default: that of the synthesizer.

        Returns
        -------
        Tensor, shape (n, n_age), or (1, n_age) without ``birth_age_yr``
        """
        if birth_age_yr is None:
            return self.young_share.unsqueeze(0)
        start, width = self._age_edges[:-1], self._age_edges.diff()
        return ((birth_age_yr.unsqueeze(1) - start) / width).clamp(0.0, 1.0)

    def _library_weights(self, n: int, library_mix: Tensor | None) -> Tensor | None:
        """Weights (n, 1 + n_variant) of the library and its variants; None where there are no variants."""
        if not self.variants:
            return None
        if library_mix is None:
            library_mix = torch.zeros(n, len(self.variants), dtype=self.dtype, device=self.device)
        return torch.cat([1 - library_mix.sum(dim=1, keepdim=True), library_mix], dim=1)

    def v_light_of(self, library_mix: Tensor | None = None) -> Tensor:
        """Return the light at 5500 Angstrom of the populations that galaxies are mixed of.

        Parameters
        ----------
        library_mix : Tensor, shape (n, n_variant), optional
            As of a call.

        Returns
        -------
        Tensor, shape (n, n_z, n_age), or (1, n_z, n_age) without ``library_mix``
            Lsol/Angstrom per Msol formed.
        """
        if library_mix is None:
            return self.v_light.unsqueeze(0)
        weights = self._library_weights(len(library_mix), library_mix.to(self._v_lights))
        if weights is None:
            return self.v_light.unsqueeze(0)
        return torch.einsum("nl,lza->nza", weights, self._v_lights)

    def _node_weights(self, n: int, veldisp_kms: Tensor | None, lsf_scale: Tensor | None) -> Tensor | None:
        shares = []
        for name, value, nodes in (
            ("veldisp_kms", veldisp_kms, self.veldisp_nodes),
            ("lsf_scale", lsf_scale, self.lsf_nodes),
        ):
            if nodes.numel() == 1:
                shares.append(torch.ones(n, 1, dtype=self.dtype, device=self.device))
            elif value is None:
                raise ValueError(
                    f"this synthesizer has nodes {nodes.tolist()} in {name}; give {name} per galaxy"
                )
            elif name == "veldisp_kms":
                shares.append(_polynomial_weights(_of_width(value), _of_width(nodes)))
            else:
                shares.append(_polynomial_weights(value, nodes))
        both = (shares[0].unsqueeze(2) * shares[1].unsqueeze(1)).reshape(n, -1)
        return None if both.shape[1] == 1 else both

    @staticmethod
    def _project(weights: Tensor, coefficients: Tensor | None, node: Tensor | None) -> Tensor:
        if coefficients is None:
            if node is None:
                return weights
            return (node.unsqueeze(2) * weights.unsqueeze(1)).flatten(1)
        if node is None:
            return weights @ coefficients[0]
        n_node, n_row, rank = coefficients.shape
        parts = (weights @ coefficients.transpose(0, 1).reshape(n_row, -1)).view(-1, n_node, rank)
        return (node.unsqueeze(2) * parts).sum(dim=1)

    def _coefficients(self, p: _Galaxies) -> tuple[Tensor, ...]:
        """Everything but the wavelength axis: (old, young, screen, birth) and band and line fluxes."""
        n = p.mass.shape[0]
        cells = self.weights(p.mass, p.z)
        share = self.young_shares(p.birth_age_yr).unsqueeze(1)
        old = (cells[:, :, self._old_index] * (1 - share[..., self._old_index])).reshape(n, -1)
        young = (cells[:, :, self._young_index] * share[..., self._young_index]).reshape(n, -1)
        halpha = (cells * self.halpha).sum(dim=(1, 2)) * p.line_scale
        screen_law = torch.exp(p.pow_screen.unsqueeze(1) * self._log_node)
        screen_law = screen_law + p.bump.unsqueeze(1) * self._bump_node
        screen = torch.exp(-p.tau_screen.unsqueeze(1) * screen_law)
        birth = torch.exp(-p.tau_birth.unsqueeze(1) * torch.exp(p.pow_birth.unsqueeze(1) * self._log_node))
        extra, every = [], []  # lines on the spectral grid; all lines, for the bands
        if self.lines is not None:
            gas_z = _hat_weights(torch.log10(p.z[:, 0]), self._line_log_z)
            gas_u = _hat_weights(p.log_u, self._line_log_u)
            grid = (gas_z.unsqueeze(2) * gas_u.unsqueeze(1)).reshape(n, -1)
            ratio = grid @ self._line_ratio
            if p.line_mix is not None and self._line_ratio_change is not None:
                ratio = ratio + p.line_mix.unsqueeze(1) * (grid @ self._line_ratio_change)
            line = ratio * halpha.unsqueeze(1)
            start = SPECTRUM_NODES + self._n_band_node
            if p.diffuse_ew_aa is not None and self._diffuse_ratio is not None:
                # Lines pass the birth clouds with the young stars; diffuse gas lies outside, so their dust is undone.
                light = (cells * self._halpha_continuum).sum(dim=(1, 2)) * p.diffuse_ew_aa
                line = line + light.unsqueeze(1) * self._diffuse_ratio / birth[:, start:]
            if p.line_scatter is not None:
                line = line * p.line_scatter
            extra.append(line.index_select(1, self._line_columns))
            every.append(line)
            line_flux = line * (screen * birth)[:, start:]
        else:
            line_flux = torch.zeros(n, 0, dtype=self.dtype, device=self.device)
        if self._has_continuum:
            continuum = _hat_weights(torch.log10(p.z[:, 0]), self._continuum_log_z) * halpha.unsqueeze(1)
            extra.append(continuum)
            every.append(continuum)
        node = self._node_weights(n, p.veldisp_kms, p.lsf_scale)
        library = self._library_weights(n, p.library_mix)
        every_node = _outer(node, library)
        rows_old = self._project(old, self._old_coefficients, every_node)
        rows_young = [self._project(young, self._young_coefficients, every_node)]
        if extra:
            joined = torch.cat(extra, dim=1)
            rows_young.append(
                joined if node is None else (node.unsqueeze(2) * joined.unsqueeze(1)).flatten(1)
            )
        if self.band_names:
            at = slice(SPECTRUM_NODES, SPECTRUM_NODES + self._n_band_node)
            n_z = self.redshift_nodes.numel()
            old, young = self._project(old, None, library), self._project(young, None, library)
            old_band = (old @ self._old_moments).view(n, n_z, -1)
            young_band = (torch.cat([young, *every], dim=1) @ self._young_moments).view(n, n_z, -1)
            if n_z > 1:
                if p.redshift is None:
                    raise ValueError("this synthesizer has several redshift nodes; give redshift per galaxy")
                share = _polynomial_weights(p.redshift, self.redshift_nodes).unsqueeze(2)
                old_band, young_band = (share * old_band).sum(dim=1), (share * young_band).sum(dim=1)
            else:
                old_band, young_band = old_band[:, 0], young_band[:, 0]
            band = (screen[:, at] * (old_band + birth[:, at] * young_band)) @ self._band_sum
        else:
            band = torch.zeros(n, 0, dtype=self.dtype, device=self.device)
        spectrum = slice(0, SPECTRUM_NODES)
        return (
            rows_old,
            torch.cat(rows_young, dim=1),
            screen[:, spectrum],
            birth[:, spectrum],
            band,
            line_flux,
        )

    def _to_device(self, value: ArrayLike | Tensor) -> Tensor:
        return torch.as_tensor(value, dtype=self.dtype, device=self.device)

    def _checked_cells(
        self, mass_msun: ArrayLike | Tensor, metal_fraction: ArrayLike | Tensor
    ) -> tuple[Tensor, Tensor]:
        mass, z = self._to_device(mass_msun), self._to_device(metal_fraction)
        n_age = self.library.age_yr.size
        if mass.ndim != 2 or mass.shape[1] != n_age or z.shape != mass.shape:
            raise ValueError(
                f"mass has shape {tuple(mass.shape)} and z {tuple(z.shape)}; both must be (n, {n_age}), "
                "one column an age bin of the library (see rebin_matrix)"
            )
        total = mass.detach().sum(dim=1)
        if (
            not bool(torch.isfinite(total).all())
            or bool((mass.detach() < 0).any())
            or bool((total <= 0).any())
        ):
            bad = int((~torch.isfinite(total) | (mass.detach() < 0).any(dim=1) | (total <= 0)).nonzero()[0])
            raise ValueError(
                f"galaxy {bad} forms {float(total[bad])} Msol with bins from {float(mass[bad].min())}; masses must "
                "be finite, not negative, and not all zero"
            )
        if not bool((z.detach() > 0).all()):
            bad = int((~(z.detach() > 0)).any(dim=1).nonzero()[0])
            raise ValueError(
                f"galaxy {bad} has metallicity {float(z[bad].min())}; metal mass fractions must be > 0"
            )
        return mass, z

    def _checked(self, name: str, value: ArrayLike | Tensor, at_least: float = -math.inf) -> Tensor:
        tensor = self._to_device(value)
        seen = tensor.detach()
        if not bool(torch.isfinite(seen).all()):
            raise ValueError(f"{name} has values that are not finite; check the prior it was drawn from")
        if bool((seen < at_least).any()):
            raise ValueError(f"{name} is negative ({float(seen.min())}); it must be >= {at_least:g}")
        return tensor

    def _of_lines(self, name: str, value: ArrayLike | Tensor | None, needed: str, n: int) -> Tensor | None:
        if value is None or self.lines is None:
            return None
        tensor = self._checked(name, value, at_least=0).expand(n)
        if getattr(self.lines, needed) is None:
            if not bool(tensor.detach().any()):
                return None
            raise ValueError(
                f"{name} is up to {float(tensor.detach().max()):.3g}, but the lines have no {needed!r} ratios; make them "
                "with pyprospect.gas.joined_lines.join_lines, or leave it out"
            )
        if name == "line_mix" and float(tensor.detach().max()) > 1 + 1e-6:
            raise ValueError(f"line_mix is {float(tensor.detach().max()):.3g}; a share is at most 1")
        return tensor

    def _within(self, nodes: Tensor, name: str, value: ArrayLike | Tensor | None, n: int) -> Tensor | None:
        if value is None:
            return None
        tensor = self._checked(name, value).expand(n)
        seen = tensor.detach()
        low, high = float(nodes.min()), float(nodes.max())
        if float(seen.min()) < low - 1e-6 * max(1.0, low) or float(seen.max()) > high + 1e-6 * max(1.0, high):
            raise ValueError(
                f"{name} runs {float(seen.min()):.4g} .. {float(seen.max()):.4g}, the synthesizer was built "
                f"for {low:.4g} .. {high:.4g}; widen its nodes"
            )
        return tensor

    def _checked_mix(self, library_mix: ArrayLike | Tensor | None, n: int) -> Tensor | None:
        if library_mix is None:
            return None
        mix = self._checked("library_mix", library_mix)
        if mix.shape != (n, len(self.variants)):
            raise ValueError(
                f"library_mix has shape {tuple(mix.shape)}; it must be (n, n_variant) = {(n, len(self.variants))}, a column "
                f"for each of {', '.join(self.variants) or 'no variants'}"
            )
        return mix

    def __call__(
        self,
        mass_msun: ArrayLike | Tensor,
        z: ArrayLike | Tensor,
        *,
        tau_birth: ArrayLike | Tensor = 1.0,
        tau_screen: ArrayLike | Tensor = 0.3,
        pow_birth: ArrayLike | Tensor = -0.7,
        pow_screen: ArrayLike | Tensor = -0.7,
        bump: ArrayLike | Tensor = 0.0,
        line_scale: ArrayLike | Tensor = 1.0,
        log_u: ArrayLike | Tensor = -3.0,
        line_scatter: ArrayLike | Tensor | None = None,
        line_mix: ArrayLike | Tensor | None = None,
        diffuse_ew_aa: ArrayLike | Tensor | None = None,
        veldisp_kms: ArrayLike | Tensor | None = None,
        lsf_scale: ArrayLike | Tensor | None = None,
        redshift: ArrayLike | Tensor | None = None,
        birth_age_yr: ArrayLike | Tensor | None = None,
        library_mix: ArrayLike | Tensor | None = None,
        block: int = 512,
        threads: int | None = None,
        out: Tensor | None = None,
    ) -> Synthesis:
        """Synthesise a batch.

        Parameters
        ----------
        mass_msun, z : (n, n_age)
            Mass formed in Msol and metal mass fraction in each age bin of the library.
        tau_birth, tau_screen, pow_birth, pow_screen : (n,) or scalar
            Charlot & Fall (2000) optical depths at 5500 Angstrom and slopes.
        bump : (n,) or scalar
            Strength of the 2175 Angstrom bump of the screen (ProSpect's ``Eb``).
        line_scale : (n,) or scalar
            Factor on Halpha, hence on all lines and the nebular continuum.
        log_u : (n,) or scalar
            Ionisation parameter of the line grid.
        line_scatter : (n, n_line), optional
            Factor on every line.
        line_mix : (n,) or scalar, optional
            Share of the other code's line ratios, 0 to 1; needs lines with ``other``.
        diffuse_ew_aa : (n,) or scalar, optional
            Halpha of gas outside birth clouds, over the star light around it without dust, Angstrom; needs lines
            with ``diffuse``.
        veldisp_kms, lsf_scale, redshift : (n,) or scalar
            Needed where the synthesizer was built with several nodes, within them.
        birth_age_yr : (n,) or scalar, optional
            Age up to which stars lie in birth clouds, within the synthesizer's range. Default: the synthesizer's own.
        library_mix : (n, n_variant), optional
            Weights of the variants; the library has the rest of 1. They may be below zero and above one, as far as light
            stays positive. Default: the library alone.
        block : int
            Galaxies a block; blocks are what keeps the work inside the cache. CPU without gradients only.
        threads : int, optional
            Threads, one block each; default `torch.get_num_threads()`. Results do not depend on it, bit for bit.
        out : Tensor, shape (n, n_wave), optional
            Where to put the spectra.

        Returns
        -------
        Synthesis

        Raises
        ------
        ValueError
            If masses, metallicities or parameters are impossible; the message names the galaxy and the value.
        """
        mass, metals = self._checked_cells(mass_msun, z)
        n = mass.shape[0]
        p = _Galaxies(
            mass=mass,
            z=metals,
            tau_birth=self._checked("tau_birth", tau_birth, at_least=0).expand(n),
            tau_screen=self._checked("tau_screen", tau_screen, at_least=0).expand(n),
            pow_birth=self._checked("pow_birth", pow_birth).expand(n),
            pow_screen=self._checked("pow_screen", pow_screen).expand(n),
            bump=self._checked("bump", bump, at_least=0).expand(n),
            line_scale=self._checked("line_scale", line_scale, at_least=0).expand(n),
            log_u=self._checked("log_u", log_u).expand(n),
            line_scatter=None if line_scatter is None else self._checked("line_scatter", line_scatter),
            line_mix=self._of_lines("line_mix", line_mix, "other", n),
            diffuse_ew_aa=self._of_lines("diffuse_ew_aa", diffuse_ew_aa, "diffuse", n),
            veldisp_kms=self._within(self.veldisp_nodes, "veldisp_kms", veldisp_kms, n),
            lsf_scale=self._within(self.lsf_nodes, "lsf_scale", lsf_scale, n),
            redshift=self._within(self.redshift_nodes, "redshift", redshift, n),
            library_mix=self._checked_mix(library_mix, n),
            birth_age_yr=self._within(
                self._to_device(self.birth_age_range_yr), "birth_age_yr", birth_age_yr, n
            ),
        )
        return self._synthesised(p, block, threads or torch.get_num_threads(), out)

    def of_checked(self, mass_msun: Tensor, z: Tensor, **values: Tensor) -> Synthesis:
        """Synthesise galaxies that were checked before, as they are: nothing here waits for a device.

        Parameters
        ----------
        mass_msun, z : Tensor, shape (n, n_age)
            As of a call, with the synthesizer's own type and device.
        **values : Tensor, shape (n,) or (n, n_line)
            All that a call takes by these names; what is left out is None.

        Returns
        -------
        Synthesis
        """
        given: dict[str, Any] = dict.fromkeys(_Galaxies._fields) | {"mass": mass_msun, "z": z} | values
        return self._synthesised(_Galaxies(**given), 512, 1, None)

    def _synthesised(self, p: _Galaxies, block: int, threads: int, out: Tensor | None) -> Synthesis:
        gradients = torch.is_grad_enabled() and any(v is not None and v.requires_grad for v in p)
        if gradients or self.device.type != "cpu":
            old, young, screen, birth, band, line = self._coefficients(p)
            flux = (old @ self._old_basis + (young @ self._young_basis) * (birth @ self._spread)) * (
                screen @ self._spread
            )
            if out is not None:
                flux = out.copy_(flux)
            return Synthesis(flux, band, line)
        return self._blocked(p, block, threads, out)

    def _blocked(self, p: _Galaxies, block: int, threads: int, out: Tensor | None) -> Synthesis:
        n, n_wave = p.mass.shape[0], self.wave_aa.size
        flux = torch.empty(n, n_wave, dtype=self.dtype) if out is None else out
        band = torch.empty(n, len(self.band_names), dtype=self.dtype)
        line = torch.empty(n, self.n_line, dtype=self.dtype)
        starts = list(range(0, n, block))

        def work(own: list[int]) -> None:
            with torch.no_grad():
                for start in own:
                    rows = slice(start, min(start + block, n))
                    old, young, screen, birth, band[rows], line[rows] = self._coefficients(p.part(rows))
                    self._spectra(old, young, screen, birth, flux[rows])

        # One thread a block and single-threaded products inside it: no result depends on how many threads there are.
        with _single_threaded_torch():
            if threads == 1 or len(starts) == 1:
                work(starts)
            else:
                with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                    list(pool.map(work, [starts[i::threads] for i in range(threads)]))
        return Synthesis(flux, band, line)

    def _spectra(self, old: Tensor, young: Tensor, screen: Tensor, birth: Tensor, flux: Tensor) -> None:
        """Wavelength axis of one block, in strips whose buffers stay in the cache."""
        buffers = getattr(_scratch, "buffers", None)
        if buffers is None or buffers.shape[2] != self.wave_aa.size or buffers.dtype != self.dtype:
            buffers = _scratch.buffers = torch.empty(2, STRIP, self.wave_aa.size, dtype=self.dtype)
        for start in range(0, flux.shape[0], STRIP):
            rows = slice(start, min(start + STRIP, flux.shape[0]))
            target = flux[rows]
            second, dust = buffers[:, : target.shape[0]]
            torch.mm(old[rows], self._old_basis, out=target)
            torch.mm(young[rows], self._young_basis, out=second)
            torch.mm(birth[rows], self._spread, out=dust)
            target.addcmul_(second, dust)
            torch.mm(screen[rows], self._spread, out=dust)
            target.mul_(dust)


@contextmanager
def _single_threaded_torch() -> Iterator[None]:
    before = torch.get_num_threads()
    if before == 1:  # a worker of somebody's pool: leave the process-wide setting of the BLAS alone
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def rebin_matrix(from_edges_yr: ArrayLike, to_edges_yr: ArrayLike) -> Array:
    """Return the share of each cell of one age grid in each bin of another (constant SFR within a cell).

    Parameters
    ----------
    from_edges_yr : (n + 1,)
        Ascending cell edges in yr.
    to_edges_yr : (m + 1,)
        Ascending bin edges in yr; must cover the cells, so that no mass is lost.

    Returns
    -------
    ndarray, shape (n, m)
        Rows sum to one: ``mass_in_cells @ matrix`` conserves mass.

    Raises
    ------
    ValueError
        If the bins do not cover the cells.
    """
    a, b = np.asarray(from_edges_yr, dtype=float), np.asarray(to_edges_yr, dtype=float)
    if b[0] > a[0] or b[-1] < a[-1]:
        raise ValueError(
            f"age bins cover {b[0]:.4g} .. {b[-1]:.4g} yr, the histories run {a[0]:.4g} .. {a[-1]:.4g} yr; mass "
            "would be lost. Extend the bins or shorten the histories"
        )
    low = np.maximum(a[:-1, None], b[None, :-1])
    high = np.minimum(a[1:, None], b[None, 1:])
    return np.clip(high - low, 0.0, None) / np.diff(a)[:, None]
