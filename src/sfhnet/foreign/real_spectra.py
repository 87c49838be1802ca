"""Real spectra whose answer is known by other means, and how a model's answer compares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sfhnet.core.flags import describe_flags, quality
from sfhnet.foreign.warning_signs import signs_of
from sfhnet.inference.model import Model
from sfhnet.observation.milky_way_extinction import correction
from sfhnet.tools.hdf5 import open_whole

__all__ = ["FLAGGED_FROM", "RealSpectrum", "answer_real", "read_real"]

# Quality levels from "doubtful" on; a note alone (no bands, short range) warns nobody.
FLAGGED_FROM = 2
_RV = 3.1
# Clusters are the only objects whose ages come from star counts (grade A); none is hotter.
_CLUSTER_KMS = 10.0


@dataclass(frozen=True)
class RealSpectrum:
    """One observed spectrum and the accepted range of its answer.

    Parameters
    ----------
    wave_air_aa, flux, err, fwhm_aa : ndarray (n_wave,)
        Observed wavelengths and instrument FWHM in Angstrom; f_lambda and its 1-sigma error, relative.
    redshift, av_foreground : float
        To be removed; magnitudes of the Milky Way.
    age_gyr, mh : tuple of float or None
        Accepted range of age and [M/H].
    grade : str
        A: star counts; B: a published full-spectrum answer; C: class only; -: not known.
    note : str
    dispersion_kms : float, optional
        Of the stars; without it the spectrum is taken to have the training's.
    """

    wave_air_aa: np.ndarray
    flux: np.ndarray
    err: np.ndarray
    fwhm_aa: np.ndarray
    redshift: float
    av_foreground: float
    age_gyr: tuple[float, float] | None
    mh: tuple[float, float] | None
    grade: str
    note: str
    dispersion_kms: float | None = None


def read_real(path: Path) -> dict[str, RealSpectrum]:
    """Read a file of real spectra, one group an object.

    Parameters
    ----------
    path : Path
        Groups with ``wave_air``, ``flux``, ``err``, ``fwhm_aa`` and attributes ``redshift``, ``av_foreground``,
        ``age_lo_gyr``, ``age_hi_gyr``, ``mh_lo``, ``mh_hi`` (ranges may be missing), ``grade``, ``note``.

    Returns
    -------
    dict of str to RealSpectrum

    Raises
    ------
    ValueError
        If a group lacks a dataset, its redshift or its resolution; names both.
    """
    with open_whole(path) as file:
        return {name: _spectrum(f"{path}:{name}", group) for name, group in file.items()}


def _spectrum(where: str, group: Any) -> RealSpectrum:
    for name in ("wave_air", "flux", "err", "fwhm_aa"):
        if name not in group:
            raise ValueError(
                f"{where} has no dataset {name}; a real spectrum has wave_air, flux, err and fwhm_aa"
            )
    if "redshift" not in group.attrs:
        raise ValueError(
            f"{where} has no attribute redshift; without it the spectrum cannot be brought to rest"
        )
    grade = str(group.attrs.get("grade", "-"))

    def limits(low: str, high: str) -> tuple[float, float] | None:
        if low not in group.attrs or high not in group.attrs:
            return None
        both = float(group.attrs[low]), float(group.attrs[high])
        return both if np.isfinite(both).all() else None

    wave = group["wave_air"][()].astype(float)
    return RealSpectrum(
        wave,
        group["flux"][()].astype(float),
        group["err"][()].astype(float),
        _without_gaps(wave, np.broadcast_to(group["fwhm_aa"][()].astype(float), wave.shape), where),
        redshift=float(group.attrs["redshift"]),
        av_foreground=float(group.attrs.get("av_foreground", 0.0)),
        age_gyr=limits("age_lo_gyr", "age_hi_gyr"),
        mh=limits("mh_lo", "mh_hi"),
        grade=grade,
        note=str(group.attrs.get("note", "")),
        dispersion_kms=group.attrs.get("dispersion_kms", _CLUSTER_KMS if grade == "A" else None),
    )


def _without_gaps(wave: np.ndarray, fwhm_aa: np.ndarray, where: str) -> np.ndarray:
    """Fill pixels whose resolution is not known, such as masked ones, from their neighbours."""
    known = np.isfinite(fwhm_aa) & (fwhm_aa > 0)
    if not known.any():
        raise ValueError(f"{where} has no usable fwhm_aa; give the resolution of the instrument in Angstrom")
    return np.interp(wave, wave[known], fwhm_aa[known])


def answer_real(model: Model, spectrum: RealSpectrum) -> dict[str, Any]:
    """Answer one real spectrum and compare.

    The light-weighted age and [M/H] are accepted if their 68 % interval meets the accepted range. A spectrum
    that the model refuses says why.

    Parameters
    ----------
    model : Model
    spectrum : RealSpectrum

    Returns
    -------
    dict
        Ranges, ``lw_log_age``, ``lw_mh`` with half widths (``_sigma``), ``a_v``, ``age_accepted``, ``mh_accepted`` (None where
        nothing is known), ``signs``, ``flagged``, ``flags``; or ``refused``, the reason.
    """
    row: dict[str, Any] = {"grade": spectrum.grade, "note": spectrum.note}
    row["age_lo_gyr"], row["age_hi_gyr"] = spectrum.age_gyr or (None, None)
    row["mh_lo"], row["mh_hi"] = spectrum.mh or (None, None)
    clear = correction(spectrum.wave_air_aa, spectrum.av_foreground / _RV) if spectrum.av_foreground else 1.0
    good = np.isfinite(spectrum.flux) & np.isfinite(spectrum.err) & (spectrum.err > 0)
    try:
        answer = model.infer(
            spectrum.wave_air_aa,
            spectrum.flux * clear,
            spectrum.err * clear,
            mask=good,
            redshift=spectrum.redshift,
            fwhm_aa=spectrum.fwhm_aa,
            dispersion_kms=spectrum.dispersion_kms,
        )
    except ValueError as error:
        return row | {"refused": str(error)[:120]}
    if not answer.usable[0]:
        return row | {"refused": "; ".join(describe_flags(int(answer.flags[0])))}
    for name in ("lw_log_age", "lw_mh", "mw_log_age", "mw_mh"):
        low, high = (float(end[0]) for end in answer.interval(name, 0.68))
        row[name], row[f"{name}_sigma"] = float(answer.scalars[name][0]), 0.5 * (high - low)
        row[f"{name}_interval"] = [low, high]
    row["a_v"] = float(answer.scalars["a_v"][0])
    age = None if spectrum.age_gyr is None else tuple(9.0 + np.log10(spectrum.age_gyr))
    row["age_accepted"] = _meets(row["lw_log_age_interval"], age)
    row["mh_accepted"] = _meets(row["lw_mh_interval"], spectrum.mh)
    row["signs"] = {name: _finite(values[0]) for name, values in signs_of(answer, answer.measured).items()}
    row["flags"] = describe_flags(int(answer.flags[0]))
    row["flagged"] = bool(quality(answer.flags)[0] >= FLAGGED_FROM)
    return row


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _meets(interval: list[float], accepted: tuple[float, float] | None) -> bool | None:
    if accepted is None:
        return None
    return bool(interval[0] <= accepted[1] and interval[1] >= accepted[0])
