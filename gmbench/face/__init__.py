"""Faces: landmark detectors, crops, head pose."""
