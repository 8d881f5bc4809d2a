"""From clips to stored features: decoding, landmarks, feature extractors, corruptions."""
