"""Feature extractors with random weights, beside the code that a user would run today."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.linalg import sqrtm

from benchmarks.timing import once, seconds
from gmbench.corpus.sketch import write_sketches
from gmbench.evaluation.extraction.official_extractors import BATCH
from gmbench.executor import one_thread
from gmbench.extractors import inception, syncnet
from gmbench.extractors.trunks import load_lpips
from gmbench.metrics.frechet import frechet_distance
from gmbench.weights import manifest
from tools.random_networks import coarse_pictures, pytorch_fid_network, randomised


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
    images = coarse_pictures(32, 256)
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


def measure_suite(folder: Path, clips: Path | None) -> Iterator[tuple[str, str, str]]:
    """Two methods under PSNR, SSIM, LPIPS and FID at once, against scripts that read every video for each metric."""
    import lpips
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity
    from torchvision.models import alexnet

    from gmbench.evaluation import protocol as protocols
    from gmbench.evaluation.comparison import compare
    from gmbench.evaluation.extraction import official_extractors
    from gmbench.evaluation.planning import inputs, plan
    from gmbench.media import Video

    videos = folder / "suite"
    write_sketches(videos, speakers=2, clips=1, seconds=1.6, size=256)
    inception_state = randomised(inception.FidInception()).state_dict()
    trunk = randomised(alexnet(weights=None))
    with tempfile.TemporaryDirectory() as weights:
        for name, state in (("fid_inception", inception_state), ("alexnet", trunk.state_dict())):
            torch.save(state, Path(weights) / manifest()[name].file)
        own_fid, own_trunk = (Path(weights) / manifest()[n].file for n in ("fid_inception", "alexnet"))
        loaded = inception.load_fid(own_fid)
        perceptual = {p: load_lpips("alex", own_trunk, getattr(torch, p)) for p in ("float32", "bfloat16")}
    package = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    own = trunk.features.state_dict()
    package.net.load_state_dict({n: own[n.split(".", 1)[1]] for n in package.net.state_dict()})
    network = pytorch_fid_network(inception_state)
    official_extractors._loaded = lambda load, *names, precision="float32": loaded  # type: ignore[assignment]
    official_extractors._lpips = lambda kind, name, precision: perceptual[precision]  # type: ignore[assignment]
    plan.load_path = lambda name: (Path(name), name)  # type: ignore[assignment]
    names = sorted(p.relative_to(videos / "reference") for p in (videos / "reference").rglob("*.mp4"))

    def read(side: str) -> list[np.ndarray]:
        return [frame for name in names for frame in Video(videos / side / name)]

    def tensor(frame: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 127.5 - 1

    def scripts() -> None:
        for method in ("near", "far"):
            a, b = read(method), read("reference")
            [peak_signal_noise_ratio(x, y, data_range=255) for x, y in zip(a, b, strict=True)]
            a, b = read(method), read("reference")
            [structural_similarity(x, y, channel_axis=2, data_range=255) for x, y in zip(a, b, strict=True)]
            a, b = read(method), read("reference")
            with torch.no_grad():
                [float(package(tensor(x), tensor(y))) for x, y in zip(a, b, strict=True)]
                sets = [
                    np.concatenate([network((tensor(f) + 1) / 2)[0][:, :, 0, 0] for f in read(s)])
                    for s in (method, "reference")
                ]
            _slow_frechet(*sets)

    def suite(metrics: list[str], precision: str, store: str) -> float:
        given = inputs.gather([str(videos / m) for m in ("near", "far")], reference=videos / "reference")
        chosen = protocols.load("full", landmarks="sidecar", pose="pnp", precision=precision)
        return once(lambda: compare(given, chosen, metrics, store=folder / store))

    every = ["psnr", "ssim_u7", "lpips_alex", "fid"]
    with one_thread():
        suite(every, "float32", "warm")
        fast, slow = suite(every, "float32", "suite"), once(scripts)
        yield (
            "PSNR, SSIM, LPIPS, FID of two methods, against separate scripts",
            f"{slow / fast:.2f} times",
            ">= 1.4",
        )
        exact, lower = suite(["lpips_alex"], "float32", "exact"), suite(["lpips_alex"], "bfloat16", "lower")
        yield "LPIPS in bfloat16 against float32", f"{exact / lower:.2f} times", ""


def measure_precision(folder: Path, clips: Path | None) -> Iterator[tuple[str, str, str]]:
    """What bfloat16 gains and costs, network by network, with random weights."""
    from gmbench.extractors import emotion_fan

    chips = coarse_pictures(16, 224, 1)
    with one_thread():
        fan = randomised(emotion_fan.EmotionFan())
        found = {}
        for kind in (torch.float32, torch.bfloat16):
            network = fan.to(kind)
            features = emotion_fan.frame_features(network, chips)
            logits = emotion_fan.clip_logits(network, features, released=True)
            probability = np.exp(logits - logits.max())
            time = seconds(lambda: emotion_fan.frame_features(network, chips), 3)  # noqa: B023
            found[kind] = probability / probability.sum(), time
        (p, slow), (q, fast) = found.values()
        yield "Emotion-FAN in bfloat16", f"{slow / fast:.2f} times, probabilities off by {np.abs(p - q).max():.0e}", ""
        sync = randomised(syncnet.SyncNet())
        crops = np.random.default_rng(0).integers(0, 256, (15, 224, 224, 3)).astype(np.uint8)
        result = {}
        for kind in (torch.float32, torch.bfloat16):
            network = sync.to(kind)

            def run() -> np.ndarray:
                stream = syncnet.LipStream(network)  # noqa: B023
                for crop in crops:
                    stream.add(crop)
                return stream.embeddings()

            result[kind] = run(), seconds(run, 3)
        (v, slow), (w, fast) = result.values()
        off = np.abs(v - w).max() / np.abs(v).max()
        yield "SyncNet's lips in bfloat16", f"{slow / fast:.2f} times, embeddings off by {off:.0e} of the largest", ""
