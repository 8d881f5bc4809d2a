"""GMTalker's numbers, pinned: a few steps of each network from a fixed seed give the weights they always gave.

A change that moves these moves every trained system: raise the version of the checkpoints and of the jobs.
"""

import numpy as np
import pytest
import torch
from safetensors.torch import load

from gmbench.methods.gmtalker.head_training import train_head
from gmbench.methods.gmtalker.pictures import Pictures
from gmbench.methods.gmtalker.settings import Gmeg, Head, Nfmg
from gmbench.methods.gmtalker.training import train_gmeg, train_nfmg
from gmbench.methods.settings import TrainingSettings
from gmbench.methods.tracks import ClipTracks

AUDIO = {"extractor": "logmel", "pair": "concat", "weights": "", "audio_dim": 6}
EMOTIONS = ("angry", "neutral", "sad")
TRAIN = TrainingSettings(steps=5, batch=4, rate=1e-3)
EXPECTED = {
    "gmeg": [0.1329174086159918, 0.012399596059118228],
    "gmeg total": 8.071990966796875,
    "pretrained": [0.15032211653834324, -0.0013536868613362122],
    "nfmg": [0.15053573942685397, -0.003086483064019586],
    "nfmg total": 34.240257263183594,
    "head": [0.7839264525852112, -1.388910149350897],
    "head r1": 6.636791658820584e-05,
}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def _clips() -> list[ClipTracks]:
    generator = np.random.default_rng(5)
    clips = []
    for number in range(6):
        frames = 18 + 2 * number
        tracks = (generator.normal(0, 1, (frames, width)).astype(np.float32) for width in (9, 12, 6))
        clips.append(ClipTracks(f"c{number}", "MW"[number % 2], EMOTIONS[number % 3], 1 + number % 3, *tracks))
    return clips


def _summary(file: bytes) -> list[float]:
    """Mean magnitude of the weights, and a sum in which each weight has a factor of its own."""
    state = load(file)
    weights = [state[name].double().flatten() for name in sorted(state) if not name.startswith("constant.mask")]
    flat = torch.cat(weights)
    factors = torch.cos(torch.arange(len(flat), dtype=torch.float64))
    return [float(flat.abs().mean()), float((flat * factors).sum() / len(flat) ** 0.5)]


def test_expression_generator():
    settings = Gmeg(
        width=16, heads=4, layers=(1, 1, 1), z=6, w=4, window=(12, 20), audio_frames=3, intensity="neutral_mix",
        train=TRAIN,
    )  # fmt: skip
    file, report = train_gmeg(_clips(), EMOTIONS, AUDIO, settings, 3)
    assert _summary(file) == pytest.approx(EXPECTED["gmeg"], rel=1e-4)
    assert report.log[-1]["total"] == pytest.approx(EXPECTED["gmeg total"], rel=1e-4)


def test_motion_generator(tmp_path):
    settings = Nfmg(width=16, heads=4, layers=(1, 1), z=4, flow_steps=2, flow_width=8, flow_layers=1, window=(12, 20))
    general, _ = train_nfmg(_clips(), AUDIO, settings, TRAIN, 3)
    assert _summary(general) == pytest.approx(EXPECTED["pretrained"], rel=1e-4)
    start = tmp_path / "start.safetensors"
    start.write_bytes(general)
    file, report = train_nfmg(_clips(), AUDIO, settings, TRAIN, 3, start)
    assert _summary(file) == pytest.approx(EXPECTED["nfmg"], rel=1e-4)
    assert report.log[-1]["total"] == pytest.approx(EXPECTED["nfmg total"], rel=1e-4)
    assert report.log[-1]["nats_train"] != report.log[-1]["nats_held_out"]


def test_head_generator():
    generator = np.random.default_rng(6)
    frames, renders = (generator.integers(0, 256, (8, 64, 64, 3), dtype=np.uint8) for _ in range(2))
    masks = generator.integers(0, 256, (8, 64, 64), dtype=np.uint8)
    rho = generator.normal(0, 1, (8, 12)).astype(np.float32)
    pictures = Pictures(frames, renders, masks, rho, tuple(EMOTIONS[n % 3] for n in range(8)))
    settings = Head(
        size_in=64, size_out=64, channels=dict.fromkeys((4, 8, 16, 32, 64), 8), style=6, perceptual="randconv", ema=0.9,
        face=1.0, r1_every=2, train=TrainingSettings(steps=4, batch=4, rate=2e-3),
    )  # fmt: skip
    file, report = train_head(pictures, EMOTIONS, {"shape": np.ones(3, np.float32)}, settings, 3)
    assert _summary(file) == pytest.approx(EXPECTED["head"], rel=1e-4)
    assert report.log[2]["r1"] == pytest.approx(EXPECTED["head r1"], rel=1e-3)
