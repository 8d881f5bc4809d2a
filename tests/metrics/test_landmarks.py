import numpy as np
import pytest

from gmbench.metrics import landmarks


@pytest.fixture
def face(rng):
    return rng.uniform(0, 128, (4, 68, 2))


def test_shift_is_removed_by_centring_only(face):
    moved = face + [3.0, 4.0]
    assert landmarks.landmark_distance(face, moved) == pytest.approx(0.0, abs=1e-12)
    assert landmarks.landmark_distance(face, moved, centred=False) == pytest.approx(5.0)


def test_one_mouth_point_golden(face):
    moved = face.copy()
    moved[:, 50, 0] += 20.0
    mouth, whole = landmarks.MOUTH, landmarks.FACE
    assert landmarks.landmark_distance(moved, face, mouth) == pytest.approx(1.9)
    assert landmarks.landmark_distance(moved, face, whole) == pytest.approx(0.5795848)
    assert landmarks.landmark_distance(moved, face, mouth, centred=False) == pytest.approx(1.0)
    assert landmarks.landmark_distance(moved, face, whole, centred=False) == pytest.approx(0.2941176)


def test_a_frame_without_a_face_has_no_value(face):
    lost = face.copy()
    lost[1] = np.nan
    distance = landmarks.landmark_distance(lost, face)
    assert np.isnan(distance).tolist() == [False, True, False, False]


def test_normalised_distance_does_not_depend_on_scale(face):
    other = face + np.random.default_rng(1).normal(0, 1, face.shape)
    small = landmarks.normalised_landmark_distance(other, face)
    assert landmarks.normalised_landmark_distance(3 * other, 3 * face) == pytest.approx(small)
    assert small == pytest.approx(100 * landmarks.landmark_distance(other, face) / landmarks.interocular(face))


def test_trace_golden():
    still = np.zeros((68, 2))
    still[36:42], still[42:48] = [0.0, 0.0], [50.0, 0.0]
    clip = np.stack([still + [2.0 * (t % 2), 0.0] for t in range(10)])
    assert landmarks.trace_rms(clip) == pytest.approx(2.0)
    assert landmarks.trace_rms(np.stack([still] * 3)) == 0.0
    assert np.isnan(landmarks.trace_rms(np.full((3, 68, 2), np.nan)))


def test_shapes_are_checked(face):
    with pytest.raises(ValueError, match="one shape"):
        landmarks.landmark_distance(face, face[:3])


def test_the_eyes_are_the_means_of_six_points_each():
    """Points that differ by eye: 36 to 41 have the mean x 2.5 of 0 to 5, 42 to 47 the mean 25 of 0, 10, ..., 50."""
    points = np.full((68, 2), 7.0)
    points[36:42, 0], points[42:48, 0] = np.arange(6), 10 * np.arange(6)
    points[42:48, 1] = 37.0
    assert landmarks.interocular(points) == pytest.approx(np.hypot(22.5, 30.0))
