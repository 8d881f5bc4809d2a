"""Train a method on a dataset, and generate its videos of the clips that are scored."""

import functools
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench import fanout, provenance
from gmbench.config import DatasetSection
from gmbench.datasets import manifest
from gmbench.datasets.manifest import Row
from gmbench.errors import InputError, MediaError
from gmbench.fanout import Job, Made
from gmbench.media import Audio, Frames, Video, read_audio, write_video
from gmbench.methods import dropin, registry
from gmbench.methods.interface import Corpus, EmotionSpec, GenRequest, GenResult, TalkingHeadMethod, Workbench
from gmbench.methods.registry import System
from gmbench.morphable import tracks
from gmbench.names import closest, flat
from gmbench.stages import coefficients
from gmbench.stages.layout import FACE_MODEL, MODELS, Layout
from gmbench.stages.run import Run, write_json
from gmbench.store import digest, file_digest, write_atomically

GENERATE_VERSION = 1
SAMPLES_PER_FRAME = 640
STEPS = 17
"""Pictures of a sequence between two emotions."""


def models(dataset: str, system: System) -> Path:
    """Folder of a system's checkpoints."""
    return MODELS / dataset / system.trained


def train(run: Run, section: DatasetSection, name: str) -> None:
    """Train a system and write its checkpoints, its run card, and a table of losses a part."""
    system = System.parse(name)
    method = registry.create(system.method)
    settings = method.settings(run.params.systems.get(system.method, {}), system.ablations)
    corpus = _corpus(run, run.layout, section)
    other = run.params.pretrain_on
    if other not in run.params.datasets:
        raise InputError(f"params.yaml: pretrain_on: {closest(other, run.params.datasets)}")
    pretraining = corpus if other == run.layout.dataset else _corpus(run, Layout(other), run.params.datasets[other])
    bench = Workbench(run.store, run.make_all)
    out = models(run.layout.dataset, system)
    report = method.fit(corpus, pretraining, out, settings, run.params.seed + system.seed, bench)
    for part, told in report.parts.items():
        log = told.pop("log")
        told["losses"] = {name: value for name, value in log[-1].items() if name != "step"} if log else {}
        _write_log(out / "losses" / f"{part}.tsv", log)
    facts: dict[str, Any] = provenance.describe({})
    card = {
        "system": system.name, "method": method.card.name, "ablations": list(system.ablations),
        "seed": run.params.seed + system.seed, "dataset": run.layout.dataset, "profile": run.params.profile,
        "settings": settings.model_dump(mode="json"), "audio": dict(corpus.audio_facts),
        "clips": {"train": len(corpus.split(manifest.TRAIN)), "manifest": file_digest(run.layout.cropped)},
        "face_model": run.face_model().digest, "parts": report.parts,
        "code": {"gmbench": facts["gmbench"], "commit": facts["commit"], "torch": facts["packages"]["torch"]},
    }  # fmt: skip
    write_json(out / "card.json", card)


def _corpus(run: Run, layout: Layout, section: DatasetSection) -> Corpus:
    facts = json.loads((layout.work / "audio.json").read_text("utf-8"))
    told = {name: facts[name] for name in ("extractor", "pair", "weights", "audio_dim")}
    if told["extractor"] == "hubert":
        told["path"] = run.params.audio.hubert
    truth = Path(section.root) if section.kind == "synth" else None
    return Corpus(
        layout.dataset, tuple(manifest.read(layout.cropped)), layout.crops, layout.landmarks,
        coefficients.learned_from(replace(run, layout=layout), section), layout.audio, layout.renders, told, FACE_MODEL,
        truth, section.size,
    )  # fmt: skip


def _write_log(path: Path, rows: list[dict[str, float]]) -> None:
    names = sorted({name for row in rows for name in row} - {"step"})
    lines = ["\t".join(["step", *names])]
    lines += ["\t".join([f"{row['step']:.0f}", *(f"{row[n]:.6g}" if n in row else "" for n in names)]) for row in rows]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


@dataclass(frozen=True)
class _Task:
    system: System
    folder: Path
    content: str
    row: Row
    video: Path
    coefficients: Path
    seed: int


