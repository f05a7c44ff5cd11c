"""How sure a plan is, by resampled calibration data."""
