"""The frozen benchmark sets: fixed mocks, fixed noise, a checksum that says so.

Every kind stands in `BENCHMARK_KINDS`; tables, figures and comparisons take from there what there is to show. Bands are all
present or all absent by choice, so that photometry's worth can be told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sfhnet.config import NoiseConfig, ValidationConfig
from sfhnet.core.batch import Batch
from sfhnet.core.emission_lines import LINES_AA
from sfhnet.mocks.dataset import Mocks
from sfhnet.mocks.draw import draw
from sfhnet.mocks.noise import EFFECTS
from sfhnet.validation.metrics import truth_from_labels

__all__ = [
    "BENCHMARK_KINDS",
    "FOREIGN_MOCKS",
    "Benchmark",
    "Case",
    "Kind",
    "benchmark_cases",
    "case_name",
    "find_case",
    "make_benchmark",
    "read_foreign",
    "read_mocks",
]


@dataclass(frozen=True)
class Kind:
    """What a benchmark is made of.

    Attributes
    ----------
    title : str
        What is shown in tables and figures.
    off : tuple of str
        Effects of `sfhnet.mocks.noise.EFFECTS` that are left out.
    mocks : str
        Which galaxies: ``test``, or one of `sfhnet.priors.stress.STRESS_MOCKS`.
    stress : bool
        Measured at ``validation.stress_snr`` with all bands only, not at every S/N with and without.
    ripple : bool
        The flux calibration has a sine of amplitude ``validation.ripple``.
    tilt_rms : float, optional
        Smooth calibration error in place of ``noise.tilt_rms``, fraction.
    hidden_aa : tuple of (float, float)
        Stretches that the network is not shown, Angstrom.
    foreign : bool
        Of a code, a library or histories that no training may know; measured when their mocks are given, by the step
        `foreign_benchmarks`, always without bands.
    stream : int
        Key of the noise; kinds with the same one have the same noise.
    """

    title: str
    off: tuple[str, ...]
    mocks: str = "test"
    stress: bool = False
    ripple: bool = False
    stream: int = 0
    tilt_rms: float | None = None
    hidden_aa: tuple[tuple[float, float], ...] = ()
    foreign: bool = False


_IDEAL = tuple(effect for effect in EFFECTS if effect != "variance_shape")
_TILTED = tuple(effect for effect in _IDEAL if effect != "calibration")
# What a user masks who trusts no line. Not the Paschen series: with it the calcium triplet would be hidden.
_MASK_AA = 14.0
_LINE_MASKS = tuple(
    (line - _MASK_AA, line + _MASK_AA)
    for group, lines in LINES_AA.items()
    if group != "paschen"
    for line in lines
)
_BLUE = ((7350.0, 1e5),)


def _foreign(
    title: str,
    mocks: str,
    *,
    off: tuple[str, ...] = _IDEAL,
    hidden_aa: tuple[tuple[float, float], ...] = (),
    tilt_rms: float | None = None,
) -> Kind:
    return Kind(
        title, off, mocks, stress=True, stream=0, tilt_rms=tilt_rms, hidden_aa=hidden_aa, foreign=True
    )


_BAGPIPES = "mocks by BAGPIPES (BC03-MILES, Cloudy, its own dust laws and histories)"

BENCHMARK_KINDS: dict[str, Kind] = {
    "ideal": Kind("Gaussian noise, nothing else", _IDEAL, stream=0),
    "real": Kind("every nuisance of MUSE and HST", ("band_dropout",), stream=1),
    # The noise of ideal, so that the ratio of the errors is that of the ripple.
    "ripple": Kind(
        "Gaussian noise and a ripple in the flux calibration", _IDEAL, stress=True, ripple=True, stream=0
    ),
    "spiky": Kind(
        "spiky histories, which no family of the prior draws; every nuisance",
        ("band_dropout",),
        "spiky",
        True,
        stream=2,
    ),
    "held_out": Kind(
        "families held out of training; every nuisance", ("band_dropout",), "held_out", True, stream=3
    ),
    "bagpipes": _foreign(f"{_BAGPIPES}; Gaussian noise", "bagpipes"),
    "bagpipes_blue": _foreign(f"{_BAGPIPES}; below 7350 AA", "bagpipes", hidden_aa=_BLUE),
    "bagpipes_no_lines": _foreign(f"{_BAGPIPES}; emission lines masked", "bagpipes", hidden_aa=_LINE_MASKS),
    "bagpipes_short": _foreign(
        f"{_BAGPIPES}; 4800 to 5500 AA only", "bagpipes", hidden_aa=((0.0, 4800.0), (5500.0, 1e5))
    ),
    "bagpipes_tilted": _foreign(
        f"{_BAGPIPES}; calibration error of 10 %", "bagpipes", off=_TILTED, tilt_rms=0.10
    ),
    "bagpipes_real": _foreign(f"{_BAGPIPES}; every nuisance", "bagpipes", off=("band_dropout",)),
    "own": _foreign("mocks of the training's library and prior, what the next are compared with", "own"),
    "mastar": _foreign("mocks of MaStar populations; Gaussian noise", "mastar"),
    "m11_stelib": _foreign(
        "mocks of Maraston & Stromback (2011) STELIB populations; Gaussian noise", "m11_stelib"
    ),
    "bc03_old": _foreign("mocks of BC03-MILES populations of all ages; Gaussian noise", "bc03_old"),
    "peaked": _foreign("histories of one to four short episodes; Gaussian noise", "peaked"),
    "diffstar": _foreign("Diffstar histories; Gaussian noise", "diffstar"),
}

FOREIGN_MOCKS: tuple[str, ...] = tuple(
    dict.fromkeys(kind.mocks for kind in BENCHMARK_KINDS.values() if kind.foreign)
)
"""Files of foreign mocks that benchmarks are made of, by name."""


@dataclass(frozen=True)
class Benchmark:
    """Noisy mocks with their truth.

    batch; truth by name (`sfhnet.validation.metrics.truth_from_labels`); name of each galaxy's family (n,); sha256 of the spectra;
    pixels that are not shown (n_wave,) bool.
    """

    batch: Batch
    truth: dict[str, np.ndarray]
    family: np.ndarray
    sha256: str
    hidden: torch.Tensor | None = None


@dataclass(frozen=True)
class Case:
    """A benchmark of one of `BENCHMARK_KINDS` at one S/N, shown with or without bands."""

    kind: str
    snr: float
    bands: bool
    benchmark: Benchmark

    @property
    def name(self) -> str:
        """Name in metrics and files."""
        return case_name(self.kind, self.snr, self.bands)

    @property
    def batch(self) -> Batch:
        """The spectra, bands and stretches of wavelength taken away if so wanted."""
        batch = self.benchmark.batch if self.bands else self.benchmark.batch.without_bands()
        pixels = self.benchmark.hidden
        return batch if pixels is None else batch.hiding(pixels)


def case_name(benchmark: str, snr: float, bands: bool) -> str:
    """Return the name of a case, e.g. ``real_snr050`` or ``real_snr050_nobands``.

    Parameters
    ----------
    benchmark : str
        One of `BENCHMARK_KINDS`.
    snr : float
        Median S/N per pixel.
    bands : bool
        Whether bands are shown.

    Returns
    -------
    str
    """
    return f"{benchmark}_snr{snr:03.0f}" + ("" if bands else "_nobands")


def planned_cases(mocks: Collection[str], config: ValidationConfig) -> list[tuple[str, float, bool]]:
    """Return benchmark, S/N and whether with bands, for every case that there are mocks for.

    Parameters
    ----------
    mocks : collection of str
        ``test`` and whichever of `sfhnet.priors.stress.STRESS_MOCKS` were made.
    config : ValidationConfig
        Which S/N.

    Returns
    -------
    list of (str, float, bool)
    """
    return [
        (name, snr, bands)
        for name, kind in BENCHMARK_KINDS.items()
        if kind.mocks in mocks
        for snr in ((config.stress_snr,) if kind.stress else config.snr)
        for bands in ((not kind.foreign,) if kind.stress else (True, False))
    ]


def benchmark_cases(
    mocks: Mapping[str, Mocks], config: ValidationConfig, noise: NoiseConfig, *, seed: int
) -> Iterator[Case]:
    """Make the cases of `planned_cases`, one at a time.

    Parameters
    ----------
    mocks : mapping of str to Mocks
        Galaxies by kind.
    config, noise : ValidationConfig, NoiseConfig
        Configuration sections.
    seed : int
        Seed of the benchmarks.

    Returns
    -------
    iterator of Case
    """
    made: tuple[str, float, Benchmark] | None = None
    for name, snr, bands in planned_cases(mocks, config):
        if made is None or made[:2] != (name, snr):
            galaxies = mocks[BENCHMARK_KINDS[name].mocks]
            made = (
                name,
                snr,
                make_benchmark(
                    name, snr, galaxies, n=config.galaxies, noise=noise, seed=seed, ripple=config.ripple
                ),
            )
        yield Case(name, snr, bands, made[2])


def read_mocks(test: Sequence[Path], stress: Sequence[Path], cache_gb: float) -> dict[str, Mocks]:
    """Read the galaxies that the benchmark sets are made of, by kind.

    Parameters
    ----------
    test : sequence of Path
        Shards of test mocks.
    stress : sequence of Path
        Files of stress mocks; their names say which.
    cache_gb : float
        As for `Mocks`.

    Returns
    -------
    dict of str to Mocks
        ``test``, and the stress mocks by name.
    """
    return {"test": Mocks(test, cache_gb)} | {path.stem: Mocks([path], cache_gb) for path in stress}


def read_foreign(paths: Sequence[Path]) -> dict[str, Mocks]:
    """Read foreign mocks by name.

    Parameters
    ----------
    paths : sequence of Path
        Files; their names say which of `FOREIGN_MOCKS` they are.

    Returns
    -------
    dict of str to Mocks

    Raises
    ------
    ValueError
        If a file is named after none of them.
    """
    unknown = [path.name for path in paths if path.stem not in FOREIGN_MOCKS]
    if unknown:
        raise ValueError(f"{unknown} are no foreign mocks; there are {', '.join(FOREIGN_MOCKS)}")
    return {path.stem: Mocks([path]) for path in paths}


def find_case(
    name: str, mocks: Mapping[str, Mocks], config: ValidationConfig, *, noise: NoiseConfig, seed: int
) -> Case:
    """Make the benchmark set that validation measures under this name: the same mocks and noise.

    Parameters
    ----------
    name : str
        From `case_name`.
    mocks, config, noise, seed
        As for `benchmark_cases`.

    Returns
    -------
    Case

    Raises
    ------
    ValueError
        If validation has no such set; lists those it has.
    """
    for case in benchmark_cases(mocks, config, noise, seed=seed):
        if case.name == name:
            return case
    known = ", ".join(case_name(*planned) for planned in planned_cases(mocks, config))
    raise ValueError(f"there is no benchmark set {name!r}; validation measures {known}")


def make_benchmark(
    name: str, snr: float, mocks: Mocks, *, n: int, noise: NoiseConfig, seed: int, ripple: float = 0.02
) -> Benchmark:
    """Make a benchmark set at one S/N from the first `n` mocks.

    Parameters
    ----------
    name : str
        One of `BENCHMARK_KINDS`.
    snr : float
        Median S/N per pixel.
    mocks : Mocks
        Galaxies of the kind that the benchmark wants.
    n : int
        Galaxies at most.
    noise : NoiseConfig
        Nuisances.
    seed : int
        Seed of the noise.
    ripple : float
        Amplitude of the ripple, for the kinds that have one.

    Returns
    -------
    Benchmark

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    if name not in BENCHMARK_KINDS:
        raise ValueError(f"no benchmark {name!r}; there are {', '.join(BENCHMARK_KINDS)}")
    kind = BENCHMARK_KINDS[name]
    if kind.tilt_rms is not None:
        noise = noise.model_copy(update={"tilt_rms": kind.tilt_rms, "ripple_rms": 0.0})
    index = np.arange(min(n, len(mocks)))
    key = ("benchmark.noise", seed, kind.stream, round(10 * snr))
    batch, family = draw(
        mocks, index, noise, key=key, off=kind.off, snr=snr, ripple=ripple if kind.ripple else 0.0
    )
    digest = hashlib.sha256()
    for value in (batch.flux, batch.sigma, batch.mask, batch.band_flux, batch.band_sigma):
        digest.update(value.contiguous().numpy().tobytes())
    truth = truth_from_labels({key: value.numpy() for key, value in batch.labels.items()})
    names = np.asarray(mocks.shards.family_names)[family]
    return Benchmark(batch, truth, names, digest.hexdigest(), _pixels(kind.hidden_aa, mocks.wave_aa))


def _pixels(stretches_aa: tuple[tuple[float, float], ...], wave_aa: np.ndarray) -> torch.Tensor | None:
    if not stretches_aa:
        return None
    return torch.from_numpy(
        np.any([(wave_aa >= low) & (wave_aa <= high) for low, high in stretches_aa], axis=0)
    )
