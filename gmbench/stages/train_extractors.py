"""Stage ``train_extractors``: train the corpus' feature extractors, and validate them before any metric uses them."""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gmbench import job_cache
from gmbench.clips import Clip, Pair
from gmbench.corpus import people
from gmbench.corpus.truth import Truth
from gmbench.errors import StoreError
from gmbench.evaluation import protocol, validate
from gmbench.evaluation.planning.inputs import Inputs
from gmbench.extractors.corpus import networks
from gmbench.extractors.corpus.training import TrainingSettings
from gmbench.job_cache import Job
from gmbench.metrics.key import MetricKey
from gmbench.stages.extractor_jobs import ExtractorTraining, draw_training_people, train_network
from gmbench.stages.paths import EXTRACTORS
from gmbench.stages.pipeline_run import PipelineRun, write_json
from gmbench.store import digest, file_digest, write_atomically

EXTRACTOR_TRAINING_VERSION = 5
GROUP = 25
"""People per job."""
MUST = {
    "emotion": (("emo_prob", "labels"), ("emo_prob", "emotion_swap"), ("emo_prob", "blur")),
    "syncnet": (("sync_c", "late"), ("sync_c", "early"), ("sync_d", "late"), ("sync_d", "early")),
    "identity": (("f_sim", "blur"), ("f_sim", "identity_swap")),
    "features": (
        ("fid", "blur"),
        ("fid", "noise"),
        ("fvd", "shuffle"),
        ("lpips_alex", "blur"),
        ("lpips_alex", "noise"),
    ),
}  # fmt: skip
"""Curves (metric, corruption) that must get worse at every level before metrics use a network."""
ADMISSION = {"late": (0, 2, 5, 10), "early": (0, 2, 5, 10)}
"""Levels that count where the curves have more: one frame late is within the mean's own noise."""


def train(run: PipelineRun, root: Path) -> None:
    """Train on people, validate on clips of the corpus at ``root``, and write ``models/extractors``."""
    with _extractors_in(EXTRACTORS):  # before the first worker starts, so that all workers use these networks
        _train(run, root)


def _train(run: PipelineRun, root: Path) -> None:
    people_jobs = _draw_people(run)
    corpus = Truth(root)
    names = [str(name) for name in corpus.clips["clip_id"]]
    test_clips = tuple(name for name in names if name.startswith("synth/"))
    sync_clips = tuple(name for name in names if not name.startswith("synth/"))
    clips = digest(*(file_digest(root / str(corpus.clips.loc[name, "video"])) for name in names))
    jobs = []
    for kind in ("landmarker", *networks.NETWORKS):
        settings = _settings(kind, run)
        held_out = run.params.extractors.held_out
        task = ExtractorTraining(
            kind, settings, held_out, run.store.root, tuple(people_jobs), root, sync_clips, test_clips
        )
        key = digest(
            "judge",  # part of the keys of stored networks
            EXTRACTOR_TRAINING_VERSION,
            kind,
            *(job.key for job in people_jobs),
            clips,
            vars(settings),
            held_out,
        )
        jobs.append(Job(kind, key, task))
    _must_succeed(run.run_jobs(train_network, jobs))
    networks_by_kind = {job.name: job_cache.load(run.store, job) for job in jobs}
    for kind, feature in networks_by_kind.items():
        write_atomically(EXTRACTORS / f"{kind}.safetensors", feature.arrays["file"].tobytes())
    curves = _validate(run, root, corpus, test_clips)
    for kind, feature in networks_by_kind.items():
        reasons = failed(kind, curves)
        if reasons:
            _mark(EXTRACTORS / f"{kind}.safetensors", kind, feature.meta, reasons)
        write_json(EXTRACTORS / f"{kind}.json", dict(feature.meta["report"]) | {"failed": reasons})
    write_json(EXTRACTORS / "validation.json", {"curves": [curve.as_json() for curve in curves]})


