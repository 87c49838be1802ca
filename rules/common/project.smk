# Where the project's own files lie, and where Snakemake works. They are one folder, or two: docs/running.md.
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Of this file, not of the first one that Snakemake read: that may be another workflow, which uses this one as a module.
ROOT = Path(str(workflow.current_basedir)).resolve().parents[1]
HERE = Path.cwd()
AS_MODULE = Path(workflow.main_snakefile).resolve() != ROOT / "Snakefile"
if set(":{}") & set(str(ROOT)):
    raise WorkflowError(
        f"the project lies in {ROOT}: Python finds no code in a folder with a colon, and Snakemake takes braces for a "
        "wildcard; rename the folder"
    )
sys.path.insert(0, str(ROOT / "src"))


def shown(path):
    """Return a path as seen from the folder in which Snakemake works: relative to it, if it is inside."""
    path = Path(HERE, path)
    return str(path.relative_to(HERE)) if path.is_relative_to(HERE) else str(path)


def of_project(path):
    """Return the path of one of the project's own files."""
    return shown(ROOT / path)


def located(path):
    """Return the path of what the configuration names: where Snakemake works if it is there, else in the project."""
    return shown(path) if Path(path).exists() else of_project(path)


def plain(path):
    """Return a path that may be a rule's input or output; one with {word} in it Snakemake would fill in.

    Raises
    ------
    WorkflowError
        If it has braces.
    """
    if re.search("[{}]", str(path)):
        raise WorkflowError(f"{path} has braces in its name, which Snakemake takes for a wildcard: rename it")
    return str(path)


def one_of(names):
    """Return the pattern of a wildcard that has one of these values; no value is empty, so no names match nothing."""
    return "|".join(map(re.escape, names)) or "$^"
