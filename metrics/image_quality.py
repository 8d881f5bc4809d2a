"""Quality of mouth, face and picture as networks see it that people's opinions were taught to."""

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics.spec import Direction, MetricSpec, Need, gap_of

MOUTH_MARGIN = 10.0
"""Pixels around the mouth's box in a face of 100 pixels between the eye centres."""


def mouth_box(points: NDArray[np.float64], height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of a frame (height, width) that show the mouth: the box of points 48-67, widened.

    Args:
        points: (68, 2) pixels. The box grows by 10 pixels to each side where the eye centres are 100 apart, and in
            proportion elsewhere; it is cut at the frame.

    Source: THEval (arXiv 2511.04520), there 40 points of FaceMesh and 10 pixels whatever the face's size.
    """
    eyes = np.linalg.norm(points[36:42].mean(axis=0) - points[42:48].mean(axis=0))
    margin = MOUTH_MARGIN * eyes / 100.0
    left, top = np.floor(points[48:68].min(axis=0) - margin).astype(int)
    right, bottom = np.ceil(points[48:68].max(axis=0) + margin).astype(int) + 1
    return slice(max(0, top), min(max(0, bottom), height)), slice(max(0, left), min(max(0, right), width))


def face_quality(scores: NDArray[np.float64]) -> float:
    """Mean of scores of frames (T,), of which those without a face (NaN) count as 0; NaN of none.

    Otherwise a method that loses the face would keep its best frames.
    """
    return float(np.nan_to_num(scores, nan=0.0).mean()) if len(scores) else float("nan")


_LICENCE = (
    "Code and weights are pyiqa's (extra iqa), which allows no commercial use; gmbench brings and fetches neither. "
    "Generated faces can beat real video: read it against the real clips. Compression lowers it. "
)


def _spec(
    name: str, title: str, range_: str, needs: tuple[Need, ...], what: str, source: str, caveats: str,
    aggregation: str = "frame mean -> clip mean",
) -> MetricSpec:  # fmt: skip
    direction: Direction = "higher"
    return MetricSpec(
        name=name,
        title=title,
        group="picture",
        what=what,
        version=1,
        direction=direction,
        best="reference",
        unit="",
        range=range_,
        needs=(*needs, "network"),
        aggregation=aggregation,
        source=source,
        interpretation=f"{what} Of THEval's eight parts those of quality agree best with people, beside head motion.",
        caveats=caveats + _LICENCE,
        default=False,
        responds_to=("blur",),
    )


_THEVAL = "THEval (arXiv 2511.04520, CVPR 2026)"
_OWN = (
    _spec(
        "mouth_q", "Mouth quality", "(-inf, inf), about 0 to 100", ("landmarks",),
        "Quality of the mouth's pixels by MUSIQ.",
        f"MUSIQ (Ke et al., ICCV 2021) trained on KonIQ-10k, on the mouth as in {_THEVAL}",
        "Depends on the size of the crop: clips of 256 and of 1080 pixels never share a column. One mouth at a time; "
        "THEval pads a batch of 64 with black to its largest, so that a frame's score there depends on its "
        "neighbours. Frames without a face are left out. ",
    ),
    _spec(
        "face_q", "Face quality", "(-inf, inf), about 0 to 1", ("landmarks",),
        "Quality of the aligned face by TOPIQ.",
        f"TOPIQ (Chen et al., arXiv 2308.03060) trained on CGFIQA, as in {_THEVAL}",
        "The face is aligned to pyiqa's template by the clip's landmarks, not by RetinaFace, so its key names the "
        "landmarks. Frames without a face count as 0. topiq_nr-face of before October 2024 was another network. ",
        "frame mean, 0 without a face -> clip mean",
    ),
    _spec(
        "aesthetic", "Aesthetics", "[1, 10]", (),
        "Beauty of whole frames by TOPIQ.",
        f"TOPIQ (Chen et al., arXiv 2308.03060), Swin, trained on AVA, as in {_THEVAL}",
        "Of the whole picture, background and all: methods that render another frame than the reference's are scored "
        "for that. Frames are squashed to a square. The IQA and ASE of avatar papers are Q-Align's, other numbers. ",
    ),
)  # fmt: skip

SPECS = tuple(spec for one in _OWN for spec in (one, gap_of(one)))
