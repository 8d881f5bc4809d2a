"""DICE-Talk's acceptance tests 11 and 13 to 18: of its videos of held-out clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gmbench.methods.dicetalk.method import DiceTalk
from gmbench.methods.dicetalk.windows import STRIDE
from gmbench.methods.interface import EmotionSpec, GenRequest
from gmbench.metrics.frechet import frechet_distance
from tests.acceptance.dice_clips import DiceClip, drawn_otherwise
from tests.acceptance.judges import Face, Judges
from tests.acceptance.maths import correlation, mean, rank_correlation, ratio, standard_errors_apart
from tests.acceptance.outcome import Outcome, at_least, at_most, positive, reported

SCALES = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
RISING = 6.0
"""Scale up to which more guidance must show more of the emotion."""
STEPS = 17
TABLE_4 = ("neutral", "happy", "surprised", "angry")
NEUTRAL = "neutral"
SEAM_STEP = 4
"""Clips between those whose seams are looked at without moving windows."""
CLAIMS = (
    ("emo_score", "full", "learnable_ca"), ("emo_score", "learnable_ca", "wo_prior"),
    ("emo_score", "wo_prior", "wo_bank"), ("emo_score", "full", "wo_discrimination"), ("f_sim", "full", "wo_prior"),
    ("emo_neutral", "wo_bank", "full"),
)  # fmt: skip
"""Of table 4: a number, and which system has more of it."""


@dataclass(frozen=True)
class Film:
    """A video: its face, and the mean change (n,) between neighbours at 12.5 frames per second."""

    face: Face
    changes: np.ndarray


@dataclass(frozen=True)
class Scaled:
    """Videos at one scale of guidance: the label's probabilities, likenesses to the source, and FID to real clips."""

    probabilities: Sequence[float]
    likenesses: Sequence[float]
    fid: float


