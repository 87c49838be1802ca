# The configuration, checked as a whole before any job, and the copy of it that the jobs read.
import hashlib

import yaml

from sfhnet.config import load_config
from sfhnet.tools.atomic_files import write_text

if workflow.config_settings.config and not AS_MODULE:
    raise WorkflowError(
        f"settings on the command line ({', '.join(workflow.config_settings.config)}): put them in a file and give "
        "--configfile FILE, so that the file tells later what was run"
    )


def kept(text, kind):
    """Keep a configuration under a name that its content decides, and return the name.

    The jobs of a run read what the run began with, even if someone edits a file meanwhile.
    """
    path = Path(".snakemake", "phangs-sfh", f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.{kind}")
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    return str(path)


if AS_MODULE:
    # What the other workflow gives, on top of the project's own. The dump undoes how Snakemake reads YAML: 1e-3 is a word
    # to it, and a number to the reader of this project.
    OVERLAYS = [kept(yaml.safe_dump(dict(config)), "yaml")]
else:
    OVERLAYS = [shown(Path(str(file))) for file in workflow.overwrite_configfiles]
CONFIG_FILES = list(dict.fromkeys([BASE_CONFIG, *OVERLAYS]))
try:
    CONFIG = load_config(CONFIG_FILES)
except (ValueError, FileNotFoundError) as error:
    raise WorkflowError(str(error)) from error


def with_places(config):
    """Return the configuration with its paths as seen from where Snakemake works.

    A sample sheet that is found in the project names files of the project.
    """
    galaxies, sources = config.galaxies, config.sources
    sheet = located(galaxies.sheet)
    beside = shown if Path(galaxies.sheet).exists() else of_project
    places = {"sheet": Path(sheet), "data_dir": Path(beside(galaxies.data_dir))}
    if galaxies.model_is_folder:
        places["model"] = located(galaxies.model)
    mirror = sources.data_mirror and Path(located(sources.data_mirror))
    return config.model_copy(
        update={
            "galaxies": galaxies.model_copy(update=places),
            "sources": sources.model_copy(
                update={"data_dir": Path(located(sources.data_dir)), "data_mirror": mirror}
            ),
        }
    )


PLACED = with_places(CONFIG)
# Named without the files it came from: an overlay's name never meets a shell.
JOB_CONFIG = kept(PLACED.model_dump_json(indent=1), "json")
