"""What a talking-head method is to the benchmark: its card, what it is asked for, what it gives, and its errors.

Every method has what :class:`TalkingHeadMethod` lists; :class:`Interpolates`, :class:`HasLatents`,
:class:`EmbedsEmotion`, :class:`HasLikelihood`, :class:`ChecksTraining` and :class:`RefusesTrainings` are optional and
asked for with ``isinstance``. Third parties register a factory ``() -> TalkingHeadMethod`` under the entry point group
``gmbench.methods``.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gmbench.datasets.manifest import ClipRow
from gmbench.devices import CPU
from gmbench.devices.choice import FLOAT32
from gmbench.emotions import canonical
from gmbench.errors import InputError
from gmbench.job_cache import Job, JobResult
from gmbench.media import Audio
from gmbench.methods.card import EmotionSource, MethodCard
from gmbench.morphable.model import FaceModel
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
    def kind(self) -> EmotionSource:
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
            emotion = canonical(name)
            if not emotion:
                raise InputError(
                    f"emotion {name.strip()!r} is unknown; expected for example happy or angry=0.5,sad=0.5"
                )
            weights[emotion] = weights.get(emotion, 0.0) + _number(value, text)
        if min(weights.values()) < 0 or abs(sum(weights.values()) - 1) > 1e-6:
            raise InputError(f"emotion {text!r}: weights must not be negative and must sum to 1")
        return cls(weights)

    def vector(self, emotions: Sequence[str]) -> NDArray[np.float32]:
        """Weights (K,) in an order; raises UnsupportedEmotion for an emotion that the method has not learnt."""
        if unknown := [name for name in self.weights if name not in emotions]:
            raise UnsupportedEmotion(f"emotion {unknown[0]} was not learnt; the method knows {', '.join(emotions)}")
        return np.array([self.weights.get(name, 0.0) for name in emotions], np.float32)


@dataclass(frozen=True)
class Drivers:
    """Videos that mouth, pose and expression are transferred from; None where the method makes them itself."""

    mouth: Path | None = None
    pose: Path | None = None
    expression: Path | None = None


@dataclass(frozen=True)
class ReferenceClip:
    """A clip that shows an emotion, with what the pipeline knows of it.

    Attributes:
        clip_id: name in messages.
        video: 25 fps, as large as the crops.
        audio: int16 samples at 16 kHz, 640 per frame.
        expression, motion: (T, 169) and (T, 12) coefficients; None where there are none.
    """

    clip_id: str
    video: Path
    audio: Audio
    expression: NDArray[np.float32] | None = None
    motion: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class GenRequest:
    """What is to be generated.

    Attributes:
        clip_id: name in messages.
        audio: int16 samples at 16 kHz, 640 per frame.
        emotion: what to express.
        speaker: person of a person-specific method.
        seed: of everything random.
        source_image: of a one-shot method, (S, S, 3) uint8 RGB.
        source_expression, source_motion: (169,) and (12,) coefficients of the source image; None where there are none.
        motion: (T, 12) head pose, gaze and blinks to be transferred; None to generate them.
        expression: (T, 169) coefficients to be drawn as they are; None to generate them.
        transcript: words, where a method reads them.
        emotion_end: emotion of the last frame; the video moves there from ``emotion`` in equal steps.
        temperature: spread of what is sampled; 0 gives the most likely.
        drives: names of the run's drives, see :class:`~gmbench.methods.card.Drive`.
        drivers: clips that parts of the video are transferred from.
        reference: the clip of ``emotion.clip`` with its sound and coefficients.
        options: numbers of the method's own, by the names in its card.
    """

    clip_id: str
    audio: Audio
    emotion: EmotionSpec
    speaker: str = ""
    seed: int = 0
    source_image: NDArray[np.uint8] | None = None
    source_expression: NDArray[np.float32] | None = None
    source_motion: NDArray[np.float32] | None = None
    motion: NDArray[np.float32] | None = None
    expression: NDArray[np.float32] | None = None
    transcript: str = ""
    emotion_end: EmotionSpec | None = None
    temperature: float | None = None
    drives: tuple[str, ...] = ()
    drivers: Drivers | None = None
    reference: ReferenceClip | None = None
    options: Mapping[str, float] = field(default_factory=dict)

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
        truth: the synthetic corpus' own root, else None; shoulder masks come from there where ``mattes`` is None.
        size: side of the crops.
        fitted: tracks are the fit's, also where the corpus knows better.
        mattes: folder of the mattes that a stage found; None where they are the corpus' own.
        transcripts: words by clip, for methods that read them; clips without words are missing.
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
    fitted: bool = False
    mattes: Path | None = None
    transcripts: Mapping[str, str] = field(default_factory=dict)

    @property
    def true_tracks(self) -> Path | None:
        """The synthetic corpus' own root where methods learn from its true coefficients and landmarks, else None."""
        return None if self.fitted else self.truth

    def split(self, name: str) -> tuple[ClipRow, ...]:
        """Clips of one split."""
        return tuple(row for row in self.rows if row.split == name)


