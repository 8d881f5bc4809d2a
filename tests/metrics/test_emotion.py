import numpy as np
import pytest

from gmbench.metrics import emotion


def test_confusion_scores():
    table = np.array([[90, 10], [5, 5]])
    assert emotion.accuracy(table) == pytest.approx(86.3636, abs=1e-4)
    assert emotion.macro_recall(table) == pytest.approx(70.0)


def test_confusion_counts_a_missing_face_as_wrong():
    table = emotion.confusion(["a", "a", "b"], ["a", "", "b"], ["a", "b"])
    np.testing.assert_array_equal(table, [[1, 0], [0, 1]])


def test_attention_formula_and_released_form():
    f, alpha, beta = np.array([[1.0], [3.0]]), np.array([0.25, 0.75]), np.array([0.5, 1.0])
    assert emotion.first_attention(f, alpha) == pytest.approx([2.5])
    assert emotion.attended(f, alpha, beta, released=False) == pytest.approx([2.714286, 2.5], abs=1e-6)
    assert emotion.attended(f, alpha, beta, released=True) == pytest.approx([2.857143, 2.857143], abs=1e-6)


@pytest.mark.parametrize(("n", "nn", "score"), [(0.4659, 0.4601, 0.46155), (0.7447, 0.0448, 0.219775)])
def test_emo_score_identity(n, nn, score):
    means = {"neutral": n, "happy": nn, "surprised": nn, "angry": nn}
    assert emotion.emo_score(means) == pytest.approx((score, n, nn))


def test_class_mean_does_not_see_clip_counts():
    values = [0.1, 0.2, 0.3] + [0.4] * 97
    classes = ["neutral", "happy", "surprised"] + ["angry"] * 97
    assert emotion.class_mean(values, classes, emotion.EMO_SCORE_CLASSES) == pytest.approx(0.25)
    assert np.isnan(emotion.class_mean([0.1], ["neutral"], emotion.EMO_SCORE_CLASSES))
