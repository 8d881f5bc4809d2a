"""What a GPU gives: ``python -m benchmarks.gpu [--device cuda:0] [--workers N] [--short]``.

Needs no files and no network: clips are sketched, weights are random. Prints a table: bare throughput of each network
beside what it reaches through gmbench from frames in memory, the judged suite on the GPU and on all cores with the
largest difference of each metric, training steps of GMTalker's networks with their memory, and generation. Under four
minutes on one card; ``--short`` takes a few clips, to try the script itself, also with ``--device cpu``.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torchvision.models import alexnet

from gmbench.corpus.sketch import write_sketches
from gmbench.devices import choice, networks_on, using
from gmbench.devices.asking import Network
from gmbench.evaluation.planning import inputs
from gmbench.evaluation.planning.plan import make_plan
from gmbench.evaluation.protocol import Protocol, load
from gmbench.evaluation.run import evaluate
from gmbench.evaluation.scoring import registry
from gmbench.extractors import affectnet, emotion_fan, inception, s3fd, syncnet, trunks
from gmbench.methods.gmtalker import gmeg, nfmg
from gmbench.methods.gmtalker.head import Discriminator, HeadGenerator, r1_penalty
from gmbench.methods.gmtalker.settings import Gmeg, Head, Nfmg
from gmbench.weights import declarations, manifest
from tools.random_networks import randomised

SUITE = ["psnr", "ssim", "lpips_alex", "fid", "sync_c", "acc_emo", "emo_prob"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--short", action="store_true")
    arguments = parser.parse_args()
    if arguments.device != "cpu" and not choice.count(choice.kind_of(arguments.device)):
        sys.exit(f"no {arguments.device} here: nothing to measure")
    device = choice.dealt(arguments.device, 0)
    named = [card for card in choice.cards() if card.device == device]
    print(f"{named[0].name if named else 'CPU'}, {os.cpu_count()} cores, torch {torch.__version__}\n")
    print("| what | measured | goal |\n|---|---:|---:|")
    with tempfile.TemporaryDirectory() as folder, random_weights(Path(folder) / "weights"):
        for rows in (
            throughputs(device, arguments.short),
            suite(device, arguments.workers, Path(folder), arguments.short),
            training_steps(device, arguments.short),
            generation(device, arguments.short),
        ):
            for what, measured, goal in rows:
                print(f"| {what} | {measured} | {goal} |", flush=True)


@contextlib.contextmanager
def random_weights(folder: Path) -> Iterator[None]:
    """Files of the suite's networks with random weights, in the layout of the published ones."""
    folder.mkdir()
    known = dict(manifest())
    torch.manual_seed(0)
    networks: dict[str, nn.Module] = {
        "syncnet": syncnet.SyncNet(), "emotion_fan_mead": emotion_fan.EmotionFan(),
        "fid_inception": inception.FidInception(), "alexnet": alexnet(weights=None),
    }  # fmt: skip
    import dataclasses

    for name, network in networks.items():
        torch.save(randomised(network).state_dict(), folder / known[name].file)
        known[name] = dataclasses.replace(known[name], sha256_prefix=None)
    before, environment = declarations.packaged, os.environ.get("GMBENCH_WEIGHTS")
    declarations.packaged = lambda: known  # names of some files carry a hash of the genuine content
    os.environ["GMBENCH_WEIGHTS"] = str(folder)
    try:
        yield
    finally:
        declarations.packaged = before
        os.environ.pop("GMBENCH_WEIGHTS") if environment is None else os.environ.update(GMBENCH_WEIGHTS=environment)


def lpips_alex() -> nn.Module:
    trunk = trunks.Trunk(alexnet().features, (1, 4, 7, 9, 11), (0.0,) * 3, (1.0,) * 3)
    return trunks.LpipsPairs(trunk, [torch.rand(c) for c in (64, 192, 384, 256, 256)]).eval()


def lips() -> nn.Module:
    return syncnet.FlatLips(syncnet.SyncNet().eval()).eval()


