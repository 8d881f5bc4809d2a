"""Judging networks with random weights, beside the code that a user would run today."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.linalg import sqrtm

from benchmarks.timing import once, seconds
from gmbench.evaluation.official import BATCH
from gmbench.evaluators import inception, syncnet
from gmbench.executor import one_thread
from metrics.frechet import frechet_distance
from tests.reference.networks import randomised


def measure(folder: Path, clips: Path | None) -> Iterator[tuple[str, str, str]]:
    """Fréchet distance, Inception and SyncNet."""
    with one_thread():
        yield from _frechet()
        yield from _inception()
        yield from _syncnet()


def _slow_frechet(x: np.ndarray, y: np.ndarray) -> float:
    a, b = np.cov(x.T), np.cov(y.T)
    shift = x.mean(0) - y.mean(0)
    return float(shift @ shift + np.trace(a) + np.trace(b) - 2 * np.trace(sqrtm(a @ b).real))


def _frechet() -> Iterator[tuple[str, str, str]]:
    rng = np.random.default_rng(0)
    for count, goal, repeat in ((800, ">= 100", 3), (4000, ">= 3", 1)):
        x, y = rng.normal(0, 1, (count, 2048)), rng.normal(0.05, 1.1, (count, 2048))
        ours, theirs = frechet_distance(x, y), _slow_frechet(x, y)
        fast = seconds(lambda: frechet_distance(x, y), repeat)  # noqa: B023
        slow = once(lambda: _slow_frechet(x, y))  # noqa: B023
        what = f"Fréchet distance, {count} features each, against SciPy's sqrtm"
        yield what, f"{slow / fast:.1f} times ({fast:.2f} s), relative difference {abs(ours / theirs - 1):.0e}", goal


def _inception() -> Iterator[tuple[str, str, str]]:
    from tests.reference.network_agreement import frames, pytorch_fid_network

    images = frames(32, 256)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inception.pth"
        torch.save(randomised(inception.FidInception()).state_dict(), path)
        ours, reference = inception.load_fid(path), pytorch_fid_network(torch.load(path, weights_only=True))

    def package_loop() -> None:
        with torch.no_grad():
            reference(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)

    def own_loop() -> None:
        for start in range(0, len(images), BATCH):
            inception.fid_features(ours, images[start : start + BATCH])

    fast, slow = seconds(own_loop, 3) / len(images), seconds(package_loop, 3) / len(images)
    yield "Inception, a frame in float32", f"{1000 * fast:.0f} ms; pytorch-fid {1000 * slow:.0f} ms", "<= pytorch-fid"


def _syncnet() -> Iterator[tuple[str, str, str]]:
    network = randomised(syncnet.SyncNet()).requires_grad_(False)
    crops = np.random.default_rng(0).integers(0, 256, (25, 224, 224, 3)).astype(np.uint8)

    def dense() -> np.ndarray:
        stream = syncnet.LipStream(network)
        for crop in crops:
            stream.add(crop)
        return stream.embeddings()

    def windows() -> np.ndarray:
        """As the published script: batches of 20 windows of five frames."""
        x = torch.from_numpy(crops[..., ::-1].copy()).float().permute(3, 0, 1, 2)
        with torch.no_grad():
            return network.lips(torch.stack([x[:, i : i + 5] for i in range(21)])).numpy()

    found, expected = dense(), windows()
    difference = np.abs(found - expected).max() / np.abs(expected).max()
    fast, slow = seconds(dense, 3), seconds(windows, 3)
    what = f"{slow / fast:.2f} times ({1000 * fast / 21:.0f} ms a window), relative difference {difference:.0e}"
    yield "SyncNet's lips over a clip, against window by window", what, ">= 1.3, < 1e-5"
