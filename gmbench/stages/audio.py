"""Stage ``audio``: speech features of the crops at 50 Hz; the loader pairs them to the video's rate."""

from pathlib import Path

from gmbench import job_cache, shards
from gmbench.audio import hubert, spectra
from gmbench.config import AudioSection
from gmbench.devices import CPU, current, key
from gmbench.job_cache import Job, JobResult
from gmbench.media import read_audio
from gmbench.stages.pipeline_run import PipelineRun, by_speaker, used_rows, write_json
from gmbench.store import digest, file_digest

SPEECH_FEATURES_VERSION = 1


def audio(run: PipelineRun) -> None:
    """Features of each clip, one shard per speaker, and a description that checkpoints must agree with."""
    settings = run.params.audio
    weights = ""
    if settings.extractor == "hubert":
        weights = hubert.load(Path(settings.hubert)).sha256  # a missing model stops here, not in every worker
    rows = used_rows(run)
    jobs = [
        Job(row.clip_id, feature_key(settings, weights, path, run.device), (path, settings))
        for row, path in ((row, run.paths.crops / row.video_path) for row in rows)
    ]
    failures = run.run_jobs(extract, jobs)
    dim = 0
    for speaker, group in by_speaker(rows, jobs, failures).items():
        dim = job_cache.load(run.store, group[0][1]).arrays["features"].shape[1]
        parts = ((row.clip_id, job_cache.load(run.store, job).arrays) for row, job in group)
        shards.write(run.paths.audio, speaker, parts)
    width = 2 * dim if settings.pair == "concat" else dim
    facts = {"extractor": settings.extractor, "pair": settings.pair, "weights": weights, "dim": dim, "audio_dim": width}
    content = digest([job.key for job in jobs])  # what trainings on this dataset as another one's depend on
    write_json(
        run.paths.work / "audio.json",
        facts | {"clips": len(rows) - len(failures), "failed": failures, "content": content},
    )


def feature_key(settings: AudioSection, weights: str, path: Path, device: str = CPU) -> str:
    """Key of a clip's features: content, extractor, its weights and version, and a network's device."""
    where = key(device) if settings.extractor == "hubert" else ()
    return digest("audio", SPEECH_FEATURES_VERSION, settings.extractor, weights, file_digest(path), *where)


def extract(argument: tuple[Path, AudioSection]) -> JobResult:
    """50-Hz features (L, d) of a clip's sound, float16 as they are cached."""
    path, settings = argument
    sound = read_audio(path)
    if settings.extractor == "hubert":
        return {"features": hubert.load(Path(settings.hubert), current())(sound)}, {}
    return {"features": spectra.logmel(sound).astype("float16")}, {}
