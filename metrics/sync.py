"""Lip synchronisation: distances of SyncNet embeddings over a range of offsets."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics.series import FPS, circular_shifts
from gmbench.metrics.spec import MetricSpec

SHIFT = 15
"""Largest offset in frames; the distance function of the original has 10 by default, its scripts pass 15."""
SAMPLES_PER_FRAME = 640
"""At 16 kHz and 25 fps."""
WINDOW = 5
"""Frames a window."""
_EPSILON = 1e-6
_CORRELATION_LAGS = 15


@dataclass(frozen=True)
class Sync:
    """Sync-C, Sync-D and the offset in frames (negative: the sound is late)."""

    confidence: float
    distance: float
    offset: int


def windows(frames: int, samples: int) -> int:
    """Number of windows that have both pictures and sound: min(T, floor(N / 640)) - 5, not negative."""
    return max(0, min(frames, samples // SAMPLES_PER_FRAME) - WINDOW)


def shift_distances(
    video: NDArray[np.floating], audio: NDArray[np.floating], shift: int = SHIFT
) -> NDArray[np.float64]:
    """Distance of each window's picture to the sounds around it.

    Args:
        video, audio: (M, d) embeddings, not normalised; the sound is padded with zeros at both ends.
        shift: largest offset.

    Returns:
        (M, 2 * shift + 1); column s compares window i with sound i + s - shift.

    Raises:
        ValueError: shapes differ.

    Source: Chung and Zisserman, Out of time, ACCV workshops 2016; syncnet_python.
    """
    if video.shape != audio.shape or video.ndim != 2:
        raise ValueError(f"expected two arrays of one shape (M, d), got {video.shape} and {audio.shape}")
    v, a = np.asarray(video, np.float64), np.asarray(audio, np.float64)
    padded = np.pad(a, ((shift, shift), (0, 0)))
    return np.stack(
        [np.linalg.norm(v - padded[s : s + len(v)] + _EPSILON, axis=1) for s in range(2 * shift + 1)], axis=1
    )


def synchronise(distances: NDArray[np.float64]) -> Sync:
    """Sync-C, Sync-D and offset from (M, 2 * shift + 1) distances.

    m[s] is the mean over windows; Sync-D = min m, Sync-C = median m - min m, offset = shift - argmin m.
    """
    mean = distances.mean(axis=0)
    best = int(np.argmin(mean))
    return Sync(float(np.median(mean) - mean[best]), float(mean[best]), (len(mean) - 1) // 2 - best)


def lip_opening(landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T,) inner lip opening |p62 - p66| in shares of the inter-ocular distance, of landmarks (T, 68, 2)."""
    from gmbench.metrics.landmarks import interocular

    return np.asarray(np.linalg.norm(landmarks[:, 62] - landmarks[:, 66], axis=-1) / interocular(landmarks))


def opening_correlation(opening: NDArray[np.float64], loudness: NDArray[np.float64]) -> tuple[float, int]:
    """Largest Pearson r of lip opening (T,) and loudness (T,) over lags up to 15 frames, and its lag.

    A positive lag: the sound is late. NaN frames are left out; NaN where nothing varies.
    """
    length = min(len(opening), len(loudness))
    best, place = float("nan"), 0
    for lag in range(-_CORRELATION_LAGS, _CORRELATION_LAGS + 1):
        a = opening[max(0, -lag) : length - max(0, lag)]
        b = loudness[max(0, lag) : length - max(0, -lag)]
        keep = np.isfinite(a) & np.isfinite(b)
        if keep.sum() < 3 or not np.ptp(a[keep]) > 0 or not np.ptp(b[keep]) > 0:  # a deviation need not vanish exactly
            continue
        r = float(np.corrcoef(a[keep], b[keep])[0, 1])
        if not r <= best:
            best, place = r, lag
    return best, place


def opening_chance(opening: NDArray[np.float64], loudness: NDArray[np.float64], shifts: int = 20) -> float:
    """Mean of :func:`opening_correlation` under circular shifts of the sound between 1 s and the length less 1 s.

    Args:
        opening, loudness: (T,) at 25 fps; the longer one is cut.

    Returns:
        NaN below two seconds, or where nothing varies.
    """
    length = min(len(opening), len(loudness))
    if length < 2 * FPS:
        return float("nan")
    moved = [np.roll(loudness[:length], shift) for shift in circular_shifts(length, shifts)]
    return float(np.mean([opening_correlation(opening[:length], one)[0] for one in moved]))


_TRAPS = (
    "Crop, codec and shift range move the value by as much as methods differ: the ground truth of one dataset is "
    "6.7, 7.4 and 7.8 in three papers. Methods trained with a SyncNet loss exceed real video; above it is not better. "
    "THEval saw LSE-C and LSE-D of HDTF move by 0.4 on average, at most 1.2, when its sound went from AAC to MP3: "
    "compare clips of one codec, and read the control reencode."
)
_SOURCE = "Chung and Zisserman, Out of time, 2016; syncnet_python (vshift 15)"

