"""A fast batch path from star-formation and metallicity histories to spectra and band fluxes.

With W the mass per (metallicity, age) cell and S the SSP spectra, folded once to the instrument
(`pyprospect.fast.folding`), a galaxy is

    A_screen * (W_old @ S_old + A_birth * (W_young @ S_young + lines + nebular continuum)),

the physics of `pyprospect.sfh_func` with one change of order: dust acts after broadening instead of before.
Dust curves are smooth, so they are computed exactly at a few Chebyshev nodes and interpolated by a matrix
product; band fluxes carry their own nodes and have the dust inside the integral.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pyprospect.constants import DUST_PIVOT_AA
from pyprospect.dust.attenuation import drude
from pyprospect.fast.folded_library import SPECTRUM_NODES, FoldedLibrary
from pyprospect.fast.galaxies import Galaxies, Given, checked_galaxies
from pyprospect.fast.node_weights import (
    INSTRUMENT_KMS,
    hat_weights,
    polynomial_weights,
    products,
    width_variable,
)
from pyprospect.fast.strips import put_together, single_threaded_torch
from pyprospect.gas.ratios import ContinuumPerHalpha, LineRatios
from pyprospect.numerics.age_bins import rebin_matrix

__all__ = ["INSTRUMENT_KMS", "ContinuumPerHalpha", "LineRatios", "Synthesis", "Synthesizer", "rebin_matrix"]

ALPHA_SF_BIRTH, ALPHA_SF_SCREEN = 1.0, 3.0
"""ProSpect's slopes of the dust emission."""


