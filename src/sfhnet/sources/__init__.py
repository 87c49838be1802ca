"""Upstream files: the registry (data/sources.yaml) and how its files are fetched and checked."""

from __future__ import annotations

from typing import Any

from sfhnet.sources.registry import REGISTRY_PATH, Archive, Registry, Source, SourceFile, load_registry

__all__ = [
    "MIRROR_VARIABLE",
    "REGISTRY_PATH",
    "Archive",
    "FetchError",
    "Fetcher",
    "Registry",
    "Source",
    "SourceFile",
    "load_registry",
]


def __getattr__(name: str) -> Any:
    # Fetching needs packages that only the environment of the downloads has; reading the registry does not.
    if name in ("MIRROR_VARIABLE", "FetchError", "Fetcher"):
        from sfhnet.sources import fetch

        return getattr(fetch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
