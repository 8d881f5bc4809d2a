"""The metrics of pixels, landmarks, pose and sound, bound to the features they read."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.audio.onsets import onset_frames
from gmbench.evaluation.extraction.features import FrameFeature, PairFeature
from gmbench.evaluation.scoring.clip_data import ClipData, Unscored
from gmbench.evaluation.scoring.clip_scores import gap, of_generated, points, pose
from gmbench.evaluation.scoring.metric import Metric, Score, defined, frame_mean
from gmbench.face.crops import eat128_landmarks
from gmbench.media import FPS
from gmbench.metrics import beats, head_motion, landmarks, quality, sharpness
from gmbench.metrics.catalogue import SPECS
from gmbench.metrics.series import circular_shifts


def _grey_cpbd(frame: NDArray[np.uint8]) -> float:
    """CPBD of an RGB frame; NaN where the frame is smaller than a block."""
    if min(frame.shape[:2]) < sharpness.BLOCK:
        return float("nan")
    return sharpness.cpbd(np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8))


MSE = PairFeature("mse", 2, quality.mse)
SSIM = PairFeature("ssim", 2, quality.ssim)
SSIM_U7 = PairFeature("ssim_u7", 2, quality.ssim_u7)
CPBD = FrameFeature("cpbd", 1, _grey_cpbd)

_CROP_NEEDS_FACE = "the crop needs a face on both sides"


def _psnr(clip: ClipData) -> Score:
    errors = clip.pair(MSE)
    valid = errors[~np.isnan(errors)]
    if len(valid) == 0:
        raise Unscored("failed", f"no frame could be scored: {_CROP_NEEDS_FACE}")
    value, capped = quality.clip_psnr(valid)
    flags = (*clip.length_flags(), *(("psnr_capped",) if capped else ()))
    return Score(value, len(valid), len(errors), flags)


def _paired(feature: PairFeature) -> Callable[[ClipData], Score]:
    return lambda clip: frame_mean(clip.pair(feature), _CROP_NEEDS_FACE, clip.length_flags())


def _cpbd(clip: ClipData) -> Score:
    return frame_mean(clip.generated.per_frame(CPBD), "the crop needs a face, frames need 64 x 64 pixels")


def _cpbd_gap(clip: ClipData) -> Score:
    generated = _cpbd(clip)
    real = frame_mean(clip.reference.per_frame(CPBD), "no frame of the reference")
    return Score(abs(generated.value - real.value), generated.frames_used, generated.frames_expected)


def aligned(clip: ClipData) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Landmarks of both clips in the pixels of their eat128 crops, paired."""
    return clip.paired(eat128_landmarks(clip.generated.landmarks), eat128_landmarks(clip.reference.landmarks))


def _lmd(part: slice) -> Callable[[ClipData], Score]:
    def score(clip: ClipData) -> Score:
        distance = landmarks.landmark_distance(*clip.once(aligned), part)
        return frame_mean(distance, "no frame has a face on both sides", _pair_flags(clip))

    return score


def _nlmd(part: slice) -> Callable[[ClipData], Score]:
    def score(clip: ClipData) -> Score:
        generated, reference = clip.paired(clip.generated.landmarks, clip.reference.landmarks)
        _, height, width = clip.generated.size
        _, target_height, target_width = clip.reference.size
        scale = np.array([target_width / width, target_height / height])
        distance = landmarks.normalised_landmark_distance(generated * scale, reference, part)
        return frame_mean(distance, "no frame has a face on both sides", _pair_flags(clip))

    return score


def _pair_flags(clip: ClipData) -> tuple[str, ...]:
    return (*clip.length_flags(), *clip.face_flags(clip.generated, clip.reference))


def _div_samples(clip: ClipData) -> Score:
    if not clip.samples:
        raise Unscored("undefined", "one sample of this clip; needs <clip>@1.mp4, <clip>@2.mp4, ...")
    poses = [features.pose for features in (clip.generated, *clip.samples)]
    length = min(map(len, poses))
    value = head_motion.diversity_samples(np.stack([pose[:length] for pose in poses]))
    return defined(value, length, len(poses[0]), "no frame has a face in two samples")


def _pcm(clip: ClipData) -> Score:
    share = head_motion.correct_motion(*clip.paired(clip.generated.pose, clip.reference.pose))
    flags = (*clip.length_flags(), *clip.pose_flags(clip.generated, clip.reference))
    return frame_mean(share, "no frame has a face on both sides", flags)


def _pcm_chance(clip: ClipData) -> Score:
    own, values = clip.generated.pose, []
    for other in clip.others:
        try:
            target = other.keep_pose()
        except Unscored:
            continue
        length = min(len(own), len(target))
        share = head_motion.correct_motion(own[:length], target[:length])
        if np.isfinite(share).any():
            values.append(float(np.nanmean(share)))
    value = float(np.mean(values)) if values else float("nan")
    return defined(value, len(own), len(own), "needs another reference with a face")