JUDGES: dict[str, tuple[Callable[[], Any], Callable[..., Any], tuple[int, ...], int, int]] = {
    # builds the network, asks it, shape of a row, rows at once, what a row counts
    "FID's Inception": (inception.FidInception, inception.fid_rows, (512, 512, 3), 64, 1),
    "SyncNet's lips, windows": (lips, syncnet.lip_rows, (32, 224, 224, 3), 4, 28),
    "LPIPS-Alex, pairs of 512 x 512": (lpips_alex, trunks.lpips_rows, (2, 512, 512, 3), 32, 1),
    "Emotion-FAN": (emotion_fan.EmotionFan, emotion_fan.frame_rows, (224, 224, 3), 64, 1),
    "EMO-AffectNet": (affectnet.Backbone, affectnet.frame_rows, (224, 224, 3), 64, 1),
    "S3FD at 128 x 128": (s3fd.S3FD, s3fd.candidate_rows, (128, 128, 3), 64, 1),
}


def evaluated(build: Callable[[], Any]) -> nn.Module:
    torch.manual_seed(0)
    return build().eval().requires_grad_(False)


def throughputs(device: str, short: bool) -> Iterator[tuple[str, str, str]]:
    networks = networks_on(device)
    for name, (build, function, shape, batch, count) in JUDGES.items():
        network = Network(function, evaluated, (build,), batch=4 if short else batch)
        rows = np.random.default_rng(0).integers(0, 256, (network.batch, *shape)).astype(np.uint8)
        module = evaluated(build).to(device)
        given = torch.from_numpy(rows).to(device)
        repeat = 1 if short else 8

        def bare() -> None:
            with torch.inference_mode(), choice.in_precision(device, "float32"):
                for _ in range(repeat):  # noqa: B023
                    function(module, given)  # noqa: B023
                synchronise(device)

        def through() -> None:
            for answer in [networks.ask(network, rows) for _ in range(repeat)]:  # noqa: B023
                answer.result()

        total = repeat * len(rows) * count
        alone, fed = total / seconds(bare), total / seconds(through)
        yield f"{name}: bare, a second", f"{alone:,.0f}", ""
        yield f"{name}: from frames in memory", f"{fed:,.0f} ({100 * fed / alone:.0f} %)", ">= 70 %"


def suite(device: str, workers: int, folder: Path, short: bool) -> Iterator[tuple[str, str, str]]:
    count, length, size = (1, 1.2, 96) if short else (8, 4.0, 512)
    write_sketches(folder / "clips", speakers=count, clips=1 if short else 8, seconds=length, size=size)
    (folder / "labels.csv").write_text("clip,speaker,emotion\n" + "".join(
        f"{p.relative_to(folder / 'clips' / 'reference').with_suffix('').as_posix()},s,happy\n"
        for p in sorted((folder / "clips" / "reference").rglob("*.mp4"))
    ))  # fmt: skip
    tables, times = {}, {}
    for name in ("cpu", device):
        protocol = load("full", landmarks="sidecar", pose="mediapipe", device=name)
        start = time.perf_counter()
        tables[name] = evaluate(planned(folder, protocol), folder / f"store-{name.replace(':', '-')}", workers)
        times[name] = time.perf_counter() - start
    frames = int(length * 25) * len(list((folder / "clips" / "near").rglob("*.mp4")))
    for name, taken in times.items():
        yield f"suite of {frames} frames on {name}, frames a second", f"{frames / taken:,.0f}", ""
    yield "suite, times as fast", f"{times['cpu'] / times[device]:.1f}", ">= 10 on networks"
    here, there = (tables[name].set_index(["method", "clip", "metric"])["value"] for name in ("cpu", device))
    difference = ((there - here).abs() / here.abs().clip(lower=1e-3)).groupby(level="metric").max()
    for metric, value in difference.dropna().items():
        yield f"largest relative difference of {metric}", f"{value:.1e}", "<= 1e-3"


def planned(folder: Path, protocol: Protocol) -> Any:
    clips = folder / "clips"
    given = inputs.gather([f"near={clips / 'near'}"], [], clips / "reference", None, None, folder / "labels.csv")
    return make_plan(given.methods, "gpu", protocol, registry.select(SUITE, True), (), given.references)


