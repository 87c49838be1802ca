"""The same populations by other authors, brought to the ages, metallicities, pixels and resolution of one library.

What differs between libraries is taken as a ratio at equal age and metallicity, so that a library that lacks young stars,
the ultraviolet or a metallicity takes them from the reference without a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pyprospect.arguments import checked
from pyprospect.constants import C_KMS, FWHM_PER_SIGMA, V_WINDOW_AA
from pyprospect.numerics.rebin import pixel_edges, smoothing_matrix
from pyprospect.stars.library import SSPLibrary
from pyprospect.stars.merge import repair_holes

__all__ = ["KNOWN", "add_variants", "extend_metallicities", "offset_kms", "with_alpha", "with_variant"]

Array = NDArray[np.float64]

KNOWN = ("emiles_basti", "xsl", "bpass", "alpha")
"""Variants by name."""

# Ratios fade over this range of log age beyond the ages that a library has, and are held at its ends in wavelength.
_FADE_DEX = 0.5
_EDGE_AA = 20.0
# Old enough for the level of two libraries to differ by their initial mass functions only; near solar.
_LEVEL_YR, _LEVEL_DEX = (2e8, 1.3e10), 0.3
_FEATURES_AA = (4800.0, 6800.0)
# Air and vacuum are 83 km/s apart.
_MOST_OFFSET_KMS, _VACUUM_KMS = 30.0, (60.0, 110.0)
_SOME = 6
# A library with fewer ages between these, in Gyr, leaves too much to interpolation.
_NEEDED_GYR, _LEAST_AGES = (1.0, 12.0), 5


def add_variants(reference: SSPLibrary, files: Mapping[str, Path]) -> SSPLibrary:
    """Return the reference with other libraries as variants, and with the metallicities that E-MILES BaSTI adds.

    Parameters
    ----------
    reference : SSPLibrary
        What they are brought to.
    files : mapping of str to Path
        Name -> file: ``emiles_basti``, ``xsl``, ``bpass`` (stars below 40 Myr), ``alpha`` (Coelho et al. 2007, the ratio of
        [alpha/Fe] 0.4 to 0). None: the reference as it is.

    Returns
    -------
    SSPLibrary

    Raises
    ------
    ValueError
        If a name is not known or a library does not fit.
    """
    unknown = sorted(set(files) - set(KNOWN))
    if unknown:
        raise ValueError(f"no variants {', '.join(unknown)}; there are {', '.join(KNOWN)}")
    result = reference
    if "emiles_basti" in files:
        result = extend_metallicities(result, SSPLibrary.read(files["emiles_basti"]))
    for name, path in files.items():
        if name == "alpha":
            enhanced, base = (SSPLibrary.read(path, format="packed", alpha_fe=value) for value in (0.4, 0.0))
            result = with_alpha(result, enhanced, base)
        else:
            result = with_variant(result, SSPLibrary.read(path), name, young=name == "bpass")
    return result


def with_variant(reference: SSPLibrary, other: SSPLibrary, name: str, *, young: bool = False) -> SSPLibrary:
    """Return the reference with another library as a variant of it.

    Parameters
    ----------
    reference : SSPLibrary
        What the other is brought to. Its own resolution is kept; the other must be as sharp.
    other : SSPLibrary
        In the same medium. Red holes are filled from the reference.
    name : str
        Of the variant.
    young : bool
        Take only stars below 40 Myr from it, fading to none at 100 Myr; without, ages it lacks are the reference's.

    Returns
    -------
    SSPLibrary
        Its ``variants`` hold the other's spectra, times one number that absorbs the initial mass function: near solar
        metallicity both give the same light at 5500 Angstrom, on average over 0.2 to 13 Gyr (``young``: over its ages).

    Raises
    ------
    ValueError
        If the media differ, the other has holes inside, too few ages, is broader than the reference, does not reach from
        4750 to 9400 Angstrom, or its lines are shifted.
    """
    if reference.meta.get("medium") != other.meta.get("medium"):
        raise ValueError(
            f"{other.name} is in {other.meta.get('medium')}, {reference.name} in {reference.meta.get('medium')}: bring "
            "both to one medium first"
        )
    _check_ages(other, young)
    mended = repair_holes(other, reference)
    pixels, log_flux = _on_pixels(mended, reference)
    here = _log_reference(reference, mended, pixels)
    shift = offset_kms(reference.wave_aa[pixels], log_flux, here)
    if abs(shift) > _MOST_OFFSET_KMS:
        hint = (
            "; its wavelengths look like those in vacuum" if _VACUUM_KMS[0] < shift < _VACUUM_KMS[1] else ""
        )
        raise ValueError(
            f"the lines of {other.name} lie {shift:+.0f} km/s from those of {reference.name}{hint}; both must be at rest in air"
        )
    ratio = log_flux - here
    level = _v_level(reference.wave_aa[pixels], ratio)
    near_solar = np.abs(mended.log_z_solar) <= max(_LEVEL_DEX, np.abs(mended.log_z_solar).min())
    low, high = (0.0, 1e8) if young else _LEVEL_YR
    of_age = (mended.age_yr >= low) & (mended.age_yr <= high)
    ratio -= level[np.ix_(near_solar, of_age)].mean()
    whole = _spread(ratio, mended, reference, pixels)
    if young:
        whole *= _fade((8.0 - np.log10(np.maximum(reference.age_yr, 1.0))) / np.log10(1e8 / 4e7))[:, None]
    return _joined(reference, name, whole, mended)


def with_alpha(
    reference: SSPLibrary, enhanced: SSPLibrary, base: SSPLibrary, name: str = "alpha"
) -> SSPLibrary:
    """Return the reference with its own alpha-enhanced variant, by the ratio of two theoretical libraries.

    Parameters
    ----------
    reference : SSPLibrary
        What is enhanced.
    enhanced, base : SSPLibrary
        Populations of equal [Fe/H] and age with and without enhancement.
    name : str
        Of the variant.

    Returns
    -------
    SSPLibrary
        Colours and lines of the variant are the reference's times the ratio; its light at 5500 Angstrom is the reference's.

    Raises
    ------
    ValueError
        If the two do not have the same ages, metallicities and wavelengths.
    """
    same = all(
        np.array_equal(getattr(enhanced, axis), getattr(base, axis)) for axis in ("z", "age_yr", "wave_aa")
    )
    if not same:
        raise ValueError(
            f"{enhanced.name} and {base.name} do not have the same ages, metallicities and wavelengths"
        )
    pixels, log_flux = _on_pixels(enhanced, reference)
    ratio = log_flux - _on_pixels(base, reference)[1]
    ratio -= _v_level(reference.wave_aa[pixels], ratio)[:, :, None]
    return _joined(reference, name, _spread(ratio, base, reference, pixels), enhanced)


def extend_metallicities(reference: SSPLibrary, other: SSPLibrary) -> SSPLibrary:
    """Return the reference with the lowest and the highest metallicity of another library as well.

    Parameters
    ----------
    reference, other : SSPLibrary
        The reference's spectrum at its last metallicity is multiplied by the ratio of the other's spectra at both, at
        equal age; ages that the other lacks, and masses, are those of the last metallicity.

    Returns
    -------
    SSPLibrary
        As it was where the other reaches no further.
    """
    mended = repair_holes(other, reference)
    pixels, log_flux = _on_pixels(mended, reference)
    result = reference
    for end in (0, -1):
        further = other.z[end]
        if not (further < 0.98 * reference.z[0] if end == 0 else further > 1.02 * reference.z[-1]):
            continue
        at_edge = np.einsum("z,zaw->aw", _hats(mended.z, reference.z[[end]])[0], log_flux)
        ratio = _spread((log_flux[end] - at_edge)[None], _at_metallicity(mended, end), reference, pixels)[0]
        spectra = (reference.spectra[end] * np.exp(ratio))[None].astype(reference.spectra.dtype)
        meta = dict(result.meta)
        photons = meta.get("ionizing_photons")
        if photons is not None:
            meta["ionizing_photons"] = [photons[0], *photons] if end == 0 else [*photons, photons[-1]]
        meta["metallicities_added"] = [
            *meta.get("metallicities_added", []),
            {"z": float(further), "by": other.name},
        ]
        result = replace(
            result,
            spectra=_put_at(result.spectra, spectra, end),
            evolution=_put_at(result.evolution, reference.evolution[[end]], end),
            z=_put_at(result.z, np.array([further]), end),
            meta=meta,
            variants={},
        )
    return result


def _put_at(values: np.ndarray, more: np.ndarray, end: int) -> np.ndarray:
    """Put more before the first (``end`` = 0) or behind the last."""
    return np.concatenate([more, values] if end == 0 else [values, more])


def _at_metallicity(library: SSPLibrary, index: int) -> SSPLibrary:
    one = [index % library.z.size]
    return replace(library, z=library.z[one], spectra=library.spectra[one], evolution=library.evolution[one])


@checked
def offset_kms(wave_aa: Array, log_flux: Array, log_reference: Array) -> float:
    """Return how far the features of spectra lie redward of those of others.

    Parameters
    ----------
    wave_aa : ndarray, shape (n_wave,)
        Angstrom.
    log_flux, log_reference : ndarray, shape (n_z, n_age, n_wave)
        Natural logarithms; the median over populations is taken.

    Returns
    -------
    float
        km/s.
    """
    inside = (wave_aa > _FEATURES_AA[0]) & (wave_aa < _FEATURES_AA[1])
    if inside.sum() < 500:
        raise ValueError(
            f"the libraries share {inside.sum()} pixels between {_FEATURES_AA[0]:.0f} and {_FEATURES_AA[1]:.0f} Angstrom; "
            "their wavelengths cannot be compared"
        )
    velocity = np.arange(-200.0, 201.0, 10.0)
    x = np.log(wave_aa[inside])
    grid = np.linspace(x[0] + 1e-3, x[-1] - 1e-3, x.size)

    def features(values: Array, shift_kms: float) -> Array:
        there = np.interp(grid + shift_kms / C_KMS, x, values[inside])
        return there - np.convolve(np.pad(there, 100, mode="edge"), np.ones(201) / 201, "valid")

    found = []
    # A few dozen populations tell as much as hundreds.
    some = [np.unique(np.linspace(0, size - 1, _SOME).astype(int)) for size in log_flux.shape[:2]]
    for i_z, i_age in ((i, j) for i in some[0] for j in some[1]):
        wanted = features(log_reference[i_z, i_age], 0.0)
        match = np.array([np.sum(wanted * features(log_flux[i_z, i_age], v)) for v in velocity])
        k = int(np.clip(match.argmax(), 1, velocity.size - 2))
        below, at, above = match[k - 1 : k + 2]
        curvature = below - 2 * at + above
        found.append(velocity[k] + 5.0 * (below - above) / curvature if curvature < 0 else velocity[k])
    return float(np.median(found))


def _check_ages(other: SSPLibrary, young: bool) -> None:
    low, high = (1e-3, 4e-2) if young else _NEEDED_GYR
    n = int(((other.age_yr >= 0.9e9 * low) & (other.age_yr <= 1.1e9 * high)).sum())
    if n < _LEAST_AGES:
        raise ValueError(
            f"{other.name} has {n} ages between {low:g} and {high:g} Gyr ({other.age_yr[0]:.3g} .. {other.age_yr[-1]:.3g} yr); "
            f"at least {_LEAST_AGES} are needed"
        )


def _hats(nodes: Array, at: Array) -> Array:
    """Weights (n_at, n_node) of linear interpolation in the logarithm, held at both ends."""
    x, xp = np.log10(np.maximum(at, 1.0 if nodes[0] > 1 else 1e-9)), np.log10(np.maximum(nodes, 1e-9))
    return np.stack([np.interp(x, xp, unit) for unit in np.eye(nodes.size)], axis=1)


def _fade(x: Array) -> Array:
    return np.clip(x, 0.0, 1.0)


def _on_pixels(other: SSPLibrary, reference: SSPLibrary) -> tuple[slice, Array]:
    """Return which pixels of the reference the other covers, and its log flux there at the reference's resolution."""
    wave_aa = reference.wave_aa
    wanted, own = reference.fwhm_aa(wave_aa), other.fwhm_aa(wave_aa)
    if wanted is None or own is None:
        raise ValueError(f"{reference.name if wanted is None else other.name} does not state its resolution")
    sigma_aa = np.sqrt(np.clip(wanted**2 - own**2, 0, None)) / FWHM_PER_SIGMA
    margin = 6 * sigma_aa + 2.0
    covered = np.flatnonzero((wave_aa - margin > other.wave_aa[0]) & (wave_aa + margin < other.wave_aa[-1]))
    if covered.size < 2 or wave_aa[covered[0]] > 4750 or wave_aa[covered[-1]] < 9400:
        raise ValueError(
            f"{other.name} covers {other.wave_aa[0]:.0f} .. {other.wave_aa[-1]:.0f} Angstrom; 4750 .. 9400 are needed"
        )
    pixels = slice(int(covered[0]), int(covered[-1]) + 1)
    # Bands are all that the ultraviolet is for.
    broader = (own[pixels] > 1.1 * wanted[pixels]) & (wave_aa[pixels] > 4700)
    if broader.mean() > 0.01:
        at = int(np.flatnonzero(broader)[0])
        raise ValueError(
            f"{other.name} has a resolution of {own[pixels][at]:.2f} Angstrom FWHM at {wave_aa[pixels][at]:.0f} Angstrom, "
            f"{reference.name} {wanted[pixels][at]:.2f}: a library broader than the reference cannot stand for it"
        )
    edges = pixel_edges(wave_aa)[pixels.start : pixels.stop + 1]
    matrix = smoothing_matrix(pixel_edges(other.wave_aa), edges, sigma_aa[pixels])
    flat = np.asarray(matrix @ other.spectra.reshape(-1, other.wave_aa.size).T.astype(float)).T
    if flat.min() <= 0:
        raise ValueError(
            f"{other.name} has no light in some pixels between {edges[0]:.0f} and {edges[-1]:.0f} Angstrom"
        )
    return pixels, np.log(flat).reshape(*other.spectra.shape[:2], -1)


