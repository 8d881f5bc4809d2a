"""HuBERT features at 50 Hz, by the rules of GMTalker: 20-second chunks that tile, last hidden state."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench.devices import CPU
from gmbench.devices.choice import FLOAT32, in_precision
from gmbench.errors import MediaError, WeightsError
from gmbench.extras import extra
from gmbench.media import Audio
from gmbench.store import digest, file_digest

HOP, RECEPTIVE = 320, 400
OVERLAP = RECEPTIVE - HOP
CHUNK = 320_000
"""Samples of a chunk: 1000 frames, 20 seconds; each chunk reads 80 samples more."""


@dataclass(frozen=True)
class Hubert:
    """A loaded model: ``network`` in evaluation mode on a device, ``dim`` of its features, ``sha256`` of its files."""

    network: Any
    dim: int
    sha256: str
    device: str = CPU

    def __call__(self, audio: Audio) -> NDArray[np.float16]:
        """Features (L, dim) at 50 Hz, L = floor((n - 80) / 320)."""
        import torch

        expected = frame_count(len(audio))
        signal = normalise(audio)
        parts = []
        with torch.inference_mode(), in_precision(self.device, FLOAT32):
            for start, stop in chunks(len(signal)):
                given = torch.from_numpy(signal[None, start:stop]).to(self.device)
                parts.append(self.network(given).last_hidden_state[0].float())
        features = (
            np.concatenate([part.cpu().numpy() for part in parts]) if parts else np.zeros((0, self.dim), np.float32)
        )
        if abs(len(features) - expected) > 1:
            raise MediaError(f"HuBERT gave {len(features)} frames for {len(audio)} samples, expected {expected}")
        padded = np.pad(features, ((0, max(0, expected - len(features))), (0, 0)))
        return np.asarray(padded[:expected], np.float16)


def load(folder: Path, device: str = CPU) -> Hubert:
    """Read a HuBERT saved by transformers: ``config.json`` and ``model.safetensors`` or ``pytorch_model.bin``.

    Any size works; the papers use hubert-large-ls960-ft. Nothing is fetched. A process reads the files once, and again
    when they change.

    Raises:
        WeightsError: files missing or of another architecture.
    """
    if not (folder / "config.json").exists():
        raise WeightsError(
            f"{folder}: no HuBERT here; put config.json and model.safetensors of hubert-large-ls960-ft there, "
            "or choose audio.extractor logmel"
        )
    files = sorted(path for path in folder.iterdir() if path.is_file())
    stamps = tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    return _read(folder.resolve(), stamps, device)


@functools.lru_cache(maxsize=1)
def _read(folder: Path, stamps: tuple[tuple[str, int, int], ...], device: str) -> Hubert:
    """The model of a folder whose files have these names, sizes and times, on a device."""
    import torch
    from safetensors import SafetensorError

    with extra("train"):
        from transformers import HubertModel

    try:
        network, facts = HubertModel.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, dtype=torch.float32, attn_implementation="eager"
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise WeightsError(f"{folder}: HuBERT cannot be loaded ({error})") from error
    missing = [name for name in facts["missing_keys"] if "masked_spec_embed" not in name]
    if missing:
        raise WeightsError(f"{folder}: weights are missing, for example {sorted(missing)[0]}; is it a HuBERT model?")
    network.eval().to(device)
    return Hubert(network, int(network.config.hidden_size), digest(file_digest(folder)), device)


def normalise(audio: Audio) -> NDArray[np.float32]:
    """Whole utterance to mean 0 and variance 1, before it is cut."""
    signal = np.asarray(audio, np.float32) / 32768.0
    return np.asarray((signal - signal.mean()) / np.sqrt(signal.var() + 1e-7), np.float32)


def frame_count(samples: int) -> int:
    """Frames expected of so many samples: floor((n - 80) / 320), 0 for less than one window."""
    return max(0, (samples - OVERLAP) // HOP) if samples >= RECEPTIVE else 0


def chunks(samples: int) -> list[tuple[int, int]]:
    """(start, stop) of each chunk: 20 seconds and 80 samples; a rest of at least 400 samples is a chunk of its own."""
    result = []
    start = 0
    while samples - start >= RECEPTIVE:
        result.append((start, min(samples, start + CHUNK + OVERLAP)))
        start += CHUNK
    return result


def to_video_rate(features: NDArray[np.floating], frames: int, pair: str = "mean") -> NDArray[np.float32]:
    """50-Hz features (L, d) to 25 fps: frame t takes 2 t and 2 t + 1; ``mean`` gives (T, d), ``concat`` (T, 2 d).

    The last feature repeats where the sound is short (L = 2 T - 1 is usual); what is too long is cut.

    Raises:
        ValueError: no features, or an unknown pairing.
    """
    if len(features) == 0:
        raise ValueError("no features; the sound is shorter than one window")
    if pair not in ("mean", "concat"):
        raise ValueError(f"pair must be mean or concat, got {pair!r}")
    places = np.minimum(np.arange(2 * frames), len(features) - 1)
    pairs = np.asarray(features, np.float32)[places].reshape(frames, 2, -1)
    return np.asarray(pairs.mean(axis=1) if pair == "mean" else pairs.reshape(frames, -1), np.float32)
