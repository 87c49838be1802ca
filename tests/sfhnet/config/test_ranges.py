"""Every number of the configuration has a physical range, and nothing that a file can hold hangs or crashes the reading."""

from __future__ import annotations

import math
import types
import typing

import numpy as np
import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sfhnet.config import Config, load_config
from sfhnet.config.base import models_in
from sfhnet.config.load import ConfigError
from sfhnet.config.prior import PriorConfig
from sfhnet.sources.sheet_row import Galaxy

# Judged by what they override, and by `_check_support` of the prior, where the name of the parameter tells the range.
ELSEWHERE = ("training", "value", "low", "high", "mean", "sd")


def limits(metadata):
    found = {}
    for item in metadata:
        inner = limits(item.metadata) if isinstance(item, FieldInfo) else {}
        low = next((getattr(item, key) for key in ("ge", "gt") if getattr(item, key, None) is not None), None)
        high = next(
            (getattr(item, key) for key in ("le", "lt") if getattr(item, key, None) is not None), None
        )
        found |= inner | {key: value for key, value in (("low", low), ("high", high)) if value is not None}
    return found


def numbers(annotation, metadata=()):
    """The limits of each number that an annotation allows."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        yield from numbers(inner[0], (*metadata, *inner[1:]))
    elif annotation in (int, float):
        yield limits(metadata)
    elif origin is not typing.Literal:
        for part in inner:
            yield from numbers(part, metadata if origin in (typing.Union, types.UnionType) else ())


def fields(model: type[BaseModel], path=(), seen=None):
    seen = set() if seen is None else seen
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        yield (*path, name), field
        for part in models_in(field.annotation):
            yield from fields(part, (*path, name), seen)


@pytest.mark.parametrize("model", [Config, Galaxy])
def test_every_number_has_a_range(model):
    without, n = [], 0
    for path, field in fields(model):
        if path[-1] in ELSEWHERE:
            continue
        for found in numbers(field.annotation, tuple(field.metadata)):
            n += 1
            if not ({"low", "high"} <= set(found) and all(map(math.isfinite, found.values()))):
                without.append(".".join(path))
    assert n > 8
    assert not without


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("seed: 18446744073709551616", "seed"),
        ("age_bins_myr: [0, 10, 1e10]", "age_bins_myr"),
        ("age_bins_myr: [0, 10, 14500]", "age_bins_myr"),
        ("galaxies: {line_mask_kms: 4e5}", "galaxies.line_mask_kms"),
        ("galaxies: {snr_window_aa: [5300, 1e6]}", "galaxies.snr_window_aa"),
        ("galaxies: {target_snr: 1e-300}", "galaxies.target_snr"),
        ("simulated_galaxy: {hst_pixel_arcsec: 1e-6}", "simulated_galaxy.hst_pixel_arcsec"),
        ("simulated_galaxy: {hst_pixel_arcsec: 0.01}", "hst_pixel_arcsec"),
        ("simulated_galaxy: {distance_mpc: 1e-30}", "simulated_galaxy.distance_mpc"),
        ("simulated_galaxy: {ebv_mw: 1e6}", "simulated_galaxy.ebv_mw"),
        ("simulated_galaxy: {velocity_amplitude_kms: 3e5}", "simulated_galaxy.velocity_amplitude_kms"),
        ("figures: {width_inch: 1e6}", "figures.width_inch"),
        ("bands: [F275W, F999X]", "bands"),
        ("ppxf: {cases: [dream]}", "ppxf.cases"),
        ("grid: {wave_step_aa: 0.05}", "grid"),
        ("sources: {data_dir: FILE}", "sources.data_dir"),
        ("prior: {families: {skewed_normal: {parameters: {mskew: 1e9}}}}", "mskew"),
        ("prior: {families: {exponential: {parameters: {start_gyr: 20}}}}", "start_gyr"),
        (
            "prior: {families: {stochastic: {parameters: {slope_dex_per_gyr: 'normal(0, 5)'}}}}",
            "slope_dex_per_gyr",
        ),
        ("training: {learning_rate: .inf}", "training.learning_rate"),
    ],
)
def test_impossible_values_are_refused_by_key(tmp_path, root, text, key):
    (tmp_path / "FILE").touch()
    (tmp_path / "over.yaml").write_text(text.replace("FILE", str(tmp_path / "FILE")))
    with pytest.raises(ConfigError) as caught:
        load_config([root / "config.yaml", tmp_path / "over.yaml"])
    assert key in str(caught.value)


def test_every_parameter_of_the_prior_has_a_range():
    wild = "uniform(-1e30, 1e30)"
    prior = PriorConfig()
    for section, group in (("families", prior.families), ("metallicity", prior.metallicity)):
        for kind, family in group.items():
            for name in family.parameters:
                data = {key: value.model_dump() for key, value in group.items()}
                data[kind]["parameters"][name] = wild
                with pytest.raises(ValueError, match=f"{section}.{kind}.parameters.{name} can be drawn"):
                    PriorConfig(**{section: data})
    for name in prior.nuisance:
        with pytest.raises(ValueError, match=f"nuisance.{name} can be drawn"):
            PriorConfig(
                nuisance={key: value.model_dump() for key, value in prior.nuisance.items()} | {name: wild}
            )


def test_a_bomb_of_aliases_is_refused_at_once(tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 12)]
    for name, text in (
        ("wide.yaml", "\n".join(lines)),
        ("deep.yaml", "seed: " + "[" * 5000 + "]" * 5000),
        ("self.yaml", "a: &a [*a]"),
        ("long.yaml", "seed: " + "9" * 5000),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(ConfigError, match=name):
            load_config([tmp_path / name])


def test_damaged_configurations_are_refused_or_read(tmp_path, root):
    """200 mutations of the shipped file: a ConfigError that names file or key, or a configuration; nothing else."""
    whole = (root / "config.yaml").read_bytes()
    rng = np.random.default_rng(7)
    for _ in range(200):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 2):
            data[at] = rng.integers(9, 256)
        (tmp_path / "c.yaml").write_bytes(data)
        try:
            assert isinstance(load_config([tmp_path / "c.yaml"]), Config)
        except ConfigError:
            continue


def test_cases_of_ppxf_are_those_that_there_are():
    from sfhnet.config.ppxf import BENCHMARKS
    from sfhnet.validation.benchmark_sets import BENCHMARK_KINDS

    assert tuple(BENCHMARK_KINDS) == BENCHMARKS
    with pytest.raises(ValueError, match="there is no benchmark 'perfect'; choose from ideal, real"):
        Config(ppxf={"cases": ["perfect_snr050"]})
    assert Config(ppxf={"cases": ["bagpipes_no_lines_snr100_nobands"]}).ppxf.cases
