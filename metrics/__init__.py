"""The mathematics of the metrics: arrays in, numbers out. Imports nothing of gmbench."""
