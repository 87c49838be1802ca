"""The SLURM profiles name every rule that wants a GPU: on the partition of the CPU jobs such a job would never start."""

import pytest
import yaml

from rule_facts import ROOT, rule_facts


def gpu_rules() -> set[str]:
    return {name for name, facts in rule_facts().items() if "gpu" in facts["resources"]}


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
