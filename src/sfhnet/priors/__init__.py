"""Galaxies drawn from the written prior: histories of star formation, metallicity and dust."""
