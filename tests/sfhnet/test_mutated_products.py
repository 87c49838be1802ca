"""A product whose bytes were changed is refused by name, or read as what was written: never as something else."""

import re
import shutil
from collections import Counter
from dataclasses import fields, is_dataclass

import numpy as np
import pytest
import torch
from astropy.io import fits

from explored_galaxy import make_checked
from galaxy_answers import make_answer, make_spectra
from galaxy_files import cube_header
from ingredients import AGE_EDGES_MYR, BANDS, top_hats, toy_stars
from pyprospect.fast.packed import pack
from pyprospect.stars.library import SSPLibrary
from sfhnet.config import Config
from sfhnet.core.posterior import Posterior
from sfhnet.core.spectra import Spectra
from sfhnet.core.training_grid import training_grid
from sfhnet.mocks.forward_file import ForwardModel, read_forward, write_forward
from sfhnet.mocks.shard_identity import prior_identity
from sfhnet.mocks.shards import ShardSet, read_shard, write_shard
from sfhnet.mocks.synthesize import make_synthesizer, synthesize
from sfhnet.networks import build
from sfhnet.networks.storage import load_network, save_network
from sfhnet.observation.fits_files import open_fits
from sfhnet.predictive_check.result import Predictive
from sfhnet.priors.prior_shards import read_prior, write_prior
from sfhnet.priors.sample import sample
from sfhnet.products.maps import write_maps
from sfhnet.tools.atomic_files import read_json, write_json
from sfhnet.tools.tensor_files import load_tensors, save_tensors
from sfhnet.tools.verification import use_verification
from small_networks import small_model

N_MUTATION = 80
SMALL = Config(synthesis={"n_shards": 6, "galaxies_per_shard": 20})


def plain(value):
    """Return anything that a reader gives as nested tuples of names, types and bytes."""
    if is_dataclass(value):
        return tuple((field.name, plain(getattr(value, field.name))) for field in fields(value))
    if isinstance(value, dict):
        return tuple((key, plain(value[key])) for key in sorted(value, key=str))
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    if hasattr(value, "detach"):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray) and value.dtype.kind not in "OU":
        return value.dtype.str, value.shape, value.tobytes()
    return repr(value)


def read_network(path):
    network, info = load_network(path.parent)
    return network.state_dict(), [info.get(key) for key in ("schema_version", "spec", "label_ranges")]


def read_galaxies(path):
    galaxies = ShardSet([path])
    return read_shard(path), galaxies.batch([0, 1]), galaxies.identity


def read_packed_forward(path):
    forward = read_forward(path, SMALL)
    return pack(forward.synthesizer), forward.grid.to_json(), forward.identity


def read_table(path):
    # a checksum whose name was changed is one more key, that nobody asks for
    return [read_json(path).get(key) for key in ("a", "b")]


def read_image(path):
    with open_fits(path, "toy") as hdus:
        return [
            (hdu.name, repr(hdu.header), None if hdu.data is None else np.array(hdu.data)) for hdu in hdus
        ]


def write_weights(path):
    from sfhnet.training.setup import make_spec

    spec = make_spec(small_model("pca_mlp"), 200, BANDS, age_edges_myr=AGE_EDGES_MYR)
    save_network(path.parent, build(spec, 1), {"label_ranges": {"a_v": [0.0, 2.0]}, "provenance": {}})


def drawn_galaxies():
    return sample(SMALL.prior, 20, SMALL.seed, shard=0, age_bins_yr=np.asarray(SMALL.age_bins_myr) * 1e6)


def write_drawn(path):
    write_prior(path, drawn_galaxies(), prior_identity(SMALL, 0))


def small_synthesizer():
    return make_synthesizer(SMALL, toy_stars(), top_hats(), lines=None)


def write_galaxies(path):
    galaxies = synthesize(small_synthesizer(), drawn_galaxies(), SMALL, shard=0, threads=1, progress=False)
    write_shard(path, galaxies, {"shard": 0})


def write_packed_forward(path):
    grid = training_grid(SMALL.grid, toy_stars())
    write_forward(path, ForwardModel(SMALL, small_synthesizer(), grid, {"ssp": "toy"}))


def write_tensors(path):
    values = {"optimizer.0.step": torch.tensor(7.0), "network.a": torch.linspace(0, 1, 4000)}
    save_tensors(path, values, {"fingerprint": {"seed": 1}, "history": [{"loss": 0.5}]})


