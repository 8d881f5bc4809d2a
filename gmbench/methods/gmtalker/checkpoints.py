"""The files that GMTalker writes."""

from gmbench.methods.checkpoint import CheckpointFormat

GMTALKER_CHECKPOINT_VERSION = 3
"""Of what the weights mean: version 1 of ``head`` upsampled before its convolutions."""
CHECKPOINTS = CheckpointFormat("gmtalker", dict.fromkeys(("gmeg", "nfmg", "head"), GMTALKER_CHECKPOINT_VERSION))
