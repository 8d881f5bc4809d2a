"""Image quality by the networks of the extra ``iqa``, bound to the features they read."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gmbench.evaluation.scoring.clip_data import ClipData, Unscored
from gmbench.evaluation.scoring.clip_scores import gap_of_scores
from gmbench.evaluation.scoring.metric import Metric, Score, frame_mean
from gmbench.metrics import image_quality
from gmbench.metrics.catalogue import SPECS

Scorer = Callable[[ClipData], Score]


def _scores(clip: ClipData, extractor: str) -> NDArray[np.float64]:
    return clip.generated.extracted(extractor)["scores"]


def mouth_quality(clip: ClipData) -> Score:
    """Mean over the frames with a face."""
    flags = clip.face_flags(clip.generated)
    return frame_mean(_scores(clip, "mouth_quality"), "no mouth inside the picture", flags)


def face_scores(clip: ClipData) -> NDArray[np.float64]:
    """(n,) scores of frames, NaN without a face; raises Unscored where no frame has one."""
    scores = _scores(clip, "face_quality")
    if not np.isfinite(scores).any():
        raise Unscored("failed", "no face in any frame that is looked at")
    return scores


def face_quality(clip: ClipData) -> Score:
    """Mean over all frames; those without a face count as 0."""
    scores = face_scores(clip)
    used = int(np.isfinite(scores).sum())
    return Score(image_quality.face_quality(scores), used, len(scores), clip.face_flags(clip.generated))


def aesthetics(clip: ClipData) -> Score:
    """Mean over all frames."""
    return frame_mean(_scores(clip, "aesthetics"), "no frame")


PARTS: dict[str, tuple[Scorer, str]] = {
    "mouth_q": (mouth_quality, "mouth_quality"),
    "face_q": (face_quality, "face_quality"),
    "aesthetic": (aesthetics, "aesthetics"),
}
"""By metric: its score, and the extractor that it reads."""


def quality_metrics() -> dict[str, Metric]:
    """The metrics of this module by name."""
    result = [Metric(SPECS[name], score, extractors=(reads,)) for name, (score, reads) in PARTS.items()]
    result += [
        Metric(SPECS[f"{name}_gap"], gap_of_scores(score), extractors=(reads,))
        for name, (score, reads) in PARTS.items()
    ]
    return {metric.name: metric for metric in result}
