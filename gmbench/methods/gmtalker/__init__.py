"""GMTalker: Gaussian-mixture expression generator, normalizing-flow motion generator, emotion-guided head generator."""
