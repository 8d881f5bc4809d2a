"""What the corrected objective is for: components become emotions; a flow keeps both modes of a motion."""

import numpy as np
import pytest
import torch

from gmbench.methods.gmtalker import gmeg, nfmg
from gmbench.methods.gmtalker.settings import Gmeg, Nfmg
from gmbench.methods.settings import TrainingSettings

K, T, DIM, AUDIO = 8, 24, 64, 8


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
    torch.set_num_threads(1)


def _accuracy(objective: str) -> float:
    """Share of sequences generated from component k whose offset is the k-th."""
    offsets, mixing = torch.randn(K, DIM), torch.randn(AUDIO, DIM) * 0.3
    settings = Gmeg(
        width=64, heads=4, layers=(2, 2, 2), z=16, w=8, dropout=0.0, window=(T, T), objective=objective,
        train=TrainingSettings(steps=300, batch=16, rate=1e-3),
    )  # fmt: skip
    network = gmeg.ExpressionGenerator(settings, DIM, AUDIO, K, 1)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    valid, speaker = torch.ones(16, T, dtype=torch.bool), torch.zeros(16, dtype=torch.long)
    for step in range(300):
        label, audio = torch.randint(0, K, (16,)), torch.randn(16, T, AUDIO)
        beta = offsets[label][:, None] + audio @ mixing + 0.1 * torch.randn(16, T, DIM)
        weights = torch.nn.functional.one_hot(label, K).float()
        loss = gmeg.losses(network, beta, audio, valid, weights, speaker, step / 300)["total"]
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    network.eval()
    with torch.inference_mode():
        label = torch.arange(K).repeat(8)
        weights = torch.nn.functional.one_hot(label, K).float()
        z = network.sample_z(weights, torch.randn(64, settings.w), torch.randn(64, settings.z))
        condition = network.condition(z, torch.zeros(64, dtype=torch.long), weights)
        generated = network.decoder.generate(condition, torch.randn(64, T, AUDIO)).mean(1)
    return float((torch.cdist(generated, offsets).argmin(1) == label).float().mean())


@pytest.mark.slow
def test_components_become_emotions_only_with_the_corrected_objective():
    """Of six trainings with the literal objective 0 to 38 % were right: which component is whose is left to chance."""
    assert _accuracy("bound") >= 0.95
    assert _accuracy("literal") <= 0.5


NOD = 24
"""Frames of a clip in which somebody nods."""


def _nods(count: int, generator: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Motion whose pitch goes up or down at each clip's beat, and the audio that tells when, not which way."""
    motion, audio = np.zeros((count, NOD, 12), np.float32), np.zeros((count, NOD, 2), np.float32)
    beats, signs = generator.integers(6, 14, count), generator.choice([-1.0, 1.0], count)
    for n, (beat, sign) in enumerate(zip(beats, signs, strict=True)):
        motion[n, :, 0] = sign * 3 * np.exp(-(((np.arange(NOD) - beat - 4) / 4.0) ** 2))
        audio[n, beat, 0] = 5.0
    motion += generator.normal(0, 0.05, motion.shape)
    return torch.from_numpy(motion.astype(np.float32)), torch.from_numpy(audio), beats


def _peaks(flow_steps: int) -> np.ndarray:
    """Height of the sampled nods of 256 clips, after a short training; real ones are 3 or -3 high."""
    torch.manual_seed(0)
    generator = np.random.default_rng(1)
    settings = Nfmg(
        width=32, heads=4, layers=(1, 1), z=8, flow_steps=flow_steps, flow_width=32, flow_layers=1, dropout=0.0,
        window=(NOD, NOD), align_halfwidth=0,
    )  # fmt: skip
    network = nfmg.MotionGenerator(settings, 2)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for step in range(400):
        motion, audio, _ = _nods(16, generator)
        loss = nfmg.losses(network, motion, audio, torch.ones(16, NOD, dtype=torch.bool), step / 400)["total"]
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    network.eval()
    _, audio, beats = _nods(256, generator)
    with torch.inference_mode():
        z = network.sample(torch.randn(256, network.latents(NOD), settings.z))
        generated = network.decoder.generate(network.condition(z, NOD), audio)[..., 0].numpy()
    return generated[np.arange(256), beats + 4]


@pytest.mark.slow
def test_the_flow_keeps_both_ways_to_nod():
    """Of three seeds 75 to 78 % of the nods were clear with the flow, 54 to 61 % without; 34 % or more each way.

    Each frame attends to its own sound alone: with the sound around it the decoder draws nearly as many clear nods
    without a flow (83 to 84 % with it, 77 to 81 % without).
    """
    flowing, plain = _peaks(3), _peaks(0)
    assert (flowing > 1).mean() > 0.25
    assert (flowing < -1).mean() > 0.25
    assert (np.abs(flowing) > 1).mean() > 0.7 > (np.abs(plain) > 1).mean() + 0.05
    assert np.abs(plain).mean() + 0.2 < np.abs(flowing).mean()