def training_steps(device: str, short: bool) -> Iterator[tuple[str, str, str]]:
    settings = Head(size_in=64, size_out=64) if short else Head(size_in=256, size_out=512)
    side, torch_device = settings.size_out, torch.device(device)
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        generator = HeadGenerator(settings, 8).to(torch_device, memory_format=torch.channels_last)
        discriminator = Discriminator(settings).to(torch_device, memory_format=torch.channels_last)
        real = torch.rand(4, 3, side, side, device=torch_device)
        condition = torch.rand(4, 4, settings.size_in, settings.size_in, device=torch_device)
        label = torch.eye(8, device=torch_device)[:4]

        def step(penalty: bool) -> None:
            mixed = torch.autocast(torch_device.type, torch.bfloat16, enabled=precision == "bfloat16")  # noqa: B023
            with mixed, choice.in_precision(device, "float32"):
                if penalty:
                    r1_penalty(discriminator, real, condition[:, :3]).backward()  # noqa: B023
                else:
                    style = generator.mapping(torch.randn(4, settings.style, device=torch_device), label)  # noqa: B023
                    fake = generator(condition, style)  # noqa: B023
                    loss = (fake - real).abs().mean() + discriminator(fake, condition[:, :3]).mean()  # noqa: B023
                    loss.backward()
                for network in (generator, discriminator):  # noqa: B023
                    network.zero_grad(set_to_none=True)
                synchronise(device)

        reset_peak(device)
        plain, with_penalty = (seconds(lambda penalty=penalty: step(penalty)) for penalty in (False, True))
        yield f"head generator's step, {precision}", f"{1000 * plain:.0f} ms", ""
        yield f"R1's step, {precision}", f"{1000 * with_penalty:.0f} ms", f"<= {8000 * plain:.0f} ms"
        goal = "<= 22 GB" if precision == "bfloat16" else ""
        yield f"memory of both, {precision}", f"{peak(device) / 1e9:.1f} GB", goal
    yield from sequence_steps(device, short)


def sequence_steps(device: str, short: bool) -> Iterator[tuple[str, str, str]]:
    frames, batch = (20, 2) if short else (100, 32)
    small = {"width": 16, "heads": 4} if short else {}
    on = {"device": torch.device(device)}
    expression = gmeg.ExpressionGenerator(Gmeg(**small), 169, 2048, 8, 2).to(**on)
    motion = nfmg.MotionGenerator(Nfmg(**small), 2048).to(**on)
    audio, valid = torch.randn(batch, frames, 2048, **on), torch.ones(batch, frames, dtype=torch.bool, **on)
    label, speaker = torch.eye(8, **on)[torch.arange(batch) % 8], torch.zeros(batch, dtype=torch.long, **on)

    def of_expression() -> None:
        beta = torch.randn(batch, frames, 169, **on)
        gmeg.losses(expression, beta, audio, valid, label, speaker, 0.9)["total"].backward()
        synchronise(device)

    def of_motion() -> None:
        nfmg.losses(motion, torch.randn(batch, frames, 12, **on), audio, valid, 0.9)["total"].backward()
        synchronise(device)

    yield "expression generator's step of 32 x 100 frames", f"{1000 * seconds(of_expression):.0f} ms", ""
    yield "motion generator's step of 32 x 100 frames", f"{1000 * seconds(of_motion):.0f} ms", ""


def generation(device: str, short: bool) -> Iterator[tuple[str, str, str]]:
    settings = Head(size_in=64, size_out=64) if short else Head(size_in=256, size_out=512)
    batch = 4 if short else 32
    with using(device), torch.inference_mode():
        head = HeadGenerator(settings, 8).eval().to(device)
        noise = {name: x.to(device) for name, x in head.draw_noise(torch.Generator().manual_seed(0)).items()}
        style = head.mapping(
            torch.randn(batch, settings.style).to(device), torch.eye(8)[:1].to(device).expand(batch, -1)
        )
        condition = np.random.default_rng(0).random((batch, 4, settings.size_in, settings.size_in), np.float32)

        def draw() -> None:
            pictures = head(torch.from_numpy(condition).to(device), style, noise).clamp(-1, 1)
            ((pictures + 1) * 127.5).round().to(torch.uint8).cpu()

        yield "head generator draws, frames a second", f"{batch / seconds(draw):,.0f}", ">= 200"


def synchronise(device: str) -> None:
    if device != "cpu":
        getattr(torch, choice.kind_of(device)).synchronize()


def reset_peak(device: str) -> None:
    if device != "cpu":
        getattr(torch, choice.kind_of(device)).reset_peak_memory_stats()


def peak(device: str) -> int:
    return 0 if device == "cpu" else int(getattr(torch, choice.kind_of(device)).max_memory_allocated())


def seconds(call: Callable[[], Any], repeat: int = 3) -> float:
    """The shortest of some calls after one that does not count."""
    call()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
