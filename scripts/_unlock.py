"""Take away the lock of a run that was killed, if it is certain that the run is dead."""

import argparse
import json
import socket
import subprocess
import sys
from pathlib import Path

import psutil


def living_run(folder: Path) -> int | None:
    """Return the id of the Snakemake process that leads a run in the folder, if there is one on this machine."""
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        command = process.info["cmdline"] or []
        started = any(Path(word).name == "snakemake" for word in command[:3])
        # Snakemake starts itself within each job, with --mode: that one leads no run
        if (
            "--mode" not in command
            and process.info["cwd"] == str(folder)
            and (started or command[1:3] == ["-m", "snakemake"])
        ):
            return process.info["pid"]
    return None


def jobs_left(folder: Path) -> list[str]:
    """Return the numbers of the SLURM jobs that work in the folder or wait to.

    Raises
    ------
    RuntimeError
        If SLURM does not answer.
    """
    try:
        done = subprocess.run(
            ["squeue", "--me", "--noheader", "--format=%i %Z"], check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise RuntimeError(f"squeue does not answer ({error})") from error
    rows = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    return [job for job, where in rows if Path(where.strip()).resolve() == folder]


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
    if (here / "logs" / "slurm").is_dir():
        # a run through SLURM was here: its jobs outlive it, and a new run would submit them again beside the living ones
        try:
            left = jobs_left(here)
        except RuntimeError as error:
            sys.exit(
                f"jobs of the last run may be left: {error}. If none is, unlock with: snakemake --unlock"
            )
        if left:
            sys.exit(
                f"SLURM still has {len(left)} jobs of the last run in this folder: wait until they have ended, or end them "
                f"with: scancel {' '.join(left)}"
            )
    print("the last run was killed; taking its lock away, finished files are kept", file=sys.stderr)
    sys.exit(subprocess.run([sys.executable, "-m", "snakemake", "--unlock"], check=False).returncode)
