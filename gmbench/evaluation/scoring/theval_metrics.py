"""THEval's measures and scores, bound to the features they read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmbench.evaluation.scoring.clip_data import ClipData, ClipFeatures, Unscored
from gmbench.evaluation.scoring.metric import Metric, Score, defined
from gmbench.evaluation.scoring.motion_metrics import of_silence
from gmbench.evaluation.scoring.quality_metrics import PARTS
from gmbench.metrics import face_dynamics, silence, theval
from gmbench.metrics.catalogue import SPECS
from gmbench.metrics.series import LEAST_FRAMES

Scorer = Callable[[ClipData], Score]


def _of_mesh(value_of: Callable[[ClipFeatures], float]) -> Scorer:
    """Score of the generated clip alone from its mesh, of at least 50 frames with a face."""

    def score(clip: ClipData) -> Score:
        mesh = clip.generated.mesh
        valid = int(np.isfinite(mesh).all(axis=(1, 2)).sum())
        if valid < LEAST_FRAMES:
            raise Unscored("undefined", f"{valid} frames with a face; needs at least {LEAST_FRAMES}")
        reason = "no two frames with a face follow on each other"
        return defined(value_of(clip.generated), valid, len(mesh), reason, clip.face_flags(clip.generated))

    return score


def _lip_dynamics(clip: ClipFeatures) -> float:
    _, height, width = clip.size
    return theval.lip_dynamics(clip.mesh, height, width)


def _head_dynamics(clip: ClipFeatures) -> float:
    return face_dynamics.head_dynamics_in_pixels(clip.pose, face_dynamics.face_centres(clip.landmarks))


def _silent_mad(clip: ClipData) -> Score:
    _, height, width = clip.generated.size
    opening = of_silence(
        silence.median_deviation_from_mean,
        lambda mesh: theval.silent_opening(mesh, height, width),
        lambda side: side.mesh,
    )
    return opening(clip)


def _spoken(clip: ClipData) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mouth opening and loudness of the frames with speech and a face; raises Unscored where there are too few."""
    mesh, speech = clip.generated.mesh, np.asarray(clip.generated.extracted("speech")["speech"], bool)
    _, height, width = clip.generated.size
    frames = min(len(mesh), len(speech))
    loudness = theval.loudness_of_frames(clip.generated.extracted("bands")["loudness"], frames)
    opening = theval.spoken_opening(mesh, height, width)[:frames]
    spoken = speech[:frames]
    if spoken.mean() < theval.LEAST_SPEECH:
        raise Unscored("undefined", f"speech in {int(spoken.sum())} of {frames} frames; needs a tenth")
    keep = spoken & np.isfinite(opening)
    return opening[keep], loudness[keep]


def _lip_rms(value_of: Callable[[NDArray[np.float64], NDArray[np.float64]], float]) -> Scorer:
    def score(clip: ClipData) -> Score:
        opening, loudness = clip.once(_spoken)
        reason = "mouth or sound do not change in speech, or too short"
        flags = clip.face_flags(clip.generated)
        return defined(value_of(opening, loudness), len(opening), clip.generated.frames, reason, flags)

    return score


_RAW: dict[str, tuple[Scorer, tuple[str, ...]]] = {
    "lip_dyn_th": (_of_mesh(_lip_dynamics), ()),
    "head_dyn_th": (_of_mesh(_head_dynamics), ()),
    "brow_dyn_th": (_of_mesh(lambda clip: theval.brow_dynamics(clip.mesh)), ()),
    "silent_mad_th": (_silent_mad, ("speech",)),
    "lip_rms_mae": (_lip_rms(theval.scaled_difference), ("speech", "bands")),
}
_SOUND = ("speech", "bands")
_QUALITY: dict[str, tuple[Scorer, tuple[str, ...]]] = {
    name: (score, (reads,)) for name, (score, reads) in PARTS.items()
}
_EIGHT = _RAW | _QUALITY


@dataclass(frozen=True)
class _Pairs:
    """Values (n,) of generated and real clips under a measure, of the clips with both, and the frames behind them."""

    made: NDArray[np.float64]
    real: NDArray[np.float64]
    frames_used: int
    frames: int


def _both_sides(clips: Sequence[ClipData], names: Sequence[str], by_clip: bool) -> dict[str, _Pairs]:
    """Pairs under some measures, in one pass over the clips; ``by_clip`` leaves out what 0 of a real clip divides."""
    found: dict[str, list[tuple[Score, Score]]] = {name: [] for name in names}
    for clip in clips:
        for name in names:
            score = _EIGHT[name][0]
            try:
                pair = score(clip), score(clip.of_reference())
            except Unscored:
                continue
            if pair[1].value or not by_clip:
                found[name].append(pair)
    for name, pairs in found.items():
        if not pairs:
            nothing = ", and none is to be divided by 0" if by_clip else ""
            raise Unscored("undefined", f"{name}: no clip has a value on both sides{nothing}")
    return {name: _joined(pairs) for name, pairs in found.items()}


def _joined(pairs: Sequence[tuple[Score, Score]]) -> _Pairs:
    values = np.array([[made.value, real.value] for made, real in pairs])
    frames = (sum(made.frames_used for made, _ in pairs), sum(made.frames_expected for made, _ in pairs))
    return _Pairs(values[:, 0], values[:, 1], *frames)


def _set_score(names: Sequence[str], by_clip: bool = False) -> Callable[[Sequence[ClipData]], Score]:
    def score(clips: Sequence[ClipData]) -> Score:
        pairs = _both_sides(clips, names, by_clip)
        if by_clip:
            value = float(np.mean([theval.clip_score(pair.made, pair.real) for pair in pairs.values()]))
        else:
            value = theval.final_score({n: (float(p.made.mean()), float(p.real.mean())) for n, p in pairs.items()})
        least = min(pairs.values(), key=lambda pair: len(pair.made))
        zero = ", ".join(name for name, pair in pairs.items() if not pair.real.mean())
        found = defined(value, least.frames_used, least.frames, f"{zero}: the real clips' mean is 0")
        return replace(found, clips_used=len(least.made))

    return score


def theval_metrics() -> dict[str, Metric]:
    """The metrics of this module by name."""
    result = [Metric(SPECS[name], score, extractors=extractors) for name, (score, extractors) in _RAW.items()]
    result.append(Metric(SPECS["lip_rms_chance"], _lip_rms(theval.scaled_difference_chance), extractors=_SOUND))
    for name, (_, extractors) in _EIGHT.items():
        part = f"th_{name.removesuffix('_th')}"
        result.append(Metric(SPECS[part], score_set=_set_score([name]), extractors=extractors))
    everything = (*_SOUND, *(name for _, names in _QUALITY.values() for name in names))
    for suffix, parts, extractors in (("", _EIGHT, everything), ("5", _RAW, _SOUND)):
        result.append(Metric(SPECS[f"th_score{suffix}"], score_set=_set_score(list(parts)), extractors=extractors))
        by_clip = _set_score(list(parts), by_clip=True)
        result.append(Metric(SPECS[f"th_clip{suffix}"], score_set=by_clip, extractors=extractors))
    return {metric.name: metric for metric in result}
