"""Section on figures."""

from __future__ import annotations

from pydantic import Field

from sfhnet.config.base import Section

__all__ = ["FiguresConfig"]


class FiguresConfig(Section):
    """Look of the figures."""

    width_inch: float = Field(7.1, ge=1, le=50)
    """Width of a full-page figure."""
    dpi: int = Field(160, ge=50, le=1200)
    """Resolution of the PNG."""
    font_size: float = Field(8.5, ge=3, le=72)
    """Points."""
