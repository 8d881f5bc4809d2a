"""States of Whisper's encoder at 50 Hz, of all its layers: DICE-Talk's view of speech at the paper's sizes."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench.devices import CPU
from gmbench.devices.choice import FLOAT32, in_precision
from gmbench.errors import WeightsError
from gmbench.extras import extra
from gmbench.media import Audio
from gmbench.store import digest, file_digest

RATE, HOP = 16_000, 320


@dataclass(frozen=True)
class Whisper:
    """A loaded model: its encoder on a device, ``layers`` with the embedding, ``dim``, ``sha256`` of its files."""

    network: Any
    features: Any
    layers: int
    dim: int
    sha256: str
    device: str = CPU

    def __call__(self, audio: Audio) -> NDArray[np.float16]:
        """States (L, layers, dim) at 50 Hz of int16 samples at 16 kHz; L = ceil(n / 320).

        The encoder hears as long as its positions last (Whisper's 1,500 states are 30 seconds); longer sounds are cut
        into such pieces, which tile.
        """
        import torch

        positions = int(self.network.config.max_source_positions)
        signal = np.asarray(audio, np.float32) / 32768.0
        parts = []
        with torch.inference_mode(), in_precision(self.device, FLOAT32):
            for start in range(0, len(signal), positions * HOP):
                piece = signal[start : start + positions * HOP]
                mel = self.features(piece, sampling_rate=RATE, return_tensors="pt").input_features
                hidden = self.network(
                    mel[..., : 2 * positions].to(self.device), output_hidden_states=True
                ).hidden_states
                states = torch.stack(hidden, 2)[0, : -(-len(piece) // HOP)]  # (L, layers, dim)
                parts.append(states.cpu().numpy().astype(np.float16))
        return np.concatenate(parts) if parts else np.zeros((0, self.layers, self.dim), np.float16)


def load(folder: Path, device: str = CPU) -> Whisper:
    """Read a Whisper saved by transformers; any size works, the paper's is whisper-tiny. Nothing is fetched.

    Raises:
        WeightsError: files missing or of another architecture.
    """
    if not (folder / "config.json").is_file():
        raise WeightsError(f"{folder}: no Whisper here; put config.json and model.safetensors of whisper-tiny there")
    files = sorted(path for path in folder.iterdir() if path.is_file())
    stamps = tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    return _read(folder.resolve(), stamps, device)


@functools.lru_cache(maxsize=1)
def _read(folder: Path, stamps: tuple[tuple[str, int, int], ...], device: str) -> Whisper:
    """The model of a folder whose files have these names, sizes and times, on a device."""
    import torch
    from safetensors import SafetensorError

    with extra("train"):
        from transformers import WhisperFeatureExtractor, WhisperModel

    try:
        model, facts = WhisperModel.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, dtype=torch.float32
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise WeightsError(f"{folder}: Whisper cannot be loaded ({error})") from error
    if missing := sorted(name for name in facts["missing_keys"] if "encoder" in name):
        raise WeightsError(f"{folder}: weights are missing, for example {missing[0]}; is it a Whisper model?")
    encoder = model.get_encoder().eval().to(device)
    seconds = encoder.config.max_source_positions * HOP // RATE
    features = WhisperFeatureExtractor(feature_size=encoder.config.num_mel_bins, chunk_length=seconds)
    layers = int(encoder.config.encoder_layers) + 1
    return Whisper(encoder, features, layers, int(encoder.config.d_model), digest(file_digest(folder)), device)
