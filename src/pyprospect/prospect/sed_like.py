"""The probability of an SED's data, ProSpect's ``ProSpectSEDlike``: for R's users and for any optimiser or sampler.

The formulae are R's, on `pyprospect.prospect_sed`; gradients and batches are in `pyprospect.fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from pyprospect.bands.magnitudes import convert_freq2wave
from pyprospect.bands.photometry import photom_flux
from pyprospect.constants import JANSKY_CGS
from pyprospect.line_of_sight.cosmology import lum_dist_mpc, universe_age_yr
from pyprospect.numerics.rebin import spec_rebin
from pyprospect.prospect.by_name import ByName
from pyprospect.prospect.sed import ProSpectSED, prospect_sed

__all__ = ["SEDLike", "log_likelihood", "prospect_sed_like"]

Array = NDArray[np.float64]
_FITS = ("optim", "cma", "ld", "la", "check")
_MODES = (None, "photom", "spec", "both")
_KNOWN = {
    "flux", "photom", "spec", "arglist", "parm_names", "mon_names", "prior", "logged", "intervals", "constraints",
    "fit", "like", "mode", "filtout", "SFH", "speclib", "Dale", "AGN", "Dale_M2L_func", "verbose", "logbin", "rough",
    "N",
}  # fmt: skip
# Not arguments of the SED but of the photo-z mode.
_PHOTOZ = ("photoz", "z_genSF", "IGMfunc")


@dataclass(frozen=True)
class SEDLike(ByName):
    """What ``fit="ld"``, ``"la"`` and ``"check"`` return; names are ProSpect's.

    Attributes
    ----------
    LP : float
        Log of the posterior, not normalised.
    Dev : float
        Deviance, -2 times the log-likelihood.
    Monitor : dict of str to float
        What ``mon.names`` asks for.
    yhat : int
        1, as in R.
    parm : dict of str to float
        Parameters after constraints and intervals.
    SEDout : ProSpectSED or None
        With ``check`` only.
    """

    LP: float
    Dev: float
    Monitor: dict[str, float]
    yhat: int
    parm: dict[str, float]
    SEDout: ProSpectSED | None


def log_likelihood(cutsig: ArrayLike, like: str = "st", df: int | None = None) -> float:
    """Return the log-likelihood of residuals in units of their errors; NaN are left out.

    Parameters
    ----------
    cutsig : array_like
        (data - model) / error.
    like : {"norm", "chisq", "st"}
        Normal; chi-square of the sum of squares with `df` degrees of freedom; Student's t with the degrees of freedom
        2 v / (v - 1) of the residuals' variance v, at least 1.
    df : int, optional
        For ``chisq``: bands minus parameters.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For an unknown `like`, or ``chisq`` without positive `df`.
    """
    chi = np.asarray(cutsig, dtype=float)
    chi = chi[~np.isnan(chi)]
    if np.isinf(chi).any():
        raise ValueError("log_likelihood: a residual is infinite; an error of zero makes such")
    if like == "norm":
        return float(stats.norm.logpdf(chi).sum())
    if like == "chisq":
        if df is None or df <= 0:
            raise ValueError(
                f"like='chisq' with {df} degrees of freedom (bands minus parameters); it needs at least 1: use 'norm'"
            )
        return float(stats.chi2.logpdf((chi**2).sum(), df))
    if like == "st":
        variance = chi.var(ddof=1) if chi.size > 1 else np.nan
        with np.errstate(divide="ignore", invalid="ignore"):
            dof = np.float64(2.0 * variance) / (variance - 1.0)
        if not np.isfinite(dof):
            dof = np.inf
        return float(stats.t.logpdf(chi, max(1.0, dof)).sum())
    raise ValueError(f"like={like!r} is unknown; use 'norm', 'chisq' or 'st'")


def prospect_sed_like(parm: ArrayLike | Mapping[str, float], Data: Mapping[str, Any]) -> float | SEDLike:
    """Return the probability of data under `pyprospect.prospect_sed` (ProSpect's ``ProSpectSEDlike``).

    Parameters
    ----------
    parm : array_like, shape (n,), or mapping
        Parameters in the order of ``parm.names``.
    Data : mapping
        R's list; a dot or an underscore in a name are the same. ``parm.names``; ``flux`` (or ``photom``, ``spec``): a
        table with columns ``flux`` and ``fluxerr`` [Jy], ``wave`` for spectra, ``filter`` to name monitors;
        ``filtout``: bands; ``mode``: 'photom', 'spec' or 'both'; ``arglist``: fixed arguments of `prospect_sed`;
        ``logged``: True, or one flag a parameter, for those that are log10; ``intervals``: ``lo`` and ``hi``;
        ``constraints``: function of the parameters (dict) that returns them changed; ``prior``: function of the
        parameters to what is added to the log-likelihood; ``like``: 'st' (default), 'norm' or 'chisq'; ``fit``: 'optim'
        (default) and 'cma' return -LP, 'ld', 'la' and 'check' a `SEDLike`; ``mon.names``; ``SFH``, ``speclib``,
        ``Dale``, ``AGN``, ``Dale_M2L_func``; ``rough`` (True) and ``logbin`` (True) for spectra; ``verbose``.
        With ``photoz=True`` in ``arglist`` and a parameter ``z``, distance and age limit follow z (``z_genSF``: redshift
        of the first stars; ``IGMfunc``: 'Songaila04', 'Inoue14', a number or a function of z).

    Returns
    -------
    float or SEDLike

    Raises
    ------
    ValueError
        For unknown keys, data that are missing or of the wrong number, an unknown ``fit``, ``mode`` or ``like``, and
        whatever `prospect_sed` rejects.

    Notes
    -----
    R reads ``HO`` (with the letter) for the Hubble constant in photo-z mode; here it is ``H0``.
    ``compat=True`` in ``arglist`` gives R's numbers, as everywhere.
    """
    data = _checked({str(key).replace(".", "_"): value for key, value in Data.items()})
    names = list(data["parm_names"])
    values = _as_dict(parm, names)
    arguments = dict(data.get("arglist") or {})
    if not arguments.get("compat", False):
        _refuse_impossible(values, data)
    photoz = bool(arguments.get("photoz", False)) and "z" in names
    if photoz:
        logged = np.broadcast_to(np.asarray(data.get("logged", False), dtype=bool), (len(names),))
        z = values["z"]
        arguments |= _at_redshift(10**z if logged[names.index("z")] else z, arguments)
    arguments = {key: value for key, value in arguments.items() if key not in _PHOTOZ}
    values = _inside(values, data)
    given = _unlogged(values, data)
    if data.get("verbose"):
        print(given)  # noqa: T201
    sed, cutsig, fluxes = _residuals(given, arguments, data)
    n_band = 0 if data.get("filtout") is None else len(_bands(data["filtout"]))
    if np.isinf(cutsig).any():  # only with compat, as in R
        like = -np.inf
    else:
        like = log_likelihood(cutsig, data.get("like", "st"), n_band - len(names))
    prior = data.get("prior")
    total = like if prior is None else like + float(prior(values))
    if data.get("verbose"):
        print(total)  # noqa: T201
    kind = data["fit"]
    if kind in ("optim", "cma"):
        return -total
    monitor = _monitor(data, sed, fluxes, total)
    return SEDLike(total, -2.0 * like, monitor, 1, values, sed if kind == "check" else None)


def _checked(data: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(data) - _KNOWN)
    if unknown:
        raise ValueError(
            f"Data has {unknown}, which ProSpectSEDlike does not know; it knows {sorted(_KNOWN)}"
        )
    if data.get("parm_names") is None:
        raise ValueError("Data needs parm.names, the names of the parameters")
    data["fit"] = str(data.get("fit") or "optim").lower()
    if data["fit"] not in _FITS:
        raise ValueError(f"fit={data['fit']!r} is unknown; use one of {_FITS}")
    mode = data.get("mode")
    if mode not in _MODES:
        raise ValueError(f"mode={mode!r} is unknown; use 'photom', 'spec' or 'both'")
    if mode is None:
        mode = data["mode"] = "spec" if data.get("filtout") is None else "photom"
    if mode in ("photom", "both") and data.get("filtout") is None:
        raise ValueError(f"mode={mode!r} needs the bands: give filtout")
    for key, modes in (("photom", ("photom", "both")), ("spec", ("spec",))):
        if mode in modes and data.get(key) is None:
            data[key] = data.get("flux")
    for key, modes in (("photom", ("photom", "both")), ("spec", ("spec", "both"))):
        if mode in modes and data.get(key) is None:
            raise ValueError(f"mode={mode!r} needs data: give {key}, or flux")
    return data


def _refuse_impossible(values: Mapping[str, float], data: Mapping[str, Any]) -> None:
    """Refuse what is no number where one is needed; a flux that is NaN is one that was not measured."""
    for name, value in values.items():
        if not np.isfinite(value):
            raise ValueError(f"prospect_sed_like: {name}={value} must be a finite number")
    for key in ("photom", "spec"):
        if data["mode"] not in (key, "both"):
            continue
        error = _column(data[key], "fluxerr")
        if np.any(error <= 0):
            raise ValueError(
                f"prospect_sed_like: {key} has a fluxerr of {error[error <= 0][0]:g}; errors are positive, and NaN where "
                "nothing was measured"
            )
    for end in ("lo", "hi"):
        edge = (data.get("intervals") or {}).get(end)
        if edge is not None and np.isnan(np.asarray(edge, dtype=float)).any():
            raise ValueError(
                f"prospect_sed_like: intervals has a {end} that is NaN; -inf and inf leave an end open"
            )


def _as_dict(parm: ArrayLike | Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    if isinstance(parm, Mapping):
        missing = [name for name in names if name not in parm]
        if missing:
            raise ValueError(f"parm lacks {missing}, which are among parm.names")
        return {name: float(parm[name]) for name in names}
    numbers = np.asarray(parm, dtype=float).ravel()
    if numbers.size != len(names):
        raise ValueError(f"parm has {numbers.size} numbers, parm.names {len(names)}: {list(names)}")
    return dict(zip(names, numbers.tolist(), strict=True))


def _at_redshift(z: float, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of an SED that follow the redshift in photo-z mode."""
    ref = arguments.get("ref")
    if ref is None and not {"H0", "OmegaM", "OmegaL"} <= set(arguments):
        raise ValueError("photoz needs a cosmology in arglist: ref, or H0, OmegaM and OmegaL")
    cosmo = {"ref": ref} if ref is not None else {k: arguments[k] for k in ("H0", "OmegaM", "OmegaL")}
    agemax = float(universe_age_yr(z, **cosmo))
    if arguments.get("z_genSF") is not None:
        agemax -= float(universe_age_yr(arguments["z_genSF"], **cosmo))
    igm = arguments.get("IGMfunc")
    if callable(igm):
        absorbed = igm(z)
    elif igm is None:
        absorbed = 0.0
    elif isinstance(igm, str) and igm == "Songaila04":
        absorbed = float(stats.norm.cdf(z, 3.8, 1.2))
    elif igm == "Inoue14" or isinstance(igm, (int, float)):
        absorbed = igm
    else:
        raise ValueError(f"IGMfunc={igm!r}: use 'Songaila04', 'Inoue14', a number or a function of z")
    out = {
        "IGMabsorb": absorbed,
        "agemax": agemax,
        "magemax": agemax / 1e9,
        "LumDist_Mpc": float(lum_dist_mpc(z, **cosmo)),
    }
    # A constant metallicity has no age to start at.
    if isinstance(arguments.get("Z"), str) or callable(arguments.get("Z")):
        out["Zagemax"] = agemax / 1e9
    return out


def _inside(values: dict[str, float], data: Mapping[str, Any]) -> dict[str, float]:
    constraints: Callable[[dict[str, float]], Any] | None = data.get("constraints")
    if constraints is not None:
        values = _as_dict(constraints(dict(values)), list(values))
    intervals = data.get("intervals")
    if intervals is None:
        return values
    low, high = (np.broadcast_to(np.asarray(intervals[k], dtype=float), (len(values),)) for k in ("lo", "hi"))
    if np.any(low > high):
        raise ValueError(f"intervals: lo {low[low > high][0]} is above hi {high[low > high][0]}")
    numbers = np.minimum(np.maximum(list(values.values()), low), high)
    return dict(zip(values, numbers.tolist(), strict=True))


def _unlogged(values: dict[str, float], data: Mapping[str, Any]) -> dict[str, float]:
    logged = data.get("logged")
    if logged is None:
        return dict(values)
    flags = np.asarray(logged, dtype=bool)
    if flags.size not in (1, len(values)):
        raise ValueError(f"logged has {flags.size} flags for {len(values)} parameters; give one, or one each")
    flags = np.broadcast_to(flags.ravel(), (len(values),))
    return {k: float(10.0**v if flag else v) for (k, v), flag in zip(values.items(), flags, strict=True)}


def _bands(filtout: Any) -> Any:
    return filtout if isinstance(filtout, (list, tuple, Mapping)) and len(filtout) else [filtout]


def _column(table: Any, name: str) -> Array:
    try:
        return np.asarray(table[name], dtype=float)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise ValueError(f"the table of fluxes has no column {name!r}; it needs flux and fluxerr") from error


def _residuals(
    given: dict[str, float], arguments: dict[str, Any], data: Mapping[str, Any]
) -> tuple[ProSpectSED, Array, Array | None]:
    """Return the SED, (data - model) / error, and the model's band fluxes [Jy]."""
    mode, filtout = data["mode"], data.get("filtout")
    options = {key: data[key] for key in ("SFH", "speclib", "Dale", "AGN") if data.get(key) is not None}
    # R does not look for dust masses unless it is told how; only monitors ask for them.
    options["Dale_M2L_func"] = data.get("Dale_M2L_func")
    for name in given:
        if name in arguments:
            raise ValueError(f"{name} is both a parameter and in arglist; leave it out of one")
    bands = filtout if mode == "photom" else None
    call: dict[str, Any] = {**given, **options, **arguments, "filters": bands}
    sed = prospect_sed(**call)
    if not isinstance(sed, ProSpectSED):
        raise ValueError("arglist has returnall=False; leave it out, the likelihood sets it")
    parts, fluxes = [], None
    if mode != "photom":
        spectrum, table = sed.FinalFlux, data["spec"]
        if spectrum is None:
            raise ValueError("a spectrum is compared in janskys: the redshift must be positive")
        wave = _column(table, "wave")
        flux = spectrum.flux
        same = (
            wave.shape == spectrum.wave.shape and np.abs(wave - spectrum.wave).mean() < 1.5e-8 * wave.mean()
        )
        if not same:
            choices = {"logbin": data.get("logbin", True), "rough": data.get("rough", True)}
            rebinned = spec_rebin(
                spectrum.wave, spectrum.flux, wave, compat=bool(arguments.get("compat", False)), **choices
            )
            flux = rebinned.flux
        parts.append((_column(table, "flux") - flux) / _column(table, "fluxerr"))
        if mode == "both":
            per_aa = convert_freq2wave(spectrum.flux, spectrum.wave) * JANSKY_CGS
            rule = "sed" if arguments.get("compat", False) else "union"
            fluxes = photom_flux(spectrum.wave, per_aa, "jansky", filtout, quadrature=rule)
    else:
        fluxes = np.asarray(sed.Photom, dtype=float)
    if fluxes is not None:
        table = data["photom"]
        measured = _column(table, "flux")
        if measured.shape != fluxes.shape:
            raise ValueError(f"{measured.size} fluxes for {fluxes.size} bands of filtout; give one a band")
        parts.append((measured - fluxes) / _column(table, "fluxerr"))
    return sed, np.concatenate(parts), fluxes


def _monitor(
    data: Mapping[str, Any], sed: ProSpectSED, fluxes: Array | None, total: float
) -> dict[str, float]:
    asked = list(data.get("mon_names") or ())
    known: dict[str, float] = {"LP": total}
    for what in ("dustmass", "dustlum"):
        known |= {f"{what}.{part}": float(value) for part, value in sed[what]._asdict().items()}
    if sed.Stars is not None:
        known |= {"masstot": float(sed.Stars.masstot)}
        if hasattr(sed.Stars, "SFRburst"):
            known["SFRburst"] = float(sed.Stars.SFRburst)
    if fluxes is not None:
        table = data["photom"]
        try:
            names = [str(name) for name in table["filter"]]
        except (KeyError, IndexError, ValueError, TypeError):
            names = [str(i + 1) for i in range(len(fluxes))]
        known |= {f"flux.{name}": float(value) for name, value in zip(names, fluxes, strict=True)}
    unknown = [name for name in asked if name not in known and name != "NULL"]
    if unknown:
        raise ValueError(f"mon.names has {unknown}; there are {sorted(known)}")
    return {name: known[name] for name in asked if name != "NULL"}
