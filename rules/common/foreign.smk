# The optional foreign benchmarks: which galaxies there are, and what they are made from.
FOREIGN_LIBRARIES = {"mastar": "mastar_ssp", "m11_stelib": "m11_stelib", "bc03_old": "bc03_miles"}
FOREIGN_MOCKS = ["bagpipes", "own", *FOREIGN_LIBRARIES, "peaked", "diffstar"]
REAL_SPECTRA = upstream("real_spectra") if CONFIG.foreign.real_spectra else []


def foreign_files(kinds):
    return expand("results/foreign/mocks/{foreign}.h5", foreign=kinds)
