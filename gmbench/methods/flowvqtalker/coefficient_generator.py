"""Both flows, loaded: sound, label and source image's coefficients to expressions and poses."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmbench.errors import WeightsError
from gmbench.methods.expression_code import ExpressionCode
from gmbench.methods.flowvqtalker import sampling
from gmbench.methods.flowvqtalker.checkpoints import CHECKPOINTS
from gmbench.methods.flowvqtalker.flows import POSE, ExpressionFlow, HeadPoseFlow
from gmbench.methods.flowvqtalker.settings import ExpFlow, PoseFlow, Sampling
from gmbench.methods.scaling import Scale

Floats = NDArray[np.float32]


class CoefficientGenerator:
    """Expressions as codes (T, 64), see :class:`ExpressionCode`, and poses (T, 6) around their mean.

    Args:
        folder: of ``expflow.safetensors`` and ``poseflow.safetensors``.
        settings: how latents are drawn.

    Raises:
        WeightsError: a file is missing or another's.
    """

    def __init__(self, folder: Path, settings: Sampling) -> None:
        self.settings = settings
        path = folder / "expflow.safetensors"
        self.facts: dict[str, Any] = CHECKPOINTS.read_facts(path, "expflow")
        self.emotions: list[str] = self.facts["emotions"]
        self.expflow = ExpressionFlow(
            ExpFlow.model_validate(self.facts["settings"]), self.facts["audio_dim"], len(self.emotions) + 1
        )
        constants = CHECKPOINTS.load_weights(path, self.expflow)
        self.code = ExpressionCode.of_constants(constants)
        self.neutral = torch.from_numpy(constants["neutral"])
        self.stored = sampling.StoredLatents(
            torch.from_numpy(constants["latents"]), torch.from_numpy(constants["latent_classes"])
        )
        path = folder / "poseflow.safetensors"
        facts = CHECKPOINTS.read_facts(path, "poseflow")
        if facts["audio"] != self.facts["audio"]:
            raise WeightsError(f"{path}: trained on other audio features than expflow; train flowvqtalker again")
        self.poseflow = HeadPoseFlow(PoseFlow.model_validate(facts["settings"]), facts["audio_dim"])
        constants = CHECKPOINTS.load_weights(path, self.poseflow)
        self.pose_scale = Scale(constants["mean"], constants["deviation"])

    def classes(self, weights: Floats) -> Floats:
        """Weights (..., C) of emotions and 'none' from weights (..., K) of the emotions."""
        return np.concatenate([weights, np.zeros_like(weights[..., :1])], -1)

    def noise(self, frames: int, seed: int, temperature: float = 1.0) -> Tensor:
        """(T, 64) that is added to the components' means."""
        generator = torch.Generator().manual_seed(seed)
        degrees, size = self.expflow.prior.degrees, self.expflow.prior.means.shape[1]
        return sampling.draw_noise(frames, size, degrees, self.settings, generator, temperature)

    @torch.inference_mode()
    def expressions(self, audio: Floats, weights: Floats, source: Floats, noise: Tensor) -> Floats:
        """Codes (T, 64) of features (T, a), emotion weights (T, K), the source's code (64,) and a noise (T, 64)."""
        label = torch.from_numpy(self.classes(weights))
        z = sampling.emotional_latents(self.expflow, label, noise, self.stored, self.settings)
        return self._decode(z, audio, label, source)

    @torch.inference_mode()
    def transferred(
        self, audio: Floats, reference: Floats, reference_audio: Floats, source: Floats, emotion: str = ""
    ) -> tuple[Floats, str]:
        """Codes (T, 64) with the emotion of a reference, and the class that it was taken for.

        Args:
            audio: (T, a) what is said.
            reference, reference_audio: (R, 64) codes and (R, a) features of the clip that shows the emotion.
            source: (64,) code of the source image.
            emotion: label of the reference; the class of highest likelihood where it is empty.
        """
        number = self.emotions.index(emotion or self.likeliest(reference, reference_audio))
        rows, sound = torch.from_numpy(reference), torch.from_numpy(reference_audio)
        how = self.settings.transfer
        z = sampling.transferred_latents(self.expflow, rows, sound, number, self._source_of(rows), len(audio), how)
        label = torch.zeros(len(audio), len(self.emotions) + 1)
        label[:, number] = 1
        return self._decode(z, audio, label, source), self.emotions[number]

    @torch.inference_mode()
    def likeliest(self, codes: Floats, audio: Floats) -> str:
        """The emotion under which a real clip's codes (T, 64) with its features (T, a) are likeliest."""
        rows, known = torch.from_numpy(codes), list(range(len(self.emotions)))
        sound = torch.from_numpy(audio)
        number = sampling.most_likely_class(self.expflow, rows, sound, self._source_of(rows), known)
        return self.emotions[number]

    @torch.inference_mode()
    def posterior(self, codes: Floats, audio: Floats, emotion: str) -> Floats:
        """Latents (T, 64) of a real clip's codes (T, 64) and features (T, a) under a label."""
        rows, number = torch.from_numpy(codes), self.emotions.index(emotion)
        sound = torch.from_numpy(audio)
        return sampling.transferred_latents(self.expflow, rows, sound, number, self._source_of(rows), len(rows)).numpy()

    @torch.inference_mode()
    def log_likelihood(self, codes: Floats, audio: Floats, number: int, source: Floats) -> float:
        """log p of codes (T, 64) under features (T, a), a class and a source's code (64,), per frame and number."""
        rows, sound, first = torch.from_numpy(codes), torch.from_numpy(audio), torch.from_numpy(source)
        return float(sampling.sequence_likelihoods(self.expflow, rows, sound, first, [number])) / codes.size

    @torch.inference_mode()
    def poses(self, audio: Floats, seed: int, temperature: float = 1.0) -> Floats:
        """Poses (T, 6) around their mean, in radians and the model's units, of features (T, a)."""
        generator = torch.Generator().manual_seed(seed)
        z = sampling.draw_noise(len(audio), POSE, float("inf"), self.settings, generator, temperature)
        s, classes = self.poseflow.settings, torch.zeros(len(audio), dtype=torch.int64)
        sound = torch.from_numpy(audio)
        track = sampling.generate_track(self.poseflow.decode, z, sound, classes, s.history, s.audio_halfwidth)
        return self.pose_scale.restore(track.numpy())

    def _source_of(self, reference: Tensor) -> Tensor:
        """Code (64,) that stands for the source image of a reference (R, 64)."""
        return reference[0] if self.settings.reference_source == "own" else self.neutral

    def _decode(self, z: Tensor, audio: Floats, label: Tensor, source: Floats) -> Floats:
        s = self.expflow.settings
        track = sampling.generate_track(
            self.expflow.decode, z, torch.from_numpy(audio), label.argmax(1), s.history, s.audio_halfwidth,
            torch.from_numpy(source), label,
        )  # fmt: skip
        return np.asarray(track.numpy())