def _beats(clip: ClipData) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Motion beats, audio beats inside the clip, and its length in frames."""
    own = clip.generated.pose
    audio = onset_frames(clip.generated.onset_times)
    return beats.motion_beats(own), audio[audio < len(own)], len(own)


def _heard(clip: ClipData, value: float, reason: str, flags: tuple[str, ...] = ()) -> Score:
    """A score of motion against sound, from the frames that have both."""
    return defined(value, clip.generated.sound_frames, clip.generated.frames, reason, flags)


def _chance_m2a(clip: ClipData) -> beats.Chance:
    motion, audio, frames = clip.once(_beats)
    return beats.alignment_chance(motion, audio, frames, "m2a")


def _chance_a2m(clip: ClipData) -> beats.Chance:
    motion, audio, frames = clip.once(_beats)
    return beats.alignment_chance(motion, audio, frames, "a2m")


def _alignment(direction: str) -> Callable[[ClipData], Score]:
    def score(clip: ClipData) -> Score:
        motion, audio, _ = clip.once(_beats)
        series = (motion, audio) if direction == "m2a" else (audio, motion)
        reason = f"{len(motion)} motion beats and {len(audio)} audio onsets"
        return _heard(clip, beats.beat_alignment(*series), reason, clip.pose_flags(clip.generated))

    return score


def _alignment_chance(direction: str, part: str) -> Callable[[ClipData], Score]:
    chance = _chance_m2a if direction == "m2a" else _chance_a2m

    def score(clip: ClipData) -> Score:
        return _heard(clip, getattr(clip.once(chance), part), "no beats, or under two seconds")

    return score


def _main_motion(clip: ClipData) -> NDArray[np.float64]:
    """PC1(t) of the generated pose on the reference's main axis (its own without a reference)."""
    axis = head_motion.principal_axis((clip.reference if clip.has_reference else clip.generated).pose)
    return head_motion.project(clip.generated.pose, axis)


def _corr_onset(clip: ClipData) -> Score:
    pc1 = clip.once(_main_motion)
    value = head_motion.onset_correlation(pc1, clip.generated.onset_strength)
    return _heard(clip, value, "no motion, no sound, or under half a second")


def _corr_onset_chance(clip: ClipData) -> Score:
    pc1 = clip.once(_main_motion)
    strength = clip.generated.onset_strength[: len(pc1)]
    if len(strength) < 2 * FPS:
        raise Unscored("undefined", "clip under two seconds")
    shifts = circular_shifts(len(strength), beats.CHANCE_SHIFTS)
    values = np.array([head_motion.onset_correlation(pc1, np.roll(strength, shift)) for shift in shifts])
    value = float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
    return _heard(clip, value, "no motion or no sound")


def _still_ratio(clip: ClipData) -> Score:
    pc1 = clip.once(_main_motion)
    value = head_motion.still_ratio(pc1, clip.generated.rms)
    return _heard(clip, value, "no silent frame, no voiced frame, or no motion in speech")


def signal_metrics() -> dict[str, Metric]:
    """The metrics of this module by name."""
    scorers: dict[str, Callable[[ClipData], Score]] = {
        "psnr": _psnr,
        "ssim": _paired(SSIM),
        "ssim_u7": _paired(SSIM_U7),
        "cpbd": _cpbd,
        "cpbd_gap": _cpbd_gap,
        "m_lmd": _lmd(landmarks.MOUTH),
        "f_lmd": _lmd(landmarks.FACE),
        "m_nlmd": _nlmd(landmarks.MOUTH),
        "f_nlmd": _nlmd(landmarks.FACE),
        "trace_rms": of_generated(landmarks.trace_rms, points),
        "trace_gap": gap(landmarks.trace_rms, points),
        "div": of_generated(head_motion.diversity, pose),
        "div_axis": of_generated(lambda pose: head_motion.diversity(pose) / 3.0, pose),
        "div_std": of_generated(head_motion.diversity_std, pose),
        "div_gap": gap(head_motion.diversity, pose),
        "div_samples": _div_samples,
        "pcm": _pcm,
        "pcm_chance": _pcm_chance,
        "corr_onset": _corr_onset,
        "corr_onset_chance": _corr_onset_chance,
        "still_ratio": _still_ratio,
    }
    for direction in ("m2a", "a2m"):
        scorers[f"ba_{direction}"] = _alignment(direction)
        scorers[f"ba_{direction}_chance"] = _alignment_chance(direction, "level")
        scorers[f"ba_{direction}_p"] = _alignment_chance(direction, "p")
    pair = {"psnr": (MSE,), "ssim": (SSIM,), "ssim_u7": (SSIM_U7,)}
    frame = {"cpbd": (CPBD,), "cpbd_gap": (CPBD,)}
    return {
        name: Metric(SPECS[name], score, frame.get(name, ()), pair.get(name, ())) for name, score in scorers.items()
    }
