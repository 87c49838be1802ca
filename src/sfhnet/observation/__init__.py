"""From a galaxy's files to its spectra: cube, bins, kinematics, rest frame, HST bands."""
