"""Training of the corpus' feature extractors as jobs: their data, their training, and their score on unseen people.

All but the sync network learn from people drawn for them alone, the sync network from the pre-training clips. None of
them sees the speakers of the corpus, on whom methods are tested.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gmbench import job_cache
from gmbench.audio.spectra import syncnet_mfcc
from gmbench.corpus import people
from gmbench.corpus.make import CRF as CORPUS_CRF
from gmbench.corpus.truth import Truth
from gmbench.emotions import SUITE_ORDER
from gmbench.evaluation.extraction.network_crops import CORPUS_SIDE, chip_matrix, mouth_crop
from gmbench.extractors import landmarker
from gmbench.extractors.corpus import networks, training
from gmbench.extractors.corpus.training import Faces, TrainingSettings
from gmbench.face.landmarks_68 import mesh_vertices
from gmbench.job_cache import Job, JobResult
from gmbench.media import Video, coded_and_decoded, read_audio
from gmbench.morphable.landmarks_478 import SPARSE
from gmbench.morphable.synthetic.model import synthetic_model
from gmbench.stages import extractor_scores as scores
from gmbench.stages.extractor_scores import TrainingData
from gmbench.store import Store

SHAPES = 40
"""Directions of shape that the feature network learns."""
LANDMARKS = np.union1d(SPARSE, mesh_vertices())
"""Landmarks that the landmarker learns: those that fitting and the 68-point metrics use."""
ERROR_EVERY = 25
"""Frames of the corpus, every n-th, that the landmarker's error is measured on."""


@dataclass(frozen=True)
class ExtractorTraining:
    """One network to train.

    Attributes:
        kind: one of ``landmarker`` and :data:`gmbench.extractors.corpus.networks.NETWORKS`.
        settings: how long and how fast.
        held_out: number of people, the last ones, that are kept for its score.
        store, people_jobs: where the frames of the people are.
        root: the corpus; sync_clips: its clips for the sync network; scored_clips: those of
            its speakers that the landmarker and the sync network are scored on.
    """

    kind: str
    settings: TrainingSettings
    held_out: int
    store: Path
    people_jobs: tuple[Job, ...]
    root: Path
    sync_clips: tuple[str, ...]
    scored_clips: tuple[str, ...]


def draw_training_people(arguments: tuple[int, int, int, int, int]) -> JobResult:
    """Frames of some people, where the faces are and what they do: (first, count, frames per take, size, seed)."""
    drawn = people.draw_people(*arguments)
    frames = np.stack(list(coded_and_decoded(drawn.frames.reshape(-1, *drawn.frames.shape[2:]), CORPUS_CRF)))
    points = drawn.landmarks[:, :, mesh_vertices()].astype(np.float64)
    matrices = [chip_matrix(p) for p in points.reshape(-1, 68, 2)]
    names = synthetic_model().names["expression"]
    shape = drawn.frames.shape[:2]
    signs = np.broadcast_to(drawn.signs[:, None], (*shape, drawn.signs.shape[1]))
    identities = np.broadcast_to(drawn.shape[:, None, :SHAPES], (*shape, SHAPES))
    actions = drawn.expression[..., : len(names)]
    extras = np.concatenate([actions, signs], axis=2)
    mirrored = np.concatenate([mirrored_actions(actions, names), signs], axis=2)
    return {
        "frames": frames.reshape(drawn.frames.shape),
        "matrices": np.stack(matrices).reshape(*shape, 2, 3),
        "points": drawn.landmarks[:, :, LANDMARKS],
        "extras": np.stack([extras, mirrored], axis=2),
        "targets": np.concatenate([extras, drawn.motion, identities], axis=2).astype(np.float32),
        "emotion": training.class_numbers(drawn.emotion.tolist(), SUITE_ORDER),
    }, {}


def mirrored_actions(actions: NDArray[np.float32], names: Sequence[str]) -> NDArray[np.float32]:
    """Named actions (..., n) of the mirror image of a face: left for right, and ``jaw_side`` negated."""
    stems = [name.rpartition("_") for name in names]
    opposite = {"left": "right", "right": "left"}
    result = actions[..., [names.index(f"{stem}{joint}{opposite.get(side, side)}") for stem, joint, side in stems]]
    result[..., names.index("jaw_side")] *= -1
    return result


def train_network(job: ExtractorTraining) -> JobResult:
    """One network: its file, and its report with recipe, data and score on unseen people."""
    report: dict[str, Any] = {"kind": job.kind, "recipe": asdict(job.settings)}
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # costs time, and nothing reads such memory
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.safetensors"
            if job.kind == "landmarker":
                sizes = _train_landmarker(job, path, report)
            elif job.kind == "syncnet":
                sizes = _train_sync_network(job, path, report)
            else:
                sizes = _train_face_network(job, path, report)
            return {"file": np.frombuffer(path.read_bytes(), np.uint8).copy()}, {"report": report, "sizes": sizes}
    finally:
        torch.use_deterministic_algorithms(False)


