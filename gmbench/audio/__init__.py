"""Features of the sound."""
