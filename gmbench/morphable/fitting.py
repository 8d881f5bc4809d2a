"""Fit the face model to landmarks by Levenberg-Marquardt: identity once per speaker, then frame by frame.

The energy and its derivatives are in :mod:`gmbench.morphable.energy`. A frame starts from the one before; the
identity is solved together with the pose and expression of its frames, whose blocks are eliminated (Schur complement).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.linalg.blas import dsyrk

from gmbench.errors import InputError
from gmbench.morphable.camera import DISTANCE
from gmbench.morphable.energy import EXP, GAZE, POSE, UNKNOWNS, LandmarkEnergy, Vector
from gmbench.morphable.landmarks_478 import LIPS_INNER, LIPS_OUTER, RIGID
from gmbench.morphable.model import BLINK, MOTION, SHAPE, FaceModel

MAX_GAP = 5
"""Longest run of frames without a face that is interpolated."""
_FIRST_DAMPING, _EASE, _TIGHTEN, _STOP = 1e-3, 0.3, 4.0, 1e-5


@dataclass(frozen=True)
class FittedTrack:
    """Coefficients of a clip.

    Attributes:
        beta: (T, 169) expression without lids; rho: (T, 12) motion.
        lm_rmse: (T,) pixels, NaN where no face was seen.
        valid: (T,) a face was seen.
        segment: (T,) number of the run of frames that belong together, -1 inside gaps longer than 5 frames.
    """

    beta: NDArray[np.float32]
    rho: NDArray[np.float32]
    lm_rmse: NDArray[np.float32]
    valid: NDArray[np.bool_]
    segment: NDArray[np.int64]


def fit_identity(energy: LandmarkEnergy, frames: Vector, steps: int = 40) -> Vector:
    """Shape coefficients (150,) of a person.

    Args:
        energy: landmark energy.
        frames: (k, 478, 2) landmarks of near-neutral frames of the person; NaN where unknown.
        steps: most iterations of the last pass, which solves for everything at once.

    Raises:
        InputError: no frame shows a face.
    """
    targets = [frame[energy.chosen] for frame in frames if _has_face(frame[energy.chosen])]
    if not targets:
        raise InputError("no frame with a face to take the identity from")
    shape = np.zeros(SHAPE)
    person = energy.identity(shape)
    states = [fit_frame(energy, rigid_start(energy, person, target), shape, target, None, steps) for target in targets]
    damping, best = _FIRST_DAMPING, _joint_value(energy, states, shape, targets)
    for _ in range(steps):
        while True:
            trial_states, trial_shape = _joint_step(energy, states, shape, targets, damping)
            value = _joint_value(energy, trial_states, trial_shape, targets)
            if value < best or damping > 1e8:
                break
            damping *= _TIGHTEN
        if not value < best:
            break
        decrease = (best - value) / best
        states, shape, best, damping = trial_states, trial_shape, value, damping * _EASE
        if decrease < _STOP:
            break
    return shape


def fit_track(
    energy: LandmarkEnergy, shape: Vector, landmarks: Vector, steps: int = 8, smooth: bool = False
) -> FittedTrack:
    """Coefficients of a clip of a person with known shape.

    Args:
        energy: landmark energy.
        shape: (150,) of the person.
        landmarks: (T, 478, 2) pixels, NaN rows without a face.
        steps: most iterations per frame; the first frame of a run gets five times as many.
        smooth: mean over three frames, but of lips, jaw and lids, which move faster (:func:`smoothed_columns`).
    """
    targets = landmarks[:, energy.chosen]
    valid = np.array([_has_face(target) for target in targets], bool)
    full = np.zeros((len(targets), UNKNOWNS))
    rmse = np.full(len(targets), np.nan)
    person = energy.identity(shape)
    before: Vector | None = None
    for t in np.flatnonzero(valid):
        if before is None or not valid[max(0, t - MAX_GAP - 1) : t].any():
            before, previous, most = rigid_start(energy, person, targets[t]), None, 5 * steps
        else:
            previous, most = before[POSE].copy(), steps
            before = _follow(energy, before, person, targets[t])
        before = fit_frame(energy, before, shape, targets[t], previous, most, person)
        full[t] = before
        error = energy.project(before, person) - targets[t]
        rmse[t] = np.sqrt(np.nanmean((error**2).sum(axis=1)))
    segment = segments(valid)
    full = interpolate(full, valid, segment)
    if smooth:
        full = smooth_track(full, segment, smoothed_columns(energy.model))
    beta, rho = track_of_state(energy.model, full)
    return FittedTrack(beta, rho, rmse.astype(np.float32), valid, segment)


def track_of_state(model: FaceModel, state: Vector) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``beta`` (T, 169) and ``rho`` (T, 12) of unknowns (T, 181), the lids in [0, 1]."""
    beta, blink = model.split(state[:, EXP])
    rho = np.concatenate([state[:, POSE], state[:, GAZE], np.clip(blink, 0, 1)], axis=1)
    if rho.shape[1] != MOTION:
        raise ValueError(f"expected {MOTION} motion values, got {rho.shape[1]}")
    return beta.astype(np.float32), rho.astype(np.float32)


