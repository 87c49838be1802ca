"""Priors over galaxies: families of star-formation and metallicity histories, dust, lines, kinematics."""
