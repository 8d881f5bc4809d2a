"""Make the synthetic corpus: films in MEAD's layout, a pre-training set in VoxCeleb2's, and everything that was drawn.

``<root>/<speaker>/video/front/<emotion>/level_<L>/<NNN>.mp4``, the same below ``audio`` as ``.m4a``;
``<root>/truth`` holds the ground truth (see :mod:`gmbench.corpus.truth`). ``<root>/unseen`` is the same for people who
are for tests alone, where the settings ask for some. The same settings give the same bytes.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench import job_cache
from gmbench.corpus.drawing import draw
from gmbench.corpus.speech import phoneme_frames
from gmbench.corpus.takes import CorpusSettings, Take, TakeContent, draw_content, takes
from gmbench.corpus.truth import TruthWriter
from gmbench.errors import StoreError
from gmbench.executor import one_thread
from gmbench.media import Audio, Frames, encode_audio, encode_video
from gmbench.morphable.model import FaceModel
from gmbench.morphable.synthetic.model import synthetic_model
from gmbench.store import Store, digest, write_atomically

CORPUS_VERSION = 3
"""Raised whenever the corpus of the same settings would come out differently."""
CRF = 12
"""Quality of the films, x264's constant rate factor."""


def make(
    root: Path,
    settings: CorpusSettings,
    store: Store,
    workers: int = 1,
    scheduler: str | None = None,
    report: Callable[[int, int], None] | None = None,
) -> int:
    """Write the corpus below a folder; returns the number of clips.

    Finished clips are kept in the store, so that a stopped run goes on where it was.

    Raises:
        InputError: settings that cannot be met.
        StoreError: a clip could not be made or written.
    """
    settings.check()
    chosen = takes(settings)
    drawing = _drawing_settings(settings)
    jobs = [job_cache.Job(take.clip_id, _key(drawing, take), (drawing, take)) for take in chosen]
    failures = job_cache.run_jobs(record_take, jobs, store, workers, scheduler, report)
    if failures:
        name, reason = next(iter(failures.items()))
        raise StoreError(f"corpus: {len(failures)} clips could not be made, for example {name}: {reason}")
    for folder in sorted({take.folder for take in chosen}):
        members = [(take, job) for take, job in zip(chosen, jobs, strict=True) if take.folder == folder]
        _write(root / folder, members, store)
    return len(chosen)


def _drawing_settings(settings: CorpusSettings) -> CorpusSettings:
    """The settings that a single clip depends on; all counts are nothing."""
    return CorpusSettings(
        seed=settings.seed, frames=settings.frames, size=settings.size, speakers=0, sentences=0, emotions=(), levels=(),
        pretraining_speakers=0, pretraining_clips=0,
    )  # fmt: skip


def _key(drawing: CorpusSettings, take: Take) -> str:
    return digest("corpus", CORPUS_VERSION, asdict(drawing), asdict(take))


def _write(root: Path, members: list[tuple[Take, job_cache.Job]], store: Store) -> None:
    """Files and ground truth of one set of clips, from the store."""
    writer = TruthWriter(root / "truth")
    for take, job in members:
        feature = job_cache.load(store, job)
        write_atomically(root / take.video, feature.arrays["video"].tobytes())
        write_atomically(root / take.audio, feature.arrays["audio"].tobytes())
        writer.add(take.clip_id, feature.arrays, feature.meta)
    writer.close()


def record_take(argument: tuple[CorpusSettings, Take]) -> job_cache.JobResult:
    """Everything of one clip: the files' bytes and the ground truth."""
    settings, take = argument
    model = synthetic_model()
    content = draw_content(model, settings, take)
    images, heads, shoulders = [], [], []
    for frame in draw(model, content.performer, content.performance, content.look, content.generator):
        images.append(frame.image)
        heads.append(_png(frame.head))
        shoulders.append(_png(frame.shoulders))
    arrays = (
        _encoded(images, content.sound)
        | _truth_arrays(model, content, settings.size)
        | _joined("head", heads)
        | _joined("shoulders", shoulders)
    )
    return arrays, _labels(content, take, settings)


def _encoded(images: list[Frames], sound: Audio) -> dict[str, NDArray[Any]]:
    """Bytes of the video and of the sound."""
    with one_thread():
        video, audio = encode_video(images, crf=CRF), encode_audio(sound)
    return {"video": np.frombuffer(video, np.uint8), "audio": np.frombuffer(audio, np.uint8)}


def _truth_arrays(model: FaceModel, content: TakeContent, size: int) -> dict[str, NDArray[Any]]:
    person, performance, utterance = content.performer, content.performance, content.utterance
    beta, _ = model.split(performance.full)
    landmarks = model.landmark_points(person.shape, performance.full, performance.rho, size)
    return {
        "shape": person.shape.astype(np.float32),
        "texture": person.texture.astype(np.float32),
        "beta": beta.astype(np.float32),
        "rho": performance.rho.astype(np.float32),
        "light": content.look.light.reshape(len(beta), -1).astype(np.float32),
        "landmarks": landmarks.astype(np.float32),
        "beats": performance.beats.astype(np.int64),
        "signs": content.look.signs.astype(np.float32),
        "stressed": utterance.stressed,
        "starts": utterance.starts,
        "ends": utterance.ends,
    }


def _labels(content: TakeContent, take: Take, settings: CorpusSettings) -> dict[str, Any]:
    utterance = content.utterance
    return {
        "speaker": content.performer.speaker, "emotion": take.emotion, "level": take.level,
        "style": content.performance.style, "transcript": utterance.transcript,
        "emotional_words": take.emotional,
        "phonemes": utterance.phonemes, "phoneme_frames": phoneme_frames(utterance, settings.frames),
        "pitch": content.performer.pitch, "size": settings.size, "video": take.video, "audio": take.audio,
    }  # fmt: skip


def _png(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.imencode(".png", mask)[1], np.uint8).ravel()


def _joined(name: str, parts: list[NDArray[np.uint8]]) -> dict[str, NDArray[Any]]:
    """Byte strings of different lengths as one array and their ends."""
    return {f"{name}_png": np.concatenate(parts), f"{name}_ends": np.cumsum([len(part) for part in parts])}
