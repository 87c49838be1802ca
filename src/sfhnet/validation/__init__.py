"""How good a network is: calibration, benchmarks, metrics, ranks, claims, other programs, the model card."""
