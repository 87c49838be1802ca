"""Interpolation, quadrature, rebinning and line-spread functions, as R has them."""
