"""Generate, extract and score: from methods to records."""

import functools
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench import fanout
from gmbench.clips import Clip, Pair
from gmbench.config import DatasetSection, EvaluationSection
from gmbench.datasets import manifest
from gmbench.datasets.manifest import Row
from gmbench.errors import InputError
from gmbench.evaluation import aggregate, plan, protocol, registry, results
from gmbench.evaluation.run import extract as extract_features
from gmbench.evaluation.run import score as score_features
from gmbench.executor import one_thread
from gmbench.fanout import Job, Made
from gmbench.media import Video, read_audio, write_video
from gmbench.methods import dropin, render
from gmbench.morphable import tracks
from gmbench.names import closest
from gmbench.reporting import tables
from gmbench.stages import systems
from gmbench.stages.run import ModelSource, Run, write_json
from gmbench.store import digest, file_digest, write_atomically

GENERATE_VERSION = 2
PLATE_CLIPS, PLATE_EVERY = 6, 12
"""Clips, and every how many frames of each, that a speaker's background is the median of."""


@dataclass(frozen=True)
class _Task:
    model: ModelSource
    source: render.Source
    sound: Path
    plate: tuple[Path, ...]
    size: int


def generate(run: Run, section: DatasetSection, method: str) -> None:
    """Write a method's videos of the clips that are scored."""
    rows = scored_rows(run)
    outside = dropin.find()
    if method in outside:
        _report_generated(run, method, rows, systems.take(run, method, outside[method], rows))
        return
    if method not in render.NAMES:
        _report_generated(run, method, rows, systems.generate(run, method, rows))
        return
    source = run.face_model()
    root = Path(section.root)
    truth = root if method == "render" and section.kind == "synth" else None
    content = (
        file_digest(root / "truth" / "clips.parquet")
        if truth
        else file_digest(run.layout.coefficients / tracks.SPEAKERS)
    )
    plates = {row.speaker: _plate_clips(run, row.speaker) for row in rows}
    backgrounds = {speaker: [file_digest(path) for path in clips] for speaker, clips in plates.items()}
    jobs = []
    for row in rows:
        sound = run.layout.crops / row.video_path
        origin = render.Source(run.layout.coefficients, truth, row.speaker, row.clip_id)
        key = digest(
            "generate",
            GENERATE_VERSION,
            method,
            source.digest,
            content,
            row.clip_id,
            file_digest(sound),
            section.size,
            backgrounds[row.speaker],
        )
        jobs.append(Job(row.clip_id, key, _Task(source, origin, sound, plates[row.speaker], section.size)))
    failures = run.make_all(render_video, jobs)
    for row, job in zip(rows, jobs, strict=True):
        if row.clip_id not in failures:
            data = fanout.load(run.store, job).arrays["video"].tobytes()
            write_atomically(run.layout.videos(method) / row.video_path, data)
    _report_generated(run, method, rows, failures)


def _report_generated(run: Run, method: str, rows: list[Row], failures: dict[str, str]) -> None:
    write_json(run.layout.videos(method) / "generate.json", {"clips": len(rows) - len(failures), "failed": failures})