class VideoMeasures:
    """Measures of one trained system on clips.

    Args:
        method: loaded.
        clips: held out, of emotions that it has learnt.
        judges: see what is drawn.
    """

    def __init__(self, method: DiceTalk, clips: Sequence[DiceClip], judges: Judges) -> None:
        self.method, self.clips, self.judges = method, clips, judges
        self.emotions = [clip.emotion for clip in clips]
        self.sources = [judges.see([np.asarray(clip.by_label.source_image)]) for clip in clips]
        self._films: dict[str, list[Film | None]] = {}

    def outcomes(self) -> list[Outcome]:
        """Tests 11, 14, 15, 16 and 17; the guidance of test 13 and table 4 stand apart."""
        return [*self.labels(), *self.identity(), *self.lips(), *self.interpolation(), *self.seams()]

    def films(self, kind: str = "label") -> list[Film | None]:
        """Videos of all clips, drawn once; None where there is no request.

        ``label`` and ``reference`` are the paper's P and V, ``null`` has no emotion, ``other`` another label,
        ``silent`` no sound in any pass.
        """
        if kind not in self._films:
            with drawn_otherwise(self.method.generator, sound=kind != "silent"):
                self._films[kind] = [None if r is None else self.film(r) for r in self._requests(kind)]
        return self._films[kind]

    def film(self, request: GenRequest) -> Film:
        """A video that is generated and judged."""
        frames = np.stack(list(self.method.generate(request).frames))
        rows = frames[::STRIDE].astype(np.float32)
        return Film(self.judges.see(frames), np.abs(np.diff(rows, axis=0)).mean(axis=(1, 2, 3)))

    def labels(self) -> list[Outcome]:
        """Test 11: the judge sees the label that was asked for, and not without it."""
        others = [self._other(emotion) for emotion in self.emotions]
        return [
            at_least(11, "judge sees the label that was asked for", self._hits("label", self.emotions), 0.3),
            at_most(11, "judge sees it at an emotion scale of 0", self._hits("null", self.emotions), 0.25),
            at_most(11, "judge sees the clip's own where another was asked for", self._hits("other", self.emotions),
                    0.2),
            reported(11, "judge sees that other one", self._hits("other", others)),
        ]  # fmt: skip

    def guidance(self, scales: Sequence[float] = SCALES) -> dict[float, Scaled]:
        """A clip of each emotion at each scale of sound and emotion together, in three passes."""
        chosen = [self.emotions.index(e) for e in dict.fromkeys(self.emotions)]
        real = np.concatenate([self.judges.features(self.clips[n].film()) for n in chosen])
        found = {}
        for scale in scales:
            requests = [replace(self.clips[n].by_label, options={"guidance": scale}) for n in chosen]
            with drawn_otherwise(self.method.generator, emotion_guidance=None):
                films = [np.stack(list(self.method.generate(request).frames)) for request in requests]
            faces = [self.judges.see(film) for film in films]
            found[scale] = Scaled(
                [face.probability(self.emotions[n]) for n, face in zip(chosen, faces, strict=True)],
                [face.likeness(self.sources[n]) for n, face in zip(chosen, faces, strict=True)],
                frechet_distance(np.concatenate([self.judges.features(film) for film in films]), real),
            )
        return found

    def identity(self) -> list[Outcome]:
        """Test 14: videos are more like their source than people are one another."""
        own = [film.face.likeness(source) for film, source in zip(self.films(), self.sources, strict=True) if film]
        between = []
        for n, clip in enumerate(self.clips):
            others = [k for k, other in enumerate(self.clips) if other.speaker != clip.speaker]
            if others:
                between.append(self.judges.see(clip.film()).likeness(self.sources[others[(7 * n) % len(others)]]))
        return [
            reported(14, "likeness of videos to their source", own),
            reported(14, "likeness of real clips to other people's source", between),
            at_least(14, "the first above the second, standard errors", standard_errors_apart(own, between), 3.0),
        ]

    def lips(self) -> list[Outcome]:
        """Test 15: mouths open as the real ones do, and not without sound."""
        real = [self.judges.see(clip.film()).opening for clip in self.clips]

        def agreement(kind: str) -> list[float]:
            pairs = zip(self.films(kind), real, strict=True)
            return [correlation(film.face.opening, opening) for film, opening in pairs if film]

        return [
            at_least(15, "mouth's correlation with the truth", agreement("label"), 0.25),
            at_most(15, "the same without sound", agreement("silent"), 0.1),
        ]

    def interpolation(self) -> list[Outcome]:
        """Test 16: from one label to another the second one's probability rises, on a path without detours."""
        rises, lengths = [], []
        for clip in {clip.speaker: clip for clip in self.clips}.values():
            for start, end in self._emotion_pairs():
                ends = (EmotionSpec({start: 1.0}), EmotionSpec({end: 1.0}))
                results = self.method.interpolate(clip.by_label, *ends, STEPS)
                pictures = [next(iter(result.frames)) for result in results]
                seen = [self.judges.see([picture]).probability(end) for picture in pictures]
                rises.append(rank_correlation(np.arange(STEPS), np.array(seen)))
                lengths.append(self.judges.path(pictures))
        return [
            at_least(16, "interpolation: rank correlation of the target's probability with the step", rises, 0.9),
            at_most(16, "interpolation: relative path length", lengths, 2.0),
        ]

    def seams(self) -> list[Outcome]:
        """Test 17: changes at the first step's window borders over those within windows."""
        window = self.method.generator.sampler.window
        moved = [seam(film.changes, window) for film in self.films() if film]
        with drawn_otherwise(self.method.generator, shift=0):
            fixed = [seam(self.film(clip.by_label).changes, window) for clip in self.clips[::SEAM_STEP]]
        return [
            at_most(17, "change at window borders over that within", moved, 1.3),
            reported(17, "the same where windows do not move", fixed),
        ]

    def table_4(self, kind: str) -> dict[str, float]:
        """Test 18: Emo-Score with its two parts, and F-SIM, of videos by ``label`` or by ``reference``."""
        films = [(n, film) for n, film in enumerate(self.films(kind)) if film]
        seen = [(self.emotions[n], film.face.probability(self.emotions[n])) for n, film in films]
        return emo_scores(seen) | {"f_sim": mean([film.face.likeness(self.sources[n]) for n, film in films])}

    def _hits(self, kind: str, emotions: Sequence[str]) -> list[float]:
        """Whether each video is called by its emotion; NaN where it shows no face."""
        seen = [film.face.emotion if film else "" for film in self.films(kind)]
        return [float(a == b) if a else float("nan") for a, b in zip(seen, emotions, strict=True)]

    def _requests(self, kind: str) -> list[GenRequest | None]:
        plain = [clip.by_label for clip in self.clips]
        if kind == "reference":
            return [clip.by_reference for clip in self.clips]
        if kind == "null":
            return [replace(request, options={"emotion_guidance": 0.0}) for request in plain]
        if kind == "other":
            others = [EmotionSpec({self._other(emotion): 1.0}) for emotion in self.emotions]
            return [replace(request, emotion=other) for request, other in zip(plain, others, strict=True)]
        return plain

    def _other(self, emotion: str) -> str:
        """Another label, three places on."""
        known = self.method.emotions
        return known[(known.index(emotion) + max(1, 3 % len(known))) % len(known)]

    def _emotion_pairs(self) -> list[tuple[str, str]]:
        """From neutral to the strongest labels that were learnt; else from the first label to the last."""
        known = self.method.emotions
        pairs = [(NEUTRAL, end) for end in ("happy", "angry") if NEUTRAL in known and end in known]
        return pairs or ([(known[0], known[-1])] if len(known) > 1 else [])


