"""A trainable method in one file: the mean picture of a person in an emotion, whose mouth opens with the loudness.

It needs nothing but numpy and shows all that gmbench asks of a method; see docs/methods.md, "Adding a method".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench.datasets.manifest import TRAIN, ClipRow
from gmbench.errors import InputError, WeightsError
from gmbench.job_cache import Job, JobResult, load
from gmbench.media import SAMPLES_PER_FRAME, Video
from gmbench.methods.card import ExpectedOrdering, Interpolation, MethodCard
from gmbench.methods.interface import (
    EmotionSpec,
    FitReport,
    GenRequest,
    GenResult,
    MissingInput,
    PreparedDataset,
    TrainedPart,
    TrainingContext,
    check_request,
)
from gmbench.names import closest
from gmbench.store import digest, file_digest

VERSION = 1
"""In the keys of what is learnt; raise it when the code below changes what comes out."""
FILE = "pictures.npz"
MOUTH_LINE, MOUTH_SIDES, LOUD = 0.68, (0.36, 0.64), 0.1
"""Where the mouth is, as shares of the picture's height and width; loudness, of full scale, that opens it widely."""

CARD = MethodCard(
    name="toy-method", title="Toy method", kind="trainable",
    emotion_sources=("label",), default_source="label",
    pose="none", eye="none", emotion="generate", diversity=False,
    identity_mode="person_specific",  # so that a request must name the speaker
    stages=("pictures",),
    ablations={"still": {"opening": 0.0}},
    # What `gmbench ablate` measures and compares: lips that move should be nearer to the real ones.
    metrics={"": ("psnr", "m_lmd")},
    expected_orderings=(ExpectedOrdering("m_lmd", ("", "still"), "docs/methods.md"),),
    # Optional: ways between two emotions, which `interpolate` below knows, and between which emotions.
    interpolations=(Interpolation("blend"),), emotion_pairs=(("happy", "sad"),),
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """Of ``systems: {toy-method: {...}}`` in params.yaml; a pydantic model or a dict would do as well."""

    every: int = 10
    """Frames of a clip between those that are averaged."""
    opening: float = 0.06
    """How far the loudest sound opens the mouth, as a share of the picture's height."""


class ToyMethod:
    """What the entry point names: a class, or any function that returns such an object."""

    card = CARD

    def settings(self, given: Mapping[str, Any], ablations: Sequence[str] = ()) -> Settings:
        """The configuration's values, then what the ablations change."""
        known = [field.name for field in fields(Settings)]
        if unknown := sorted(set(given) - set(known)):
            raise InputError(f"toy-method: unknown setting {unknown[0]!r}; {closest(unknown[0], known)}")
        changes = {name: value for ablation in ablations for name, value in CARD.ablations[ablation].items()}
        return Settings(**{**given, **changes})

    def fit(
        self, dataset: PreparedDataset, pretraining: PreparedDataset, out_dir: Path, settings: Settings, seed: int,
        context: TrainingContext,
    ) -> FitReport:  # fmt: skip
        """One job per person: run side by side, kept in the store, so that a stopped training goes on."""
        rows = dataset.split(TRAIN)
        jobs = []
        for speaker in sorted({row.speaker for row in rows}):
            own = tuple(row for row in rows if row.speaker == speaker)
            contents = [(row.clip_id, row.emotion, file_digest(dataset.crops / row.video_path)) for row in own]
            key = digest("toy-method", VERSION, settings.every, contents)  # all that the pictures depend on
            jobs.append(Job(speaker, key, (dataset.crops, own, settings.every)))
        if failures := context.run_jobs(mean_pictures, jobs):
            raise InputError(f"training of {next(iter(failures.items()))} failed")
        features = {job.name: load(context.store, job) for job in jobs}
        pictures: dict[str, Any] = {
            f"{who}/{name}": array for who, f in features.items() for name, array in f.arrays.items()
        }
        out_dir.mkdir(parents=True, exist_ok=True)
        np.savez(out_dir / FILE, opening=np.float32(settings.opening), **pictures)
        parts = [
            TrainedPart(who, f.meta["frames"], 0.0, sum(a.size for a in f.arrays.values()))
            for who, f in features.items()
        ]
        return FitReport(tuple(parts), checkpoints=(Path(FILE),))  # videos are made anew when this file changes

    def load(self, checkpoint_dir: Path) -> None:
        """Read the pictures (S, S, 3) by speaker and emotion."""
        path = checkpoint_dir / FILE
        if not path.exists():
            raise WeightsError(f"{path}: not trained yet; run 'gmbench train --method toy-method'")
        with np.load(path) as file:
            self.opening = float(file["opening"])
            self.pictures = {name: file[name] for name in file.files if "/" in name}
        self.speakers = sorted({name.partition("/")[0] for name in self.pictures})
        self.emotions = sorted({name.partition("/")[2] for name in self.pictures})

    def generate(self, request: GenRequest) -> GenResult:
        """One picture per 640 samples; frames are made as they are asked for."""
        check_request(CARD, request)
        first = self._picture(request, request.emotion)
        last = first if request.emotion_end is None else self._picture(request, request.emotion_end)
        return GenResult(self._frames(request, first, last))

    def interpolate(
        self, request: GenRequest, emotion_a: EmotionSpec, emotion_b: EmotionSpec, steps: int, way: str
    ) -> list[GenResult]:
        """Optional (:class:`gmbench.methods.interface.Interpolates`): a blend of two pictures with a closed mouth."""
        a, b = (self._picture(request, emotion) for emotion in (emotion_a, emotion_b))
        shares = np.linspace(0, 1, steps)
        return [GenResult(iter([_to_bytes((1 - s) * a + s * b)]), meta={"alpha": float(s)}) for s in shares]

    def _frames(
        self, request: GenRequest, first: NDArray[np.float64], last: NDArray[np.float64]
    ) -> Iterator[NDArray[np.uint8]]:
        sound = request.audio[: request.frames * SAMPLES_PER_FRAME].reshape(request.frames, SAMPLES_PER_FRAME)
        loudness = np.sqrt((sound.astype(np.float64) ** 2).mean(axis=1)) / 32768
        shares = np.linspace(0, 1, request.frames)
        for share, level in zip(shares, np.clip(loudness / LOUD, 0, 1), strict=True):
            yield open_mouth(_to_bytes((1 - share) * first + share * last), self.opening * float(level))

    def _picture(self, request: GenRequest, emotion: EmotionSpec) -> NDArray[np.float64]:
        """The mean of the person's pictures, weighted as the emotion; never another person or emotion instead."""
        if request.speaker not in self.speakers:
            raise MissingInput(f"unknown speaker {request.speaker!r}; {closest(request.speaker, self.speakers)}")
        weights = np.ones(1) if self.emotions == [""] else emotion.vector(self.emotions)
        if not weights.any():
            raise MissingInput(f"{request.clip_id}: the toy method needs an emotion, of {', '.join(self.emotions)}")
        names = [f"{request.speaker}/{name}" for name, weight in zip(self.emotions, weights, strict=True) if weight]
        if missing := [name for name in names if name not in self.pictures]:
            raise MissingInput(f"{request.clip_id}: no training clip showed {missing[0]}")
        return np.asarray(sum(w * self.pictures[n] for w, n in zip(weights[weights > 0], names, strict=True)))


def mean_pictures(argument: tuple[Path, tuple[ClipRow, ...], int]) -> JobResult:
    """Mean picture (S, S, 3) of every emotion of one person; a function of the module, so that workers find it."""
    crops, rows, every = argument
    frames: dict[str, list[NDArray[np.uint8]]] = {}
    for row in rows:
        frames.setdefault(row.emotion, []).extend(list(Video(crops / row.video_path))[::every])
    means = {emotion: np.mean(pictures, axis=0).astype(np.float32) for emotion, pictures in frames.items()}
    return means, {"frames": sum(map(len, frames.values()))}


def open_mouth(picture: NDArray[np.uint8], opening: float) -> NDArray[np.uint8]:
    """The picture (S, S, 3) with what is below the mouth's line moved down by a share of its height."""
    side = len(picture)
    line, down = round(MOUTH_LINE * side), round(opening * side)
    columns = slice(round(MOUTH_SIDES[0] * side), round(MOUTH_SIDES[1] * side))
    result = picture.copy()
    result[line + down :, columns] = picture[line : side - down, columns]
    result[line : line + down, columns] = (60, 20, 20)
    return result


def _to_bytes(picture: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.rint(picture).clip(0, 255).astype(np.uint8)
