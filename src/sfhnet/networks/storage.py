"""Model folders and checkpoints: safetensors and JSON only, each file whole or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sfhnet.core.bands import declare_facts
from sfhnet.core.quantities import SCALARS
from sfhnet.networks import Network, Spec, build
from sfhnet.tools.hdf5 import read_json, write_json
from sfhnet.tools.tensor_files import load_tensors, save_tensors, tensors_sha256
from sfhnet.tools.verification import verifying

__all__ = ["MODEL_SCHEMA", "load_network", "load_tensors", "read_spec", "save_network", "save_tensors"]

# 2: holds the resolution of the training spectra as an array.
MODEL_SCHEMA = "sfhnet.model/2"
# Key of model.json with the checksum of the weights that it belongs to.
_WEIGHTS = "weights_sha256"


def save_network(folder: Path, network: Network, extra: dict[str, Any]) -> None:
    """Write ``weights.safetensors`` and ``model.json``.

    Parameters
    ----------
    folder : Path
        The model's folder.
    network : Network
        What to store, buffers included.
    extra : dict
        Whatever else inference needs: wave_aa, normalisation windows, label ranges, provenance ...
    """
    weights = network.state_dict()
    save_tensors(folder / "weights.safetensors", weights, {"schema": MODEL_SCHEMA})
    about = {
        "schema_version": MODEL_SCHEMA,
        "spec": network.spec.to_json(),
        _WEIGHTS: tensors_sha256(weights),
    }
    write_json(folder / "model.json", about | extra)


def read_spec(folder: Path) -> dict[str, Any]:
    """Read ``model.json``.

    Raises
    ------
    FileNotFoundError
        If the folder holds no model.
    ValueError
        If it is of another schema version.
    """
    path = Path(folder) / "model.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no model.json; train a model there first")
    data = read_json(path)
    found = data.get("schema_version", "none")
    if found != MODEL_SCHEMA:
        raise ValueError(
            f"{path} has schema {found!r}, this code reads {MODEL_SCHEMA!r} (with the resolution of the training spectra at "
            "each wavelength); train the model again, or take the one that comes with this version"
        )
    return data


def load_network(folder: Path) -> tuple[Network, dict[str, Any]]:
    """Rebuild a network from its folder, in evaluation mode, with the contents of ``model.json``.

    Raises
    ------
    ValueError
        If it answers other scalars than `sfhnet.core.quantities.SCALARS`, or the weights do not fit or are those of
        another training.
    """
    data = read_spec(folder)
    answers = data.get("scalars", list(SCALARS))
    if answers != list(SCALARS):
        raise ValueError(
            f"{folder}: the network answers {', '.join(answers)}, this code asks for {', '.join(SCALARS)}; train it again"
        )
    for facts in data.get("own_bands", []):
        declare_facts(facts)
    network = build(Spec.from_json(data["spec"]))
    tensors, _ = load_tensors(Path(folder) / "weights.safetensors")
    if _WEIGHTS in data and verifying() and tensors_sha256(tensors) != data[_WEIGHTS]:
        raise ValueError(
            f"{folder}: weights.safetensors is not the file that model.json was written with; copy both again, or train again"
        )
    tensors = network.upgraded(tensors)
    missing = set(network.state_dict()) ^ set(tensors)
    if missing:
        names = ", ".join(sorted(missing)[:3])
        raise ValueError(f"{folder}: weights do not fit model.json ({names} ...); train it again")
    network.load_state_dict(tensors)
    network.eval()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network, data
