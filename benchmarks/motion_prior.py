"""How far generated heads move: GMTalker's motion generator on coefficients, without a picture.

Pre-trains and fine-tunes as the demo does, flow by pre-training at equal numbers of updates, and prints Div (degrees)
of motion sampled from the prior, decoded from the real motion's latents, and of the real heads, on takes of the
corpus' speakers that no split has. By hand: ``python -m benchmarks.motion_prior --seeds 5``, a minute or two for each
seed and variant.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

from gmbench.audio.hubert import to_video_rate
from gmbench.audio.spectra import logmel
from gmbench.corpus.takes import CorpusSettings, Take, draw_person, draw_tracks, says_emotion
from gmbench.emotions import SUITE_ORDER
from gmbench.methods.gmtalker.checkpoints import CHECKPOINTS
from gmbench.methods.gmtalker.nfmg import MotionGenerator
from gmbench.methods.gmtalker.settings import Nfmg
from gmbench.methods.gmtalker.training import train_nfmg
from gmbench.methods.pretraining import draw_pretraining
from gmbench.methods.scaling import Scale
from gmbench.methods.settings import TrainingSettings
from gmbench.methods.tracks import ClipTracks, relative_motion
from gmbench.metrics.head_motion import diversity
from gmbench.morphable.model import ROTATION
from gmbench.morphable.synthetic.model import synthetic_model
from gmbench.stages.verdicts import difference_over_seeds

AUDIO = {"extractor": "logmel", "pair": "concat", "weights": ""}
FRAMES = 50
LEARNT, TUNED = (0, 1), (10, 11)
"""Numbers of the takes that are fine-tuned on, and of those that are measured."""
VARIANTS = ("full", "wo_flow", "wo_pretrain", "wo_both")


@dataclass(frozen=True)
class Person:
    """Clips of one speaker."""

    learnt: list[ClipTracks]
    tuned: list[ClipTracks]


def draw(number: int) -> Person:
    """A speaker of the corpus (from 0) with 30 clips to learn from and 30 others."""
    model, settings, performer = synthetic_model(), CorpusSettings(frames=FRAMES), draw_person(0, number)
    parts: tuple[list[ClipTracks], list[ClipTracks]] = ([], [])
    for part, takes in zip(parts, (LEARNT, TUNED), strict=True):
        for emotion in SUITE_ORDER:
            for level in (1,) if emotion == "neutral" else (1, 3):
                for take in takes:
                    name = f"synth/{performer.speaker}/{emotion}/{level}/{take + 1:03d}"
                    emotional = says_emotion(take, number, emotion, level)
                    wanted = Take(name, emotional, number, emotion, level, False, "", "")
                    drawn = draw_tracks(model, settings, wanted, person=performer)
                    rho = drawn.performance.rho.astype(np.float32)
                    audio = to_video_rate(logmel(drawn.sound).astype(np.float16), len(rho), "concat")
                    part.append(ClipTracks(name, performer.speaker, emotion, level, rho[:, :0], rho, audio))
    return Person(*parts)


def div(motions: Sequence[NDArray[np.float32]]) -> float:
    """Mean Div of motions (T, 12), degrees."""
    return float(np.mean([diversity(np.degrees(rho[:, ROTATION].astype(np.float64))) for rho in motions]))


@torch.inference_mode()
def measure(file: Path, settings: Nfmg, clips: Sequence[ClipTracks], seed: int) -> tuple[float, float]:
    """Div of motion from the prior, and from the posterior of the clips' own motion."""
    network = MotionGenerator(settings, clips[0].audio.shape[1])
    constants = CHECKPOINTS.load_weights(file, network)
    scale = Scale(constants["mean"], constants["deviation"])
    audio = torch.from_numpy(np.stack([clip.audio for clip in clips]).astype(np.float32))
    motion = torch.from_numpy(np.stack([scale.standardise(relative_motion(clip.rho)) for clip in clips]))
    generator = torch.Generator().manual_seed(seed)
    mean, log_variance, _ = network.posterior(motion, audio, torch.ones(motion.shape[:2], dtype=torch.bool))
    noise = torch.randn(mean.shape, generator=generator)
    found = []
    for z in (network.sample(noise), mean + torch.exp(0.5 * log_variance) * noise):
        decoded = network.decoder.generate(network.condition(z, motion.shape[1]), audio)
        found.append(div(list(scale.restore(decoded.numpy()))))
    return found[0], found[1]


def run(
    variant: str, settings: Nfmg, people: Sequence[Person], general: Sequence[ClipTracks], seed: int
) -> list[float]:
    """Mean Div over people: from the prior, from the posterior; nats of held-out and of learnt latents."""
    if variant in ("wo_flow", "wo_both"):
        settings = settings.model_copy(update={"flow_steps": 0})
    pretrain, training = settings.pretrain, settings.finetune
    with TemporaryDirectory() as folder:
        start, file = Path(folder) / "start.safetensors", Path(folder) / "nfmg.safetensors"
        if variant in ("full", "wo_flow"):
            start.write_bytes(train_nfmg(general, AUDIO, settings, pretrain, seed)[0])
        else:
            training = pretrain.model_copy(update={"steps": pretrain.steps + training.steps})
        rows = []
        for person in people:
            begun = start if start.exists() else None
            content, report = train_nfmg(person.learnt, AUDIO, settings, training, seed, begun)
            file.write_bytes(content)
            nats = [report.log[-1][name] for name in ("nats_held_out", "nats_train")]
            rows.append([*measure(file, settings, person.tuned, seed), *nats])
    return [float(value) for value in np.mean(rows, axis=0)]


def main() -> None:
    """Print a row per variant and seed, then the differences from the full generator over seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--people", type=int, default=2)
    parser.add_argument("--general", type=int, default=400, help="people to pre-train on")
    parser.add_argument("--levels", type=int, default=4, help="couplings in time")
    parser.add_argument("--kl", type=float, default=0.5)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = Nfmg(
        width=64, heads=4, layers=(2, 2), z=8, flow_steps=3, flow_width=32, flow_layers=2, flow_levels=arguments.levels,
        dropout=0.0, audio_frames=9, window=(FRAMES, FRAMES), weights={"rec": 1.0, "kl": arguments.kl, "vel": 1.0},
        pretrain=TrainingSettings(steps=500, batch=16, rate=1e-3),
        finetune=TrainingSettings(steps=150, batch=8, rate=2.5e-4),
    )  # fmt: skip
    people = [draw(number) for number in range(arguments.people)]
    general = draw_pretraining(arguments.general, FRAMES, "concat")
    print(f"real heads: Div {div([clip.rho for person in people for clip in person.tuned]):.2f}", flush=True)
    values: dict[str, list[float]] = {}
    for seed in range(arguments.seeds):
        for variant in arguments.variants:
            prior, posterior, held_out, learnt = run(variant, settings, people, general, seed)
            values.setdefault(variant, []).append(prior)
            print(
                f"seed {seed}  {variant:12s} prior {prior:.2f}  posterior {posterior:.2f}  "
                f"nats held out {held_out:.2f}, learnt {learnt:.2f}",
                flush=True,
            )
    for variant in arguments.variants[1:]:
        gain = difference_over_seeds(np.array(values[arguments.variants[0]]) - np.array(values[variant]))
        print(f"{arguments.variants[0]} - {variant}: {gain.mean:.2f} [{gain.low:.2f}, {gain.high:.2f}], p {gain.p:.2g}")


if __name__ == "__main__":
    main()
