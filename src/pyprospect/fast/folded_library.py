"""The construction of a synthesizer: everything that does not depend on the galaxy, done once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pyprospect.arguments import check_argument
from pyprospect.constants import (
    BIRTH_CLOUD_AGE_YR,
    C_KMS,
    DUST_PIVOT_AA,
    HALPHA_LSOL_PER_SFR,
    V_WINDOW_AA,
)
from pyprospect.dust.attenuation import drude
from pyprospect.dust.emission import DaleTemplates
from pyprospect.fast import folding
from pyprospect.fast.dust_light import PowerNodes, light_in_bands
from pyprospect.gas.ratios import ContinuumPerHalpha, LineRatios
from pyprospect.stars.library import SSPLibrary

Array = NDArray[np.float64]

SPECTRUM_NODES = 12
# Where the light that equivalent widths of Halpha refer to is measured.
HALPHA_WINDOW_AA = (6480.0, 6640.0)


class FoldedLibrary:
    """An SSP library brought to an instrument, a wavelength grid and bands; see `Synthesizer`.

    Parameters
    ----------
    library : SSPLibrary
        Spectra in Lsol/Angstrom per Msol formed, free of zeros where they are needed.
    wave_aa : ndarray, shape (n_wave,)
        Rest-frame pixel centres in Angstrom, in the medium of the library.
    variants : sequence of str
        Names of those variants of the library (`SSPLibrary.variants`) that galaxies may be mixed of.
    lsf_fwhm_aa : callable, optional
        Instrument FWHM in Angstrom at given wavelengths in Angstrom; the library's own resolution
        (`SSPLibrary.fwhm_aa`) is taken out in quadrature.
    veldisp_kms : sequence of float
        Dispersion nodes in km/s. One node: every galaxy has it. More: galaxies may have any value between
        (`Synthesizer.line_profiles` are those of the middle one).
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
    birth_age_range_yr : (float, float), optional
        Galaxies may have any ``birth_age_yr`` between these. Default: all have the one above.
    birth_split : {"fraction", "age"}
        ``fraction`` splits an age bin that straddles ``birth_age_yr`` by time; ``age`` is ProSpect's rule
        (whole bins whose SSP age is at most ``birth_age_yr``; the first bin if there is none).
    dust_templates : DaleTemplates, optional
        What dust emits of what it absorbed (`pyprospect.dust.emission.dale_templates`), in bands that reach it; without them
        absorbed light is gone. The library then should begin at the Lyman limit (`pyprospect.stars.widen`).
    compression : float
        Bound on the relative error per pixel that the low-rank form of the folded library may make in any
        galaxy (`folding.compress`); 0 keeps the library whole.
    dtype : torch.dtype
    device : str or torch.device

    Raises
    ------
    ValueError
        If grid, bands and library do not fit together, or the library has zeros inside what is used.
    """

    #: Whether dust shines in the bands.
    emits = False

    def __init__(
        self,
        library: SSPLibrary,
        wave_aa: ArrayLike,
        *,
        variants: Sequence[str] = (),
        lsf_fwhm_aa: Callable[[Array], Array] | None = None,
        veldisp_kms: Sequence[float] = (150.0,),
        lsf_scale: Sequence[float] = (1.0,),
        redshift: Sequence[float] = (0.0,),
        bands: Mapping[str, Any] | None = None,
        lines: LineRatios | None = None,
        continuum: ContinuumPerHalpha | None = None,
        halpha_lsol_per_msol: ArrayLike | None = None,
        birth_age_yr: float = BIRTH_CLOUD_AGE_YR,
        birth_age_range_yr: tuple[float, float] | None = None,
        birth_split: str = "fraction",
        dust_templates: DaleTemplates | None = None,
        compression: float = 1e-3,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> None:
        self.library = library
        self.wave_aa = np.asarray(wave_aa, dtype=float)
        for name, value in (
            ("wave_aa", self.wave_aa),
            ("veldisp_kms", np.asarray(veldisp_kms, dtype=float)),
            ("lsf_scale", np.asarray(lsf_scale, dtype=float)),
            ("redshift", np.asarray(redshift, dtype=float)),
            ("birth_age_yr", float(birth_age_yr)),
            ("compression", float(compression)),
        ):
            check_argument("Synthesizer", name, value)
        self.dtype, self.device = dtype, torch.device(device)
        self.band_names = tuple(bands or ())
        self.lines = lines
        self.n_line = 0 if lines is None else len(lines.names)
        self.variants = tuple(variants)
        self._check_variants()
        self._check_grid()
        young = self._young_share(birth_age_yr, birth_split)
        first, last = (birth_age_yr, birth_age_yr) if birth_age_range_yr is None else birth_age_range_yr
        if birth_age_range_yr is not None and (
            birth_split != "fraction" or not 0 < first <= birth_age_yr <= last
        ):
            raise ValueError(
                f"birth_age_range_yr = {first:g} .. {last:g} with birth_split {birth_split!r}; give ages around "
                f"{birth_age_yr:g} yr and birth_split 'fraction'"
            )
        self.birth_age_range_yr = (first, last)
        # Positive up to the end of the young block and below 1 from the start of the old one: shares fall with age.
        most, least = self._young_share(last, birth_split), self._young_share(first, birth_split)
        self._young_index = slice(0, int(np.flatnonzero(most > 0)[-1]) + 1)
        self._old_index = slice(int(np.flatnonzero(least < 1)[0]), young.size)
        t = self._tensor
        self.young_share = t(young)
        self._age_edges = t(library.age_edges_yr)
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
        self._fold_bands(bands or {}, redshift, continuum, float(np.mean(veldisp_kms)), dust_templates)
        self._v_lights = t(
            np.stack([self._mean_light(*V_WINDOW_AA, spectra) for spectra in self._all_spectra()])
        )
        self.v_light = self._v_lights[0]

    def _check_variants(self) -> None:
        unknown = [name for name in self.variants if name not in self.library.variants]
        if unknown:
            raise ValueError(
                f"SSP library {self.library.name!r} has no variants {', '.join(unknown)}; it has "
                f"{', '.join(self.library.variants) or 'none'}: build it with them"
            )

    def _all_spectra(self) -> list[Array]:
        """The library's spectra, then those of the variants in use."""
        return [self.library.spectra, *(self.library.variants[name] for name in self.variants)]

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

    def _on_grid(self, wave: Array) -> NDArray[np.bool_]:
        margin = 30.0  # Angstrom: far beyond the wings of any line
        return (wave > self.wave_aa[0] - margin) & (wave < self.wave_aa[-1] + margin)

    def _mean_light(self, low_aa: float, high_aa: float, spectra: Array | None = None) -> Array:
        wave = self.library.wave_aa
        window = (wave >= low_aa) & (wave <= high_aa)
        if not window.any():
            raise ValueError(
                f"the library has no pixel between {low_aa} and {high_aa} Angstrom for the V light"
            )
        spectra = self.library.spectra if spectra is None else spectra
        return spectra[:, :, window].mean(axis=2, dtype=np.float64)

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
        own = library.fwhm_aa(wave)
        n_z, n_age = library.z.size, library.age_yr.size
        old, young, extra = [], [], []
        self.line_profiles: Array = np.zeros((self.n_line, wave.size))
        if continuum is not None:
            self._continuum_log_z = t(np.log10(continuum.z))
            self._continuum_native = np.stack(
                [np.interp(library.wave_aa, continuum.wave_aa, row) for row in continuum.per_halpha]
            )
        middle = veldisp_kms[len(veldisp_kms) // 2], lsf_scale[len(lsf_scale) // 2]
        for veldisp in veldisp_kms:
            for scale in lsf_scale:
                sigma = folding.sigma_to_add_aa(wave, veldisp, lsf, own_fwhm_aa=own, lsf_scale=scale)
                matrix = folding.broadening_matrix(library.wave_aa, wave, sigma)
                for spectra in self._all_spectra():
                    native = spectra.reshape(-1, library.wave_aa.size).astype(np.float64)
                    folded = np.asarray(native @ matrix).reshape(n_z, n_age, wave.size)
                    old.append(self._block(folded, self._old_index))
                    young.append(self._block(folded, self._young_index))
                rows = []
                if self.lines is not None:
                    width = folding.sigma_to_add_aa(
                        self.lines.wave_aa, veldisp, lsf, own_fwhm_aa=None, lsf_scale=scale
                    )
                    profiles = folding.line_profiles(self.lines.wave_aa, wave, width)
                    if (veldisp, scale) == middle:
                        self.line_profiles = profiles
                    self._line_rows = np.flatnonzero(self._on_grid(self.lines.wave_aa))
                    rows.append(profiles[self._line_rows])
                if continuum is not None:
                    rows.append(np.asarray(self._continuum_native @ matrix))
                extra.append(np.concatenate(rows) if rows else np.zeros((0, wave.size)))
        self.compression_error = 0.0
        self._old_coefficients, old_basis = self._compressed(old, compression)
        self._young_coefficients, young_basis = self._compressed(young, compression)
        self._old_basis = t(old_basis)
        # young stars, then lines, then continuum: all of them behind both dust screens
        self._young_basis = t(np.concatenate([young_basis, *extra]))
        self._has_continuum = continuum is not None
        low, high = wave[0] * 0.9999, wave[-1] * 1.0001
        self._spectrum_nodes_aa = folding.chebyshev_nodes(low, high, SPECTRUM_NODES)
        self._spread = t(folding.lagrange_matrix(np.log(self._spectrum_nodes_aa), np.log(wave)))
        if self.lines is not None:
            self._line_columns = torch.as_tensor(self._line_rows, device=self.device)
            self._line_log_z = t(np.log10(self.lines.z))
            self._line_log_u = t(self.lines.log_u)
            # one code's ratios, and those of the other less these, or nothing
            grids = [self.lines.ratio] + (
                [] if self.lines.other is None else [self.lines.other - self.lines.ratio]
            )
            self._line_ratio, *rest = (t(grid.reshape(-1, self.n_line)) for grid in grids)
            self._line_ratio_change = rest[0] if rest else None
            self._diffuse_ratio = None if self.lines.diffuse is None else t(self.lines.diffuse)
            self._halpha_continuum = t(self._mean_light(*HALPHA_WINDOW_AA))

    def _compressed(self, blocks: list[Array], compression: float) -> tuple[Tensor | None, Array]:
        """Coefficients (n_node, n_row, rank) of the blocks, None if they are kept whole, and basis (rank, n_wave)."""
        coefficients, basis, error = folding.compress(np.concatenate(blocks), compression)
        self.compression_error = max(self.compression_error, error)
        if coefficients.shape[0] == basis.shape[0]:
            return None, basis
        return self._tensor(coefficients.reshape(len(blocks), -1, len(basis))), basis

    def _fold_bands(
        self,
        bands: Mapping[str, Any],
        redshift: Sequence[float],
        continuum: ContinuumPerHalpha | None,
        veldisp_kms: float,
        dust_templates: DaleTemplates | None,
    ) -> None:
        library, t = self.library, self._tensor
        self.redshift_nodes = t(redshift)
        all_nodes = []
        for name, band in bands.items():
            wave, response = band if isinstance(band, tuple) else (band.wave_aa, band.response)
            points, weight = folding.band_quadrature(
                library.wave_aa, wave, response, name=name, redshift=redshift[0]
            )
            low, high = ((1 + redshift[0]) / (1 + z) for z in (max(redshift), min(redshift)))
            all_nodes.append(folding.DustNodes(points, weight, (low, high)))
        lines_aa = np.zeros(0) if self.lines is None else self.lines.wave_aa
        power = None if dust_templates is None else PowerNodes(library.wave_aa)
        power_aa = np.zeros(0) if power is None else power.wave_aa
        every = np.concatenate(
            [self._spectrum_nodes_aa, *(nodes.wave_aa for nodes in all_nodes), lines_aa, power_aa]
        )
        self._log_node = t(np.log(every / DUST_PIVOT_AA))
        self._bump_node = t(drude(every, Eb=1.0))
        self._n_band_node = sum(nodes.wave_aa.size for nodes in all_nodes)
        self.emits = dust_templates is not None and bool(bands)
        if not bands:
            return
        if dust_templates is not None and power is not None:
            self._fold_power(power, continuum)
            of_dust = light_in_bands(dust_templates, bands, redshift)
            self.alpha_sf_nodes = t(of_dust.alpha_sf)
            self._dust_light = t(of_dust.light.reshape(of_dust.alpha_sf.size, -1))
        moments, line_moments = [], []
        for z in redshift:
            for (name, band), nodes in zip(bands.items(), all_nodes, strict=True):
                wave, response = band if isinstance(band, tuple) else (band.wave_aa, band.response)
                points, weight = folding.band_quadrature(
                    library.wave_aa, wave, response, name=name, redshift=z
                )
                moments.append(folding.band_moments(library.wave_aa, points, weight, nodes=nodes))
                if self.lines is not None:
                    sigma = self.lines.wave_aa * veldisp_kms / C_KMS
                    line_moments.append(
                        folding.line_band_moments(
                            self.lines.wave_aa, sigma, wave, response=response, nodes=nodes, redshift=z
                        )
                    )
        # sums nodes into bands, (n_band_node, n_band)
        owner = np.repeat(np.arange(len(all_nodes)), [nodes.wave_aa.size for nodes in all_nodes])
        self._band_sum = t(owner[:, None] == np.arange(len(all_nodes)))
        matrix = np.concatenate(moments, axis=1)
        rows_old, rows_young = [], []
        for spectra in self._all_spectra():
            folded = spectra.astype(np.float64) @ matrix
            per_band = folded.reshape(*folded.shape[:2], len(redshift), -1) @ (
                owner[:, None] == np.arange(len(all_nodes))
            )
            if np.any(per_band <= 0):
                raise ValueError(
                    f"SSP library {library.name!r} has no light in one of the bands {self.band_names}; "
                    "use a library that covers them without holes"
                )
            rows_old.append(self._block(folded, self._old_index))
            rows_young.append(self._block(folded, self._young_index))
        if line_moments:
            rows_young.append(np.concatenate(line_moments, axis=1))
        if continuum is not None:
            rows_young.append(self._continuum_native @ matrix)
        self._old_moments = t(np.concatenate(rows_old))
        self._young_moments = t(np.concatenate(rows_young))

    def _fold_power(self, power: PowerNodes, continuum: ContinuumPerHalpha | None) -> None:
        """Fold the library into the power at each node, in the rows of `_old_moments` and `_young_moments`."""
        weights = power.of_spectra()
        rows_old, rows_young = [], []
        for spectra in self._all_spectra():
            folded = spectra.astype(np.float64) @ weights
            rows_old.append(self._block(folded, self._old_index))
            rows_young.append(self._block(folded, self._young_index))
        if self.lines is not None:
            rows_young.append(power.at(self.lines.wave_aa))
        if continuum is not None:
            rows_young.append(self._continuum_native @ weights)
        self._old_power = self._tensor(np.concatenate(rows_old))
        self._young_power = self._tensor(np.concatenate(rows_young))
