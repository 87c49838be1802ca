"""The parameters of a fit, each free, fixed or tied, and where the free ones lie in the vector that samplers move."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyprospect.fit.priors import Prior

__all__ = ["Parameters", "Values"]

Values = dict[str, Tensor]


class Parameters:
    """What is free, what is fixed, and what follows from others.

    Parameters
    ----------
    given : mapping of str to Prior, number, array or callable
        A `Prior` makes a parameter free; a number or array fixes it; a function of the dict of all others ties
        it: ``lambda p: 2 * p["tau_screen"]``. Tied ones are computed in their order.
    log_prior : callable, optional
        ProSpect's ``prior``: a function of the dict of values (tensors with the draws along the first axis)
        that returns what is added to the log of the prior, (n,).
    """

    def __init__(self, given: Mapping[str, Any], log_prior: Callable[[Values], Tensor] | None = None) -> None:
        self.log_prior = log_prior
        self.priors = {name: value for name, value in given.items() if isinstance(value, Prior)}
        self.tied: dict[str, Callable[[Values], Tensor]] = {}
        self.fixed: dict[str, Tensor] = {}
        for name, value in given.items():
            if isinstance(value, Prior):
                continue
            if callable(value):
                self.tied[name] = value
                continue
            number = np.asarray(value, dtype=float)
            if number.ndim > 1 or not np.isfinite(number).all():
                raise ValueError(
                    f"{name}={value!r} is not a number; give a Prior, a number, a vector or a function of the others"
                )
            self.fixed[name] = torch.as_tensor(number)
        if not self.priors:
            raise ValueError("no parameter is free; give at least one a prior, such as Uniform(8, 12)")
        self.slices: dict[str, slice] = {}
        start = 0
        for name, prior in self.priors.items():
            self.slices[name] = slice(start, start + prior.n_normal)
            start += prior.n_normal
        self.n_free = start

    @property
    def names(self) -> tuple[str, ...]:
        """Every parameter, free or not."""
        return (*self.priors, *self.fixed, *self.tied)

    @property
    def labels(self) -> tuple[str, ...]:
        """One name a number of the free parameters; ``name[i]`` for vectors."""
        out: list[str] = []
        for name, prior in self.priors.items():
            out += [f"{name}[{i}]" for i in range(prior.n_value)] if prior.n_value else [name]
        return tuple(out)

    def check_names(self, known: Iterable[str]) -> None:
        """Raise ValueError for a parameter that nobody asks for, with the nearest name that is.

        A name with an underscore before it is one that only tied parameters look at.
        """
        known = sorted(known)
        for name in self.names:
            if name not in known and not name.startswith("_"):
                near = difflib.get_close_matches(name, known, 1)
                hint = f"do you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
                raise ValueError(f"parameter {name!r} is not one of this model; {hint}")

    def values(self, u: Tensor) -> Values:
        """Return every parameter at standard normal coordinates (n, n_free); (n,) or (n, k) each."""
        out = {name: prior.from_normal(u[:, self.slices[name]]) for name, prior in self.priors.items()}
        out |= {name: value.to(u).expand(len(u), *value.shape) for name, value in self.fixed.items()}
        for name, function in self.tied.items():
            out[name] = function(out)
        return out

    def to_normal(self, values: Mapping[str, Any]) -> Tensor:
        """Return the coordinates (n, n_free) of values of the free parameters.

        Raises
        ------
        ValueError
            If one is missing, or its prior excludes it: the message names parameter, value and prior.
        """
        missing = [name for name in self.priors if name not in values]
        if missing:
            raise ValueError(f"the start lacks {', '.join(missing)}; give every free parameter")
        parts = []
        for name, prior in self.priors.items():
            value = torch.as_tensor(np.asarray(values[name], dtype=float))
            value = value.reshape(-1, prior.n_value) if prior.n_value else value.reshape(-1)
            try:
                parts.append(prior.to_normal(value))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        return torch.cat(parts, dim=1)

    def replaced(self, u: Tensor, name: str, value: Tensor) -> Tensor:
        """Return coordinates (n, n_free) with another value (n,) of one number, brought inside its prior."""
        prior, out = self.priors[name], u.clone()
        edge = torch.tensor([[-3.0], [3.0]], dtype=torch.float64)
        low, high = prior.from_normal(edge).tolist()
        out[:, self.slices[name]] = prior.to_normal(value.clamp(low, high))
        return out

    def flat(self, values: Values) -> Tensor:
        """Return the free parameters side by side, (n, n_label)."""
        parts = [values[name] if p.n_value else values[name][:, None] for name, p in self.priors.items()]
        return torch.cat(parts, dim=1)

    def added(self, values: Values) -> Tensor | float:
        """Return what `log_prior` adds."""
        return 0.0 if self.log_prior is None else self.log_prior(values)
