"""THEval's measures and scores, bound to the features they read."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gmbench.evaluation.scoring.clip_data import ClipData, ClipFeatures, Unscored
from gmbench.evaluation.scoring.metric import Metric, Score, defined
from gmbench.evaluation.scoring.motion_metrics import of_silence
from gmbench.metrics import face_dynamics, silence, theval
from gmbench.metrics.catalogue import SPECS
from gmbench.metrics.series import LEAST_FRAMES

Scorer = Callable[[ClipData], Score]
_SHIFTS = 20
_SECOND = 25


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


def _chance(opening: NDArray[np.float64], loudness: NDArray[np.float64]) -> float:
    if len(opening) < 2 * _SECOND:
        return float("nan")
    places = np.unique(np.linspace(_SECOND, len(opening) - _SECOND, _SHIFTS).astype(int))
    return float(np.mean([theval.scaled_difference(opening, np.roll(loudness, place)) for place in places]))


_RAW: dict[str, tuple[Scorer, tuple[str, ...]]] = {
    "lip_dyn_th": (_of_mesh(_lip_dynamics), ()),
    "head_dyn_th": (_of_mesh(_head_dynamics), ()),
    "brow_dyn_th": (_of_mesh(lambda clip: theval.brow_dynamics(clip.mesh)), ()),
    "silent_mad_th": (_silent_mad, ("speech",)),
    "lip_rms_mae": (_lip_rms(theval.scaled_difference), ("speech", "bands")),
}
_SOUND = ("speech", "bands")

Pairs = dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]


def _both_sides(clips: Sequence[ClipData], names: Sequence[str]) -> Pairs:
    """Clip values (n,) of generated and real clips under some measures, of the clips with both; one pass over clips."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for clip in clips:
        for name in names:
            score = _RAW[name][0]
            try:
                found[name].append((score(clip).value, score(clip.of_reference()).value))
            except Unscored:
                continue
    for name, values in found.items():
        if not values:
            raise Unscored("undefined", f"{name}: no clip has a value on both sides")
    return {name: (np.array(values)[:, 0], np.array(values)[:, 1]) for name, values in found.items()}


def _set_score(names: Sequence[str], by_clip: bool = False) -> Callable[[Sequence[ClipData]], Score]:
    def score(clips: Sequence[ClipData]) -> Score:
        pairs = _both_sides(clips, names)
        if by_clip:
            value = float(np.mean([theval.clip_score(*pair) for pair in pairs.values()]))
        else:
            value = theval.final_score({n: (float(a.mean()), float(b.mean())) for n, (a, b) in pairs.items()})
        used = min(len(made) for made, _ in pairs.values())
        return replace(defined(value, used, len(clips), "a real value is 0"), clips_used=used)

    return score


def theval_metrics() -> dict[str, Metric]:
    """The metrics of this module by name."""
    result = [Metric(SPECS[name], score, extractors=extractors) for name, (score, extractors) in _RAW.items()]
    result.append(Metric(SPECS["lip_rms_chance"], _lip_rms(_chance), extractors=_SOUND))
    for name, (_, extractors) in _RAW.items():
        part = f"th_{name.removesuffix('_th')}"
        result.append(Metric(SPECS[part], score_set=_set_score([name]), extractors=extractors))
    result.append(Metric(SPECS["th_score5"], score_set=_set_score(list(_RAW)), extractors=_SOUND))
    result.append(Metric(SPECS["th_clip5"], score_set=_set_score(list(_RAW), by_clip=True), extractors=_SOUND))
    return {metric.name: metric for metric in result}
