import numpy as np
import pytest

from gmbench.metrics import image_quality


def face():
    """(68, 2) with the eye centres 50 apart and a mouth of 40 x 20."""
    points = np.full((68, 2), 60.0)
    points[36:42], points[42:48] = (40, 40), (90, 40)
    points[48], points[54], points[51], points[57] = (45, 90), (85, 90), (65, 80), (65, 100)
    points[49:51], points[52:54], points[55:57], points[58:68] = (65, 90), (65, 90), (65, 90), (65, 90)
    return points


def test_the_mouth_with_a_margin_that_grows_with_the_face():
    assert image_quality.mouth_box(face(), 200, 200) == (slice(75, 106), slice(40, 91))
    assert image_quality.mouth_box(2 * face(), 400, 400) == (slice(150, 211), slice(80, 181))


def test_the_mouth_is_cut_at_the_frame_and_may_lie_outside():
    rows, columns = image_quality.mouth_box(face() - [60, 0], 90, 200)
    assert (rows, columns) == (slice(75, 90), slice(0, 31))
    outside = np.zeros((50, 50))[image_quality.mouth_box(face() + 300, 50, 50)]
    assert outside.size == 0


def test_frames_without_a_face_count_as_nothing_in_the_face_and_not_in_the_mouth():
    assert image_quality.face_quality(np.array([0.4, 0.6, np.nan])) == pytest.approx(1 / 3)
    assert np.isnan(image_quality.face_quality(np.empty(0)))