class RunJobs(Protocol):
    """See :class:`TrainingContext`."""

    def __call__(
        self, function: Callable[[Any], JobResult], jobs: Sequence[Job], priority: float = 0, /
    ) -> dict[str, str]:
        """Reasons by name of the jobs that failed."""


@dataclass(frozen=True)
class TrainingContext:
    """Where training works.

    Attributes:
        store: what is done already.
        run_jobs: runs jobs there, side by side, those of a call of higher ``priority`` before others; a job learns its
            device from :func:`gmbench.devices.current`.
        previews: a folder for pictures of what is drawn so far; None for none.
        device: that jobs run on, ``cpu`` or a kind of accelerator; part of their keys where it is not the CPU.
        precision: of products on an accelerator: ``float32``, ``tf32`` or ``bfloat16``.
        jobs_per_device: networks that are trained on one accelerator at a time.
        at_once: whether several threads may call ``run_jobs`` at once.
    """

    store: Store
    run_jobs: RunJobs
    previews: Path | None = None
    device: str = CPU
    precision: str = FLOAT32
    jobs_per_device: int = 1
    at_once: bool = False


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
        device: where it was trained, if it came with gmbench; empty of what was trained here.
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
    device: str = ""

    def as_json(self) -> dict[str, Any]:
        """Facts for the run card: everything but the name, of the losses only the last row."""
        last = self.losses[-1] if self.losses else {}
        facts = {name: value for name, value in vars(self).items() if name not in ("name", "losses")}
        return facts | {"losses": {name: value for name, value in last.items() if name != "step"}}


@dataclass(frozen=True)
class FitReport:
    """What training did: one :class:`TrainedPart` per network, in the order of their training."""

    parts: tuple[TrainedPart, ...] = ()
    checkpoints: tuple[Path, ...] = ()
    """Files below the folder that the method is loaded from, whatever their type; all that training wrote by default.
    Videos are generated again when one of them changes."""


class TalkingHeadMethod(Protocol):
    """What every method has; see docs/methods.md for how to add one."""

    card: MethodCard

    @property
    def speakers(self) -> Sequence[str]:
        """After ``load``: people whom it can show; empty where it can show anybody."""
        ...

    @property
    def emotions(self) -> Sequence[str]:
        """After ``load``: emotions that it has learnt; empty where it takes no label."""
        ...

    def settings(self, given: Mapping[str, Any], ablations: Sequence[str] = ()) -> Any:
        """Settings of a configuration with ablations: a pydantic model, a dataclass or a mapping.

        Raises:
            InputError: an unknown key, or a value that does not fit.
        """
        ...

    def fit(
        self, dataset: PreparedDataset, pretraining: PreparedDataset, out_dir: Path, settings: Any, seed: int,
        context: TrainingContext,
    ) -> FitReport:  # fmt: skip
        """Train what the store lacks and write checkpoints below ``out_dir``; the report lists them."""
        ...

    def load(self, checkpoint_dir: Path) -> None:
        """Read what training wrote; raises WeightsError with the remedy."""
        ...

    def generate(self, request: GenRequest) -> GenResult:
        """Raises MissingInput, UnsupportedEmotion or NotSupported rather than fall back."""
        ...


REQUIRED = ("card", "settings", "fit", "load", "generate")
"""What an object must have before it is trained; ``speakers`` and ``emotions`` come with ``load``."""


@runtime_checkable
class Interpolates(Protocol):
    """A method that moves between two emotions; its card names the ways."""

    def interpolate(
        self, request: GenRequest, emotion_a: EmotionSpec, emotion_b: EmotionSpec, steps: int, way: str
    ) -> list[GenResult]:
        """One picture per step from a to b: the same instant, pose and noise; ``meta["alpha"]`` rises from 0 to 1."""
        ...


