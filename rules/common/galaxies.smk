# The sample sheet, row by row, the files of its galaxies, and the model that they are given to.
import json

from sfhnet.core.training_grid import check_same_grid
from sfhnet.sources.checksums import sampled_sha256
from sfhnet.sources.wanted_files import wanted_files
from sfhnet.sources.hst_file_names import weights_of
from sfhnet.sources.sample_sheet import load_sheet

if PLACED.galaxies.model_is_folder:
    # a ready-made one
    GALAXY_MODEL = plain(PLACED.galaxies.model.rstrip("/"))
    if not Path(GALAXY_MODEL, "model.json").is_file():
        raise WorkflowError(
            f"galaxies.model is {CONFIG.galaxies.model}, a folder without model.json: give a folder that training wrote, or "
            f"a key of models ({', '.join(MODELS)})"
        )
    try:
        check_same_grid(json.loads(Path(GALAXY_MODEL, "model.json").read_text()), CONFIG.grid, GALAXY_MODEL)
    except (ValueError, KeyError, OSError) as error:
        raise WorkflowError(f"galaxies.model: {error}") from error
else:
    GALAXY_MODEL = f"results/model/{CONFIG.galaxies.model}"
# Limits of the posterior-predictive check; a ready-made model that came without them flags nothing there.
GALAXY_LIMITS = f"{GALAXY_MODEL}/predictive.json"
if CONFIG.galaxies.model_is_folder and not Path(GALAXY_LIMITS).is_file():
    GALAXY_LIMITS = []

try:
    GALAXIES = load_sheet(PLACED.galaxies.sheet, CONFIG.bands, REGISTRY, data_dir=PLACED.galaxies.data_dir)
except (ValueError, FileNotFoundError) as error:
    raise WorkflowError(str(error)) from error
for local in (file for row in GALAXIES.values() for file in row.local_files().values()):
    plain(local)
SIMULATED = [name for name, row in GALAXIES.items() if row.kind == "simulated"]
OBSERVED = [name for name in GALAXIES if name not in SIMULATED]
# Public files that are not here yet. Those that are need no rule, so that Snakemake never deletes what someone brought.
TO_FETCH = [
    plain(file.path) for row in GALAXIES.values() for file in wanted_files(row) if not file.path.is_file()
]


def galaxy_data(wildcards):
    """Return the cube or spectrum of a galaxy."""
    row = GALAXIES[wildcards.galaxy]
    if row.kind == "simulated":
        return f"results/simulated/{wildcards.galaxy}/cube.fits"
    return str(row.data_path(PLACED.sources.data_dir, REGISTRY))


def galaxy_images(wildcards):
    """Return the images and masks that belong to it, and the truth where it is known."""
    row = GALAXIES[wildcards.galaxy]
    if row.kind == "simulated":
        folder = f"results/simulated/{wildcards.galaxy}"
        return [f"{folder}/truth.fits", *(f"{folder}/hst_{band.lower()}.fits" for band in CONFIG.bands)]
    beside = [str(path) for column, path in row.local_files().items() if column != "path"]
    weights = [weights_of(image) for image in row.images.values()]
    return beside + [str(path) for path in weights if path and (path.is_file() or str(path) in TO_FETCH)]


def brought(wildcards):
    """Return, as a parameter, what the files of a galaxy hold that someone brought: an older file is seen too if it is another.

    Archived ones have their checksums.
    """
    row = GALAXIES[wildcards.galaxy]
    archived = {file.path for file in wanted_files(row)}
    own = {column: path for column, path in row.local_files().items() if path not in archived}
    return [f"{column}={sampled_sha256(path)[:16]}" for column, path in sorted(own.items()) if path.is_file()]


# What the explorers show beside the network's answers.
COMPARED_WITH = ["ppxf"] if CONFIG.ppxf.in_explorer else []
WITH_COMPARED = " ".join(f"--{name} {{input.{name}}}" for name in COMPARED_WITH)


def of_galaxy(*names):
    """Return what steps find out of a galaxy, by name."""
    files = {
        "spectra": "spectra.h5",
        "posterior": "posterior.h5",
        "summed": "summed.h5",
        "summed_spectrum": "summed_spectrum.h5",
        "predictive": "predictive.h5",
        "bins": "bins.ecsv",
        "summary": "summary.json",
        "ppxf": "ppxf.h5",
    }
    return {name: f"results/galaxies/{{galaxy}}/{files[name]}" for name in names}
