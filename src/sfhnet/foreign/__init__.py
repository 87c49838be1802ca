"""Galaxies that no training knew: mocks by another code, from other libraries, of other kinds, and real ones."""
