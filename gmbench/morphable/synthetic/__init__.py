"""A synthetic head model with the keys, dimensions and meaning of FaceVerse v3, free of any licence."""
