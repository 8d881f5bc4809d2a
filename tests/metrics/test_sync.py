import numpy as np
import pytest

from gmbench import media
from gmbench.metrics import beats, sync


def shifted(values, by):
    """Rows moved down by ``by``; zeros where there is none."""
    result = np.zeros_like(values)
    if by >= 0:
        result[by:] = values[: len(values) - by]
    else:
        result[:by] = values[-by:]
    return result


@pytest.mark.parametrize(
    ("by", "offset", "confidence", "distance"),
    [(0, 0, 1.347932, 7.07e-6), (3, -3, 1.271364, 0.060007), (-2, 2, 1.299648, 0.040007)],
)
def test_offset_confidence_and_distance(by, offset, confidence, distance):
    video = np.eye(50)
    found = sync.synchronise(sync.shift_distances(video, shifted(video, by)))
    assert found.offset == offset
    assert found.confidence == pytest.approx(confidence, abs=1e-5)
    assert found.distance == pytest.approx(distance, abs=1e-5)


def test_mean_distances_have_their_closed_form():
    mean = sync.shift_distances(np.eye(50), np.eye(50)).mean(axis=0)
    for s, value in enumerate(mean):
        lag = abs(s - 15)
        expected = 0 if lag == 0 else ((50 - lag) * np.sqrt(2) + lag) / 50
        assert value == pytest.approx(expected, abs=1e-5)


def test_window_counts():
    assert sync.windows(50, 32000) == 45
    assert sync.windows(50, 20 * 640) == 15
    assert sync.windows(3, 32000) == 0


def test_unequal_embeddings_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        sync.shift_distances(np.zeros((4, 3)), np.zeros((5, 3)))


def test_opening_correlation_finds_the_lag():
    opening = np.random.default_rng(0).normal(size=80)
    late = np.concatenate([np.random.default_rng(1).normal(size=2), opening[:-2]])
    r, lag = sync.opening_correlation(opening, late)
    assert (r, lag) == (pytest.approx(1.0), 2)
    assert np.isnan(sync.opening_correlation(np.ones(50), opening)[0])


def test_frame_rate_and_samples_are_those_of_the_decoder():
    """The metrics import nobody, so their constants stand twice."""
    assert sync.SAMPLES_PER_FRAME == media.SAMPLES_PER_FRAME
    assert beats.FPS == media.FPS
    assert sync.windows(10, 8 * media.SAMPLES_PER_FRAME) == 8 - sync.WINDOW
