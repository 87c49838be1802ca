"""Distributions of one parameter, as the configuration names them: quantiles, log densities and support."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from sfhnet.config.base import Section

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

# Every step reads the configuration, the downloads as well: numpy and scipy are loaded by what computes with them.

__all__ = ["Distribution", "Fixed", "LogUniform", "Normal", "Uniform"]

_ARGUMENTS = {
    "uniform": ("low", "high"),
    "log_uniform": ("low", "high"),
    "normal": ("mean", "sd", "low", "high"),
}
_FORMS = "uniform(low, high), log_uniform(low, high), normal(mean, sd) or normal(mean, sd, low, high)"


class Fixed(Section):
    """Always the same value."""

    kind: Literal["fixed"] = "fixed"
    value: float
    """Value of the parameter."""

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        return self.value, self.value

    def quantile(self, u: Array) -> Array:
        """Return the values at cumulative probabilities `u` in [0, 1], in the parameter's unit, same shape."""
        import numpy as np

        return np.full(np.shape(u), self.value)

    def log_density(self, x: Array) -> Array:
        """Return 0 for every value: what is not drawn has no density."""
        import numpy as np

        return np.zeros(np.shape(x))


class Uniform(Section):
    """Even between two ends."""

    kind: Literal["uniform"] = "uniform"
    low: float
    """Lower end."""
    high: float
    """Upper end."""

    @model_validator(mode="after")
    def _check(self) -> Uniform:
        _check_ends(self.low, self.high)
        return self

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        return self.low, self.high

    def quantile(self, u: Array) -> Array:
        """Return the values at cumulative probabilities `u` in [0, 1], in the parameter's unit, same shape."""
        return self.low + u * (self.high - self.low)

    def log_density(self, x: Array) -> Array:
        """Return the natural log of the density per unit of the parameter, -inf outside the support."""
        import numpy as np

        return np.where(_inside(x, self.support), -np.log(self.high - self.low), -np.inf)


class LogUniform(Section):
    """Even in the logarithm between two ends."""

    kind: Literal["log_uniform"] = "log_uniform"
    low: float
    """Lower end, above 0."""
    high: float
    """Upper end."""

    @model_validator(mode="after")
    def _check(self) -> LogUniform:
        _check_ends(self.low, self.high)
        if self.low <= 0:
            raise ValueError(f"low = {self.low:g} of a log_uniform distribution must be above 0")
        return self

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        return self.low, self.high

    def quantile(self, u: Array) -> Array:
        """Return the values at cumulative probabilities `u` in [0, 1], in the parameter's unit, same shape."""
        import numpy as np

        return np.exp(np.log(self.low) + u * np.log(self.high / self.low))

    def log_density(self, x: Array) -> Array:
        """Return the natural log of the density per unit of the parameter, -inf outside the support."""
        import numpy as np

        inside = _inside(x, self.support)
        density = -np.log(np.where(inside, x, 1.0)) - np.log(np.log(self.high / self.low))
        return np.where(inside, density, -np.inf)


class Normal(Section):
    """Normal, cut at the ends that are given."""

    kind: Literal["normal"] = "normal"
    mean: float
    """Mean before it is cut."""
    sd: float
    """Standard deviation before it is cut."""
    low: float | None = None
    """Lower end; null for none."""
    high: float | None = None
    """Upper end; null for none."""

    @model_validator(mode="after")
    def _check(self) -> Normal:
        _check_ends(*self.support)
        if self.sd <= 0:
            raise ValueError(f"sd = {self.sd:g} must be above 0; for one value write the number")
        return self

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        return (-math.inf if self.low is None else self.low, math.inf if self.high is None else self.high)

    def quantile(self, u: Array) -> Array:
        """Return the values at cumulative probabilities `u` in [0, 1], in the parameter's unit, same shape."""
        import numpy as np
        from scipy.special import ndtri

        below, above = self._cut()
        # 3e-8 away from 0 and 1 (5.4 sigma) an uncut normal stays finite
        p = np.clip(below + u * (above - below), 3e-8, 1 - 3e-8)
        return np.clip(self.mean + self.sd * ndtri(p), *self.support)

    def log_density(self, x: Array) -> Array:
        """Return the natural log of the density per unit of the parameter, -inf outside the support."""
        import numpy as np

        below, above = self._cut()
        scale = self.sd * np.sqrt(2 * np.pi) * (above - below)
        density = -0.5 * ((x - self.mean) / self.sd) ** 2 - np.log(scale)
        return np.where(_inside(x, self.support), density, -np.inf)

    def _cut(self) -> tuple[float, float]:
        """Return the probabilities below `low` and below `high` of the normal that is not cut."""
        from scipy.special import ndtr

        low, high = self.support
        return float(ndtr((low - self.mean) / self.sd)), float(ndtr((high - self.mean) / self.sd))


def _check_ends(low: float, high: float) -> None:
    if not low < high:
        raise ValueError(f"low = {low:g} is not below high = {high:g}; for one value write the number")


def _inside(x: Array, support: tuple[float, float]) -> NDArray[np.bool_]:
    import numpy as np

    low, high = support
    margin = 1e-9 * max(abs(v) for v in (low, high, 1.0) if math.isfinite(v))  # rounding in quantile
    return np.logical_and(x >= low - margin, x <= high + margin)


def _parse(given: Any) -> Any:
    """Turn a number or a form such as ``uniform(0, 1)`` into plain data of its kind."""
    if isinstance(given, Mapping | BaseModel):
        return given
    if isinstance(given, int | float) and not isinstance(given, bool):
        return {"kind": "fixed", "value": given}
    match = re.fullmatch(r"\s*(\w+)\s*\(([^()]*)\)\s*", given) if isinstance(given, str) else None
    if match is None or match[1] not in _ARGUMENTS:
        raise ValueError(f"{given!r} is no distribution; write a number or {_FORMS}")
    try:
        numbers = [float(part) for part in match[2].split(",")]
    except ValueError:
        raise ValueError(f"{given!r} has an argument that is no number; write {_FORMS}") from None
    names = _ARGUMENTS[match[1]]
    if len(numbers) not in (2, len(names)):
        raise ValueError(f"{given!r} has {len(numbers)} arguments; write {_FORMS}")
    return {"kind": match[1], **dict(zip(names, numbers, strict=False))}


_ByKind = Annotated[
    Fixed | Uniform | LogUniform | Normal,
    Field(
        discriminator="kind",
        description="""Distribution of one parameter, in the parameter's own unit. Written as a number (always that
        value) or as `uniform(low, high)`, `log_uniform(low, high)`, `normal(mean, sd)` or
        `normal(mean, sd, low, high)`, cut at low and high; or with the keys of its kind.""",
    ),
]

Distribution = Annotated[_ByKind, BeforeValidator(_parse, json_schema_input_type=float | str | _ByKind)]
"""One of the four, from a number, a form or its keys."""