def failed(kind: str, curves: list[validate.Curve]) -> list[str]:
    """Why metrics may not use a network; a curve without values, as of FVD with few windows, proves nothing."""
    by_pair = {(MetricKey.parse(curve.metric).name, curve.corruption): curve for curve in curves}
    required = [by_pair[pair] for pair in MUST.get(kind, ()) if pair in by_pair]
    return [c.verdict for c in required if not _undefined(c) and not c.worsens(ADMISSION.get(c.corruption))]


def _undefined(curve: validate.Curve) -> bool:
    return sum(not math.isnan(value) for value in curve.values) < 2


def _draw_people(run: PipelineRun) -> list[Job]:
    """Draw the people into the store, ``GROUP`` per job."""
    settings, seed = run.params.extractors, run.params.seed
    size = next(iter(run.params.corpora.values())).size
    jobs = []
    for first in range(0, settings.people, GROUP):
        count = min(GROUP, settings.people - first)
        arguments = (first, count, settings.frames, size, seed)
        jobs.append(
            Job(
                f"people {first}",
                digest("people", EXTRACTOR_TRAINING_VERSION, people.PEOPLE_VERSION, *arguments),
                arguments,
            )
        )
    _must_succeed(run.run_jobs(draw_training_people, jobs))
    return jobs


def _must_succeed(failures: dict[str, str]) -> None:
    if failures:
        name, reason = next(iter(failures.items()))
        raise StoreError(f"{len(failures)} jobs failed, for example {name}: {reason}")


def _settings(kind: str, run: PipelineRun) -> TrainingSettings:
    seed = run.params.seed
    if kind == "landmarker":
        section = run.params.landmarker
        return TrainingSettings(section.steps, section.batch, section.rate, seed)
    steps = getattr(run.params.extractors, f"{kind}_steps")
    return TrainingSettings(steps, {"emotion": 48, "syncnet": 6, "identity": 48}.get(kind, 64), seed=seed)


def _validate(run: PipelineRun, root: Path, corpus: Truth, tested: tuple[str, ...]) -> list[validate.Curve]:
    """Responses of the metrics that the corpus' extractors compute, on some of its clips, as many of each emotion."""
    pairs = []
    for name in tested:
        row = corpus.clips.loc[name]
        speaker, emotion = str(row["speaker"]), str(row["emotion"])
        video, audio = root / str(row["video"]), root / str(row["audio"])
        clip = Clip(name, video, audio, None, speaker, emotion, audio_first=True)
        pairs.append(Pair(name, None, clip, (), speaker, emotion))
    chosen = protocol.load("full", landmarks="corpus", extractors="corpus")
    wanted = {pair for pairs in MUST.values() for pair in pairs}
    return validate.validate(
        Inputs({}, tuple(pairs), run.paths.dataset),
        chosen,
        sorted({metric for metric, _ in wanted} | {"acc_emo"}),
        validate.chosen(sorted({corruption for _, corruption in wanted})),
        run.params.extractors.validation_clips,
        store=run.store.root,
        workers=run.workers,
        scheduler=run.scheduler,
        progress=run.report,
    ).curves


@contextlib.contextmanager
def _extractors_in(folder: Path) -> Iterator[None]:
    """Use the networks of this folder in this process and in workers that it starts."""
    before = os.environ.get("GMBENCH_EXTRACTORS")
    os.environ["GMBENCH_EXTRACTORS"] = str(folder.resolve())
    try:
        yield
    finally:
        if before is None:
            del os.environ["GMBENCH_EXTRACTORS"]
        else:
            os.environ["GMBENCH_EXTRACTORS"] = before


def _mark(path: Path, kind: str, meta: dict[str, Any], reasons: list[str]) -> None:
    """Write into the file why metrics may not use its network."""
    network = networks.read(path, kind)
    networks.write(path, kind, network, meta["sizes"], dict(meta["report"]) | {"failed": reasons})
