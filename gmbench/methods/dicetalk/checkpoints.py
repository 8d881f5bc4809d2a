"""The files that DICE-Talk writes."""

from gmbench.methods.checkpoint import CheckpointFormat

DICETALK_CHECKPOINT_VERSION = 1
CHECKPOINTS = CheckpointFormat("dicetalk", dict.fromkeys(("vae", "embedder", "diffusion"), DICETALK_CHECKPOINT_VERSION))
