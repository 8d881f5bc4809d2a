"""Feature extractors that the pipeline trains on the synthetic corpus: small, and no judges of real faces."""
