"""The metrics of network features, bound to the feature extractors that they read."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gmbench.evaluation.scoring.clip_data import ClipData, ClipFeatures, Unscored
from gmbench.evaluation.scoring.flags import SEEN
from gmbench.evaluation.scoring.metric import Metric, Score, frame_mean
from gmbench.metrics import frechet, sync
from gmbench.metrics.catalogue import SPECS
from gmbench.metrics.emotion import EMO_SCORE_CLASSES, SUITE_ORDER
from gmbench.metrics.latents import cosine_similarity

INTERPOLATION = ("e_ppl", "e_pdv", "e_ppl_rel", "e_end", "e_end_acc")
"""Scored from sequences between emotions, not from clips; see :mod:`gmbench.evaluation.interpolation`."""
EXACT_PAIRS = 25_000_000
"""Up to this n * m the Fréchet distance keeps features; above only moments, so that memory does not grow."""


def _lpips(extractor: str) -> Callable[[ClipData], Score]:
    return lambda clip: frame_mean(
        clip.extracted_pair(extractor), "the crop needs a face on both sides", clip.length_flags()
    )


def _synchronised(clip: ClipFeatures) -> sync.Sync:
    embeddings = clip.extracted("sync")
    return sync.synchronise(sync.shift_distances(embeddings["video"], embeddings["audio"]))


def _generated_synchronised(clip: ClipData) -> sync.Sync:
    return _synchronised(clip.generated)


def _sync(part: str) -> Callable[[ClipData], Score]:
    def score(clip: ClipData) -> Score:
        value = float(getattr(clip.once(_generated_synchronised), part))
        rows = len(clip.generated.extracted("sync")["video"])
        return Score(value, rows, max(clip.generated.frames - sync.WINDOW + 1, rows))

    return score


def _sync_gap(clip: ClipData) -> Score:
    generated = _sync("confidence")(clip)
    gap = abs(generated.value - _synchronised(clip.reference).confidence)
    return Score(gap, generated.frames_used, generated.frames_expected)


def _target(clip: ClipData) -> int:
    if not clip.emotion:
        what = f"emotion label {clip.label!r} is none of the suite's" if clip.label else "no emotion label"
        raise Unscored("undefined", f"{what}; pass --labels with clip, speaker, emotion")
    return SUITE_ORDER.index(clip.emotion)


def _emotion(hit: bool) -> Callable[[ClipData], Score]:
    def score(clip: ClipData) -> Score:
        target = _target(clip)
        extracted = clip.generated.extracted("emotion")
        probabilities, faces = extracted["probabilities"], int(extracted["faces"][0])
        if faces == 0:
            return Score(0.0, 0, clip.generated.frames, ("no_face",))
        frames = max(faces, clip.generated.frames)
        if not hit:
            return Score(float(probabilities[target]), faces, frames)
        seen = int(np.argmax(probabilities))
        return Score(100.0 * (seen == target), faces, frames, (SEEN + SUITE_ORDER[seen],))

    return score


def _affect(hit: bool) -> Callable[[ClipData], Score]:
    def score(clip: ClipData) -> Score:
        target = _target(clip)
        if clip.emotion not in EMO_SCORE_CLASSES:
            raise Unscored("undefined", f"{clip.emotion} is none of Emo-Score's four emotions")
        windows = clip.generated.extracted("affect")["windows"]
        frames = clip.generated.frames
        if len(windows) == 0:
            return Score(0.0, 0, frames, ("no_face",))
        if hit:
            winners = np.bincount(windows.argmax(axis=1), minlength=len(SUITE_ORDER))
            return Score(float(winners.argmax() == target), frames, frames)
        return Score(float(windows[:, target].mean()), frames, frames)

    return score


def identity_target(clip: ClipData) -> NDArray[np.float64]:
    """Embedding (d,) of the first face that stands for the speaker; raises Unscored where there is none."""
    target = clip.identity or clip.reference
    reference = target.extracted("identity")["embeddings"]
    with_face = np.flatnonzero(np.isfinite(reference).all(axis=1)) if reference.size else np.empty(0, int)
    if len(with_face) == 0:
        raise Unscored("failed", f"{target.source.video}: no face in the identity's reference")
    return reference[with_face[0]]


def _f_sim(clip: ClipData) -> Score:
    embeddings = clip.generated.extracted("identity")["embeddings"]
    target, embedding = clip.identity or clip.reference, identity_target(clip)
    frames = clip.generated.frames
    if not embeddings.size:
        return Score(0.0, 0, frames, ("no_face",))
    values = cosine_similarity(embeddings, embedding)
    is_own_reference = target.source.video == clip.reference.source.video if clip.has_reference else False
    flags = ("own_reference",) if is_own_reference and clip.emotion != "neutral" else ()
    return Score(float(values.mean()), int(np.isfinite(embeddings).all(axis=1).sum()), frames, flags)


def _lipscore(clip: ClipData) -> Score:
    sides = (clip.generated, clip.reference)
    made, real = clip.paired(*(side.extracted("lip_reader")["embeddings"].astype(np.float64) for side in sides))
    scale = np.linalg.norm(made, axis=1) * np.linalg.norm(real, axis=1)
    values = np.divide((made * real).sum(axis=1), scale, out=np.full(len(made), np.nan), where=scale > 0)
    return frame_mean(values, "embeddings of nothing", (*clip.length_flags(), *clip.face_flags(*sides)))


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
        moments = frechet.Moments.of(features)
        self.moments = moments if self.moments is None else self.moments.merge(moments)

    def distance(self, other: "_Pool") -> float:
        if self.rows and other.rows:
            return frechet.frechet_distance(np.concatenate(self.rows), np.concatenate(other.rows))
        return frechet.frechet_distance_of_moments(self._all_moments(), other._all_moments())

    def _all_moments(self) -> frechet.Moments:
        if self.moments is None:
            return frechet.Moments.of(np.concatenate(self.rows))
        return self.moments


def _pooled(clips: Sequence[ClipFeatures], extractor: str) -> tuple[_Pool, int]:
    """Features of clips in order, and of how many there were none; those of equal pictures count again."""
    pool, without = _Pool(), 0
    for clip in clips:
        try:
            pool.add(clip.extracted(extractor)["features"])
        except Unscored:
            without += 1
    return pool, without


def _frechet(extractor: str, small: int, least: int, flag: str) -> Callable[[Sequence[ClipData]], Score]:
    def score(clips: Sequence[ClipData]) -> Score:
        generated, without = _pooled([clip.generated for clip in clips], extractor)
        real, _ = _pooled([clip.reference for clip in clips if clip.has_reference], extractor)
        if min(generated.count, real.count) < max(least, 2):
            raise Unscored(
                "undefined", f"{generated.count} generated and {real.count} real features, at least {least} are needed"
            )
        flags = (flag,) if min(generated.count, real.count) < small else ()
        if without:
            flags = (*flags, "unequal_n")
        value = generated.distance(real)
        return Score(value, generated.count, max(generated.count, real.count), flags, clips_used=generated.clips)

    return score


def network_metrics() -> dict[str, Metric]:
    """The metrics of this module by name."""
    four = EMO_SCORE_CLASSES
    metrics = [
        Metric(SPECS["lpips_alex"], _lpips("lpips_alex"), extractors=("lpips_alex",)),
        Metric(SPECS["lpips_vgg"], _lpips("lpips_vgg"), extractors=("lpips_vgg",)),
        _set_level("fid", frechet.SMALL, 2, "fid_small_n"),
        _set_level("fid_eat", frechet.SMALL, 2, "fid_small_n"),
        _set_level("fvd", frechet.VIDEO_SMALL, frechet.VIDEO_LEAST, "fvd_small_n"),
        Metric(SPECS["sync_c"], _sync("confidence"), extractors=("sync",)),
        Metric(SPECS["sync_d"], _sync("distance"), extractors=("sync",)),
        Metric(SPECS["av_offset"], _sync("offset"), extractors=("sync",), statistic="median"),
        Metric(SPECS["sync_c_gap"], _sync_gap, extractors=("sync",)),
        Metric(SPECS["lipscore"], _lipscore, extractors=("lip_reader",)),
        Metric(SPECS["acc_emo"], _emotion(hit=True), extractors=("emotion",), hit=100.0),
        Metric(SPECS["acc_emo_macro"], _emotion(hit=True), extractors=("emotion",), statistic="macro", hit=100.0),
        Metric(SPECS["emo_prob"], _emotion(hit=False), extractors=("emotion",)),
        Metric(SPECS["emo_score"], _affect(hit=False), extractors=("affect",), statistic="macro", emotions=four),
        Metric(SPECS["emo_neutral"], _affect(hit=False), extractors=("affect",), statistic="macro", emotions=four[:1]),
        Metric(
            SPECS["emo_nonneutral"], _affect(hit=False), extractors=("affect",), statistic="macro", emotions=four[1:]
        ),
        Metric(SPECS["emo_acc4"], _affect(hit=True), extractors=("affect",), statistic="macro", emotions=four, hit=1.0),
        Metric(SPECS["f_sim"], _f_sim, extractors=("identity",)),
    ]
    metrics += [Metric(SPECS[name]) for name in INTERPOLATION]
    return {metric.name: metric for metric in metrics}


def _set_level(name: str, small: int, least: int, flag: str) -> Metric:
    return Metric(SPECS[name], extractors=(name,), score_set=_frechet(name, small, least, flag))
