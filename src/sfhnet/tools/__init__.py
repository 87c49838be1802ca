"""Files that are whole or absent, HDF5 with units, provenance, progress, random streams, options of scripts."""
