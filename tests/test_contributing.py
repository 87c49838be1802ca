"""CONTRIBUTING.md sends nobody astray: the files and tests that its recipes name are there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()


def test_the_recipes_name_files_that_are_there():
    named = set(re.findall(r"`((?:src|tests|scripts|rules|data|configs|\.github)/[\w./]+)`", PAGE))
    assert len(named) > 30
    real = {name for name in named if not re.search(r"/[A-Z]+\.", name)}  # not scripts/NAME.py
    missing = sorted(name for name in real if not (ROOT / name).exists())
    assert not missing, f"CONTRIBUTING.md names {missing}"


def test_the_tests_it_names_exist():
    functions = set(re.findall(r"`(test_\w+)`", PAGE))
    text = "".join(path.read_text() for path in ROOT.glob("tests/sfhnet/**/test_*.py"))
    assert len(functions) >= 4
    missing = [name for name in functions if f"def {name}(" not in text]
    assert not missing, f"CONTRIBUTING.md names the tests {missing}"
