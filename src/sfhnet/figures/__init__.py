"""Pictures of priors, networks, validation and galaxies; the report."""
