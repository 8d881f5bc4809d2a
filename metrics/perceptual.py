"""Distances of deep features: LPIPS, and path lengths of emotion interpolations (E-PPL, E-PDV)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics.spec import Direction, MetricSpec

if TYPE_CHECKING:  # torch takes seconds to import, and most who read the facts need none of it
    from torch import Tensor

EPSILON = 1e-10
STEPS = 16
"""Steps of an interpolation: 17 frames."""


def unit_normalised(features: "Tensor") -> "Tensor":
    """Features (B, C, H, W) divided by their norm over channels plus 1e-10."""
    import torch

    norm: Tensor = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    return features / (norm + EPSILON)


def layer_distance(first: "Tensor", second: "Tensor", weights: "Tensor | None" = None) -> "Tensor":
    """Distance (B,) of one layer: mean over positions of sum_c w_c (f - g)^2 of unit-normalised features.

    Args:
        first, second: (B, C, H, W), already unit-normalised.
        weights: (C,), ones by default.

    Source: Zhang et al., CVPR 2018, eq. 1.
    """
    squares = (first - second) ** 2
    if weights is not None:
        squares = squares * weights[:, None, None]
    return squares.sum(dim=1).mean(dim=(1, 2))


def path_length(distances: NDArray[np.floating]) -> float:
    """E-PPL: K^2 times the mean of the K step distances (256 for 17 frames), 1 / epsilon^2 as in StyleGAN2."""
    d = _steps(distances)
    return float(len(d) ** 2 * d.mean())


def path_variance(distances: NDArray[np.floating]) -> float:
    """E-PDV: population variance of K^2 d over the steps."""
    d = _steps(distances)
    return float((len(d) ** 2 * d).var())


def relative_path_length(distances: NDArray[np.floating], ends: float) -> float:
    """sum sqrt(d_k) / sqrt(d(first, last)): 1 is a straight path; NaN where the ends do not differ.

    d is a mean of squared differences, so sqrt(d) obeys the triangle inequality and the ratio is at least 1.
    """
    if not ends > 0:
        return float("nan")
    return float(np.sqrt(_steps(distances)).sum() / np.sqrt(ends))


def _steps(distances: NDArray[np.floating] | Sequence[float]) -> NDArray[np.float64]:
    d = np.asarray(distances, np.float64)
    if d.ndim != 1 or len(d) == 0:
        raise ValueError(f"expected distances (K,), got {d.shape}")
    return d


_LPIPS_TRAPS = (
    "AlexNet and VGG values are different metrics. Version 0.1 heads and their input scaling; passing [0, 1] images to "
    "the package without normalize shifts its values."
)
_PATH_TRAPS = (
    "No such network was ever published and neither layers nor scale are stated, so published values cannot be met: "
    "compare only rows of one network. A generator that ignores the emotion gets 0: read e_end and the accuracy of "
    "the end frames beside it."
)
_PATH_SOURCE = "GMTalker T. III; scale and sum as in StyleGAN2 (1 / epsilon^2, epsilon 1/16)"

_PATHS: tuple[tuple[str, str, Direction, str, str], ...] = (
    ("e_ppl", "E-PPL", "lower", "[0, 512]", "Mean perceptual step between neighbours of an interpolation."),
    ("e_pdv", "E-PDV", "lower", "[0, inf)", "How unequal the steps are: 0 is an even path."),
    ("e_ppl_rel", "E-PPL relative", "lower", "[1, inf)", "Length of the path over that of the straight one."),
    (
        "e_end", "Distance of the ends", "reference", "[0, 2]",
        "Guard: how far the two emotions' frames are apart at all. A small one makes E-PPL meaningless.",
    ),
    (
        "e_end_acc", "Accuracy of the ends", "higher", "[0, 100]",
        "Guard: percent of the first and last frames in which the same network sees the emotion asked for.",
    ),
)  # fmt: skip

SPECS = (
    *(
        MetricSpec(
            name=name,
            title=title,
            group="picture",
            what=f"Perceptual distance to the reference frame at the same time ({network}).",
            version=2,
            direction="lower",
            unit="",
            range="[0, ~1]",
            needs=("reference", "network"),
            aggregation="frame mean -> clip mean",
            source=f"Zhang et al., CVPR 2018, version 0.1, {network} trunk",
            interpretation="Perceptual distance to the reference frame at the same time.",
            caveats=_LPIPS_TRAPS,
            default=default,
        )
        for name, title, network, default in (
            ("lpips_alex", "LPIPS", "AlexNet", True),
            ("lpips_vgg", "LPIPS (VGG)", "VGG-16", False),
        )
    ),
    *(
        MetricSpec(
            name=name,
            title=title,
            group="emotion",
            version=2,
            direction=direction,
            unit="",
            range=extent,
            needs=("interpolation", "network"),
            aggregation="sequence value -> mean over sequences",
            source=_PATH_SOURCE,
            interpretation=interpretation,
            caveats=_PATH_TRAPS,
            default=False,
        )
        for name, title, direction, extent, interpretation in _PATHS
    ),
)
