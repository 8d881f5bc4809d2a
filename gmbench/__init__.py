"""gmbench: a benchmark suite for audio-driven emotional talking portraits."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("gmbench")
except PackageNotFoundError:  # sources that nobody installed
    __version__ = "unknown"
