"""How much head, brows and lips move over a clip, of one clip alone: THEval's measures on 68 points, and jitter."""

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics.landmarks import LEFT_EYE, MOUTH, RIGHT_EYE, Landmarks, interocular
from gmbench.metrics.series import Series, complete, mean_interocular, steps
from gmbench.metrics.spec import MetricSpec, gap_of

RIGHT_BROW, LEFT_BROW = slice(17, 22), slice(22, 27)
RIGID_POINTS = (27, 28, 29, 30, 36, 39, 42, 45)
"""Bridge of the nose and corners of the eyes: what moves with the skull alone."""
NAN = float("nan")


def head_rotation_dynamics(pose: Series) -> float:
    """sqrt(S V): S mean s.d. of the three angles, V mean variance of their steps from frame to frame (population).

    Args:
        pose: (T, 3) degrees, unwrapped.

    Returns:
        deg^1.5; NaN without two frames that follow on each other.

    Source: THEval (arXiv 2511.04520), head motion dynamics, its term of the angles.
    """
    valid, changes = complete(pose), steps(pose)
    if len(changes) == 0:
        return NAN
    spread = (valid - valid[0]).std(axis=0).mean()  # of differences, so that a still head has exactly 0
    return float(np.sqrt(spread * changes.var(axis=0).mean()))


def face_centres(landmarks: Landmarks) -> Series:
    """Centres (T, 2) of the boxes around 68 points, pixels."""
    return np.asarray((landmarks.min(axis=1) + landmarks.max(axis=1)) / 2)


def head_position_dynamics(centres: Series, scale: float) -> float:
    """100 sqrt(mean population variance of x and y of the face's centre) / scale.

    Args:
        centres: (T, 2) pixels.
        scale: mean inter-ocular distance, pixels.

    Returns:
        percent of the inter-ocular distance; NaN without a valid frame.

    Source: THEval, head motion dynamics, its term of the face's centre, by face size instead of in pixels.
    """
    valid = complete(centres)
    return float(100 * np.sqrt((valid - valid[0]).var(axis=0).mean()) / scale) if len(valid) else NAN


def brow_heights(landmarks: Landmarks) -> Series:
    """Distances (T, 2) of the centres of brow and eye, right and left, over the inter-ocular distance."""
    sides = ((RIGHT_BROW, RIGHT_EYE), (LEFT_BROW, LEFT_EYE))
    gaps = [landmarks[:, brow].mean(axis=1) - landmarks[:, eye].mean(axis=1) for brow, eye in sides]
    return np.asarray(np.linalg.norm(np.stack(gaps, axis=1), axis=-1) / interocular(landmarks)[:, None])


def brow_dynamics(heights: Series) -> float:
    """Mean absolute step of brow heights (T, 2) from frame to frame over both sides, 1 / frame; NaN without a step.

    Source: THEval's code, eyebrow dynamics.
    """
    changes = steps(heights)
    return float(np.abs(changes).mean()) if len(changes) else NAN


def brow_spread(heights: Series) -> float:
    """Sample s.d. over time of the mean of both brow heights (T, 2); NaN with fewer than two frames.

    Source: THEval's paper, eyebrow dynamics; its code computes :func:`brow_dynamics`.
    """
    valid = complete(heights).mean(axis=1)
    return float((valid - valid[0]).std(ddof=1)) if len(valid) > 1 else NAN


def pair_spread(points: Series, degrees_lost: int = 1) -> float:
    """Mean over all pairs of points (T, K, 2) of the s.d. over time of their distance, in the points' unit.

    Args:
        points: K points a frame.
        degrees_lost: 1 for the sample s.d., 0 for the population's.

    Returns:
        NaN with fewer than two valid frames.

    Source: THEval, lip dynamics.
    """
    valid = complete(points)
    if len(valid) < 2:
        return NAN
    total, count = 0.0, points.shape[1]
    for first in range(count - 1):  # all pairs of a long clip at once would fill the memory
        distances = np.linalg.norm(valid[:, first, None] - valid[:, first + 1 :], axis=-1)
        total += float((distances - distances[0]).std(axis=0, ddof=degrees_lost).sum())
    return total / (count * (count - 1) / 2)


def lip_dynamics(landmarks: Landmarks) -> float:
    """:func:`pair_spread` of points 48-67 of (T, 68, 2), each frame over its inter-ocular distance, in percent."""
    return 100 * pair_spread(landmarks[:, MOUTH] / interocular(landmarks)[:, None, None])


def jitter(landmarks: Landmarks) -> float:
    """Root mean square acceleration of points that move with the skull, in percent of the inter-ocular distance.

    100 RMS |p(t+1) - 2 p(t) + p(t-1)| / mean inter-ocular distance, over frames and points 27-30, 36, 39, 42, 45 of
    (T, 68, 2); NaN without three valid frames that follow on each other.
    """
    changes = steps(landmarks[:, RIGID_POINTS], order=2)
    if len(changes) == 0:
        return NAN
    return float(100 * np.sqrt((changes**2).sum(axis=-1).mean()) / mean_interocular(landmarks))