class Synthesis(NamedTuple):
    """Result of a `Synthesizer` call; luminosities per unit of the mass that was given (Lsol per Msol)."""

    flux: Tensor
    """(n, n_wave), Lsol/Angstrom, mean over each pixel."""
    band_flux: Tensor
    """(n, n_band), photon-weighted mean f_lambda in Lsol/Angstrom."""
    line_flux: Tensor
    """(n, n_line), attenuated line luminosity in Lsol."""


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
        hats = hat_weights(torch.log10(z), self._log_z)  # (n, n_age, n_z)
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
                shares.append(polynomial_weights(width_variable(value), width_variable(nodes)))
            else:
                shares.append(polynomial_weights(value, nodes))
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

    def _coefficients(self, p: Galaxies) -> tuple[Tensor, ...]:
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
            gas_z = hat_weights(torch.log10(p.z[:, 0]), self._line_log_z)
            gas_u = hat_weights(p.log_u, self._line_log_u)
            grid = (gas_z.unsqueeze(2) * gas_u.unsqueeze(1)).reshape(n, -1)
            ratio = grid @ self._line_ratio
            if p.line_mix is not None and self._line_ratio_change is not None:
                ratio = ratio + p.line_mix.unsqueeze(1) * (grid @ self._line_ratio_change)
            line = ratio * halpha.unsqueeze(1)
            start = SPECTRUM_NODES + self._n_band_node
            end = start + self.n_line
            if p.diffuse_ew_aa is not None and self._diffuse_ratio is not None:
                # Lines pass the birth clouds with the young stars; diffuse gas lies outside, so their dust is undone.
                light = (cells * self._halpha_continuum).sum(dim=(1, 2)) * p.diffuse_ew_aa
                line = line + light.unsqueeze(1) * self._diffuse_ratio / birth[:, start:end]
            if p.line_scatter is not None:
                line = line * p.line_scatter
            extra.append(line.index_select(1, self._line_columns))
            every.append(line)
            line_flux = line * (screen * birth)[:, start:end]
        else:
            line_flux = torch.zeros(n, 0, dtype=self.dtype, device=self.device)
        if self._has_continuum:
            continuum = hat_weights(torch.log10(p.z[:, 0]), self._continuum_log_z) * halpha.unsqueeze(1)
            extra.append(continuum)
            every.append(continuum)
        node = self._node_weights(n, p.veldisp_kms, p.lsf_scale)
        library = self._library_weights(n, p.library_mix)
        every_node = products(node, library)
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
            young = torch.cat([young, *every], dim=1)
            young_band = (young @ self._young_moments).view(n, n_z, -1)
            of_redshift: Tensor | None = None
            if n_z > 1:
                if p.redshift is None:
                    raise ValueError("this synthesizer has several redshift nodes; give redshift per galaxy")
                of_redshift = polynomial_weights(p.redshift, self.redshift_nodes).unsqueeze(2)
                old_band, young_band = ((of_redshift * band).sum(dim=1) for band in (old_band, young_band))
            else:
                old_band, young_band = old_band[:, 0], young_band[:, 0]
            band = (screen[:, at] * (old_band + birth[:, at] * young_band)) @ self._band_sum
            if self.emits:
                band = band + self._of_dust(p, (old, young), dust=(screen, birth), of_redshift=of_redshift)
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

    def _of_dust(
        self,
        p: Galaxies,
        rows: tuple[Tensor, Tensor],
        *,
        dust: tuple[Tensor, Tensor],
        of_redshift: Tensor | None,
    ) -> Tensor:
        """Return what dust emits into the bands (n, n_band) of the power that it absorbed."""
        nodes = slice(self.n_dust_node - self._old_power.shape[1], None)
        screen, birth = (curve[:, nodes] for curve in dust)
        old, young = rows[0] @ self._old_power, rows[1] @ self._young_power
        parts = []
        for absorbed, alpha, usual in (
            (young * (1 - birth), p.alpha_sf_birth, ALPHA_SF_BIRTH),
            ((old + young * birth) * (1 - screen), p.alpha_sf_screen, ALPHA_SF_SCREEN),
        ):
            alpha = absorbed.new_full((len(absorbed),), usual) if alpha is None else alpha
            light = hat_weights(alpha, self.alpha_sf_nodes) @ self._dust_light
            parts.append(absorbed.sum(dim=1, keepdim=True) * light)
        by_redshift = (parts[0] + parts[1]).view(len(old), self.redshift_nodes.numel(), -1)
        return by_redshift[:, 0] if of_redshift is None else (of_redshift * by_redshift).sum(dim=1)

    def __call__(
        self,
        mass_msun: Given,
        z: Given,
        *,
        tau_birth: Given = 1.0,
        tau_screen: Given = 0.3,
        pow_birth: Given = -0.7,
        pow_screen: Given = -0.7,
        bump: Given = 0.0,
        line_scale: Given = 1.0,
        log_u: Given = -3.0,
        line_scatter: Given | None = None,
        line_mix: Given | None = None,
        diffuse_ew_aa: Given | None = None,
        veldisp_kms: Given | None = None,
        lsf_scale: Given | None = None,
        redshift: Given | None = None,
        birth_age_yr: Given | None = None,
        library_mix: Given | None = None,
        alpha_sf_birth: Given | None = None,
        alpha_sf_screen: Given | None = None,
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
        alpha_sf_birth, alpha_sf_screen : (n,) or scalar, optional
            Slopes of the dust emission (Dale et al. 2014) of birth clouds and screen, 0.0625 (warm) to 4 (cold); needs
            ``dust_templates``. Default: ProSpect's, 1 and 3.
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
        given = {
            "tau_birth": tau_birth,
            "tau_screen": tau_screen,
            "pow_birth": pow_birth,
            "pow_screen": pow_screen,
            "bump": bump,
            "line_scale": line_scale,
            "log_u": log_u,
            "line_scatter": line_scatter,
            "line_mix": line_mix,
            "diffuse_ew_aa": diffuse_ew_aa,
            "veldisp_kms": veldisp_kms,
            "lsf_scale": lsf_scale,
            "redshift": redshift,
            "birth_age_yr": birth_age_yr,
            "library_mix": library_mix,
            "alpha_sf_birth": alpha_sf_birth,
            "alpha_sf_screen": alpha_sf_screen,
        }
        p = checked_galaxies(self, mass_msun, z, given=given)
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
        given: dict[str, Any] = dict.fromkeys(Galaxies._fields) | {"mass": mass_msun, "z": z} | values
        return self._synthesised(Galaxies(**given), 512, 1, None)

    def _synthesised(self, p: Galaxies, block: int, threads: int, out: Tensor | None) -> Synthesis:
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

    def _blocked(self, p: Galaxies, block: int, threads: int, out: Tensor | None) -> Synthesis:
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
                    put_together(
                        flux[rows],
                        old=old,
                        young=young,
                        screen=screen,
                        birth=birth,
                        old_basis=self._old_basis,
                        young_basis=self._young_basis,
                        spread=self._spread,
                    )

        # One thread a block and single-threaded products inside it: no result depends on how many threads there are.
        with single_threaded_torch():
            if threads == 1 or len(starts) == 1:
                work(starts)
            else:
                with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                    list(pool.map(work, [starts[i::threads] for i in range(threads)]))
        return Synthesis(flux, band, line)
