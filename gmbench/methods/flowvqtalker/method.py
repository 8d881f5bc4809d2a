"""FlowVQTalker as a method: loads what training wrote, generates, transfers, interpolates."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gmbench.devices import current, using
from gmbench.media import Audio
from gmbench.methods.expression_code import join_motion
from gmbench.methods.features import audio_features
from gmbench.methods.flowvqtalker import sampling
from gmbench.methods.flowvqtalker.card import CARD, INTERPOLATIONS
from gmbench.methods.flowvqtalker.coefficient_generator import CoefficientGenerator
from gmbench.methods.flowvqtalker.drawing import Painter, Source
from gmbench.methods.flowvqtalker.jobs import SAMPLING, fit_all
from gmbench.methods.flowvqtalker.settings import ABLATIONS, Sampling, Settings
from gmbench.methods.interface import (
    EmotionSpec,
    FitReport,
    GenRequest,
    GenResult,
    MissingInput,
    NotSupported,
    PreparedDataset,
    ReferenceClip,
    TrainingContext,
    check_request,
)
from gmbench.methods.settings import read_settings
from gmbench.methods.tracks import POSE
from gmbench.morphable.model import BLINK, MOTION, FaceModel
from gmbench.morphable.model import load as load_model
from gmbench.names import closest

Floats = NDArray[np.float32]


class FlowVQTalker:
    """The whole system below one folder: ``expflow``, ``poseflow``, ``vqig`` and how latents are drawn."""

    card = CARD
    speakers: Sequence[str] = ()
    modalities: Sequence[str] = ("face",)

    def __init__(self) -> None:
        self.folder = Path()
        self._heard: tuple[Audio, Floats] | None = None

    def settings(self, given: Mapping[str, Any], ablations: Sequence[str] = ()) -> Settings:
        """The configuration's values, then what the ablations change."""
        return read_settings(Settings, "flowvqtalker", given, [ABLATIONS[name] for name in ablations])

    def fit(
        self, dataset: PreparedDataset, pretraining: PreparedDataset, out_dir: Path, settings: Settings, seed: int,
        context: TrainingContext,
        stages: Sequence[str] | None = None,
    ) -> FitReport:  # fmt: skip
        """Codebook, both flows, then the image generator; see :mod:`gmbench.methods.flowvqtalker.jobs`."""
        return fit_all(dataset, pretraining, out_dir, settings, seed, context, stages)

    def load(self, checkpoint_dir: Path) -> None:
        """Read the flows; the image generator is read when it first draws."""
        self.folder, self.device = checkpoint_dir, current()
        path = checkpoint_dir / SAMPLING
        drawn = Sampling.model_validate(json.loads(path.read_text("utf-8"))) if path.exists() else Sampling()
        self.flows = CoefficientGenerator(checkpoint_dir, drawn)
        self.emotions: list[str] = self.flows.emotions

    @cached_property
    def face_model(self) -> FaceModel:
        """The model that the coefficients belong to."""
        return load_model(self.folder / "face_model.npz")

    @cached_property
    def painter(self) -> Painter:
        """Draws pictures."""
        with using(self.device):
            return Painter(self.folder)

    def generate(self, request: GenRequest) -> GenResult:
        """A video of any length; seed and temperature as asked."""
        check_request(self.card, request)
        if "reconstruct" in request.drives and request.drivers is not None and request.drivers.expression is not None:
            return GenResult(self.painter.reconstructed(request.drivers.expression), meta={"seed": request.seed})
        meta: dict[str, Any] = {"seed": request.seed}
        if request.expression is not None and request.motion is not None:
            beta, rho = request.expression[: request.frames], request.motion[: request.frames]
        else:
            codes = self._codes(request, meta)
            beta, lids = self.flows.code.decode(codes)
            rho = self._motion(request, lids)
        return GenResult(self.painter.frames(_source(request), beta, rho), beta, rho, meta)

    def interpolate(
        self, request: GenRequest, emotion_a: EmotionSpec, emotion_b: EmotionSpec, steps: int, way: str = "latent"
    ) -> list[GenResult]:
        """One picture a step: the middle of the request's sound, under the same noise, pose and source.

        ``latent`` moves on the line between the two emotions' latents, ``hard_switch`` flips the label half way.
        """
        if way not in (names := [known.name for known in INTERPOLATIONS]):
            raise NotSupported(f"FlowVQTalker has no way {way!r} between emotions; {closest(way, names)}")
        check_request(self.card, request)
        a, b = (emotion.vector(self.emotions) for emotion in (emotion_a, emotion_b))
        middle, results = request.frames // 2, []
        audio = self._features(request)[: middle + 1]
        source, noise = self._source_code(request), self._noise(request)[: middle + 1]
        rho = _source_motion(request)[None].copy()
        rho[:, BLINK] = 0
        for n, alpha in enumerate(np.linspace(0, 1, steps, dtype=np.float32)):
            share = np.rint(alpha) if way == "hard_switch" else alpha
            weights = np.broadcast_to((1 - share) * a + share * b, (len(audio), len(a))).astype(np.float32)
            beta, _ = self.flows.code.decode(self.flows.expressions(audio, weights, source, noise)[-1:])
            frames = self.painter.frames(_source(request), beta, rho)
            results.append(GenResult(frames, beta, rho, {"alpha": n / (steps - 1)}))
        return results

    def embed_emotion(self, request: GenRequest) -> Floats:
        """Mean latent (64,) of the request's emotion and seed."""
        weights = torch.from_numpy(self.flows.classes(self._weights(request)))
        with torch.inference_mode():
            z = sampling.emotional_latents(
                self.flows.expflow, weights, self._noise(request), self.flows.stored, self.flows.settings
            )
        return np.asarray(z.mean(0).numpy())

    def embed_clip(self, reference: ReferenceClip, modality: str) -> Floats:
        """Mean latent (64,) of a clip with coefficients under its likeliest label; only ``face`` is known."""
        if modality not in self.modalities:
            raise NotSupported(f"FlowVQTalker embeds clips by {', '.join(self.modalities)}, not by {modality!r}")
        codes, audio = self._reference(reference)
        return np.asarray(self.flows.posterior(codes, audio, self.flows.likeliest(codes, audio)).mean(axis=0))

    def log_likelihood(self, request: GenRequest, expression: Floats, motion: Floats) -> float:
        """log p of real coefficients (T, 169) and (T, 12) under the request's sound, label and source.

        In nats per frame and number of the code; T must not exceed the request's frames.
        """
        codes = self.flows.code.encode(expression, motion)
        audio, number = self._features(request)[: len(codes)], int(self._weights(request)[0].argmax())
        return self.flows.log_likelihood(codes, audio, number, self._source_code(request))

    def posterior(self, beta: Floats, audio: Floats) -> Floats:
        """Mean latent (64,) of expressions (T, 169), lids open, and features (T, a), under the likeliest label."""
        codes = self.flows.code.encode(beta, np.zeros((len(beta), MOTION), np.float32))
        return np.asarray(self.flows.posterior(codes, audio, self.flows.likeliest(codes, audio)).mean(axis=0))

    def _codes(self, request: GenRequest, meta: dict[str, Any]) -> Floats:
        """Expressions (T, 64), with the emotion of a reference or of a label."""
        audio, source = self._features(request), self._source_code(request)
        if request.emotion.clip is not None or "reference" in request.drives:
            if request.reference is None:
                raise MissingInput(f"{request.clip_id}: FlowVQTalker needs the reference clip with its coefficients")
            codes, meta["reference_emotion"] = self.flows.transferred(
                audio, *self._reference(request.reference), source
            )
            return codes
        return self.flows.expressions(audio, self._weights(request), source, self._noise(request))

    def _motion(self, request: GenRequest, lids: Floats) -> Floats:
        """Motion (T, 12): the request's own, or generated around the source's pose."""
        if request.motion is not None:
            return request.motion[: request.frames].copy()
        temperature = 1.0 if request.temperature is None else request.temperature
        source = _source_motion(request)
        poses = self.flows.poses(self._features(request), request.seed, temperature)
        return join_motion(poses + source[POSE], lids, source)

    def _weights(self, request: GenRequest) -> Floats:
        """Weights (T, K) of the emotions."""
        if len(self.emotions) == 1 and (self.emotions == [""] or not request.emotion.weights):
            return np.ones((request.frames, 1), np.float32)
        if not request.emotion.weights:
            known = ", ".join(self.emotions)
            raise MissingInput(
                f"{request.clip_id}: FlowVQTalker needs an emotion, of {known}, or a clip that shows one"
            )
        first = request.emotion.vector(self.emotions)
        last = first if request.emotion_end is None else request.emotion_end.vector(self.emotions)
        share = np.linspace(0, 1, request.frames, dtype=np.float32)[:, None]
        return np.asarray((1 - share) * first + share * last, np.float32)

    def _noise(self, request: GenRequest) -> torch.Tensor:
        temperature = 1.0 if request.temperature is None else request.temperature
        return self.flows.noise(request.frames, request.seed, temperature)

    def _features(self, request: GenRequest) -> Floats:
        """Features (T, a) of the request's sound; the last ones are kept, since both flows ask for them."""
        if self._heard is None or self._heard[0] is not request.audio:
            features = audio_features(request.audio, request.frames, self.flows.facts["audio"], self.card.title)
            self._heard = request.audio, features
        return self._heard[1]

    def _source_code(self, request: GenRequest) -> Floats:
        return self.flows.code.encode(_source_expression(request)[None], _source_motion(request)[None])[0]

    def _reference(self, reference: ReferenceClip) -> tuple[Floats, Floats]:
        """Codes (R, 64) and features (R, a) of a reference clip."""
        if reference.expression is None or reference.motion is None or not len(reference.expression):
            raise MissingInput(
                f"{reference.clip_id}: no coefficients of this reference clip; it shows no face, or was not fitted"
            )
        frames = min(len(reference.expression), len(reference.audio) // 640)
        audio = audio_features(reference.audio, frames, self.flows.facts["audio"], self.card.title)
        return self.flows.code.encode(reference.expression[:frames], reference.motion[:frames]), audio


def _source(request: GenRequest) -> Source:
    if request.source_image is None:
        raise MissingInput(f"{request.clip_id}: FlowVQTalker needs source_image")
    return Source(request.source_image, _source_expression(request), _source_motion(request))


def _source_expression(request: GenRequest) -> Floats:
    if request.source_expression is None:
        raise MissingInput(f"{request.clip_id}: FlowVQTalker needs the source image's coefficients")
    return request.source_expression


def _source_motion(request: GenRequest) -> Floats:
    if request.source_motion is None:
        raise MissingInput(f"{request.clip_id}: FlowVQTalker needs the source image's coefficients")
    return request.source_motion
