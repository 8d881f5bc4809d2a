"""What a talking-head method is to the benchmark: its card, what it is asked for, what it gives, and its errors.

Third parties register a factory ``() -> TalkingHeadMethod`` under the entry point group ``gmbench.methods``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gmbench.datasets.manifest import ClipRow
from gmbench.emotions import canonical
from gmbench.errors import InputError
from gmbench.job_cache import Job, JobResult
from gmbench.media import Audio
from gmbench.methods.card import MethodCard, Source
from gmbench.store import Store


class MissingInput(InputError):
    """A request lacks what the method needs."""


class UnsupportedEmotion(InputError):
    """The method cannot take its emotion from this."""


class NotSupported(InputError):
    """The method cannot do this at all."""


@dataclass(frozen=True)
class EmotionSpec:
    """Weights over emotions, of a label, or a clip that shows the emotion."""

    weights: Mapping[str, float] = field(default_factory=dict)
    clip: Path | None = None

    @property
    def kind(self) -> Source:
        """Which source this is."""
        return "video" if self.clip else "label" if self.weights else "none"

    @classmethod
    def parse(cls, text: str) -> "EmotionSpec":
        """``happy``, ``happy:0.7`` (intensity, the rest neutral), or ``happy=0.5,angry=0.5``.

        Raises:
            InputError: unknown emotion, or weights that are negative or do not sum to 1.
        """
        if "=" in text:
            pairs = [part.partition("=")[::2] for part in text.split(",")]
        else:
            name, _, intensity = text.partition(":")
            share = _number(intensity, text) if intensity else 1.0
            pairs = [(name, str(share))] + ([("neutral", str(1 - share))] if share < 1 else [])
        weights: dict[str, float] = {}
        for name, value in pairs:
            known = canonical(name)
            if not known:
                raise InputError(
                    f"emotion {name.strip()!r} is unknown; expected for example happy or angry=0.5,sad=0.5"
                )
            weights[known] = weights.get(known, 0.0) + _number(value, text)
        if min(weights.values()) < 0 or abs(sum(weights.values()) - 1) > 1e-6:
            raise InputError(f"emotion {text!r}: weights must not be negative and must sum to 1")
        return cls(weights)

    def vector(self, emotions: Sequence[str]) -> NDArray[np.float32]:
        """Weights (K,) in an order; raises UnsupportedEmotion for an emotion that the method has not learnt."""
        if unknown := [name for name in self.weights if name not in emotions]:
            raise UnsupportedEmotion(f"emotion {unknown[0]} was not learnt; the method knows {', '.join(emotions)}")
        return np.array([self.weights.get(name, 0.0) for name in emotions], np.float32)


@dataclass(frozen=True)
class GenRequest:
    """What is to be generated.

    Attributes:
        clip_id: name in messages.
        audio: int16 samples at 16 kHz, 640 a frame.
        emotion: what to express.
        speaker: person of a person-specific method.
        seed: of everything random.
        source_image: of a one-shot method, (S, S, 3) uint8.
        motion: (T, 12) head pose, gaze and blinks to be transferred; None to generate them.
        expression: (T, 169) coefficients to be drawn as they are; None to generate them.
        transcript: words, where a method reads them.
        emotion_end: emotion of the last frame; the video moves there from ``emotion`` in equal steps.
        temperature: spread of what is sampled; 0 gives the most likely.
    """

    clip_id: str
    audio: Audio
    emotion: EmotionSpec
    speaker: str = ""
    seed: int = 0
    source_image: NDArray[np.uint8] | None = None
    motion: NDArray[np.float32] | None = None
    expression: NDArray[np.float32] | None = None
    transcript: str = ""
    emotion_end: EmotionSpec | None = None
    temperature: float | None = None

    @property
    def frames(self) -> int:
        """T, frames of the video."""
        return len(self.audio) // 640


@dataclass
class GenResult:
    """What was generated.

    Attributes:
        frames: (S, S, 3) uint8 RGB, one after another, so that a long clip needs little memory.
        expression, motion: (T, 169) and (T, 12) coefficients, where the method has them.
        meta: seed, inputs used, and what was cut.
    """

    frames: Iterator[NDArray[np.uint8]]
    expression: NDArray[np.float32] | None = None
    motion: NDArray[np.float32] | None = None
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PreparedDataset:
    """Prepared data a method learns from: the folders that the pipeline's stages wrote.

    Attributes:
        dataset: name.
        rows: clips with splits.
        crops, landmarks, coefficients, audio, renders: folders; videos, FaceMesh points, tracks, 50-Hz features,
            renderings.
        audio_facts: description of the features: extractor, pairing, weights, width.
        face_model: file.
        truth: the synthetic corpus' own root, else None.
        size: side of the crops.
    """

    dataset: str
    rows: tuple[ClipRow, ...]
    crops: Path
    landmarks: Path
    coefficients: Path
    audio: Path
    renders: Path
    audio_facts: Mapping[str, Any]
    face_model: Path
    truth: Path | None
    size: int

    def split(self, name: str) -> tuple[ClipRow, ...]:
        """Clips of one split."""
        return tuple(row for row in self.rows if row.split == name)


@dataclass(frozen=True)
class TrainingContext:
    """Where training works: the store of what is done, and ``make_all`` to run jobs there, side by side."""

    store: Store
    run_jobs: "Callable[[Callable[[Any], JobResult], Sequence[Job]], dict[str, str]]"


@dataclass(frozen=True)
class TrainedPart:
    """What the training of one network was, for the run card.

    Attributes:
        name: of the network and of its file without suffix.
        steps: updates that were made.
        seconds: of training, over all attempts where it was resumed.
        parameters: numbers that were trained.
        frozen_parameters: numbers that took part and were not trained.
        peak_memory: bytes that the training process, or its GPU, held at most; None where nobody measured.
        losses: mean losses by name since the row before, one row per logged step, which is ``step``.
        stopped_early: the budget of seconds was spent before the last step.
        sha256: digest of the file.
    """

    name: str
    steps: int
    seconds: float
    parameters: int
    frozen_parameters: int = 0
    peak_memory: int | None = None
    losses: tuple[Mapping[str, float], ...] = ()
    stopped_early: bool = False
    sha256: str = ""

    def as_json(self) -> dict[str, Any]:
        """Facts for the run card: everything but the name, of the losses only the last row."""
        last = self.losses[-1] if self.losses else {}
        facts = {name: value for name, value in vars(self).items() if name not in ("name", "losses")}
        return facts | {"losses": {name: value for name, value in last.items() if name != "step"}}


@dataclass(frozen=True)
class FitReport:
    """What training did: one :class:`TrainedPart` per network, in the order of their training."""

    parts: tuple[TrainedPart, ...] = ()


class TalkingHeadMethod(Protocol):
    """A method; see docs/methods.md for how to add one."""

    card: MethodCard

    def settings(self, given: Mapping[str, Any], ablations: Sequence[str] = ()) -> Any:
        """Typed settings of a configuration with ablations; raises InputError naming an unknown key."""

    def fit(
        self, dataset: PreparedDataset, pretraining: PreparedDataset, out_dir: Path, settings: Any, seed: int,
        context: TrainingContext,
        stages: Sequence[str] | None = None,
    ) -> FitReport:  # fmt: skip
        """Train what the store lacks and write checkpoints below ``out_dir``."""

    def load(self, checkpoint_dir: Path) -> None:
        """Read what training wrote; raises WeightsError with the remedy."""

    def generate(self, request: GenRequest) -> GenResult:
        """Raises MissingInput or UnsupportedEmotion rather than fall back."""

    def interpolate(
        self, request: GenRequest, emotion_a: EmotionSpec, emotion_b: EmotionSpec, steps: int
    ) -> list[GenResult]:
        """One result a step from a to b; raises NotSupported."""

    def embed_emotion(self, request: GenRequest) -> NDArray[np.float32]:
        """Vector of the emotion in the method's own space; raises NotSupported."""


def check_request(card: MethodCard, request: GenRequest) -> None:
    """Raise MissingInput or UnsupportedEmotion for what the card says cannot work."""
    for name in card.needs:
        value = getattr(request, name)
        if value is None or (isinstance(value, str | Sequence) and not len(value)):
            raise MissingInput(f"{request.clip_id}: {card.title} needs {name}")
    kind = request.emotion.kind
    if kind != "none" and kind not in card.emotion_sources:
        expected = ", ".join(card.emotion_sources)
        raise UnsupportedEmotion(f"{request.clip_id}: {card.title} takes its emotion from {expected}, not from {kind}")
    if request.frames < 1:
        raise MissingInput(f"{request.clip_id}: the sound is shorter than one frame (640 samples)")


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"emotion {whole!r}: {text!r} is no number") from None
