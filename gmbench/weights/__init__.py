"""Files of network weights: which there are, and whether those on this machine are genuine."""

from gmbench.weights.declarations import Weights, manifest
from gmbench.weights.files import load_path

__all__ = ["Weights", "load_path", "manifest"]
