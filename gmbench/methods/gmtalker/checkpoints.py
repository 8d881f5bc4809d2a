"""The files that GMTalker writes."""

from gmbench.methods.checkpoint import CheckpointFormat

CHECKPOINTS = CheckpointFormat("gmtalker", {"gmeg": 2, "nfmg": 2, "head": 2})
"""Version 1 of ``head`` upsampled before its convolutions; the three were raised together."""
