"""The shared nouns: spectra, batches, posteriors, flags, quantities, histories, grid, bands, geometry."""
