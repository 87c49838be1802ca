"""Integrals as R's ``integrate`` gives them."""

from collections.abc import Callable

import numpy as np
from scipy.integrate import quad

__all__ = ["r_integrate"]

_TOLERANCE = 2.0**-13  # fourth root of the rounding of a double, R's default for both tolerances


def r_integrate(
    function: Callable[[np.ndarray], np.ndarray], lower: float, upper: float, *, what: str = "the function"
) -> float:
    """Return the integral at R's default tolerance: QUADPACK dqags, bit-identical to R.

    Parameters
    ----------
    function : callable
        Takes and gives a vector.
    lower, upper : float
        Limits.
    what : str
        Name of `function` for the message of a failure.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        An integral that does not converge within 100 intervals, where R stops too.
    """
    at = np.empty(1)

    def integrand(x: float) -> float:
        at[0] = x
        return np.asarray(function(at)).item()

    value, _, info, *trouble = quad(
        integrand, lower, upper, epsabs=_TOLERANCE, epsrel=_TOLERANCE, limit=100, full_output=1
    )
    if trouble:
        raise ValueError(
            f"{what} cannot be integrated over {lower:g} to {upper:g} after {info['neval']} evaluations "
            f"({trouble[0].splitlines()[0].strip()})"
        )
    return float(value)
