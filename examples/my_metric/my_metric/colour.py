"""A metric of pixels: how far a clip's colourfulness is from its reference's."""

import numpy as np
from numpy.typing import NDArray

from gmbench.evaluation.extraction.features import FrameFeature
from gmbench.evaluation.scoring.clip_data import ClipData
from gmbench.evaluation.scoring.metric import Metric, Score, frame_mean
from gmbench.metrics.spec import MetricSpec


def colourfulness(frame: NDArray[np.uint8]) -> float:
    """Colourfulness of an RGB frame (H, W, 3), 0 for grey ones. Source: Hasler and Süsstrunk 2003, equation 3.

    >>> colourfulness(np.full((4, 4, 3), 128, np.uint8))
    0.0
    """
    red, green, blue = np.moveaxis(frame.astype(np.float64), 2, 0)
    opponents = np.stack([red - green, (red + green) / 2 - blue])  # (2, H, W)
    spread = float(np.hypot(*opponents.std(axis=(1, 2))))
    shift = float(np.hypot(*opponents.mean(axis=(1, 2))))
    return spread + 0.3 * shift


COLOURFULNESS = FrameFeature("my_colourfulness", 1, colourfulness)


def colour_gap(clip: ClipData) -> Score:
    """Absolute difference of the mean colourfulness of a clip and of its reference."""
    generated = frame_mean(clip.generated.per_frame(COLOURFULNESS), "no frame to measure")
    reference = frame_mean(clip.reference.per_frame(COLOURFULNESS), "no frame of the reference to measure")
    gap = abs(generated.value - reference.value)
    return Score(value=gap, frames_used=generated.frames_used, frames_expected=generated.frames_expected)


COLOUR_GAP = Metric(
    spec=MetricSpec(
        name="colour_gap",
        title="Colour gap",
        version=1,
        direction="lower",
        unit="",
        range="[0, 320]",
        needs=("reference",),
        aggregation="frame mean per side -> absolute difference -> clip mean",
        source="colourfulness of Hasler and Süsstrunk 2003",
        interpretation="0: as colourful as the real clip; 15 and more are seen at once.",
        caveats="Blind to where the colours are.",
        responds_to=("noise",),
    ),
    score=colour_gap,
    frame_features=(COLOURFULNESS,),
)