def render_video(task: _Task) -> Made:
    """The bytes of a rendered clip with the sound of its reference."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        frames = render.frames(task.model.load(), task.source, task.size, _plate(task.plate))
        write_video(path, frames, read_audio(task.sound), crf=12)
        return {"video": np.frombuffer(path.read_bytes(), np.uint8).copy()}, {}


def _plate_clips(run: Run, speaker: str) -> tuple[Path, ...]:
    """Clips that a speaker's background is taken from: training ones, or all where there are none."""
    rows = [row for row in manifest.read(run.layout.cropped) if row.speaker == speaker]
    training = [row for row in rows if row.split == manifest.TRAIN] or rows
    return tuple(
        run.layout.crops / row.video_path for row in training[:: max(1, len(training) // PLATE_CLIPS)][:PLATE_CLIPS]
    )


@functools.lru_cache(maxsize=4)
def _plate(clips: tuple[Path, ...]) -> NDArray[np.uint8]:
    """The median of a speaker's frames: background and shoulders, the head blurred."""
    frames = [frame for path in clips for t, frame in enumerate(Video(path)) if t % PLATE_EVERY == 0]
    return np.asarray(np.median(np.stack(frames), axis=0), np.uint8)


def extract(run: Run, section: DatasetSection) -> None:
    """Decode every clip once and keep what the metrics need in the store; write what failed."""
    planned = make_plan(run, section)
    sys.stderr.writelines(f"warning: {note}\n" for note in planned.warnings)
    failures = extract_features(planned, run.store.root, run.workers, run.scheduler, progress=run.report)
    groups = [clip.clip for clip in planned.clips]
    write_json(run.layout.extracted, {"clips": len(set(groups)), "sides": len(groups), "failures": failures})


def score(run: Run, section: DatasetSection) -> None:
    """Score from the store: records, tables, and one small JSON a method for ``dvc metrics``."""
    planned = make_plan(run, section)
    failures = json.loads(run.layout.extracted.read_text("utf-8"))["failures"]
    with one_thread():
        records = score_features(planned, run.store, failures)
    asked: dict[str, object] = {
        "dataset": run.layout.dataset,
        "profile": run.params.profile,
        "protocol": planned.protocol.model_dump(),
    }
    merged = results.save(run.layout.scores, records, asked, planned)
    tables.save(run.layout.scores, merged)
    by_method: dict[str, dict[str, Any]] = {}
    for row in aggregate.rows(records):
        by_method.setdefault(row.method, {})[row.metric] = {
            "mean": float(f"{row.value:.6g}") if np.isfinite(row.value) else None,
            "coverage": round(row.n / max(row.expected, 1), 4),
        }
    for method, values in by_method.items():
        write_json(run.layout.metrics / f"{method}.json", values)


def make_plan(
    run: Run, section: DatasetSection, methods: Sequence[str] | None = None, settings: EvaluationSection | None = None
) -> plan.Plan:
    """What is compared with what: the run's methods and controls, or others, against the crops."""
    settings = settings or run.params.evaluation
    chosen = protocol.load(
        section.protocol,
        landmarks=section.landmarks,
        judges=section.judges,
        pose="pnp" if section.landmarks == "corpus" else None,
    )
    references: list[Pair] = []
    sides: dict[str, list[Pair]] = {name: [] for name in (run.params.methods if methods is None else methods)}
    for row in scored_rows(run):
        name = row.video_path.removesuffix(".mp4")
        reference = Clip(name, run.layout.crops / row.video_path, None, None, row.speaker, row.emotion)
        references.append(Pair(name, None, reference, (), row.speaker, row.emotion))
        for method, pairs in sides.items():
            path = run.layout.videos(method) / row.video_path
            generated = Clip(name, path, None, None, row.speaker, row.emotion) if path.exists() else None
            pairs.append(Pair(name, generated, reference, (), row.speaker, row.emotion))
    metrics = registry.select(list(settings.metrics), True)
    return plan.make_plan(
        sides,
        run.layout.dataset,
        chosen,
        metrics,
        list(settings.controls),
        tuple(references),
        explicit=bool(settings.metrics),
    )


def all_rows(run: Run) -> list[Row]:
    """All cropped clips that were fitted."""
    fitted = {row["clip"] for row in json.loads((run.layout.work / "fit.json").read_text("utf-8"))["per_clip"]}
    return [row for row in manifest.read(run.layout.cropped) if row.clip_id in fitted]


def scored_rows(run: Run) -> list[Row]:
    """Clips of the split that is scored; raises InputError where it is empty."""
    rows = manifest.read(run.layout.cropped)
    split = run.params.evaluation.split
    chosen = [row for row in rows if split in ("all", row.split)]
    if not chosen:
        known = sorted({row.split for row in rows})
        raise InputError(f"{run.layout.dataset}: no clips in split {split!r}; {closest(split, known)}")
    return chosen
