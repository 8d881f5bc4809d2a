"""Many people, a few frames of each: what the feature extractors of the corpus learn from.

These people are in no corpus of clips (see :mod:`gmbench.corpus.takes`), so that whatever learns from them has met
nobody of a test set.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmbench.corpus.drawing import draw
from gmbench.corpus.takes import FIRST_EXTRACTOR_PERSON, CorpusSettings, Take, draw_content
from gmbench.emotions import SUITE_ORDER
from gmbench.executor import one_thread
from gmbench.morphable.synthetic.model import synthetic_model

PEOPLE_VERSION = 2
TAKES = 2
"""Takes per person, of different emotions."""
_LEVELS = (1, 1, 2, 3)
"""Weak emotions twice: they are the hard ones."""


@dataclass(frozen=True)
class People:
    """Frames of N takes, F per take; takes 2 p and 2 p + 1 show person p.

    Attributes:
        frames: (N, F, S, S, 3) uint8 RGB.
        landmarks: (N, F, 478, 2) pixels.
        expression: (N, F, 171); motion: (N, F, 12); signs: (N, 4); shape: (N, 150).
        emotion: (N,) names.
    """

    frames: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    expression: NDArray[np.float32]
    motion: NDArray[np.float32]
    signs: NDArray[np.float32]
    shape: NDArray[np.float32]
    emotion: NDArray[np.str_]

    @classmethod
    def join(cls, parts: Sequence["People"]) -> "People":
        """All takes of several groups."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))


def draw_people(first: int, count: int, frames: int, size: int, seed: int) -> People:
    """People ``first`` to ``first + count - 1``; the same numbers give the same pictures."""
    model = synthetic_model()
    settings = CorpusSettings(seed=seed, speakers=1, sentences=1, size=size)
    rows: dict[str, list[NDArray[np.generic]]] = {name: [] for name in People.__dataclass_fields__}
    with one_thread():
        for number in range(first * TAKES, (first + count) * TAKES):
            person, turn = divmod(number, TAKES)
            emotion = SUITE_ORDER[(person + turn * (1 + person // len(SUITE_ORDER) % 7)) % len(SUITE_ORDER)]
            level = 1 if emotion == "neutral" else _LEVELS[(person // len(SUITE_ORDER) + turn) % len(_LEVELS)]
            name = f"people/{person:06d}/{turn}"
            take = Take(name, turn == 0, FIRST_EXTRACTOR_PERSON - 1 + person, emotion, level, True, "", "")
            content = draw_content(model, settings, take, silent=True)
            generator, performer = content.generator, content.performer
            chosen = np.sort(generator.choice(len(content.performance.rho), frames, replace=False))
            full, rho = content.performance.full[chosen], content.performance.rho[chosen]
            performance = replace(content.performance, full=full, rho=rho)
            look = replace(content.look, light=content.look.light[chosen])
            drawn = draw(model, performer, performance, look, generator)
            rows["frames"].append(np.stack([frame.image for frame in drawn]))
            rows["landmarks"].append(model.landmark_points(performer.shape, full, rho, size))
            rows["expression"].append(full)
            rows["motion"].append(rho)
            rows["signs"].append(look.signs)
            rows["shape"].append(performer.shape)
            rows["emotion"].append(np.array(emotion))
    arrays = {name: np.stack(values) for name, values in rows.items()}
    kinds = {"frames": np.uint8, "emotion": np.str_}
    return People(**{name: value.astype(kinds.get(name, np.float32)) for name, value in arrays.items()})
