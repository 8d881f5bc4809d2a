"""From stored features to scores: what a metric is, and all metrics bound to their features."""
