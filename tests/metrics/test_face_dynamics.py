import numpy as np
import pytest

from gmbench.metrics import face_dynamics
from tests.reference.agreement import moving_faces


@pytest.fixture
def faces():
    return next(iter(moving_faces(1)))


def upright(shifts):
    """(T, 68, 2): all points in one place but the eye centres, 50 apart, moved in x."""
    points = np.zeros((len(shifts), 68, 2))
    points[:, 42:48, 0] = 50
    points[..., 0] += np.asarray(shifts, float)[:, None]
    return points


def turned(points, degrees=20.0):
    a = np.radians(degrees)
    return points @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])


POSE = np.array([[0, 0, 1], [2, 0, 1], [0, 0, 1], [2, 0, 1]], float)
CENTRES = np.array([[100, 50], [102, 50], [104, 50], [106, 50]], float)


def test_head_golden():
    assert face_dynamics.head_rotation_dynamics(POSE) == pytest.approx(0.628539, abs=1e-6)
    assert face_dynamics.head_position_dynamics(CENTRES, 50.0) == pytest.approx(3.162278, abs=1e-6)
    assert face_dynamics.head_dynamics_in_pixels(POSE, CENTRES) == pytest.approx(1.701488, abs=1e-6)


def test_a_held_head_has_exactly_none():
    held = np.full((60, 3), 0.1)
    assert face_dynamics.head_rotation_dynamics(held) == 0.0
    assert face_dynamics.head_position_dynamics(np.full((60, 2), 0.1), 50.0) == 0.0


def test_half_the_motion_counts_by_its_power_of_three_halves(rng):
    pose = np.cumsum(rng.normal(0, 1, (80, 3)), axis=0)
    whole = face_dynamics.head_rotation_dynamics(pose)
    assert face_dynamics.head_rotation_dynamics(0.5 * pose + 7.0) == pytest.approx(whole * 0.5**1.5)
    shuffled = pose[rng.permutation(len(pose))]
    assert face_dynamics.head_rotation_dynamics(shuffled) > 2 * whole


def test_no_step_is_taken_over_a_lost_face():
    lost = np.array([[0.0, 0, 0], [np.nan] * 3, [50.0, 0, 0]])
    assert np.isnan(face_dynamics.head_rotation_dynamics(lost))
    heights = np.array([[0.4, 0.4], [np.nan, np.nan], [0.9, 0.9], [0.9, 0.8]])
    assert face_dynamics.brow_dynamics(heights) == pytest.approx(0.05)


HEIGHTS = np.array([[0.40, 0.40], [0.40, 0.42], [0.40, 0.40], [0.40, 0.44]])


def test_brow_golden():
    assert face_dynamics.brow_dynamics(HEIGHTS) == pytest.approx(0.0133333, abs=1e-7)
    assert face_dynamics.brow_spread(HEIGHTS) == pytest.approx(0.00957427, abs=1e-8)


def test_lip_golden():
    points = np.array([[(0, 0), (2, 0), (0, h)] for h in (1, 2, 3)], float)
    assert face_dynamics.pair_spread(points, 0) == pytest.approx(0.459093, abs=1e-6)
    assert face_dynamics.pair_spread(points) == pytest.approx(0.562272, abs=1e-6)
    assert 100 * face_dynamics.pair_spread(points / 20) == pytest.approx(2.811360, abs=1e-6)


def test_jitter_golden():
    assert face_dynamics.jitter(upright(np.arange(20) % 2)) == pytest.approx(4.0)
    assert face_dynamics.jitter(upright(0.7 * np.arange(20))) == pytest.approx(0.0, abs=1e-12)
    sine = 2.5 * np.sin(2 * np.pi * np.arange(250) / 25)
    assert face_dynamics.jitter(upright(sine)) == pytest.approx(0.222989, abs=1e-6)


@pytest.mark.parametrize(
    "value",
    [
        lambda f: face_dynamics.brow_dynamics(face_dynamics.brow_heights(f)),
        lambda f: face_dynamics.brow_spread(face_dynamics.brow_heights(f)),
        face_dynamics.lip_dynamics,
        face_dynamics.jitter,
    ],
)
def test_size_place_and_roll_of_the_face_do_not_matter_but_stillness_does(value, faces):
    assert value(turned(3 * faces) + [40.0, -7.0]) == pytest.approx(value(faces))
    assert value(np.repeat(faces[:1], 60, axis=0)) == pytest.approx(0.0, abs=1e-12)
    noisy = faces + np.random.default_rng(5).normal(0, 2, faces.shape)
    assert value(noisy) > value(faces)


def test_order_of_frames_matters_to_steps_not_to_spread(faces):
    order = np.random.default_rng(2).permutation(len(faces))
    assert face_dynamics.lip_dynamics(faces[order]) == pytest.approx(face_dynamics.lip_dynamics(faces))
    assert face_dynamics.jitter(faces[order]) > face_dynamics.jitter(faces)


def test_half_the_lips_motion_is_half_the_dynamics():
    rng = np.random.default_rng(0)
    rest, motion = rng.uniform(0, 50, (68, 2)), np.zeros((60, 68, 2))
    motion[:, 66, 1] = 0.01 * rng.normal(size=60)  # small beside the distances, so that these change linearly
    whole = face_dynamics.lip_dynamics(rest + motion)
    assert face_dynamics.lip_dynamics(rest + motion / 2) == pytest.approx(whole / 2, rel=1e-3)


def test_nothing_to_measure():
    nothing = np.full((5, 68, 2), np.nan)
    assert np.isnan(face_dynamics.head_rotation_dynamics(np.full((5, 3), np.nan)))
    assert np.isnan(face_dynamics.head_position_dynamics(nothing[:, 0], 1.0))
    assert np.isnan(face_dynamics.lip_dynamics(nothing))
    assert np.isnan(face_dynamics.jitter(nothing))
    assert np.isnan(face_dynamics.jitter(np.zeros((2, 68, 2))))
