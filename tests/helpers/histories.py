"""A history of star formation that is nothing special, and a call of ``sfh_func`` with it."""

HISTORY = {"massfunc": "snorm_burst", "mSFR": 3.0, "mpeak": 5.0, "mperiod": 3.0, "mburst": 0.5}
RUN = {**HISTORY, "Z": 0.01, "z": 0.02, "sparse": 1, "filters": None}
