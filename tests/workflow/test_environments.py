"""Each step's environment holds what the step imports, and nothing else; the extra workflow is their union."""

import re
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from distributions import requirements
from rule_facts import rule_facts
from step_imports import ROOT, VARIANTS, Step, from_index, imported, libraries, packages, steps

ENVS = sorted((ROOT / "envs").glob("*.yaml"))
# conda-forge name -> name in the package index, where they differ
INDEX_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib", "dust_extinction": "dust-extinction"}
# they run the workflow itself
NOT_OF_A_STEP = ("snakemake", "psutil")
# of steps that not every user runs; the code says how to install them when they are missing
OPTIONAL = {"astroquery", "pyvo", "ppxf", "bagpipes"}
# what conda-forge does not have
FROM_INDEX = {"ppxf": ["ppxf"], "bagpipes": ["bagpipes"]}


def env_file(name: str) -> Path:
    return ROOT / "envs" / f"{name}.yaml"


def envs_of(step: Step) -> list[Path]:
    """The environment of a step, and its GPU variant where there is one."""
    return [path for path in (env_file(step.env), env_file(f"{step.env}-gpu")) if path.exists()]


@pytest.mark.parametrize("step", steps(), ids=lambda step: step.rule)
def test_step_finds_what_it_imports(step: Step):
    needed = imported(step.script, lazily=False)
    for env in envs_of(step):
        assert needed <= libraries(env), (
            f"{env.name} lacks {sorted(needed - libraries(env))} for {step.script.name}"
        )


def test_steps_that_make_spectra_can_read_the_tables_of_dust():
    """Bands beyond 2 um see dust, whose templates are a table of ProSpect's."""
    makers = {name: facts for name, facts in rule_facts().items() if "dust" in facts["input"]}
    assert {"synthesize", "simulate_galaxy", "check_galaxy"} <= set(makers)
    for name, facts in makers.items():
        assert "rdata" in libraries(env_file(facts["env"])), f"{facts['env']}.yaml lacks rdata for {name}"


@pytest.mark.parametrize("env", ENVS, ids=lambda env: env.stem)
def test_environment_carries_nothing_that_its_steps_do_not_import(env: Path):
    users = [step for step in steps() if env in envs_of(step)]
    assert users, f"no rule uses {env.name}"
    used = set().union(*(imported(step.script, lazily=True) for step in users))
    assert libraries(env) <= used, (
        f"{env.name} carries {sorted(libraries(env) - used)}, which no step imports"
    )


@pytest.mark.parametrize("env", ENVS, ids=lambda env: env.stem)
def test_environment_is_plain_and_bounded(env: Path):
    text = yaml.safe_load(env.read_text())
    assert set(text) == {"channels", "dependencies"}
    assert text["channels"] == ["conda-forge"]
    names = [Requirement(spec).name for spec in from_index(env)]
    assert names == FROM_INDEX.get(env.stem, []), "no pip section"
    for name, bounds in packages(env).items():
        if name == "python":
            assert bounds == "=3.11"
        else:
            assert re.search(r">=", bounds), f"{name} has no lower bound"
            assert re.search(r"<\d", bounds), f"{name} has no upper bound"


def test_one_package_has_the_same_bounds_everywhere():
    bounds: dict[str, dict[str, str]] = {}
    for env in ENVS:
        for name, bound in packages(env).items():
            bounds.setdefault(VARIANTS.get(name, name), {})[env.name] = bound
    different = {name: found for name, found in bounds.items() if len(set(found.values())) > 1}
    assert not different


def test_gpu_variant_differs_by_pytorch_alone():
    cpu, gpu = packages(env_file("training")), packages(env_file("training-gpu"))
    assert cpu.pop("pytorch-cpu") == gpu.pop("pytorch-gpu")
    assert cpu == gpu


def test_extra_workflow_is_the_union_of_the_environments():
    wanted = requirements("phangs-sfh", ["workflow"])
    for name in NOT_OF_A_STEP:
        del wanted[name]
    union: dict[str, str] = {}
    for env in ENVS:
        union |= {
            VARIANTS.get(name, name): bound for name, bound in packages(env).items() if name != "python"
        }
    union = {INDEX_NAMES.get(name, name): bound for name, bound in union.items() if name not in OPTIONAL}
    assert set(wanted) == set(union)
    for name, bound in union.items():
        assert SpecifierSet(bound) == wanted[name].specifier, f"{name}: {wanted[name].specifier} and {bound}"
