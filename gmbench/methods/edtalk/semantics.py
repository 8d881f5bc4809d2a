"""Expression from tone and words; EDTalk, section 3.3, eq. 15."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.media import Audio
from gmbench.methods.edtalk.checkpoints import CHECKPOINTS
from gmbench.methods.edtalk.semantic_encoders import (
    ConvolvedSpeech,
    FeatureSpeech,
    HubertSpeech,
    RobertaText,
    SpeechEncoder,
    TextEncoder,
    WordBag,
    pretrained,
)
from gmbench.methods.edtalk.settings import Semantics

HIDDEN, EMBEDDED = 512, 256
MOST_FRAMES = 250
"""Of a clip that the network hears at once."""
SMALL: Mapping[str, type[FeatureSpeech] | type[ConvolvedSpeech]] = {
    "transformer": FeatureSpeech,
    "convolutions": ConvolvedSpeech,
}
BOTH, TEXT_ALONE = 0.5, 0.25
"""Draws from the first on keep both modalities, from the second on the text alone, below it the sound alone."""


@dataclass(frozen=True)
class SemanticBatch:
    """Padded sounds and words of B clips, with masks."""

    sound: Tensor
    heard: Tensor
    words: Tensor
    read: Tensor

    def to(self, device: torch.device) -> "SemanticBatch":
        """On a device."""
        return SemanticBatch(**{name: part.to(device) for name, part in vars(self).items()})


class SemanticNetwork(nn.Module):
    """E_S, E_T and what joins them: weights of the expression (B, n), one vector a clip.

    Args:
        settings: sizes and folders.
        audio_dim: features a frame.
        weights: n.
        configs: configurations of networks from the user's folders, by ``speech`` and ``text``.
    """

    def __init__(
        self, settings: Semantics, audio_dim: int, weights: int, configs: Mapping[str, dict[str, Any]]
    ) -> None:
        super().__init__()
        s = settings
        self.speech: SpeechEncoder = HubertSpeech(configs["speech"]) if s.speech else SMALL[s.tone](audio_dim, s)
        self.text: TextEncoder = RobertaText(configs["text"], Path(s.text)) if s.text else WordBag(s.words)
        self.of_speech, self.of_text = (
            nn.Sequential(nn.Linear(part.width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, EMBEDDED))
            for part in (self.speech, self.text)
        )
        self.weights = nn.Linear(2 * EMBEDDED, weights)

    def forward(self, batch: SemanticBatch, draws: Tensor | None = None) -> Tensor:
        """(B, n). ``draws`` (B,) in [0, 1) leave one modality's embedding zero; a clip without words has no text's."""
        speech = self.of_speech(self.speech(batch.sound, batch.heard))
        text = self.of_text(self.text(batch.words, batch.read))
        has_text = batch.read.any(1)
        with_speech, with_text = torch.ones_like(has_text), has_text
        if draws is not None:
            with_speech, with_text = kept_modalities(draws)
            with_text = with_text & has_text
        kept = ((speech, with_speech), (text, with_text))
        joined = torch.cat([torch.where(rows[:, None], part, torch.zeros_like(part)) for part, rows in kept], 1)
        return self.weights(F.relu(joined))

    def batch(self, clips: Sequence[tuple[Audio, NDArray[np.float32], str]]) -> SemanticBatch:
        """What the encoders read of clips: sounds, features (T, a) and words."""
        sounds = [self.speech.prepare(audio, features) for audio, features, _ in clips]
        return SemanticBatch(*_padded(sounds), *_padded([self.text.prepare(text) for *_, text in clips]))


def kept_modalities(draws: Tensor) -> tuple[Tensor, Tensor]:
    """Whether speech and text stay (B,), by uniform draws (B,): both in half, each alone in a quarter; eq. 15."""
    return (draws >= BOTH) | (draws < TEXT_ALONE), draws >= TEXT_ALONE


def _padded(parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    longest = max(1, *(len(part) for part in parts))
    result = parts[0].new_zeros(len(parts), longest, *parts[0].shape[1:])
    valid = torch.zeros(len(parts), longest, dtype=torch.bool)
    for row, part in enumerate(parts):
        result[row, : len(part)] = part
        valid[row, : len(part)] = True
    return result, valid


def new_network(settings: Semantics, audio_dim: int, weights: int) -> tuple[SemanticNetwork, dict[str, dict[str, Any]]]:
    """A network to be trained, with the user's networks in their places, and their configurations.

    Raises:
        WeightsError: a folder without the network.
    """
    given = {}
    for name, kind in (("speech", "hubert"), ("text", "roberta")):
        if folder := getattr(settings, name):
            given[name] = pretrained(Path(folder), kind)
    configs = {name: config for name, (config, _) in given.items()}
    network = SemanticNetwork(settings, audio_dim, weights, configs)
    for name, (_, state) in given.items():
        own = getattr(network, name).network
        own.load_state_dict({key: value for key, value in state.items() if key in own.state_dict()})
    return network, configs


class SemanticReader:
    """A trained network on a device; raises WeightsError where ``semantics`` is missing or another's."""

    def __init__(self, path: Path, device: torch.device) -> None:
        self.facts = CHECKPOINTS.read_facts(path, "semantics")
        settings = Semantics.model_validate(self.facts["settings"])
        self.network = SemanticNetwork(settings, self.facts["audio_dim"], self.facts["weights"], self.facts["configs"])
        CHECKPOINTS.load_weights(path, self.network)
        self.device = device
        self.network.to(device)

    @torch.inference_mode()
    def expression(self, audio: Audio, features: NDArray[np.float32], text: str) -> Tensor:
        """Weights (n,) of a sound, its features (T, a), and words, perhaps none; of a long sound's parts the mean."""
        count = -(-len(features) // MOST_FRAMES)
        parts = zip(np.array_split(audio, count), np.array_split(features, count), strict=True)
        return torch.cat([self.network(self.network.batch([(*part, text)]).to(self.device)) for part in parts]).mean(0)
