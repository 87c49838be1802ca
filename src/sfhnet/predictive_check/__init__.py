"""Does the forward model give the spectrum back? Checks and refines posteriors."""
