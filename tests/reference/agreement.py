"""Measured agreement with independent implementations; ``python -m tests.reference.agreement`` prints it."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import median_abs_deviation
from skimage.color import rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio as torch_psnr
from torchmetrics.functional.image import structural_similarity_index_measure as torch_ssim

from gmbench.metrics import (
    beats,
    blinks,
    drift,
    expression,
    face_dynamics,
    frechet,
    head_motion,
    landmarks,
    linear_sync,
    quality,
    sharpness,
    silence,
    theval,
    time_warping,
)
from tests import tolerances
from tests.reference import slow, slow_motion


@dataclass(frozen=True)
class Agreement:
    metric: str
    against: str
    difference: float
    tolerance: float
    cases: int


def frame_pairs(count=6):
    """Smooth coloured images and distorted copies of several sizes."""
    rng = np.random.default_rng(7)
    for n in range(count):
        height, width = 96 + 32 * n, 128 + 16 * n
        base = gaussian_filter(rng.uniform(0, 255, (height, width, 3)), (3, 3, 0))
        base = (base - base.min()) / np.ptp(base) * 255
        a = base.astype(np.uint8)
        b = np.clip(gaussian_filter(base, (n / 2, n / 2, 0)) + rng.normal(0, 2 + 3 * n, base.shape), 0, 255)
        yield a, b.astype(np.uint8)


def _tensor(frame):
    return torch.from_numpy(frame.astype(np.float32)).permute(2, 0, 1)[None]


def _skimage_gaussian(a, b):
    return structural_similarity(
        a, b, channel_axis=2, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )


def measure():
    """All rows of the table."""
    pairs, rng = list(frame_pairs()), np.random.default_rng(3)
    poses = [np.cumsum(rng.normal(0, 1, (n, 3)), axis=0) for n in (40, 90, 200)]
    shapes = [rng.uniform(0, 128, (5, 68, 2)) for _ in range(4)]
    greys = [np.rint(gaussian_filter(rng.uniform(0, 255, (160, 224)), s)).astype(np.uint8) for s in (0, 0.7, 1.2, 3)]

    def row(metric, against, tolerance, ours, theirs, cases):
        worst = max(float(np.max(np.abs(np.subtract(ours(*c), theirs(*c))))) for c in cases)
        return Agreement(metric, against, worst, tolerance, len(cases))

    lmd_cases = [(a, b, p) for a, b in zip(shapes, shapes[1:], strict=False) for p in ((48, 68), (0, 68))]
    beat_cases = [(np.sort(rng.uniform(0, 200, 17)), np.sort(rng.uniform(0, 200, n))) for n in (1, 5, 40)]
    return [
        row("psnr", "scikit-image", tolerances.PSNR_DB, quality.psnr,
            lambda a, b: peak_signal_noise_ratio(a, b, data_range=255), pairs),
        row("psnr", "torchmetrics (float32)", 1e-4, quality.psnr,
            lambda a, b: float(torch_psnr(_tensor(a), _tensor(b), data_range=255.0)), pairs),
        row("ssim", "scikit-image, Gaussian", tolerances.SSIM, quality.ssim, _skimage_gaussian, pairs),
        row("ssim_u7", "scikit-image, default", tolerances.SSIM, quality.ssim_u7,
            lambda a, b: structural_similarity(a, b, channel_axis=2, data_range=255), pairs),
        row("cpbd", "own slow loop, scikit-image Canny", tolerances.CPBD, sharpness.cpbd, slow.cpbd,
            [(g,) for g in greys]),
        row("m_lmd, f_lmd", "own slow loop", tolerances.LANDMARKS,
            lambda a, b, p: landmarks.landmark_distance(a, b, slice(*p)),
            lambda a, b, p: slow.lmd(a, b, range(*p)), lmd_cases),
        row("div", "own double loop", tolerances.MOTION, head_motion.diversity, slow.div, [(p,) for p in poses]),
        row("pcm", "own double loop", tolerances.MOTION,
            lambda a, b: head_motion.correct_motion(a, b).mean(), slow.pcm, [(p, p + 0.8) for p in poses]),
        row("motion beats", "own slow loop", tolerances.BEATS, head_motion_beats, slow.motion_beats,
            [(p,) for p in poses]),
        row("ba_m2a, ba_a2m", "own double loop", tolerances.BEATS, beats.beat_alignment, slow.beat_alignment,
            beat_cases),
        *measure_motion(row),
    ]  # fmt: skip


def moving_faces(count=3, frames=40):
    """Landmarks (T, 68, 2) of faces that move, blink and are lost in a few frames."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        face = rng.uniform(20, 90, (68, 2))
        faces = face + np.cumsum(rng.normal(0, 0.4, (frames, 1, 2)), axis=0) + rng.normal(0, 0.3, (frames, 68, 2))
        for eye in (36, 42):  # shut for some frames
            centre = faces[5 + seed : 9 + 2 * seed, eye : eye + 6].mean(axis=1, keepdims=True)
            faces[5 + seed : 9 + 2 * seed, eye : eye + 6, 1] = centre[..., 1] + 0.01
        faces[[17, 18, 31]] = np.nan
        yield faces


