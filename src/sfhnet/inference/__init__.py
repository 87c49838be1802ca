"""A trained network with its calibration, applied to spectra."""
