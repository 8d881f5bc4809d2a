"""What the feature extractors the corpus learn from, how each is trained, and how well it does on strangers.

They learn from people drawn for them alone, the sync network from the pre-training clips; the speakers of the corpus,
on whom methods are tested, are met by none of them.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from gmbench import job_cache
from gmbench.audio.spectra import syncnet_mfcc
from gmbench.corpus import people
from gmbench.corpus.make import CRF as CORPUS_CRF
from gmbench.corpus.truth import Truth
from gmbench.evaluation.extraction.network_crops import CORPUS_SIDE, chip_matrix, mouth_crop
from gmbench.extractors import landmarker
from gmbench.extractors.corpus import networks, training
from gmbench.extractors.corpus.training import Faces, Recipe
from gmbench.extractors.syncnet import WINDOW, mfcc_windows
from gmbench.face.landmarks_68 import mesh_vertices
from gmbench.job_cache import Job, JobResult
from gmbench.media import Video, read_audio, write_video
from gmbench.metrics.emotion import SUITE_ORDER
from gmbench.metrics.sync import shift_distances, synchronise
from gmbench.morphable.landmarks_478 import OUTER_EYE_CORNERS, SPARSE
from gmbench.morphable.synthetic.model import synthetic_model
from gmbench.store import Store

SHAPES = 40
"""Directions of shape that the feature network learns."""
SHIFTS = tuple(range(-10, 11))
LANDMARKS = np.union1d(SPARSE, mesh_vertices())
"""Points that the landmarker learns: those that fitting and the 68-point metrics use."""
ERROR_EVERY = 25
"""Every n-th frame of the corpus tells the landmarker's error."""
Data = dict[str, Any]
"""Faces, extras, targets and emotions of takes."""


@dataclass(frozen=True)
class Lesson:
    """One network to train.

    Attributes:
        kind: one of ``landmarker`` and :data:`gmbench.extractors.corpus.networks.NETWORKS`.
        recipe: how long and how fast.
        held_out: people, the last ones, kept for its score.
        store, drawn: where the people are.
        root, heard, tested: the corpus, its clips for the sync network, and those of the speakers nobody meets.
    """

    kind: str
    recipe: Recipe
    held_out: int
    store: Path
    drawn: tuple[Job, ...]
    root: Path
    heard: tuple[str, ...]
    tested: tuple[str, ...]


def draw(arguments: tuple[int, int, int, int, int]) -> JobResult:
    """Frames, where the faces are and what is in them, of some people: (first, count, frames a take, size, seed)."""
    drawn = people.draw_people(*arguments)
    frames = _filmed(drawn.frames.reshape(-1, *drawn.frames.shape[2:]))
    points = drawn.landmarks[:, :, mesh_vertices()].astype(np.float64)
    matrices = [chip_matrix(p) for p in points.reshape(-1, 68, 2)]
    names = synthetic_model().names["expression"]
    shape = drawn.frames.shape[:2]
    signs = np.broadcast_to(drawn.signs[:, None], (*shape, drawn.signs.shape[1]))
    bodies = np.broadcast_to(drawn.shape[:, None, :SHAPES], (*shape, SHAPES))
    actions = drawn.expression[..., : len(names)]
    extras = np.concatenate([actions, signs], axis=2)
    mirrored = np.concatenate([in_the_mirror(actions, names), signs], axis=2)
    return {
        "frames": frames.reshape(drawn.frames.shape),
        "matrices": np.stack(matrices).reshape(*shape, 2, 3),
        "points": drawn.landmarks[:, :, LANDMARKS],
        "extras": np.stack([extras, mirrored], axis=2),
        "targets": np.concatenate([extras, drawn.motion, bodies], axis=2).astype(np.float32),
        "emotion": training.class_numbers(drawn.emotion.tolist(), SUITE_ORDER),
    }, {}


def in_the_mirror(actions: NDArray[np.float32], names: Sequence[str]) -> NDArray[np.float32]:
    """Named actions (..., n) of a face as its mirror image shows them: left for right, and ``jaw_side`` turned."""
    stems = [name.rpartition("_") for name in names]
    others = {"left": "right", "right": "left"}
    result = actions[..., [names.index(f"{stem}{joint}{others.get(side, side)}") for stem, joint, side in stems]]
    result[..., names.index("jaw_side")] *= -1
    return result


