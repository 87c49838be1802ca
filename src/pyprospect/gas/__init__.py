"""Emission lines, nebular continuum and the light that ionises the gas."""
