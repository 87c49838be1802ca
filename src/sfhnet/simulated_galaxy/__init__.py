"""A galaxy whose history is known at every place, observed as PHANGS is."""
