"""Shards: labels are right, files are proved whole, reading gives back what was written."""

import hashlib
import shutil
import subprocess
import sys
from collections import namedtuple

import h5py
import numpy as np
import pytest
import torch

from pyprospect.constants import Z_SUN
from pyprospect.fast.synthesizer import Synthesizer
from pyprospect.gas.ratios import LineRatios
from pyprospect.numerics.age_bins import rebin_matrix
from sfhnet.config.root import Config
from sfhnet.core.quantities import LABELS
from sfhnet.mocks.shard_identity import prior_identity
from sfhnet.mocks.shards import ShardError, ShardSet, check_shard, is_current, read_shard, write_shard
from sfhnet.mocks.synthesize import make_synthesizer, synthesize
from sfhnet.priors.sample import sample

N = 150


@pytest.fixture(scope="module")
def config():
    return Config(
        bands=("F336W", "F814W"),
        grid={"wave_min_aa": 4800.0, "wave_max_aa": 6800.0},
        synthesis={"n_shards": 6, "galaxies_per_shard": N, "chunk": 32},
    )


@pytest.fixture(scope="module")
def bands():
    wave = np.linspace(3000.0, 4000.0, 50)
    bell = np.exp(-(((wave - 3500.0) / 150.0) ** 2))
    return {"F336W": (wave, bell), "F814W": (wave * 1.8, bell)}


@pytest.fixture(scope="module")
def lines():
    ratio = np.array([[[0.35, 0.5, 1.0], [0.35, 2.0, 1.0]], [[0.35, 0.1, 1.0], [0.35, 0.8, 1.0]]])
    return LineRatios(
        names=("Hbeta", "OIII5007", "Halpha"),
        wave_aa=np.array([4861.3, 5006.8, 6562.8]),
        z=np.array([0.002, 0.02]),
        log_u=np.array([-4.0, -2.0]),
        ratio=ratio,
        other=ratio,
        diffuse=ratio[1, 1],
    )


@pytest.fixture(scope="module")
def synthesizer(config, toy_ssp, bands, lines):
    return make_synthesizer(config, toy_ssp, bands, lines=lines)


def draw(config, shard=0, n=N):
    return sample(
        config.prior, n, config.seed, shard=shard, age_bins_yr=np.asarray(config.age_bins_myr) * 1e6
    )


@pytest.fixture(scope="module")
def galaxies(config, synthesizer):
    return synthesize(synthesizer, draw(config), config, shard=0)


@pytest.fixture
def shard(config, galaxies, tmp_path):
    identity = prior_identity(config, 0) | {"grid": "x"}
    return write_shard(tmp_path / "0000.h5", galaxies, identity, chunk=config.synthesis.chunk), identity


def test_labels_of_a_known_history(config, synthesizer):
    drawn = draw(config, n=2)
    edges = drawn.edges_yr
    # half of the mass between 5 and 7.1 Gyr at Z = 0.019, half younger than 10 Myr at a tenth of that
    old, young = (edges[:-1] >= 5e9) & (edges[1:] <= 7.1e9), edges[1:] <= 1e7
    for row in range(2):
        drawn.mass[row] = 0.5 * (old * np.diff(edges) / 2.1e9 + young * np.diff(edges) / 1e7)
        drawn.z[row] = np.where(old, Z_SUN, 0.1 * Z_SUN)
        for name in ("tau_birth", "tau_screen", "bump"):
            drawn.parameters[name][row] = 0.0
    drawn.parameters["tau_screen"][1] = 1.0
    labels = synthesize(synthesizer, drawn, config, shard=0).labels
    assert labels["mass_fraction"].shape == (2, 16)
    np.testing.assert_allclose(labels["mass_fraction"][0, [0, 12]], 0.5, rtol=1e-6)
    np.testing.assert_allclose(labels["mh"][0, [0, 12]], [-1.0, 0.0], atol=1e-5)
    assert labels["t40"][0] == pytest.approx(np.log10(5.42e9), abs=0.01)
    assert labels["t25"][0] == pytest.approx(np.log10(6.05e9), abs=0.01)
    assert labels["t90"][0] == pytest.approx(np.log10(2e6), abs=0.01)
    assert labels["sfr10"][0] == pytest.approx(0.5e-7, rel=1e-6)
    assert labels["sfr100"][0] == pytest.approx(0.5e-8, rel=1e-6)
    assert labels["mw_mh"][0] == pytest.approx(-0.5, abs=1e-5)
    assert labels["lw_log_age"][0] < 7.2 < labels["mw_log_age"][0]
    np.testing.assert_allclose(labels["a_v"], [0.0, 2.5 * np.log10(np.e)], atol=1e-6)
    np.testing.assert_allclose(labels["cum_mass"][0, [0, -1]], [1.0, 0.0], atol=1e-6)
    assert set(labels) == set(LABELS)


