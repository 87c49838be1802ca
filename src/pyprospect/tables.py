"""ProSpect's own tables (LKL10 lines, EAZY filters, Dale dust, AGN, Inoue14), found and read where they lie.

The tables come as R's ``.rda`` files and are not part of this package. The package `rdata` parses them: it
builds numpy and pandas objects from the stored bytes and evaluates no R (nor other) code.
"""

import os
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pyprospect.extras import require

__all__ = ["find_table", "load", "places", "set_data_dir", "user_folder"]

ENVIRONMENT_VARIABLE = "PYPROSPECT_DATA"

PACKAGE = Path(__file__).resolve().parent

CHECKOUT = PACKAGE.parents[1] if (PACKAGE / "pyproject.toml").is_file() else None
"""Folder of the checkout that this code runs from, or None where it is an installed package."""

_chosen: list[Path] = []


def set_data_dir(folder: str | os.PathLike | None) -> None:
    """Look for tables in `folder` first; None forgets an earlier choice.

    Raises
    ------
    ValueError
        If `folder` is not a folder.
    """
    if folder is None:
        _chosen.clear()
        return
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise ValueError(f"{path} is not a folder; give the folder that holds ProSpect's .rda files")
    _chosen[:] = [path]


def user_folder() -> Path:
    """Return the user's own folder for tables, where ``python -m pyprospect fetch`` puts them."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "pyprospect"


def places() -> list[Path]:
    """Return the folders searched for tables, in order.

    1. the one of `set_data_dir`; 2. the environment variable PYPROSPECT_DATA; 3. ``data/prospect_tables``
    under the working directory, and in a checkout under that; 4. `user_folder`; 5. in a checkout,
    ``shared/mirror/prospect`` beside it.
    """
    folders = list(_chosen)
    if os.environ.get(ENVIRONMENT_VARIABLE):
        folders.append(Path(os.environ[ENVIRONMENT_VARIABLE]).expanduser())
    folders.append(Path.cwd() / "data" / "prospect_tables")
    if CHECKOUT:
        folders.append(CHECKOUT / "data" / "prospect_tables")
    folders.append(user_folder())
    if CHECKOUT:
        folders.append(CHECKOUT.parent / "shared" / "mirror" / "prospect")
    return list(dict.fromkeys(folders))


def find_table(filename: str) -> Path:
    """Return the path of a table.

    Parameters
    ----------
    filename : str
        Name of the file, such as ``"LKL10_NormHalpha.rda"``.

    Returns
    -------
    Path

    Raises
    ------
    FileNotFoundError
        Naming the file, the places searched and the remedy.
    """
    for folder in places():
        if (folder / filename).is_file():
            return folder / filename
    searched = "\n  ".join(str(folder) for folder in places())
    raise FileNotFoundError(
        f"ProSpect's table {filename} is in none of\n  {searched}\nGet ProSpect's tables with: python -m pyprospect "
        f"fetch; or point {ENVIRONMENT_VARIABLE} or pyprospect.tables.set_data_dir() at the folder data/ of the R package."
    )


def load(name: str) -> Any:
    """Return the object stored in one of ProSpect's ``.rda`` files.

    Parameters
    ----------
    name : str
        Name of the table without the ending, such as ``"EAZY_filters"``.

    Returns
    -------
    object
        R lists as dict or list, vectors and matrices as ndarray, data frames as pandas.DataFrame. The parsed
        table is kept and shared between calls: do not edit it.

    Raises
    ------
    FileNotFoundError
        As `find_table`.
    ValueError
        A file that is not an R data file, or that holds several objects.
    """
    path = find_table(f"{name}.rda")
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=32)
def _read(path: Path, _changed_ns: int) -> Any:
    # With pandas and xarray, slow to import and needed for tables only.
    rdata = require("rdata", f"ProSpect's table {path.name}")

    with warnings.catch_warnings():
        # R classes without a Python counterpart come as plain containers, which is what is wanted.
        warnings.filterwarnings("ignore", message="Missing constructor for R class")
        warnings.filterwarnings("error", message="Unknown file type")
        try:
            objects = rdata.conversion.convert(rdata.parser.parse_file(path))
        except (AssertionError, NotImplementedError, ValueError, EOFError, UserWarning) as error:
            raise ValueError(f"{path} cannot be read as an R data file ({error}); fetch it again") from error
    if len(objects) != 1:
        raise ValueError(f"{path} holds {len(objects)} objects ({', '.join(objects)}); one is expected")
    return _plain(next(iter(objects.values())))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if hasattr(value, "dims") and hasattr(value, "values"):
        return np.asarray(value.values)
    return value