def _opening_of(frames):
    return blinks.blinks(blinks.eye_opening(frames))


def measure_motion(row):
    """Rows of the metrics of motion, silence, timing and drift."""
    faces, rng = [(f,) for f in moving_faces()], np.random.default_rng(11)
    lost = np.cumsum(rng.normal(0, 1, (60, 3)), axis=0)
    lost[[9, 30]] = np.nan
    series = [(rng.normal(0, 1, 7), rng.normal(0, 1, 7), band) for band in (0, 1, 3)]
    softened = [(rng.normal(0, 1, 5), rng.normal(0, 1, 5), gamma) for gamma in (0.05, 1.0)]
    shapes = [tuple(rng.uniform(0, 1, (9, 51)) for _ in range(2))]
    poses = [tuple(rng.uniform(-180, 180, (9, 3)) for _ in range(2))]
    sounds = [(rng.normal(0, 1, (120, 6)), rng.normal(0, 1, (120, 8)), 3)]
    colours = [(rng.integers(0, 256, (50, 3)),)]
    return [
        row("head_dyn_rot", "own loop", tolerances.MOTION, face_dynamics.head_rotation_dynamics,
            slow_motion.head_rotation, [(lost,)]),
        row("brow_dyn, brow_std", "own loop", tolerances.MOTION, _brows, slow_motion.brows, faces),
        row("lip_dyn", "own loop", tolerances.MOTION, face_dynamics.lip_dynamics, slow_motion.lip_dynamics, faces),
        row("jitter", "own loop", tolerances.MOTION, face_dynamics.jitter, slow_motion.jitter, faces),
        row("blink_rate, blink_ms", "own walk over the frames", tolerances.MOTION,
            lambda f: (_opening_of(f).rate, _opening_of(f).milliseconds), slow_motion.blinks, faces),
        row("silent frames", "itertools.groupby", 0.0, lambda s: silence.silent_frames(s).astype(int),
            lambda s: np.array(slow_motion.silent_runs(s.tolist()), int), [(rng.uniform(size=300) > 0.7,)]),
        row("m_lmd_dtw, open_dtw, ... (hard)", "all paths", tolerances.WARPING,
            lambda a, b, band: time_warping.warping(
                time_warping.band_costs(a, b, lambda p, q: (p - q) ** 2, band)).cost, slow_motion.warped, series),
        row("*_dtw (gamma)", "all paths", tolerances.WARPING,
            lambda a, b, gamma: time_warping.soft_dtw(
                time_warping.band_costs(a, b, lambda p, q: (p - q) ** 2, len(a) - 1), gamma),
            lambda a, b, gamma: slow_motion.soft_dtw((a[:, None] - b) ** 2, gamma), softened),
        row("sync_lin", "scikit-learn's Ridge and PCA", tolerances.LINEAR_SYNC,
            lambda s, f, lags: linear_sync.linear_sync(s, f, lags).by_lag, slow_motion.linear_sync, sounds),
        row("aed", "own loop", tolerances.MOTION,
            lambda a, b: 100 * expression.expression_distance(a, b).mean(), slow_motion.aed, shapes),
        row("apd", "own loop", tolerances.MOTION, lambda a, b: expression.pose_distance(a, b).mean() / 3,
            slow_motion.apd, poses),
        row("silent_mad", "SciPy", tolerances.MOTION, silence.median_deviation, median_abs_deviation,
            [(rng.uniform(0, 0.2, n),) for n in (8, 31, 200)]),
        row("lip_rms_mae", "own loop", tolerances.MOTION, theval.scaled_difference, slow_motion.scaled_difference,
            [tuple(rng.uniform(0, 1, (2, 40)))]),
        row("fxd", "SciPy's square root of a matrix", tolerances.FRECHET, frechet.frechet_distance,
            slow_motion.frechet, [tuple(rng.normal(0, 1, (2, 300, 8)) * [[[1]], [[1.5]]])]),
        row("color_drift's L*a*b*", "scikit-image", tolerances.LAB, drift.lab,
            lambda rgb: rgb2lab(rgb.astype(np.uint8)), colours),
    ]  # fmt: skip


def _brows(frames):
    heights = face_dynamics.brow_heights(frames)
    return face_dynamics.brow_dynamics(heights), face_dynamics.brow_spread(heights)


def head_motion_beats(pose):
    return beats.motion_beats(pose).astype(int).tolist()


def torchmetrics_ssim_gap():
    """How far torchmetrics' SSIM lies from ours: it averages over padded borders, so it is no reference."""
    return max(
        abs(quality.ssim(a, b) - float(torch_ssim(_tensor(a), _tensor(b), data_range=255.0))) for a, b in frame_pairs()
    )


def main():
    lines = ["| metric | reference | largest difference | tolerance | cases |", "|---|---|---:|---:|---:|"]
    lines += [f"| {r.metric} | {r.against} | {r.difference:.1e} | {r.tolerance:.0e} | {r.cases} |" for r in measure()]
    lines.append(f"| ssim | torchmetrics (padded borders: another quantity) | {torchmetrics_ssim_gap():.1e} | – | 6 |")
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main()