def state_of_track(model: FaceModel, track: FittedTrack) -> Vector:
    """Unknowns (T, 181) of a fitted clip, the inverse of :func:`track_of_state`."""
    beta, rho = track.beta.astype(np.float64), track.rho.astype(np.float64)
    return np.concatenate([rho[:, : BLINK.start], model.join(beta, rho[:, BLINK])], axis=1)


def smoothed_columns(model: FaceModel) -> NDArray[np.bool_]:
    """(181,) the unknowns that smoothing in time does no harm: all but gaze, lids, and what moves lips or jaw."""
    moved = np.linalg.norm(model.expression_basis[model.landmarks], axis=1)  # (478, 171)
    lips = moved[[*LIPS_INNER, *LIPS_OUTER]].mean(axis=0)
    result = np.ones(UNKNOWNS, bool)
    result[EXP] = lips <= moved.mean(axis=0)
    result[[EXP.start + column for column in model.blink_columns]] = False
    result[GAZE] = False
    return result


def fit_frame(
    energy: LandmarkEnergy, start: Vector, shape: Vector, target: Vector, previous: Vector | None, steps: int,
    person: tuple[Vector, Vector] | None = None,
) -> Vector:  # fmt: skip
    """Unknowns (181,) of one frame from a start; the lids are clamped to [0, 1] and the rest refitted once."""
    person = person or energy.identity(shape)
    state = _minimise(energy, start, shape, person, target, previous, steps, np.ones(UNKNOWNS, bool))
    lids = EXP.start + np.array(energy.model.blink_columns)
    clamped = np.clip(state[lids], 0.0, 1.0)
    if (clamped != state[lids]).any():
        free = np.ones(UNKNOWNS, bool)
        free[lids[clamped != state[lids]]] = False
        state[lids] = clamped
        state = _minimise(energy, state, shape, person, target, previous, 1, free)
        state[lids] = np.clip(state[lids], 0.0, 1.0)
    return state


def rigid_start(energy: LandmarkEnergy, person: tuple[Vector, Vector], target: Vector) -> Vector:
    """A start whose pose fits the rigid points: eye corners, nose bridge, chin; without these all observed ones."""
    observed = np.isfinite(target[:, 0])
    rigid = np.isin(energy.chosen, RIGID) & observed
    rigid = rigid if rigid.sum() >= 4 else observed
    state = energy.start()
    # size and place first: depth from the spread of the points, then the shift of their mean
    flat, goal = energy.project(state, person)[rigid], target[rigid]
    depth = DISTANCE * np.linalg.norm(flat - flat.mean(0)) / max(float(np.linalg.norm(goal - goal.mean(0))), 1e-6)
    state[5] = depth - DISTANCE
    state[3:5] = (goal - energy.project(state, person)[rigid]).mean(axis=0) * depth / (energy.side * 1315 / 512)
    for _ in range(20):
        error, jacobian, _ = energy.residuals(state, person, np.where(rigid[:, None], target, np.nan))
        pose = jacobian[:, POSE]
        step = np.linalg.lstsq(pose.T @ pose + 1e-9 * np.eye(6), -pose.T @ error, rcond=None)[0]
        state[POSE] += np.clip(step, -0.5, 0.5)
        if np.abs(step).max() < 1e-6:
            break
    return state


