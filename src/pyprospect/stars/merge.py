"""Join and mend SSP libraries: a young one below an old one, and the red holes of E-MILES."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from pyprospect.messages import ClampWarning
from pyprospect.numerics.rebin import pixel_edges
from pyprospect.stars.library import SSPLibrary

# Edges of the young bins of the training library: 10, 20, 40 and 63 Myr are edges of the labels, and the steps of
# 1 to 1.5 Myr below 6.5 Myr follow the drop of the ionising light.
YOUNG_EDGES_YR = tuple(1e6 * np.array([0, 1, 2, 3, 4, 5, 6.5, 8, 10, 14, 20, 28, 40, 50, 63]))
SEAM_WINDOW_AA = (3600.0, 8900.0)
EDGE_WINDOW_AA = 150.0


def merge(
    young: SSPLibrary,
    old: SSPLibrary,
    seam_age_yr: float,
    *,
    young_edges_yr: Sequence[float] | None = None,
    window_aa: tuple[float, float] = SEAM_WINDOW_AA,
) -> SSPLibrary:
    """Join a young and an old library at a seam age.

    Below ``seam_age_yr`` the young library is averaged over age bins (constant SFR inside a bin, spectra linear
    between its ages), brought to the metallicities of the old one (linear in log10 Z, clamped), to its wavelengths
    (mean over each pixel, so flux is conserved) and multiplied by ONE number per metallicity, so that both have the
    same luminosity at the first age of the old library at or above the seam. That number absorbs the different
    mass per bright star of the two initial mass functions; the mass that stars lose scales with it too.

    Parameters
    ----------
    young, old : SSPLibrary
        Libraries in the same medium (air or vacuum).
    seam_age_yr : float
        Seam in yr: the last edge of the young bins and the first edge of the old ones.
    young_edges_yr : sequence of float, optional
        Edges of the young bins in yr, from 0 to the seam. Default: 14 bins (0, 1, 2, 3, 4, 5, 6.5, 8, 10, 14, 20,
        28, 40, 50, 63 Myr), the seam replacing all above 0.95 of it.
    window_aa : (float, float)
        Wavelength range in Angstrom over which the luminosities are made to agree.

    Returns
    -------
    SSPLibrary
        Ages of the young part are the middles of their bins. Ionising photons that the young library states
        (`pyprospect.gas.ionizing_light.with_ionizing_photons`) go the same way. ``meta["merge"]`` reports the seam, the factor per
        metallicity, the ratio old / young that is left at the seam, the metallicities clamped and the resolutions.

    Raises
    ------
    ValueError
        If the seam is outside the libraries, the media differ, or the young library does not cover the
        wavelengths of the old one (``trim`` the old one: nothing is extrapolated in wavelength).

    Warns
    -----
    ClampWarning
        If metallicities of the old library lie outside the young one (clamped).
    """
    same_medium(young, old)
    edges_yr = np.array(YOUNG_EDGES_YR if young_edges_yr is None else young_edges_yr, dtype=float)
    if young_edges_yr is None:
        edges_yr = np.append(edges_yr[edges_yr < 0.95 * seam_age_yr], seam_age_yr)
    if edges_yr[0] != 0 or edges_yr[-1] != seam_age_yr or np.any(np.diff(edges_yr) <= 0):
        raise ValueError(
            f"young_edges_yr must ascend from 0 to the seam at {seam_age_yr:.6g} yr, got {edges_yr.tolist()}"
        )
    first = int(np.searchsorted(old.age_yr, seam_age_yr))
    if first == old.age_yr.size:
        raise ValueError(
            f"{old.name} ends at {old.age_yr[-1]:.4g} yr, below the seam at {seam_age_yr:.4g} yr"
        )
    if young.age_yr[-1] < old.age_yr[first]:
        raise ValueError(
            f"{young.name} ends at {young.age_yr[-1]:.4g} yr, before {old.age_yr[first]:.4g} yr, the first age of "
            f"{old.name} above the seam: they cannot be scaled to meet. Choose an earlier seam"
        )
    z_weights, clamped = log_weights(young.z, old.z)
    bins = _bin_average_weights(young.age_yr, edges_yr)
    at_seam = hat(young.age_yr, old.age_yr[first : first + 1])
    spectra = project(young, z_weights, np.concatenate([bins, at_seam]), old.wave_aa)
    inside = (old.wave_aa >= window_aa[0]) & (old.wave_aa <= window_aa[1])
    reference = old.spectra[:, first].astype(float)
    if not inside.any() or np.any(reference[:, inside] == 0):
        raise ValueError(
            f"{old.name} has no light or exactly-zero pixels inside {window_aa} Angstrom at "
            f"{old.age_yr[first]:.4g} yr; repair_holes first or choose another window_aa"
        )
    width_aa = np.gradient(old.wave_aa)[inside]
    factor = (reference[:, inside] @ width_aa) / (spectra[:, -1][:, inside] @ width_aa)
    spectra *= factor[:, None, None]
    evolution = np.einsum("kz,ba,zaj->kbj", z_weights, bins, young.evolution)
    for column, rest in ((0, 1.0), (1, 0.0), (4, 0.0)):
        evolution[:, :, column] = rest - factor[:, None] * (rest - evolution[:, :, column])
    # counted in the young library before it is cut to the wavelengths of the old one
    photons = young.meta.get("ionizing_photons")
    if photons is not None:
        photons = (factor[:, None] * (z_weights @ np.asarray(photons) @ bins.T)).tolist()
    if clamped:
        warnings.warn(
            f"metallicities {clamped} of {old.name} lie outside {young.name} "
            f"({young.z[0]}..{young.z[-1]}): its end value is used below the seam",
            ClampWarning,
            stacklevel=2,
        )
    return SSPLibrary(
        z=old.z,
        age_yr=np.concatenate([0.5 * (edges_yr[1:] + edges_yr[:-1]), old.age_yr[first:]]),
        age_edges_yr=np.concatenate([edges_yr, old.age_edges_yr[first + 1 :]]),
        wave_aa=old.wave_aa,
        spectra=np.concatenate([spectra[:, :-1], old.spectra[:, first:]], axis=1),
        evolution=np.concatenate([evolution, old.evolution[:, first:]], axis=1),
        name=f"{old.name} + {young.name}",
        meta={
            **old.meta,
            **({} if photons is None else {"ionizing_photons": photons}),
            "merge": {
                "young": {
                    "name": young.name,
                    **{k: v for k, v in young.meta.items() if k != "ionizing_photons"},
                },
                "seam_age_yr": float(seam_age_yr),
                "scaled_at_age_yr": float(old.age_yr[first]),
                "window_aa": list(window_aa),
                "factor_per_z": dict(zip(map(str, old.z.tolist()), factor.tolist(), strict=True)),
                "left_at_seam": _leftover(old.wave_aa, reference, spectra[:, -1]),
                "z_clamped": clamped,
                "note": "young spectra are bin averages; fwhm_aa() describes the old library",
            },
        },
    )


def repair_holes(
    library: SSPLibrary, donor: SSPLibrary, edge_window_aa: float = EDGE_WINDOW_AA
) -> SSPLibrary:
    """Fill the spans where a spectrum is exactly zero redward of its last light (E-MILES beyond 8951 Angstrom).

    The donor's spectrum of the same metallicity and age (linear in log10 Z and in age, clamped in Z), times one
    constant that makes the mean over ``edge_window_aa`` just before the hole meet, fills the hole. The donor's
    resolution rules there (BC03-MILES: about 20 Angstrom redward of 8750).

    Parameters
    ----------
    library : SSPLibrary
        Library with holes.
    donor : SSPLibrary
        Library without holes there, in the same medium.
    edge_window_aa : float
        Length in Angstrom of the stretch before the hole over which the two are scaled to meet.

    Returns
    -------
    SSPLibrary
        Without those holes; ``meta["repaired_holes"]`` names the donor and lists each span: z, age_yr,
        wave_min_aa, wave_max_aa and the constant.

    Raises
    ------
    ValueError
        If a hole does not reach the red end of the library, the donor does not cover it, or the media differ.

    Notes
    -----
    Using the next age of E-MILES that has light, corrected by the donor, would keep E-MILES's resolution, but the
    first age with light at each metallicity is itself 20-25 % low between 9050 and 9900 Angstrom, compared with
    BC03 and with all older ages, so that way would spread the fault.
    """
    same_medium(library, donor)
    holes = library.holes()
    if holes.size == 0:
        return library
    wave_aa = library.wave_aa
    wrong = holes[
        (holes["wave_max_aa"] < wave_aa[-1]) | (holes["wave_min_aa"] <= wave_aa[0] + edge_window_aa)
    ]
    if wrong.size:
        raise ValueError(
            f"{library.name}: holes that do not run to the red end, or leave less than {edge_window_aa} Angstrom of "
            f"light, cannot be filled (first: {dict(zip(wrong.dtype.names, wrong[0].tolist(), strict=True))}); "
            "trim() the library"
        )
    z_weights, _ = log_weights(donor.z, library.z)
    start = int(np.searchsorted(wave_aa, holes["wave_min_aa"].min() - edge_window_aa))
    red_aa = wave_aa[start:]
    model = project(donor, z_weights, hat(donor.age_yr, library.age_yr), red_aa)
    spectra = library.spectra.copy()
    report = []
    for hole in holes:
        i_z, i_age = int(hole["i_z"]), int(hole["i_age"])
        in_hole = red_aa >= hole["wave_min_aa"]
        before = ~in_hole & (red_aa >= hole["wave_min_aa"] - edge_window_aa)
        fill = model[i_z, i_age]
        if fill[in_hole | before].min() <= 0:
            raise ValueError(
                f"donor {donor.name} has no light at Z={hole['z']}, {hole['age_yr']:.4g} yr redward of "
                f"{hole['wave_min_aa']} Angstrom; use another donor"
            )
        constant = spectra[i_z, i_age, start:][before].mean() / fill[before].mean()
        spectra[i_z, i_age, start:][in_hole] = constant * fill[in_hole]
        row = {name: float(hole[name]) for name in ("z", "age_yr", "wave_min_aa", "wave_max_aa")}
        report.append({**row, "constant": float(constant)})
    return replace(
        library,
        spectra=spectra,
        meta={**library.meta, "repaired_holes": {"donor": donor.name, "spans": report}},
    )


def same_medium(first: SSPLibrary, second: SSPLibrary) -> None:
    """Refuse two libraries one of which is in air and one in vacuum."""
    media = first.meta.get("medium"), second.meta.get("medium")
    if media[0] != media[1]:
        raise ValueError(
            f"{first.name} is in {media[0]}, {second.name} in {media[1]}: bring both to one medium before joining them"
        )


def log_weights(nodes: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Return the weights (n_wanted, n_node) of interpolation in log10, and what was clamped to the ends."""
    clipped = np.clip(wanted, nodes[0], nodes[-1])
    clamped = [float(value) for value in wanted[clipped != wanted]]
    return hat(np.log10(nodes), np.log10(clipped)), clamped


