"""Tensors and JSON in one safetensors file, whole or absent, with the checksum of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from pyprospect.content import CHECKSUM
from sfhnet.tools.atomic_files import write_bytes
from sfhnet.tools.reading import reading
from sfhnet.tools.verification import first_time, forget

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["load_tensors", "save_tensors", "tensors_sha256"]


def save_tensors(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write tensors, metadata and the checksum of both into one safetensors file, atomically.

    Parameters
    ----------
    path : Path
        File to write.
    tensors : dict of Tensor
        Of any device.
    meta : dict
        Plain data, kept as JSON.
    """
    from safetensors.torch import save

    whole = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    # One entry: the order of several would differ from run to run.
    kept = meta | {CHECKSUM: tensors_sha256(whole, meta)}
    write_bytes(path, save(whole, metadata={"json": json.dumps(kept)}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote; compare the checksum unless this process has done so or the configuration says not to.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    with reading(path):
        try:
            with safe_open(str(path), framework="pt") as file:
                meta = json.loads((file.metadata() or {})["json"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is damaged ({error}); delete it and train again") from error
        written = meta.pop(CHECKSUM, None)
    if written is not None and first_time(path):
        found = tensors_sha256(tensors, meta)
        if found != written:
            forget(path)
            raise ValueError(
                f"{path} is damaged: its content has SHA-256 {found[:16]}, written was {str(written)[:16]}; delete it and "
                "make it again"
            )
    return tensors, meta


def tensors_sha256(tensors: Mapping[str, Tensor], meta: Mapping[str, Any] | None = None) -> str:
    """Return the SHA-256 of tensors with their names, types and shapes, and of plain data, in hexadecimal."""
    import torch

    digest = hashlib.sha256(json.dumps(dict(meta or {}), sort_keys=True).encode())
    for name in sorted(tensors):
        values = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
