"""Readers of torus grids: Fritz et al. (2006) and SKIRTOR (Stalevski et al. 2016), in every layout that is handed around."""

from __future__ import annotations

import lzma
import os
import re
import zlib
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyprospect.constants import MPC_CM
from pyprospect.extras import require
from pyprospect.fits_files import whole_fits
from pyprospect.prospect.agn import AGNGrid

__all__ = ["read_agn_grid"]

Array = NDArray[np.float64]

_LAYOUTS = (
    "ProSpect's Fritz.rda or SKIRTOR.rda, a folder of Fritz files (ct40al4.0be-0.50ta1.0rm60.tot) or of SKIRTOR files "
    "(t5_p1_q1_oa40_R20_Mcl0.97_i30_sed.dat), or skirtor_for_s3fit.fits"
)
# Axes in the order of the arrays in R; SKIRTOR's sixth, the share of clumps, has one value there.
_R_AXES = {
    "Fritz": ("ct", "al", "be", "ta", "rm", "an"),
    "SKIRTOR": ("ta", "p", "q", "ct", "rm", "an"),
}
_CLUMPS = 5
_FRITZ_NAME = re.compile(r"ct([\d.]+)al([\d.]+)be(-?[\d.]+)ta([\d.]+)rm([\d.]+)\.tot")
_SKIRTOR_NAME = re.compile(
    r"t([\d.]+)_p([\d.]+)_q([\d.]+)_oa([\d.]+)_R([\d.]+)_Mcl([\d.]+)_i([\d.]+)_sed\.dat"
)
_AA_PER_MICRON = 1e4
# ASSUME: the primary source of the Fritz files has 1e46 erg/s, the unit of their header.
_FRITZ_ERG_S = 1e46
# The files of SKIRTOR are lambda F_lambda in W/m2 at 10 Mpc; 1 W/m2 is 1e3 erg/s/cm2.
_SKIRTOR_ERG_S = 1e3 * 4 * np.pi * (10 * MPC_CM) ** 2
# A number whose exponent has three digits leaves Fortran's E out.
_NO_E = re.compile(r"(?<=\d)([+-]\d{3})\b")


def read_agn_grid(path: str | os.PathLike) -> AGNGrid:
    """Read a grid of tori.

    Parameters
    ----------
    path : path
        ``Fritz.rda`` or ``SKIRTOR.rda`` of ProSpectData; a folder of the files of either grid, as they are published and as
        CIGALE has them (parts of a grid will do, if they are whole boxes); or ``skirtor_for_s3fit.fits`` of S3Fit
        (p = 1, q = 0.5, no scattered light).

    Returns
    -------
    AGNGrid
        For `pyprospect.prospect.agn.agn_grid_interp`, and for ``prospect_sed(AGN=...)``. `an` is ProSpect's viewing angle
        as the files have it, in degrees: from the equator in Fritz's, from the axis in SKIRTOR's. Luminosities are those
        of the primary source.

    Raises
    ------
    FileNotFoundError
        If there is nothing.
    ValueError
        If it is no such grid, or the box of its parameters has holes.
    """
    path = Path(path)
    if path.is_dir():
        names = sorted(file.name for file in path.iterdir())
        if any(map(_FRITZ_NAME.fullmatch, names)):
            return _read_fritz_folder(path, names)
        if any(map(_SKIRTOR_NAME.fullmatch, names)):
            return _read_skirtor_folder(path, names)
        raise ValueError(f"the folder {path} holds no grid of tori; give {_LAYOUTS}")
    if not path.is_file():
        raise FileNotFoundError(f"there is no grid of tori at {path}; give {_LAYOUTS}")
    if path.suffix.lower() in (".rda", ".rdata"):
        return _read_rda(path)
    if path.suffix.lower() == ".fits":
        return _read_s3fit(path)
    raise ValueError(f"{path} is no grid of tori that is known; give {_LAYOUTS}")


def _read_rda(path: Path) -> AGNGrid:
    rdata = require("rdata", f"the grid {path.name}")
    try:
        content = rdata.read_rda(path)
    except (OSError, ValueError, EOFError, NotImplementedError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"{path} cannot be read as R data ({error}); give {_LAYOUTS}") from error
    for name, grid in content.items():
        if isinstance(grid, Mapping) and {"Aspec", "Wave"} <= set(grid):
            kind = "SKIRTOR" if {"p", "q"} <= set(grid) else "Fritz"
            missing = [axis for axis in _R_AXES[kind] if axis not in grid]
            if missing:
                raise ValueError(
                    f"{path}: list {name!r} lacks {missing}; a grid of {kind} has {_R_AXES[kind]}"
                )
            values = np.asarray(grid["Aspec"], dtype=float)
            if kind == "SKIRTOR" and values.ndim == len(_R_AXES[kind]) + 2:
                values = values.take(0, axis=_CLUMPS)
            axes = {axis: np.asarray(grid[axis], dtype=float) for axis in _R_AXES[kind]}
            return AGNGrid(kind, axes, np.asarray(grid["Wave"], dtype=float), values)
    raise ValueError(f"{path} holds {sorted(content)}, no list with Aspec and Wave; give {_LAYOUTS}")