def write_sealed_cube(path):
    data = np.random.default_rng(1).normal(1, 0.1, (60, 4, 4)).astype(np.float32)
    header = cube_header(4, 4700.0 + 1.25 * np.arange(60))
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(data, header, name="DATA")]
    fits.HDUList([*hdus, fits.ImageHDU(data**2, name="STAT")]).writeto(path, checksum=True)


def write_all_maps(path):
    spectra, answer, _, table = make_checked(3)
    write_maps(path, spectra, answer, table=table)


PRODUCTS = {
    "weights.safetensors": (write_weights, read_network),
    "model.json": (write_weights, read_network),
    "calibration.json": (lambda path: write_json(path, {"a": [1.0, 2.5e-3], "b": {"c": "x"}}), read_table),
    "spectra.h5": (lambda path: make_spectra(1).write(path), Spectra.read),
    "posterior.h5": (lambda path: make_answer(make_spectra(1)).write(path), Posterior.read),
    "predictive.h5": (lambda path: make_checked(1)[2].write(path), Predictive.read),
    "ssp.h5": (lambda path: toy_stars().write(path), SSPLibrary.read),
    "prior.h5": (write_drawn, read_prior),
    "shard.h5": (write_galaxies, read_galaxies),
    "forward.safetensors": (write_packed_forward, read_packed_forward),
    "checkpoint.safetensors": (write_tensors, load_tensors),
    "maps.fits": (write_all_maps, read_image),
    "cube.fits": (write_sealed_cube, read_image),
}


def mutated(data, rng):
    """Change a bit, a byte, a stretch; cut the end off; repeat a stretch."""
    raw, at = bytearray(data), int(rng.integers(len(data)))
    length = int(rng.integers(2, 600))
    match rng.integers(6):
        case 0 | 1:
            raw[at] ^= 1 << int(rng.integers(8))
        case 2:
            raw[at] = int(rng.integers(256))
        case 3:
            raw[at : at + length] = bytes(len(raw[at : at + length]))
        case 4:
            del raw[at:]
        case _:
            raw[at:at] = raw[at : at + length]
    return bytes(raw)


@pytest.mark.parametrize("name", PRODUCTS)
def test_changed_bytes_are_caught_or_change_nothing(name, tmp_path, rng):
    write, read = PRODUCTS[name]
    path = tmp_path / "whole" / name
    path.parent.mkdir()
    write(path)
    whole, right = path.read_bytes(), plain(read(path))
    outcome = Counter()
    for number in range(N_MUTATION):
        other = tmp_path / str(number) / name
        shutil.copytree(path.parent, other.parent)
        other.write_bytes(mutated(whole, rng))
        try:
            found = plain(read(other))
        except ValueError as error:
            words = str(error)
            outcome["caught"] += name in words or str(other.parent) in words
            outcome["refused without a name"] += not (name in words or str(other.parent) in words)
        else:
            outcome["without effect" if found == right else "taken for something else"] += 1
        shutil.rmtree(other.parent)
    assert outcome["caught"] + outcome["without effect"] == N_MUTATION, outcome
    assert outcome["caught"] > N_MUTATION / 4


def with_another_checksum(raw):
    """Change a digit of a file's checksums, and nothing else; of FITS, where all wrong ones are old ones, of the first."""
    sums = rb"""(\nsha256 |sha256\\*": \\*"|CHECKSUM= '|DATASUM = ')(\w)"""
    of_fits = raw.startswith(b"SIMPLE")
    changed, n = re.subn(
        sums, lambda found: found[1] + (b"1" if found[2] == b"0" else b"0"), raw, count=int(of_fits)
    )
    assert n
    return changed


@pytest.mark.parametrize("name", PRODUCTS)
def test_verify_checksums_false_leaves_the_comparison_out(name, tmp_path):
    write, read = PRODUCTS[name]
    path = tmp_path / name
    write(path)
    right = plain(read(path))
    path.write_bytes(with_another_checksum(path.read_bytes()))
    with pytest.raises(ValueError, match=re.escape(name) + "|" + re.escape(str(tmp_path))):
        read(path)
    use_verification(False)
    try:
        found = plain(read(path))
    finally:
        use_verification(True)
    assert found == right or name.endswith("fits")


def test_weights_of_another_training_are_refused(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for seed, folder in enumerate((one, other)):
        write_weights(folder / "model.json")
        network, _ = load_network(folder)
        for value in network.state_dict().values():
            value += seed
        save_network(folder, network, {})
    shutil.copy(other / "weights.safetensors", one)
    with pytest.raises(ValueError, match=r"is not the file that model\.json was written with"):
        load_network(one)
