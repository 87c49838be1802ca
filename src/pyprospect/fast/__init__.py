"""The batch synthesizer on torch, which nothing else of pyprospect needs."""

from pyprospect.extras import require

require("torch", "the fast synthesizer")