def _numbers(lines: list[str]) -> Array:
    return np.array([_NO_E.sub(r"E\1", line).split() for line in lines], dtype=float)


def _read_fritz_folder(folder: Path, names: list[str]) -> AGNGrid:
    spectra: dict[tuple[float, ...], Array] = {}
    wave = np.empty(0)
    for name in names:
        match = _FRITZ_NAME.fullmatch(name)
        if match is None:
            continue
        wave, by_angle = _read_fritz_file(folder / name)
        where = tuple(map(float, match.groups()))
        spectra |= {(*where, angle): spectrum for angle, spectrum in by_angle.items()}
    axes, values = _box(folder, _R_AXES["Fritz"], spectra)
    return AGNGrid("Fritz", axes, wave * _AA_PER_MICRON, values / _AA_PER_MICRON / _FRITZ_ERG_S)


def _read_fritz_file(path: Path) -> tuple[Array, dict[float, Array]]:
    """Return wavelengths [micron] and the whole spectrum [erg/s/micron] by viewing angle."""
    lines = path.read_text(errors="replace").splitlines()
    at = [i for i, line in enumerate(lines) if "viewing angle:" in line]
    try:
        n = int(lines[at[0] - 1].split()[0])
        blocks = {float(lines[i + 1]): _numbers(lines[i + 2 : i + 2 + n]) for i in at}
        if any(block.shape != (n, 5) for block in blocks.values()):
            raise ValueError(f"a spectrum of {n} wavelengths and 5 columns is cut short")
    except (IndexError, ValueError) as error:
        raise ValueError(f"{path} is not a file of Fritz et al. (2006), or is damaged: {error}") from error
    wave = next(iter(blocks.values()))[:, 0]
    return wave, {angle: block[:, 1] for angle, block in blocks.items()}


def _read_skirtor_folder(folder: Path, names: list[str]) -> AGNGrid:
    spectra: dict[tuple[float, ...], Array] = {}
    wave, clumps = np.empty(0), set()
    for name in names:
        match = _SKIRTOR_NAME.fullmatch(name)
        if match is None:
            continue
        try:
            table = np.loadtxt(folder / name, usecols=(0, 1), ndmin=2)
        except (ValueError, IndexError) as error:
            raise ValueError(f"{folder / name} is not a file of SKIRTOR, or is damaged: {error}") from error
        *where, share, angle = map(float, match.groups())
        clumps.add(share)
        wave = table[:, 0]
        spectra[(*where, angle)] = table[:, 1]
    if len(clumps) > 1:
        raise ValueError(f"{folder} mixes Mcl {sorted(clumps)}; keep one of them in the folder")
    axes, values = _box(folder, _R_AXES["SKIRTOR"], spectra)
    return AGNGrid("SKIRTOR", axes, wave * _AA_PER_MICRON, values * _SKIRTOR_ERG_S)


def _read_s3fit(path: Path) -> AGNGrid:
    with whole_fits(path, _LAYOUTS) as hdus:
        table = np.asarray(hdus[0].data, dtype=float)
        if table.ndim != 3 or table.shape[0] != 2 or table.shape[1] <= 6:
            raise ValueError(f"an array {table.shape}, not (disc and dust, 6 + wavelengths, 1 + models)")
    # First column: wavelengths below six empty rows; then tau, opening angle, radii, inclination, mass, absorbed share.
    disc, dust = table
    wave, where = disc[6:, 0], disc[:4, 1:]
    total = (disc + dust)[6:, 1:]
    # erg/s/micron for one Lsol: lambda L_lambda for 1e11, as SKIRTOR's.
    scaled = (total * wave[:, None] * 1e11).T
    spectra = {
        (ta, 1.0, 0.5, ct, rm, an): row
        for (ta, ct, rm, an), row in zip(where.T.tolist(), scaled, strict=True)
    }
    axes, values = _box(path, _R_AXES["SKIRTOR"], spectra)
    return AGNGrid("SKIRTOR", axes, wave * _AA_PER_MICRON, values)


def _box(path: Path, names: tuple[str, ...], spectra: Mapping[Any, Array]) -> tuple[dict[str, Array], Array]:
    """Return the nodes of each axis and the spectra (n_1, ..., n_k, n_wave) of a whole box."""
    nodes = [sorted({where[k] for where in spectra}) for k in range(len(names))]
    places = list(product(*nodes))
    missing = [place for place in places if place not in spectra]
    if missing:
        shown = ", ".join(f"{name}={value:g}" for name, value in zip(names, missing[0], strict=True))
        raise ValueError(
            f"{path} lacks {len(missing)} of the {len(places)} tori of its box, the first {shown}; fetch them"
        )
    widths = {len(row) for row in spectra.values()}
    if len(widths) > 1:
        raise ValueError(f"{path}: spectra have {sorted(widths)} wavelengths; all must have the same")
    values = np.array([spectra[place] for place in places])
    axes = {name: np.array(values_) for name, values_ in zip(names, nodes, strict=True)}
    return axes, values.reshape(*map(len, nodes), -1)
