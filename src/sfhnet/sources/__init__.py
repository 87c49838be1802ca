"""Upstream files: the registry (data/sources.yaml) and how its files are fetched and checked."""

from sfhnet.sources.fetch import MIRROR_VARIABLE, Fetcher, FetchError
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