def _train_sync_network(job: ExtractorTraining, path: Path, report: dict[str, Any]) -> dict[str, int]:
    network = training.train_sync(*mouths_and_mfcc(job.root, job.sync_clips), job.settings)
    score = scores.sync_score(network, *mouths_and_mfcc(job.root, job.scored_clips))
    report |= {"data": list(job.sync_clips), "held_out": score}
    networks.write(path, job.kind, network, {}, report)
    return {}


def _train_landmarker(job: ExtractorTraining, path: Path, report: dict[str, Any]) -> dict[str, int]:
    frames, points = (_of_all_people(job, name) for name in ("frames", "points"))
    points = points * np.float32(landmarker.INPUT / frames.shape[3])
    frames = scores.shrunk(frames, landmarker.INPUT)
    settings = landmarker.LandmarkerSettings(
        job.settings.steps, job.settings.batch, job.settings.rate, job.settings.seed
    )
    network = landmarker.train(frames.reshape(-1, *frames.shape[2:]), points.reshape(-1, *points.shape[2:]), settings)
    landmarker.write(path, network, LANDMARKS)
    report |= {"data": f"{len(frames)} takes of people", "landmarks": len(LANDMARKS)}
    report["held_out"] = scores.landmark_error(network, LANDMARKS, *frames_and_points(job.root, job.scored_clips))
    return {}


def _train_face_network(job: ExtractorTraining, path: Path, report: dict[str, Any]) -> dict[str, int]:
    """The networks that learn from people."""
    data: TrainingData = {name: _of_all_people(job, name) for name in ("extras", "targets", "emotion")}
    data["faces"] = Faces(_of_all_people(job, "frames"), _of_all_people(job, "matrices"))
    split = len(data["emotion"]) - job.held_out * people.TAKES
    train_part, held_out_part = (
        {name: values[part] for name, values in data.items()} for part in (slice(split), slice(split, None))
    )
    network, sizes = _TRAIN[job.kind](train_part, job.settings)
    report["data"] = f"people 0 to {split // people.TAKES - 1}, {split} takes"
    report["held_out"] = scores.SCORES[job.kind](network, held_out_part) if job.held_out else {}
    networks.write(path, job.kind, network, sizes, report)
    return sizes


def _of_all_people(job: ExtractorTraining, name: str) -> NDArray[Any]:
    """An array of all takes of all people."""
    store = Store(job.store)
    return np.concatenate([job_cache.load(store, part).arrays[name] for part in job.people_jobs])


_TRAIN: dict[str, Callable[[TrainingData, TrainingSettings], tuple[torch.nn.Module, dict[str, int]]]] = {
    "emotion": lambda d, r: (
        training.train_emotion(d["faces"], d["emotion"], d["extras"], r), {"extras": d["extras"].shape[-1]},
    ),
    "emotion_vgg": lambda d, r: (training.train_emotion_vgg(d["faces"], d["emotion"], r), {}),
    "identity": lambda d, r: (training.train_identity(d["faces"], r), {"outputs": training.IDENTITY_WIDTH}),
    "features": lambda d, r: (
        training.train_features(scores.shrunk(d["faces"].frames, CORPUS_SIDE), d["targets"], r),
        {"targets": d["targets"].shape[-1]},
    ),
}  # fmt: skip


def frames_and_points(root: Path, clips: tuple[str, ...]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Every 25th frame (N, S, S, 3) of clips, and their landmarks (N, P, 2) in pixels."""
    truth, frames, points = Truth(root), [], []
    for number, clip in enumerate(clips):
        landmarks = truth.frames(clip, ["landmarks"])["landmarks"]
        for t, frame in enumerate(Video(root / str(truth.clips.loc[clip, "video"]))):
            if t % ERROR_EVERY == number % ERROR_EVERY:
                frames.append(frame)
                points.append(landmarks[t, LANDMARKS])
    return np.stack(frames), np.stack(points)


def mouths_and_mfcc(root: Path, names: tuple[str, ...]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Mouths (C, T, 40, 40) and MFCC (C, columns, 13) of clips, cut to the shortest."""
    truth, vertices = Truth(root), mesh_vertices()
    mouths, mfcc = [], []
    for name in names:
        row = truth.clips.loc[name]
        points = truth.frames(name, ["landmarks"])["landmarks"][:, vertices].astype(np.float64)
        crop = mouth_crop(points)
        mouths.append(np.stack([crop(t, frame)[..., 0] for t, frame in enumerate(Video(root / str(row["video"])))]))  # type: ignore[index]
        mfcc.append(syncnet_mfcc(read_audio(root / str(row["audio"]))))
    frames, columns = min(len(m) for m in mouths), min(len(s) for s in mfcc)
    return (
        np.stack([m[:frames] for m in mouths]),
        np.stack([s[:columns] for s in mfcc]).astype(np.float32),
    )
