"""The lock of a run that was killed: taken away if it is certain that the run is dead."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

__all__ = ["release"]


def release(folder: Path, *options: str) -> None:
    """Take away the lock that a dead run left in a folder; do nothing where there is none.

    Parameters
    ----------
    folder : Path
        In which Snakemake works.
    *options : str
        Further options of ``snakemake --unlock``, e.g. which Snakefile.

    Raises
    ------
    RuntimeError
        If a run is at work there, or may be: on another machine, in a step that outlived it, or in jobs that it left with
        SLURM.
    """
    folder = folder.resolve()
    if not any((folder / ".snakemake" / "locks").glob("*.lock")):
        return
    if (pid := _living_run(folder)) is not None:
        raise RuntimeError(
            f"another run is at work in this folder (process {pid}); wait for it, or end it with: kill -INT {pid}"
        )
    if (step := _step_left(folder)) is not None:
        pid, name = step
        raise RuntimeError(
            f"the last run was killed, but its step {name} is still at work (process {pid}): wait until it has ended, or end "
            f"it with: kill {pid}"
        )
    host = _host_of_last_run(folder)
    if host != socket.gethostname():
        raise RuntimeError(
            f"this folder is locked by a run on {host}. If that run is dead and none of its cluster jobs is left "
            "(squeue --me), unlock with: snakemake --unlock"
        )
    # a run through SLURM was here: its jobs outlive it, and a new run would submit them again beside the living ones
    if (folder / "logs" / "slurm").is_dir() and (left := _jobs_left(folder)):
        raise RuntimeError(
            f"SLURM still has {len(left)} jobs of the last run in this folder: wait until they have ended, or end them "
            f"with: scancel {' '.join(left)}"
        )
    sys.stderr.write("the last run was killed; taking its lock away, finished files are kept\n")
    command = [sys.executable, "-m", "snakemake", "--unlock", "--directory", str(folder), *options]
    if status := subprocess.run(command, check=False).returncode:
        raise RuntimeError(f"the lock is still there: snakemake --unlock ended with {status}")


def _host_of_last_run(folder: Path) -> str:
    """Return the machine that the last run was on; a disk that is full may have left nothing of its record."""
    try:
        return str(json.loads((folder / ".snakemake" / "run.json").read_text())["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return "an unknown machine"


def _step_left(folder: Path) -> tuple[int, str] | None:
    """Return process and name of a step that works in the folder without a run, if there is one on this machine."""
    import psutil  # of the extra `workflow`, as Snakemake is

    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        command = process.info["cmdline"] or []
        # what stands before the options of the script: python, a launcher, the script
        words = command[: command.index("--config")] if "--config" in command else []
        if process.info["cwd"] == str(folder) and process.info["pid"] != os.getpid():
            for script in (Path(word) for word in words):
                if script.suffix == ".py" and script.parent.name == "scripts":
                    return process.info["pid"], script.stem
    return None


def _living_run(folder: Path) -> int | None:
    """Return the id of the Snakemake process that leads a run in the folder, if there is one on this machine."""
    import psutil  # of the extra `workflow`, as Snakemake is

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


def _jobs_left(folder: Path) -> list[str]:
    """Return the numbers of the SLURM jobs that work in the folder or wait to."""
    try:
        done = subprocess.run(
            ["squeue", "--me", "--noheader", "--format=%i %Z"], check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise RuntimeError(
            f"jobs of the last run may be left: squeue does not answer ({error}). If none is, unlock with: "
            "snakemake --unlock"
        ) from error
    rows = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    return [job for job, where in rows if Path(where.strip()).resolve() == folder]
