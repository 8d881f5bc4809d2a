"""GMTalker as a method: loads what training wrote, generates, interpolates. Source: GMTalker, sections III and IV."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmbench.devices import current, using
from gmbench.devices.choice import FLOAT32, in_precision
from gmbench.errors import InputError, WeightsError
from gmbench.media import Audio
from gmbench.methods.features import audio_features
from gmbench.methods.gmtalker.card import CARD, INTERPOLATIONS
from gmbench.methods.gmtalker.checkpoints import CHECKPOINTS
from gmbench.methods.gmtalker.gmeg import ExpressionGenerator
from gmbench.methods.gmtalker.head import HeadGenerator
from gmbench.methods.gmtalker.head_training import generator_input
from gmbench.methods.gmtalker.jobs import fit_all, training_needs, training_problems
from gmbench.methods.gmtalker.nfmg import MotionGenerator
from gmbench.methods.gmtalker.settings import ABLATIONS, Gmeg, Head, Nfmg, Settings
from gmbench.methods.gmtalker.training import NEUTRAL
from gmbench.methods.interface import (
    EmotionSpec,
    FitReport,
    GenRequest,
    GenResult,
    MissingInput,
    PreparedDataset,
    TrainingContext,
    TrainingNeeds,
    check_request,
)
from gmbench.methods.scaling import Scale
from gmbench.methods.settings import read_settings
from gmbench.methods.tracks import POSE
from gmbench.morphable.model import BLINK, FaceModel
from gmbench.morphable.model import load as load_model
from gmbench.morphable.render import Renderer
from gmbench.names import closest

BATCH, BATCH_ON_DEVICE = 8, 32
"""Frames that the head generator draws at once, on the CPU and elsewhere."""
SMOOTHING = 13
"""Frames in which a smoothed pose follows the pose by all but 1/e."""


@dataclass(frozen=True)
class _Latents:
    """What stays fixed in a video: w (1, d_w) and the noise of z (1, d_z)."""

    w: Tensor
    noise: Tensor


class GMTalker:
    """The whole system below one folder: ``gmeg``, ``nfmg-<speaker>``, ``head-<speaker>`` and the face model."""

    card = CARD

    def __init__(self) -> None:
        self.folder = Path()
        self._heard: tuple[Audio, int, NDArray[np.float32]] | None = None

    def settings(self, given: Mapping[str, Any], ablations: Sequence[str] = ()) -> Settings:
        """The configuration's values, then what the ablations change."""
        return read_settings(Settings, "gmtalker", given, [ABLATIONS[name] for name in ablations])

    def fit(
        self, dataset: PreparedDataset, pretraining: PreparedDataset, out_dir: Path, settings: Settings, seed: int,
        context: TrainingContext,
        stages: Sequence[str] | None = None,
    ) -> FitReport:  # fmt: skip
        """Expression generator, motion generators and head generators; see :mod:`gmbench.methods.gmtalker.jobs`."""
        return fit_all(dataset, pretraining, out_dir, settings, seed, context, stages)

    def training_problems(self, dataset: PreparedDataset, settings: Settings) -> Iterator[str]:
        """Mattes, files of the user, and a starting point that belong to the dataset."""
        return training_problems(dataset, settings)

    def training_needs(self, dataset: PreparedDataset, settings: Settings) -> TrainingNeeds:
        """Pictures of all heads on the disk; tracks of all clips in the memory of two trainings."""
        return training_needs(dataset, settings)

    def load(self, checkpoint_dir: Path) -> None:
        """Read the expression generator; motion and head of a person are read when they first speak."""
        self.folder = checkpoint_dir
        path = checkpoint_dir / "gmeg.safetensors"
        self.facts = CHECKPOINTS.read_facts(path, "gmeg")
        self.emotions: list[str] = self.facts["emotions"]
        self.speakers: list[str] = self.facts["speakers"]
        facts = self.facts
        sizes = (facts["beta"], facts["audio_dim"], len(self.emotions), len(self.speakers))
        self.device = torch.device(current())
        self.gmeg = ExpressionGenerator(Gmeg.model_validate(facts["settings"]), *sizes)
        constants = CHECKPOINTS.load_weights(path, self.gmeg)
        self.gmeg.to(self.device)
        self.scale = Scale(constants["mean"], constants["deviation"])
        self._people: dict[str, _Person] = {}

    @cached_property
    def face_model(self) -> FaceModel:
        """The model that the coefficients belong to."""
        return load_model(self.folder / "face_model.npz")

    def features(self, audio: Audio, frames: int) -> NDArray[np.float32]:
        """Audio features (T, a) as in training; those of the last sound are kept, since both generators ask for them.

        Raises:
            WeightsError: the extractor's weights are not those of the training.
        """
        if self._heard is None or self._heard[0] is not audio or self._heard[1] != frames:
            with using(str(self.device)):
                self._heard = audio, frames, audio_features(audio, frames, self.facts["audio"], self.card.title)
        return self._heard[2]

    def generate(self, request: GenRequest) -> GenResult:
        """A video of any length; seed and temperature as asked."""
        weights = self._weights(request)[None]
        if request.emotion_end is not None:
            share = np.linspace(0, 1, request.frames, dtype=np.float32)[:, None]
            weights = (1 - share) * weights + share * request.emotion_end.vector(self.emotions)
        with torch.inference_mode():
            beta = self._expression(request, np.broadcast_to(weights, (request.frames, weights.shape[1])))
            rho = self._motion(request)
        return GenResult(self._draw(request, beta, rho, weights), beta, rho, {"seed": request.seed})

    def interpolate(
        self, request: GenRequest, emotion_a: EmotionSpec, emotion_b: EmotionSpec, steps: int,
        way: str = "sample_blend",
    ) -> list[GenResult]:  # fmt: skip
        """One picture a step: the middle of the request's sound, under the same w, noise, pose and style.

        ``sample_blend`` is eq. 12 on samples, ``mixture`` its literal reading (a component drawn anew each step),
        ``hard_switch`` the label flipped half way. Without a mixture prior the label's embedding is interpolated
        (``label_embed``). The emotion mapping network is given the same weights as the expressions.
        """
        if way not in (names := [known.name for known in INTERPOLATIONS]):
            raise InputError(f"GMTalker has no way {way!r} between emotions; {closest(way, names)}")
        check_request(self.card, request)
        a, b = (emotion.vector(self.emotions) for emotion in (emotion_a, emotion_b))
        shares = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
        if way == "hard_switch":
            shares = np.rint(shares)
        labels = (1 - shares) * a + shares * b  # (N, K)
        middle = request.frames // 2
        with torch.inference_mode():
            rho = self._motion(request)[middle : middle + 1]
            rho[:, BLINK] = 0
            z = self._latent(self._given(labels), self._latents(request.seed, request))
            if way == "mixture":
                drawn = [self._latents(request.seed * 1000 + n, request) for n in range(steps)]
                torch.manual_seed(request.seed)
                z = torch.cat(
                    [self._latent(self._given(labels[n : n + 1]), drawn[n], blended=False) for n in range(steps)]
                )
            beta = self._decode(request, z[:, None], self._given(labels)[:, None])[:, middle]
        return [
            GenResult(
                self._draw(request, beta[n][None], rho, labels[n][None]), beta[n][None], rho, {"alpha": n / (steps - 1)}
            )
            for n in range(steps)
        ]

    def embed_emotion(self, request: GenRequest) -> NDArray[np.float32]:
        """The expression latent z (d_z,) that the request's emotion, seed and temperature give."""
        with torch.inference_mode():
            latent = self._latent(self._given(self._weights(request))[None], self._latents(request.seed, request))
        return np.asarray(latent[0].cpu().numpy())

    def posterior(self, beta: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mean of q(z | beta, a) (d_z,) of a real clip's expressions (T, 169) and features (T, a)."""
        with torch.inference_mode():
            values = self._given(self.scale.standardise(beta))[None], self._given(audio)[None]
            latent = self.gmeg.posterior(*values, torch.ones(1, len(beta), dtype=torch.bool, device=self.device))
        return np.asarray(latent.z[0][0].cpu().numpy())

    def _given(self, values: NDArray[Any]) -> Tensor:
        """An array on the device."""
        return torch.from_numpy(values).to(self.device)

    def _weights(self, request: GenRequest) -> NDArray[np.float32]:
        check_request(self.card, request)
        if len(self.emotions) == 1 and (self.emotions == [""] or not request.emotion.weights):
            return np.ones(1, np.float32)
        if not request.emotion.weights:
            raise MissingInput(f"{request.clip_id}: GMTalker needs an emotion, of {', '.join(self.emotions)}")
        return request.emotion.vector(self.emotions)

    def _latents(self, seed: int, request: GenRequest) -> _Latents:
        generator = torch.Generator().manual_seed(seed)
        s = self.gmeg.settings
        w, noise = torch.randn(1, s.w, generator=generator), torch.randn(1, s.z, generator=generator)
        spread = s.temperature if request.temperature is None else request.temperature
        return _Latents((w * spread).to(self.device), (noise * spread).to(self.device))

    def _latent(self, weights: Tensor, fixed: _Latents, blended: bool = True) -> Tensor:
        """z of each row of weights (N, K) under the same w and noise."""
        count = len(weights)
        return self.gmeg.sample_z(weights, fixed.w.expand(count, -1), fixed.noise.expand(count, -1), blended)

    def _expression(self, request: GenRequest, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Expressions (T, 169) for weights per frame (T, K), under one w and noise."""
        if request.expression is not None:
            return request.expression[: request.frames]
        rows, turns = np.unique(weights, axis=0, return_inverse=True)
        order, labels = self._given(turns.ravel()), self._given(rows)
        z = self._latent(labels, self._latents(request.seed, request))[order]
        return self._decode(request, z[None], labels[order][None])[0]

    def _decode(self, request: GenRequest, z: Tensor, labels: Tensor) -> NDArray[np.float32]:
        """Expressions (B, T, 169) of latents (B, T or 1, d_z) under one sound."""
        speaker = torch.full((len(z),), self._number(request.speaker), device=self.device)
        condition = self.gmeg.condition(z, speaker, labels)
        audio = self._given(self.features(request.audio, request.frames))[None].expand(len(z), -1, -1)
        return self.scale.restore(self.gmeg.decoder.generate(condition, audio).cpu().numpy())

    def _motion(self, request: GenRequest) -> NDArray[np.float32]:
        """Motion (T, 12): the request's own, or generated around the person's mean pose."""
        if request.motion is not None:
            return request.motion[: request.frames].copy()
        person = self._person(request.speaker)
        generator = torch.Generator().manual_seed(request.seed)
        frames = request.frames
        noise = torch.randn(1, person.nfmg.latents(frames), person.nfmg.settings.z, generator=generator)
        noise = (noise * (1.0 if request.temperature is None else request.temperature)).to(self.device)
        audio = self._given(self.features(request.audio, frames))[None]
        condition = person.nfmg.condition(person.nfmg.sample(noise), frames)
        rho = person.motion_scale.restore(person.nfmg.decoder.generate(condition, audio)[0].cpu().numpy())
        rho[:, POSE] += person.constants["rho_mean"][POSE]
        rho[:, BLINK] = rho[:, BLINK].clip(0, 1)
        return rho

    def _draw(
        self, request: GenRequest, beta: NDArray[np.float32], rho: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> Iterator[NDArray[np.uint8]]:
        """Frames of coefficients under a fixed style and noise; ``weights`` (1, K) or (T, K)."""
        person = self._person(request.speaker)
        weights = person.style_weights(weights, self.emotions)
        head, settings = person.head, person.head.settings
        generator = torch.Generator().manual_seed(request.seed)
        code = torch.randn(1, settings.style, generator=generator).to(self.device)
        noise = {name: values.to(self.device) for name, values in head.draw_noise(generator).items()}
        size = BATCH if self.device.type == "cpu" else BATCH_ON_DEVICE
        full = self.face_model.join(beta, rho[:, BLINK])
        renderings = person.renderer(self.face_model).frames(full, rho)
        batch: list[NDArray[np.float32]] = []
        for t, (rendering, mask) in enumerate(zip(renderings, person.masks(rho), strict=True)):
            batch.append(generator_input(rendering, mask))
            if len(batch) == size or t == len(rho) - 1:
                with torch.inference_mode(), in_precision(str(self.device), FLOAT32):
                    first = t + 1 - len(batch)
                    label = self._given(np.broadcast_to(weights, (len(rho), weights.shape[1]))[first : t + 1].copy())
                    style = head.mapping(code.expand(len(batch), -1), label)
                    pictures = head(self._given(np.stack(batch)), style, noise).clamp(-1, 1)
                yield from to_bytes(pictures.permute(0, 2, 3, 1))
                batch = []

    def _number(self, speaker: str) -> int:
        if speaker not in self.speakers:
            raise MissingInput(f"unknown speaker {speaker!r}; {closest(speaker, self.speakers)}")
        return self.speakers.index(speaker)

    def _person(self, speaker: str) -> "_Person":
        if speaker not in self._people:
            self._number(speaker)
            self._people[speaker] = _Person(self.folder, speaker, self.facts["audio"], self.device)
        return self._people[speaker]


def to_bytes(pictures: Tensor) -> NDArray[np.uint8]:
    """Pictures in [-1, 1] as bytes; rounded on their device, since bytes are a quarter of what must be copied."""
    if pictures.device.type == "cpu":
        return np.rint((pictures.numpy() + 1) * 127.5).astype(np.uint8)
    return np.asarray(((pictures + 1) * 127.5).round().to(torch.uint8).cpu().numpy())


class _Person:
    """Motion and head generators of one person."""

    def __init__(self, folder: Path, speaker: str, audio: Mapping[str, Any], device: torch.device) -> None:
        path = folder / f"nfmg-{speaker}.safetensors"
        facts = CHECKPOINTS.read_facts(path, "nfmg")
        if facts["audio"] != audio:
            raise WeightsError(f"{path}: trained on other audio features than gmeg; train again")
        self.nfmg = MotionGenerator(Nfmg.model_validate(facts["settings"]), facts["audio_dim"])
        constants = CHECKPOINTS.load_weights(path, self.nfmg)
        self.motion_scale = Scale(constants["mean"], constants["deviation"])
        path = folder / f"head-{speaker}.safetensors"
        facts = CHECKPOINTS.read_facts(path, "head")
        self.emotions: list[str] = facts["emotions"]
        self.head = HeadGenerator(Head.model_validate(facts["settings"]), len(self.emotions))
        self.constants = CHECKPOINTS.load_weights(path, self.head)
        self.nfmg.to(device)
        self.head.to(device)

    def style_weights(self, weights: NDArray[np.float32], emotions: Sequence[str]) -> NDArray[np.float32]:
        """Weights (N, K') of the emotions that this person's head has learnt, from (N, K) of the system's.

        What belongs to an emotion that the person never showed goes to neutral, or else to all that were shown alike:
        the expression itself comes from the coefficients.
        """
        result = np.zeros((len(weights), len(self.emotions)), np.float32)
        for column, name in enumerate(emotions):
            if name in self.emotions:
                result[:, self.emotions.index(name)] += weights[:, column]
            elif NEUTRAL in self.emotions:
                result[:, self.emotions.index(NEUTRAL)] += weights[:, column]
            else:
                result += weights[:, column, None] / len(self.emotions)
        return result

    def renderer(self, model: FaceModel) -> Renderer:
        """Draws this person."""
        return Renderer(model, self.constants["shape"], self.constants["texture"], self.head.settings.size_in)

    def masks(self, rho: NDArray[np.float32]) -> Iterator[NDArray[np.uint8]]:
        """Shoulder masks (S, S) of a clip's frames, whose motion is (T, 12).

        The same reference for all, or for each frame that of the nearest pose, the pose smoothed over half a second.
        """
        smoothed = rho[0, POSE]
        for pose in rho[:, POSE]:
            if self.head.settings.shoulder == "reference":
                yield np.asarray(self.constants["mask"])
                continue
            smoothed = np.asarray(smoothed + (pose - smoothed) / SMOOTHING, np.float32)
            distances = ((self.constants["poses"][:, POSE] - smoothed) ** 2).sum(axis=1)
            yield np.asarray(self.constants["masks"][int(distances.argmin())])
