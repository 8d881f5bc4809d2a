"""One thin module a pipeline stage: read the configuration, call gmbench, write outputs."""
