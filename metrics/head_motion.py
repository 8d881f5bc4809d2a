"""Head pose series: diversity, correctness, and their relation to the sound.

A pose series is (T, 3) float64: pitch, yaw, roll in degrees; a row of NaN is a frame without a face.
"""

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics.silence import loud_frames
from gmbench.metrics.spec import MetricSpec

Pose = NDArray[np.float64]

PCM_THRESHOLD = 1.0


def unwrap(pose: Pose) -> Pose:
    """Remove 360-degree jumps of each axis; frames without a face stay NaN."""
    result = np.array(pose, np.float64)
    valid = np.isfinite(result).all(axis=1)
    result[valid] = np.unwrap(result[valid], axis=0, period=360.0)
    return result


def diversity(pose: Pose) -> float:
    """Div: mean 1-norm (summed over the axes) between the poses of all pairs of frames, degrees.

    GMTalker Eq. 17, 2/(B(B-1)) sum_{i<j} |m_i - m_j|_1, from the sorted values of each axis in
    O(B log B). NaN with fewer than two valid frames.
    """
    valid = _valid(pose)
    frames = len(valid)
    if frames < 2:
        return float("nan")
    weights = 2.0 * np.arange(1, frames + 1) - frames - 1  # of the k-th smallest value
    ranked = np.sort(valid, axis=0)
    total = ((ranked - ranked[0]) * weights[:, None]).sum()  # the weights sum to zero
    return float(2.0 * total / (frames * (frames - 1)))


def diversity_std(pose: Pose) -> float:
    """Div as SadTalker computes it: mean over the axes of the population standard deviation, degrees."""
    valid = _valid(pose)
    return float((valid - valid[0]).std(axis=0).mean()) if len(valid) else float("nan")


def diversity_samples(samples: NDArray[np.float64]) -> float:
    """How much several motions for one audio differ: mean 1-norm over frames and sample pairs.

    Args:
        samples: (S, T, 3) poses in degrees, S >= 2 samples of one length.

    Returns:
        degrees; NaN if no frame is valid in two samples.

    Raises:
        ValueError: not (S, T, 3) with S >= 2.
    """
    if samples.ndim != 3 or samples.shape[0] < 2 or samples.shape[2] != 3:
        raise ValueError(f"expected poses (S >= 2, T, 3), got {samples.shape}")
    first, second = np.triu_indices(len(samples), k=1)
    distance = np.abs(samples[first] - samples[second]).sum(axis=2)
    return float(np.nanmean(distance)) if np.isfinite(distance).any() else float("nan")


