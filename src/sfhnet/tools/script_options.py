"""What all scripts share: options, logging, threads, and the guard that a promised environment is active."""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import logging
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from tqdm import tqdm

from sfhnet.tools.checkout import find_checkout
from sfhnet.tools.progress import on_terminal

__all__ = ["ABOUT_CONFIG", "Parser", "add_config", "add_options", "nearest", "parser", "setup", "with_base"]

_log = logging.getLogger("sfhnet")

# What overlays lie on.
_BASE = Path("config.yaml")

ABOUT_CONFIG = "overlays on config.yaml, the later ones on top"
"""What ``--help`` says of ``--config``."""


class _Option(NamedTuple):
    metavar: str
    about: str
    kind: type = Path
    nargs: str | None = None


# What an option means wherever it is taken, by its name. Several files are one or more, but for those with *.
_OPTIONS = {
    # ingredients of the forward model
    "ssp": _Option("FILE", "SSP library (HDF5), made by build_ssp"),
    "filters": _Option("DIR", "folder of filter curves, as fetched: DATA_DIR/hst_filters"),
    "mappings": _Option("FILE", "lines of HII regions, as fetched: DATA_DIR/mappings51/NB_HII_grid.fits.gz"),
    "cloudy": _Option("FILE", "lines of HII regions by Cloudy, as fetched: DATA_DIR/cloudy_lines/*.fits"),
    # mocks
    "shards": _Option("FILE", "shards of mocks, made by synthesize", nargs="+"),
    "validation": _Option("FILE", "shards held out of the training", nargs="+"),
    "stress": _Option("FILE", "shards of stress_mocks, each named after its kind", nargs="*"),
    "case": _Option("NAME", "benchmark set, e.g. real_snr050", kind=str),
    # a network, and what it was measured to do
    "model-dir": _Option("DIR", "folder of a trained model, with model.json"),
    "metrics": _Option("FILE", "metrics.json of validate_model, one a model", nargs="+"),
    "h5": _Option("FILE", "validation.h5 of validate_model, in the same order", nargs="+"),
    # a galaxy
    "galaxy": _Option("NAME", "name in the sample sheet", kind=str),
    "spectra": _Option("FILE", "spectra.h5 of prepare_galaxy"),
    "posterior": _Option("FILE", "posterior.h5 of infer_galaxy"),
    "predictive": _Option("FILE", "predictive.h5 of check_galaxy"),
    "ppxf": _Option("FILE", "ppxf.h5 of fit_ppxf_galaxy"),
}


def add_options(to: argparse.ArgumentParser, *names: str, required: bool = True) -> None:
    """Declare options that several scripts take, each with the one wording that it has everywhere.

    Parameters
    ----------
    to : ArgumentParser
        Parser that gets them.
    *names : str
        Their names without dashes, e.g. ``"ssp", "filters", "mappings"``.
    required : bool
        Whether they must be given; without it one that is left out is None. Options that take any number of files
        (``stress``) need not be given, and are then an empty list.

    Raises
    ------
    ValueError
        If a name is not shared.
    """
    for name in names:
        if name not in _OPTIONS:
            raise ValueError(f"no option --{name} is shared{nearest(name, _OPTIONS)}")
        option = _OPTIONS[name]
        to.add_argument(
            f"--{name}",
            type=option.kind,
            metavar=option.metavar,
            nargs=option.nargs,
            help=option.about,
            required=required and option.nargs != "*",
            default=[] if option.nargs == "*" else None,
        )


def add_config(
    to: argparse.ArgumentParser,
    default: Iterable[str] = (),
    *,
    about: str = ABOUT_CONFIG,
    required: bool = True,
) -> None:
    """Declare ``--config``, any number of overlays; what is parsed begins with what they lie on (`with_base`).

    Parameters
    ----------
    to : ArgumentParser
        Parser to extend.
    default : iterable of str
        Overlays without the option.
    about : str
        What ``--help`` says of it.
    required : bool
        Whether the command needs a configuration; without one, `config` is None if the option is not given.
    """
    files = [Path(name) for name in default]
    note = f" (default: {' '.join(map(str, files)) or 'config.yaml alone'})" if required else ""
    to.add_argument(
        "--config",
        type=Path,
        nargs="+",
        action=_Overlays,
        default=with_base(files) if required else None,
        metavar="FILE",
        help=f"{about}{note}",
    )


def with_base(overlays: Sequence[Path]) -> list[Path]:
    """Return configuration files from the one that the others are laid on.

    Parameters
    ----------
    overlays : sequence of Path
        As they were given. The first may be a ``config.yaml``, or a ``.json`` file, in which a run keeps its whole
        configuration: they stay as they are then.

    Returns
    -------
    list of Path
        The ``config.yaml`` of the working directory if there is one, else the project's, and the overlays.

    Raises
    ------
    ValueError
        If a ``config.yaml`` lies on overlays, which it would hide.
    """
    late = [file for file in overlays[1:] if file.name == _BASE.name]
    if late:
        raise ValueError(
            f"{late[0]} would hide {overlays[0]}: overlays lie on it; leave it out or name it first"
        )
    if overlays and (overlays[0].name == _BASE.name or overlays[0].suffix == ".json"):
        return list(overlays)
    if _BASE.is_file():
        return [_BASE, *overlays]
    try:
        return [find_checkout() / _BASE, *overlays]
    except FileNotFoundError:
        # Installed without the workflow: what no overlay says has the value that the schema gives it.
        return list(overlays) or [_BASE]


class _Overlays(argparse.Action):
    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_: Any
    ) -> None:
        try:
            setattr(namespace, self.dest, with_base(values))
        except ValueError as error:
            raise argparse.ArgumentError(self, str(error)) from error


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint to the known word that is nearest to one that is not known.

    Parameters
    ----------
    word : str
        What was given.
    known : iterable of str
        What there is.

    Returns
    -------
    str
        ``"; did you mean X?"``, or nothing if none is near.
    """
    close = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""


class Parser(argparse.ArgumentParser):
    """A parser that names the nearest option when one is mistyped; its text keeps the lines that it was given."""

    about_unknown = ""
    """What else to say of an option that is not known."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    # The namespace is whatever object the caller wants to have filled, hence Any.
    def parse_known_args(
        self, args: Iterable[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse as argparse does, but refuse a mistyped option before anything that it leaves out is missed."""
        words = sys.argv[1:] if args is None else list(args)
        for word in words:
            name = word.split("=")[0]
            if word == "--":
                break
            if name.startswith("--") and not any(
                known.startswith(name) for known in self._option_string_actions
            ):
                near = nearest(name, self._option_string_actions)
                self.error(f"there is no option {name}{near or self.about_unknown}")
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """Exit with 2 and a message that says what is wrong with the command line."""
        is_unknown = message.startswith("unrecognized arguments")
        super().error(f"{message}{self.about_unknown if is_unknown else ''}")


def parser(description: str, config: bool = True) -> Parser:
    """Make the argument parser of a script with the options every script has.

    Parameters
    ----------
    description : str
        What the script does, shown by ``--help``; usually the script's docstring.
    config : bool
        Whether the script reads the configuration (``--config``).

    Returns
    -------
    Parser
    """
    result = Parser(description=description)
    if config:
        add_config(result)
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
    _log.error("%s", error, exc_info=error)
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
