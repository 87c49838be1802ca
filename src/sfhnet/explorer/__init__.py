"""A galaxy one can click on: maps, spectra, histories and flags of every bin in one HTML file that needs no other."""
