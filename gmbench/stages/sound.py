"""Audio features of the crops at 50 Hz; the loader pairs them to the video's rate."""

from pathlib import Path

from gmbench import fanout, shards
from gmbench.audio import hubert, spectra
from gmbench.config import AudioSection
from gmbench.datasets import manifest
from gmbench.fanout import Job, Made
from gmbench.media import read_audio
from gmbench.stages.coefficients import by_speaker
from gmbench.stages.run import Run, write_json
from gmbench.store import digest, file_digest

AUDIO_VERSION = 1


def audio(run: Run) -> None:
    """Features of each clip in a shard a speaker, and a description that checkpoints must agree with."""
    settings = run.params.audio
    weights = digest(file_digest(Path(settings.hubert))) if settings.extractor == "hubert" else ""
    if settings.extractor == "hubert":
        hubert.load(Path(settings.hubert))  # a missing model stops here, not in every worker
    rows = manifest.read(run.layout.cropped)
    jobs = [
        Job(row.clip_id, feature_key(settings, weights, path), (path, settings))
        for row, path in ((row, run.layout.crops / row.video_path) for row in rows)
    ]
    failures = run.make_all(extract, jobs)
    dim = 0
    for speaker, group in by_speaker(rows, jobs, failures).items():
        parts = [(row.clip_id, dict(fanout.load(run.store, job).arrays)) for row, job in group]
        dim = parts[0][1]["features"].shape[1]
        shards.write(run.layout.audio, speaker, parts)
    width = 2 * dim if settings.pair == "concat" else dim
    facts = {"extractor": settings.extractor, "pair": settings.pair, "weights": weights, "dim": dim, "audio_dim": width}
    write_json(run.layout.work / "audio.json", facts | {"clips": len(rows) - len(failures), "failed": failures})


def feature_key(settings: AudioSection, weights: str, path: Path) -> str:
    """Key of a clip's features: content, extractor, its weights and version."""
    return digest("audio", AUDIO_VERSION, settings.extractor, weights, file_digest(path))


def extract(argument: tuple[Path, AudioSection]) -> Made:
    """50-Hz features (L, d) of a clip's sound, float16 as they are cached."""
    path, settings = argument
    sound = read_audio(path)
    if settings.extractor == "hubert":
        return {"features": hubert.load(Path(settings.hubert))(sound)}, {}
    return {"features": spectra.logmel(sound).astype("float16")}, {}