def segments(valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(T,) number of the run of frames: gaps of at most 5 frames without a face join runs, longer ones are -1."""
    result = np.full(len(valid), -1, np.int64)
    observed_frames = np.flatnonzero(valid)
    if len(observed_frames) == 0:
        return result
    runs = np.split(observed_frames, np.flatnonzero(np.diff(observed_frames) > MAX_GAP + 1) + 1)
    for number, run in enumerate(runs):
        result[run[0] : run[-1] + 1] = number
    return result


def interpolate(values: Vector, valid: NDArray[np.bool_], segment: NDArray[np.int64]) -> Vector:
    """Rows (T, n) with short gaps filled linearly; frames outside any segment hold the nearest row with a face."""
    observed_frames = np.flatnonzero(valid)
    if len(observed_frames) in (0, len(valid)):
        return values
    result = values.copy()
    time = np.arange(len(valid))
    for column in range(values.shape[1]):
        result[:, column] = np.interp(time, observed_frames, values[observed_frames, column])
    outside = segment < 0
    nearest = observed_frames[np.abs(time[outside, None] - observed_frames[None]).argmin(axis=1)]
    result[outside] = values[nearest]
    return result


def smooth_track(values: Vector, segment: NDArray[np.int64], columns: NDArray[np.bool_] | None = None) -> Vector:
    """Centred mean over three frames (T, n) of all or of some columns (n,), never across segments."""
    result = values.copy()
    for number in np.unique(segment[segment >= 0]):
        run = segment == number
        padded = np.pad(values[run], ((1, 1), (0, 0)), mode="edge")
        result[run] = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    return result if columns is None else np.where(columns, result, values)


def _has_face(target: Vector) -> bool:
    return int(np.isfinite(target).all(axis=1).sum()) >= 8


def _minimise(
    energy: LandmarkEnergy, state: Vector, shape: Vector, person: tuple[Vector, Vector], target: Vector,
    previous: Vector | None, steps: int, free: NDArray[np.bool_],
) -> Vector:  # fmt: skip
    damping, best = _FIRST_DAMPING, energy.value(state, shape, person, target, previous)
    for _ in range(steps):
        hessian, gradient, _, _ = _normal_equations(energy, state, person, target, previous)
        gradient[~free] = 0.0
        hessian[~free, :] = hessian[:, ~free] = 0.0
        hessian[~free, ~free] = 1.0
        while True:
            trial = state - _solve(hessian, gradient, damping)
            value = energy.value(trial, shape, person, target, previous)
            if value < best or damping > 1e8:
                break
            damping *= _TIGHTEN
        if not value < best:
            break
        decrease = (best - value) / best
        state, best, damping = trial, value, damping * _EASE
        if decrease < _STOP:
            break
    return state


def _normal_equations(
    energy: LandmarkEnergy, state: Vector, person: tuple[Vector, Vector], target: Vector, previous: Vector | None
) -> tuple[Vector, Vector, Vector, Vector]:
    """Half Hessian and gradient of one frame, with the landmark residuals and d pixels / d head axes."""
    error, jacobian, by_head = energy.residuals(state, person, target)
    hessian = dsyrk(1.0, jacobian.T, lower=0)  # the upper triangle of J^T J
    hessian = np.triu(hessian) + np.triu(hessian, 1).T
    gradient = jacobian.T @ error
    hessian[EXP, EXP] += np.diag(energy.prior)
    gradient[EXP] += energy.prior * state[EXP]
    if previous is not None:
        hessian[POSE, POSE] += energy.weights.motion * np.eye(6)
        gradient[POSE] += energy.weights.motion * (state[POSE] - previous)
    return hessian, gradient, jacobian, by_head


def _solve(hessian: Vector, gradient: Vector, damping: float) -> Vector:
    damped = hessian + np.diag(damping * np.diag(hessian) + 1e-12)
    _, step, failed = lapack.dposv(damped, gradient)
    return np.asarray(step if failed == 0 else np.linalg.lstsq(damped, gradient, rcond=None)[0])


def _follow(energy: LandmarkEnergy, state: Vector, person: tuple[Vector, Vector], target: Vector) -> Vector:
    """A later frame's start: depth by the ratio of spreads, half of the mean shift. Source: FaceVerse v3."""
    observed = np.isfinite(target[:, 0])
    before, now = energy.project(state, person)[observed], target[observed]
    spread = np.linalg.norm(before - before.mean(0)) / max(float(np.linalg.norm(now - now.mean(0))), 1e-6)
    state = state.copy()
    state[5] = (state[5] + DISTANCE) * spread - DISTANCE
    shift = now.mean(0) - before.mean(0)
    state[3:5] += 0.5 * shift * (state[5] + DISTANCE) / (energy.side * 1315 / 512)
    return state


def _joint_value(energy: LandmarkEnergy, states: list[Vector], shape: Vector, targets: list[Vector]) -> float:
    person = energy.identity(shape)
    extra = (len(states) - 1) * energy.weights.identity * float(shape @ shape)  # the identity counts once
    return sum(energy.value(s, shape, person, t, None) for s, t in zip(states, targets, strict=True)) - extra


def _joint_step(
    energy: LandmarkEnergy, states: list[Vector], shape: Vector, targets: list[Vector], damping: float
) -> tuple[list[Vector], Vector]:
    """One damped step of all frames and the shape, the frames eliminated."""
    person = energy.identity(shape)
    outer = energy.weights.identity * np.eye(SHAPE)
    right = energy.weights.identity * shape
    reduced, reduced_right, blocks = np.zeros((SHAPE, SHAPE)), np.zeros(SHAPE), []
    for state, target in zip(states, targets, strict=True):
        hessian, gradient, jacobian, by_head = _normal_equations(energy, state, person, target, None)
        error, _, _ = energy.residuals(state, person, target)
        by_shape = (by_head @ energy.rows.shape_basis).reshape(-1, SHAPE)
        cross = jacobian.T @ by_shape  # (181, 150)
        outer = outer + by_shape.T @ by_shape
        right = right + by_shape.T @ error
        damped = hessian + np.diag(damping * np.diag(hessian) + 1e-12)
        solved = np.linalg.solve(damped, np.c_[cross, gradient])
        reduced += cross.T @ solved[:, :-1]
        reduced_right += cross.T @ solved[:, -1]
        blocks.append((solved[:, :-1], solved[:, -1]))
    system = outer + np.diag(damping * np.diag(outer)) - reduced
    step = np.linalg.solve(system, right - reduced_right)
    moved = [state - (first - cross @ step) for state, (cross, first) in zip(states, blocks, strict=True)]
    return moved, shape - step
