"""What is known of each bin of a galaxy, in one table: the source of its maps, pages and relations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import QTable

from sfhnet.core.flags import describe_flags, quality
from sfhnet.core.geometry import arcsec_kpc, deprojected_radius, luminosity_per_flux
from sfhnet.core.histories import formation_age_quantiles
from sfhnet.core.posterior import Posterior
from sfhnet.core.quantities import LEVELS, MAPPED, OF_BINS, OLD_YR, SCALARS, YOUNG_YR
from sfhnet.core.spectra import Spectra
from sfhnet.inference.draws import AS_DRAWN, as_drawn, quantities_from_draws
from sfhnet.inference.information import information
from sfhnet.inference.surviving_mass import SurvivingMass
from sfhnet.predictive_check.result import BLOCK_NAMES, Predictive

__all__ = ["bin_columns"]

_COVERAGE = 0.68
_LOW, _MEDIAN, _HIGH = (LEVELS.index(level) for level in (0.16, 0.5, 0.84))
# Ages below this are not told apart when a history is turned into a time.
_YOUNGEST_YR = 1e6

_DESCRIPTIONS = {
    **{name: quantity.described for name, quantity in OF_BINS.items()},
    "bin": "index in the bin map",
    "x": "offset east of the galaxy centre, light weighted",
    "y": "offset north of the galaxy centre, light weighted",
    "radius": "distance from the centre in the plane of the disc",
    "radius_kpc": "distance from the centre in the plane of the disc",
    "radius_r25": "distance from the centre in the plane of the disc over R25",
    "snr": "median S/N per pixel of 1.25 Angstrom",
    "chi2": "reduced chi-square of the network's linear basis",
    "ood_score": "distance from the training mocks; above 1 the spectrum is out of distribution",
    "fraction_masked": "share of the training grid without a good pixel",
    "n_bands": "number of HST bands used",
    "info_history": "information gained over the prior on the cumulative history, mean over the age bins [nat]",
    "info_metallicity": "information gained over the prior on [M/H], mean over the age bins [nat]",
    "ppc_chi2_best": "posterior-predictive chi-square per pixel over that of noise, draw that fits best",
    "ppc_chi2_mean": "posterior-predictive chi-square per pixel over that of noise, mean of the draws",
    "ppc_shift": "distance of the refined model from the posterior's draws, in their standard deviations",
    "calibration_rms": "flux-calibration curve that the refined model asks for, rms as a fraction of the flux",
    "quality": "worst flag: 0 nothing found wrong, 1 take note, 2 doubtful, 3 not to be used",
    "flags": "sum of bits, see the column flag_words and the extension FLAG_BITS of the maps",
}


def bin_columns(
    spectra: Spectra,
    posterior: Posterior,
    prior: Mapping[str, Any] | None = None,
    *,
    predictive: Predictive | None = None,
    surviving: SurvivingMass | None = None,
) -> QTable:
    """Collect what is known of each bin.

    Parameters
    ----------
    spectra : Spectra
        Prepared spectra.
    posterior : Posterior
        Answers, in the same order.
    prior : mapping, optional
        ``prior`` of the model's ``model.json``, for the information gain.
    predictive : Predictive, optional
        Posterior-predictive check, in the same order.
    surviving : SurvivingMass, optional
        Adds the mass that is there today.

    Returns
    -------
    astropy.table.QTable
        One row a bin; bins without an answer hold NaN and say why in ``flag_words``. Joint samples add what follows from them
        (`sfhnet.inference.draws`).

    Raises
    ------
    ValueError
        If they have different numbers of bins.
    """
    for what, answers in (("answers", posterior), ("checks", predictive)):
        if answers is not None and len(answers) != spectra.n:
            raise ValueError(
                f"{spectra.galaxy}: {spectra.n} spectra but {len(answers)} {what}; infer this very spectra file again"
            )
    table = QTable()
    _add_places(table, spectra)
    _add_answers(table, spectra, posterior, surviving)
    if surviving is not None:
        _add_surviving(table, posterior, surviving)
    if prior is not None:
        _add_information(table, posterior, prior)
    if predictive is not None:
        _add_check(table, predictive)
    table["chi2"], table["ood_score"] = posterior.chi2, posterior.ood_score
    table["fraction_masked"] = spectra.fraction_masked
    _add_bands(table, spectra)
    flags = posterior.flags.astype(np.uint32) | spectra.flags
    if predictive is not None:
        flags = flags | predictive.flags
    table["flags"] = flags
    table["quality"] = quality(flags)
    table["flag_words"] = [
        "; ".join(words.split(":")[0] for words in describe_flags(value)) or "none" for value in flags
    ]
    drawn = as_drawn(posterior)
    for name, text in _DESCRIPTIONS.items():
        if name in table.colnames:
            note = AS_DRAWN if name.removesuffix("_density") in drawn else ""
            table[name].info.description = text + note
    return table


def _add_information(table: QTable, posterior: Posterior, prior: Mapping[str, Any]) -> None:
    for name, gain in information(posterior, dict(prior)).items():
        if gain.ndim == 1:
            table[f"info_{name}"] = gain
            table[f"info_{name}"].info.description = f"information gained over the prior on {name} [nat]"
        else:
            # The last edge of the history holds everything: there is nothing to learn.
            table[f"info_{name}"] = gain[:, : -1 if name == "history" else None].mean(axis=1)


def _add_bands(table: QTable, spectra: Spectra) -> None:
    table["n_bands"] = spectra.band_mask.sum(axis=1)
    synthetic = np.asarray(spectra.band_synthetic)
    for column, band in enumerate(spectra.band_names):
        if np.isfinite(synthetic[:, column]).any():
            measured = np.where(spectra.band_mask[:, column], spectra.band_flux[:, column], np.nan)
            name = f"muse_over_hst_{band.lower()}"
            table[name] = synthetic[:, column] / measured
            table[name].info.description = f"flux of the MUSE spectrum in {band} over that of HST"


def _add_places(table: QTable, spectra: Spectra) -> None:
    table["bin"] = np.arange(spectra.n)
    table["x"], table["y"] = spectra.x_arcsec * u.arcsec, spectra.y_arcsec * u.arcsec
    table["area"] = spectra.area_arcsec2 * u.arcsec**2
    radius = deprojected_radius(spectra)
    table["radius"] = radius * u.arcsec
    table["radius_kpc"] = radius * arcsec_kpc(spectra) * u.kpc
    if spectra.meta.get("r25_arcsec"):
        table["radius_r25"] = radius / spectra.meta["r25_arcsec"]
    table["snr"] = spectra.snr
    table["redshift"] = spectra.redshift
    for name in ("velocity", "velocity_err", "sigma", "sigma_err"):
        table[name] = getattr(spectra, f"{name}_kms") * (u.km / u.s)


def _put(table: QTable, name: str, value: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    table[name], table[f"{name}_p16"], table[f"{name}_p84"] = value, low, high


def _add_answers(
    table: QTable, spectra: Spectra, posterior: Posterior, surviving: SurvivingMass | None
) -> None:
    def put(name: str, value: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        _put(table, name, value, low, high)

    unit = luminosity_per_flux(spectra.distance_mpc, spectra.flux_unit_cgs)
    log_mass = posterior.log_mass + np.log10(unit)
    kpc2 = spectra.area_arcsec2 * arcsec_kpc(spectra) ** 2
    # Seen from above, an inclined disc is larger by 1 / cos(i).
    log_kpc2 = np.log10(kpc2 / np.cos(np.deg2rad(spectra.meta.get("inclination_deg") or 0.0)))
    ends = [end - posterior.scalars["log_ml"] + log_mass for end in posterior.interval("log_ml", _COVERAGE)]
    put("log_mass_formed", log_mass, *ends)
    put("log_mass_density", log_mass - log_kpc2, *(end - log_kpc2 for end in ends))
    for name, quantity in MAPPED.items():
        if name in posterior.scalars:
            put(name, posterior.scalars[name], *posterior.interval(name, _COVERAGE))
        elif quantity.percent is not None:
            put(name, *formation_time(posterior, quantity.percent))
    found = {
        name: np.stack([posterior.scalars[name], *posterior.interval(name, _COVERAGE)], axis=1)
        for name, scalar in SCALARS.items()
        if scalar.window_yr is not None
    }
    for name, values in (found | quantities_from_draws(posterior, surviving)).items():
        if OF_BINS[name].window_yr is not None:
            rate = values + log_mass[:, None]
            put(name, *rate.T)
            put(f"{name}_density", *(rate - log_kpc2[:, None]).T)
        elif values.shape[1] == 1:
            table[name] = values[:, 0]
        else:
            put(name, *values.T)
    young = 1e6 * np.asarray(posterior.age_edges_myr[1:]) <= YOUNG_YR
    old = 1e6 * np.asarray(posterior.age_edges_myr[:-1]) >= OLD_YR
    for name, chosen in (("mh_young", young), ("mh_old", old)):
        if name in table.colnames:
            continue
        weight = posterior.mass_fraction[:, chosen]
        with np.errstate(invalid="ignore", divide="ignore"):
            weight = weight / weight.sum(axis=1, keepdims=True)
        # ASSUME: without joint samples the errors of neighbouring age bins go together, the widest interval there can be.
        rows = (posterior.mh, posterior.mh_q[:, _LOW], posterior.mh_q[:, _HIGH])
        put(name, *((weight * values[:, chosen]).sum(axis=1) for values in rows))


def _add_surviving(table: QTable, posterior: Posterior, surviving: SurvivingMass) -> None:
    if "surviving_fraction" not in table.colnames:
        table["surviving_fraction"] = (posterior.mass_fraction * surviving(posterior.mh)).sum(axis=1)
    # ASSUME: what survives is known so much better than the mass formed that it shifts its interval and widens nothing.
    shift = np.log10(table["surviving_fraction"])
    for end in ("", "_p16", "_p84"):
        table[f"log_mass_surviving{end}"] = table[f"log_mass_formed{end}"] + shift


def formation_time(posterior: Posterior, percent: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the log look-back time by which a share of the mass had formed, read off the quantiles of the history.

    Parameters
    ----------
    posterior : Posterior
        Answers.
    percent : float
        The share, in per cent.

    Returns
    -------
    median, low, high : ndarray (n,)
        log10 yr; low and high are the ends of the 68 % interval.
    """
    edges_yr = 1e6 * np.asarray(posterior.age_edges_myr, dtype=float)
    age_yr = formation_age_quantiles(posterior.cum_mass_q, edges_yr, percent)
    log_age = np.log10(np.maximum(age_yr, _YOUNGEST_YR))
    return log_age[:, _MEDIAN], log_age[:, _LOW], log_age[:, _HIGH]


def _add_check(table: QTable, predictive: Predictive) -> None:
    refined = predictive.relative("refined")
    for column, name in enumerate(BLOCK_NAMES):
        label = "ppc_chi2" if name == "all" else f"ppc_chi2_{name}"
        table[label] = refined[:, column]
        where = {"all": "all data", "bands": "the HST bands"}.get(name, f"{name.replace('_', '-')} Angstrom")
        table[
            label
        ].info.description = (
            f"posterior-predictive chi-square per datum over that of noise, refined model, {where}"
        )
    for kind in ("best", "mean"):
        table[f"ppc_chi2_{kind}"] = predictive.relative(kind)[:, 0]
    table["ppc_shift"], table["calibration_rms"] = predictive.shift, predictive.calibration_rms
