"""The SLURM profiles name every rule that wants a GPU: on the partition of the CPU jobs such a job would never start."""

import re

import pytest
import yaml

from step_imports import ROOT

RULES = "\n".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))


def gpu_rules() -> set[str]:
    blocks = re.split(r"\n(?=rule\b)", RULES)
    return {block.split(":")[0].split()[1] for block in blocks if re.search(r"\n\s+gpu=", block)}


@pytest.mark.parametrize("profile", ["slurm", "slurm-generic"])
def test_rules_with_a_gpu_have_a_partition_of_their_own(profile: str):
    text = yaml.safe_load((ROOT / "profiles" / profile / "config.yaml").read_text())
    cpu = text["default-resources"]["slurm_partition"]
    resources = text["set-resources"]
    assert "train_model" in gpu_rules()
    assert set(resources) == gpu_rules()
    for rule, values in resources.items():
        assert values["slurm_partition"] != cpu, rule
        assert ("gres" in values) == (profile == "slurm-generic"), (
            "the plugin takes gpu, sbatch takes gres; never both"
        )
