"""``sfhnet infer SPECTRA -o OUT.h5``: apply a model to spectra from any file."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sfhnet.core.bands import all_bands
from sfhnet.core.flags import QUALITY
from sfhnet.tools.script_options import Parser, add_config, add_options
from sfhnet.tools.shipped_files import shipped_file

if TYPE_CHECKING:
    from sfhnet.inference.answers import Answers

__all__ = ["add_arguments", "run"]

# Files that the forward model is made of.
_FORWARD = ("ssp", "filters", "mappings", "cloudy")

# So many spectra are printed; of more, how many are good.
_BLOCKS = 20
# Draws that are checked, as in the workflow (galaxies.predictive_draws).
_DRAWS = 32


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument(
        "spectra", type=Path, help="FITS, HDF5, CSV or text file; or a spectra.h5 of the workflow"
    )
    parser.add_argument(
        "--model",
        "--model-dir",
        default=shipped_file("models") / "flow",
        metavar="DIR",
        help="folder of the model, or name of one that comes with the program (default: flow; sfhnet models list)",
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="answers: HDF5, or .ecsv or .fits for the table alone",
    )
    parser.add_argument(
        "--redshift", type=float, help="what is believed of it (default: found, from -0.005 to 0.15)"
    )
    parser.add_argument(
        "--redshift-error",
        type=float,
        metavar="DZ",
        help="its standard deviation; 0: it is known (default: 0.002, or 0 with --dispersion)",
    )
    parser.add_argument(
        "--medium",
        choices=("air", "vacuum"),
        help="of the wavelengths (default: what the file says, else air)",
    )
    parser.add_argument(
        "--kind",
        metavar="KIND",
        help="sdss, fits, hdf5, csv or text (default: found from the file), or table: wavelength, flux, variance of MUSE",
    )
    parser.add_argument(
        "--fwhm",
        type=float,
        metavar="AA",
        help="resolution of the instrument in AA (FWHM; default: what the file says)",
    )
    parser.add_argument(
        "--dispersion", type=float, metavar="KM/S", help="stellar velocity dispersion (default: measured)"
    )
    parser.add_argument(
        "--ebv",
        type=float,
        default=0.0,
        metavar="MAG",
        help="E(B-V) of the Milky Way, to be undone (default: 0)",
    )
    parser.add_argument(
        "--distance",
        type=float,
        metavar="MPC",
        help="for masses (default: that of the redshift beyond 0.005)",
    )
    parser.add_argument(
        "--keep-sky",
        action="store_true",
        help="do not mask sky lines and telluric absorption, e.g. in spectra that were not observed",
    )
    parser.add_argument(
        "--bands",
        type=Path,
        metavar="CSV",
        help="band fluxes in the unit of the spectra: columns BAND and BAND_err, a row a spectrum",
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=0,
        metavar="N",
        help="joint samples of each spectrum (models of kind flow)",
    )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw each spectrum with its answer: a PDF of pages, or PNGs",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="put draws through the forward model of the mocks, refine, and flag what it cannot give back; needs --ssp, "
        "--filters, --mappings, --cloudy",
    )
    add_config(parser, about="with --check: overlays on config.yaml, the configuration of the mocks")
    add_options(parser, *_FORWARD, required=False)
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")


def run(args: argparse.Namespace) -> int:
    """Do it; print a block a spectrum; give the exit status."""
    from sfhnet.core.spectra import SCHEMA, Spectra
    from sfhnet.inference.model import load
    from sfhnet.observation.spectrum_files import read_spectra
    from sfhnet.tools.provenance import provenance

    missing = [f"--{name}" for name in _FORWARD if getattr(args, name) is None]
    if args.check and missing:
        raise ValueError(f"--check runs the forward model: give {', '.join(missing)} too")
    model = load(args.model, args.device)
    keep = args.check or args.plot is not None
    n_samples = max(args.samples, _DRAWS) if args.check else args.samples
    if _schema(args.spectra).startswith(f"{SCHEMA}/"):
        answers = model.infer_spectra(Spectra.read(args.spectra), n_samples=n_samples, keep_spectra=keep)
    else:
        found = read_spectra(args.spectra, args.kind, stored=True)
        for note in (*found.notes, *_assumed(args.medium, found.medium)):
            sys.stderr.write(f"{args.spectra}: {note}\n")
        if args.bands and found.converted_from:
            raise ValueError(
                f"{args.spectra} is in {found.converted_from} and {args.bands} in the unit of the spectra: convert both to "
                "f_lambda"
            )
        answers = model.infer(
            found.wave_aa,
            found.flux,
            found.sigma,
            bands=_read_bands(args.bands, len(found.flux)) if args.bands else None,
            mask=found.good,
            redshift=args.redshift,
            redshift_err=args.redshift_error,
            medium=args.medium or found.medium or "air",
            fwhm_aa=found.fwhm_aa if args.fwhm is None else args.fwhm,
            dispersion_kms=args.dispersion,
            ebv=args.ebv,
            mask_sky=not args.keep_sky,
            flux_unit_cgs=found.flux_unit_cgs,
            distance_mpc=args.distance,
            keep_spectra=keep,
            n_samples=n_samples,
        )
    if args.check:
        answers = _checked(answers, args)
    answers.write(args.out, provenance(modules=["sfhnet.inference.model"], inputs=[args.spectra]))
    sys.stdout.write(_said(answers))
    sys.stdout.write(f"wrote {args.out}\n")
    if args.plot is not None:
        from sfhnet.inference.picture import draw_pages

        for path in draw_pages(answers, args.plot):
            sys.stdout.write(f"wrote {path}\n")
    return 0


def _checked(answers: Answers, args: argparse.Namespace) -> Answers:
    from sfhnet.config import load_config
    from sfhnet.predictive_check.forward_model import load_forward
    from sfhnet.predictive_check.limits import PREDICTIVE, Limits
    from sfhnet.predictive_check.of_answers import check_answers
    from sfhnet.tools.shipped_files import shipped_model

    config = load_config(args.config)
    folder = Path(args.model)
    limits = (folder if folder.is_dir() else shipped_model(str(args.model))) / PREDICTIVE
    forward = load_forward(config, args.ssp, args.filters, mappings=args.mappings, cloudy=args.cloudy)
    return check_answers(
        answers,
        forward,
        noise=config.noise,
        limits=Limits.read(limits) if limits.is_file() else None,
        n_draws=_DRAWS,
    )


def _assumed(given: str | None, found: str | None) -> tuple[str, ...]:
    if given is None and found is None:
        return ("the file does not say whether its wavelengths are in air: --medium air is assumed",)
    if given and found and given != found:
        return (f"the file says its wavelengths are in {found}; --medium {given} is used",)
    return ()


def _said(answers: Answers) -> str:
    blocks = [answers.summary(row) for row in range(min(len(answers), _BLOCKS))]
    if len(answers) > _BLOCKS:
        counts = np.bincount(answers.quality, minlength=len(QUALITY))
        levels = ", ".join(f"{number} {words}" for number, (words, _) in zip(counts, QUALITY, strict=True))
        blocks.append(f"... and {len(answers) - _BLOCKS} more; of all {len(answers)}: {levels}")
    blocks += [f"note: {note}" for note in answers.notes]
    return "\n\n".join(blocks) + "\n\n"


def _schema(path: Path) -> str:
    import h5py

    from sfhnet.tools.hdf5 import open_whole

    if not h5py.is_hdf5(path):
        return ""
    with open_whole(path) as file:
        return str(file.attrs.get("schema_version", ""))


def _read_bands(path: Path, n: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    from sfhnet.observation.text_tables import decode

    rows = list(csv.DictReader(decode(path, str(path)).splitlines()))
    if len(rows) != n:
        raise ValueError(f"{path} has {len(rows)} rows for {n} spectra; give one a spectrum")
    bands = {}
    for name in rows[0]:
        if name.endswith("_err"):
            continue
        if name not in all_bands() and f"{name}_err" not in rows[0]:
            sys.stderr.write(f"{path}: not used: {name}, which is no band\n")
            continue
        if f"{name}_err" not in rows[0]:
            raise ValueError(f"{path} has {name} without {name}_err; every band needs its error")
        flux, error = (
            np.array([_number(path, line, key, row[key]) for line, row in enumerate(rows, 2)])
            for key in (name, f"{name}_err")
        )
        bands[name] = flux, error
    return bands


def _number(path: Path, line: int, name: str, cell: str | None) -> float:
    try:
        return float((cell or "").strip() or "nan")
    except ValueError as error:
        raise ValueError(
            f"{path}, line {line}: {name} is {cell!r}, no number; leave the cell empty where there is none"
        ) from error
