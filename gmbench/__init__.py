"""gmbench: a benchmark suite for audio-driven emotional talking portraits."""

__version__ = "0.1.0"
