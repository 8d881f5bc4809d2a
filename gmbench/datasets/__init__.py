"""Datasets: one reader each, their splits, and a check of what is there."""
