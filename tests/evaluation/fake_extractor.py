"""Feature extractors that give chosen answers, and small clips whose pixels say which answer is theirs.

What a metric makes of a network's output can then be checked against a number worked out by hand, through the real
engine: plan, extraction, store, scoring and rows.
"""

import functools

import cv2
import numpy as np

from gmbench.errors import MediaError
from gmbench.evaluation.extraction import extractors
from gmbench.evaluation.extraction.features import ClipFeature, PairFeature
from gmbench.evaluation.planning import inputs, plan
from gmbench.evaluation.results import aggregate
from gmbench.evaluation.run import evaluate
from gmbench.evaluation.scoring import registry
from gmbench.media import write_audio
from gmbench.metrics.emotion import SUITE_ORDER
from gmbench.metrics.time_warping import BAND
from tests.evaluation.helpers import protocol

PAIRS = ("lpips_alex", "lpips_vgg", "lpips_band")
SIDE = 16
SIDE_WITH_POINTS = 200
"""Wide enough for the landmarks that tests choose."""


class Answered:
    """Reads the number of the clip from its first frame and gives that clip's answer."""

    def __init__(self, context, answers):
        self._answers, self._number = answers, None

    def add(self, index, frame):
        if self._number is None:
            self._number = int(frame[0, 0, 0])

    def finish(self):
        answer = self._answers.get(self._number)
        if answer is None:
            raise MediaError("no answer was chosen for this clip")
        return {name: np.asarray(value) for name, value in answer.items()}


class World:
    """A folder of clips of one method, ``ours``, and of a reference, with chosen answers for every extractor."""

    def __init__(self, folder, monkeypatch, fallback=""):
        self.folder, self.answers, self._fallback = folder, {}, fallback
        self._count = 0
        monkeypatch.setattr(extractors, "extractor", self.extractor)
        registry.METRICS.forget()  # metrics are built anew: mutmut changes the functions that build them

    def extractor(self, name, protocol):
        answers = self.answers.setdefault(name, {})
        if name in PAIRS:
            function = functools.partial(self._of_pair, answers)
            band = {"band": BAND, "selves": protocol.dtw_gamma > 0} if name == "lpips_band" else {}
            options = str(protocol.dtw_gamma)
            return PairFeature(name, 1, function, fallback=self._fallback, options=options, **band)
        begin = functools.partial(Answered, answers=answers)
        return ClipFeature(name, 1, begin, audio=name == "sync", fallback=self._fallback)

    @staticmethod
    def _of_pair(answers, generated, reference):
        """The chosen value of a pair of frames; the second colour of a frame is its number."""
        values = answers[int(generated[0, 0, 0])]
        return float(values[int(generated[0, 0, 1])][int(reference[0, 0, 1])])

    def add(self, side, clip, frames=6, sound=None, points=None, picture=True, **answers):
        """A clip of ``side`` (``ours`` or ``reference``), and what the extractors answer to it, by their names."""
        path = self.folder / side / clip
        path.parent.mkdir(parents=True, exist_ok=True)
        self._count += 1
        side_length = SIDE if points is None else SIDE_WITH_POINTS
        if picture:
            path.mkdir()
            for index in range(frames):
                frame = np.zeros((side_length, side_length, 3), np.uint8)
                frame[..., 2], frame[..., 1] = self._count, index % 256  # OpenCV writes blue first
                cv2.imwrite(str(path / f"{index:04d}.png"), frame)
        if sound is not None:
            write_audio(path.with_name(f"{path.name}.wav"), sound)
        if points is not None:
            np.savez(path.with_name(f"{path.name}.landmarks.npz"), points=points, detector="dlib")
        for name, answer in answers.items():
            self.answers.setdefault(name, {})[self._count] = answer

    def pair(self, clip, frames=6, **answers):
        """A clip of ours with its answers, and a reference of the same name without any."""
        self.add("ours", clip, frames, **answers)
        self.add("reference", clip, frames)

    def plan(self, metrics, controls=(), reference=True, labels=None, **changes):
        real = self.folder / "reference" if reference else None
        given = inputs.gather([str(self.folder / "ours")], reference=real, labels=labels)
        chosen = registry.select(list(metrics), has_reference=reference)
        changes = {"pose": "tokenhpe"} | changes
        return plan.make_plan(given.methods, "d", protocol(**changes), chosen, controls, given.references)

    def run(self, *metrics, **options):
        """Records of the metrics."""
        return evaluate(self.plan(metrics, **options), self.folder / "store")

    def clips(self, metric, method="ours", **options):
        """Records of one metric and method by clip."""
        table = self.run(metric, **options)
        return table[table["method"] == method].set_index("clip")

    def rows(self, *metrics, **options):
        """What the tables print, by metric."""
        return {row.metric: row for row in aggregate.rows(self.run(*metrics, **options)) if row.method == "ours"}


def probabilities(faces=6, **shares):
    """An answer of the emotion network: probabilities of some emotions, 0 for the others."""
    return {"probabilities": [float(shares.get(name, 0.0)) for name in SUITE_ORDER], "faces": [faces]}


NO_FACE = {"probabilities": [float("nan")] * len(SUITE_ORDER), "faces": [0]}


def windows(*shares):
    """An answer of the affect network: one row of probabilities per window."""
    rows = [[float(window.get(name, 0.0)) for name in SUITE_ORDER] for window in shares]
    return {"windows": np.array(rows).reshape(len(rows), len(SUITE_ORDER))}


def features(*values):
    """An answer of a network of a set-level metric: features of one dimension."""
    return {"features": np.array(values, np.float32)[:, None]}


def in_step(count=40, lead=0, scale=1.0):
    """Sync embeddings of ``count`` windows whose sound is ``lead`` frames ahead of the picture."""
    rows = np.eye(count + 40, dtype=np.float32) * scale
    start = 20
    return {"video": rows[start : start + count], "audio": rows[start + lead : start + lead + count]}
