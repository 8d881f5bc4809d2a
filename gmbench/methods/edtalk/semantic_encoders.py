"""Encoders of tone and words: those of the paper from the user's folders, or small ones; EDTalk, section 3.3.

Each encoder has ``width``, gives (B, width) of padded inputs and a mask, and prepares one clip's input.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gmbench.errors import WeightsError
from gmbench.extras import extra
from gmbench.media import Audio
from gmbench.methods.edtalk.settings import Semantics
from gmbench.methods.edtalk.sounds import word_places
from gmbench.nn.transformer import TransformerEncoder, masked_mean, sinusoid

BAG_SIZE = 64
KERNEL = 5
FULL_SCALE = 32768.0
MOST_TOKENS = 512


class FeatureSpeech(nn.Module):
    """Mean of a transformer over audio features (B, T, a): (B, width)."""

    def __init__(self, audio_dim: int, settings: Semantics) -> None:
        super().__init__()
        self.width = settings.width
        self.input = nn.Linear(audio_dim, self.width)
        self.encoder = TransformerEncoder(self.width, settings.heads, settings.layers)

    def forward(self, sound: Tensor, valid: Tensor) -> Tensor:
        """(B, width); ``valid`` (B, T) bool."""
        x = self.input(sound) + sinusoid(sound.shape[1], self.width, sound.device).to(sound)
        return masked_mean(self.encoder(x, valid), valid)

    def prepare(self, audio: Audio, features: NDArray[np.float32]) -> Tensor:
        """(T, a): the features."""
        return torch.from_numpy(np.asarray(features, np.float32))


class ConvolvedSpeech(nn.Module):
    """Mean of convolutions over audio features (B, T, a): (B, width); where in a clip a frame is plays no part."""

    def __init__(self, audio_dim: int, settings: Semantics) -> None:
        super().__init__()
        self.width = settings.width
        inputs = (audio_dim, *[self.width] * (settings.layers - 1))
        self.layers = nn.ModuleList([nn.Conv1d(n, self.width, KERNEL, padding=KERNEL // 2) for n in inputs])
        self.norms = nn.ModuleList([nn.LayerNorm(self.width) for _ in inputs])

    def forward(self, sound: Tensor, valid: Tensor) -> Tensor:
        """(B, width); ``valid`` (B, T) bool."""
        kept, x = valid[..., None].to(sound), sound
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.silu(norm(layer((x * kept).transpose(1, 2)).transpose(1, 2)))
        return masked_mean(x, valid)

    def prepare(self, audio: Audio, features: NDArray[np.float32]) -> Tensor:
        """(T, a): the features."""
        return torch.from_numpy(np.asarray(features, np.float32))


class HubertSpeech(nn.Module):
    """Mean of a HuBERT's last states over a waveform (B, n): (B, width). Its convolutions stay frozen.

    Args:
        config: of transformers, as a mapping.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        with extra("train"):
            from transformers import HubertConfig, HubertModel

        fixed = {"apply_spec_augment": False, "layerdrop": 0.0}  # both draw outside of torch's seeded generator
        self.network = HubertModel(HubertConfig.from_dict(config | fixed))
        self.network.feature_extractor.requires_grad_(False)
        self.width = int(self.network.config.hidden_size)

    def forward(self, sound: Tensor, valid: Tensor) -> Tensor:
        """(B, width); ``valid`` (B, n) bool."""
        states = self.network(sound, attention_mask=valid.long()).last_hidden_state
        kept = F.interpolate(valid[:, None].float(), states.shape[1])[:, 0] > 0.5
        return masked_mean(states, kept)

    def prepare(self, audio: Audio, features: NDArray[np.float32]) -> Tensor:
        """(n,): samples with mean 0 and deviation 1."""
        samples = torch.from_numpy(np.asarray(audio, np.float32) / FULL_SCALE)
        return (samples - samples.mean()) / torch.sqrt(samples.var(unbiased=False) + 1e-7)


class WordBag(nn.Module):
    """Mean of the vectors of hashed words (B, L): (B, 64); words are numbered from 1 on."""

    def __init__(self, places: int) -> None:
        super().__init__()
        self.width, self.places = BAG_SIZE, places
        self.words = nn.Embedding(places + 1, BAG_SIZE, padding_idx=0)

    def forward(self, words: Tensor, valid: Tensor) -> Tensor:
        """(B, 64); zeros without words."""
        total = (self.words(words) * valid[..., None].to(self.words.weight)).sum(1)
        return total / valid.sum(1, keepdim=True).clamp_min(1).to(total)

    def prepare(self, text: str) -> Tensor:
        """(L,) numbers of the words."""
        return torch.tensor([place + 1 for place in word_places(text, self.places)], dtype=torch.int64)


class RobertaText(nn.Module):
    """The first token's state of a RoBERTa over tokens (B, L): (B, width).

    Args:
        config: of transformers, as a mapping.
        folder: of the tokenizer's files.
    """

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        super().__init__()
        with extra("train"):
            from transformers import RobertaConfig, RobertaModel

        self.network = RobertaModel(RobertaConfig.from_dict(config), add_pooling_layer=False)
        self.width, self.folder = int(self.network.config.hidden_size), folder
        self._tokenizer: Any = None

    def forward(self, words: Tensor, valid: Tensor) -> Tensor:
        """(B, width)."""
        return self.network(input_ids=words, attention_mask=valid.long()).last_hidden_state[:, 0]

    def prepare(self, text: str) -> Tensor:
        """(L,) tokens; raises WeightsError where the tokenizer's files are gone."""
        if not text.strip():
            return torch.zeros(0, dtype=torch.int64)
        if self._tokenizer is None:
            from transformers import AutoTokenizer

            try:
                self._tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
            except (OSError, ValueError) as error:
                raise WeightsError(f"{self.folder}: no tokenizer of a RoBERTa here ({error})") from error
        numbers = self._tokenizer(text, truncation=True, max_length=MOST_TOKENS)["input_ids"]
        return torch.tensor(numbers, dtype=torch.int64)


SpeechEncoder = FeatureSpeech | ConvolvedSpeech | HubertSpeech
TextEncoder = WordBag | RobertaText


def pretrained(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and weights of a HuBERT (``hubert``) or a RoBERTa (``roberta``) that transformers saved.

    Raises:
        WeightsError: no such network in the folder.
    """
    with extra("train"):
        from transformers import AutoModel

    try:
        network = AutoModel.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder}: no {kind} here, saved by transformers ({error})") from error
    if network.config.model_type != kind:
        raise WeightsError(f"{folder}: expected a {kind}, got a {network.config.model_type}")
    return network.config.to_dict(), network.state_dict()
