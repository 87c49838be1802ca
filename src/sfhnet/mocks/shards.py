"""Files of simulated galaxies: how a shard is written and read.

What it holds is `sfhnet.mocks.galaxy_library`; how it is proved whole, `sfhnet.mocks.shard_check`; how training reads many
of them, `sfhnet.mocks.shard_set`. Their names can be imported from here too.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from sfhnet.core.quantities import DUST_AND_LINES, LABELS
from sfhnet.mocks.galaxy_library import GalaxyLibrary
from sfhnet.mocks.shard_check import SCHEMA, VERSION, check_shard, check_shard_once, is_current
from sfhnet.mocks.shard_identity import ShardError, sha256_arrays
from sfhnet.mocks.shard_set import ShardSet
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

FLUX_UNIT = "Lsol/Angstrom per Msol formed"
# float16 keeps 11 bits from 6e-5 to 65504; spectra are scaled to a median of one
FLOAT16_MAX_LOSS = 2.0**-11
_STORE_ROWS = 256


def write_shard(
    path: str | Path,
    galaxies: GalaxyLibrary,
    identity: Mapping[str, Any],
    *,
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

    Returns
    -------
    Path
        The file.

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
    with hdf5.create_h5(path, SCHEMA, VERSION, provenance=provenance) as file:
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
            hdf5.put(file, name, values, unit=unit, axes=axes, **options)
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


def read_shard(path: str | Path) -> GalaxyLibrary:
    """Read a shard whole, float16 spectra scaled back; raises what `check_shard` raises."""
    path = Path(path)
    check_shard_once(path)
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