def test_labels_of_the_prior_are_consistent(galaxies):
    labels = galaxies.labels
    galaxies.assert_sound()
    np.testing.assert_allclose(labels["mass_fraction"].sum(axis=1), 1.0, rtol=1e-5)
    surviving = labels["mass_fraction_surviving"]
    assert np.all(surviving <= labels["mass_fraction"] * (1 + 1e-5))
    percents = {name: label.percent for name, label in LABELS.items() if label.percent is not None}
    times = np.stack([labels[name] for name in sorted(percents, key=percents.get)])
    assert np.all(np.diff(times, axis=0) <= 1e-6)  # later shares form later
    assert np.all(np.diff(labels["cum_mass"], axis=1) <= 1e-6)
    assert np.all(labels["a_v"] >= -1e-5)


def test_masses_are_conserved_into_ssp_bins(config, synthesizer):
    drawn = draw(config)
    matrix = rebin_matrix(drawn.edges_yr, synthesizer.library.age_edges_yr)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose((drawn.mass @ matrix).sum(axis=1), 1.0, rtol=1e-12)
    with pytest.raises(ValueError, match="mass would be lost"):
        rebin_matrix(drawn.edges_yr, synthesizer.library.age_edges_yr[:-1])


def test_same_bits_with_one_or_two_threads_and_in_any_order(config, synthesizer, galaxies):
    two = synthesize(synthesizer, draw(config), config, shard=0, threads=2)
    one = synthesize(synthesizer, draw(config), config, shard=0, threads=1)
    later = synthesize(synthesizer, draw(config, shard=2), config, shard=2, threads=2)
    for name in ("flux", "band_flux", "line_flux"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
        np.testing.assert_array_equal(getattr(one, name), getattr(galaxies, name))
        assert not np.array_equal(getattr(one, name), getattr(later, name))
    for name, values in one.labels.items():
        np.testing.assert_array_equal(values, two.labels[name])


def test_round_trip(shard, galaxies):
    path, identity = shard
    check_shard(path, identity)
    read = read_shard(path)
    np.testing.assert_array_equal(read.flux, galaxies.flux)
    np.testing.assert_array_equal(read.labels["mh"], galaxies.labels["mh"])
    assert read.band_names == ("F336W", "F814W")
    assert read.family_names == galaxies.family_names
    with h5py.File(path) as file:
        assert file["flux"].chunks == (32, galaxies.wave_aa.size)
        for name in ("flux", "labels/mh", "parameters/sfh_mpeak_gyr", "wave_aa"):
            assert {"unit", "axes"} <= set(file[name].attrs)
        assert "schema_version" in file.attrs


@pytest.mark.parametrize(
    ("storage", "compression"), [("float16", "none"), ("float32", "lzf"), ("float16", "gzip")]
)
def test_storage_formats(galaxies, tmp_path, storage, compression):
    path = write_shard(tmp_path / "0000.h5", galaxies, {"shard": 0}, storage=storage, compression=compression)
    read = read_shard(path)
    loss = np.abs(read.flux / galaxies.flux - 1).max()
    with h5py.File(path) as file:
        written = file.attrs["storage_max_relative_loss"]
    assert loss <= (2**-11 * 1.02 if storage == "float16" else 0)
    assert written == pytest.approx(loss, rel=0.05, abs=1e-7)


def test_shard_set_reads_any_order(config, synthesizer, tmp_path):
    paths, whole = [], []
    for number, storage in enumerate(("float32", "float32", "float32")):
        made = synthesize(synthesizer, draw(config, shard=number), config, shard=number)
        paths.append(write_shard(tmp_path / f"{number:04d}.h5", made, {"shard": number}, storage=storage))
        whole.append(made.flux)
    shards = ShardSet(paths)
    assert shards.n == len(shards) == 3 * N
    index = np.random.default_rng(0).integers(0, 3 * N, 70)
    batch = shards.batch(index)
    np.testing.assert_array_equal(batch["flux"], np.concatenate(whole)[index])
    assert batch["labels"]["mass_fraction"].shape == (70, 16)
    assert batch["line_profile"].shape == (3, shards.wave_aa.size)
    np.testing.assert_array_equal(shards.batch([])["flux"].shape if index.size == 0 else (0,), (0,))
    with pytest.raises(IndexError, match="450 galaxies"):
        shards.batch([3 * N])


def test_truncated_shard_is_named_and_never_read(shard):
    path, identity = shard
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ShardError, match=r"0000\.h5"):
        ShardSet([path])
    assert not is_current(path, identity)


