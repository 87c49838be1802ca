"""From the prior to noisy labelled spectra: synthesis, shards, noise."""
