"""Two metrics for gmbench: ``colour_gap`` of pixels, ``texture_distance`` with a network of its own."""
