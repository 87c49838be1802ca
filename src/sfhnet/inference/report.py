"""Answers in words, as a table, and in files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sfhnet.core.flags import QUALITY
from sfhnet.core.quantities import FROM_DRAWS, SCALARS
from sfhnet.inference.answers import MEASURED, Answers
from sfhnet.inference.draws import AS_DRAWN, as_drawn, quantities_from_draws

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["TABLE_SUFFIXES", "block", "table", "write_table"]

_SHOWN: tuple[tuple[str, str], ...] = (
    ("lw_log_age", "log age, light-weighted"),
    ("mw_log_age", "log age, mass-weighted"),
    ("lw_mh", "[M/H], light-weighted"),
    ("mw_mh", "[M/H], mass-weighted"),
    ("a_v", "A_V [mag]"),
    ("t50", "half of the mass, log yr ago"),
)
TABLE_SUFFIXES = (".ecsv", ".fits", ".fit")
_COVERAGE = 0.68


def block(answers: Answers, row: int) -> str:
    """Return what is to be said of one spectrum, some lines."""
    measured = {name: float(values[row]) for name, values in answers.measured.items()}
    level = int(answers.quality[row])
    title = f"spectrum {row}: S/N {answers.snr[row]:.0f} a pixel"
    if np.isfinite(measured.get("redshift", np.nan)):
        title += f", z = {measured['redshift']:.5f}" + _error(measured.get("redshift_err"), 5)
    if np.isfinite(measured.get("dispersion_kms", np.nan)):
        title += (
            f", sigma = {measured['dispersion_kms']:.0f}"
            + _error(measured.get("dispersion_err_kms"), 0)
            + " km/s"
        )
    lines = [title, f"  quality {level} of {len(QUALITY) - 1}: {QUALITY[level][0]}"]
    if answers.usable[row]:
        for name, words in _SHOWN:
            low, high = (float(end[row]) for end in answers.interval(name, _COVERAGE))
            value = float(answers.scalars[name][row])
            lines.append(f"  {words:<30} {value:7.2f}  ({low:.2f} .. {high:.2f})")
        if np.isfinite(measured.get("log_mass_formed", np.nan)):
            lines.append(f"  {'log mass formed [Msun]':<30} {measured['log_mass_formed']:7.2f}")
        if answers.refined and np.isfinite(answers.refined["chi2"][row]):
            one = {
                name: float(answers.refined[name][row]) for name in ("mw_log_age", "mw_mh", "chi2", "shift")
            }
            lines.append(
                f"  refined: log age {one['mw_log_age']:.2f}, [M/H] {one['mw_mh']:.2f} (mass-weighted); chi2 over noise "
                f"{one['chi2']:.2f}, {one['shift']:.2f} standard deviations from the draws"
            )
    else:
        lines.append("  no answer")
    lines += [f"  {words}" for words in answers.words(row)]
    return "\n".join(lines)


def _error(value: float | None, digits: int) -> str:
    return f" +- {value:.{digits}f}" if value is not None and np.isfinite(value) else ""


def table(answers: Answers) -> Table:
    """Return `Answers.to_table`."""
    from astropy import units as u
    from astropy.table import Table

    result = Table()
    result["spectrum"] = np.arange(len(answers))
    result["snr"] = answers.snr
    for name, values in answers.measured.items():
        unit = MEASURED[name][0]
        result[name] = values
        if unit in ("km/s", "Angstrom"):
            result[name].unit = u.Unit(unit)
        result[name].description = MEASURED[name][1]
    for name, values in answers.scalars.items():
        low, high = answers.interval(name, _COVERAGE)
        for column, numbers in ((name, values), (f"{name}_p16", low), (f"{name}_p84", high)):
            result[column] = numbers
        result[name].description = SCALARS[name].meaning
    drawn = as_drawn(answers)
    for name, values in quantities_from_draws(answers).items():
        for end, numbers in zip(("", "_p16", "_p84"), values.T):
            result[name + end] = numbers
        result[name].description = FROM_DRAWS[name].meaning + (AS_DRAWN if name in drawn else "")
    for name in ("mass_fraction", "mh"):
        result[name] = getattr(answers, name)
    result["chi2"], result["ood_score"] = answers.chi2, answers.ood_score
    result["quality"], result["flags"] = answers.quality, answers.flags
    words = [" ".join(text.split(":")[0] for text in answers.words(row)) for row in range(len(answers))]
    result["flag_words"] = np.array(words, dtype=str)
    result.meta["age_edges_myr"] = [float(edge) for edge in answers.age_edges_myr]
    if answers.notes:
        result.meta["notes"] = list(answers.notes)
    return result


def write_table(answers: Answers, path: Path, provenance: Mapping[str, Any] | None = None) -> None:
    """Write the table of `Answers.to_table`, whole or not at all, in the format of the suffix."""
    from astropy.io import fits

    from sfhnet.tools.atomic_files import atomic_write

    found = table(answers)
    if path.suffix.lower() == ".ecsv":
        if provenance is not None:
            found.meta["provenance"] = dict(provenance)
    else:
        found.meta = {"MODEL": str(answers.meta.get("model", ""))}
    with atomic_write(path) as partial:
        if path.suffix.lower() == ".ecsv":
            found.write(partial, format="ascii.ecsv")
        else:
            hdus = fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(found)])
            hdus.writeto(partial, checksum=True)
