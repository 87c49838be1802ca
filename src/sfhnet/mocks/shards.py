"""Shards of simulated galaxies: what a file holds, how it is proved whole, how training reads many of them."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from sfhnet.core.quantities import DUST_AND_LINES, LABELS
from sfhnet.core.training_grid import TrainingGrid
from sfhnet.mocks.shard_identity import ShardError, datasets, same_identity, sha256_arrays
from sfhnet.tools import hdf5

__all__ = [
    "GalaxyLibrary",
    "ShardError",
    "ShardSet",
    "check_shard",
    "is_current",
    "read_shard",
    "write_shard",
]

_log = logging.getLogger("sfhnet.mocks.shards")

SCHEMA, VERSION = "sfhnet.library", 2
FLUX_UNIT = "Lsol/Angstrom per Msol formed"
# float16 keeps 11 bits from 6e-5 to 65504; spectra are scaled to a median of one
FLOAT16_MAX_LOSS = 2.0**-11
_STORE_ROWS = 256


@dataclass(frozen=True)
class GalaxyLibrary:
    """Simulated galaxies without noise.

    Parameters
    ----------
    wave_aa : ndarray, shape (n_wave,)
        Rest wavelengths in Angstrom, air.
    training_sigma_aa : ndarray, shape (n_wave,)
        Resolution of the spectra as the Gaussian sigma in Angstrom.
    resolution : dict
        What it follows from, see `sfhnet.core.training_grid.TrainingGrid`.
    band_names : tuple of str
    age_bins_myr : ndarray, shape (n_age + 1,)
        Edges of the label bins in Myr.
    cum_age_yr : ndarray, shape (n_edge,)
        Look-back ages of ``labels["cum_mass"]`` in yr.
    flux : ndarray of float32, shape (n, n_wave)
        Lsol/Angstrom per Msol formed; LSF, dispersion, dust, and lines applied.
    band_flux : ndarray of float32, shape (n, n_band)
        Photon-weighted mean f_lambda in the same unit.
    line_names : tuple of str
    line_flux : ndarray of float32, shape (n, n_line)
        Attenuated line luminosity in Lsol per Msol formed, contained in ``flux``.
    line_profile : ndarray of float32, shape (n_line, n_wave)
        Profiles of unit flux in 1/Angstrom.
    labels : dict of ndarray
        Names, units and axes in `sfhnet.core.quantities.LABELS`.
    parameters : dict of ndarray, shape (n,)
    family, metallicity : ndarray of int8, shape (n,)
    family_names, metallicity_names : tuple of str
    log_prior : ndarray, shape (n,)
    """

    wave_aa: NDArray[np.float64]
    training_sigma_aa: NDArray[np.float64]
    resolution: dict[str, Any]
    band_names: tuple[str, ...]
    age_bins_myr: NDArray[np.float64]
    cum_age_yr: NDArray[np.float64]
    flux: NDArray[np.float32]
    band_flux: NDArray[np.float32]
    line_names: tuple[str, ...]
    line_flux: NDArray[np.float32]
    line_profile: NDArray[np.float32]
    labels: dict[str, np.ndarray]
    parameters: dict[str, np.ndarray]
    family: NDArray[np.int8]
    metallicity: NDArray[np.int8]
    family_names: tuple[str, ...]
    metallicity_names: tuple[str, ...]
    log_prior: NDArray[np.float64]
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of galaxies."""
        return self.flux.shape[0]

    def assert_sound(self) -> None:
        """Check every galaxy.

        Raises
        ------
        ValueError
            If a flux is not finite and positive, mass is not conserved, or a label is not finite; names the galaxy.
        """
        for name in ("flux", "band_flux"):
            values = getattr(self, name)
            # min and max see NaN and infinity too
            if values.size and not (values.min() > 0 and values.max() < np.inf):
                row = int(np.argwhere(~((values > 0) & np.isfinite(values)))[0, 0])
                raise ValueError(
                    f"galaxy {row}: {name} is not finite and positive; its history cannot be synthesised"
                )
        total = self.labels["mass_fraction"].sum(axis=1)
        if np.abs(total - 1).max() > 1e-5:
            row = int(np.abs(total - 1).argmax())
            raise ValueError(
                f"galaxy {row}: the age bins hold {total[row]:.6f} of the mass formed; age bins must cover it"
            )
        for name, values in self.labels.items():
            if not np.all(np.isfinite(values)):
                raise ValueError(
                    f"galaxy {int(np.argwhere(~np.isfinite(values))[0, 0])}: label {name} is not finite"
                )


