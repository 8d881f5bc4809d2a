"""Distances and traces of 68-point facial landmarks (iBUG 300-W numbering, 0-based)."""

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics.spec import MetricSpec

Landmarks = NDArray[np.float64]

MOUTH = slice(48, 68)
FACE = slice(0, 68)
RIGHT_EYE = slice(36, 42)
LEFT_EYE = slice(42, 48)


def interocular(landmarks: Landmarks) -> NDArray[np.float64]:
    """Distance between the eye centres (means of 36-41 and of 42-47), (..., 68, 2) -> (...), pixels."""
    centres = landmarks[..., LEFT_EYE, :].mean(axis=-2) - landmarks[..., RIGHT_EYE, :].mean(axis=-2)
    return np.asarray(np.linalg.norm(centres, axis=-1))


def is_mirrored(landmarks: Landmarks) -> bool:
    """Whether most faces (T, 68, 2) are mirrored: from the right eye to the left and to the mouth is anticlockwise.

    True where x and y are exchanged or y points up, however the head is turned; rows of NaN do not count.
    """
    right, left, mouth = (landmarks[:, part].mean(axis=1) for part in (RIGHT_EYE, LEFT_EYE, MOUTH))
    across, down = left - right, mouth - right
    turn = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]
    return bool((turn < 0).sum() > (turn >= 0).sum())


def landmark_distance(
    generated: Landmarks, reference: Landmarks, points: slice = FACE, centred: bool = True
) -> NDArray[np.float64]:
    """Landmark distance (LMD) per frame: mean Euclidean distance over a point set.

    Args:
        generated, reference: (T, 68, 2) pixels; a row of NaN is a frame without a face.
        points: ``MOUTH`` for M-LMD, ``FACE`` for F-LMD.
        centred: subtract from each shape its own mean over ``points`` first.

    Returns:
        (T,) pixels, NaN where either side has no face.

    Raises:
        ValueError: shapes differ or are not (T, 68, 2).

    Source: Chen et al., ATVGnet, CVPR 2019 (sum over 20 points there); EAT evaluation code.
    """
    if generated.shape != reference.shape or generated.shape[-2:] != (68, 2):
        raise ValueError(f"expected two arrays of one shape (T, 68, 2), got {generated.shape} and {reference.shape}")
    a, b = generated[..., points, :], reference[..., points, :]
    if centred:
        a, b = a - a.mean(axis=-2, keepdims=True), b - b.mean(axis=-2, keepdims=True)
    return np.asarray(np.linalg.norm(a - b, axis=-1).mean(axis=-1))


def normalised_landmark_distance(
    generated: Landmarks, reference: Landmarks, points: slice = FACE
) -> NDArray[np.float64]:
    """Centred LMD per frame in percent of the reference frame's inter-ocular distance; see above."""
    return 100.0 * landmark_distance(generated, reference, points) / interocular(reference)


def trace_rms(landmarks: Landmarks) -> float:
    """Spread of the face's centre over a clip, in percent of the mean inter-ocular distance.

    sqrt(mean_t |c_t - mean c|^2) with c_t the mean of the 68 points; frames without a face are
    left out; NaN if there is none.
    """
    valid = landmarks[np.isfinite(landmarks).all(axis=(1, 2))]
    if len(valid) == 0:
        return float("nan")
    centres = valid.mean(axis=1) - valid[0].mean(axis=0)  # exactly zero for a face that does not move
    spread = np.sqrt(((centres - centres.mean(axis=0)) ** 2).sum(axis=1).mean())
    return float(100.0 * spread / interocular(valid).mean())


_LMD_TRAPS = (
    "Numbers from different landmark detectors are different metrics: the key carries the detector. "
    "Papers disagree on crop and alignment, so published LMDs are not comparable with each other."
)

SPECS = (
    MetricSpec(
        name="m_lmd",
        title="M-LMD",
        group="lips",
        what="Mouth landmark distance in an aligned 128-pixel crop.",
        version=2,
        direction="lower",
        unit="px (eat128)",
        range="[0, inf)",
        needs=("reference", "landmarks"),
        aggregation="frame mean -> clip mean; frames without a face on either side are left out",
        source="GMTalker T. I, II, V; EAT evaluation code: mouth points 48-67, centred, 128-pixel crop",
        interpretation="Mouth shape error in pixels of an aligned 128-pixel crop with 51.3 pixels between the "
        "eyes: 1 px is 1.95 % of the inter-ocular distance.",
        caveats=_LMD_TRAPS,
    ),
    MetricSpec(
        name="f_lmd",
        title="F-LMD",
        group="motion",
        what="Face landmark distance in an aligned 128-pixel crop.",
        version=2,
        direction="lower",
        unit="px (eat128)",
        range="[0, inf)",
        needs=("reference", "landmarks"),
        aggregation="frame mean -> clip mean; frames without a face on either side are left out",
        source="GMTalker T. I, II, V; EAT evaluation code: all 68 points, centred, 128-pixel crop",
        interpretation="Face shape error after alignment; what is left of head pose is yaw and pitch only.",
        caveats=_LMD_TRAPS,
    ),
    MetricSpec(
        name="m_nlmd",
        title="M-NLMD",
        group="lips",
        what="Mouth landmark distance in percent of the inter-ocular distance.",
        version=2,
        direction="lower",
        unit="% inter-ocular",
        range="[0, inf)",
        needs=("reference", "landmarks"),
        aggregation="frame mean -> clip mean; frames without a face on either side are left out",
        source="this suite: LMD on full frames, centred only, over the reference's inter-ocular distance",
        interpretation="Mouth error that does not depend on resolution; head roll, size and pose stay in.",
        caveats=_LMD_TRAPS,
    ),
    MetricSpec(
        name="f_nlmd",
        title="F-NLMD",
        group="motion",
        what="Face landmark distance in percent of the inter-ocular distance.",
        version=2,
        direction="lower",
        unit="% inter-ocular",
        range="[0, inf)",
        needs=("reference", "landmarks"),
        aggregation="frame mean -> clip mean; frames without a face on either side are left out",
        source="this suite: LMD on full frames, centred only, over the reference's inter-ocular distance",
        interpretation="Face error that does not depend on resolution; head roll, size and pose stay in.",
        caveats=_LMD_TRAPS,
    ),
    MetricSpec(
        name="trace_rms",
        title="Trace",
        group="motion",
        version=2,
        direction="reference",
        unit="% inter-ocular",
        range="[0, inf)",
        needs=("landmarks",),
        aggregation="clip value -> clip mean",
        source="SadTalker and FlowVQTalker Fig. 5a draw it; the number is this suite's",
        interpretation="How far the head travels over the clip; compare with the ground-truth row.",
        caveats="Camera motion counts as head motion; crops that follow the face remove it.",
    ),
    MetricSpec(
        name="trace_gap",
        title="|Trace - GT|",
        group="motion",
        what="Distance of the head's travel to the real clip's.",
        version=2,
        direction="lower",
        unit="% inter-ocular",
        range="[0, inf)",
        needs=("reference", "landmarks"),
        aggregation="absolute difference of the clip's values -> clip mean",
        source="this suite",
        interpretation="0 means the head travels as far as in the real clip.",
        caveats="Equal distance is not equal motion.",
    ),
)
