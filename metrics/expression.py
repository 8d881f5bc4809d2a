"""Distances of expression and pose of the whole face, on blendshapes: what AED, APD and E-FID measure on 3D models."""

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics.head_motion import wrapped
from gmbench.metrics.series import Series
from gmbench.metrics.spec import Direction, MetricSpec, Need

SMALL = 500
"""Frames of a side below which the Fréchet distance of 51 blendshapes is flagged."""


def expressions(blendshapes: Series) -> Series:
    """(T, 51) of MediaPipe's blendshapes (T, 52): the first, ``_neutral``, is dropped."""
    return blendshapes[:, 1:]


def expression_distance(generated: Series, reference: Series) -> NDArray[np.float64]:
    """Mean absolute difference (T,) over the shapes of two series (T, K); NaN where a side has no face."""
    return np.asarray(np.abs(generated - reference).mean(axis=1))


def pose_distance(generated: Series, reference: Series) -> NDArray[np.float64]:
    """Sum (T,) of the absolute differences of three angles (T, 3) in degrees; NaN where a side has no face."""
    return np.asarray(wrapped(generated - reference).sum(axis=1))


def _spec(
    name: str, title: str, unit: str, range_: str, need: Need, what: str, interpretation: str, caveats: str,
    aggregation: str = "frame mean -> clip mean", source: str = "this suite", direction: Direction = "lower",
) -> MetricSpec:  # fmt: skip
    return MetricSpec(
        name=name,
        title=title,
        group="motion",
        what=what,
        version=1,
        direction=direction,
        unit=unit,
        range=range_,
        needs=("reference", need),
        aggregation=aggregation,
        source=source,
        interpretation=interpretation,
        caveats=caveats,
        default=False,
    )


_SHAPES = "Only for landmarks that come with blendshapes (MediaPipe). "
_SETS = "set-level: one number from the frames of all clips; never a mean over clips"
_NOT_PUBLISHED = (
    "Not E-FID, which reads coefficients of a 3D face model: never beside printed values of 1 to 3. Halves of one clip "
    "are 0.05 to 0.15 apart, two people 1.6: the people on both sides must be the same, and equally many frames. "
    "Below 500 frames it is flagged fxd_small_n. Blind to the order of frames. "
)

SPECS = (
    _spec("fxd", "FXD", "", "[0, inf)", "landmarks",
          "Distance between the distributions of generated and real expressions.",
          "Fréchet distance of 51 blendshapes of all frames: 0 where the same expressions occur as often.",
          _NOT_PUBLISHED + _SHAPES, _SETS, "E-FID of EMO (arXiv 2402.17485) in its role, on blendshapes"),
    _spec("fxd_c", "FXD (centred)", "", "[0, inf)", "landmarks",
          "FXD without each clip's mean expression.",
          "As fxd after each clip's mean is taken off: how the face moves, whatever its resting shape.",
          _NOT_PUBLISHED + _SHAPES, _SETS, "this suite: fxd without the face's own shape"),
    _spec("aed", "AED (blendshapes)", "", "[0, 100]", "landmarks",
          "Mean difference of 51 blendshapes to the real frame at the same time.",
          "100 times the mean absolute difference: 0 is the real clip's expression in every frame.",
          "Not the AED of papers, which reads coefficients of a 3D face model. " + _SHAPES,
          source="average expression distance of reenactment papers, on blendshapes"),
    _spec("apd", "APD", "deg", "[0, 180]", "pose",
          "Mean difference of head angles to the real frame at the same time.",
          "Mean absolute difference over pitch, yaw and roll.",
          "A frozen head can beat a lively one that moves at other times: read head_dyn_rot beside it. Not the APD of "
          "papers, which reads coefficients of a 3D face model.",
          source="average pose distance of reenactment papers, in degrees"),
)  # fmt: skip
