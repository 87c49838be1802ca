# What the rules share: the checked configuration, how a step is run, and what makes it run again. No rules here.
import json
import math
import os
import re
import socket
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir).resolve()
if Path.cwd() != ROOT:
    raise WorkflowError(f"run snakemake in the project's folder: cd {ROOT}")
sys.path.insert(0, str(ROOT / "src"))

from sfhnet.sources.wanted_files import wanted_files
from sfhnet.config import load_config
from sfhnet.tools.provenance import code_modules, fingerprint
from sfhnet.sources.sample_sheet import load_sheet, weights_of
from sfhnet.sources import load_registry


def shown(path):
    """A path as seen from the project's folder, where the whole workflow runs."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if workflow.config_settings.config:
    raise WorkflowError(
        f"settings on the command line ({', '.join(workflow.config_settings.config)}): put them in a file and give "
        "--configfile FILE, so that the file tells later what was run"
    )
CONFIG_FILES = [
    "config.yaml",
    *(shown(Path(file)) for file in workflow.overwrite_configfiles),
]
CONFIG_FILES = list(dict.fromkeys(CONFIG_FILES))
try:
    CONFIG = load_config(CONFIG_FILES)
except (ValueError, FileNotFoundError) as error:
    raise WorkflowError(str(error)) from error

# Threads that wait sleep: spinning ones made training 50 times slower where another program had one of the cores. They
# spin some microseconds first, the gap between two operations: a quarter off a step of training on quiet cores, a fifth
# more beside another program.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

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
    "sfhnet.tools.script_options",
    "sfhnet.tools.progress",
    "sfhnet.tools.provenance",
)


def script(name):
    return f"scripts/{name}.py"


def code(name, without=()):
    """The modules of src/ that the step's script imports, as input: a newer one reruns the step."""
    modules = code_modules([script(name)], without=[*PLUMBING, *without])
    return sorted({shown(path.absolute()) for path in modules.values()} - {script(name)})


def code_hash(name, without=()):
    """The fingerprint of the script and these modules, as a parameter: a change that is older than the product is seen too."""
    return fingerprint([script(name)], without=[*PLUMBING, *without])


def section(*keys, without=()):
    """The parts of the configuration that a step reads, value by value: only a change in these reruns it.

    A key is a section ("noise") or a value in one ("synthesis.storage"); `without` names values that are left out.
    """
    values = []
    for key in keys:
        value = CONFIG.model_dump(mode="json")
        for name in key.split("."):
            value = value[name]
        values += flat(key, value)
    return [text for text in values if text.split("=")[0] not in without]


def flat(key, value):
    if isinstance(value, dict) and value:
        return [text for name in value for text in flat(f"{key}.{name}", value[name])]
    return [f"{key}={json.dumps(value)}"]


def growing(amount, beside=0):
    """Memory (MB) or time (minutes) that a retry asks more of; what stands `beside` it stays the same."""
    return lambda wildcards, attempt: int(amount * attempt + beside)


REGISTRY = load_registry()


def upstream(source):
    """The files of an upstream source, as data/sources.yaml lists them."""
    return [str(path) for path in REGISTRY.paths(source, CONFIG.sources.data_dir)]


# Shards by what they serve; the last ones are held out of training.
SHARDS = [f"{number:04d}" for number in range(CONFIG.synthesis.n_shards)]
HELD_OUT = [getattr(CONFIG.synthesis, f"n_{use}_shards") for use in ("validation", "calibration", "test")]
TEST_START = len(SHARDS) - HELD_OUT[2]
CALIBRATION_START = TEST_START - HELD_OUT[1]
VALIDATION_START = CALIBRATION_START - HELD_OUT[0]
TRAINING_SHARDS = SHARDS[:VALIDATION_START]
VALIDATION_SHARDS = SHARDS[VALIDATION_START:CALIBRATION_START]
CALIBRATION_SHARDS = SHARDS[CALIBRATION_START:TEST_START]
TEST_SHARDS = SHARDS[TEST_START:]
# thousands of galaxies in a shard: what memory and time of its making grow with
KILO_GALAXIES = CONFIG.synthesis.galaxies_per_shard / 1000
MODELS = list(CONFIG.models)
# How many shards there are and what each serves changes no shard.
WHICH_SHARDS = [
    f"synthesis.n_{kind}" for kind in ("shards", "validation_shards", "calibration_shards", "test_shards")
]


def shard_files(shards):
    return expand("results/synthesis/{shard}.h5", shard=shards)


# Mocks unlike those of the training: always spiky histories, and the families that are held out, if there are any.
STRESS = ["spiky", *(["held_out"] if CONFIG.prior.held_out_families else [])]

# Numbers of training shards of the learning curve.
SIZES = [size for size in CONFIG.learning_curve.shards if size <= len(TRAINING_SHARDS)]

# Where and how a network is trained and how its loss is drawn meanwhile, not what is trained.
LOSS_DRAWING = ["sfhnet.figures.loss_curve"]
WHERE_TRAINED = ["training.device", "training.cache_gb", "training.checkpoint_minutes"]
N_PROCESS = CONFIG.training.processes
# --: torchrun must not take the options of the script for its own.
LAUNCHER = f"-m torch.distributed.run --standalone --nproc-per-node {N_PROCESS} --" if N_PROCESS > 1 else ""
TRAINING_ENV = f"../envs/{'training-gpu' if CONFIG.training.device == 'cuda' else 'training'}.yaml"

