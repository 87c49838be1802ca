"""Public data archives: ESO for MUSE cubes and MAPS, MAST for HST images."""
