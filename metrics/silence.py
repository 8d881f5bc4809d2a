"""What the mouth does while nobody speaks."""

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics.landmarks import Landmarks, interocular
from gmbench.metrics.spec import MetricSpec, gap_of

LEAST_RUN = 8
"""Frames that a silence lasts at least: 320 ms, THEval's 300 rounded up."""
OPEN_ASPECT = 0.25
"""Height over width of the inner mouth above which it counts as open, as KeySync's LipLeak has it."""
SILENCE_DB = -40.0
"""Level below the loudest frame of a clip from which on ``rms40`` takes a frame for silent."""

Mask = NDArray[np.bool_]


def inner_height(landmarks: Landmarks) -> NDArray[np.float64]:
    """Mean (T,) of the three vertical distances of the inner lips, 61-67, 62-66, 63-65, pixels."""
    upper, lower = landmarks[:, [61, 62, 63]], landmarks[:, [67, 66, 65]]
    return np.asarray(np.linalg.norm(upper - lower, axis=-1).mean(axis=-1))


def mouth_opening(landmarks: Landmarks) -> NDArray[np.float64]:
    """Inner height (T,) over the inter-ocular distance, of landmarks (T, 68, 2)."""
    return inner_height(landmarks) / interocular(landmarks)


def mouth_aspect(landmarks: Landmarks) -> NDArray[np.float64]:
    """Inner height (T,) over the inner width, the distance of 60 and 64, of landmarks (T, 68, 2)."""
    return np.asarray(inner_height(landmarks) / np.linalg.norm(landmarks[:, 60] - landmarks[:, 64], axis=-1))


def loud_frames(rms: NDArray[np.float64]) -> Mask:
    """Frames (T,) no more than 40 dB below the loudest: ``rms40``, what stands in for voice activity; none in silence.

    Finds no silence in a noisy room.
    """
    return np.asarray((rms >= rms.max(initial=0.0) * 10.0 ** (SILENCE_DB / 20.0)) & (rms > 0))


def silent_frames(speech: Mask, least_run: int = LEAST_RUN) -> Mask:
    """Frames (T,) without speech in runs of at least so many."""
    edges = np.flatnonzero(np.diff(np.r_[False, ~speech, False].astype(np.int8)))
    result = np.zeros(len(speech), bool)
    for start, stop in edges.reshape(-1, 2):
        result[start:stop] = stop - start >= least_run
    return result


def median_deviation(opening: NDArray[np.float64]) -> float:
    """Median absolute deviation of values (n,) from their median; NaN of none.

    Source: THEval's paper, silent lip stability.
    """
    return float(np.median(np.abs(opening - np.median(opening)))) if len(opening) else float("nan")


def median_deviation_from_mean(opening: NDArray[np.float64]) -> float:
    """Median absolute deviation of values (n,) from their mean; NaN of none.

    Source: THEval's code, silent lip stability.
    """
    if len(opening) == 0:
        return float("nan")
    shifted = opening - opening[0]  # lips that do not move have exactly 0
    return float(np.median(np.abs(shifted - shifted.mean())))


def opening_range(opening: NDArray[np.float64]) -> float:
    """95 % quantile less 5 % quantile of values (n,), interpolated linearly; NaN of none."""
    return float(np.quantile(opening, 0.95) - np.quantile(opening, 0.05)) if len(opening) else float("nan")


def open_share(aspect: NDArray[np.float64]) -> float:
    """Share of values (n,) above 0.25; NaN of none.

    Source: KeySync (arXiv 2505.00497), LipLeak, there of clips driven by silent sound.
    """
    return float((aspect > OPEN_ASPECT).mean()) if len(aspect) else float("nan")


def _spec(name: str, title: str, range_: str, source: str, interpretation: str, caveats: str) -> MetricSpec:
    return MetricSpec(
        name=name,
        title=title,
        group="lips",
        version=1,
        direction="reference",
        unit="",
        range=range_,
        needs=("audio", "speech", "landmarks"),
        aggregation="clip value over silent frames -> clip mean; also reported pooled over them",
        source=source,
        interpretation=interpretation,
        caveats=caveats + " Undefined for clips with fewer than eight silent frames with a face: look at how many "
        "clips had any. Laughing and breathing are silence to the detector of speech, which the key carries; without "
        "the extra vad it is loudness (rms40), which finds no silence in a noisy room.",
        default=False,
    )


_OPEN = (
    _spec(
        "silent_mad", "Silent lips (MAD)", "[0, inf)", "THEval (arXiv 2511.04520), silent lip stability, as the paper "
        "defines it",
        "How much the mouth's opening, in shares of the inter-ocular distance, varies in silences. Read it against the "
        "real clip: real lips move a little.",
        "Blind to what up to half of the silent frames do (silent_range is not), and 0 for a mouth held open "
        "(silent_open is not). THEval's code takes the deviation from the mean (silent_mad_th).",
    ),
    _spec(
        "silent_range", "Silent lips (range)", "[0, inf)", "this suite: beside silent_mad",
        "From the 5 to the 95 % quantile of the mouth's opening in silences: lips that flap for a moment raise it.",
        "A smile or a swallow raises it too.",
    ),
    _spec(
        "silent_open", "Silent lips (open)", "[0, 1]", "KeySync (arXiv 2505.00497), LipLeak's threshold, here in "
        "silences of ordinary clips",
        "Share of silent frames with the mouth open by more than a quarter of its width.",
        "LipLeak is printed for clips that were driven by silent sound and a talking source: --protocol silent_drive.",
    ),
)  # fmt: skip

SPECS = tuple(spec for one in _OPEN for spec in (one, gap_of(one)))
