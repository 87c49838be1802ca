"""Build a local `file://` channel that stands in for conda-forge in tests.

Reads the unmodified envs/*.yaml and makes every package that they name, and what those need, from what the package
index and this machine have: `python` from a CPython with a prefix of its own, everything else from wheels. So real
solving, linking and activation are tested; whether conda-forge has a name or a version is not.

    python standin_channel.py --envs envs/*.yaml --out CHANNELS/conda-forge --wheels CACHE
"""

import argparse
import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from packaging.specifiers import SpecifierSet
from standin_package import PackageWriter, Python, pack_python, pack_wheel

# index name -> conda-forge name, where they differ
CONDA_NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "tzdata": "python-tzdata",
    "typing-extensions": "typing_extensions",
    "astropy": "astropy-base",
    "dust-extinction": "dust_extinction",
}
INDEX_NAMES = {conda: index for index, conda in CONDA_NAMES.items()}
# conda-forge packages that only ask for a build of another: (package, build)
META_PACKAGES = {"pytorch-cpu": ("pytorch", "cpu*"), "astropy": ("astropy-base", "")}


def requirement(spec: str) -> str:
    """A dependency of an environment file ("numpy >=2,<3", "python=3.11") in the package index's notation."""
    name, version = re.fullmatch(r"([A-Za-z0-9_.-]+)\s*(.*)", spec.strip()).groups()
    name = META_PACKAGES.get(name, (name, ""))[0]
    version = version.strip()
    if version.startswith("=") and not version.startswith("=="):
        version = f"=={version[1:]}.*"
    return f"{INDEX_NAMES.get(name, name)}{version}"


def fetch_wheels(python: Python, requirements: list[str], wheels: Path, pins: list[str]) -> set[Path]:
    """Download the wheels that these requirements resolve to, once each, and return them."""
    with tempfile.TemporaryDirectory() as scratch:
        constraints = Path(scratch, "constraints.txt")
        constraints.write_text("\n".join(pins) + "\n")
        dest = Path(scratch, "wheels")
        # `wheel`, not `download`: what the index has as source only is built
        command = [python.executable, "-m", "pip", "wheel", "-q", "--prefer-binary"]
        command += ["--find-links", str(wheels), "-c", str(constraints), "-w", str(dest)]
        subprocess.run([*command, *requirements], check=True)
        names = [wheel.name for wheel in dest.glob("*.whl")]
        for name in names:
            if not (wheels / name).exists():
                shutil.move(dest / name, wheels / name)
    return {wheels / name for name in names}


def build(envs: list[Path], channel: Path, wheels: Path, pins: list[str]) -> None:
    """Make the channel's packages that are not there yet, and its index."""
    from rattler.index import index_fs

    writer = PackageWriter(channel)
    python = Python.probe(sys.executable)
    if not writer.has("python", python.version):
        pack_python(writer, python)
    wheels.mkdir(parents=True, exist_ok=True)
    needed: set[Path] = set()
    for env in envs:
        specs = yaml.safe_load(env.read_text())["dependencies"]
        wanted = [requirement(spec) for spec in specs]
        for spec in wanted:
            if re.match(r"python[^a-z-]", spec) and python.version not in SpecifierSet(spec[6:]):
                raise ValueError(f"{env}: asks for {spec}; the interpreter here is {python.version}")
        needed |= fetch_wheels(python, [s for s in wanted if not re.match(r"python[^a-z-]", s)], wheels, pins)
    for wheel in sorted(needed):
        mark = channel / ".packed" / wheel.name
        if not mark.exists():
            pack_wheel(writer, wheel, python, CONDA_NAMES)
            mark.parent.mkdir(exist_ok=True)
            mark.touch()
    for meta, (base, build_string) in META_PACKAGES.items():
        for version in writer.versions(base):
            depends = f"{base} {version}{f' {build_string}' if build_string else ''}"
            writer.write(meta, version, "0", depends=[depends], files={}, noarch="generic")
    asyncio.run(index_fs(channel, force=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--envs", nargs="+", type=Path, required=True, help="environment files, read unmodified"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the channel, e.g. X/conda-forge")
    parser.add_argument("--wheels", type=Path, required=True, help="folder that keeps the downloaded wheels")
    parser.add_argument(
        "--pin", nargs="*", default=[], metavar="NAME==VERSION", help="constraints on the wheels"
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    build(args.envs, args.out, args.wheels, args.pin)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # a still-ending thread of py-rattler can crash Python's finalization