def head_dynamics_in_pixels(pose: Series, centres: NDArray[np.float64]) -> float:
    """sqrt(S V + P) as THEval adds them: S and V of :func:`head_rotation_dynamics`, P the mean variance of the centre.

    Degrees cubed and square pixels in one sum: of a face that moves 5 pixels P outweighs the angles. NaN as above.
    """
    valid = complete(centres)
    if len(valid) == 0:
        return NAN
    return float(np.sqrt(head_rotation_dynamics(pose) ** 2 + (valid - valid[0]).var(axis=0).mean()))


_TRACKER = (
    "Depends on the landmark detector, which the key carries: its noise from frame to frame counts as motion. "
    "Undefined below 50 frames with a face. "
)
_CODECS = " The detector's noise grows with compression: compare clips of one compression."
_THEVAL = "THEval (arXiv 2511.04520, CVPR 2026)"

_ROTATION = MetricSpec(
    name="head_dyn_rot",
    title="Head dyn. (rot.)",
    group="motion",
    what="How much and how fast the head turns.",
    version=1,
    direction="reference",
    unit="deg^1.5",
    range="[0, inf)",
    needs=("pose",),
    aggregation="clip value -> clip mean",
    source=f"{_THEVAL}, head motion dynamics: its term of the angles alone",
    interpretation="Square root of the spread of the head's angles times the variance of their steps. Read it against "
    "the real clip: 0 is a frozen head, more than real is a shaking one.",
    caveats="THEval adds square pixels of travel to this (head_dyn_th), which then depends on the resolution. The "
    "head motion dynamics of THEval agree with people at a rank correlation of 0.76 [0.42, 0.94]; these parts alone "
    "were not asked about. Undefined below 50 frames with a pose." + _CODECS,
    responds_to=("shuffle",),
)
_POSITION = MetricSpec(
    name="head_dyn_pos",
    title="Head dyn. (pos.)",
    group="motion",
    what="How far the head travels in the picture.",
    version=1,
    direction="reference",
    unit="% inter-ocular",
    range="[0, inf)",
    needs=("landmarks",),
    aggregation="clip value -> clip mean",
    source=f"{_THEVAL}, head motion dynamics: its term of the face's centre, by face size",
    interpretation="Spread of the centre of the face's box, per axis. Read it against the real clip.",
    caveats="Nearly trace_rms over the square root of 2, which sums both axes and takes the mean point for the centre. "
    "An opening mouth moves the box. Crops that follow the face remove it. Undefined below 50 frames with a face.",
    default=False,
)
_BROW_DYNAMICS = MetricSpec(
    name="brow_dyn",
    title="Brow dyn.",
    group="motion",
    what="How much the brows move from frame to frame.",
    version=1,
    direction="reference",
    unit="1 / frame",
    range="[0, inf)",
    needs=("landmarks",),
    aggregation="clip value -> clip mean",
    source=f"{_THEVAL}, eyebrow dynamics as its code computes them",
    interpretation="Mean change of the distance of brow and eye per frame, in shares of the inter-ocular distance.",
    caveats=_TRACKER + "THEval's paper defines another quantity, brow_std, two to five times as large: never one "
    "column. A turning head shortens the inter-ocular distance and a blink moves the eye's centre: both count."
    + _CODECS,
    responds_to=("shuffle",),
)
_BROW_SPREAD = MetricSpec(
    name="brow_std",
    title="Brow s.d.",
    group="motion",
    what="How far the brows go up and down.",
    version=1,
    direction="reference",
    unit="",
    range="[0, inf)",
    needs=("landmarks",),
    aggregation="clip value -> clip mean",
    source=f"{_THEVAL}, eyebrow dynamics as the paper defines them",
    interpretation="Standard deviation over time of the distance of brow and eye over the inter-ocular distance.",
    caveats=_TRACKER + "Blind to the order of frames. THEval's published numbers follow its code: brow_dyn." + _CODECS,
    default=False,
)
_LIPS = MetricSpec(
    name="lip_dyn",
    title="Lip dyn.",
    group="lips",
    what="How much the lips change their shape.",
    version=1,
    direction="reference",
    unit="% inter-ocular",
    range="[0, inf)",
    needs=("landmarks",),
    aggregation="clip value -> clip mean",
    source=f"{_THEVAL}, lip dynamics, on 68 points and by face size",
    interpretation="Mean standard deviation over time of the 190 distances between lip points. Mumbling is below the "
    "real clip, overacting above it.",
    caveats=_TRACKER + "Blind to what is said and when: lips of another sentence score as well. A turning head "
    "changes the distances too.",
)
_JITTER = MetricSpec(
    name="jitter",
    title="Jitter",
    group="time",
    what="How much the skull trembles from frame to frame.",
    version=1,
    direction="reference",
    unit="% inter-ocular",
    range="[0, inf)",
    needs=("landmarks",),
    aggregation="clip value -> clip mean",
    source="this suite: acceleration of points that move with the skull; for VBench's motion smoothness, which needs a "
    "network",
    interpretation="Root mean square acceleration of nose and eye corners. Dropped, doubled and shuffled frames raise "
    "it; smoothing lowers it below the real clip.",
    caveats="The detector's own noise is a floor: real clips have 1.8 to 4.0 with MediaPipe, two generated ones 0.9 "
    "and 1.1. Too smooth is wrong as well." + _CODECS,
    default=False,
    responds_to=("shuffle", "noise"),
)

SPECS = tuple(
    spec for one in (_ROTATION, _POSITION, _BROW_DYNAMICS, _BROW_SPREAD, _LIPS, _JITTER) for spec in (one, gap_of(one))
)
