"""What comes before any clip: the corpus and the face model."""

from pathlib import Path

from gmbench.corpus.lexicon import EMOTIONS
from gmbench.corpus.make import CorpusSettings, make
from gmbench.morphable.convert import from_raw, read_raw
from gmbench.morphable.synthetic.make import synthesise
from gmbench.stages.layout import FACE_MODEL
from gmbench.stages.run import Run


def corpus(run: Run, name: str, root: Path) -> int:
    """Make a corpus of the configuration; returns its number of clips."""
    section = run.params.corpora[name]
    settings = CorpusSettings(**(section.model_dump() | {"emotions": section.emotions or EMOTIONS}))
    return make(root, settings, run.store, run.workers, run.scheduler, run.report)


def face_model(run: Run) -> None:
    """Write the face model that all later stages read."""
    section = run.params.face_model
    FACE_MODEL.parent.mkdir(parents=True, exist_ok=True)
    if section.source == "synthetic":
        model = from_raw(synthesise(section.seed), "synthetic face model", "synthetic")
    else:
        model = from_raw(read_raw(Path(section.source)), section.source)
    model.save(FACE_MODEL)
