"""One thin module per pipeline stage: read the configuration, call gmbench, write outputs."""
