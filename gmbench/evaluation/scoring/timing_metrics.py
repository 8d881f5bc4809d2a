"""Lips against sound without a network, distances that forgive small shifts, drift and flicker, bound to features."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gmbench.evaluation.scoring.clip_data import ClipData, Unscored
from gmbench.evaluation.scoring.clip_scores import gap_of_scores
from gmbench.evaluation.scoring.metric import Metric, Score, defined
from gmbench.evaluation.scoring.network_metrics import identity_target
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


def _warping(generated: Series, reference: Series, distance: time_warping.Distance) -> Warped:
    costs = time_warping.band_costs(generated, reference, distance, time_warping.BAND)
    return time_warping.warping(time_warping.filled(costs)), int(np.isfinite(costs[:, time_warping.BAND]).sum())


def _warped_lips(clip: ClipData) -> Warped:
    return _warping(*clip.once(aligned), lambda a, b: landmark_distance(a, b, MOUTH))


def _warped_opening(clip: ClipData) -> Warped:
    sides = [silence.mouth_opening(side.landmarks) for side in (clip.generated, clip.reference)]
    return _warping(*clip.paired(*sides), lambda a, b: np.abs(a - b))


def _warped_pose(clip: ClipData) -> Warped:
    return _warping(*clip.paired(clip.generated.pose, clip.reference.pose), expression.pose_distance)


def _warped_expression(clip: ClipData) -> Warped:
    sides = [expression.expressions(side.blendshapes) for side in (clip.generated, clip.reference)]
    return _warping(*clip.paired(*sides), expression.expression_distance)


def _warped(path: Callable[[ClipData], Warped], part: str, of_pose: bool = False) -> Scorer:
    def score(clip: ClipData) -> Score:
        found, used = clip.once(path)
        frames = min(clip.generated.frames, clip.reference.frames)
        sides = (clip.generated, clip.reference)
        flags = (*clip.length_flags(), *(clip.pose_flags(*sides) if of_pose else clip.face_flags(*sides)))
        reason = "more than 10 % of the frames lack a face on a side"
        return defined(float(getattr(found, part)), used, frames, reason, flags)

    return score


def _warped_sync(clip: ClipData) -> Score:
    embeddings = clip.generated.extracted("sync")
    distances = sync.shift_distances(embeddings["video"], embeddings["audio"], time_warping.BAND)
    rows, columns = np.indices(distances.shape)
    beyond = (rows + columns - time_warping.BAND < 0) | (rows + columns - time_warping.BAND >= len(distances))
    path = time_warping.warping(np.where(beyond, np.inf, distances))
    frames = clip.generated.frames
    return defined(path.cost, frames, frames, "lips or sound without a value", ())


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
        "m_lmd_dtw": _warped_lips,
        "open_dtw": _warped_opening,
        "pose_dtw": _warped_pose,
        "expr_dtw": _warped_expression,
    }
    result = [Metric(SPECS[name], _warped(path, "cost", name == "pose_dtw")) for name, path in warped.items()]
    result += [
        Metric(SPECS[name], score, extractors=("bands",), statistic="median" if name.endswith("offset") else "mean")
        for name, score in heard.items()
    ]
    result += [
        Metric(SPECS["sync_corr"], _sync_corr(lambda opening, rms: sync.opening_correlation(opening, rms)[0])),
        Metric(SPECS["sync_corr_chance"], _sync_corr(sync.opening_chance)),
        Metric(SPECS["sync_d_dtw"], _warped_sync, extractors=("sync",)),
        Metric(SPECS["warp_ms"], _warped(_warped_lips, "milliseconds")),
        Metric(SPECS["cpbd_drift"], _drift(lambda clip: clip.generated.per_frame(CPBD)), frame_features=(CPBD,)),
        Metric(SPECS["psnr_drift"], _drift(_frame_psnr, paired=True), pair_features=(MSE,)),
        Metric(SPECS["f_sim_drift"], _drift(_likeness), extractors=("identity",)),
        Metric(
            SPECS["lpips_alex_drift"],
            _drift(lambda clip: clip.extracted_pair("lpips_alex"), paired=True),
            extractors=("lpips_alex",),
        ),
        Metric(SPECS["color_drift"], _color_drift, extractors=("appearance",)),
        Metric(SPECS["bg_flicker"], _flicker, extractors=("appearance",)),
        Metric(SPECS["bg_flicker_gap"], gap_of_scores(_flicker), extractors=("appearance",)),
        Metric(SPECS["vb_flicker"], _mean_change("change", drift.vbench_flicker), extractors=("appearance",)),
    ]
    return {metric.name: metric for metric in result}
