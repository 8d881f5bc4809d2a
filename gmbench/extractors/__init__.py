"""The networks of the feature extractors: published ones, and in ``corpus`` those trained on the synthetic corpus."""
