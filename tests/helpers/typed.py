"""Commands as a person types them, in a process of their own."""

import subprocess
import sys


def sfhnet(*words, cwd) -> subprocess.CompletedProcess[str]:
    """Type a command of `sfhnet`; stdout, stderr and the exit status."""
    return subprocess.run(
        [sys.executable, "-m", "sfhnet", *map(str, words)],
        cwd=cwd,
        text=True,
        capture_output=True,
        check=False,
    )


def said_one_line(done: subprocess.CompletedProcess[str]) -> bool:
    return done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
