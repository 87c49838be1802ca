"""What tests make galaxies from: the default configuration's grid, bands and ages, and the axis of a MUSE cube."""

import numpy as np

from sfhnet.config import Config
from sfhnet.core.bands import PHANGS_HST
from sfhnet.core.training_grid import grid_wave_aa

BANDS = PHANGS_HST
AGE_EDGES_MYR = np.array(Config().age_bins_myr, dtype=float)
# Seven wide bins, for comparisons of programs that tell fewer ages apart.
WIDE_AGE_EDGES_MYR = np.array([0, 10, 40, 100, 320, 1000, 3200, 14000.0])
# The training grid, rest frame, and the axis of a MUSE cube, as observed; Angstrom in air.
WAVE_AA = grid_wave_aa(Config().grid)
MUSE_WAVE_AA = 4700.0 + 1.25 * np.arange(3761)
