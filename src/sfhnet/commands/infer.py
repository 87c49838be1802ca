"""``sfhnet infer SPECTRA --model DIR -o OUT.h5``: apply a model to spectra from any file."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

from sfhnet.tools.script_options import Parser
from sfhnet.tools.shipped_files import shipped_file

__all__ = ["add_arguments", "run"]


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
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="posterior, HDF5")
    parser.add_argument("--redshift", type=float, default=0.0, help="to be removed (default: 0)")
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
    parser.add_argument("--dispersion", type=float, metavar="KM/S", help="stellar velocity dispersion")
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
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")


def run(args: argparse.Namespace) -> int:
    """Do it; print a line a spectrum; give the exit status."""
    from sfhnet.core.flags import describe_flags
    from sfhnet.core.spectra import SCHEMA, Spectra
    from sfhnet.inference.model import load
    from sfhnet.observation.spectrum_files import read_spectra
    from sfhnet.tools.provenance import provenance

    model = load(args.model, args.device)
    if _schema(args.spectra).startswith(f"{SCHEMA}/"):
        posterior = model.infer_spectra(Spectra.read(args.spectra), n_samples=args.samples)
    else:
        found = read_spectra(args.spectra, args.kind)
        for note in (*found.notes, *_assumed(args.medium, found.medium)):
            sys.stderr.write(f"{args.spectra}: {note}\n")
        if args.bands and found.converted_from:
            raise ValueError(
                f"{args.spectra} is in {found.converted_from} and {args.bands} in the unit of the spectra: convert both to "
                "f_lambda"
            )
        posterior = model.infer(
            found.wave_aa,
            found.flux,
            found.sigma,
            bands=_read_bands(args.bands, len(found.flux)) if args.bands else None,
            mask=found.good,
            redshift=args.redshift,
            medium=args.medium or found.medium or "air",
            fwhm_aa=found.fwhm_aa if args.fwhm is None else args.fwhm,
            dispersion_kms=args.dispersion,
            mask_sky=not args.keep_sky,
            n_samples=args.samples,
        )
    posterior.write(args.out, provenance(modules=["sfhnet.inference.model"], inputs=[args.spectra]))
    lines = ["spectrum  S/N    mw log age        lw log age        mw [M/H]         A_V    flags"]
    for row in range(len(posterior)):
        cells = []
        for name in ("mw_log_age", "lw_log_age", "mw_mh"):
            low, high = posterior.interval(name, 0.68)
            cells.append(f"{posterior.scalars[name][row]:6.2f} +-{0.5 * (high - low)[row]:5.2f}")
        words = ", ".join(text.split(":")[0] for text in describe_flags(posterior.flags[row])) or "-"
        lines.append(
            f"{row:8d} {posterior.snr[row]:5.0f}  {'    '.join(cells)}  {posterior.scalars['a_v'][row]:6.2f}  {words}"
        )
    sys.stdout.write("\n".join([*lines, f"wrote {args.out}", ""]))
    return 0


def _assumed(given: str | None, found: str | None) -> tuple[str, ...]:
    if given is None and found is None:
        return ("the file does not say whether its wavelengths are in air: --medium air is assumed",)
    if given and found and given != found:
        return (f"the file says its wavelengths are in {found}; --medium {given} is used",)
    return ()


def _schema(path: Path) -> str:
    import h5py

    from sfhnet.tools.hdf5 import open_whole

    if not h5py.is_hdf5(path):
        return ""
    with open_whole(path) as file:
        return str(file.attrs.get("schema_version", ""))


def _read_bands(path: Path, n: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    with path.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    if len(rows) != n:
        raise ValueError(f"{path} has {len(rows)} rows for {n} spectra; give one a spectrum")
    bands = {}
    for name in rows[0]:
        if name.endswith("_err"):
            continue
        if f"{name}_err" not in rows[0]:
            raise ValueError(f"{path} has {name} without {name}_err; every band needs its error")
        flux, error = (np.array([float(row[key] or "nan") for row in rows]) for key in (name, f"{name}_err"))
        bands[name] = flux, error
    return bands
