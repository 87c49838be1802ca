"""Section on figures."""

from __future__ import annotations

from pydantic import Field

from sfhnet.config.base import Section

__all__ = ["FiguresConfig"]


class FiguresConfig(Section):
    """Appearance of the figures."""

    dpi: int = Field(150, ge=50, le=1200)
    """Resolution of the PNG files [dots per inch]."""
