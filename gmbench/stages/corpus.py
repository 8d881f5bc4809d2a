"""Stage ``corpus``: the synthetic corpus of the configuration."""

from pathlib import Path

from gmbench.corpus.make import make
from gmbench.corpus.takes import CorpusSettings
from gmbench.emotions import SUITE_ORDER
from gmbench.stages.pipeline_run import PipelineRun


def corpus(run: PipelineRun, name: str, root: Path) -> int:
    """Make a corpus of the configuration; returns its number of clips."""
    section = run.params.corpora[name]
    settings = CorpusSettings(**(section.model_dump() | {"emotions": section.emotions or SUITE_ORDER}))
    return make(root, settings, run.store, run.workers, run.scheduler, run.report)