def test_damaged_content_is_found(shard):
    path, identity = shard
    with h5py.File(path, "r+") as file:
        file["flux"][3, 5] *= 1.001
    with pytest.raises(ShardError, match="damaged"):
        check_shard(path, identity)
    assert not is_current(path, identity)


def test_foreign_shard_is_named(shard, galaxies, tmp_path):
    path, identity = shard
    with pytest.raises(ShardError, match=r"foreign: its seed is 1, expected 2"):
        check_shard(path, identity | {"seed": 2})
    other = write_shard(tmp_path / "0001.h5", galaxies, identity | {"shard": 1, "grid": "y"})
    with pytest.raises(ShardError, match=r"0001\.h5 is foreign: its grid"):
        ShardSet([path, other])
    assert is_current(path, identity)
    assert not is_current(tmp_path / "0002.h5", identity)


def test_a_writer_that_is_killed_leaves_nothing(config, tmp_path):
    # the child dies by SIGKILL while the file is being written beside its place
    code = (
        "import os, signal, sys, h5py\n"
        "from sfhnet.tools import hdf5\n"
        "with hdf5.create_h5(sys.argv[1], 'sfhnet.library', 1) as file:\n"
        "    file['flux'] = list(range(10000))\n"
        "    file.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "0000.h5"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], env={"PYTHONPATH": ":".join(sys.path)}, check=False
    )
    assert done.returncode == -9
    assert not path.exists()
    assert not is_current(path, prior_identity(config, 0))


