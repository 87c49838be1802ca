"""What `infer` makes of spectra with the faults of real ones: right within its errors, flagged, or wrong in silence.

    python speed/inference_faults.py --model-dir data/models/flow --shards a.h5 --dispersions 40=b.h5 280=c.h5

Mocks of the shards are observed on MUSE's axis at a redshift, with white noise, and given to `Model.infer` as a file would
be. Shards of other dispersions are made with ``grid.veldisp_kms``. One line a fault: how many; shares in % answered, flagged
(quality 2 or 3) among them, and of 68 % intervals of those not flagged that hold; bias and scatter of the light-weighted age,
bias of [M/H]; redshifts within 0.001; answers off by more than 3 sigma; flagged among these, among answers off by that or
0.3 dex, and among the right ones; milliseconds of the processor a spectrum. Last: redshifts anywhere, found at S/N 5 to 100.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyprospect.constants import C_KMS
from pyprospect.numerics.lsf import muse_udf10_fwhm_aa
from sfhnet.core.flags import quality
from sfhnet.inference.answers import Answers
from sfhnet.inference.model import Model, load
from sfhnet.mocks.dataset import Mocks
from sfhnet.tools.random_streams import stream

ASKED = ("lw_log_age", "mw_log_age", "mw_mh")
REDSHIFT = 0.004
WINDOWS_AA = (
    *((4800.0, 5500.0), (4760.0, 6430.0), (5600.0, 7200.0), (4760.0, 7350.0)),
    *((low, low + 620.0) for low in (4760.0, 5400.0, 6050.0, 6700.0)),
)
# Mocks below this have less metals than a galaxy: old clusters.
POOR_DEX = -2.0


@dataclass(frozen=True)
class Galaxies:
    """Noiseless rest-frame spectra (n, n_wave) on their wavelengths, and the true values of `ASKED`."""

    wave_aa: np.ndarray
    flux: np.ndarray
    truth: dict[str, np.ndarray]


def galaxies_of(paths: list[Path], n: int, below_dex: float = np.inf) -> Galaxies:
    """Return the first n galaxies of shards, of those with less metals than this."""
    mocks = Mocks(paths, 2.0)
    some = mocks.get(np.arange(len(mocks) if np.isfinite(below_dex) else min(n, len(mocks))))
    chosen = np.flatnonzero(some.labels["mw_mh"].numpy() < below_dex)[:n]
    truth = {name: some.labels[name].numpy()[chosen].astype(float) for name in ASKED}
    return Galaxies(mocks.wave_aa, some.flux.numpy()[chosen].astype(float), truth)


def observed(
    flux: np.ndarray,
    wave_rest_aa: np.ndarray,
    *,
    snr: float | np.ndarray,
    seed: int,
    redshift: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return MUSE wavelengths, noisy fluxes and errors of noiseless rest-frame spectra."""
    rng = stream("speed.faults", seed)
    wave = np.arange(4750.0, 9351.0, 1.25)
    at = np.full(len(flux), REDSHIFT) if redshift is None else redshift
    values = np.array(
        [
            np.interp(wave / (1 + z), wave_rest_aa, row, left=np.nan, right=np.nan)
            for z, row in zip(at, flux, strict=True)
        ]
    )
    level = np.nanmedian(values, axis=1)
    sigma = np.repeat((level / snr)[:, None], wave.size, axis=1)
    return wave, values + rng.normal(size=values.shape) * sigma, sigma


def faults(
    plain: Galaxies, poor: Galaxies, of_dispersion: dict[float, Galaxies], snr: float
) -> Iterator[tuple[str, Galaxies, dict[str, Any]]]:
    """Yield name, galaxies, and the arguments of `Model.infer`."""

    def given(galaxies: Galaxies = plain, **options: Any) -> dict[str, Any]:
        wave, values, sigma = observed(galaxies.flux, galaxies.wave_aa, snr=snr, seed=1)
        return {
            "wave_aa": wave,
            "flux": values,
            "sigma": sigma,
            "fwhm_aa": muse_udf10_fwhm_aa(wave),
        } | options

    yield "nothing given", plain, given()
    yield "instrument unknown", plain, given(fwhm_aa=None)
    for off in (0, 200, 300, 600, 1500):
        yield f"redshift believed, {off} km/s off", plain, given(redshift=REDSHIFT + off / C_KMS)
    yield "redshift known, 600 km/s off", plain, given(redshift=REDSHIFT + 600 / C_KMS, redshift_err=0.0)
    for dispersion, galaxies in of_dispersion.items():
        yield f"dispersion {dispersion:.0f} km/s, not given", galaxies, given(galaxies)
        known = given(galaxies, redshift=REDSHIFT, dispersion_kms=dispersion)
        yield f"dispersion {dispersion:.0f} km/s, given", galaxies, known
    if len(poor.flux):
        yield f"[M/H] below {POOR_DEX:g}", poor, given(poor)
    for low, high in WINDOWS_AA:
        some = given()
        keep = (some["wave_aa"] > low) & (some["wave_aa"] < high)
        cut = {name: some[name][..., keep] for name in ("wave_aa", "flux", "sigma", "fwhm_aa")}
        yield f"window {low:.0f}-{high:.0f} AA", plain, cut
    some = given()
    gap = (some["wave_aa"] > 5800) & (some["wave_aa"] < 5970)
    yield "laser gap of zeros", plain, some | {"flux": np.where(gap, 0.0, some["flux"])}
    hot = some["flux"].copy()
    hot[:, ::400] *= 3
    yield "ten hot pixels", plain, some | {"flux": hot}