def write_shard(
    path: str | Path,
    galaxies: GalaxyLibrary,
    identity: Mapping[str, Any],
    storage: str = "float32",
    chunk: int = 64,
    compression: str = "none",
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write a shard; it appears under its name only when whole.

    Parameters
    ----------
    path : path
    galaxies : GalaxyLibrary
        Checked with `GalaxyLibrary.assert_sound` first.
    identity : mapping
        Plain data that says what the shard was made for (configuration, library, shard number); `check_shard`
        compares it.
    storage : {"float32", "float16"}
        float16 stores flux / median, rounded by at most 0.05 per cent; the measured loss is kept in the file.
    chunk : int
        Galaxies a chunk.
    compression : {"none", "lzf", "gzip"}
    provenance : mapping, optional

    Raises
    ------
    ValueError
        If a galaxy is unsound or float16 cannot hold a spectrum.
    OSError
        If the disk has less room than the shard needs (before anything is written).
    """
    galaxies.assert_sound()
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    flux, scale, loss = _store(galaxies.flux, storage)
    arrays = _arrays(galaxies, flux, scale)
    need = sum(values.nbytes for values, _, _ in arrays.values())
    free = shutil.disk_usage(path.parent).free
    if free < 1.05 * need + 1e6:
        raise OSError(
            f"{path} needs {need / 1e6:.0f} MB, the disk has {free / 1e6:.0f} MB left; free some space, or use "
            "synthesis.storage: float16"
        )
    packing = {} if compression == "none" else {"compression": compression, "shuffle": True}
    with hdf5.create_h5(path, SCHEMA, VERSION, provenance) as file:
        file.attrs["identity"] = json.dumps(dict(identity), sort_keys=True)
        file.attrs["n_galaxy"] = galaxies.n
        for name in ("band_names", "line_names", "family_names", "metallicity_names"):
            file.attrs[name] = list(getattr(galaxies, name))
        file.attrs["resolution"] = json.dumps(galaxies.resolution, sort_keys=True)
        file.attrs["storage"] = storage
        file.attrs["storage_max_relative_loss"] = loss
        for name, (values, unit, axes) in arrays.items():
            options: dict[str, Any] = {"compression": None}
            if values.ndim == 2 and values.shape[0] == galaxies.n and values.shape[1] > 0:
                options = {"chunks": (min(chunk, galaxies.n), values.shape[1]), **(packing or options)}
            hdf5.put(file, name, values, unit, axes, **options)
        for name in galaxies.labels:
            file[f"labels/{name}"].attrs["description"] = LABELS[name].meaning
        file.attrs["sha256"] = sha256_arrays({name: values for name, (values, _, _) in arrays.items()})
    return path


def _store(flux: NDArray[np.float32], storage: str) -> tuple[np.ndarray, NDArray[np.float32] | None, float]:
    if storage == "float32":
        return flux, None, 0.0
    if storage != "float16":
        raise ValueError(f"storage {storage!r}; choose float32 or float16")
    stored, loss = np.empty(flux.shape, dtype=np.float16), 0.0
    scale = np.empty(len(flux), dtype=np.float32)
    for start in range(0, len(flux), _STORE_ROWS):  # torch converts by vector instructions, numpy does not
        rows = slice(start, start + _STORE_ROWS)
        part = torch.from_numpy(flux[rows])
        middle = part[:, ::8].median(dim=1, keepdim=True).values
        scale[rows] = middle[:, 0].numpy()
        scaled = part / middle
        half = scaled.to(torch.float16)
        stored[rows] = half.numpy()
        loss = max(loss, float((half.to(torch.float32) / scaled - 1).abs().max()))
    if not loss <= FLOAT16_MAX_LOSS * 1.01:
        raise ValueError(
            f"float16 loses {loss:.2g} of a pixel: a spectrum spans more than {6e4:.0e} of its median; "
            "use synthesis.storage: float32"
        )
    return stored, scale, loss


def _arrays(
    galaxies: GalaxyLibrary, flux: np.ndarray, scale: NDArray[np.float32] | None
) -> dict[str, tuple[np.ndarray, str, str]]:
    f4 = np.float32
    arrays: dict[str, tuple[np.ndarray, str, str]] = {
        "wave_aa": (galaxies.wave_aa, "Angstrom", "wave"),
        "training_sigma_aa": (galaxies.training_sigma_aa, "Angstrom", "wave"),
        "age_bins_myr": (galaxies.age_bins_myr, "Myr", "age_bin_edge"),
        "cum_age_yr": (galaxies.cum_age_yr, "yr", "age_edge"),
        "flux": (flux, FLUX_UNIT if scale is None else "flux_scale", "galaxy, wave"),
        "band_flux": (galaxies.band_flux, FLUX_UNIT, "galaxy, band"),
        "line_flux": (galaxies.line_flux, "Lsol per Msol formed", "galaxy, line"),
        "line_profile": (galaxies.line_profile, "1/Angstrom", "line, wave"),
        "family": (galaxies.family, "", "galaxy"),
        "metallicity": (galaxies.metallicity, "", "galaxy"),
        "log_prior": (galaxies.log_prior, "", "galaxy"),
    }
    if scale is not None:
        arrays["flux_scale"] = (scale, FLUX_UNIT, "galaxy")
    for name, values in galaxies.labels.items():
        arrays[f"labels/{name}"] = (values.astype(f4), LABELS[name].unit, LABELS[name].axes)
    for name, values in galaxies.parameters.items():
        arrays[f"parameters/{name}"] = (values, _parameter_unit(name), "galaxy")
    return arrays


def _parameter_unit(name: str) -> str:
    if name in DUST_AND_LINES:
        return DUST_AND_LINES[name].unit
    for suffix, unit in (
        ("_gyr", "Gyr"),
        ("_myr", "Myr"),
        ("_kms", "km/s"),
        ("_dex", "dex"),
        ("_per_yr", "log10 1/yr"),
    ):
        if name.endswith(suffix):
            return "dex/Gyr" if name.endswith("dex_per_gyr") else unit
    return ""


def check_shard(path: str | Path, identity: Mapping[str, Any] | None = None, content: bool = True) -> None:
    """Prove that a shard is whole and belongs to a configuration.

    Parameters
    ----------
    path : path
    identity : mapping, optional
        What it should have been made for.
    content : bool
        Read everything and compare the checksum; otherwise only the header is looked at.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ShardError
        If it is truncated, damaged or foreign; the message names the file and the difference.
    """
    path = Path(path)
    try:
        with hdf5.open_h5(path, SCHEMA, VERSION) as file:
            if "sha256" not in file.attrs:
                raise ShardError(f"{path} has no checksum: it was not finished; make it again")
            if identity is not None:
                same_identity(path, json.loads(file.attrs["identity"]), identity)
            if content:
                found = sha256_arrays({name: dataset[()] for name, dataset in datasets(file).items()})
                if found != file.attrs["sha256"]:
                    raise ShardError(
                        f"{path} is damaged: its content has SHA-256 {found[:16]}, written was "
                        f"{file.attrs['sha256'][:16]}; make it again"
                    )
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        if isinstance(error, ShardError):
            raise
        raise ShardError(str(error)) from error


def is_current(path: str | Path, identity: Mapping[str, Any]) -> bool:
    """Return whether a shard is there, whole, and made for this identity; logs why not.

    Parameters
    ----------
    path : path
    identity : mapping
        From `sfhnet.mocks.shard_identity.shard_identity`.
    """
    try:
        check_shard(path, identity)
    except FileNotFoundError:
        return False
    except ShardError as error:
        _log.warning("remaking a shard: %s", error)
        return False
    return True


def read_shard(path: str | Path) -> GalaxyLibrary:
    """Read a shard whole, float16 spectra scaled back; raises what `check_shard` raises."""
    path = Path(path)
    check_shard(path, content=False)
    with h5py.File(path, "r") as file:
        return GalaxyLibrary(
            wave_aa=file["wave_aa"][()],
            training_sigma_aa=file["training_sigma_aa"][()],
            resolution=json.loads(file.attrs["resolution"]),
            band_names=tuple(str(n) for n in file.attrs["band_names"]),
            age_bins_myr=file["age_bins_myr"][()],
            cum_age_yr=file["cum_age_yr"][()],
            flux=_flux(file, slice(None)),
            band_flux=file["band_flux"][()],
            line_names=tuple(str(n) for n in file.attrs["line_names"]),
            line_flux=file["line_flux"][()],
            line_profile=file["line_profile"][()],
            labels={name: dataset[()] for name, dataset in file["labels"].items()},
            parameters={name: dataset[()] for name, dataset in file["parameters"].items()},
            family=file["family"][()],
            metallicity=file["metallicity"][()],
            family_names=tuple(str(n) for n in file.attrs["family_names"]),
            metallicity_names=tuple(str(n) for n in file.attrs["metallicity_names"]),
            log_prior=file["log_prior"][()],
        )


def _flux(file: h5py.File, rows: slice) -> NDArray[np.float32]:
    flux = file["flux"][rows]
    if "flux_scale" in file:
        flux = flux.astype(np.float32)
        flux *= file["flux_scale"][rows][:, None]
    return flux


class ShardSet:
    """Many shards read as one set of galaxies.

    Parameters
    ----------
    paths : sequence of path
        Shards of one configuration, in the order in which galaxies are numbered.

    Attributes
    ----------
    identity : dict
        What tells this set from another: ``made_for``, the identity that all shards share but for their number, and
        ``shards``, the checksum of the content of each.

    Raises
    ------
    ShardError
        If a shard is truncated or not of the same kind as the first; names it.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        if not paths:
            raise ValueError("no shards were given; make some with scripts/synthesize.py")
        self.paths = [Path(path) for path in paths]
        counts, content = [], []
        first: dict[str, Any] | None = None
        for path in self.paths:
            check_shard(path, content=False)
            with h5py.File(path, "r") as file:
                kind = {
                    key: value for key, value in json.loads(file.attrs["identity"]).items() if key != "shard"
                }
                if first is None:
                    first = kind
                    self.wave_aa = file["wave_aa"][()]
                    self.grid = TrainingGrid(
                        self.wave_aa, file["training_sigma_aa"][()], json.loads(file.attrs["resolution"])
                    )
                    self.age_edges_myr = file["age_bins_myr"][()]
                    self.cum_age_yr = file["cum_age_yr"][()]
                    self.line_profile = file["line_profile"][()]
                    for name in ("band_names", "line_names", "family_names", "metallicity_names"):
                        setattr(self, name, tuple(str(n) for n in file.attrs[name]))
                    self.label_names = tuple(file["labels"])
                    self.parameter_names = tuple(file["parameters"])
                else:
                    same_identity(path, kind, first)
                counts.append(int(file.attrs["n_galaxy"]))
                content.append(str(file.attrs["sha256"]))
        self.identity = {"made_for": first, "shards": content}
        self._start = np.concatenate([[0], np.cumsum(counts)])

    @property
    def n(self) -> int:
        """Number of galaxies."""
        return int(self._start[-1])

    def __len__(self) -> int:
        return self.n

    def batch(self, indices: ArrayLike) -> dict[str, Any]:
        """Read galaxies by number, in the order asked for.

        Parameters
        ----------
        indices : (n,) int
            Reading is fastest when many of them share chunks; any order works.

        Returns
        -------
        dict
            ``flux``, ``band_flux``, ``line_flux`` (n, ...) float32, ``line_profile`` (n_line, n_wave), ``labels``
            and ``parameters`` (dicts), ``family``, ``metallicity``, ``log_prior``.

        Raises
        ------
        IndexError
            If an index is out of range.
        """
        indices = np.asarray(indices, dtype=np.int64)
        if indices.size and (indices.min() < 0 or indices.max() >= self.n):
            raise IndexError(f"indices run {indices.min()} .. {indices.max()}, there are {self.n} galaxies")
        order = np.argsort(indices, kind="stable")
        wanted = indices[order]
        parts: dict[str, list[np.ndarray]] = {}
        shard_of = np.searchsorted(self._start, wanted, side="right") - 1
        for shard in np.unique(shard_of):
            rows = wanted[shard_of == shard] - self._start[shard]
            for name, values in self._read(self.paths[shard], rows).items():
                parts.setdefault(name, []).append(values)
        back = np.empty_like(order)
        back[order] = np.arange(order.size)
        flat = {name: np.concatenate(values)[back] for name, values in parts.items()}
        result: dict[str, Any] = {"labels": {}, "parameters": {}, "line_profile": self.line_profile}
        for name, values in flat.items():
            group, _, key = name.rpartition("/")
            (result[group] if group else result)[key] = values
        return result

    def _read(self, path: Path, rows: NDArray[np.int64]) -> dict[str, np.ndarray]:
        unique, inverse = np.unique(rows, return_inverse=True)
        names = ["band_flux", "line_flux", "family", "metallicity", "log_prior"]
        names += [f"labels/{name}" for name in self.label_names]
        names += [f"parameters/{name}" for name in self.parameter_names]
        with h5py.File(path, "r") as file:
            # a contiguous span read and cut is far faster than HDF5's own selection of scattered rows
            spans = _spans(unique)
            read = {
                name: _gather(file[name], spans, unique)[inverse] for name in names if file[name].shape[0] > 0
            }
            flux = _gather(file["flux"], spans, unique)
            if "flux_scale" in file:
                flux = flux.astype(np.float32)
                flux *= _gather(file["flux_scale"], spans, unique)[:, None]
        identity = inverse.size == unique.size and np.array_equal(inverse, np.arange(unique.size))
        read["flux"] = flux if identity else flux[inverse]
        return read


def _spans(rows: NDArray[np.int64], gap: int = 16) -> list[tuple[int, int]]:
    if rows.size == 0:
        return []
    breaks = np.flatnonzero(np.diff(rows) > gap)
    first = np.concatenate([[0], breaks + 1])
    last = np.concatenate([breaks, [rows.size - 1]])
    return [(int(rows[a]), int(rows[b]) + 1) for a, b in zip(first, last, strict=True)]


def _gather(dataset: h5py.Dataset, spans: list[tuple[int, int]], rows: NDArray[np.int64]) -> np.ndarray:
    parts = []
    for low, high in spans:
        inside = rows[(rows >= low) & (rows < high)]
        values = dataset[low:high]
        parts.append(values if inside.size == high - low else values[inside - low])
    if not parts:
        return dataset[0:0]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
