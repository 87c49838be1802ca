"""A stand-in for the `conda` command, for tests on machines that have none.

It knows the commands that Snakemake 9 runs and carries them out with py-rattler, the solver and installer of pixi:
what it makes are real conda environments, solved from the YAML, linked with prefix replacement, recorded in
conda-meta/, each with its own interpreter. Not covered: conda's own command line.

    python standin_conda.py setup BASE      writes BASE/bin/conda and BASE/bin/activate
    PATH=BASE/bin:$PATH CONDA_CHANNEL_ALIAS=file:///CHANNELS snakemake --sdm conda ...
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

# The version whose command line this imitates: Snakemake 9 asks for 24.7.1 or later.
VERSION = "24.7.1"
SETTINGS = {"channel_priority": "strict"}

ACTIVATE = """\
# source BASE/bin/activate PREFIX
_prefix="${1:?which environment?}"
if [ ! -d "$_prefix/conda-meta" ]; then echo "not a conda environment: $_prefix" >&2; return 1; fi
export CONDA_PREFIX="$_prefix" CONDA_DEFAULT_ENV="$_prefix" CONDA_SHLVL=1 PATH="$_prefix/bin:$PATH"
for _file in "$_prefix"/etc/conda/activate.d/*.sh; do if [ -e "$_file" ]; then . "$_file"; fi; done
unset _prefix _file
"""


def set_up(base: Path) -> None:
    """Write the `conda` and `activate` programs under BASE/bin."""
    base = base.resolve()
    (base / "bin").mkdir(parents=True, exist_ok=True)
    (base / "conda-meta").mkdir(exist_ok=True)
    command = base / "bin" / "conda"
    this = Path(__file__).resolve()
    command.write_text(f'#!/bin/sh\nSTANDIN_BASE="{base}" exec "{sys.executable}" -I "{this}" "$@"\n')
    command.chmod(0o755)
    (base / "bin" / "activate").write_text(ACTIVATE)


async def create(file: Path, prefix: Path, base: Path) -> None:
    """Solve the YAML's dependencies against its channels and link them into `prefix`."""
    import yaml
    from rattler import Channel, ChannelConfig, Gateway, VirtualPackage, install, solve

    wanted = yaml.safe_load(file.read_text())
    if any(isinstance(spec, dict) for spec in wanted["dependencies"]):
        raise ValueError(f"{file}: a pip section; the steps' environments are made of conda packages alone")
    alias = os.environ["CONDA_CHANNEL_ALIAS"].rstrip("/") + "/"
    where = ChannelConfig(channel_alias=alias, root_dir=str(Path.cwd()))
    with tempfile.TemporaryDirectory() as cache:  # no stale index of a file:// channel
        records = await solve(
            sources=[Channel(name, where) for name in wanted["channels"]],
            specs=wanted["dependencies"],
            platforms=["linux-64", "noarch"],
            virtual_packages=VirtualPackage.detect(),
            gateway=Gateway(cache_dir=cache),
        )
    (base / "pkgs").mkdir(exist_ok=True)
    await install(records=records, target_prefix=prefix, cache_dir=base / "pkgs", show_progress=False)


def env_create(arguments: list[str], base: Path) -> None:
    parser = argparse.ArgumentParser(prog="conda env create")
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--prefix", type=Path, required=True)
    for flag in ("--quiet", "--yes", "--no-default-packages"):
        parser.add_argument(flag, action="store_true")
    args = parser.parse_args(arguments)
    if (args.prefix / "conda-meta").exists():
        raise ValueError(f"prefix already exists: {args.prefix}")
    try:
        asyncio.run(create(args.file, args.prefix, base))
    except BaseException:
        shutil.rmtree(args.prefix, ignore_errors=True)
        raise


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["setup"]:
        return set_up(Path(arguments[1]))
    base = Path(os.environ["STANDIN_BASE"])
    if arguments == ["--version"]:
        print(f"conda {VERSION}")
    elif arguments[:1] == ["info"]:
        print(json.dumps({"conda_prefix": str(base), "platform": "linux-64", "conda_version": VERSION}))
    elif arguments[:2] == ["config", "--get"]:
        asked = [name for name in arguments[2:] if not name.startswith("-")]
        print(json.dumps({"get": {name: SETTINGS[name] for name in asked}, "success": True}))
    elif arguments[:2] == ["env", "create"]:
        env_create(arguments[2:], base)
    elif arguments[:1] == ["clean"]:
        pass  # asked for after each environment; the package cache is kept for the next one
    else:
        raise ValueError(f"this stand-in for conda does not know: {' '.join(arguments)}")
    return None


def leave(code: int) -> None:
    """Leave without Python's finalization, which a still-ending thread of py-rattler 0.28 can crash."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def report(kind: type[BaseException], error: BaseException, trace: object) -> None:
    print(f"{kind.__name__}: {error}", file=sys.stderr)
    leave(1)


if __name__ == "__main__":
    sys.excepthook = report
    main(sys.argv[1:])
    leave(0)
