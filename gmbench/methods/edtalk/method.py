"""EDTalk as a method: loads what training wrote, and moves a picture by videos, sound, words or labels."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from gmbench.audio.spectra import mel_spectrogram, mel_windows
from gmbench.devices import current, using
from gmbench.media import SAMPLES_PER_FRAME, Audio, Frames
from gmbench.methods.edtalk.animator import Encoded
from gmbench.methods.edtalk.card import CARD, INTERPOLATIONS
from gmbench.methods.edtalk.drivers import driven_weights, signed, video_weights
from gmbench.methods.edtalk.expression_training import load_whole
from gmbench.methods.edtalk.jobs import GENERATION, fit_all
from gmbench.methods.edtalk.lips import LipEncoder, load_lips, smooth
from gmbench.methods.edtalk.pose import PoseSampler
from gmbench.methods.edtalk.semantics import SemanticReader
from gmbench.methods.edtalk.settings import ABLATIONS, SPACES, Generation, Settings
from gmbench.methods.features import audio_features
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
from gmbench.names import closest
from gmbench.nn.pictures import to_bytes

Floats = NDArray[np.float32]
BATCH = 8
"""Frames that are drawn at once."""
MEL_BATCH = 256


class EDTalk:
    """The whole system below one folder: ``expression`` (the animator), ``lips``, ``posemotion``, ``semantics``."""

    card = CARD
    speakers: Sequence[str] = ()
    modalities: Sequence[str] = ("face", "sound")

    def __init__(self) -> None:
        self.folder = Path()
        self._heard: tuple[Audio, Floats] | None = None

    def settings(self, given: Mapping[str, Any], ablations: Sequence[str] = ()) -> Settings:
        """The configuration's values, then what the ablations change."""
        return read_settings(Settings, "edtalk", given, [ABLATIONS[name] for name in ablations])

    def fit(
        self, dataset: PreparedDataset, pretraining: PreparedDataset, out_dir: Path, settings: Settings, seed: int,
        context: TrainingContext,
        stages: Sequence[str] | None = None,
    ) -> FitReport:  # fmt: skip
        """All networks, side by side where none waits for another; see :mod:`gmbench.methods.edtalk.jobs`."""
        return fit_all(dataset, pretraining, out_dir, settings, seed, context, stages)

    def load(self, checkpoint_dir: Path) -> None:
        """Read the animator; networks that hear and read are read when they are first asked."""
        self.folder = checkpoint_dir
        path = checkpoint_dir / GENERATION
        given = json.loads(path.read_text("utf-8")) if path.exists() else {}
        self.generation = Generation.model_validate(given)
        self.device = torch.device(current())
        self.whole = load_whole(checkpoint_dir / "expression.safetensors")
        self.whole.network.to(self.device)
        self.emotions: list[str] = list(self.whole.emotions)

    @cached_property
    def lips(self) -> LipEncoder:
        """Mouth from sound."""
        return load_lips(self.folder / "lips.safetensors").to(self.device)

    @cached_property
    def poses(self) -> PoseSampler:
        """Pose from sound; on the CPU, since each frame waits for the one before."""
        return PoseSampler(self.folder / "posemotion.safetensors")

    @cached_property
    def semantics(self) -> SemanticReader:
        """Expression from tone and words."""
        return SemanticReader(self.folder / "semantics.safetensors", self.device)

    def generate(self, request: GenRequest) -> GenResult:
        """A video of any length; ``meta`` says what gave mouth, pose and expression."""
        check_request(self.card, request)
        source, weights, meta = self._weights(request)
        return GenResult(self._frames(source, weights), meta={"seed": request.seed, **meta})

    def interpolate(
        self, request: GenRequest, emotion_a: EmotionSpec, emotion_b: EmotionSpec, steps: int, way: str = "weights"
    ) -> list[GenResult]:
        """One picture a step: the middle of the request's sound, in the source's pose."""
        if way not in (names := [known.name for known in INTERPOLATIONS]):
            raise NotSupported(f"EDTalk has no way {way!r} between emotions; {closest(way, names)}")
        check_request(self.card, request)
        source = self._source(request)
        middle = request.frames // 2
        mouth = self._mouth(request)[middle : middle + 1]
        ends = [emotion.vector(self.emotions) @ self.whole.labels for emotion in (emotion_a, emotion_b)]
        results = []
        for n in range(steps):
            alpha = n / (steps - 1)
            expression = self._given(((1 - alpha) * ends[0] + alpha * ends[1]).astype(np.float32))[None]
            weights = {"mouth": mouth, "pose": self._own(source, "pose"), "expression": expression}
            results.append(GenResult(self._frames(source, weights), meta={"alpha": alpha}))
        return results

    def embed_emotion(self, request: GenRequest) -> Floats:
        """Mean weights (n,) of the expression that the request asks for."""
        if (film := _films(request).get("expression")) is not None:
            found = driven_weights(self.whole.network, {"expression": film}, request.frames, self.whole.window)
            return np.asarray(found["expression"].mean(axis=0))
        return np.asarray(self._expression(request)[0].mean(0).cpu().numpy())

    def embed_clip(self, reference: ReferenceClip, modality: str) -> Floats:
        """Mean weights (n,) of the expression that a clip shows (``face``), or sounds like (``sound``)."""
        if modality not in self.modalities:
            raise NotSupported(f"EDTalk embeds clips by {', '.join(self.modalities)}, not by {modality!r}")
        if modality == "face":
            found = video_weights(self.whole.network, reference.video, ("expression",))["expression"]
            return np.asarray(found.mean(axis=0))
        features = self._features_of(reference.audio)
        return np.asarray(self.semantics.expression(reference.audio, features, "").cpu().numpy())

    def _weights(self, request: GenRequest) -> tuple[Encoded, dict[str, torch.Tensor], dict[str, str]]:
        """The source, weights (T, n) by space, and what gave each."""
        source = self._source(request)
        found = driven_weights(self.whole.network, _films(request), request.frames, self.whole.window)
        weights = {name: self._given(track) for name, track in found.items()}
        meta = dict.fromkeys(weights, "video")
        if "mouth" in weights:
            weights["mouth"] = self._further(source, weights["mouth"])
        else:
            weights["mouth"], meta["mouth"] = self._mouth(request), "sound"
        if "pose" not in weights:
            weights["pose"], meta["pose"] = self._pose(request) + self._own(source, "pose"), "sound"
        if "expression" not in weights:
            weights["expression"], meta["expression"] = self._expression(request)
        return source, {name: weights[name] for name in SPACES}, meta

    @torch.inference_mode()
    def _source(self, request: GenRequest) -> Encoded:
        if request.source_image is None:
            raise MissingInput(f"{request.clip_id}: EDTalk needs source_image")
        return self.whole.network.encoder(signed(self.whole.network, [request.source_image]).to(self.device))

    @torch.inference_mode()
    def _own(self, source: Encoded, name: str) -> torch.Tensor:
        """The source's own weights (1, n) in a space."""
        return self.whole.network.spaces.weights(source.latents, (name,))[name]

    def _further(self, source: Encoded, mouth: torch.Tensor) -> torch.Tensor:
        """Weights (T, n) of a mouth that a video drives, further from the source's own than the video's by the gain."""
        if (gain := self.generation.driven_mouth_gain) == 1:
            return mouth
        own = self._own(source, "mouth")
        return own + gain * (mouth - own)

    @torch.inference_mode()
    def _mouth(self, request: GenRequest) -> torch.Tensor:
        """Weights (T, n) of the mouth from sound."""
        windows = torch.from_numpy(mel_windows(mel_spectrogram(request.audio), request.frames))
        weights = torch.cat([self.lips(part.to(self.device)) for part in windows.split(MEL_BATCH)])
        return smooth(weights) if self.generation.smooth else weights

    def _pose(self, request: GenRequest) -> torch.Tensor:
        """Weights (T, n) of the pose from sound, relative to their mean."""
        temperature = 1.0 if request.temperature is None else request.temperature
        found = self.poses.sample(self._features(request), request.seed, temperature, self.generation.persistence)
        if width := self.generation.pose_smoothing:
            found = torch.from_numpy(gaussian_filter1d(found.numpy(), width, axis=0, mode="nearest"))
        return found.to(self.device)

    def _expression(self, request: GenRequest) -> tuple[torch.Tensor, str]:
        """Weights (T, n) of the expression without a video: of a label, or of tone and words."""
        if request.emotion.weights:
            first = request.emotion.vector(self.emotions)
            last = first if request.emotion_end is None else request.emotion_end.vector(self.emotions)
            share = np.linspace(0, 1, request.frames, dtype=np.float32)[:, None]
            mixed = ((1 - share) * first + share * last) @ self.whole.labels
            return self._given(np.asarray(mixed, np.float32)), "label"
        found = self.semantics.expression(request.audio, self._features(request), request.transcript)
        return found.expand(request.frames, -1), "sound and words" if request.transcript else "sound"

    def _given(self, values: Floats) -> torch.Tensor:
        """An array on the device."""
        return torch.from_numpy(values).to(self.device)

    def _features(self, request: GenRequest) -> Floats:
        """Features (T, a) of the request's sound; the last ones are kept, since two networks ask for them."""
        if self._heard is None or self._heard[0] is not request.audio:
            self._heard = request.audio, self._features_of(request.audio)
        return self._heard[1]

    def _features_of(self, audio: Audio) -> Floats:
        with using(str(self.device)):
            return audio_features(audio, len(audio) // SAMPLES_PER_FRAME, self.poses.facts["audio"], self.card.title)

    def _frames(self, source: Encoded, weights: Mapping[str, torch.Tensor]) -> Iterator[Frames]:
        network, count = self.whole.network, len(next(iter(weights.values())))
        for first in range(0, count, BATCH):
            part = {name: track[first : first + BATCH] for name, track in weights.items()}
            rows = torch.zeros(min(BATCH, count - first), dtype=torch.int64, device=self.device)
            with torch.inference_mode():
                pictures = to_bytes(network.draw(source.take(rows), part).pictures).cpu().numpy()
            yield from pictures


def _films(request: GenRequest) -> dict[str, Path]:
    """Videos that drive spaces: the request's drivers, and the clip that shows the emotion."""
    films: dict[str, Path] = {}
    for name in SPACES if request.drivers is not None else ():
        if (path := getattr(request.drivers, name)) is not None:
            films[name] = path
    if request.emotion.clip is not None:
        films.setdefault("expression", request.emotion.clip)
    return films