def hat(nodes: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the weights (n_at, n_node) of linear interpolation between nodes."""
    return np.stack([np.interp(at, nodes, unit) for unit in np.eye(nodes.size)], axis=1)  # (n_at, n_nodes)


def _bin_average_weights(age_yr: np.ndarray, edges_yr: np.ndarray) -> np.ndarray:
    rows = []
    for low, high in pairwise(edges_yr):
        nodes = np.concatenate([[low], age_yr[(age_yr > low) & (age_yr < high)], [high]])
        rows.append(np.trapezoid(hat(age_yr, nodes), nodes, axis=0) / (high - low))
    return np.stack(rows)  # (n_bins, n_age), rows sum to 1


def project(
    library: SSPLibrary, z_weights: np.ndarray, age_weights: np.ndarray, wave_aa: np.ndarray
) -> np.ndarray:
    """Return weighted spectra of a library averaged over pixels (n_z, n_age, n_wave) of other wavelengths [Angstrom]."""
    edges_aa = pixel_edges(wave_aa)
    if edges_aa[0] < library.wave_aa[0] or edges_aa[-1] > library.wave_aa[-1]:
        raise ValueError(
            f"{library.name} covers {library.wave_aa[0]:.1f}..{library.wave_aa[-1]:.1f} Angstrom, but "
            f"{wave_aa[0]:.1f}..{wave_aa[-1]:.1f} are asked for: trim() the other library to this range"
        )
    near = slice(
        max(int(np.searchsorted(library.wave_aa, edges_aa[0])) - 1, 0),
        int(np.searchsorted(library.wave_aa, edges_aa[-1])) + 1,
    )
    mixed = np.einsum(
        "bz,zaw->baw", z_weights, np.einsum("ba,zaw->zbw", age_weights, library.spectra[:, :, near])
    )
    nodes = np.union1d(library.wave_aa[near], edges_aa)
    at_edges = np.searchsorted(nodes, edges_aa)
    out = np.empty((*mixed.shape[:2], wave_aa.size))
    for index in np.ndindex(*mixed.shape[:2]):
        values = np.interp(nodes, library.wave_aa[near], mixed[index])
        area = np.concatenate([[0.0], np.cumsum(0.5 * (values[1:] + values[:-1]) * np.diff(nodes))])
        out[index] = np.diff(area[at_edges]) / np.diff(edges_aa)
    return out


def _leftover(wave_aa: np.ndarray, reference: np.ndarray, scaled: np.ndarray) -> dict[str, list[float]]:
    edges_aa = np.arange(np.ceil(wave_aa[0] / 500) * 500, wave_aa[-1], 500.0)[:40]
    report: dict[str, list[float]] = {"wave_aa": [], "old_over_young_mean_over_z": []}
    for low in edges_aa:
        inside = (wave_aa >= low) & (wave_aa < low + 500.0)
        report["wave_aa"].append(float(low + 250.0))
        ratio = reference[:, inside].sum(axis=1) / scaled[:, inside].sum(axis=1)
        report["old_over_young_mean_over_z"].append(float(ratio.mean()))
    return report
