"""On a card: agreement with the CPU, trainings that go on where they stopped, two processes, the benchmark."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from gmbench.devices import networks_on, using
from gmbench.devices.asking import Network
from gmbench.devices.serving import ServedNetworks, served
from gmbench.media import Video, few_frames
from gmbench.methods.gmtalker.head import Discriminator, HeadGenerator, r1_penalty
from gmbench.methods.gmtalker.settings import Head
from gmbench.nn.training import TrainConfig, TrainState, train, training_in
from tests.evaluation.test_on_device import CORPUS, PUBLISHED, ROWS, compared, planned
from tests.media import clips as moving

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; there is none here"),
]
CARD = "cuda:0"
RELATIVE = 1e-3
"""Largest difference of a feature from the CPU's, over the largest feature: docs/gpu.md."""


def build(name):
    torch.manual_seed(0)
    return ROWS[name][0]().eval().requires_grad_(False)


@pytest.mark.parametrize("name", [name for name in ROWS if name != "lips"])
def test_features_agree_with_the_cpu(name):
    _, function, shape, kind = ROWS[name]
    rows = np.random.default_rng(0).integers(0, 256, shape).astype(torch.zeros(0, dtype=kind).numpy().dtype)
    network = Network(function, build, (name,), batch=4)
    here, there = (networks_on(device).ask(network, rows).result() for device in ("cpu", CARD))
    assert np.abs(there - here).max() <= RELATIVE * max(1e-3, np.abs(here).max())


@pytest.mark.parametrize(
    ("metrics", "changes"),
    [(PUBLISHED, {"fid_frames": 2, "pose": "tokenhpe"}), (CORPUS, {"extractors": "corpus"})],
)
def test_metrics_agree_with_the_cpu(heads, files, tmp_path, metrics, changes):
    from gmbench.evaluation.run import evaluate

    here = evaluate(planned(heads, metrics, **changes), tmp_path / "here")
    there = evaluate(planned(heads, metrics, CARD, **changes), tmp_path / "there", workers=2)
    found = compared(here, there)
    np.testing.assert_allclose(found["value_there"], found["value"], rtol=1e-2, atol=1e-3)


def _head_training(tmp_path, steps, stop=None):
    """Ten steps of the head generator's and the discriminator's losses, with the penalty at each."""
    torch.manual_seed(1)
    settings = Head(size_in=64, size_out=64, channels=dict.fromkeys((4, 8, 16, 32, 64), 8), style=6)
    generator, discriminator = HeadGenerator(settings, 3), Discriminator(settings)
    modules = torch.nn.ModuleDict({"generator": generator, "discriminator": discriminator})

    def update(step, updater):
        if step == stop:
            raise KeyboardInterrupt
        condition, real, label = updater.given(torch.rand(2, 4, 64, 64), torch.rand(2, 3, 64, 64), torch.eye(3)[:2])
        fake = generator(condition, generator.mapping(torch.randn(2, 6).to(real), label))
        penalty = r1_penalty(discriminator, real, condition[:, :3]) + discriminator(fake.detach(), real).mean()
        updater.backward_and_step(penalty, "discriminator")
        loss = (fake - real).abs().mean()
        updater.backward_and_step(loss, "generator")
        return {"l1": loss, "r1": penalty}

    optimisers = {name: torch.optim.Adam(modules[name].parameters(), 1e-3) for name in modules}
    state = TrainState(modules, optimisers, update)
    report = train(state, TrainConfig(steps, seed=3, log_every=2, checkpoint_every=0), tmp_path)
    return report, modules


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_ten_steps_of_the_head_generator(tmp_path, precision):
    with using(CARD), training_in(precision):
        report, modules = _head_training(tmp_path, 10)
    assert report.steps == 10
    assert report.peak_memory > 0
    assert all(np.isfinite(value) for row in report.log for value in row.values())
    assert {p.device.type for p in modules.parameters()} == {"cpu"}


def test_a_stopped_training_goes_on(tmp_path):
    with using(CARD):
        whole, _ = _head_training(tmp_path / "whole", 8)
        with pytest.raises(KeyboardInterrupt):
            _head_training(tmp_path / "part", 8, stop=5)
        resumed, _ = _head_training(tmp_path / "part", 8)
    for row, expected in zip(resumed.log, whole.log, strict=True):
        assert row == pytest.approx(expected, rel=1e-3)


def test_two_processes_ask_one_card():
    rows = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3)).astype(np.uint8)
    network = Network(ROWS["corpus features"][1], build, ("corpus features",), batch=16)
    expected = networks_on("cpu").ask(network, rows).result()
    with served(CARD) as address, ThreadPoolExecutor(2) as threads:
        parts = threads.map(lambda part: ServedNetworks(address).ask(network, part).result(), np.split(rows, 2))
        found = np.concatenate(list(parts))
    assert np.abs(found - expected).max() <= RELATIVE * np.abs(expected).max()


def test_frames_decoded_on_the_card_are_within_one_level(tmp_path):
    pytest.importorskip("torchcodec.decoders", exc_type=(ImportError, RuntimeError))
    clip = moving.clip(tmp_path / "clip.mp4")
    on_cpu, on_card = (few_frames(Video(clip), [0, 7, 30], reader) for reader in ("pyav", "torchcodec-cuda"))
    assert np.abs(on_card.astype(int) - on_cpu).max() <= 1


def test_the_benchmark_runs(environment):
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", CARD, "--short", "--workers", "2"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "largest relative difference of lpips_alex" in done.stdout
