"""What Snakemake holds of the rules of the project, asked of Snakemake itself (run as a program, so that nothing stays)."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@cache
def rule_facts() -> dict[str, dict[str, Any]]:
    """Facts of every rule that runs a command, by name."""
    done = subprocess.run([sys.executable, __file__], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def facts_of(rule: Any) -> dict[str, Any]:
    """Collect what tests ask for of a rule of Snakemake."""
    program = dict(rule.params.items()).get("program")
    words = program(None, None) if program else []
    scripts = [Path(word).stem for word in words if word.endswith(".py")]
    return {
        "script": scripts[0] if scripts else None,
        "env": Path(str(rule.conda_env)).stem if rule.conda_env else None,
        "log": [str(file) for file in rule.log],
        "message": rule.message,
        "shell": rule.shellcmd,
        "input": list(dict(rule.input.items())),
        "resources": [name for name in rule.resources if not name.startswith("_")],
        "params": list(dict(rule.params.items())),
    }


if __name__ == "__main__":
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import OutputSettings, Quietness, ResourceSettings

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            ResourceSettings(cores=1), snakefile=ROOT / "Snakefile", workdir=ROOT
        )._workflow
        found = {rule.name: facts_of(rule) for rule in workflow.rules if rule.shellcmd}
    print(json.dumps(found))
