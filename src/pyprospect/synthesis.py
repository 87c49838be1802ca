"""A fast batch path from star-formation and metallicity histories to spectra and band fluxes.

With W the mass per (metallicity, age) cell and S the SSP spectra, folded once to the instrument
(`pyprospect.folding`), a galaxy is

    A_screen * (W_old @ S_old + A_birth * (W_young @ S_young + lines + nebular continuum)),

the physics of `pyprospect.sfh_func` with one change of order: dust acts after broadening instead of before.
Dust curves are smooth, so they are computed exactly at a few Chebyshev nodes and interpolated by a matrix
product; band fluxes carry their own nodes and have the dust inside the integral.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from . import folding
from .constants import BIRTH_CLOUD_AGE_YR, C_KMS, DUST_PIVOT_AA, HALPHA_LSOL_PER_SFR
from .ssp import SSPLibrary

Array = NDArray[np.float64]

BUMP_CENTRE_AA = 2175.8
BUMP_FWHM_AA = 470.0
SPECTRUM_NODES = 12
BAND_NODES = 8
STRIP = 128
"""Galaxies whose spectra are put together at a time: three strips of 3681 pixels fill 5.6 MB of cache."""


@dataclass(frozen=True)
class LineRatios:
    """Emission-line fluxes relative to Halpha on a grid of gas metallicity and ionisation parameter.

    Parameters
    ----------
    names : tuple of str, length n_line
    wave_aa : ndarray, shape (n_line,)
        Rest wavelengths in Angstrom, in the medium of the library.
    z : ndarray, shape (n_z,)
        Gas metal mass fraction, ascending.
    log_u : ndarray, shape (n_u,)
        Ionisation parameter (or any one parameter of the grid), ascending.
    ratio : ndarray, shape (n_z, n_u, n_line)
        Line flux / Halpha flux, not negative.
    """

    names: tuple[str, ...]
    wave_aa: Array
    z: Array
    log_u: Array
    ratio: Array

    def __post_init__(self) -> None:
        expected = (len(self.z), len(self.log_u), len(self.wave_aa))
        if np.shape(self.ratio) != expected or len(self.names) != expected[2]:
            raise ValueError(
                f"line ratios have shape {np.shape(self.ratio)} for {len(self.names)} names; the axes ask for "
                f"(n_z, n_u, n_line) = {expected}"
            )
        if not np.all(np.isfinite(self.ratio)) or np.min(self.ratio) < 0:
            raise ValueError(
                "line ratios must be finite and not negative; check the grid that they came from"
            )


@dataclass(frozen=True)
class ContinuumPerHalpha:
    """Nebular continuum that belongs to a unit of Halpha luminosity.

    Parameters
    ----------
    wave_aa : ndarray, shape (n,)
        Rest wavelengths in Angstrom.
    z : ndarray, shape (n_z,)
        Gas metal mass fraction, ascending; one entry if it does not matter.
    per_halpha : ndarray, shape (n_z, n)
        Luminosity density over Halpha luminosity, 1/Angstrom.
    """

    wave_aa: Array
    z: Array
    per_halpha: Array


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


class Synthesizer:
    """Spectra and band fluxes of many galaxies from one SSP library.

    Parameters
    ----------
    library : SSPLibrary
        Spectra in Lsol/Angstrom per Msol formed, free of zeros where they are needed.
    wave_aa : ndarray, shape (n_wave,)
        Rest-frame pixel centres in Angstrom, in the medium of the library.
    lsf_fwhm_aa : callable, optional
        Instrument FWHM in Angstrom at given wavelengths in Angstrom; the library's own resolution
        (`SSPLibrary.fwhm_aa`) is taken out in quadrature.
    veldisp_kms : sequence of float
        Dispersion nodes in km/s. One node: every galaxy has it. More: galaxies may have any value between.
    lsf_scale : sequence of float
        Nodes of a factor on the instrument's FWHM.
    redshift : sequence of float
        Redshift nodes for the bands (spectra stay in the rest frame).
    bands : mapping of str to (wave_aa, response) or objects with these attributes
        Photon-counting responses, observed Angstrom.
    lines : LineRatios, optional
        Emission lines; without them there are none.
    continuum : ContinuumPerHalpha, optional
        Nebular continuum.
    halpha_lsol_per_msol : ndarray, shape (n_z, n_age), optional
        Halpha luminosity in Lsol per Msol formed of each SSP. Default: ProSpect's, 21612724 Lsol per Msol/yr
        of the mean SFR over the last 10 Myr.
    birth_age_yr : float
        Stars up to this age lie in birth clouds.
    birth_split : {"fraction", "age"}
        ``fraction`` splits an age bin that straddles ``birth_age_yr`` by time; ``age`` is ProSpect's rule
        (whole bins whose SSP age is at most ``birth_age_yr``; the first bin if there is none).
    compression : float
        Bound on the relative error per pixel that the low-rank form of the folded library may make in any
        galaxy (`folding.compress`); 0 keeps the library whole.
    dtype : torch.dtype
    device : str or torch.device

    Raises
    ------
    ValueError
        If grid, bands and library do not fit together, or the library has zeros inside what is used.

    Notes
    -----
    `mass` carries gradients, and so do metallicity, dust, line and kinematic parameters.
    """

    def __init__(
        self,
        library: SSPLibrary,
        wave_aa: ArrayLike,
        *,
        lsf_fwhm_aa: Callable[[Array], Array] | None = None,
        veldisp_kms: Sequence[float] = (150.0,),
        lsf_scale: Sequence[float] = (1.0,),
        redshift: Sequence[float] = (0.0,),
        bands: Mapping[str, Any] | None = None,
        lines: LineRatios | None = None,
        continuum: ContinuumPerHalpha | None = None,
        halpha_lsol_per_msol: ArrayLike | None = None,
        birth_age_yr: float = BIRTH_CLOUD_AGE_YR,
        birth_split: str = "fraction",
        compression: float = 1e-3,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> None:
        self.library = library
        self.wave_aa = np.asarray(wave_aa, dtype=float)
        self.dtype, self.device = dtype, torch.device(device)
        self.band_names = tuple(bands or ())
        self.lines = lines
        self.n_line = 0 if lines is None else len(lines.names)
        self._scratch = threading.local()  # buffers of each thread
        self._check_grid()
        young = self._young_share(birth_age_yr, birth_split)
        # young[:n_young] > 0 and young[first_old:] < 1: contiguous, because young falls with age
        self._young_index = slice(0, int(np.flatnonzero(young > 0)[-1]) + 1)
        self._old_index = slice(int(np.flatnonzero(young < 1)[0]), young.size)
        t = self._tensor
        self.young_share = t(young)
        self._log_z = t(np.log10(library.z))
        if halpha_lsol_per_msol is None:
            halpha = np.broadcast_to(young * HALPHA_LSOL_PER_SFR / birth_age_yr, (library.z.size, young.size))
        else:
            halpha = np.asarray(halpha_lsol_per_msol, dtype=float)
            if halpha.shape != (library.z.size, young.size):
                raise ValueError(
                    f"halpha_lsol_per_msol has shape {halpha.shape}, the library has (n_z, n_age) = "
                    f"{(library.z.size, young.size)}"
                )
        self.halpha = t(halpha)
        self._fold(lsf_fwhm_aa, veldisp_kms, lsf_scale, continuum, compression)
        self._fold_bands(bands or {}, redshift, continuum, float(np.mean(veldisp_kms)))
        self.v_light = t(self._mean_light(5450.0, 5550.0))

    # ---- construction -------------------------------------------------------------------------------

    def _tensor(self, values: ArrayLike) -> Tensor:
        return torch.as_tensor(
            np.ascontiguousarray(values, dtype=np.float64), dtype=self.dtype, device=self.device
        )

    def _check_grid(self) -> None:
        if self.wave_aa.ndim != 1 or self.wave_aa.size < 3 or np.any(np.diff(self.wave_aa) <= 0):
            raise ValueError(
                f"wave_aa has shape {self.wave_aa.shape}; give >= 3 ascending wavelengths in Angstrom"
            )
        holes = self.library.holes(self.wave_aa[0], self.wave_aa[-1])
        if holes.size:
            raise ValueError(
                f"SSP library {self.library.name!r} is exactly zero in {holes.size} spans inside "
                f"{self.wave_aa[0]:.0f} .. {self.wave_aa[-1]:.0f} Angstrom (first: Z = {holes[0]['z']:.4g}, "
                f"age = {holes[0]['age_yr']:.3g} yr, from {holes[0]['wave_min_aa']:.1f} Angstrom); merge it with "
                "a library that has light there"
            )

    def _young_share(self, birth_age_yr: float, birth_split: str) -> Array:
        edges, age = self.library.age_edges_yr, self.library.age_yr
        if birth_split == "fraction":
            return np.clip((birth_age_yr - edges[:-1]) / np.diff(edges), 0.0, 1.0)
        if birth_split == "age":
            share = (age <= birth_age_yr).astype(float)
            share[0] = 1.0
            return share
        raise ValueError(f"birth_split {birth_split!r}; choose 'fraction' or 'age'")

    def _lines_on_grid(self) -> NDArray[np.bool_]:
        margin = 30.0  # Angstrom: far beyond the wings of any line
        wave = self.lines.wave_aa
        return (wave > self.wave_aa[0] - margin) & (wave < self.wave_aa[-1] + margin)

    def _mean_light(self, low_aa: float, high_aa: float) -> Array:
        wave = self.library.wave_aa
        window = (wave >= low_aa) & (wave <= high_aa)
        if not window.any():
            raise ValueError(
                f"the library has no pixel between {low_aa} and {high_aa} Angstrom for the V light"
            )
        return self.library.spectra[:, :, window].mean(axis=2, dtype=np.float64)

    @staticmethod
    def _block(folded: Array, ages: slice) -> Array:
        """(n_z, n_age, n) -> (n_z * ages, n)."""
        part = folded[:, ages]
        return part.reshape(part.shape[0] * part.shape[1], -1)

    def _fold(
        self,
        lsf: Callable[[Array], Array] | None,
        veldisp_kms: Sequence[float],
        lsf_scale: Sequence[float],
        continuum: ContinuumPerHalpha | None,
        compression: float,
    ) -> None:
        library, wave, t = self.library, self.wave_aa, self._tensor
        self.veldisp_nodes, self.lsf_nodes = t(veldisp_kms), t(lsf_scale)
        native = library.spectra.reshape(-1, library.wave_aa.size).astype(np.float64)
        own = library.fwhm_aa(wave)
        n_z, n_age = library.z.size, library.age_yr.size
        old, young, extra = [], [], []
        self.line_profiles: Array = np.zeros((self.n_line, wave.size))
        if continuum is not None:
            self._continuum_log_z = t(np.log10(continuum.z))
            self._continuum_native = np.stack(
                [np.interp(library.wave_aa, continuum.wave_aa, row) for row in continuum.per_halpha]
            )
        for veldisp in veldisp_kms:
            for scale in lsf_scale:
                sigma = folding.sigma_to_add_aa(wave, veldisp, lsf, own, scale)
                matrix = folding.broadening_matrix(library.wave_aa, wave, sigma)
                folded = np.asarray(native @ matrix).reshape(n_z, n_age, wave.size)
                old.append(self._block(folded, self._old_index))
                young.append(self._block(folded, self._young_index))
                rows = []
                if self.lines is not None:
                    width = folding.sigma_to_add_aa(self.lines.wave_aa, veldisp, lsf, None, scale)
                    self.line_profiles = folding.line_profiles(self.lines.wave_aa, wave, width)
                    self._line_rows = np.flatnonzero(self._lines_on_grid())
                    rows.append(self.line_profiles[self._line_rows])
                if continuum is not None:
                    rows.append(np.asarray(self._continuum_native @ matrix))
                extra.append(np.concatenate(rows) if rows else np.zeros((0, wave.size)))
        n_node = len(old)
        self.compression_error = 0.0
        for name, blocks in (("old", old), ("young", young)):
            coefficients, basis, error = folding.compress(np.concatenate(blocks), compression)
            self.compression_error = max(self.compression_error, error)
            whole = coefficients.shape[0] == basis.shape[0]
            setattr(
                self,
                f"_{name}_coefficients",
                None if whole else t(coefficients.reshape(n_node, -1, len(basis))),
            )
            setattr(self, f"_{name}_basis", basis)
        # young stars, then lines, then continuum: all of them behind both dust screens
        self._old_basis = t(self._old_basis)
        self._young_basis = t(np.concatenate([self._young_basis, np.concatenate(extra)]))
        self._has_continuum = continuum is not None
        low, high = wave[0] * 0.9999, wave[-1] * 1.0001
        self._spectrum_nodes_aa = folding.chebyshev_nodes(low, high, SPECTRUM_NODES)
        self._spread = t(folding.lagrange_matrix(np.log(self._spectrum_nodes_aa), np.log(wave)))
        if self.lines is not None:
            self._line_log_z = t(np.log10(self.lines.z))
            self._line_log_u = t(self.lines.log_u)
            self._line_ratio = t(self.lines.ratio.reshape(-1, self.n_line))

    def _fold_bands(
        self,
        bands: Mapping[str, Any],
        redshift: Sequence[float],
        continuum: ContinuumPerHalpha | None,
        veldisp_kms: float,
    ) -> None:
        library, t = self.library, self._tensor
        self.redshift_nodes = t(redshift)
        moments, nodes, line_moments = [], [], []
        for z in redshift:
            for name, band in bands.items():
                wave, response = band if isinstance(band, tuple) else (band.wave_aa, band.response)
                columns, at = folding.band_moments(library.wave_aa, wave, response, BAND_NODES, name, z)
                moments.append(columns)
                nodes.append(at)
                if self.lines is not None:
                    sigma = self.lines.wave_aa * veldisp_kms / C_KMS
                    line_moments.append(
                        folding.line_band_moments(self.lines.wave_aa, sigma, wave, response, at, z)
                    )
        lines_aa = np.zeros(0) if self.lines is None else self.lines.wave_aa
        every = np.concatenate([self._spectrum_nodes_aa, *nodes, lines_aa])
        self._log_node = t(np.log(every / DUST_PIVOT_AA))
        squared = (BUMP_FWHM_AA * every) ** 2
        self._bump_node = t(squared / ((every**2 - BUMP_CENTRE_AA**2) ** 2 + squared))
        self._n_band_node = BAND_NODES * len(moments)
        if not moments:
            return
        matrix = np.concatenate(moments, axis=1)
        folded = library.spectra.astype(np.float64) @ matrix
        if np.any(folded.reshape(*folded.shape[:2], -1, BAND_NODES).sum(axis=-1) <= 0):
            raise ValueError(
                f"SSP library {library.name!r} has no light in one of the bands {self.band_names}; "
                "use a library that covers them without holes"
            )
        rows = [self._block(folded, self._young_index)]
        if line_moments:
            rows.append(np.concatenate(line_moments, axis=1))
        if continuum is not None:
            rows.append(self._continuum_native @ matrix)
        self._old_moments = t(self._block(folded, self._old_index))
        self._young_moments = t(np.concatenate(rows))

    # ---- evaluation ---------------------------------------------------------------------------------

    @property
    def bump_at_pivot(self) -> float:
        """Value of the dust bump's profile (its peak is 1) at 5500 Angstrom."""
        squared = (BUMP_FWHM_AA * DUST_PIVOT_AA) ** 2
        return squared / ((DUST_PIVOT_AA**2 - BUMP_CENTRE_AA**2) ** 2 + squared)

    @property
    def rank(self) -> tuple[int, int]:
        """Rows of the old and of the young block (young stars + lines + continuum) in the matrix products."""
        return self._old_basis.shape[0], self._young_basis.shape[0]

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
            total += 2 * rows * self._n_band_node
        if self.lines is not None:
            total += 2 * self.n_line * (self._line_ratio.shape[0] + self._n_band_node)
        return total

    def weights(self, mass_msun: Tensor, z: Tensor) -> Tensor:
        """Mass per (metallicity, age) cell.

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
            else:
                # broadening is smooth in the variance
                shares.append(_polynomial_weights(value.square(), nodes.square()))
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

    def _coefficients(self, p: dict[str, Tensor | None]) -> tuple[Tensor, ...]:
        """Everything but the wavelength axis: (old, young, screen, birth) and band and line fluxes."""
        n = p["mass"].shape[0]
        cells = self.weights(p["mass"], p["z"])
        share = self.young_share
        old = (cells[:, :, self._old_index] * (1 - share[self._old_index])).reshape(n, -1)
        young = (cells[:, :, self._young_index] * share[self._young_index]).reshape(n, -1)
        halpha = (cells * self.halpha).sum(dim=(1, 2)) * p["line_scale"]
        screen_law = torch.exp(p["pow_screen"].unsqueeze(1) * self._log_node)
        screen_law = screen_law + p["bump"].unsqueeze(1) * self._bump_node
        screen = torch.exp(-p["tau_screen"].unsqueeze(1) * screen_law)
        birth = torch.exp(
            -p["tau_birth"].unsqueeze(1) * torch.exp(p["pow_birth"].unsqueeze(1) * self._log_node)
        )
        extra, every = [], []  # lines on the spectral grid; all lines, for the bands
        if self.lines is not None:
            gas_z = _hat_weights(torch.log10(p["z"][:, 0]), self._line_log_z)
            gas_u = _hat_weights(p["log_u"], self._line_log_u)
            grid = (gas_z.unsqueeze(2) * gas_u.unsqueeze(1)).reshape(n, -1)
            line = (grid @ self._line_ratio) * halpha.unsqueeze(1)
            if p["line_scatter"] is not None:
                line = line * p["line_scatter"]
            extra.append(line[:, self._line_rows])
            start = SPECTRUM_NODES + self._n_band_node
            every.append(line)
            line_flux = line * (screen * birth)[:, start:]
        else:
            line_flux = torch.zeros(n, 0, dtype=self.dtype, device=self.device)
        if self._has_continuum:
            continuum = _hat_weights(torch.log10(p["z"][:, 0]), self._continuum_log_z) * halpha.unsqueeze(1)
            extra.append(continuum)
            every.append(continuum)
        node = self._node_weights(n, p["veldisp_kms"], p["lsf_scale"])
        rows_old = self._project(old, self._old_coefficients, node)
        rows_young = [self._project(young, self._young_coefficients, node)]
        if extra:
            joined = torch.cat(extra, dim=1)
            rows_young.append(
                joined if node is None else (node.unsqueeze(2) * joined.unsqueeze(1)).flatten(1)
            )
        if self.band_names:
            at = slice(SPECTRUM_NODES, SPECTRUM_NODES + self._n_band_node)
            stars = torch.cat([young, *every], dim=1)
            band = screen[:, at] * (old @ self._old_moments + birth[:, at] * (stars @ self._young_moments))
            band = band.view(n, self.redshift_nodes.numel(), len(self.band_names), BAND_NODES).sum(dim=3)
            if self.redshift_nodes.numel() == 1:
                band = band[:, 0]
            else:
                if p["redshift"] is None:
                    raise ValueError("this synthesizer has several redshift nodes; give redshift per galaxy")
                band = (_polynomial_weights(p["redshift"], self.redshift_nodes).unsqueeze(2) * band).sum(
                    dim=1
                )
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

    def _prepare(self, mass_msun: ArrayLike | Tensor, z: ArrayLike | Tensor, given: dict[str, Any]) -> dict:
        def tensor(value: Any) -> Tensor:
            return torch.as_tensor(value, dtype=self.dtype, device=self.device)

        mass, z = tensor(mass_msun), tensor(z)
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
        n = mass.shape[0]
        prepared: dict[str, Tensor | None] = {"mass": mass, "z": z}
        for name, value in given.items():
            if value is None:
                prepared[name] = None
                continue
            value = tensor(value)
            if name != "line_scatter":
                value = value.expand(n)
            if not bool(torch.isfinite(value.detach()).all()):
                raise ValueError(f"{name} has values that are not finite; check the prior it was drawn from")
            if name in ("tau_birth", "tau_screen", "bump", "line_scale") and bool((value.detach() < 0).any()):
                raise ValueError(f"{name} is negative ({float(value.min())}); it must be >= 0")
            prepared[name] = value
        for name, nodes in (
            ("veldisp_kms", self.veldisp_nodes),
            ("lsf_scale", self.lsf_nodes),
            ("redshift", self.redshift_nodes),
        ):
            value = prepared[name]
            if value is None:
                continue
            if (
                float(value.min()) < float(nodes.min()) - 1e-6
                or float(value.max()) > float(nodes.max()) + 1e-6
            ):
                raise ValueError(
                    f"{name} runs {float(value.min()):.4g} .. {float(value.max()):.4g}, the synthesizer was built "
                    f"for {float(nodes.min()):.4g} .. {float(nodes.max()):.4g}; widen its nodes"
                )
        return prepared

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
        veldisp_kms: ArrayLike | Tensor | None = None,
        lsf_scale: ArrayLike | Tensor | None = None,
        redshift: ArrayLike | Tensor | None = None,
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
        veldisp_kms, lsf_scale, redshift : (n,) or scalar
            Needed where the synthesizer was built with several nodes, within them.
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
        p = self._prepare(
            mass_msun,
            z,
            {
                "tau_birth": tau_birth,
                "tau_screen": tau_screen,
                "pow_birth": pow_birth,
                "pow_screen": pow_screen,
                "bump": bump,
                "line_scale": line_scale,
                "log_u": log_u,
                "line_scatter": line_scatter,
                "veldisp_kms": veldisp_kms,
                "lsf_scale": lsf_scale,
                "redshift": redshift,
            },
        )
        gradients = torch.is_grad_enabled() and any(v is not None and v.requires_grad for v in p.values())
        if gradients or self.device.type != "cpu":
            old, young, screen, birth, band, line = self._coefficients(p)
            flux = (old @ self._old_basis + (young @ self._young_basis) * (birth @ self._spread)) * (
                screen @ self._spread
            )
            if out is not None:
                flux = out.copy_(flux)
            return Synthesis(flux, band, line)
        return self._blocked(p, block, threads or torch.get_num_threads(), out)

    def _blocked(
        self, p: dict[str, Tensor | None], block: int, threads: int, out: Tensor | None
    ) -> Synthesis:
        n, n_wave = p["mass"].shape[0], self.wave_aa.size
        flux = torch.empty(n, n_wave, dtype=self.dtype) if out is None else out
        band = torch.empty(n, len(self.band_names), dtype=self.dtype)
        line = torch.empty(n, self.n_line, dtype=self.dtype)
        starts = list(range(0, n, block))

        def work(own: list[int]) -> None:
            with torch.no_grad():
                for start in own:
                    rows = slice(start, min(start + block, n))
                    part = {k: v if v is None else v[rows] for k, v in p.items()}
                    *factors, band[rows], line[rows] = self._coefficients(part)
                    self._spectra(*factors, flux[rows])

        # One thread a block and single-threaded products inside it: no result depends on how many threads there are.
        with _single_threaded_torch():
            if threads == 1 or len(starts) == 1:
                work(starts)
            else:
                with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                    list(pool.map(work, [starts[i::threads] for i in range(threads)]))
        return Synthesis(flux, band, line)

    def _spectra(self, old: Tensor, young: Tensor, screen: Tensor, birth: Tensor, flux: Tensor) -> None:
        """Wavelength axis of one block, in strips whose buffers stay in the cache and are kept between calls."""
        if getattr(self._scratch, "buffers", None) is None:
            self._scratch.buffers = torch.empty(2, STRIP, self.wave_aa.size, dtype=self.dtype)
        for start in range(0, flux.shape[0], STRIP):
            rows = slice(start, min(start + STRIP, flux.shape[0]))
            target = flux[rows]
            second, dust = self._scratch.buffers[:, : target.shape[0]]
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
    """Share of each cell of one age grid that lies in each bin of another (constant SFR within a cell).

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
