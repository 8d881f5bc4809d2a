"""The files that FlowVQTalker writes."""

from gmbench.methods.checkpoint import CheckpointFormat

FLOWVQTALKER_CHECKPOINT_VERSION = 3
CHECKPOINTS = CheckpointFormat(
    "flowvqtalker", dict.fromkeys(("codebook", "expflow", "poseflow", "vqig"), FLOWVQTALKER_CHECKPOINT_VERSION)
)
