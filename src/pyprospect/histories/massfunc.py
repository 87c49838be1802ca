"""Star-formation histories: SFR in Msol/yr at a look-back age in yr.

The functions have ProSpect's names without the prefix ``massfunc_``, its argument names and its defaults:
ages come in yr, every time parameter is in Gyr, every rate in Msol/yr. Common to all: ages below 1e5 yr
count as 1e5 yr, a negative rate becomes zero, and there is no star formation before `magemax`.

Source: ProSpect 1.11.0 (Robotham et al. 2020, MNRAS 495, 905, Sections 3.1 and 3.2).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from pyprospect.arguments import checked
from pyprospect.histories.by_name import by_name
from pyprospect.histories.smooth import (
    dtau,
    exp,
    exp_burst,
    snorm,
    snorm_burst,
    snorm_burst_trunc,
    snorm_trunc,
)
from pyprospect.histories.tabulated import custom, integral_of_custom
from pyprospect.histories.through_nodes import b5, const, p2, p3, p3_burst, p4, p6
from pyprospect.numerics.quadrature import r_integrate

__all__ = [
    "FUNCTIONS",
    "b5",
    "const",
    "custom",
    "dtau",
    "exp",
    "exp_burst",
    "integrate",
    "p2",
    "p3",
    "p3_burst",
    "p4",
    "p6",
    "resolve",
    "snorm",
    "snorm_burst",
    "snorm_burst_trunc",
    "snorm_trunc",
]

MassFunction = Callable[..., np.ndarray]

FUNCTIONS: dict[str, MassFunction] = {
    function.__name__: function
    for function in (
        const,
        p2,
        p3,
        p3_burst,
        p4,
        p6,
        b5,
        exp,
        exp_burst,
        snorm,
        snorm_burst,
        snorm_trunc,
        snorm_burst_trunc,
        dtau,
        custom,
    )
}
"""Every history by its name."""


def resolve(massfunc: str | MassFunction) -> MassFunction:
    """Return the function of a name, with or without ProSpect's prefix ``massfunc_``, or the callable.

    Raises
    ------
    ValueError
        A name that no function has.
    """
    return by_name(massfunc, FUNCTIONS, prefix="massfunc_", what="star-formation history")


@checked
def integrate(massfunc: str | MassFunction, lower: float, upper: float, **parameters: Any) -> float:
    """Return the mass formed (Msol) between two look-back ages (yr), integrated as R's ``integrate`` does.

    Parameters
    ----------
    massfunc : str or callable
        History; a callable with an attribute ``integral(lower, upper, **parameters)`` is integrated by it.
    lower, upper : float
        Ages in yr.
    **parameters
        Arguments of the history.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        An integral that does not converge.

    Notes
    -----
    See `pyprospect.numerics.quadrature.r_integrate`. A burst leaves errors of up to 1e-3 of the true integral.
    """
    function = resolve(massfunc)
    exact = integral_of_custom if function is custom else getattr(function, "integral", None)
    if exact is not None:
        return exact(lower, upper, **parameters)
    try:
        return r_integrate(
            lambda age: function(age, **parameters), lower, upper, what="the star-formation history"
        )
    except ValueError as error:
        raise ValueError(
            f"{error} yr; smooth it, or tabulate it with massfunc.custom, whose integral is exact"
        ) from error
