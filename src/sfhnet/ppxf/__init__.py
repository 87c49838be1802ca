"""pPXF (Cappellari 2023) on the same spectra, for comparison; optional, because its licence is not free for all uses."""
