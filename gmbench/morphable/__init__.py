"""The 3-D morphable face model: FaceVerse's layout, camera, light, rasteriser, fitting, and a synthetic model."""
