"""What all scripts share: options, logging, threads, and the guard that a promised environment is active."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import sys
import time
from pathlib import Path

from tqdm import tqdm

from sfhnet.tools.progress import on_terminal

__all__ = ["parser", "setup"]

_log = logging.getLogger("sfhnet")


def parser(description: str, config: bool = True) -> argparse.ArgumentParser:
    """Make the argument parser of a script with the options every script has.

    Parameters
    ----------
    description : str
        What the script does, shown by ``--help``; usually the script's docstring.
    config : bool
        Whether the script reads the configuration (``--config``).
    """
    result = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if config:
        result.add_argument(
            "--config",
            type=Path,
            nargs="+",
            default=[Path("config.yaml")],
            metavar="FILE",
            help="configuration, then overlays on it (default: config.yaml)",
        )
    result.add_argument("--log", type=Path, metavar="FILE", help="write plain progress lines to this file")
    result.add_argument(
        "--threads", type=int, metavar="N", help="threads to use (default: all that are given)"
    )
    result.add_argument(
        "--require-env",
        action="store_true",
        help="refuse to run outside an activated conda environment of this step",
    )
    return result


def setup(args: argparse.Namespace) -> None:
    """Set logging and threads from the options of `parser`, and check the environment if asked to.

    Call it before numpy or torch are imported where the number of threads matters; torch's own setting is
    changed too if it is loaded.

    Raises
    ------
    SystemExit
        If ``--require-env`` was given and the interpreter is not the one of an activated environment.
    """
    _logging(args.log)
    sys.excepthook = _excepthook
    if args.require_env:
        _require_env()
    if args.threads is not None:
        if args.threads < 1:
            raise SystemExit(f"--threads is {args.threads}; give 1 or more")
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(args.threads)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(args.threads)


class _BarSafeHandler(logging.StreamHandler):
    # A line printed through tqdm does not tear a progress bar.
    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


def _logging(log: Path | None) -> None:
    handlers: list[logging.Handler] = []
    console = _BarSafeHandler()
    # The bar shows progress on a terminal; its lines would only repeat it there.
    if on_terminal():
        console.addFilter(lambda record: record.name != "sfhnet.tools.progress")
    handlers.append(console)
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log, mode="w", encoding="utf-8"))
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")
    formatter.converter = time.gmtime
    for handler in handlers:
        handler.setFormatter(formatter)
    root = logging.getLogger("sfhnet")
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    root.setLevel(logging.INFO)
    root.propagate = False
    for handler in handlers:
        root.addHandler(handler)
    logging.captureWarnings(True)
    warnings_log = logging.getLogger("py.warnings")
    warnings_log.handlers = handlers
    warnings_log.propagate = False


def _excepthook(kind: type[BaseException], error: BaseException, trace: object) -> None:
    # The traceback goes to the log, where the workflow points its user; the sentence comes last.
    if issubclass(kind, KeyboardInterrupt):
        _log.error("interrupted")
        return
    _log.error("%s", error, exc_info=(kind, error, trace))
    _log.error("failed: %s: %s", kind.__name__, error)


def _require_env() -> None:
    promised = os.environ.get("CONDA_PREFIX")
    if promised is None or Path(promised).resolve() != Path(sys.prefix).resolve():
        raise SystemExit(
            f"this step was promised its own conda environment but runs in {sys.prefix} "
            f"(CONDA_PREFIX is {promised}): the activation failed. Remove that environment under "
            ".snakemake/conda (or your --conda-prefix) and run again."
        )
    if importlib.util.find_spec("snakemake") is not None:
        raise SystemExit(
            f"this step was promised its own conda environment, but {sys.prefix} holds snakemake, which no "
            "step environment does: Snakemake's own environment is active instead."
        )