def redshift_line(model: Model, galaxies: Galaxies, low_snr: float = 5.0, high_snr: float = 100.0) -> str:
    """Return what redshifts are found of galaxies anywhere in the range."""
    rng, n = stream("speed.redshifts", 2), len(galaxies.flux)
    redshift = rng.uniform(0.0, 0.14, n)
    snr = np.exp(rng.uniform(np.log(low_snr), np.log(high_snr), n))
    wave, values, sigma = observed(galaxies.flux, galaxies.wave_aa, snr=snr, seed=3, redshift=redshift)
    answers = model.infer(wave, values, sigma, fwhm_aa=muse_udf10_fwhm_aa(wave), keep_spectra=False)
    right = np.abs(answers.measured["redshift"] - redshift) < 1e-3 * (1 + redshift)
    accepted, bright = answers.usable, snr > 10
    return (
        f"redshifts from 0 to 0.14, {n} spectra: {100 * accepted[bright].mean():.1f} % of {bright.sum()} with S/N above 10 accepted, "
        f"{100 * right[accepted].mean():.1f} % of the accepted within 0.001; mean probability "
        f"{100 * answers.measured['redshift_probability'][accepted].mean():.1f} %"
    )


def line(name: str, answers: Answers, truth: dict[str, np.ndarray], seconds: float) -> str:
    """Return what is to be said of one fault."""
    usable = answers.usable
    off, pull = [], []
    for asked in ASKED:
        low, high = answers.interval(asked, 0.68)
        off.append(np.abs(answers.scalars[asked] - truth[asked]))
        pull.append(off[-1] / np.maximum(0.5 * (high - low), 1e-3))
    wrong = usable & ((np.max(pull, axis=0) > 3) | (np.max(off, axis=0) > 0.3))
    far = usable & (np.max(pull, axis=0) > 3)
    flagged = quality(answers.flags) >= 2
    accepted = usable & ~flagged
    low, high = answers.interval("lw_log_age", 0.68)
    held = (truth["lw_log_age"] >= low) & (truth["lw_log_age"] <= high)
    change = (answers.scalars["lw_log_age"] - truth["lw_log_age"])[usable]
    metals = (answers.scalars["mw_mh"] - truth["mw_mh"])[usable]
    z = answers.measured["redshift"]
    right_z = np.abs(z[usable] - REDSHIFT) < 1e-3 * (1 + REDSHIFT)

    def share(of: np.ndarray, among: np.ndarray) -> str:
        return f"{100 * of[among].mean():4.0f}" if among.any() else "   -"

    return (
        f"{name:<34} {len(answers):4d} {100 * usable.mean():4.0f} {100 * flagged[usable].mean():4.0f} {share(held, accepted)} "
        f"{np.median(change):+6.2f} {np.sqrt(np.mean(np.clip(change, -1, 1) ** 2)):5.2f} {np.median(metals):+6.2f} "
        f"{100 * right_z.mean():4.0f} {100 * far.mean():4.0f} {share(flagged, far)} {share(flagged, wrong)} {share(flagged, usable & ~wrong)} "
        f"{1e3 * seconds / len(answers):5.0f}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model-dir", default="flow")
    parser.add_argument("--shards", type=Path, nargs="+", required=True)
    parser.add_argument("--dispersions", nargs="*", default=[], metavar="KMS=SHARD")
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--snr", type=float, default=50.0)
    parser.add_argument("--only", default="", help="faults whose name holds this")
    args = parser.parse_args(arguments)
    model = load(args.model_dir)

    plain, poor = galaxies_of(args.shards, args.n), galaxies_of(args.shards, args.n, below_dex=POOR_DEX)
    others = {}
    for pair in args.dispersions:
        kms, _, path = pair.partition("=")
        others[float(kms)] = galaxies_of([Path(path)], args.n)
    sys.stdout.write(
        "fault                                 n answ flag hold  bias   rms  [M/H] z-ok >3s  f>3s fwrong fright ms\n"
    )
    for name, galaxies, options in faults(plain, poor, others, args.snr):
        if args.only not in name:
            continue
        start = time.process_time()
        answers = model.infer(**options, keep_spectra=False)
        sys.stdout.write(line(name, answers, galaxies.truth, time.process_time() - start) + "\n")
        sys.stdout.flush()
    if args.only in "redshifts":
        sys.stdout.write(redshift_line(model, plain) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
