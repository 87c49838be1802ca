"""Filter curves, band fluxes, magnitudes, K corrections."""
