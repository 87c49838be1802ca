"""Attenuation, re-emission, thermal and radio continuum."""

from pyprospect.dust.attenuation import (
    CF,
    Attenuated,
    CF_atten,
    CF_birth,
    CF_birth_atten,
    CF_screen,
    CF_screen_atten,
    drude,
)

__all__ = [
    "CF",
    "Attenuated",
    "CF_atten",
    "CF_birth",
    "CF_birth_atten",
    "CF_screen",
    "CF_screen_atten",
    "drude",
]
