"""What a test does without the data that it needs."""

import os

import pytest

IN_CI = os.environ.get("CI", "").lower() in ("1", "true")


def absent(reason):
    """Skip with the reason; in CI, where nothing may be left out in silence, fail."""
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)
