"""What to do about each flag, in one sentence for the page."""

from __future__ import annotations

from sfhnet.core.flags import MEANING, Flag

__all__ = ["ADVICE"]

_KNOWN: dict[Flag, str] = {
    Flag.LOW_SNR: "Use larger bins, or read the intervals only.",
    Flag.HIGH_SNR: "Errors beyond the training count as its smallest ones: intervals are a little wide.",
    Flag.OUT_OF_DISTRIBUTION: "Look at the spectrum: a star, an AGN, a wrong redshift or bad sky is likely. Leave the bin out.",
    Flag.MISSING_BANDS: "Young ages and dust are less sure; the intervals know.",
    Flag.NO_BANDS: "Young ages and dust rest on the spectrum alone; the intervals know.",
    Flag.MASKED_PIXELS: "See in the spectrum what is masked; the intervals know.",
    Flag.BAD_FIT: "Compare spectrum and model: find out whether errors, lines or sky are at fault.",
    Flag.EDGE_OF_PRIOR: "The true value may lie beyond the training; read the answer as a limit.",
    Flag.KINEMATICS_FIXED: "Fit velocity and dispersion, or give the MAPS of the DAP.",
    Flag.NO_VALID_PIXELS: "There is nothing to answer from: see the mask of the cube.",
    Flag.BAD_SIGMA: "Check the extension of the variance.",
    Flag.NOT_FINITE: "Check the cube at this place.",
    Flag.NEGATIVE_FLUX: "Check the sky subtraction of the cube.",
    Flag.WRONG_UNITS: "Check PHOTFLAM and units of the images.",
    Flag.OTHER_WINDOW: "Nothing to do: another stretch without lines was used.",
    Flag.RESOLUTION: "Stars move too fast for the training: ages are less sure, metallicities are biased.",
    Flag.NOISE_RESCALED: "The errors in the cube are too small; those used are scaled to the residuals.",
    Flag.MUSE_HST_DISAGREE: "Check registration, point-spread function and sky level of the images.",
    Flag.FOREGROUND: "Mask the star and bin again, or leave the bin out.",
    Flag.NOT_REPRODUCED: "Compare spectrum and model: what the model cannot make tells what is wrong.",
    Flag.DRAWS_OFF: "The refined answer (orange) differs from the network's: believe neither without a look.",
}
# A flag that is new here at least says what it means.
ADVICE: dict[Flag, str] = {
    flag: _KNOWN.get(flag, "See the page on flags of the documentation.") for flag in MEANING
}