def _log_reference(reference: SSPLibrary, other: SSPLibrary, pixels: slice) -> Array:
    """Log flux of the reference at the other's ages and metallicities, held at its ends."""
    in_z, in_age = _hats(reference.z, other.z), _hats(reference.age_yr, other.age_yr)
    log_flux = np.log(np.maximum(reference.spectra[:, :, pixels], 1e-30))
    return np.einsum(
        "bz,zaw->baw", in_z, np.einsum("ba,zaw->zbw", in_age, log_flux, optimize=True), optimize=True
    )


def _v_level(wave_aa: Array, ratio: Array) -> Array:
    window = (wave_aa >= V_WINDOW_AA[0]) & (wave_aa <= V_WINDOW_AA[1])
    return ratio[:, :, window].mean(axis=2)


def _spread(ratio: Array, other: SSPLibrary, reference: SSPLibrary, pixels: slice) -> Array:
    """Bring a log ratio to the reference's axes: interpolated, faded below the youngest age, held at the ends in wavelength."""
    in_z, in_age = _hats(other.z, reference.z), _hats(other.age_yr, reference.age_yr)
    log_age = np.log10(np.maximum(reference.age_yr, 1.0))
    in_age = in_age * _fade(1 - (np.log10(max(other.age_yr[0], 1.0)) - log_age) / _FADE_DEX)[:, None]
    inner = np.einsum(
        "bz,zaw->baw", in_z, np.einsum("ba,zaw->zbw", in_age, ratio, optimize=True), optimize=True
    )
    whole = np.empty((*inner.shape[:2], reference.wave_aa.size))
    whole[:, :, pixels] = inner
    wave_aa = reference.wave_aa[pixels]
    whole[:, :, : pixels.start] = inner[:, :, wave_aa < wave_aa[0] + _EDGE_AA].mean(axis=2, keepdims=True)
    whole[:, :, pixels.stop :] = inner[:, :, wave_aa > wave_aa[-1] - _EDGE_AA].mean(axis=2, keepdims=True)
    return whole


def _joined(reference: SSPLibrary, name: str, log_ratio: Array, other: SSPLibrary) -> SSPLibrary:
    spectra = (reference.spectra * np.exp(log_ratio)).astype(np.float32)
    notes = {**reference.meta.get("variants", {}), name: {"source": other.meta.get("source", other.name)}}
    return replace(
        reference, variants={**reference.variants, name: spectra}, meta={**reference.meta, "variants": notes}
    )
