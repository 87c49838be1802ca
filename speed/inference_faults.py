"""What `infer` makes of spectra with the faults of real ones: right within its errors, flagged, or wrong in silence.

    python speed/inference_faults.py --model-dir data/models/flow --shards a.h5 --dispersions 40=b.h5 280=c.h5

Mocks of the shards are observed on MUSE's axis at a redshift, with white noise, and given to `Model.infer` as a file would
be. Shards of other dispersions are made with ``grid.veldisp_kms``. One line a fault: how many, share answered, share of the
68 % intervals that hold, bias and scatter, share flagged (quality 2 or 3) among wrong and right answers.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
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
WINDOWS_AA = ((4800.0, 5500.0), (4760.0, 6430.0), (5600.0, 7200.0), (4760.0, 7350.0))


def observed(
    flux: np.ndarray, wave_rest_aa: np.ndarray, *, snr: float, seed: int, redshift: float = REDSHIFT
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return MUSE wavelengths, noisy fluxes and errors of noiseless rest-frame spectra."""
    rng = stream("speed.faults", seed)
    wave = np.arange(4750.0, 9351.0, 1.25)
    values = np.array(
        [np.interp(wave / (1 + redshift), wave_rest_aa, row, left=np.nan, right=np.nan) for row in flux]
    )
    level = np.nanmedian(values, axis=1, keepdims=True)
    sigma = np.repeat(level / snr, wave.size, axis=1)
    return wave, values + rng.normal(size=values.shape) * sigma, sigma


def faults(
    model: Model, flux: np.ndarray, of_dispersion: dict[float, np.ndarray], snr: float
) -> Iterator[tuple[str, np.ndarray | None, dict[str, Any]]]:
    """Yield name, noiseless spectra if others than `flux`, and the arguments of `Model.infer`."""

    def given(spectra: np.ndarray = flux, **options: Any) -> dict[str, Any]:
        wave, values, sigma = observed(spectra, model.wave_aa, snr=snr, seed=1)
        return {
            "wave_aa": wave,
            "flux": values,
            "sigma": sigma,
            "fwhm_aa": muse_udf10_fwhm_aa(wave),
        } | options

    yield "nothing given", None, given()
    yield "instrument unknown", None, given(fwhm_aa=None)
    for off in (0, 200, 300, 600, 1500):
        yield f"redshift believed, {off} km/s off", None, given(redshift=REDSHIFT + off / C_KMS)
    yield "redshift known, 600 km/s off", None, given(redshift=REDSHIFT + 600 / C_KMS, redshift_err=0.0)
    for dispersion, spectra in of_dispersion.items():
        yield f"dispersion {dispersion:.0f} km/s, not given", spectra, given(spectra)
        yield (
            f"dispersion {dispersion:.0f} km/s, given",
            spectra,
            given(spectra, redshift=REDSHIFT, dispersion_kms=dispersion),
        )
    for low, high in WINDOWS_AA:
        some = given()
        keep = (some["wave_aa"] > low) & (some["wave_aa"] < high)
        cut = {name: some[name][..., keep] for name in ("wave_aa", "flux", "sigma", "fwhm_aa")}
        yield f"window {low:.0f}-{high:.0f} AA", None, cut
    some = given()
    gap = (some["wave_aa"] > 5800) & (some["wave_aa"] < 5970)
    yield "laser gap of zeros", None, some | {"flux": np.where(gap, 0.0, some["flux"])}
    hot = some["flux"].copy()
    hot[:, ::400] *= 3
    yield "ten hot pixels", None, some | {"flux": hot}


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
    right_z = np.abs(z[usable] - REDSHIFT) < 1e-3

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

    def mocks(paths: list[Path]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        picked = Mocks(paths, 2.0).get(np.arange(args.n))
        labels = {name: picked.labels[name].numpy().astype(float) for name in ASKED}
        return picked.flux.numpy().astype(float), labels

    flux, truth = mocks(args.shards)
    others, truths = {}, {}
    for pair in args.dispersions:
        kms, _, path = pair.partition("=")
        others[float(kms)], truths[float(kms)] = mocks([Path(path)])
    sys.stdout.write(
        "fault                                 n answ flag hold  bias   rms  [M/H] z-ok >3s  f>3s fwrong fright ms\n"
    )
    for name, spectra, options in faults(model, flux, others, args.snr):
        if args.only not in name:
            continue
        right = truth
        if spectra is not None:
            right = next(truths[kms] for kms, values in others.items() if values is spectra)
        start = time.process_time()
        answers = model.infer(**options, keep_spectra=False)
        sys.stdout.write(line(name, answers, right, time.process_time() - start) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