def wrapped(difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Absolute differences of angles in degrees, the short way round."""
    return np.asarray(np.abs(180.0 - np.mod(180.0 - difference, 360.0)))


def correct_motion(generated: Pose, reference: Pose, threshold: float = PCM_THRESHOLD) -> NDArray[np.float64]:
    """PCM per frame: share of the three angles within ``threshold`` degrees (strictly) of the reference.

    GMTalker Eq. 19. Differences are wrapped to (-180, 180].

    Args:
        generated, reference: (T, 3) degrees.

    Returns:
        (T,) in {0, 1/3, 2/3, 1}, NaN where either side has no face.
    """
    if generated.shape != reference.shape or generated.shape[-1:] != (3,):
        raise ValueError(f"expected two pose series of one shape (T, 3), got {generated.shape} and {reference.shape}")
    difference = wrapped(generated - reference)
    share = (difference < threshold).mean(axis=1)
    share[~np.isfinite(difference).all(axis=1)] = np.nan
    return np.asarray(share)


def principal_axis(reference: Pose) -> NDArray[np.float64]:
    """First principal axis (3,) of a reference pose series; the largest loading is positive.

    NaN if there is no motion to analyse.
    """
    valid = _valid(unwrap(reference))
    if len(valid) < 2 or not valid.std(axis=0).any():
        return np.full(3, np.nan)
    _, _, axes = np.linalg.svd(valid - valid.mean(axis=0), full_matrices=False)
    axis = axes[0]
    return np.asarray(axis * np.sign(axis[np.abs(axis).argmax()]))


def project(pose: Pose, axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """PC1(t): the mean-removed pose series along an axis, (T, 3) -> (T,), degrees."""
    values = unwrap(pose) @ axis
    return np.asarray(values - np.nanmean(values)) if np.isfinite(values).any() else values


def onset_correlation(pc1: NDArray[np.float64], onsets: NDArray[np.float64], max_lag: int = 5) -> float:
    """Largest Pearson r between |d PC1 / dt| and the onset strength over lags of +-``max_lag`` frames.

    Args:
        pc1: (T,) projected motion.
        onsets: (T,) onset strength at 25 fps.

    Returns:
        r, or NaN where one side is constant or too short.
    """
    speed = np.abs(np.diff(pc1))
    length = min(len(speed), len(onsets))
    if length <= 2 * max_lag + 2:
        return float("nan")
    speed, strength = speed[:length], onsets[:length]
    best = float("nan")
    for lag in range(-max_lag, max_lag + 1):
        a = speed[max(0, lag) : length + min(0, lag)]
        b = strength[max(0, -lag) : length - max(0, lag)]
        valid = np.isfinite(a)
        r = _pearson(a[valid], b[valid])
        best = np.fmax(best, r)
    return float(best)


def still_ratio(pc1: NDArray[np.float64], rms: NDArray[np.float64]) -> float:
    """Motion in silence over motion in speech: mean |d PC1| of silent over that of voiced frames.

    A frame is silent when its RMS lies more than 40 dB below the loudest frame of the clip.

    Args:
        pc1: (T,) projected motion.
        rms: (T,) audio RMS per frame, linear.

    Returns:
        ratio; NaN if the clip has no silent or no voiced frame, or no motion in speech.
    """
    speed = np.abs(np.diff(pc1))
    length = min(len(speed), len(rms))
    speed = speed[:length]
    if length == 0 or not np.isfinite(speed).any() or rms.max() <= 0:
        return float("nan")
    silent = ~loud_frames(rms)[:length]
    valid = np.isfinite(speed)
    if not (silent & valid).any() or not (~silent & valid).any():
        return float("nan")
    voiced = float(speed[~silent & valid].mean())
    return float(speed[silent & valid].mean() / voiced) if voiced > 0 else float("nan")


def _pearson(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if len(a) < 3 or not np.ptp(a) > 0 or not np.ptp(b) > 0:  # a deviation need not vanish exactly
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def _valid(pose: Pose) -> Pose:
    if pose.ndim != 2 or pose.shape[1] != 3:
        raise ValueError(f"expected a pose series (T, 3), got {pose.shape}")
    return pose[np.isfinite(pose).all(axis=1)]


_POSE_TRAPS = "Depends on the pose source, which the key carries; face crops that follow the head hide motion."

SPECS = (
    MetricSpec(
        name="div",
        title="Div",
        group="motion",
        version=2,
        direction="reference",
        unit="deg",
        range="[0, inf)",
        needs=("pose",),
        aggregation="clip value over all pairs of frames -> clip mean",
        source="GMTalker Eq. 17, T. IV, VI (summed over pitch, yaw, roll)",
        interpretation="How much the head pose varies inside a clip. The paper reads it as higher is better; "
        "real motion is the target, so read div_gap.",
        caveats=_POSE_TRAPS + " SadTalker's diversity is the standard deviation: div_std.",
    ),
    MetricSpec(
        name="div_axis",
        title="Div/3",
        group="motion",
        what="Div per angle: a third of it.",
        version=2,
        direction="reference",
        unit="deg",
        range="[0, inf)",
        needs=("pose",),
        aggregation="clip value over all pairs of frames -> clip mean",
        source="GMTalker Eq. 17 as a mean over the three axes; the paper does not say which it printed",
        interpretation="A third of div.",
        caveats=_POSE_TRAPS,
        default=False,
    ),
    MetricSpec(
        name="div_std",
        title="Div (s.d.)",
        group="motion",
        version=2,
        direction="reference",
        unit="deg",
        range="[0, inf)",
        needs=("pose",),
        aggregation="mean over axes of the population s.d. -> clip mean",
        source="SadTalker's diversity: standard deviation of head pose over frames",
        interpretation="Standard deviation of the head pose inside a clip.",
        caveats=_POSE_TRAPS,
    ),
    MetricSpec(
        name="div_gap",
        title="|Div - GT|",
        group="motion",
        what="Distance of the head pose's variety to the real clip's.",
        version=2,
        direction="lower",
        unit="deg",
        range="[0, inf)",
        needs=("reference", "pose"),
        aggregation="absolute difference of the clip's values -> clip mean",
        source="this suite: more motion than a real head is not better",
        interpretation="0 means as lively as the real clip.",
        caveats=_POSE_TRAPS,
    ),
    MetricSpec(
        name="div_samples",
        title="Div (samples)",
        group="motion",
        version=2,
        direction="reference",
        best="none",
        unit="deg",
        range="[0, inf)",
        needs=("pose",),
        aggregation="mean over frames and pairs of samples of one audio -> clip mean",
        source="this suite: what diverse means for a stochastic generator",
        interpretation="How differently the method moves for the same audio; 0 for a deterministic method.",
        caveats="Needs several samples a clip: files <clip>.mp4, <clip>@1.mp4, <clip>@2.mp4, ...",
        default=False,
    ),
    MetricSpec(
        name="pcm",
        title="PCM",
        group="motion",
        version=2,
        direction="higher",
        unit="",
        range="[0, 1]",
        needs=("reference", "pose"),
        aggregation="frame mean -> clip mean",
        source="GMTalker Eq. 19, T. IV, VI: share of angles within 1 degree",
        interpretation="Share of (frame, angle) within one degree of the real head. Read beside pcm_chance.",
        caveats="The published ground-truth row (0.435) contradicts the equation, which gives 1. A "
        "constant pose can beat a lively head: on ten real clips the held first frame, which shares the "
        "clip's own mean, scored 0.21 where chance was 0.12. " + _POSE_TRAPS,
    ),
    MetricSpec(
        name="pcm_chance",
        title="PCM chance",
        group="motion",
        what="PCM of unrelated motion: the chance level.",
        version=2,
        direction="reference",
        best="none",
        unit="",
        range="[0, 1]",
        needs=("reference", "pose"),
        aggregation="mean over up to 20 other references, cut to common length -> clip mean",
        source="this suite: the generated clip against the references of other clips",
        interpretation="What unrelated motion scores; a PCM near it says nothing about the motion.",
        caveats="Undefined with a single reference.",
    ),
    MetricSpec(
        name="corr_onset",
        title="Corr. onset",
        group="motion",
        what="Correlation of head speed with speech onsets.",
        version=3,
        direction="reference",
        unit="",
        range="[-1, 1]",
        needs=("audio", "pose"),
        aggregation="clip value -> clip mean",
        source="Audio2Head and GMTalker Fig. 8, 10 draw it; the number is this suite's",
        interpretation="Largest correlation of head speed (along the reference's main axis, or its own without "
        "a reference) with speech onsets within +-5 frames. Read beside corr_onset_chance.",
        caveats="A maximum over 11 lags is positive by chance: only the excess over chance means anything. On "
        "ten real clips: 0.20 in step, 0.06 with the sound 0.4 s late, 0.13 with another clip's sound, chance "
        "0.09 to 0.10.",
    ),
    MetricSpec(
        name="corr_onset_chance",
        title="Corr. chance",
        group="motion",
        what="Corr. onset of the same motion with shifted sound: the chance level.",
        version=3,
        direction="reference",
        best="none",
        unit="",
        range="[-1, 1]",
        needs=("audio", "pose"),
        aggregation="mean over 100 circular shifts of the audio -> clip mean",
        source="this suite",
        interpretation="corr_onset of the same motion with shifted audio.",
        caveats="Undefined for clips under two seconds.",
    ),
    MetricSpec(
        name="still_ratio",
        title="Still ratio",
        group="motion",
        version=2,
        direction="lower",
        best="reference",
        unit="",
        range="[0, inf)",
        needs=("audio", "pose"),
        aggregation="clip value -> clip mean",
        source="this suite: a head should rest in silence",
        interpretation="Head speed in silence over head speed in speech.",
        caveats="Undefined for clips without a silent frame (40 dB below the loudest). On ten real clips it did "
        "not order the controls: 1.12 in step, 1.31 with late sound, 0.90 with another clip's sound.",
    ),
)
