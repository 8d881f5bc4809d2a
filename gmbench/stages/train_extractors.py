"""Stage ``train_extractors``: the corpus' feature extractors, those that come with gmbench or new ones.

New ones are trained, validated before any metric uses them, and compared with those that come with gmbench.
"""

import contextlib
import hashlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gmbench import job_cache
from gmbench.clips import Clip, Pair
from gmbench.corpus import people
from gmbench.corpus.make import CORPUS_VERSION
from gmbench.corpus.truth import Truth
from gmbench.datasets import manifest, readers
from gmbench.errors import StoreError
from gmbench.evaluation import protocol, validate
from gmbench.evaluation.planning.inputs import Inputs
from gmbench.extractors import landmarker
from gmbench.extractors.corpus import networks
from gmbench.extractors.corpus.training import TrainingSettings
from gmbench.job_cache import Job
from gmbench.metrics.key import MetricKey
from gmbench.provenance import installed_version
from gmbench.stages import shipped_extractors
from gmbench.stages.extractor_agreement import agreement
from gmbench.stages.extractor_jobs import ExtractorTraining, draw_training_people, train_network
from gmbench.stages.paths import EXTRACTORS
from gmbench.stages.pipeline_run import PipelineRun, write_json
from gmbench.store import digest, file_digest, write_atomically
from gmbench.weights import files

EXTRACTOR_TRAINING_VERSION = 6
CORPUS_DIGEST = "corpus.sha256"
"""File of ``models/extractors``, on which datasets of the corpus wait: it changes with the corpus, also where the
networks do not."""
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


def versions() -> dict[str, int]:
    """Versions that networks are made for; those that come with gmbench are made anew when one is raised."""
    return {
        "corpus": CORPUS_VERSION, "people": people.PEOPLE_VERSION, "training": EXTRACTOR_TRAINING_VERSION,
        "network file": networks.NETWORK_FILE_VERSION, "landmarker file": landmarker.LANDMARKER_FILE_VERSION,
    }  # fmt: skip


def prepare(run: PipelineRun, root: Path) -> None:
    """Write ``models/extractors``: what comes with gmbench, or networks that are trained for the corpus at ``root``.

    Raises:
        InputError: the configuration asks for other networks than those that come with gmbench.
        WeightsError: those are not there or damaged.
        StoreError: a training failed.
    """
    if run.params.extractors.source == "shipped":
        shipped_extractors.install(run.params, versions(), EXTRACTORS)
    else:
        with _extractors_in(EXTRACTORS):  # before the first worker starts, so that all workers use these networks
            _train(run, root)
    files_of_corpus = sorted(path for path in root.rglob("*") if path.is_file())
    content = digest(*((path.relative_to(root).as_posix(), file_digest(path)) for path in files_of_corpus))
    write_atomically(EXTRACTORS / CORPUS_DIGEST, f"{content}\n".encode())


def _train(run: PipelineRun, root: Path) -> None:
    people_jobs = _draw_people(run)
    corpus = Truth(root)
    names = [str(name) for name in corpus.clips["clip_id"]]
    splits = {row.clip_id: row.split for row in readers.read("synth", root).rows}
    scored_clips = tuple(name for name in names if splits.get(name, manifest.TEST) != manifest.TEST)
    sync_clips = tuple(name for name in names if name not in splits)
    clips = digest(*(file_digest(root / str(corpus.clips.loc[name, "video"])) for name in names))
    jobs = []
    for kind in shipped_extractors.KINDS:
        settings = _settings(kind, run)
        held_out = run.params.extractors.held_out
        task = ExtractorTraining(
            kind, settings, held_out, run.store.root, tuple(people_jobs), root, sync_clips, scored_clips
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
    curves = _validate(run, root, corpus, scored_clips)
    for kind, feature in networks_by_kind.items():
        reasons = failed(kind, curves)
        if reasons:
            _mark(EXTRACTORS / f"{kind}.safetensors", kind, feature.meta, reasons)
        report = dict(feature.meta["report"]) | {"failed": reasons}
        if files.shipped_facts():
            report["against_shipped"] = agreement(kind, EXTRACTORS, files.SHIPPED, root, scored_clips)
        write_json(EXTRACTORS / f"{kind}.json", report)
    write_json(EXTRACTORS / shipped_extractors.VALIDATION, {"curves": [curve.as_json() for curve in curves]})
    write_json(EXTRACTORS / files.FACTS, _facts(run, root, clips, people_jobs))


def _facts(run: PipelineRun, root: Path, clips: str, people_jobs: list[Job]) -> dict[str, Any]:
    """How the networks were made: versions, recipe, settings and hashes of the data, packages."""
    drawn = (job_cache.load(run.store, job).arrays["frames"].tobytes() for job in people_jobs)
    packages = {name: installed_version(name) for name in ("torch", "numpy", "opencv-contrib-python", "av")}
    return shipped_extractors.describe(
        EXTRACTORS,
        source="train",
        versions=versions(),
        recipe=shipped_extractors.recipe(run.params),
        seed=run.params.seed,
        corpus=run.params.corpora[root.name].model_dump(mode="json"),
        data={"clips": clips, "people": digest(*(hashlib.sha256(frames).hexdigest() for frames in drawn))},
        packages=packages,
    )


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
