"""Largest differences from independent implementations that the tests allow; printed in the README."""

PSNR_DB = 1e-9
SSIM = 1e-5
CPBD = 1e-12
LANDMARKS = 1e-12
MOTION = 1e-9
BEATS = 1e-12
EULER_DEG = 1e-9
CROP_FIT = 1e-9
WARPING = 1e-12
FRECHET = 1e-8
LINEAR_SYNC = 1e-9
LAB = 0.02
"""scikit-image rounds the white point and the matrix of sRGB to four or five digits."""