@runtime_checkable
class HasFaceModel(Protocol):
    """A method whose coefficients belong to a face model, so that pictures can be fitted for it on the way."""

    @property
    def face_model(self) -> FaceModel:
        """The model."""
        ...


@dataclass(frozen=True)
class TrainingNeeds:
    """What a training takes at most: bytes on the disk of the store, and of memory beside that of the processes."""

    disk: float = 0.0
    memory: float = 0.0


@runtime_checkable
class ChecksTraining(Protocol):
    """A method that can say before its training what it lacks and needs."""

    def settings(self, given: Mapping[str, Any], ablations: Sequence[str] = ()) -> Any:
        """As :meth:`TalkingHeadMethod.settings`."""
        ...

    def training_problems(self, dataset: PreparedDataset, settings: Any) -> Iterator[str]:
        """What of a prepared dataset or of the user's files is missing, each with its remedy."""
        ...

    def training_needs(self, dataset: PreparedDataset, settings: Any) -> TrainingNeeds:
        """Disk space and memory."""
        ...


@runtime_checkable
class HasLatents(Protocol):
    """A method with a latent space of expressions."""

    def posterior(self, beta: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Latent (d,) of a real clip's coefficients (T, 169) and audio features (T, a)."""
        ...


@runtime_checkable
class HasLikelihood(Protocol):
    """A method that knows how likely expressions are."""

    def log_likelihood(
        self, request: GenRequest, expression: NDArray[np.float32], motion: NDArray[np.float32]
    ) -> float:
        """log p of real coefficients (T, 169) and (T, 12) under the request, nats per frame and number of its code."""
        ...


@runtime_checkable
class RefusesTrainings(Protocol):
    """A method that cannot be trained with every ablation at every seed, as one whose networks came with gmbench."""

    def check_trainable(self, dataset: PreparedDataset, pretraining: PreparedDataset, settings: Any, seed: int) -> None:
        """Raises InputError with the reason and the remedy; trains nothing."""
        ...


@runtime_checkable
class EmbedsEmotion(Protocol):
    """A method with a space of emotions that both a request and a clip have a place in."""

    @property
    def modalities(self) -> Sequence[str]:
        """What ``embed_clip`` can read of a clip, for example ``sound``, ``face``, ``both``."""
        ...

    def embed_emotion(self, request: GenRequest) -> NDArray[np.float32]:
        """Vector (d,) of the request's emotion."""
        ...

    def embed_clip(self, reference: ReferenceClip, modality: str) -> NDArray[np.float32]:
        """Vector (d,) of the emotion that a clip shows."""
        ...


def as_json(settings: Any) -> dict[str, Any]:
    """Settings as JSON values: of a pydantic model, a dataclass or a mapping.

    Raises:
        InputError: something else.
    """
    if callable(dump := getattr(settings, "model_dump", None)):
        return dict(dump(mode="json"))
    if is_dataclass(settings) and not isinstance(settings, type):
        settings = asdict(settings)
    if not isinstance(settings, Mapping):
        raise InputError(f"settings must be a pydantic model, a dataclass or a mapping, got {type(settings).__name__}")
    try:
        return dict(json.loads(json.dumps(settings)))
    except TypeError as error:
        raise InputError(f"settings must hold what JSON can hold ({error})") from error


def check_request(card: MethodCard, request: GenRequest) -> None:
    """Raise MissingInput, UnsupportedEmotion or NotSupported for what the card says cannot work."""
    for name in request.drives:
        if name not in {drive.name for drive in card.drives}:
            raise NotSupported(f"{request.clip_id}: {card.title} has no drive {name!r}")
    for name in request.options:
        if name not in card.options:
            raise NotSupported(f"{request.clip_id}: {card.title} has no option {name!r}")
    kind = request.emotion.kind
    if kind != "none" and kind not in card.emotion_sources:
        expected = ", ".join(card.emotion_sources)
        raise UnsupportedEmotion(f"{request.clip_id}: {card.title} takes its emotion from {expected}, not from {kind}")
    for name in card.needs_under(request.drives):
        value = getattr(request, name)
        if value is None or (isinstance(value, str | Sequence) and not len(value)):
            raise MissingInput(f"{request.clip_id}: {card.title} needs {name}")
    if request.frames < 1:
        raise MissingInput(f"{request.clip_id}: the sound is shorter than one frame (640 samples)")


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"emotion {whole!r}: {text!r} is no number") from None