SPECS = (
    MetricSpec(
        name="sync_c",
        title="Sync-C",
        group="lips",
        what="SyncNet's confidence that lips and sound belong together.",
        version=2,
        direction="higher",
        best="reference",
        unit="",
        range="[0, inf), about 0 to 10",
        needs=("audio", "network"),
        aggregation="clip value -> clip mean",
        source=_SOURCE + "; GMTalker T. I to V (Sync), FlowVQTalker and EDTalk (Sync_conf), DICE-Talk",
        interpretation="How much better the best offset fits than the median one. Read the ground-truth row first.",
        caveats=_TRAPS,
    ),
    MetricSpec(
        name="sync_d",
        title="Sync-D",
        group="lips",
        what="SyncNet's distance of lips and sound at the best offset.",
        version=2,
        direction="lower",
        best="reference",
        unit="",
        range="[0, inf), about 6 to 15",
        needs=("audio", "network"),
        aggregation="clip value -> clip mean",
        source=_SOURCE + "; DICE-Talk T. 1",
        interpretation="Distance of lips and sound at the best offset, wherever that is: a clip out of step by three "
        "frames "
        "can have a good Sync-D. Read it with av_offset.",
        caveats=_TRAPS,
    ),
    MetricSpec(
        name="av_offset",
        title="AV offset",
        group="lips",
        what="Frames by which the sound leads the picture, by SyncNet.",
        version=2,
        direction="reference",
        best="zero",
        unit="frames",
        range="-15 to 15",
        needs=("audio", "network"),
        aggregation="clip value -> median over clips",
        source=_SOURCE,
        interpretation="Frames by which the sound leads the picture; negative: the sound is late. 0 is in step.",
        caveats="Without clear speech the offset is arbitrary: look at Sync-C.",
    ),
    MetricSpec(
        name="sync_c_gap",
        title="|Sync-C - GT|",
        group="lips",
        what="Distance of Sync-C to the real clip's.",
        version=2,
        direction="lower",
        unit="",
        range="[0, inf)",
        needs=("reference", "audio", "network"),
        aggregation="clip value -> clip mean",
        source=_SOURCE,
        interpretation="Difference to the real clip's own Sync-C: 0 is as much in step as the real video.",
        caveats=_TRAPS,
        default=False,
    ),
    MetricSpec(
        name="lipscore",
        title="LipScore",
        group="lips",
        what="Likeness of what a lip reader sees in the generated and in the real lips.",
        version=1,
        direction="higher",
        unit="",
        range="[-1, 1]",
        needs=("reference", "landmarks", "network"),
        aggregation="frame mean -> clip mean",
        source="KeyFace (arXiv 2503.01715) and KeySync (arXiv 2505.00497), there Auto-AVSR",
        interpretation="Cosine of a lip reader's embeddings of both clips at the same time: 1 is the same speech on "
        "the lips.",
        caveats="The lip reader is a program that you export; crop and alignment here are this suite's, so published "
        "LipScores are not comparable. Lips out of step are other lips. Lip readers lean on what language makes "
        "likely, and know the languages that they were taught. Frames without a face have interpolated crops.",
        default=False,
        responds_to=("blur", "shuffle"),
    ),
    MetricSpec(
        name="sync_corr",
        title="Lip-loudness corr.",
        group="lips",
        what="Correlation of mouth opening and loudness, without any network.",
        version=3,
        direction="higher",
        best="reference",
        unit="",
        range="[-1, 1]",
        needs=("audio", "landmarks"),
        aggregation="clip value -> clip mean",
        source="none published: inner-lip opening against loudness, largest correlation within 15 frames",
        interpretation="A check without any network: real speech opens the mouth when it is loud.",
        caveats="Blind to what is said. The largest of 31 lags is above 0 by chance, the more so in short clips: read "
        "sync_corr_chance beside it, which it beat clearly on two of nine real clips only; sync_lin on five.",
        default=False,
    ),
    MetricSpec(
        name="sync_corr_chance",
        title="Lip-loudness chance",
        group="lips",
        what="Lip-loudness corr. of the same lips with shifted sound: the chance level.",
        version=1,
        direction="reference",
        best="none",
        unit="",
        range="[-1, 1]",
        needs=("audio", "landmarks"),
        aggregation="mean over 20 circular shifts of the sound -> clip mean",
        source="this suite",
        interpretation="sync_corr of the same lips under 20 circular shifts of the sound, each at its best lag.",
        caveats="Undefined below two seconds.",
        default=False,
    ),
)