def guidance(found: Mapping[float, Scaled]) -> list[Outcome]:
    """Test 13: more guidance shows more of the emotion, at the cost of identity and of likeness to real frames."""
    rows = []
    for scale, at in found.items():
        rows += [
            reported(13, f"guidance {scale:g}: probability of the label", at.probabilities),
            reported(13, f"guidance {scale:g}: likeness to the source", at.likenesses),
            reported(13, f"guidance {scale:g}: FID", at.fid),
        ]
    scales = np.array(list(found))
    seen, like = (np.array([mean(list(getattr(at, name))) for at in found.values()])
                  for name in ("probabilities", "likenesses"))  # fmt: skip
    fid = np.array([at.fid for at in found.values()])
    rise = rank_correlation(scales[scales <= RISING], seen[scales <= RISING])
    return [
        *rows, at_least(13, "probability's rank correlation with guidance up to 6", rise, 0.8),
        positive(13, "rank correlation of FID with guidance", rank_correlation(scales, fid), claim=True),
        positive(13, "rank correlation of 1 - likeness with guidance", rank_correlation(scales, 1 - like), claim=True),
    ]  # fmt: skip


def seam(changes: np.ndarray, window: int) -> float:
    """Mean change (n,) at borders of windows over that within; NaN of one window."""
    borders = np.arange(window - 1, len(changes), window)
    inside = np.setdiff1d(np.arange(len(changes)), borders)
    if not len(borders) or not len(inside):
        return float("nan")
    return ratio(float(changes[borders].mean()), float(changes[inside].mean()))


def emo_scores(seen: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Emo-Score of clips' emotions and their probabilities: mean over four emotions of the emotions' means.

    Missing where one of the four has no clip with a face.
    """
    means = {e: mean([value for emotion, value in seen if emotion == e]) for e in TABLE_4}
    others = [value for e, value in means.items() if e != NEUTRAL]
    return {
        "emo_score": float(np.mean(list(means.values()))), "emo_neutral": means[NEUTRAL],
        "emo_non_neutral": float(np.mean(others)),
    }  # fmt: skip


def table_4(found: Mapping[str, Mapping[str, float]]) -> list[Outcome]:
    """Test 18: numbers by system, and of the orders that the paper claims those that were measured."""
    rows = [reported(18, f"{name}: {number}", value) for name, numbers in found.items()
            for number, value in numbers.items()]  # fmt: skip
    return rows + [
        positive(18, f"{number} of {a} minus that of {b}", found[a][number] - found[b][number], claim=True)
        for number, a, b in CLAIMS if a in found and b in found
    ]  # fmt: skip
