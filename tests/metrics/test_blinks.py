import numpy as np
import pytest

from gmbench.metrics import blinks


def opening(closed, frames=25, level=0.30):
    result = np.full(frames, level)
    result[list(closed)] = level / 3
    return result


def test_golden():
    found = blinks.blinks(opening(range(10, 14)))
    assert (found.rate, found.milliseconds) == (1.0, 160.0)
    assert blinks.blinks(opening([10])).rate == 0.0
    eye = np.array([(0, 0), (1, 1), (3, 1), (4, 0), (3, -1), (1, -1)], float)
    assert blinks.eye_aspect_ratio(eye) == pytest.approx(0.5)


def test_neither_the_eyes_shape_nor_their_size_decides():
    for level in (0.15, 0.30, 0.45):
        assert blinks.blinks(opening(range(3, 6), level=level)).lengths.tolist() == [3]


def test_closed_eyes_are_no_blink_and_a_lost_face_ends_one():
    assert len(blinks.blinks(opening(range(3, 16), frames=60)).lengths) == 0
    assert blinks.blinks(opening(range(3, 15), frames=60)).lengths.tolist() == [12]
    torn = opening(range(4, 9), frames=60)
    torn[6] = np.nan
    found = blinks.blinks(torn)
    assert (found.lengths.tolist(), found.frames) == ([2, 2], 59)


def test_half_the_frame_rate_halves_the_length():
    full = opening(range(20, 28), frames=100)
    assert blinks.blinks(full[::2]).lengths.tolist() == [4]
    assert blinks.blinks(full).lengths.tolist() == [8]


def test_a_held_frame_does_not_blink():
    found = blinks.blinks(np.full(50, 0.3))
    assert found.rate == 0.0
    assert np.isnan(found.milliseconds)
    assert np.isnan(blinks.blinks(np.full(5, np.nan)).rate)


def test_both_eyes_are_read():
    face = np.zeros((1, 68, 2))
    face[0, 36:42] = [(0, 0), (1, 1), (3, 1), (4, 0), (3, -1), (1, -1)]
    face[0, 42:48] = [(0, 0), (1, 2), (3, 2), (4, 0), (3, -2), (1, -2)]
    assert blinks.eye_opening(face) == pytest.approx([(0.5 + 1.0) / 2])
