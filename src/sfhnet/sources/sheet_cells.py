"""Cells of the sample sheet that say how a file is to be read: its line-spread function, and the layout of a cube."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from sfhnet.config.inputs import GridConfig

__all__ = ["CubeDescription", "LsfCell", "is_description"]

_LSF_FORMS = (
    "2.6 (FWHM in Angstrom), R=1800, sigma=1.1, muse_udf10, poly 6.04 -9.187e-4 5.866e-8 (rising powers of the wavelength), "
    "header KEYWORD, extension NAME, or the path of a table of wavelength and FWHM in Angstrom"
)
# Instruments whose line-spread function has a name; the functions are in sfhnet.core.training_grid.
_NAMES = get_args(GridConfig.model_fields["lsf"].annotation)
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
# What the words of a description may be; `flux` to `bad` are extensions.
_EXTENSIONS = ("flux", "sigma", "variance", "ivar", "good", "bad", "wave")
_OTHERS = ("errors", "medium", "unit")


@dataclass(frozen=True)
class LsfCell:
    """A line-spread function as a cell says it.

    Parameters
    ----------
    quantity : {"fwhm", "sigma", "R"}
        What is given: FWHM or sigma in Angstrom, or wavelength over FWHM.
    source : {"number", "name", "poly", "header", "extension", "file"}
        How.
    text : str
        The number, name, coefficients, keyword, extension or path.
    """

    quantity: Literal["fwhm", "sigma", "R"]
    source: Literal["number", "name", "poly", "header", "extension", "file"]
    text: str

    @classmethod
    def parse(cls, cell: str) -> LsfCell:
        """Read a cell.

        Parameters
        ----------
        cell : str
            What the column ``lsf`` holds.

        Returns
        -------
        LsfCell

        Raises
        ------
        ValueError
            If it says nothing; lists the forms.
        """
        match = re.match(r"^(?:(fwhm|sigma|R)\s*=\s*)?(.+)$", cell.strip(), re.IGNORECASE)
        if match is None:
            raise ValueError(f"the line-spread function {cell!r} says nothing; write {_LSF_FORMS}")
        said = (match.group(1) or "fwhm").lower()
        quantity: Literal["fwhm", "sigma", "R"] = (
            "R" if said == "r" else "sigma" if said == "sigma" else "fwhm"
        )
        text = match.group(2).strip()
        if re.fullmatch(_NUMBER, text):
            if not float(text) > 0:
                raise ValueError(f"the line-spread function {cell!r} is not positive; write {_LSF_FORMS}")
            return cls(quantity, "number", text)
        if text in _NAMES:
            return cls("fwhm", "name", text)
        word, _, rest = text.partition(" ")
        rest = rest.strip()
        if word.lower() == "poly":
            if not re.fullmatch(rf"{_NUMBER}(?:[\s,]+{_NUMBER})*", rest):
                raise ValueError(f"the line-spread function {cell!r} has coefficients that are no numbers")
            return cls(quantity, "poly", rest)
        if word.lower() in ("header", "extension") and rest and " " not in rest:
            return cls(quantity, "header" if word.lower() == "header" else "extension", rest)
        if "." not in text and "/" not in text:
            raise ValueError(f"the line-spread function {cell!r} is not understood; write {_LSF_FORMS}")
        return cls(quantity, "file", text)

    @property
    def path(self) -> Path | None:
        """The file that holds it, None where no file does."""
        return Path(self.text) if self.source == "file" else None

    def under(self, folder: Path) -> str:
        """Return the cell with a relative path taken from a folder."""
        text = str(folder / self.text) if self.source == "file" else self.text
        words = f"{self.source} {text}" if self.source in ("poly", "header", "extension") else text
        return f"{self.quantity}={words}"


@dataclass(frozen=True)
class CubeDescription:
    """What the extensions of a cube are, where its layout is none of the known ones.

    Parameters
    ----------
    words : dict of str to str
        ``flux``, ``sigma`` or ``variance`` or ``ivar``, ``good``, ``bad`` (``bad=MASK&1027``: only these bits), ``wave``:
        extensions, by name or number; ``errors=none``; ``medium=air`` or ``vacuum``; ``unit``: of the flux.
    """

    words: dict[str, str]

    @classmethod
    def parse(cls, cell: str) -> CubeDescription:
        """Read a cell: ``flux=SCI; sigma=ERR; bad=DQ; medium=vacuum``.

        Parameters
        ----------
        cell : str
            What the column ``layout`` holds.

        Returns
        -------
        CubeDescription

        Raises
        ------
        ValueError
            If a word is unknown, twice or empty, or words contradict each other.
        """
        words: dict[str, str] = {}
        for part in filter(None, (part.strip() for part in cell.split(";"))):
            key, _, value = (text.strip() for text in part.partition("="))
            if key not in _EXTENSIONS + _OTHERS or not value:
                raise ValueError(
                    f"{part!r} is not understood; write flux=SCI; sigma=ERR; bad=DQ with words of "
                    f"{', '.join(_EXTENSIONS + _OTHERS)}"
                )
            if key in words:
                raise ValueError(f"{key} is there twice; leave one")
            words[key] = value
        errors = [key for key in ("sigma", "variance", "ivar") if key in words]
        if "flux" not in words:
            raise ValueError("no extension of the flux is named; write flux=NAME")
        if len(errors) > 1 or ("errors" in words and (errors or words["errors"] != "none")):
            raise ValueError("one of sigma, variance and ivar, or errors=none, says what the errors are")
        if words.get("medium", "air") not in ("air", "vacuum"):
            raise ValueError(f"medium={words['medium']}: write air or vacuum")
        for key in ("bad", "good"):
            if "&" in words.get(key, "") and not re.fullmatch(r"[^&]+&\s*\d+", words[key]):
                raise ValueError(f"{key}={words[key]}: behind & stands the sum of the bits, e.g. MASK&1027")
        return cls(words)


def is_description(cell: str) -> bool:
    """Return whether a cell of the column ``layout`` describes a cube; a name of a layout otherwise."""
    return "=" in cell
