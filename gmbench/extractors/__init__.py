"""Feature extractors: trained on the corpus where official weights cannot be had, under keys of their own."""