def generate(run: Run, name: str, rows: list[Row]) -> dict[str, str]:
    """Write a system's videos of clips; reasons by clip of what failed."""
    system = System.parse(name)
    folder = models(run.layout.dataset, system)
    if not (folder / "card.json").exists():
        raise InputError(f"{folder}: {system.name} is not trained; run the stage train")
    driving = coefficients.learned_from(run, run.params.datasets[run.layout.dataset])
    content = digest(*(file_digest(path) for path in sorted(folder.glob("*.safetensors"))))
    jobs = []
    for row in rows:
        video = run.layout.crops / row.video_path
        task = _Task(system, folder, content, row, video, driving, run.params.seed + system.seed)
        driven = file_digest(driving / tracks.SPEAKERS) if system.drive else ""
        asked = (row.clip_id, row.emotion, file_digest(video), driven, task.seed)
        key = digest("system", GENERATE_VERSION, system.name, content, *asked)
        jobs.append(Job(row.clip_id, key, task))
    failures = run.make_all(speak, jobs)
    for row, job in zip(rows, jobs, strict=True):
        if row.clip_id not in failures:
            data = fanout.load(run.store, job).arrays["video"].tobytes()
            write_atomically(run.layout.videos(name) / row.video_path, data)
    return failures


def speak(task: _Task) -> Made:
    """The bytes of a generated clip with its sound."""
    method = _loaded(task.system.method, task.folder, task.content)
    row = task.row
    info = Video(task.video).info
    side, audio = info.width, _cut(read_audio(task.video), info.frames, row.clip_id)
    motion = expression = None
    if task.system.drive:
        track = tracks.read(task.coefficients, row.speaker, row.clip_id)
        motion = track["rho"]
        expression = track["beta"] if task.system.drive == "coefficients" else None
    emotion = EmotionSpec({row.emotion: 1.0} if row.emotion else {})
    # Reconstruction is asked of the most likely expression, diversity of samples.
    temperature = 0.0 if task.system.drive else None
    seed = int(digest(row.clip_id, task.seed)[:8], 16)
    request = GenRequest(
        row.clip_id, audio, emotion, row.speaker, seed, motion=motion, expression=expression, temperature=temperature
    )
    result = method.generate(request)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, (_sized(frame, side) for frame in result.frames), audio, crf=12)
        arrays: dict[str, NDArray[Any]] = {"video": np.frombuffer(path.read_bytes(), np.uint8).copy()}
    for name, values in (("beta", result.expression), ("rho", result.motion)):
        if values is not None:
            arrays[name] = values
    return arrays, {}


def _sized(frame: Frames, side: int) -> Frames:
    """A frame at the side of the reference."""
    if frame.shape[0] == side:
        return frame
    how = cv2.INTER_AREA if side < frame.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(frame, (side, side), interpolation=how), np.uint8)


def _cut(audio: Audio, frames: int, clip: str) -> Audio:
    """Sound of exactly so many frames; coding pads it by up to two."""
    wanted = frames * SAMPLES_PER_FRAME
    if abs(len(audio) - wanted) > 2 * SAMPLES_PER_FRAME:
        raise MediaError(f"{clip}: {len(audio)} samples of sound for {frames} frames, expected about {wanted}")
    return np.pad(audio, (0, max(0, wanted - len(audio))))[:wanted]


@functools.lru_cache(maxsize=2)
def _loaded(name: str, folder: Path, content: str) -> TalkingHeadMethod:
    method = registry.create(name)
    method.load(folder)
    return method


def take(run: Run, name: str, folder: Path, rows: list[Row]) -> dict[str, str]:
    """Copy an outside method's videos of clips to where they are scored; reasons by clip of what is missing."""
    found = dropin.videos(folder, run.layout.dataset)
    missing = {}
    for row in rows:
        clip = row.video_path.removesuffix(".mp4")
        names = [n for n in (row.clip_id, clip, flat(row.clip_id)) if n in found]
        video = found[names[0]].video if names else None
        if video is None or not video.is_file():
            missing[row.clip_id] = f"{folder / run.layout.dataset}: no video {clip}.mp4"
            continue
        write_atomically(run.layout.videos(name) / row.video_path, video.read_bytes())
    return missing


def write_steps(results: Sequence[GenResult], folder: Path, speaker: str, ends: Sequence[str]) -> int:
    """Pictures ``alpha_0.0000.png`` to ``alpha_1.0000.png`` of a sequence between two emotions, and its sidecar."""
    for result in results:
        path = folder / f"alpha_{result.meta['alpha']:.4f}.png"
        write_atomically(path, bytes(cv2.imencode(".png", next(result.frames)[..., ::-1])[1]))
    write_json(folder / "sequence.json", {"speaker": speaker, "from": ends[0], "to": ends[1], "variant": "static"})
    return len(results)
