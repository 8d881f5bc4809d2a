"""Speed and memory of GMTalker: each part on one core, cached decoding against uncached, the paper's sizes."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.timing import seconds as timed
from gmbench.executor import one_thread
from gmbench.methods.gmtalker import gmeg, nfmg
from gmbench.methods.gmtalker.head import Discriminator, HeadGenerator, r1_penalty
from gmbench.methods.gmtalker.method import GMTalker
from gmbench.methods.gmtalker.settings import Settings
from gmbench.morphable.render import Renderer
from gmbench.morphable.synthetic.model import synthetic_model

BETA, LOGMEL, HUBERT, EMOTIONS = 169, 160, 1024, 8
SECOND = 25

_MINUTE = """
import sys, time
from pathlib import Path
import numpy as np
from gmbench.executor import one_thread
from gmbench.methods.gmtalker.method import GMTalker
from gmbench.methods.interface import EmotionSpec, GenRequest
with one_thread():
    made = GMTalker()
    made.load(Path(sys.argv[1]))
    audio = (np.random.default_rng(0).normal(0, 900, int(sys.argv[2]) * 16000)).astype(np.int16)
    start = time.perf_counter()
    result = made.generate(GenRequest("clip", audio, EmotionSpec({made.emotions[0]: 1.0}), made.speakers[0]))
    count = sum(1 for _ in result.frames)
    status = Path("/proc/self/status").read_text()  # getrusage would count the parent's memory
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(count, time.perf_counter() - start, peak)
"""


def measure(folder: Path, clips: Path | None) -> list[tuple[str, str, str]]:
    """Rows of the table: the sizes of the demo, then those of the paper."""
    from gmbench import config

    tiny = GMTalker().settings(config.load(Path("gmbench/profiles/demo.yaml")).systems["gmtalker"])
    with one_thread():
        rows = _parts("demo", tiny, LOGMEL)
        rows += _paper()
    trained = Path("models/synth/gmtalker")
    if (trained / "card.json").exists():
        for length in (10, 60):
            rows.append(_long(trained, length))
    return rows


def _parts(name: str, settings: Settings, audio_dim: int) -> list[tuple[str, str, str]]:
    frames = 4 * SECOND
    audio = torch.randn(1, frames, audio_dim)
    expression = gmeg.ExpressionGenerator(settings.gmeg, BETA, audio_dim, EMOTIONS, 2).eval()
    motion = nfmg.MotionGenerator(settings.nfmg, audio_dim).eval()
    head = HeadGenerator(settings.head, EMOTIONS).eval()
    rows = []
    with torch.inference_mode():
        condition = expression.condition(torch.randn(1, settings.gmeg.z), torch.tensor([0]), torch.zeros(1, EMOTIONS))
        cached = timed(lambda: expression.decoder.generate(condition, audio))
        whole = timed(lambda: expression.decoder.generate_uncached(condition, audio))
        rows.append((f"GMEG, {name} sizes, cached decoding", f"{frames / cached:.0f} frames/s", "–"))
        rows.append((f"GMEG, {name} sizes, {frames} frames, uncached / cached time", f"{whole / cached:.1f}×", "> 1×"))
        noise = torch.randn(1, motion.latents(frames), settings.nfmg.z)
        moved = timed(lambda: motion.decoder.generate(motion.condition(motion.sample(noise), frames), audio))
        rows.append((f"NFMG, {name} sizes", f"{frames / moved:.0f} frames/s", "–"))
        side = settings.head.size_in
        inputs, style = torch.zeros(8, 4, side, side), torch.zeros(8, settings.head.style)
        drawn = timed(lambda: head(inputs, style))
        rows.append(
            (
                f"head generator, {name} sizes, {side} px to {settings.head.size_out} px",
                f"{8 / drawn:.1f} frames/s",
                "–",
            )
        )
    model = synthetic_model()
    renderer = Renderer(model, np.zeros(150), np.zeros(251), side)
    full, rho = np.zeros((SECOND, 171)), np.zeros((SECOND, 12))
    drawn = timed(lambda: list(renderer.frames(full, rho)))
    rows.append((f"rendering of coefficients, {side} px", f"{SECOND / drawn:.0f} frames/s", "–"))
    return rows


def _paper() -> list[tuple[str, str, str]]:
    """One training step of each network at the paper's sizes: parameters, seconds."""
    settings, rows = Settings(), []
    batch, frames = 2, 50
    valid = torch.ones(batch, frames, dtype=torch.bool)
    audio = torch.randn(batch, frames, HUBERT)
    expression = gmeg.ExpressionGenerator(settings.gmeg, BETA, HUBERT, EMOTIONS, 6)
    label = nn.functional.one_hot(torch.arange(batch), EMOTIONS).float()
    inputs = (torch.randn(batch, frames, BETA), audio, valid, label, torch.zeros(batch, dtype=torch.long))
    rows.append(
        _step("GMEG", expression, lambda: gmeg.losses(expression, *inputs, 0.9)["total"], f"{batch} x {frames}")
    )
    motion = nfmg.MotionGenerator(settings.nfmg, HUBERT)
    move = torch.randn(batch, frames, nfmg.MOTION)
    rows.append(
        _step("NFMG", motion, lambda: nfmg.losses(motion, move, audio, valid, 0.9)["total"], f"{batch} x {frames}")
    )
    head, critic = HeadGenerator(settings.head, EMOTIONS), Discriminator(settings.head)
    condition = torch.randn(1, 4, settings.head.size_in, settings.head.size_in)
    picture = torch.randn(1, 3, settings.head.size_out, settings.head.size_out)

    def generate() -> torch.Tensor:
        fake = head(condition, head.mapping(torch.randn(1, settings.head.style), label[:1]))
        return (fake - picture).abs().mean() - critic(fake, condition[:, :3]).mean()

    rows.append(_step("head generator", head, generate, "1 picture"))
    rows.append(
        _step("discriminator with R1", critic, lambda: r1_penalty(critic, picture, condition[:, :3]), "1 picture")
    )
    return rows


def _step(name: str, network: nn.Module, loss, what: str) -> tuple[str, str, str]:
    count = sum(p.numel() for p in network.parameters())
    start = time.perf_counter()
    loss().backward()
    seconds = time.perf_counter() - start
    return (
        f"{name}, the paper's sizes, a training step of {what}",
        f"{count / 1e6:.1f} M parameters, {seconds:.1f} s",
        "–",
    )


def _long(trained: Path, length: int) -> tuple[str, str, str]:
    """Generation of a long sound in a process of its own: speed and peak memory."""
    run = subprocess.run(
        [sys.executable, "-c", _MINUTE, str(trained), str(length)], capture_output=True, text=True, check=True
    )
    count, seconds, peak = (float(v) for v in run.stdout.split()[-3:])
    return f"{length} s of sound, whole system", f"{count / seconds:.0f} frames/s, peak {peak:.0f} MB", "memory flat"
