"""Quality flags: one bit each, set per spectrum and kept through every product."""

from __future__ import annotations

from enum import IntFlag

import numpy as np

__all__ = ["MEANING", "QUALITY", "UNUSABLE", "Flag", "count", "describe_flags", "quality"]


class Flag(IntFlag):
    """Bits of the ``flags`` column (uint32) of spectra, posteriors and maps."""

    NONE = 0
    LOW_SNR = 1 << 0
    OUT_OF_DISTRIBUTION = 1 << 1
    MISSING_BANDS = 1 << 2
    MASKED_PIXELS = 1 << 3
    BAD_FIT = 1 << 4
    EDGE_OF_PRIOR = 1 << 5
    KINEMATICS_FIXED = 1 << 6
    NO_VALID_PIXELS = 1 << 7
    BAD_SIGMA = 1 << 8
    NOT_FINITE = 1 << 9
    NEGATIVE_FLUX = 1 << 10
    HIGH_SNR = 1 << 11
    WRONG_UNITS = 1 << 12
    OTHER_WINDOW = 1 << 13
    NO_BANDS = 1 << 14
    RESOLUTION = 1 << 15
    NOISE_RESCALED = 1 << 16
    MUSE_HST_DISAGREE = 1 << 17
    FOREGROUND = 1 << 18
    NOT_REPRODUCED = 1 << 19
    DRAWS_OFF = 1 << 20
    UNSTABLE = 1 << 21
    NOT_A_GALAXY = 1 << 22
    AGN_LIKE = 1 << 23
    REDSHIFT = 1 << 24
    NARROW_WINDOW = 1 << 25
    ERRORS_MEASURED = 1 << 26


MEANING: dict[Flag, str] = {
    Flag.LOW_SNR: "median S/N per pixel below the range the network was trained on",
    Flag.OUT_OF_DISTRIBUTION: "spectrum or colours unlike any mock: do not trust the numbers",
    Flag.MISSING_BANDS: "at least one band is absent",
    Flag.MASKED_PIXELS: "more than a tenth of the pixels are masked",
    Flag.BAD_FIT: "the network's linear basis does not describe this spectrum within its errors",
    Flag.EDGE_OF_PRIOR: "a point estimate lies in the outer half per cent of the training labels",
    Flag.KINEMATICS_FIXED: "velocity or dispersion was assumed, not fitted",
    Flag.NO_VALID_PIXELS: "no pixel is usable: no result",
    Flag.BAD_SIGMA: "errors that were zero, negative or not finite; those pixels were masked",
    Flag.NOT_FINITE: "fluxes that were not finite; those pixels were masked",
    Flag.NEGATIVE_FLUX: "the median flux is not positive: no result",
    Flag.HIGH_SNR: "median S/N per pixel above the range the network was trained on",
    Flag.WRONG_UNITS: "bands and spectrum differ by a factor beyond any galaxy: check their units; bands ignored",
    Flag.OTHER_WINDOW: "the preferred normalisation window was masked, another one was used",
    Flag.NO_BANDS: "no band at all: the result rests on the spectrum alone",
    Flag.RESOLUTION: "lines broader than the training resolution; they could not be matched",
    Flag.NOISE_RESCALED: "the errors in the file were too small and were scaled up by more than two",
    Flag.MUSE_HST_DISAGREE: "MUSE and HST fluxes disagree beyond their errors",
    Flag.FOREGROUND: "a foreground star or a masked region lies inside the bin",
    Flag.NOT_REPRODUCED: "the forward model on the posterior's draws misses the spectrum or bands by more than on mocks",
    Flag.DRAWS_OFF: "the model that fits the spectrum lies further from the posterior's draws than on mocks",
    Flag.UNSTABLE: "the answer without lines, or to a part of the range, differs by more of its interval than on mocks; intervals were widened",
    Flag.NOT_A_GALAXY: "no redshift from -0.005 to 0.15 makes this a galaxy's spectrum: no result",
    Flag.AGN_LIKE: "broad or highly excited lines: light of an active nucleus, which no mock has",
    Flag.REDSHIFT: "the spectrum clearly lies at another redshift than was given",
    Flag.NARROW_WINDOW: "less of the range is there than the network was trained on; intervals were widened",
    Flag.ERRORS_MEASURED: "the file has no errors; they were measured from the scatter of the spectra and of the residuals",
}

# Quality levels, the worst last, and the flags that bring a bin there.
QUALITY: tuple[tuple[str, Flag], ...] = (
    ("nothing found wrong", Flag.NONE),
    (
        "take note",
        Flag.LOW_SNR
        | Flag.HIGH_SNR
        | Flag.MISSING_BANDS
        | Flag.MASKED_PIXELS
        | Flag.KINEMATICS_FIXED
        | Flag.NOISE_RESCALED
        | Flag.NOT_FINITE
        | Flag.BAD_SIGMA
        | Flag.OTHER_WINDOW
        | Flag.ERRORS_MEASURED,
    ),
    (
        "doubtful",
        Flag.BAD_FIT
        | Flag.EDGE_OF_PRIOR
        | Flag.RESOLUTION
        | Flag.FOREGROUND
        | Flag.MUSE_HST_DISAGREE
        | Flag.NOT_REPRODUCED
        | Flag.DRAWS_OFF
        | Flag.WRONG_UNITS
        | Flag.UNSTABLE
        | Flag.NARROW_WINDOW
        | Flag.REDSHIFT,
    ),
    (
        "not to be used",
        Flag.OUT_OF_DISTRIBUTION
        | Flag.NO_VALID_PIXELS
        | Flag.NEGATIVE_FLUX
        | Flag.NOT_A_GALAXY
        | Flag.AGN_LIKE,
    ),
)

# A spectrum with one of these gets no numbers (NaN in every output).
UNUSABLE = Flag.NO_VALID_PIXELS | Flag.NEGATIVE_FLUX | Flag.NOT_A_GALAXY


def describe_flags(flags: int | np.integer) -> list[str]:
    """Return in words which flags are set.

    Parameters
    ----------
    flags : int
        One value of a ``flags`` column.

    Returns
    -------
    list of str
        ``NAME: meaning`` for each bit that is set.
    """
    value = int(flags)
    return [f"{flag.name}: {meaning}" for flag, meaning in MEANING.items() if value & int(flag)]


def count(flags: np.ndarray) -> dict[str, int]:
    """Count in how many spectra each flag is set.

    Parameters
    ----------
    flags : ndarray of int, shape (n,)
        A ``flags`` column.

    Returns
    -------
    dict
        Flag name -> number of spectra; zero counts left out.
    """
    values = np.asarray(flags, dtype=np.uint32)
    counts = {flag: int(((values & np.uint32(int(flag))) != 0).sum()) for flag in MEANING}
    return {str(flag.name): number for flag, number in counts.items() if number}


def quality(flags: np.ndarray) -> np.ndarray:
    """Return the worst level of `QUALITY` that each spectrum's flags reach, 0 (nothing found wrong) to 3.

    Parameters
    ----------
    flags : ndarray of int
        A ``flags`` column.

    Returns
    -------
    ndarray of int16
        Of the same shape.
    """
    values = np.asarray(flags, dtype=np.uint32)
    level = np.zeros(values.shape, dtype=np.int16)
    for number, (_, members) in enumerate(QUALITY):
        level[(values & np.uint32(int(members))) != 0] = number
    return level
