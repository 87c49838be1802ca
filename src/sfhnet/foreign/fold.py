"""Galaxies of another code on the training grid, with labels, as a shard of mocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from pyprospect.bands.curve import Filter
from pyprospect.constants import C_KMS, FWHM_PER_SIGMA, HALPHA_AA
from pyprospect.fast.folding import broadening_matrix, line_profiles
from sfhnet.core.histories import history_scalars, share_formed, weighted_means
from sfhnet.core.quantities import DUST_AND_LINES, LABELS
from sfhnet.core.training_grid import INSTRUMENTS, training_grid
from sfhnet.foreign.native import NativeGalaxies
from sfhnet.mocks.galaxy_library import GalaxyLibrary

if TYPE_CHECKING:
    from pyprospect.stars.library import SSPLibrary
    from sfhnet.config import Config

__all__ = ["EW_EDGE_AA", "fold", "halpha_ew_aa"]

# Families are told apart by the equivalent width of Halpha: with strong lines networks look at them.
EW_EDGE_AA = 20.0
_AROUND_HALPHA_AA = (6480.0, 6640.0)


def halpha_ew_aa(galaxies: NativeGalaxies) -> np.ndarray:
    """Return the equivalent width of Halpha in emission in Angstrom, (n,), over the continuum around it."""
    line = int(np.abs(galaxies.line_wave_aa - HALPHA_AA).argmin())
    around = (galaxies.wave_aa > _AROUND_HALPHA_AA[0]) & (galaxies.wave_aa < _AROUND_HALPHA_AA[1])
    return galaxies.line_flux[:, line] / galaxies.flux[:, around].mean(axis=1)


def fold(
    galaxies: NativeGalaxies, config: Config, ssp: SSPLibrary, *, bands: Mapping[str, Filter]
) -> GalaxyLibrary:
    """Bring galaxies to grid and resolution of the training spectra and compute their labels.

    Parameters
    ----------
    galaxies : NativeGalaxies
    config : Config
        Its grid, bands and age bins.
    ssp : SSPLibrary
        Library of the training, whose resolution the training spectra have.
    bands : mapping of str to Filter
        At least those of ``config.bands``; they see the galaxies at rest.

    Returns
    -------
    GalaxyLibrary
        Families are named ``KIND, EW < 20`` or ``KIND, EW > 20``. Dust and lines of another code have no place among
        this project's parameters, which are NaN.

    Raises
    ------
    ValueError
        If the spectra or the histories do not cover the grid or exceed the age bins.
    """
    grid = training_grid(config.grid, ssp)
    own = galaxies.fwhm_aa / FWHM_PER_SIGMA
    sigma = np.sqrt(np.clip(grid.sigma_aa**2 - own**2, 0.0, None))
    flux = galaxies.flux @ broadening_matrix(galaxies.wave_aa, grid.wave_aa, sigma)
    width = np.hypot(
        INSTRUMENTS[config.grid.lsf](galaxies.line_wave_aa) / FWHM_PER_SIGMA,
        galaxies.line_wave_aa * config.grid.veldisp_kms / C_KMS,
    )
    profile = line_profiles(galaxies.line_wave_aa, grid.wave_aa, width)
    names = _families(galaxies)
    family_names = tuple(sorted(set(names)))
    n = len(galaxies)
    return GalaxyLibrary(
        wave_aa=grid.wave_aa,
        training_sigma_aa=grid.sigma_aa,
        resolution=grid.made_of,
        band_names=tuple(config.bands),
        age_bins_myr=np.asarray(config.age_bins_myr, dtype=np.float64),
        cum_age_yr=galaxies.age_edges_yr,
        flux=(flux + galaxies.line_flux @ profile).astype(np.float32),
        band_flux=np.stack([_band(galaxies, bands[name]) for name in config.bands], axis=1).astype(
            np.float32
        ),
        line_names=galaxies.line_names,
        line_flux=galaxies.line_flux.astype(np.float32),
        line_profile=profile.astype(np.float32),
        labels=_labels(galaxies, np.asarray(config.age_bins_myr) * 1e6),
        parameters={name: np.full(n, np.nan) for name in DUST_AND_LINES},
        family=np.array([family_names.index(name) for name in names], dtype=np.int8),
        metallicity=np.zeros(n, dtype=np.int8),
        family_names=family_names,
        metallicity_names=("foreign",),
        log_prior=np.full(n, np.nan),
    )


def _families(galaxies: NativeGalaxies) -> list[str]:
    side = np.where(halpha_ew_aa(galaxies) < EW_EDGE_AA, "<", ">")
    return [f"{name}, EW {sign} {EW_EDGE_AA:g}" for name, sign in zip(galaxies.family, side, strict=True)]


def _band(galaxies: NativeGalaxies, band: Filter) -> np.ndarray:
    """Photon-weighted mean f_lambda; lines count where they are."""
    wave = galaxies.wave_aa
    weight = band(wave) * wave
    norm = np.trapezoid(weight, wave)
    if not norm > 0:
        raise ValueError(
            f"{galaxies.made_by} covers {wave[0]:.0f}..{wave[-1]:.0f} AA: no light in band {band.name}"
        )
    lines = galaxies.line_flux @ (band(galaxies.line_wave_aa) * galaxies.line_wave_aa)
    return (np.trapezoid(galaxies.flux * weight, wave, axis=1) + lines) / norm


def _labels(galaxies: NativeGalaxies, bins_yr: np.ndarray) -> dict[str, np.ndarray]:
    edges, mass, mh = galaxies.age_edges_yr, galaxies.mass, galaxies.mh
    if edges[-1] > bins_yr[-1]:
        raise ValueError(
            f"histories of {galaxies.made_by} reach {edges[-1] / 1e6:.0f} Myr, the age bins {bins_yr[-1] / 1e6:.0f} Myr; "
            "raise the last of age_bins_myr"
        )
    # cells without mass count as if they had formed next to nothing, so that every bin has a metallicity
    weight = mass + 1e-12 * np.diff(edges) / edges[-1]
    labels = {
        "mass_fraction": _binned(mass, edges, bins_yr),
        "mh": _binned(weight * mh, edges, bins_yr, spread=True)
        / _binned(weight, edges, bins_yr, spread=True),
        "cum_mass": share_formed(mass),
        **weighted_means(mass, mh, edges, by="mw"),
        **weighted_means(galaxies.v_light, mh, edges, by="lw"),
        "gas_mh": mh[:, 0],
        **history_scalars(mass, edges, LABELS.values()),
        "a_v": galaxies.a_v,
        "v_light": galaxies.v_light.sum(axis=1),
    }
    return {name: labels[name] for name in LABELS if name in labels}


def _binned(values: np.ndarray, edges: np.ndarray, bins: np.ndarray, *, spread: bool = False) -> np.ndarray:
    """Sum cells into bins, each shared in proportion to time; ``spread`` lets the last cell reach the end of the bins."""
    edges = np.append(edges[:-1], bins[-1]) if spread else edges
    overlap = np.minimum(edges[1:, None], bins[None, 1:]) - np.maximum(edges[:-1, None], bins[None, :-1])
    return values @ (np.clip(overlap, 0.0, None) / np.diff(edges)[:, None])