# Figures of the prior: of about 20,000 galaxies, beside the catalogues of clusters that are at hand (a mirror has them).
PRIOR_FIGURES = ["prior_histories", "prior_labels", "prior_colours"]
DRAWN_SHARDS = TRAINING_SHARDS[: math.ceil(20 / KILO_GALAXIES)]
CATALOGUES = {
    source: option
    for source, option in {"phangs_hst_colours": "phangs", "legus_ngc1566": "legus"}.items()
    if all(Path(file).is_file() for file in upstream(source))
}
# Figures of the validation: what plot_validation.py calls them, and the models that they show.
LEARNERS = [name for name, model in CONFIG.models.items() if model.kind != "prior_mean"]
VALIDATION_FIGURES = {
    name: (name, MODELS)
    for name in (
        "metrics_snr",
        "metrics_age",
        "coverage",
        "calibration_strata",
        "stress",
    )
}
VALIDATION_FIGURES |= {
    f"{name}_{model}": (name, [model])
    for name in ("calibration", "coverage_strata", "truth", "examples", "loss", "network")
    for model in LEARNERS
}


def validation_files(figure, path):
    return expand(path, model=VALIDATION_FIGURES[figure][1])


# The folder of the model that the galaxies are given to: one trained here, or a ready-made one.
if CONFIG.galaxies.model_is_folder:
    GALAXY_MODEL = CONFIG.galaxies.model.rstrip("/")
    if not Path(GALAXY_MODEL, "model.json").is_file():
        raise WorkflowError(
            f"galaxies.model is {GALAXY_MODEL}, a folder without model.json: give a folder that training wrote, or a "
            f"key of models ({', '.join(MODELS)})"
        )
else:
    GALAXY_MODEL = f"results/model/{CONFIG.galaxies.model}"
# Limits of the posterior-predictive check; a ready-made model that came without them flags nothing there.
GALAXY_LIMITS = f"{GALAXY_MODEL}/predictive.json"
if CONFIG.galaxies.model_is_folder and not Path(GALAXY_LIMITS).is_file():
    GALAXY_LIMITS = []


# The optional comparison with pPXF: benchmark sets, stress mocks that they need, and chunks of mocks, a job each.
PPXF_CASES = list(CONFIG.ppxf.cases)
PPXF_STRESS = [name for name in STRESS if any(case.startswith(f"{name}_") for case in PPXF_CASES)]


def ppxf_chunks(case):
    """How many jobs measure a benchmark set."""
    stress = any(case.startswith(f"{name}_") for name in STRESS)
    made = CONFIG.validation.stress_galaxies if stress else 1000 * KILO_GALAXIES * len(TEST_SHARDS)
    measured, _ = CONFIG.ppxf.shares(min(int(made), CONFIG.validation.galaxies))
    return range(math.ceil(measured / CONFIG.ppxf.chunk))


PPXF_FILES = [f"results/ppxf/{case}/{chunk}.h5" for case in PPXF_CASES for chunk in ppxf_chunks(case)]


def one_of(names):
    """A wildcard's pattern; no galaxy has an empty name, so no names match nothing."""
    return "|".join(map(re.escape, names)) or "$^"


# The sample sheet, row by row.
try:
    GALAXIES = load_sheet(CONFIG.galaxies.sheet, CONFIG.bands, REGISTRY, data_dir=CONFIG.galaxies.data_dir)
except (ValueError, FileNotFoundError) as error:
    raise WorkflowError(str(error)) from error
SIMULATED = [name for name, row in GALAXIES.items() if row.kind == "simulated"]
OBSERVED = [name for name in GALAXIES if name not in SIMULATED]


def galaxy_files(galaxy):
    """The cube or spectrum of a galaxy (data), and the images and masks that belong to it."""
    row = GALAXIES[galaxy]
    if row.kind == "simulated":
        folder = f"results/simulated/{galaxy}"
        images = [f"{folder}/hst_{band.lower()}.fits" for band in CONFIG.bands]
        return {"data": f"{folder}/cube.fits", "beside": [f"{folder}/truth.fits", *images]}
    beside = [str(path) for column, path in row.local_files().items() if column != "path"]
    weights = [weights_of(image) for image in row.images.values()]
    beside += [str(path) for path in weights if path and (path.is_file() or str(path) in TO_FETCH)]
    return {"data": str(row.data_path(CONFIG.sources.data_dir, REGISTRY)), "beside": beside}


# Public files that are not here yet. Those that are need no rule, so that Snakemake never deletes what someone brought.
TO_FETCH = [
    str(file.path) for row in GALAXIES.values() for file in wanted_files(row) if not file.path.is_file()
]


wildcard_constraints:
    shard=r"\d+",
    model=r"[a-z0-9_]+",
    ssp=r"[a-z0-9_]+",
    galaxy=r"[A-Za-z0-9_.+-]+",
    figure=r"[a-z0-9_]+",
    stress=one_of(STRESS),
    size=r"\d+",
    case=one_of(CONFIG.ppxf.cases),
    chunk=r"\d+",


def record_run():
    """For scripts/_unlock.py, which tells a dead run from one on another machine."""
    record = {"host": socket.gethostname(), "pid": os.getpid()}
    Path(".snakemake/run.json").write_text(json.dumps(record))


onstart:
    record_run()
