"""Where the pipeline's files lie, below the project's folder."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DatasetPaths:
    """Folders of one dataset of a run."""

    dataset: str
    work_root: Path = Path("work")
    results_root: Path = Path("results")

    @property
    def work(self) -> Path:
        """Everything between raw data and results."""
        return self.work_root / self.dataset

    @property
    def manifest(self) -> Path:
        """Usable clips of the raw data."""
        return self.work / "manifest.parquet"

    @property
    def crops(self) -> Path:
        """Cropped clips and their manifest."""
        return self.work / "crops"

    @property
    def cropped(self) -> Path:
        """Manifest of the cropped clips."""
        return self.crops / "manifest.parquet"

    @property
    def landmarks(self) -> Path:
        """Shards of landmarks (478, 2) per frame."""
        return self.work / "landmarks"

    @property
    def coefficients(self) -> Path:
        """Shards of fitted coefficients, and the speakers."""
        return self.work / "coefficients"

    @property
    def true_coefficients(self) -> Path:
        """The synthetic corpus' true coefficients in the same form."""
        return self.coefficients / "known"

    @property
    def audio(self) -> Path:
        """Shards of audio features."""
        return self.work / "audio"

    @property
    def found_mattes(self) -> Path:
        """Shards of mattes that the stage found, as PNG; the user's own lie in ``mattes``, which no stage touches."""
        return self.work / "found_mattes"

    @property
    def renders(self) -> Path:
        """Shards of renderings as PNG."""
        return self.work / "renders"

    @property
    def checkpoints(self) -> Path:
        """One JSON per method: which checkpoints its videos come from."""
        return self.work / "checkpoints"

    def videos(self, method: str) -> Path:
        """Generated clips of a method."""
        return self.results_root / self.dataset / "videos" / method

    @property
    def extracted(self) -> Path:
        """Report of the stage ``extract``."""
        return self.results_root / self.dataset / "extract.json"

    @property
    def errors(self) -> Path:
        """Tracebacks of unexpected errors of the extract stage; not there where there were none."""
        return self.extracted.with_name("extract-errors.log")

    @property
    def scores(self) -> Path:
        """Records and tables."""
        return self.results_root / self.dataset / "scores"

    @property
    def means(self) -> Path:
        """One JSON per method with the means and coverages of all metrics."""
        return self.scores / "means"

    @property
    def metrics(self) -> Path:
        """One small JSON per chosen metric, for ``dvc metrics show``."""
        return self.results_root / "metrics" / self.dataset


MODELS = Path("models")
EXTRACTORS = MODELS / "extractors"
FACE_MODEL = MODELS / "face_model.npz"
REPORTS = Path("reports")
PREVIEWS = Path("previews")
"""Pictures of trainings that run: of no stage, so that nothing removes them."""
SYNTHETIC = ("synth", "synth_unseen")
"""Kinds of datasets that have their ground truth beside them, below ``truth``."""
