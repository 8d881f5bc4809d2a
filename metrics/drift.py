"""How a clip changes from its start to its end, and flickers from frame to frame."""

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics.series import complete
from gmbench.metrics.spec import Group, MetricSpec, Need, gap_of

LEAST_FRAMES = 40
"""Frames below which a quarter of a clip says nothing."""
LONG_FRAMES = 250
"""10 s: shorter clips cannot show drift and are flagged."""
COLOUR_FRAMES = 25
LEAST_REGION = 0.05
"""Share of the frame that the background has at least."""

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def quarter_drift(values: NDArray[np.float64]) -> float:
    """Mean of the last quarter of values (T,) less that of the first; NaN values count in neither.

    Returns:
        in the values' unit; NaN where a quarter has no value.
    """
    quarter = len(values) // 4
    first, last = values[:quarter], values[len(values) - quarter :]
    if not np.isfinite(first).any() or not np.isfinite(last).any():
        return float("nan")
    return float(np.nanmean(last) - np.nanmean(first))


def lab(rgb: NDArray[np.generic]) -> NDArray[np.float64]:
    """CIE L*a*b* (..., 3) under D65 of sRGB colours (..., 3) in 0 to 255."""
    share = np.asarray(rgb, np.float64) / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    relative = linear @ _TO_XYZ.T / _WHITE
    f = np.where(relative > (6 / 29) ** 3, np.cbrt(relative), relative * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def colour_drift(colours: NDArray[np.float64]) -> float:
    """Distance of the mean colour of the last 25 frames to that of the first 25 (CIE 1976).

    Args:
        colours: (T, 3) mean L*a*b* of the face in each frame; NaN without one.

    Returns:
        Delta E; NaN where either end has no face.
    """
    first, last = complete(colours[:COLOUR_FRAMES]), complete(colours[-COLOUR_FRAMES:])
    if len(first) == 0 or len(last) == 0:
        return float("nan")
    return float(np.linalg.norm(last.mean(axis=0) - first.mean(axis=0)))


def background(points: NDArray[np.float64], height: int, width: int) -> NDArray[np.bool_]:
    """Where (H, W) the picture shows neither head nor body: outside the landmarks' box, widened, down to the bottom.

    Args:
        points: (68, 2) pixels; their box grows by 60 % of its height upwards, 40 % of its width to each side, and down
            to the bottom of the frame.
    """
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    top, left, right = top - 0.6 * (bottom - top), left - 0.4 * (right - left), right + 0.4 * (right - left)
    rows, columns = np.arange(height), np.arange(width)
    return np.asarray(~((rows >= top)[:, None] & ((columns >= left) & (columns <= right))[None]))


def change(first: NDArray[np.uint8], second: NDArray[np.uint8], region: NDArray[np.bool_] | None = None) -> float:
    """Mean absolute difference of two frames (H, W, 3) in grey levels, over a region (H, W) or all of it.

    Returns:
        NaN where the region is less than 5 % of the frame.

    Source: VBench (CVPR 2024), temporal flickering, before its scaling.
    """
    difference = np.abs(first.astype(np.int16) - second)
    if region is None:
        return float(difference.mean())
    return float(difference[region].mean()) if region.mean() >= LEAST_REGION else float("nan")


def vbench_flicker(change_of_frames: float) -> float:
    """VBench's temporal flickering in [0, 1] of the mean :func:`change` of whole frames: 1 is a still picture."""
    return (255.0 - change_of_frames) / 255.0


def _drift(
    base: str, title: str, unit: str, needs: tuple[Need, ...], of: str, group: Group = "time", extra: str = ""
) -> MetricSpec:
    return MetricSpec(
        name=f"{base}_drift",
        title=f"{title} drift",
        group=group,
        what=f"How {of} changes from the first to the last quarter of a clip.",
        version=1,
        direction="reference",
        unit=unit,
        range="(-inf, inf)",
        needs=needs,
        aggregation="clip value -> clip mean",
        source="AsymTalker (arXiv 2605.02948) and DAWN (arXiv 2410.13726) in form; the quarters are this suite's",
        interpretation=f"Mean of {of} over the last quarter less that over the first. Read it against the real clips.",
        caveats=extra + "Light and pose change in real video too: nothing is subtracted. Clips below 10 s cannot show "
        "drift (flag short_for_drift), below 40 frames there is no value.",
        default=False,
    )


_COLOUR = MetricSpec(
    name="color_drift",
    title="Colour drift",
    group="time",
    what="How far the face's colour moves from the start of a clip to its end.",
    version=1,
    direction="reference",
    unit="Delta E",
    range="[0, inf)",
    needs=("landmarks",),
    aggregation="clip value -> clip mean",
    source="this suite; THEval (arXiv 2511.04520), appendix C, shows the fault that its metrics miss",
    interpretation="Distance of the face's mean colour in the last second to that in the first: 2 is just visible.",
    caveats="Light changes in real video too: read it against the real clips. Clips below 10 s cannot show "
    "drift (flag short_for_drift), below 50 frames there is no value.",
    default=False,
)
_FLICKER = MetricSpec(
    name="bg_flicker",
    title="Background flicker",
    group="time",
    what="How much the background changes from frame to frame.",
    version=1,
    direction="reference",
    unit="grey levels",
    range="[0, 255]",
    needs=("landmarks",),
    aggregation="mean over pairs of frames that follow on each other -> clip mean",
    source="BG-Flicker of arXiv 2509.12052, there outside a segmented person",
    interpretation="Mean absolute change outside a wide box around head and body. Read it against the real clip.",
    caveats="0 is a pasted still background, which is not natural either. Camera motion counts. Compression takes "
    "most of it away: compare clips of one compression. Undefined where the box leaves less than 5 % of the frame.",
    default=False,
    responds_to=("noise",),
)
_VBENCH = MetricSpec(
    name="vb_flicker",
    title="VBench flicker",
    group="time",
    what="Sameness of frames that follow on each other.",
    version=1,
    direction="reference",
    unit="",
    range="[0, 1]",
    needs=("landmarks",),
    aggregation="mean over pairs of frames that follow on each other -> clip mean",
    source="VBench (CVPR 2024), temporal flickering",
    interpretation="1 less the mean change of whole frames over 255. Read it against the real clip.",
    caveats="VBench reads it as higher is better: a still picture has the best value. Never without the real clips' "
    "row.",
    default=False,
    responds_to=("noise",),
)

SPECS = (
    _drift("cpbd", "CPBD", "", (), "sharpness"),
    _drift("psnr", "PSNR", "dB", ("reference",), "the PSNR of frames"),
    _drift("lpips_alex", "LPIPS", "", ("reference", "network"), "LPIPS"),
    _drift("lpips_vgg", "LPIPS (VGG)", "", ("reference", "network"), "LPIPS (VGG)"),
    _drift(
        "face_q",
        "Face quality",
        "",
        ("landmarks", "network"),
        "the face's quality",
        extra="By pyiqa's network (extra iqa); frames without a face count in neither quarter. ",
    ),
    _drift("f_sim", "F-SIM", "", ("reference", "network"), "the likeness to the speaker"),
    _COLOUR,
    _FLICKER,
    gap_of(_FLICKER),
    _VBENCH,
)
