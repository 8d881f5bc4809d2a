"""The corpus of today's settings is the corpus of yesterday's: values that were drawn once, pinned.

Raise ``CORPUS_VERSION`` or ``PEOPLE_VERSION`` with these values, never without. The files' bytes depend on the
machine's libraries; what they are made from does not.
"""

import numpy as np
import pytest

from gmbench.corpus.people import draw_people
from gmbench.corpus.takes import draw_content, takes
from gmbench.morphable.synthetic.model import synthetic_model
from tests.corpus.test_corpus import SETTINGS

TAKES = {
    "synth/M001/angry/1/001": (
        "she supper she see", [14, 31], (0.015526, 0.040455, 5.257096, 2242.563828, 3.05968, -1.138467, 155.64004),
    ),
    "pretraining/id00001/take0000000/00000": (
        "a smug a show no", [13], (0.011704, 0.04102, 3.563826, 1972.176086, 1.914131, 41.259106, 141.207442),
    ),
}  # fmt: skip
"""Words, frames of head beats, and (:func:`summary`)."""


def summary(content):
    """Mean expression, spread of the pitch, person, loudness, skin signs, light, background."""
    return (
        content.performance.full.mean(), content.performance.rho[:, 0].std(), content.performer.shape.sum(),
        np.sqrt((content.sound.astype(float) ** 2).mean()), content.look.signs.sum(), content.look.light.sum(),
        content.look.background.mean(),
    )  # fmt: skip


@pytest.mark.parametrize("clip_id", TAKES)
def test_a_take_is_drawn_as_ever(clip_id):
    take = next(take for take in takes(SETTINGS) if take.clip_id == clip_id)
    content = draw_content(synthetic_model(), SETTINGS, take)
    words, beats, values = TAKES[clip_id]
    assert content.utterance.transcript == words
    assert content.performance.beats.tolist() == beats
    assert summary(content) == pytest.approx(values, rel=1e-4, abs=1e-5)


def test_the_extractors_people_are_drawn_as_ever():
    people = draw_people(3, 1, 2, 64, 0)
    assert people.emotion.tolist() == ["fear", "happy"]
    means = people.frames.mean(), people.landmarks.mean()
    spreads = people.expression.std(), people.motion.std()
    assert (*means, *spreads, people.signs.sum(), people.shape.sum()) == pytest.approx(
        (115.97725, 30.97675, 0.12054, 0.48812, 5.46429, 2.22104), rel=1e-3
    )
