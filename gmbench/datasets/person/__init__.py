"""From videos of one person to a dataset: what they show is checked, and they are cut into sentences."""
