"""The stored outputs of R ProSpect: all of them, where their folder is beside the checkout, else the sample."""

import os
from pathlib import Path

import h5py

from absence import absent

ROOT = Path(__file__).resolve().parents[2]
SAMPLE_DIR = ROOT / "tests" / "reference"
FULL, SAMPLE = "prospect_reference.h5", "prospect_sample.h5"


def reference_file() -> Path:
    """Return the file that tests compare with.

    It is in the folder that the environment variable PYPROSPECT_REFERENCE names, else in ``shared/reference``
    beside the checkout, else the sample.
    """
    given = os.environ.get("PYPROSPECT_REFERENCE")
    folder = Path(given) if given else ROOT.parent / "shared" / "reference"
    for path in (folder / FULL, folder / SAMPLE):
        if path.is_file():
            return path
    if given:
        raise FileNotFoundError(f"PYPROSPECT_REFERENCE={given} holds neither {FULL} nor {SAMPLE}; correct it")
    return SAMPLE_DIR / SAMPLE


def is_sample(path: Path) -> bool:
    """Return whether `path` is the sample, which lacks groups on purpose."""
    return path.name == SAMPLE


class Reference:
    """The open file, by path of a group; a group that the sample lacks is absent, not an error."""

    def __init__(self, path: Path) -> None:
        self.file = h5py.File(path)
        self.is_sample = is_sample(path)

    def __getitem__(self, path: str):
        if self.is_sample and path not in self.file:
            group = "/".join(path.split("/")[:2])  # one line of pytest's summary, not one a run
            absent(f"the sample of R ProSpect's outputs has no {group} (tests/reference/README.md)")
        return self.file[path]
