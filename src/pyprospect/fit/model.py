"""The galaxy that is fitted: history, metallicity, dust, gas, motion and nucleus to spectra and band fluxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pyprospect.constants import C_KMS, GYR_YR, Z_SUN
from pyprospect.fast.synthesizer import Synthesizer
from pyprospect.fit.data import Data
from pyprospect.fit.histories import Cells, mass_function_parameters, rates
from pyprospect.fit.nucleus import Nucleus, NucleusLight
from pyprospect.fit.parameters import Parameters, Values
from pyprospect.fit.priors import EDGE
from pyprospect.gas.continuum import continuum_for
from pyprospect.gas.ratios import LineRatios
from pyprospect.numerics.age_bins import rebin_matrix
from pyprospect.stars.library import SSPLibrary

__all__ = ["GalaxyModel", "Prediction"]

# Parameter -> default of everything but history and metallicity; `log_mass` is optional.
DUST_AND_GAS = {
    "tau_birth": 1.0,
    "tau_screen": 0.3,
    "pow_birth": -0.7,
    "pow_screen": -0.7,
    "Eb": 0.0,
    "log_u": -3.0,
    "log_line_scale": 0.0,
    "line_mix": 0.0,
    "diffuse_ew_aa": 0.0,
    "veldisp_kms": 150.0,
    "velocity_kms": 0.0,
}
METALLICITIES: dict[str, dict[str, float]] = {
    "constant": {"mh": 0.0},
    "binned": {"mh": 0.0},
    "massmap_lin": {"Zstart": 1e-4, "Zfinal": 0.02},
    "massmap_box": {"Zstart": 1e-4, "Zfinal": 0.02, "yield_": 0.03},
    "p2": {"Z1": 0.02, "Z2": 0.02, "Z1age": 0.0, "Z2age": 13.8},
}
# The likelihood's own, see `pyprospect.fit.likelihood`.
NOISE = ("log_error_scale", "error_floor")
_VELDISP_NODES = 7
# The nine pixels that move a spectrum reach four to each side.
_FURTHEST_PIXELS = 3.5
_TINY = 1e-12


class Prediction(NamedTuple):
    """Noiseless data, erg/s/cm2/Angstrom: spectra (n, n_wave) and band means (n, n_band)."""

    spectrum: Tensor
    bands: Tensor


class GalaxyModel:
    """Galaxies in the set-up of some data.

    Parameters
    ----------
    library : SSPLibrary
    data : Data
        Gives wavelengths, bands, redshifts and distances; its fluxes are not looked at.
    parameters : mapping, or Parameters
        See `Parameters`; what is not there has ProSpect's default. ``log_mass`` [log10 Msol formed] sets the mass and
        makes the history a shape; without it rates are Msol/yr (``mSFR``, ``m1`` ...).
    history : str
        One of ProSpect's mass functions with its parameters in Gyr, or ``binned``: ``mass_fraction`` (a `Dirichlet`) or
        ``log_sfr_ratio`` (log10 of the rate of a bin over that of the next older one) in `age_edges_yr`.
    metallicity : str
        ``constant`` and ``binned``: ``mh`` [dex]; ``massmap_lin``, ``massmap_box`` (``yield_``) and ``p2``: ProSpect's.
    age_edges_yr : array_like, optional
        Edges of the bins of a binned history; they end where the library does, or before.
    lines : LineRatios, optional
    continuum : bool
        Nebular continuum.
    nucleus : Nucleus, optional
    compression : float
        Of the folded library, see `FoldedLibrary`; 0 is exact.
    dtype : torch.dtype
        Of the synthesis; sums over pixels are float64 anyway.
    **options
        For `Synthesizer` (``birth_age_yr``, ``birth_split``, ``halpha_lsol_per_msol`` ...).

    Raises
    ------
    ValueError
        For parameters that the model has not, a history or metallicity that is unknown, or data and library that do
        not go together.
    """

    def __init__(
        self,
        library: SSPLibrary,
        data: Data,
        parameters: Mapping[str, Any] | Parameters,
        *,
        history: str = "snorm_trunc",
        metallicity: str = "constant",
        age_edges_yr: ArrayLike | None = None,
        lines: LineRatios | None = None,
        continuum: bool = False,
        nucleus: Nucleus | None = None,
        compression: float = 1e-3,
        dtype: torch.dtype = torch.float32,
        **options: Any,
    ) -> None:
        self.parameters = parameters if isinstance(parameters, Parameters) else Parameters(parameters)
        self.library, self.history, self.metallicity = library, history, metallicity
        self.defaults: dict[str, float | None] = dict(DUST_AND_GAS)
        self._make_history(age_edges_yr)
        if metallicity not in METALLICITIES or (metallicity == "binned" and history != "binned"):
            raise ValueError(
                f"metallicity {metallicity!r} with history {history!r}: use one of {sorted(METALLICITIES)}; "
                "'binned' goes with a binned history"
            )
        self.defaults |= METALLICITIES[metallicity]
        if nucleus is not None:
            self.defaults |= nucleus.defaults
        self.parameters.check_names([*self.defaults, "log_mass", *NOISE])
        missing = [k for k, v in self.defaults.items() if v is None and k not in self.parameters.names]
        if missing:
            raise ValueError(f"parameters {missing} have no default; give each a prior or a value")
        self.set_up(data, lines, continuum, nucleus, compression=compression, dtype=dtype, options=options)

    def _make_history(self, age_edges_yr: ArrayLike | None) -> None:
        edges = self.library.age_edges_yr
        self.cells = Cells(edges)
        if self.history != "binned":
            if age_edges_yr is not None:
                raise ValueError("age_edges_yr belongs to history='binned'")
            own = mass_function_parameters(self.history)
            # A rate or age without a number of its own follows another: that is no missing parameter.
            self.defaults |= {k: np.nan if v is None else v for k, v in own.items()}
            self.age_edges_yr = edges
            return
        if age_edges_yr is None:
            raise ValueError("history='binned' needs age_edges_yr")
        self.age_edges_yr = np.asarray(age_edges_yr, dtype=float)
        self._rebin = torch.as_tensor(rebin_matrix(self.age_edges_yr, edges))
        self._bin_width = torch.as_tensor(np.diff(self.age_edges_yr))
        chosen = [name for name in ("mass_fraction", "log_sfr_ratio") if name in self.parameters.names]
        if len(chosen) != 1:
            raise ValueError(
                f"a binned history takes one of mass_fraction and log_sfr_ratio; {chosen} are given"
            )
        self.defaults[chosen[0]] = None
        n = len(self.age_edges_yr) - 1
        expected = n if chosen[0] == "mass_fraction" else n - 1
        prior = self.parameters.priors.get(chosen[0])
        width = prior.n_value if prior is not None else self._width(chosen[0])
        if width != expected:
            raise ValueError(f"{chosen[0]} has {width} numbers; {n} bins of age ask for {expected}")

    def _width(self, name: str) -> int:
        fixed = self.parameters.fixed.get(name)
        return 0 if fixed is None else fixed.numel()

    def set_up(
        self,
        data: Data,
        lines: LineRatios | None,
        continuum: bool,
        nucleus: Nucleus | None,
        *,
        compression: float,
        dtype: torch.dtype,
        options: Mapping[str, Any],
    ) -> None:
        """Fold the library for the data."""
        self.data_shape = data
        wave = data.rest_wave_aa
        self.has_spectrum = wave is not None
        bands = () if data.photometry is None else data.photometry.bands
        if wave is None:
            # Only the bands are asked for; the synthesizer wants a grid all the same.
            middle = float(self.library.wave_aa[len(self.library.wave_aa) // 2])
            wave = np.linspace(middle, middle * 1.001, 3)
        low, high = float(data.redshift.min()), float(data.redshift.max())
        lsf = None
        if data.spectrum is not None and data.spectrum.lsf_fwhm_aa is not None:
            given, factor = data.spectrum.lsf_fwhm_aa, 1.0 + float(data.redshift.mean())

            def lsf(rest_aa: np.ndarray) -> np.ndarray:
                return np.asarray(given(rest_aa * factor)) / factor

        self.synthesizer = Synthesizer(
            self.library,
            wave,
            lsf_fwhm_aa=lsf,
            veldisp_kms=self._veldisp_nodes(),
            redshift=(low,) if low == high else tuple(np.linspace(low, high, 5)),
            bands={f"{i}:{band.name}": band for i, band in enumerate(bands)},
            lines=lines,
            continuum=continuum_for(self.library) if continuum else None,
            compression=compression,
            dtype=dtype,
            **options,
        )
        # How many pixels a shift by the speed of light is, to first order in velocity over it.
        self._pixels_per_c = torch.as_tensor(wave / np.gradient(wave))
        offsets = np.arange(-4.0, 5.0)
        # Row k: what the power k of a shift in pixels multiplies, by Lagrange's polynomial through nine pixels.
        self._filters = torch.as_tensor(np.linalg.inv(np.vander(offsets, increasing=True)))[:, None]
        self.redshift = torch.as_tensor(np.array(data.redshift))
        self.flux_per_lsol = torch.as_tensor(data.flux_per_lsol)
        self.nucleus = None
        if nucleus is not None:
            if low != high:
                raise ValueError("a nucleus needs one redshift; fit galaxies of several redshifts one by one")
            grid = wave if self.has_spectrum else np.zeros(0)
            self.nucleus = NucleusLight(nucleus, grid, list(bands), redshift=low, lsf_fwhm_aa=lsf)

    def _veldisp_nodes(self) -> tuple[float, ...]:
        prior = self.parameters.priors.get("veldisp_kms")
        if prior is None:
            if "veldisp_kms" in self.parameters.tied:
                raise ValueError("veldisp_kms cannot be tied; make it free or fix it")
            return (float(self.parameters.fixed.get("veldisp_kms", torch.tensor(150.0))),)
        edge = torch.tensor([[-EDGE], [EDGE]], dtype=torch.float64)
        low, high = prior.from_normal(edge).tolist()
        if not (0 < low < high < 2000):
            raise ValueError(
                f"veldisp_kms runs {low:.4g} .. {high:.4g} km/s; give it a prior with bounds, such as Uniform(50, 300)"
            )
        return tuple(np.linspace(low, high, _VELDISP_NODES))

    def full(self, values: Values) -> Values:
        """Return values with the defaults of what is not a parameter of this fit."""
        n, out = len(next(iter(values.values()))), dict(values)
        for name, default in self.defaults.items():
            if name not in out and default is not None and not np.isnan(default):
                out[name] = torch.full((n,), float(default), dtype=torch.float64)
        return out

    def masses(self, values: Values) -> tuple[Tensor, Tensor]:
        """Return what formed in the age bins of the library.

        Parameters
        ----------
        values : dict
            From `Parameters.values`.

        Returns
        -------
        mass_msun, metal_fraction : Tensor, shape (n, n_age)
        """
        p = self.full(values)
        if self.history == "binned":
            share = self._binned_shares(p)
            mass, z = share @ self._rebin, self._metals_binned(p, share)
        else:
            own = {k: p[k] for k in mass_function_parameters(self.history) if k in p}
            cells = rates(self.history, self.cells, own) * self.cells.width
            # Cells without stars keep a trace, so that a history that is empty everywhere has a gradient.
            cells = cells + _TINY * self.cells.width
            if "log_mass" in p:
                cells = cells / cells.sum(dim=1, keepdim=True)
            mass, z = self.cells.in_bins(cells), self._metals(p, cells)
        if "log_mass" in p:
            mass = mass * 10.0 ** p["log_mass"][:, None]
        return mass, z

    def _binned_shares(self, p: Values) -> Tensor:
        if "mass_fraction" in p:
            share = p["mass_fraction"].clamp(min=0.0) + _TINY
        else:
            # log rate of each bin, the oldest first set to zero
            log_rate = torch.flip(torch.cumsum(torch.flip(p["log_sfr_ratio"], [1]), 1), [1])
            log_rate = torch.cat([log_rate, torch.zeros_like(log_rate[:, :1])], dim=1)
            log_rate = log_rate - log_rate.amax(dim=1, keepdim=True).detach()
            share = 10.0 ** log_rate.clamp(min=-12.0) * self._bin_width
        return share / share.sum(dim=1, keepdim=True)

    def _metals_binned(self, p: Values, share: Tensor) -> Tensor:
        n_age = len(self.library.age_yr)
        if self.metallicity == "binned" and p["mh"].ndim == 2:
            mass = share @ self._rebin
            metals = (share * Z_SUN * 10.0 ** p["mh"]) @ self._rebin
            # Library bins beyond the history have no stars: the oldest bin's metals stand there.
            beyond = Z_SUN * 10.0 ** p["mh"][:, -1:]
            return torch.where(mass > 0, metals / mass.clamp(min=1e-30), beyond)
        if self.metallicity in ("constant", "binned"):
            return (Z_SUN * 10.0 ** p["mh"])[:, None].expand(-1, n_age)
        middle = torch.as_tensor(
            np.sqrt(np.maximum(self.library.age_edges_yr[:-1], 1e5) * self.library.age_edges_yr[1:])
        )
        return self._mapped(p, share @ self._rebin, middle)

    def _metals(self, p: Values, cells: Tensor) -> Tensor:
        if self.metallicity == "constant":
            return (Z_SUN * 10.0 ** p["mh"])[:, None].expand(-1, len(self.library.age_yr))
        z = self._mapped(p, cells, self.cells.middle)
        return self.cells.in_bins(z * cells) / self.cells.in_bins(cells)

    @staticmethod
    def _mapped(p: Values, mass: Tensor, age_yr: Tensor) -> Tensor:
        """Metal mass fraction by mass formed (massmap) or by age (p2), (n, n_cell)."""
        if "Z1" in p:
            first, last = p["Z1age"][:, None] * GYR_YR, p["Z2age"][:, None] * GYR_YR
            along = ((age_yr - first) / (last - first)).clamp(0.0, 1.0)
            return (p["Z1"][:, None] + (p["Z2"] - p["Z1"])[:, None] * along).clamp(min=1e-4)
        start, rise = p["Zstart"][:, None], (p["Zfinal"] - p["Zstart"])[:, None].clamp(min=0.0)
        older = torch.flip(torch.cumsum(torch.flip(mass, [1]), 1), [1]) - 0.5 * mass
        formed = older / mass.sum(dim=1, keepdim=True)
        if "yield_" not in p:
            return start + formed * rise
        y = p["yield_"][:, None]
        return start - y * torch.log1p(-formed * -torch.expm1(-rise / y))

    def predict(self, values: Values, rows: Tensor | None = None) -> Prediction:
        """Return noiseless data.

        Parameters
        ----------
        values : dict
            From `Parameters.values`, n of them.
        rows : Tensor of int, shape (n,), optional
            Galaxy of the data that each is a model of; by default the only one, or one each.
        """
        p = self.full(values)
        mass, z = self.masses(values)
        n = len(mass)
        rows = torch.arange(n) % len(self.redshift) if rows is None else rows
        total = mass.sum(dim=1, keepdim=True)
        light = self.synthesizer(
            mass / total,
            z,
            tau_birth=p["tau_birth"],
            tau_screen=p["tau_screen"],
            pow_birth=p["pow_birth"],
            pow_screen=p["pow_screen"],
            bump=p["Eb"],
            line_scale=10.0 ** p["log_line_scale"],
            log_u=p["log_u"],
            line_mix=p["line_mix"] if "line_mix" in values else None,
            diffuse_ew_aa=p["diffuse_ew_aa"] if "diffuse_ew_aa" in values else None,
            veldisp_kms=p["veldisp_kms"] if self.synthesizer.veldisp_nodes.numel() > 1 else None,
            redshift=self.redshift[rows] if self.synthesizer.redshift_nodes.numel() > 1 else None,
            block=128,
        )
        spectrum, bands = light.flux, light.band_flux.double() * total
        if self.has_spectrum and "velocity_kms" in values:
            spectrum = self._moved(spectrum, p["velocity_kms"])
        spectrum = spectrum.double() * total
        if self.nucleus is not None:
            its_spectrum, its_bands = self.nucleus(p)
            spectrum = spectrum + its_spectrum if self.has_spectrum else spectrum
            bands = bands + its_bands
        if not self.has_spectrum:
            spectrum = spectrum[:, :0]
        factor = self.flux_per_lsol[rows, None]
        return Prediction(spectrum * factor, bands * factor)

    def _moved(self, spectrum: Tensor, velocity_kms: Tensor) -> Tensor:
        """Return spectra moved by velocities (n,): the polynomial through nine pixels, as filters (Farrow 1988)."""
        pixels = -self._pixels_per_c * (velocity_kms[:, None] / C_KMS)
        pixels = pixels.clamp(-_FURTHEST_PIXELS, _FURTHEST_PIXELS).to(spectrum.dtype)
        padded = torch.nn.functional.pad(spectrum[:, None], (4, 4), mode="replicate")
        parts = torch.nn.functional.conv1d(padded, self._filters.to(spectrum.dtype))
        out = parts[:, -1]
        for k in range(parts.shape[1] - 2, -1, -1):
            out = parts[:, k] + pixels * out
        return out

    def derived(self, values: Values) -> dict[str, np.ndarray]:
        """Return what one asks of a history, (n,) each.

        Returns
        -------
        dict
            ``log_mass_formed``, ``log_mass_stars`` [log10 Msol], ``log_sfr_100myr`` [log10 Msol/yr], ``log_age_mass``,
            ``log_age_light`` [log10 yr, weighted with mass and with light at 5500 Angstrom], ``mh_mass`` [dex].
        """
        with torch.no_grad():
            mass, z = self.masses(values)
            library = self.library
            edges = torch.as_tensor(np.array(library.age_edges_yr))
            log_age = torch.log10(0.5 * (edges[1:] + edges[:-1]))
            total = mass.sum(dim=1)
            weights = self.synthesizer.weights(mass.to(self.synthesizer.dtype), z.to(self.synthesizer.dtype))
            light = (weights * self.synthesizer.v_light).sum(dim=1).double()
            surviving = torch.as_tensor(np.nan_to_num(library.evolution[:, :, 0], nan=np.nan)).double()
            recent = ((1e8 - edges[:-1]) / (edges[1:] - edges[:-1])).clamp(0.0, 1.0)
            out = {
                "log_mass_formed": torch.log10(total),
                "log_mass_stars": torch.log10((weights.double() * surviving).sum(dim=(1, 2))),
                "log_sfr_100myr": torch.log10(((mass * recent).sum(dim=1) / 1e8).clamp(min=1e-10)),
                "log_age_mass": (mass * log_age).sum(dim=1) / total,
                "log_age_light": (light * log_age).sum(dim=1) / light.sum(dim=1),
                "mh_mass": torch.log10((mass * z).sum(dim=1) / total / Z_SUN),
            }
        return {name: value.numpy() for name, value in out.items()}
