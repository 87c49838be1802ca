"""Which share of the lines of each room the tests run, from what `make coverage` has measured."""

import sys
from collections.abc import Mapping
from pathlib import Path

from coverage import Coverage


def room_of(file: str) -> str | None:
    """Return package and room of a file, ``sfhnet.priors``; None for one that belongs to no package."""
    for package in ("pyprospect", "sfhnet"):
        parts = Path(file).parts
        if package in parts:
            place = parts[len(parts) - 1 - parts[::-1].index(package) :]
            return ".".join((package, place[1].removesuffix(".py")))
    return None


def by_room(files: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Add up (lines, lines that were run) of files by their rooms."""
    rooms: dict[str, tuple[int, int]] = {}
    for file, (lines, run) in sorted(files.items()):
        room = room_of(file)
        if room is not None:
            before = rooms.get(room, (0, 0))
            rooms[room] = (before[0] + lines, before[1] + run)
    return rooms


def table(rooms: Mapping[str, tuple[int, int]]) -> str:
    """Return a line a room and one for all."""
    total = (sum(lines for lines, _ in rooms.values()), sum(run for _, run in rooms.values()))
    rows = [*rooms.items(), ("all", total)]
    return "\n".join(f"{name:32} {lines:6} lines {run / max(lines, 1):6.1%}" for name, (lines, run) in rows)


def measured(data_file: Path) -> dict[str, tuple[int, int]]:
    """Return (lines, lines that were run) of each file in a data file of coverage."""
    coverage = Coverage(data_file=str(data_file))
    coverage.load()
    found = {}
    for file in coverage.get_data().measured_files():
        _, lines, _, missing, _ = coverage.analysis2(file)
        found[file] = (len(lines), len(lines) - len(missing))
    return found


if __name__ == "__main__":
    print(table(by_room(measured(Path(sys.argv[1])))))
