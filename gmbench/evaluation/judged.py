"""The metrics that ask a judging network, bound to what the networks found."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gmbench.evaluation.metric import ClipData, Metric, Score, Side, Unscored, defined, frame_mean
from metrics import frechet, sync
from metrics.catalogue import FACTS
from metrics.emotion import EMO_SCORE_CLASSES, SUITE_ORDER
from metrics.latents import cosine_similarity

INTERPOLATION = ("e_ppl", "e_pdv", "e_ppl_rel", "e_end", "e_end_acc")
"""Scored from sequences between emotions, not from clips; see :mod:`gmbench.evaluation.interpolation`."""
EXACT_PAIRS = 25_000_000
"""Up to this n * m the Fréchet distance keeps features; above only moments, so that memory does not grow."""


def _lpips(role: str) -> Callable[[ClipData], Score]:
    return lambda clip: frame_mean(clip.judged_pair(role), "the crop needs a face on both sides", clip.length_flags())


def _synchronised(side: Side) -> sync.Sync:
    found = side.judged("sync")
    return sync.synchronise(sync.shift_distances(found["video"], found["audio"]))


def _sync(part: str) -> Callable[[ClipData], Score]:
    def score(clip: ClipData) -> Score:
        if "sync" not in clip.memo:
            clip.memo["sync"] = _synchronised(clip.generated)
        rows = len(clip.generated.judged("sync")["video"])
        return Score(float(getattr(clip.memo["sync"], part)), rows, max(clip.generated.frames - sync.WINDOW + 1, rows))

    return score


def _sync_gap(clip: ClipData) -> Score:
    own = _sync("confidence")(clip)
    gap = abs(own.value - _synchronised(clip.reference).confidence)
    return Score(gap, own.frames_used, own.frames_expected)


def _sync_corr(clip: ClipData) -> Score:
    opening = sync.lip_opening(clip.generated.landmarks)
    value, _ = sync.opening_correlation(opening, clip.generated.rms)
    used = int(np.isfinite(opening).sum())
    return defined(value, used, len(opening), "lips or loudness do not vary", clip.face_flags(clip.generated))


def _target(clip: ClipData) -> int:
    if not clip.emotion:
        what = f"emotion label {clip.label!r} is none of the suite's" if clip.label else "no emotion label"
        raise Unscored("undefined", f"{what}; pass --labels with clip, speaker, emotion")
    return SUITE_ORDER.index(clip.emotion)


def _emotion(hit: bool) -> Callable[[ClipData], Score]:
    def score(clip: ClipData) -> Score:
        target = _target(clip)
        found = clip.generated.judged("emotion")
        probabilities, faces = found["probabilities"], int(found["faces"][0])
        if faces == 0:
            return Score(0.0, 0, clip.generated.frames, ("no_face",))
        value = 100.0 * (int(np.argmax(probabilities)) == target) if hit else float(probabilities[target])
        return Score(value, faces, max(faces, clip.generated.frames))

    return score


def _affect(hit: bool) -> Callable[[ClipData], Score]:
    def score(clip: ClipData) -> Score:
        target = _target(clip)
        if clip.emotion not in EMO_SCORE_CLASSES:
            raise Unscored("undefined", f"{clip.emotion} is none of Emo-Score's four emotions")
        windows = clip.generated.judged("affect")["windows"]
        frames = clip.generated.frames
        if len(windows) == 0:
            return Score(0.0, 0, frames, ("no_face",))
        if hit:
            winners = np.bincount(windows.argmax(axis=1), minlength=len(SUITE_ORDER))
            return Score(float(winners.argmax() == target), frames, frames)
        return Score(float(windows[:, target].mean()), frames, frames)

    return score


def _f_sim(clip: ClipData) -> Score:
    embeddings = clip.generated.judged("identity")["embeddings"]
    target = clip.identity or clip.reference
    known = target.judged("identity")["embeddings"]
    seen = np.flatnonzero(np.isfinite(known).all(axis=1)) if known.size else np.empty(0, int)
    if len(seen) == 0:
        raise Unscored("failed", f"{target.source.video}: no face in the identity's reference")
    frames = clip.generated.frames
    if not embeddings.size:
        return Score(0.0, 0, frames, ("no_face",))
    values = cosine_similarity(embeddings, known[seen[0]])
    own = target.source.video == clip.reference.source.video if clip.has_reference else False
    flags = ("own_reference",) if own and clip.emotion != "neutral" else ()
    return Score(float(values.mean()), int(np.isfinite(embeddings).all(axis=1).sum()), frames, flags)


class _Pool:
    """Features of a set, clip by clip: rows while they are few, moments always."""

    def __init__(self) -> None:
        self.rows: list[NDArray[np.float32]] = []
        self.moments: frechet.Moments | None = None
        self.count = self.clips = 0

    def add(self, features: NDArray[np.float32]) -> None:
        self.count += len(features)
        self.clips += 1
        if self.count**2 <= EXACT_PAIRS:
            self.rows.append(features)
        elif self.rows or self.moments is None:
            for kept in [*self.rows, features]:
                self._merge(kept)
            self.rows = []
        else:
            self._merge(features)

    def _merge(self, features: NDArray[np.float32]) -> None:
        own = frechet.Moments.of(features)
        self.moments = own if self.moments is None else self.moments.merge(own)

    def distance(self, other: "_Pool") -> float:
        if self.rows and other.rows:
            return frechet.frechet_distance(np.concatenate(self.rows), np.concatenate(other.rows))
        return frechet.frechet_distance_of_moments(self._all_moments(), other._all_moments())

    def _all_moments(self) -> frechet.Moments:
        if self.moments is None:
            return frechet.Moments.of(np.concatenate(self.rows))
        return self.moments


def _pooled(sides: Sequence[Side], role: str) -> tuple[_Pool, int]:
    """Features of sides in order, and of how many there were none; those of equal pictures count again."""
    pool, lost = _Pool(), 0
    for side in sides:
        try:
            pool.add(side.judged(role)["features"])
        except Unscored:
            lost += 1
    return pool, lost


def _frechet(role: str, small: int, least: int, flag: str) -> Callable[[Sequence[ClipData]], Score]:
    def score(clips: Sequence[ClipData]) -> Score:
        generated, lost = _pooled([clip.generated for clip in clips], role)
        real, _ = _pooled([clip.reference for clip in clips if clip.has_reference], role)
        if min(generated.count, real.count) < max(least, 2):
            raise Unscored(
                "undefined", f"{generated.count} generated and {real.count} real features, at least {least} are needed"
            )
        flags = (flag,) if min(generated.count, real.count) < small else ()
        if lost:
            flags = (*flags, "unequal_n")
        value = generated.distance(real)
        return Score(value, generated.count, max(generated.count, real.count), flags, clips_used=generated.clips)

    return score


def judged() -> dict[str, Metric]:
    """The metrics of this module by name."""
    four = EMO_SCORE_CLASSES
    found = [
        Metric(FACTS["lpips_alex"], _lpips("lpips_alex"), roles=("lpips_alex",)),
        Metric(FACTS["lpips_vgg"], _lpips("lpips_vgg"), roles=("lpips_vgg",)),
        _set_level("fid", frechet.SMALL, 2, "fid_small_n"),
        _set_level("fid_eat", frechet.SMALL, 2, "fid_small_n"),
        _set_level("fvd", frechet.VIDEO_SMALL, frechet.VIDEO_LEAST, "fvd_small_n"),
        Metric(FACTS["sync_c"], _sync("confidence"), roles=("sync",)),
        Metric(FACTS["sync_d"], _sync("distance"), roles=("sync",)),
        Metric(FACTS["av_offset"], _sync("offset"), roles=("sync",), statistic="median"),
        Metric(FACTS["sync_c_gap"], _sync_gap, roles=("sync",)),
        Metric(FACTS["sync_corr"], _sync_corr),
        Metric(FACTS["acc_emo"], _emotion(hit=True), roles=("emotion",)),
        Metric(FACTS["acc_emo_macro"], _emotion(hit=True), roles=("emotion",), statistic="macro"),
        Metric(FACTS["emo_prob"], _emotion(hit=False), roles=("emotion",)),
        Metric(FACTS["emo_score"], _affect(hit=False), roles=("affect",), statistic="macro", emotions=four),
        Metric(FACTS["emo_neutral"], _affect(hit=False), roles=("affect",), statistic="macro", emotions=four[:1]),
        Metric(FACTS["emo_nonneutral"], _affect(hit=False), roles=("affect",), statistic="macro", emotions=four[1:]),
        Metric(FACTS["emo_acc4"], _affect(hit=True), roles=("affect",), statistic="macro", emotions=four),
        Metric(FACTS["f_sim"], _f_sim, roles=("identity",)),
    ]
    found += [Metric(FACTS[name]) for name in INTERPOLATION]
    return {metric.name: metric for metric in found}


def _set_level(name: str, small: int, least: int, flag: str) -> Metric:
    return Metric(FACTS[name], roles=(name,), score_set=_frechet(name, small, least, flag))
