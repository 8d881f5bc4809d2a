"""The files that EDTalk writes."""

from gmbench.methods.checkpoint import CheckpointFormat
from gmbench.methods.edtalk.settings import STAGES

EDTALK_CHECKPOINT_VERSION = 1
CHANGED = {"expression": 2, "lips": 2}
"""Of networks whose files have changed since."""
CHECKPOINTS = CheckpointFormat("edtalk", dict.fromkeys(STAGES, EDTALK_CHECKPOINT_VERSION) | CHANGED)
