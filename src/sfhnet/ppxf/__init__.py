"""pPXF beside the networks, on the same mocks and galaxies (optional)."""
