"""How head, brows, lips, eyes and expression move, bound to the features they read."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from gmbench.evaluation.scoring.clip_data import ClipData, ClipFeatures, Unscored
from gmbench.evaluation.scoring.clip_scores import Of, Read, gap, gap_of_scores, of_generated, points, pose
from gmbench.evaluation.scoring.metric import Metric, Score, defined, frame_mean
from gmbench.metrics import blinks, expression, face_dynamics, frechet, silence
from gmbench.metrics.catalogue import SPECS
from gmbench.metrics.series import LEAST_FRAMES, mean_interocular

Scorer = Callable[[ClipData], Score]


def _head_position(landmarks: NDArray[np.float64]) -> float:
    return face_dynamics.head_position_dynamics(face_dynamics.face_centres(landmarks), mean_interocular(landmarks))


def _brow_dynamics(landmarks: NDArray[np.float64]) -> float:
    return face_dynamics.brow_dynamics(face_dynamics.brow_heights(landmarks))


def _brow_spread(landmarks: NDArray[np.float64]) -> float:
    return face_dynamics.brow_spread(face_dynamics.brow_heights(landmarks))


_OF_SERIES: dict[str, tuple[Of, Read, int]] = {
    "head_dyn_rot": (face_dynamics.head_rotation_dynamics, pose, LEAST_FRAMES),
    "head_dyn_pos": (_head_position, points, LEAST_FRAMES),
    "brow_dyn": (_brow_dynamics, points, LEAST_FRAMES),
    "brow_std": (_brow_spread, points, LEAST_FRAMES),
    "lip_dyn": (face_dynamics.lip_dynamics, points, LEAST_FRAMES),
    "jitter": (face_dynamics.jitter, points, 3),
}


def _blinks(clip: ClipData) -> blinks.Blinks:
    return blinks.blinks(blinks.eye_opening(clip.generated.landmarks))


def _blink(part: str, reason: str) -> Scorer:
    def score(clip: ClipData) -> Score:
        found = clip.once(_blinks)
        value = float(getattr(found, part))
        return defined(value, found.frames, clip.generated.frames, reason, clip.face_flags(clip.generated))

    return score


_blink_rate = _blink("rate", "no frame with a face")


def silent(clip: ClipFeatures) -> NDArray[np.bool_]:
    """Frames (T,) of the picture in which nobody speaks, in runs of at least eight."""
    speech = np.asarray(clip.extracted("speech")["speech"], bool)
    frames = min(clip.frames, len(speech))
    return np.r_[silence.silent_frames(speech[:frames]), np.zeros(clip.frames - frames, bool)]


def of_silence(function: Of, of_lips: Callable[[NDArray[np.float64]], NDArray[np.float64]], read: Read) -> Scorer:
    """Score of a function of what lips do in the silent frames of the generated clip."""

    def score(clip: ClipData) -> Score:
        quiet = silent(clip.generated)
        values = of_lips(read(clip.generated))[quiet]
        values = values[np.isfinite(values)]
        if len(values) < silence.LEAST_RUN:
            raise Unscored("undefined", f"{len(values)} silent frames with a face; needs {silence.LEAST_RUN}")
        return Score(function(values), len(values), int(quiet.sum()), clip.face_flags(clip.generated))

    return score


_OF_SILENCE: dict[str, Scorer] = {
    "silent_mad": of_silence(silence.median_deviation, silence.mouth_opening, points),
    "silent_range": of_silence(silence.opening_range, silence.mouth_opening, points),
    "silent_open": of_silence(silence.open_share, silence.mouth_aspect, points),
}


def _aed(clip: ClipData) -> Score:
    shapes = [expression.expressions(side.blendshapes) for side in (clip.generated, clip.reference)]
    distance = 100 * expression.expression_distance(*clip.paired(*shapes))
    flags = (*clip.length_flags(), *clip.face_flags(clip.generated, clip.reference))
    return frame_mean(distance, "no frame has a face on both sides", flags)


def _apd(clip: ClipData) -> Score:
    distance = expression.pose_distance(*clip.paired(clip.generated.pose, clip.reference.pose)) / 3
    flags = (*clip.length_flags(), *clip.pose_flags(clip.generated, clip.reference))
    return frame_mean(distance, "no frame has a face on both sides", flags)


def _expression_moments(clips: Iterable[ClipFeatures], centred: bool) -> tuple[frechet.Moments, int, int]:
    """Moments of the expressions of clips, one in memory at a time, the frames behind them, and how many clips had any.

    Raises:
        Unscored: no clip had any; the reason of the first.
    """
    moments, frames, used, reason = None, 0, 0, None
    for clip in clips:
        try:
            shapes = expression.expressions(clip.blendshapes)
            valid = shapes[np.isfinite(shapes).all(axis=1)]
            if not len(valid):
                raise Unscored("undefined", "no frame with a face")
        except Unscored as error:
            reason = reason or error
            continue
        own = frechet.Moments.of(valid - valid.mean(axis=0) if centred else valid)
        moments = own if moments is None else moments.merge(own)
        frames, used = frames + len(valid), used + 1
    if moments is None:
        raise reason or Unscored("undefined", "no clips")
    return moments, frames, used


def _fxd(centred: bool) -> Callable[[Sequence[ClipData]], Score]:
    def score(clips: Sequence[ClipData]) -> Score:
        made, n, used = _expression_moments((clip.generated for clip in clips), centred)
        real, m, _ = _expression_moments((clip.reference for clip in clips if clip.has_reference), centred)
        if min(n, m) < 2:
            raise Unscored("undefined", f"{min(n, m)} frame with a face on a side; needs two")
        value = frechet.frechet_distance_of_moments(made, real)
        flags = ("fxd_small_n",) if min(n, m) < expression.SMALL else ()
        return Score(value, n, max(n, m), (*flags, *(("unequal_n",) if used < len(clips) else ())), clips_used=used)

    return score


def motion_metrics() -> dict[str, Metric]:
    """The metrics of this module by name."""
    result = [Metric(SPECS[name], of_generated(*how)) for name, how in _OF_SERIES.items()]
    result += [Metric(SPECS[f"{name}_gap"], gap(*how)) for name, how in _OF_SERIES.items()]
    for name, score in _OF_SILENCE.items():
        result.append(Metric(SPECS[name], score, extractors=("speech",)))
        result.append(Metric(SPECS[f"{name}_gap"], gap_of_scores(score), extractors=("speech",)))
    result += [
        Metric(SPECS["blink_rate"], _blink_rate, few_frames=blinks.FEW_FRAMES),
        Metric(SPECS["blink_rate_gap"], gap_of_scores(_blink_rate), few_frames=blinks.FEW_FRAMES),
        Metric(SPECS["blink_ms"], _blink("milliseconds", "no blink"), statistic="median"),
        Metric(SPECS["aed"], _aed),
        Metric(SPECS["apd"], _apd),
        Metric(SPECS["fxd"], score_set=_fxd(centred=False)),
        Metric(SPECS["fxd_c"], score_set=_fxd(centred=True)),
    ]
    return {metric.name: metric for metric in result}
