"""Stage ``checkpoints``: for each method, which checkpoints its videos come from, as a small file of its own.

Generation depends on that file instead of on all checkpoints of a dataset: training one more system then leaves the
videos of all others as they are.
"""

import json

from gmbench.errors import InputError
from gmbench.methods.registry import System
from gmbench.stages.pipeline_run import PipelineRun, write_json
from gmbench.stages.train import CARD, checkpoint_digest, checkpoint_folder
from gmbench.store import digest


def write_checkpoints(run: PipelineRun) -> None:
    """Write ``<method>.json`` for every method of the run; of one that nothing is trained of, the file says so."""
    for method in run.params.methods:
        write_json(run.paths.checkpoints / f"{method}.json", {"method": method, "checkpoints": _digest(run, method)})


def _digest(run: PipelineRun, method: str) -> str:
    """Digest of checkpoints and settings; empty where there are none, which the stage ``generate`` has to say."""
    try:
        folder = checkpoint_folder(run, System.parse(method))
    except InputError:
        return ""
    card = json.loads((folder / CARD).read_text("utf-8"))
    return digest(checkpoint_digest(folder), json.dumps(card.get("settings"), sort_keys=True))
