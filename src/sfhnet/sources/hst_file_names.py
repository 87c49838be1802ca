"""How the files of PHANGS-HST in MAST are named."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["weights_of"]


def weights_of(image: str | os.PathLike) -> Path | None:
    """Return the path of the weight map that PHANGS-HST publishes with an image.

    Parameters
    ----------
    image : path
        Science image, named ``*_exp-drc-sci.fits`` (or ``*_exp_drc_sci.fits``).

    Returns
    -------
    Path or None
        ``*_err-drc-wht.fits`` beside it, inverse variance in the unit of the image; None for other names.
    """
    image = Path(image)
    name, n = re.subn(r"exp([-_])dr([cz])([-_])sci(\.fits(?:\.gz)?)$", r"err\1dr\2\3wht\4", image.name)
    return image.with_name(name) if n else None
