"""Results whose attributes can be had by name too, as R's lists."""

from collections.abc import Iterator
from dataclasses import Field, fields
from typing import Any, ClassVar


class ByName:
    """Mixin of a dataclass: ``result["name"]``, ``result.keys()``, ``dict(result)``."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __getitem__(self, name: str) -> Any:
        if name not in self.keys():
            raise KeyError(f"no result {name!r}; there are {', '.join(self.keys())}")
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> list[str]:
        """Return the names of the results."""
        return [field.name for field in fields(self)]
