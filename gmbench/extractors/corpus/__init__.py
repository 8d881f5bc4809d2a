"""Feature extractors that the pipeline trains on the synthetic corpus: small, and no good for real faces."""