def _filmed(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames (N, S, S, 3) as the corpus' films show them: coding takes noise and fine lines away."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.mp4"
        write_video(path, frames, crf=CORPUS_CRF)
        return np.stack(list(Video(path)))


def train_network(lesson: Lesson) -> JobResult:
    """One network: its file, and its report with recipe, data and score on strangers."""
    report: dict[str, Any] = {"kind": lesson.kind, "recipe": asdict(lesson.recipe)}
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # costs time, and nothing reads such memory
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.safetensors"
            if lesson.kind == "landmarker":
                sizes = _landmarker(lesson, path, report)
            elif lesson.kind == "syncnet":
                sizes = _heard(lesson, path, report)
            else:
                sizes = _seen(lesson, path, report)
            return {"file": np.frombuffer(path.read_bytes(), np.uint8).copy()}, {"report": report, "sizes": sizes}
    finally:
        torch.use_deterministic_algorithms(False)


def _heard(lesson: Lesson, path: Path, report: dict[str, Any]) -> dict[str, int]:
    """The sync network."""
    network = training.train_sync(*_clips(lesson.root, lesson.heard), lesson.recipe)
    report |= {"data": list(lesson.heard), "held_out": sync_score(network, *_clips(lesson.root, lesson.tested))}
    networks.write(path, lesson.kind, network, {}, report)
    return {}


def _landmarker(lesson: Lesson, path: Path, report: dict[str, Any]) -> dict[str, int]:
    frames, points = (_joined(lesson, name) for name in ("frames", "points"))
    points = points * np.float32(landmarker.INPUT / frames.shape[3])
    frames = _shrunk(frames, landmarker.INPUT)
    recipe = landmarker.Training(lesson.recipe.steps, lesson.recipe.batch, lesson.recipe.rate, lesson.recipe.seed)
    network = landmarker.train(frames.reshape(-1, *frames.shape[2:]), points.reshape(-1, *points.shape[2:]), recipe)
    landmarker.write(path, network, LANDMARKS)
    report |= {"data": f"{len(frames)} takes of people", "landmarks": len(LANDMARKS)}
    report["held_out"] = landmark_error(network, *_frames_and_points(lesson.root, lesson.tested))
    return {}


def _seen(lesson: Lesson, path: Path, report: dict[str, Any]) -> dict[str, int]:
    """The networks that learn from people."""
    data: Data = {name: _joined(lesson, name) for name in ("extras", "targets", "emotion")}
    data["faces"] = Faces(_joined(lesson, "frames"), _joined(lesson, "matrices"))
    split = len(data["emotion"]) - lesson.held_out * people.TAKES
    known, unseen = ({n: v[part] for n, v in data.items()} for part in (slice(split), slice(split, None)))
    network, sizes = _TRAIN[lesson.kind](known, lesson.recipe)
    report["data"] = f"people 0 to {split // people.TAKES - 1}, {split} takes"
    report["held_out"] = _SCORE[lesson.kind](network, unseen) if lesson.held_out else {}
    networks.write(path, lesson.kind, network, sizes, report)
    return sizes


def _joined(lesson: Lesson, name: str) -> NDArray[Any]:
    store = Store(lesson.store)
    return np.concatenate([job_cache.load(store, job).arrays[name] for job in lesson.drawn])


def _shrunk(frames: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Frames (N, F, side, side, 3) of larger ones."""
    small = [cv2.resize(f, (side, side), interpolation=cv2.INTER_AREA) for f in frames.reshape(-1, *frames.shape[2:])]
    return np.stack(small).reshape(*frames.shape[:2], side, side, 3).astype(np.uint8)


_TRAIN: dict[str, Callable[[Data, Recipe], tuple[torch.nn.Module, dict[str, int]]]] = {
    "emotion": lambda d, r: (
        training.train_emotion(d["faces"], d["emotion"], d["extras"], r), {"extras": d["extras"].shape[-1]},
    ),
    "emotion_vgg": lambda d, r: (training.train_emotion_vgg(d["faces"], d["emotion"], r), {}),
    "identity": lambda d, r: (training.train_identity(d["faces"], r), {"outputs": training.IDENTITY_WIDTH}),
    "features": lambda d, r: (
        training.train_features(_shrunk(d["faces"].frames, CORPUS_SIDE), d["targets"], r),
        {"targets": d["targets"].shape[-1]},
    ),
}  # fmt: skip


def _emotion_score(network: Any, data: Data) -> dict[str, Any]:
    with torch.inference_mode():
        features = network.both_ways(_flat(data["faces"].chips())).unflatten(0, data["faces"].frames.shape[:2])
        found = network.classify(features).argmax(1).numpy()
    return _accuracy(found, data["emotion"])


def _vgg_score(network: Any, data: Data) -> dict[str, Any]:
    with torch.inference_mode():
        found = network(_flat(data["faces"].chips())).argmax(1).numpy()
    return _accuracy(found, np.repeat(data["emotion"], data["faces"].frames.shape[1]))


def _identity_score(network: Any, data: Data) -> dict[str, Any]:
    """Share of takes whose nearest other take is the same person's."""
    faces = data["faces"]
    with torch.inference_mode():
        embedded = network(_flat(faces.chips())).unflatten(0, faces.frames.shape[:2])
        e = torch.nn.functional.normalize(embedded.mean(1))
    near = (e @ e.T).fill_diagonal_(-2).argmax(1).numpy()
    return {"same_person_nearest": round(float(np.mean(near // 2 == np.arange(len(near)) // 2)), 4), "takes": len(near)}


def _feature_score(network: Any, data: Data) -> dict[str, Any]:
    """Variance of what is in the frames that the features tell, by a linear reading of the network's own output."""
    with torch.inference_mode():
        found = network(_flat(_shrunk(data["faces"].frames, CORPUS_SIDE))).numpy()
    wanted = data["targets"].reshape(len(found), -1)
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(found.T, wanted.T, strict=True) if b.std() > 0]
    return {"mean_correlation": round(float(np.mean(r)), 4), "frames": len(found)}


_SCORE: dict[str, Callable[[Any, Data], dict[str, Any]]] = {
    "emotion": _emotion_score, "emotion_vgg": _vgg_score, "identity": _identity_score, "features": _feature_score,
}  # fmt: skip


def _flat(pictures: NDArray[np.uint8]) -> torch.Tensor:
    return networks.as_input(pictures.reshape(-1, *pictures.shape[2:]))


def _accuracy(found: NDArray[np.int64], wanted: NDArray[np.int64]) -> dict[str, Any]:
    table = np.zeros((len(SUITE_ORDER),) * 2, int)
    np.add.at(table, (wanted, found), 1)
    return {
        "accuracy": round(float(np.mean(found == wanted)), 4), "count": len(found), "order": list(SUITE_ORDER),
        "confusion": table.tolist(),
    }  # fmt: skip


def landmark_error(
    network: landmarker.Landmarker, frames: NDArray[np.uint8], points: NDArray[np.float32]
) -> dict[str, float]:
    """Mean distance of the points in pixels and in percent of the outer eye corners' distance."""
    distance = np.linalg.norm(landmarker.predict(network, frames) - points, axis=-1).mean(axis=1)
    corners = points[:, np.searchsorted(LANDMARKS, OUTER_EYE_CORNERS)]
    width = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=-1)
    return {
        "pixels": round(float(distance.mean()), 3),
        "percent_iod": round(float((100 * distance / width).mean()), 3),
        "frames": len(frames),
    }


def _frames_and_points(root: Path, clips: tuple[str, ...]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Some frames (N, S, S, 3) of clips, and their landmarks (N, P, 2) in pixels."""
    truth, frames, points = Truth(root), [], []
    for number, clip in enumerate(clips):
        known = truth.frames(clip, ["landmarks"])["landmarks"]
        for t, frame in enumerate(Video(root / str(truth.clips.loc[clip, "video"]))):
            if t % ERROR_EVERY == number % ERROR_EVERY:
                frames.append(frame)
                points.append(known[t, LANDMARKS])
    return np.stack(frames), np.stack(points)


def _clips(root: Path, names: tuple[str, ...]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Mouths (C, T, 40, 40) and MFCC (C, columns, 13) of clips of one length."""
    truth, vertices = Truth(root), mesh_vertices()
    mouths, sounds = [], []
    for name in names:
        row = truth.clips.loc[name]
        points = truth.frames(name, ["landmarks"])["landmarks"][:, vertices].astype(np.float64)
        crop = mouth_crop(points)
        mouths.append(np.stack([crop(t, frame)[..., 0] for t, frame in enumerate(Video(root / str(row["video"])))]))  # type: ignore[index]
        sounds.append(syncnet_mfcc(read_audio(root / str(row["audio"]))))
    frames, columns = min(len(m) for m in mouths), min(len(s) for s in sounds)
    return (
        np.stack([m[:frames] for m in mouths]),
        np.stack([s[:columns] for s in sounds]).astype(np.float32),
    )


def sync_score(network: Any, mouths: NDArray[np.uint8], mfcc: NDArray[np.float32]) -> dict[str, Any]:
    """Share of clips whose offset is found exactly under shifts of -10 to 10 frames, and Sync-C by shift."""
    count = min(mouths.shape[1] - WINDOW, (mfcc.shape[1] - 20) // 4 + 1)
    exact, confidence = [], {shift: [] for shift in SHIFTS}  # type: tuple[list[bool], dict[int, list[float]]]
    for seen, heard in zip(mouths, mfcc, strict=True):
        grey = torch.from_numpy(seen).float()
        windows = torch.stack([grey[i : i + WINDOW] for i in range(count)])
        with torch.inference_mode():
            lips = network.lips(windows).numpy()
            sounds = network.sounds(torch.from_numpy(mfcc_windows(heard, count))).numpy()
        for shift in SHIFTS:
            late = np.zeros_like(sounds)
            if shift >= 0:
                late[shift:] = sounds[: count - shift]
            else:
                late[:shift] = sounds[-shift:]
            result = synchronise(shift_distances(lips, late))
            exact.append(result.offset == -shift)
            confidence[shift].append(result.confidence)
    means = {str(shift): round(float(np.mean(values)), 5) for shift, values in confidence.items()}
    return {"offset_exact": round(float(np.mean(exact)), 4), "clips": len(mouths), "sync_c_by_shift": means}
