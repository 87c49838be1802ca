"""Take away the lock of a run that was killed, if it is certain that the run is dead."""

import argparse
import json
import socket
import subprocess
import sys
from pathlib import Path

import psutil


def living_run(folder: Path) -> int | None:
    """Return the id of a Snakemake process that works in the folder, if there is one on this machine."""
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        command = process.info["cmdline"] or []
        started = any(Path(word).name == "snakemake" for word in command[:3])
        if process.info["cwd"] == str(folder) and (started or command[1:3] == ["-m", "snakemake"]):
            return process.info["pid"]
    return None


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    here = Path.cwd()
    if not any((here / ".snakemake" / "locks").glob("*.lock")):
        sys.exit(0)
    if (pid := living_run(here)) is not None:
        sys.exit(
            f"another run is at work in this folder (process {pid}); wait for it, or end it with: kill -INT {pid}"
        )
    record = here / ".snakemake" / "run.json"
    host = json.loads(record.read_text())["host"] if record.is_file() else "an unknown machine"
    if host != socket.gethostname():
        sys.exit(
            f"this folder is locked by a run on {host}. If that run is dead and none of its cluster jobs is left "
            "(squeue --me), unlock with: snakemake --unlock"
        )
    print("the last run was killed; taking its lock away, finished files are kept", file=sys.stderr)
    sys.exit(subprocess.run([sys.executable, "-m", "snakemake", "--unlock"], check=False).returncode)
