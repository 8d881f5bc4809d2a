"""Lips against sound without a network, distances that forgive small shifts, drift and flicker, bound to features."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gmbench.evaluation.scoring.clip_data import ClipData, Unscored
from gmbench.evaluation.scoring.clip_scores import gap_of_scores
from gmbench.evaluation.scoring.metric import Metric, Score, defined
from gmbench.evaluation.scoring.network_metrics import identity_target
from gmbench.evaluation.scoring.quality_metrics import face_scores
from gmbench.evaluation.scoring.signal_metrics import CPBD, MSE, aligned
from gmbench.metrics import drift, expression, linear_sync, quality, silence, sync, time_warping
from gmbench.metrics.catalogue import SPECS
from gmbench.metrics.landmarks import MOUTH, landmark_distance
from gmbench.metrics.latents import cosine_similarity

Scorer = Callable[[ClipData], Score]
Series = NDArray[np.float64]


# Lips and sound


def _sound_and_lips(clip: ClipData) -> tuple[Series, Series]:
    """Bands of the sound with their context, and lips, cut to one length."""
    bands, lips = clip.generated.extracted("bands")["bands"], linear_sync.upright_lips(clip.generated.landmarks)
    length = min(len(bands), len(lips))
    valid = int(np.isfinite(lips[:length]).all(axis=1).sum())
    if valid < linear_sync.LEAST_FRAMES:
        raise Unscored("undefined", f"{valid} frames with a face and sound; needs {linear_sync.LEAST_FRAMES} (10 s)")
    return linear_sync.with_context(bands[:length]), lips[:length]


def _linear_sync(clip: ClipData) -> linear_sync.LinearSync:
    return linear_sync.linear_sync(*clip.once(_sound_and_lips))


def _heard_lips(value_of: Callable[[ClipData], float]) -> Scorer:
    def score(clip: ClipData) -> Score:
        lips = clip.once(_sound_and_lips)[1]
        used = int(np.isfinite(lips).all(axis=1).sum())
        flags = clip.face_flags(clip.generated)
        return defined(value_of(clip), used, clip.generated.frames, "lips or sound do not vary", flags)

    return score


def _linear_sync_offset(clip: ClipData) -> float:
    found = clip.once(_linear_sync)
    return float(found.offset) if np.isfinite(found.best) else float("nan")


def _opening_and_loudness(clip: ClipData) -> tuple[Series, Series]:
    return sync.lip_opening(clip.generated.landmarks), clip.generated.rms


def _sync_corr(value_of: Callable[[Series, Series], float]) -> Scorer:
    def score(clip: ClipData) -> Score:
        opening, loudness = clip.once(_opening_and_loudness)
        used = int(np.isfinite(opening[: clip.generated.sound_frames]).sum())
        reason = "lips or loudness do not vary, or too short"
        return defined(value_of(opening, loudness), used, len(opening), reason, clip.face_flags(clip.generated))

    return score


# Warped in time


Warped = tuple[time_warping.Warping, int]
"""A path, and the frames whose own pair has a value."""
Costs = time_warping.Costs


def _warping(clip: ClipData, between: Costs, selves: Sequence[Costs]) -> Warped:
    """The cheapest path; with the protocol's gamma the cost is soft-DTW's divergence by T.

    Args:
        between: costs of both series; selves: of each with itself, needed with a gamma alone.
    """
    filled, gamma = time_warping.filled(between), clip.protocol.dtw_gamma
    path = time_warping.warping(filled)
    if gamma and len(between):
        first, second = map(time_warping.filled, selves)
        path = replace(path, cost=time_warping.soft_divergence(filled, first, second, gamma) / len(between))
    return path, int(np.isfinite(between[:, time_warping.BAND]).sum())


def _warped_series(clip: ClipData, sides: tuple[Series, Series], distance: time_warping.Distance) -> Warped:
    between, *selves = (
        time_warping.band_costs(a, b, distance, time_warping.BAND) for a, b in _compared(clip, sides)
    )  # fmt: skip
    return _warping(clip, between, selves)


def _compared(clip: ClipData, sides: tuple[Series, Series]) -> list[tuple[Series, Series]]:
    """Both sides, and with a gamma each with itself."""
    return [sides, *((side, side) for side in sides if clip.protocol.dtw_gamma)]


def _warped_lips(clip: ClipData) -> Warped:
    return _warped_series(clip, clip.once(aligned), lambda a, b: landmark_distance(a, b, MOUTH))


def _warped_opening(clip: ClipData) -> Warped:
    sides = [silence.mouth_opening(side.landmarks) for side in (clip.generated, clip.reference)]
    return _warped_series(clip, clip.paired(*sides), lambda a, b: np.abs(a - b))


def _warped_pose(clip: ClipData) -> Warped:
    return _warped_series(clip, clip.paired(clip.generated.pose, clip.reference.pose), expression.pose_distance)


def _warped_expression(clip: ClipData) -> Warped:
    sides = [expression.expressions(side.blendshapes) for side in (clip.generated, clip.reference)]
    return _warped_series(clip, clip.paired(*sides), expression.expression_distance)


def _warped_lpips(clip: ClipData) -> Warped:
    arrays = clip.extracted_pairs("lpips_band")
    return _warping(clip, arrays["values"], [arrays[side] for side in ("generated", "reference") if side in arrays])


def _warped(path: Callable[[ClipData], Warped], part: str, flags: Callable[[ClipData], tuple[str, ...]]) -> Scorer:
    def score(clip: ClipData) -> Score:
        found, used = clip.once(path)
        frames = min(clip.generated.frames, clip.reference.frames)
        reason = "more than 10 % of the frames lack a face on a side"
        return defined(float(getattr(found, part)), used, frames, reason, (*clip.length_flags(), *flags(clip)))

    return score


def _faces(clip: ClipData) -> tuple[str, ...]:
    return clip.face_flags(clip.generated, clip.reference)


def _poses(clip: ClipData) -> tuple[str, ...]:
    return clip.pose_flags(clip.generated, clip.reference)


def _warped_sync(clip: ClipData) -> Score:
    embeddings = clip.generated.extracted("sync")
    pairs = _compared(clip, (embeddings["video"], embeddings["audio"]))
    between, *selves = (_inside(sync.shift_distances(a, b, time_warping.BAND)) for a, b in pairs)
    frames = clip.generated.frames
    return defined(_warping(clip, between, selves)[0].cost, frames, frames, "lips or sound without a value", ())


def _inside(distances: Series) -> Costs:
    """Distances (T, 2 band + 1) with infinity beyond the ends."""
    rows, columns = np.indices(distances.shape)
    others = rows + columns - time_warping.BAND
    return np.where((others < 0) | (others >= len(distances)), np.inf, distances)


# Drift and flicker


def _drift(values_of: Callable[[ClipData], Series], paired: bool = False) -> Scorer:
    def score(clip: ClipData) -> Score:
        values = values_of(clip)
        if len(values) < drift.LEAST_FRAMES:
            raise Unscored("undefined", f"{len(values)} frames; needs {drift.LEAST_FRAMES}")
        used = int(np.isfinite(values).sum())
        flags = (*_short(len(values)), *(clip.length_flags() if paired else ()))
        return defined(drift.quarter_drift(values), used, len(values), "a quarter has no value", flags)

    return score


def _short(frames: int) -> tuple[str, ...]:
    return ("short_for_drift",) if frames < drift.LONG_FRAMES else ()


def _frame_psnr(clip: ClipData) -> Series:
    return np.minimum(quality.psnr_from_mse(clip.pair(MSE)), quality.PSNR_CAP_DB)


def _likeness(clip: ClipData) -> Series:
    embeddings = clip.generated.extracted("identity")["embeddings"]
    if not embeddings.size:
        raise Unscored("failed", "no face in any frame")
    values = cosine_similarity(embeddings, identity_target(clip))
    return np.where(np.isfinite(embeddings).all(axis=1), values, np.nan)


def _lpips_drift(name: str) -> Metric:
    score = _drift(lambda clip: clip.extracted_pair(name), paired=True)
    return Metric(SPECS[f"{name}_drift"], score, extractors=(name,))


def _color_drift(clip: ClipData) -> Score:
    colour = clip.generated.extracted("appearance")["colour"]
    if len(colour) < 2 * drift.COLOUR_FRAMES:
        raise Unscored("undefined", f"{len(colour)} frames; needs {2 * drift.COLOUR_FRAMES}")
    used = int(np.isfinite(colour).all(axis=1).sum())
    reason = "no face in the first or the last second"
    flags = (*clip.face_flags(clip.generated), *_short(len(colour)))
    return defined(drift.colour_drift(colour), used, 2 * drift.COLOUR_FRAMES, reason, flags)


def _mean_change(name: str, value_of: Callable[[float], float] = float) -> Scorer:
    def score(clip: ClipData) -> Score:
        changes = clip.generated.extracted("appearance")[name][1:]
        valid = changes[np.isfinite(changes)]
        mean = float(valid.mean()) if len(valid) else float("nan")
        return defined(value_of(mean), len(valid), len(changes), "no background beside the face, or a single frame")

    return score


_flicker = _mean_change("background_change")


def timing_metrics() -> dict[str, Metric]:
    """The metrics of this module by name."""
    heard: dict[str, Scorer] = {
        "sync_lin": _heard_lips(lambda clip: clip.once(_linear_sync).best),
        "sync_lin_offset": _heard_lips(_linear_sync_offset),
        "sync_lin_conf": _heard_lips(lambda clip: clip.once(_linear_sync).confidence),
        "sync_lin_chance": _heard_lips(lambda clip: linear_sync.linear_sync_chance(*clip.once(_sound_and_lips))),
    }
    warped = {
        "m_lmd_dtw": (_warped_lips, _faces),
        "open_dtw": (_warped_opening, _faces),
        "pose_dtw": (_warped_pose, _poses),
        "expr_dtw": (_warped_expression, _faces),
    }
    result = [Metric(SPECS[name], _warped(path, "cost", flags), warped=True) for name, (path, flags) in warped.items()]
    result += [
        Metric(SPECS[name], score, extractors=("bands",), statistic="median" if name.endswith("offset") else "mean")
        for name, score in heard.items()
    ]
    result += [
        Metric(SPECS["sync_corr"], _sync_corr(lambda opening, rms: sync.opening_correlation(opening, rms)[0])),
        Metric(SPECS["sync_corr_chance"], _sync_corr(sync.opening_chance)),
        Metric(
            SPECS["lpips_dtw"],
            _warped(_warped_lpips, "cost", lambda clip: ()),
            extractors=("lpips_band",),
            warped=True,
        ),
        Metric(SPECS["sync_d_dtw"], _warped_sync, extractors=("sync",), warped=True),
        Metric(SPECS["warp_ms"], _warped(_warped_lips, "milliseconds", _faces)),
        Metric(SPECS["cpbd_drift"], _drift(lambda clip: clip.generated.per_frame(CPBD)), frame_features=(CPBD,)),
        Metric(SPECS["psnr_drift"], _drift(_frame_psnr, paired=True), pair_features=(MSE,)),
        Metric(SPECS["f_sim_drift"], _drift(_likeness), extractors=("identity",)),
        *(_lpips_drift(name) for name in ("lpips_alex", "lpips_vgg")),
        Metric(SPECS["face_q_drift"], _drift(face_scores), extractors=("face_quality",)),
        Metric(SPECS["color_drift"], _color_drift, extractors=("appearance",)),
        Metric(SPECS["bg_flicker"], _flicker, extractors=("appearance",)),
        Metric(SPECS["bg_flicker_gap"], gap_of_scores(_flicker), extractors=("appearance",)),
        Metric(SPECS["vb_flicker"], _mean_change("change", drift.vbench_flicker), extractors=("appearance",)),
    ]
    return {metric.name: metric for metric in result}
