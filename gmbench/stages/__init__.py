"""The work of the pipeline's stages: one function a clip or a speaker, kept in the store, written as tables."""
