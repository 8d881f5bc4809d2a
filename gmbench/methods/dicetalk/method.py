"""DICE-Talk as a method: loads what training wrote, generates, interpolates, embeds."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmbench.devices import current
from gmbench.methods.dicetalk.card import CARD, INTERPOLATIONS
from gmbench.methods.dicetalk.embedder import Gaussian, Modality
from gmbench.methods.dicetalk.jobs import SAMPLING, fit_all, training_jobs
from gmbench.methods.dicetalk.sampler import latent_frames, moving_priors, rescaled
from gmbench.methods.dicetalk.settings import ABLATIONS, Sampling, Settings
from gmbench.methods.dicetalk.video_generator import VideoGenerator
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
from gmbench.morphable.model import FaceModel
from gmbench.morphable.model import load as load_model
from gmbench.names import closest

Floats = NDArray[np.float32]


class DiceTalk:
    """The whole system below one folder: ``vae``, ``embedder``, ``diffusion`` and how videos are drawn."""

    card = CARD
    speakers: Sequence[str] = ()
    modalities: Sequence[str] = ("sound", "face", "both")

    def __init__(self) -> None:
        self.folder = Path()

    def settings(self, given: Mapping[str, Any], ablations: Sequence[str] = ()) -> Settings:
        """The configuration's values, then what the ablations change."""
        return read_settings(Settings, "dicetalk", given, [ABLATIONS[name] for name in ablations])

    def fit(
        self, dataset: PreparedDataset, pretraining: PreparedDataset, out_dir: Path, settings: Settings, seed: int,
        context: TrainingContext,
        stages: Sequence[str] | None = None,
    ) -> FitReport:  # fmt: skip
        """Autoencoder and embedder, then the denoiser; see :mod:`gmbench.methods.dicetalk.jobs`."""
        return fit_all(dataset, pretraining, out_dir, settings, seed, context, stages)

    def check_trainable(
        self, dataset: PreparedDataset, pretraining: PreparedDataset, settings: Settings, seed: int
    ) -> None:
        """Raises InputError where its networks came with gmbench and are not those that are asked for."""
        for _ in training_jobs(dataset, pretraining, settings, seed):
            pass

    def load(self, checkpoint_dir: Path) -> None:
        """Read all networks."""
        self.folder = checkpoint_dir
        path = checkpoint_dir / SAMPLING
        drawn = Sampling.model_validate(json.loads(path.read_text("utf-8"))) if path.exists() else Sampling()
        self.generator = VideoGenerator(checkpoint_dir, drawn, torch.device(current()))
        self.emotions = [name for name in self.generator.emotions if name]

    @cached_property
    def face_model(self) -> FaceModel:
        """The model that coefficients of reference clips belong to."""
        return load_model(self.folder / "face_model.npz")

    def generate(self, request: GenRequest) -> GenResult:
        """A video of any length; its emotion is a label's, a reference clip's, or without either that of the sound."""
        check_request(self.card, request)
        if "reconstruct" in request.drives and request.drivers is not None and request.drivers.expression is not None:
            return GenResult(self.generator.reconstructed(request.drivers.expression), meta={"seed": request.seed})
        first, source = self._prior(request, request.emotion)
        last = first if request.emotion_end is None else self._prior(request, request.emotion_end)[0]
        priors = moving_priors(first, last, latent_frames(request.frames))
        conditions = self.generator.conditions(_source(request), request.audio, request.frames, priors)
        temperature = 1.0 if request.temperature is None else request.temperature
        frames = self.generator.frames(conditions, request.frames, request.seed, temperature, dict(request.options))
        return GenResult(frames, meta={"seed": request.seed, "emotion_from": source, **request.options})

    def interpolate(
        self, request: GenRequest, emotion_a: EmotionSpec, emotion_b: EmotionSpec, steps: int, way: str = "prior"
    ) -> list[GenResult]:
        """One picture a step: the middle of the request's sound, under the same noise and source picture.

        ``prior`` moves on the line between the two priors, ``hard_switch`` flips half way.
        """
        if way not in (names := [known.name for known in INTERPOLATIONS]):
            raise NotSupported(f"DICE-Talk has no way {way!r} between emotions; {closest(way, names)}")
        check_request(self.card, request)
        ends = [self._prior(request, emotion)[0] for emotion in (emotion_a, emotion_b)]
        first, length, middle = self.generator.middle(request.frames)
        sampler = rescaled(self.generator.sampler, dict(request.options))
        results = []
        for n, alpha in enumerate(np.linspace(0, 1, steps, dtype=np.float32)):
            share = float(np.rint(alpha) if way == "hard_switch" else alpha)
            priors = ((1 - share) * ends[0] + share * ends[1]).expand(length, -1)
            video = self.generator.conditions(_source(request), request.audio, request.frames, priors, first)
            latents = sampler.draw(video, request.seed, 1.0 if request.temperature is None else request.temperature)
            frames = self.generator.pictures(latents[middle : middle + 1], video.reference)
            results.append(GenResult(frames, meta={"alpha": n / (steps - 1)}))
        return results

    def embed_emotion(self, request: GenRequest) -> Floats:
        """Prior (d,) of the request's emotion."""
        return np.asarray(self._prior(request, request.emotion)[0][0].numpy())

    def embed_clip(self, reference: ReferenceClip, modality: str) -> Floats:
        """Mean (d,) of the Gaussian that a clip's ``sound``, its ``face`` or ``both`` give."""
        if modality not in self.modalities:
            raise NotSupported(f"DICE-Talk embeds clips by {', '.join(self.modalities)}, not by {modality!r}")
        return np.asarray(self._gaussian(reference, modality).mean[0].numpy())

    def _prior(self, request: GenRequest, emotion: EmotionSpec) -> tuple[Tensor, str]:
        """Prior (1, d) of an emotion, and what it was taken from."""
        if emotion.clip is not None or "reference" in request.drives:
            if request.reference is None:
                raise MissingInput(f"{request.clip_id}: DICE-Talk needs the reference clip with its coefficients")
            found = self._gaussian(request.reference, "both")
            return self._drawn(found, request.seed), "video"
        if emotion.weights:
            weights = emotion.vector(self.emotions)
            return torch.from_numpy(weights @ self.generator.prompts)[None], "label"
        states = self.generator.listener.of_sound(request.audio, request.frames).of_frames(request.frames)
        return self._drawn(self.generator.priors.of_tracks(None, None, states), request.seed), "audio"

    def _drawn(self, found: Gaussian, seed: int) -> Tensor:
        if self.generator.sampler.settings.prior == "mean":
            return found.mean
        noise = torch.randn(found.mean.shape, generator=torch.Generator().manual_seed(seed))
        return found.mean + found.deviation * noise

    def _gaussian(self, reference: ReferenceClip, modality: Modality) -> Gaussian:
        frames = len(reference.audio) // 640
        if modality != "sound":
            if reference.expression is None or reference.motion is None or not len(reference.expression):
                raise MissingInput(
                    f"{reference.clip_id}: no coefficients of this reference clip; it shows no face, or was not fitted"
                )
            frames = min(frames, len(reference.expression))
        if frames < 1:
            raise MissingInput(f"{reference.clip_id}: the reference clip's sound is shorter than one frame")
        states = self.generator.listener.of_sound(reference.audio, frames).of_frames(frames)
        tracks = [None if x is None else x[:frames] for x in (reference.expression, reference.motion)]
        if modality == "sound":
            tracks = [None, None]
        return self.generator.priors.of_tracks(tracks[0], tracks[1], states, modality)


def _source(request: GenRequest) -> NDArray[np.uint8]:
    if request.source_image is None:
        raise MissingInput(f"{request.clip_id}: DICE-Talk needs source_image")
    return request.source_image
