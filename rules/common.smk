# What the rules share: the checked configuration, how a step is run, and what makes it run again. No rules here.
import json
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir).resolve()
if Path.cwd() != ROOT:
    raise WorkflowError(f"run snakemake in the project's folder: cd {ROOT}")
sys.path.insert(0, str(ROOT / "src"))

from sfhnet.config import load_config
from sfhnet.provenance import code_modules, fingerprint


def shown(path):
    """A path as seen from the project's folder, where the whole workflow runs."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if workflow.config_settings.config:
    raise WorkflowError(
        f"settings on the command line ({', '.join(workflow.config_settings.config)}): put them in a file and give "
        "--configfile FILE, so that the file tells later what was run"
    )
CONFIG_FILES = ["config.yaml", *(shown(Path(file)) for file in workflow.overwrite_configfiles)]
CONFIG_FILES = list(dict.fromkeys(CONFIG_FILES))
try:
    CONFIG = load_config(CONFIG_FILES)
except (ValueError, FileNotFoundError) as error:
    raise WorkflowError(str(error)) from error

# Each step is `python scripts/NAME.py $CONFIG $GUARD ...`, with this before it. Snakemake removes PYTHONPATH when it
# activates an environment, so src/ is put there again behind the activation; an activation that failed is no error
# to Snakemake, so the step itself looks ($GUARD). Without conda a step runs with the Python that runs Snakemake.
IN_CONDA = "conda" in str(workflow.deployment_settings.deployment_method).lower()
PYTHON = "GUARD=--require-env" if IN_CONDA else f"GUARD= PATH={str(Path(sys.executable).parent)!r}:$PATH"
shell.prefix(
    f'export PYTHONPATH="$PWD/src" PYTHONNOUSERSITE=1; CONFIG="--config {" ".join(CONFIG_FILES)}" {PYTHON}; '
)

# The whole schema, the command line, progress and provenance: no number in a product depends on their code. The
# schema of a section counts for the modules that read it.
PLUMBING = (
    "sfhnet.config.root",
    "sfhnet.config.load",
    "sfhnet.config.base",
    "sfhnet.cli",
    "sfhnet.progress",
    "sfhnet.provenance",
)


def script(name):
    return f"scripts/{name}.py"


def code(name):
    """The step's script and the modules of src/ that it imports, as input: a newer one reruns the step."""
    modules = code_modules([script(name)], without=PLUMBING)
    return sorted(shown(path.absolute()) for path in modules.values())


def code_hash(name):
    """The fingerprint of the same files, as a parameter: a change that is older than the product is seen too."""
    return fingerprint([script(name)], without=PLUMBING)


def section(*names):
    """The sections of the configuration that a step reads, as JSON: only a change in these reruns it."""
    return json.dumps({name: CONFIG.model_dump(mode="json")[name] for name in names}, sort_keys=True)


def growing(amount):
    """Memory (MB) or time (minutes) that a retry asks more of."""
    return lambda wildcards, attempt: amount * attempt