def test_full_disk_is_seen_before_anything_is_written(galaxies, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(OSError, match="MB left"):
        write_shard(tmp_path / "0000.h5", galaxies, {"shard": 0})
    assert list(tmp_path.iterdir()) == []


def test_unsound_galaxies_are_not_written(config, synthesizer, tmp_path):
    made = synthesize(synthesizer, draw(config, n=20), config, shard=0)
    made.flux[7, 100] = np.nan
    with pytest.raises(ValueError, match="galaxy 7: flux"):
        write_shard(tmp_path / "0000.h5", made, {"shard": 0})
    made.flux[7, 100] = 1.0
    made.labels["mass_fraction"][3] *= 0.9
    with pytest.raises(ValueError, match=r"galaxy 3: the age bins hold 0\.9"):
        write_shard(tmp_path / "0000.h5", made, {"shard": 0})
    assert list(tmp_path.iterdir()) == []


def test_impossible_input_is_refused(toy_ssp, synthesizer, config, bands):
    n_age = toy_ssp.age_yr.size
    mass, z = np.full((3, n_age), 1.0), np.full((3, n_age), 0.02)
    for change, message in (
        ({"mass": np.where(np.arange(3)[:, None] == 1, 0.0, mass)}, "galaxy 1 forms 0"),
        ({"mass": -mass}, "galaxy 0 forms"),
        ({"z": z * 0}, "galaxy 0 has metallicity 0"),
        ({"mass": mass[:, :5]}, "one column an age bin"),
    ):
        with pytest.raises(ValueError, match=message):
            synthesizer(change.get("mass", mass), change.get("z", z), redshift=0.0)
    with pytest.raises(ValueError, match=r"tau_birth runs -1 \.\. -1; it must be from 0"):
        synthesizer(mass, z, tau_birth=-1.0, redshift=0.0)
    with pytest.raises(ValueError, match=r"redshift runs 0\.5"):
        synthesizer(mass, z, redshift=0.5)
    with pytest.raises(ValueError, match="give redshift per galaxy"):
        synthesizer(mass, z)
    short = config.model_copy(update={"age_bins_myr": (0.0, 100.0, 15000.0)})
    with pytest.raises(ValueError, match="age bins reach 15000 Myr"):
        make_synthesizer(short, toy_ssp, bands, lines=None)
    with pytest.raises(ValueError, match=r"misses .* of it"):
        make_synthesizer(config, toy_ssp.trim(3300, 9800), bands, lines=None)
    with pytest.raises(ValueError, match="no filter curves"):
        make_synthesizer(config, toy_ssp, {"F336W": bands["F336W"]}, lines=None)
    with pytest.raises(ValueError, match="Shorten the grid"):
        Synthesizer(toy_ssp, np.arange(1800.0, 2500.0))


def test_gradients_reach_every_continuous_parameter(toy_ssp, bands, lines):
    wave = np.arange(4800.0, 5200.0, 5.0)
    s = Synthesizer(
        toy_ssp, wave, veldisp_kms=(100.0, 200.0), lsf_scale=(0.9, 1.1), lsf_fwhm_aa=lambda w: 0 * w + 3.0,
        redshift=(0.0, 0.01), bands=bands, lines=lines, dtype=torch.float64,
    )  # fmt: skip
    rng = np.random.default_rng(3)
    n_age = toy_ssp.age_yr.size
    values = {
        "mass_msun": rng.uniform(0.1, 1, (2, n_age)),
        "z": rng.uniform(0.006, 0.015, (2, n_age)),
        "tau_birth": [0.7, 1.1], "tau_screen": [0.2, 0.4], "pow_birth": [-0.7, -1.1], "pow_screen": [-0.7, -0.5],
        "bump": [0.3, 0.6], "line_scale": [1.1, 0.8], "log_u": [-3.3, -2.7], "veldisp_kms": [120.0, 170.0],
        "lsf_scale": [0.95, 1.04], "redshift": [0.003, 0.008], "line_scatter": rng.uniform(0.8, 1.2, (2, 3)),
    }  # fmt: skip
    names = list(values)
    given = [torch.tensor(np.asarray(values[k]), dtype=torch.float64, requires_grad=True) for k in names]

    def light(*arguments):
        p = dict(zip(names, arguments, strict=True))
        result = s(p.pop("mass_msun"), p.pop("z"), **p)
        return result.flux.log().sum() + result.band_flux.log().sum() + result.line_flux.log().sum()

    assert torch.autograd.gradcheck(light, given, eps=1e-6, atol=1e-5)
    plain = s(
        given[0].detach(),
        given[1].detach(),
        **{k: v.detach() for k, v in zip(names[2:], given[2:], strict=True)},
    )
    graph = s(given[0], given[1], **dict(zip(names[2:], given[2:], strict=True)))
    torch.testing.assert_close(graph.flux.detach(), plain.flux, rtol=1e-12, atol=0)


def test_result_does_not_depend_on_blocks_beyond_rounding(synthesizer, config):
    drawn = draw(config)
    matrix = rebin_matrix(drawn.edges_yr, synthesizer.library.age_edges_yr)
    mass, z = drawn.mass @ matrix, np.full((N, matrix.shape[1]), 0.01)
    small = synthesizer(mass, z, block=32, redshift=0.002)
    large = synthesizer(mass, z, block=1024, redshift=0.002)
    torch.testing.assert_close(small.flux, large.flux, rtol=3e-5, atol=0)
    assert (
        hashlib.sha256(small.flux.numpy()).hexdigest()
        == hashlib.sha256(synthesizer(mass, z, block=32, threads=2, redshift=0.002).flux.numpy()).hexdigest()
    )


def test_synthesizer_is_part_of_pyprospect():
    import pyprospect

    assert pyprospect.Synthesizer is Synthesizer
    code = "import sys, pyprospect; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=False)
    assert done.returncode == 0
