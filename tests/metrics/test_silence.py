import numpy as np
import pytest

from gmbench.metrics import silence

OPENING = np.array([0.02, 0.02, 0.03, 0.10])


def test_golden():
    assert silence.median_deviation(OPENING) == pytest.approx(0.005)
    assert silence.median_deviation_from_mean(OPENING) == pytest.approx(0.0225)
    assert silence.opening_range(OPENING) == pytest.approx(0.0695)
    assert silence.open_share(np.array([0.1, 0.3, 0.26, 0.2])) == 0.5


def lips(height, width=20.0, turn=0.0, size=1.0):
    """(1, 68, 2) with an inner mouth of a height and width, eyes 50 apart."""
    points = np.zeros((68, 2))
    points[42:48, 0] = 50
    points[60], points[64] = (0, 40), (width, 40)
    for upper, lower in ((61, 67), (62, 66), (63, 65)):
        points[upper], points[lower] = (5, 40), (5, 40 + height)
    a = np.radians(turn)
    return (size * points @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]))[None]


@pytest.mark.parametrize(("turn", "size"), [(0, 1), (30, 1), (-80, 2.5)])
def test_opening_and_aspect_do_not_depend_on_roll_and_size(turn, size):
    assert silence.mouth_opening(lips(6.0, turn=turn, size=size)) == pytest.approx([6 / 50])
    assert silence.mouth_aspect(lips(6.0, turn=turn, size=size)) == pytest.approx([6 / 20])


def test_silences_last_eight_frames_at_least():
    speech = np.array([0] * 7 + [1] * 3 + [0] * 8 + [1] * 2 + [0] * 20, bool)
    quiet = silence.silent_frames(speech)
    assert np.flatnonzero(quiet).tolist() == [*range(10, 18), *range(20, 40)]
    assert not silence.silent_frames(np.zeros(7, bool)).any()
    assert silence.silent_frames(np.zeros(8, bool)).all()
    assert silence.silent_frames(np.zeros(0, bool)).shape == (0,)


def test_loud_frames_are_within_40_db_of_the_loudest():
    assert silence.loud_frames(np.array([1.0, 0.011, 0.009, 0.0])).tolist() == [True, True, False, False]
    assert not silence.loud_frames(np.zeros(4)).any()


def test_moving_lips_raise_all_but_a_held_open_mouth_only_the_share():
    still, flapping = np.full(40, 0.02), np.where(np.arange(40) % 4 < 2, 0.02, 0.12)
    for measure in (silence.median_deviation, silence.opening_range, silence.median_deviation_from_mean):
        assert measure(still) == pytest.approx(0.0, abs=1e-12)
        assert measure(flapping) > 0.04
    assert silence.median_deviation(np.full(40, 0.3)) == pytest.approx(0.0, abs=1e-12)
    assert silence.open_share(np.full(40, 0.3)) == 1.0


def test_nothing_is_undefined():
    for measure in (
        silence.median_deviation,
        silence.median_deviation_from_mean,
        silence.opening_range,
        silence.open_share,
    ):
        assert np.isnan(measure(np.empty(0)))
