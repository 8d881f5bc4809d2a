"""What GMTalker learns from: coefficients and audio features of clips, and pictures of one person."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmbench import shards
from gmbench.audio.hubert import to_video_rate
from gmbench.audio.spectra import logmel
from gmbench.corpus.truth import Truth
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError
from gmbench.media import Video, read_audio
from gmbench.methods.interface import PreparedDataset
from gmbench.metrics.emotion import SUITE_ORDER
from gmbench.morphable.model import ROTATION, TRANSLATION

FLOOR = 0.2
"""Least deviation of a column, in medians of all: columns of noise alone must not count."""
CHIN = 152
DILATION = 0.05
NEUTRAL = "neutral"


@dataclass(frozen=True)
class ClipTracks:
    """One clip: ``beta`` (T, 169), ``rho`` (T, 12), ``audio`` (T, a), all at 25 fps."""

    clip_id: str
    speaker: str
    emotion: str
    level: int
    beta: NDArray[np.float32]
    rho: NDArray[np.float32]
    audio: NDArray[np.float32]


def read_clips(dataset: PreparedDataset, rows: Sequence[ClipRow]) -> list[ClipTracks]:
    """Fitted tracks and features of clips, cut where the fit found no face; in the rows' order.

    Raises:
        InputError: none of the clips was fitted.
    """
    pair = str(dataset.audio_facts["pair"])
    speakers = sorted({row.speaker for row in rows})
    coefficients: dict[str, Any] = {}
    sounds: dict[str, Any] = {}
    for speaker in speakers:
        coefficients |= _all(dataset.coefficients, speaker, ["beta", "rho", "segment"])
        sounds |= _all(dataset.audio, speaker, ["features"])
    found = []
    for row in rows:
        if row.clip_id not in coefficients or row.clip_id not in sounds:
            continue  # the stages before list it with its reason
        track = coefficients[row.clip_id]
        audio = to_video_rate(sounds[row.clip_id]["features"], len(track["rho"]), pair)
        whole = _longest(track["segment"])
        if whole.stop > whole.start:
            values = (track["beta"][whole], track["rho"][whole], audio[whole])
            found.append(ClipTracks(row.clip_id, row.speaker, row.emotion, row.level, *values))
    if not found:
        raise InputError(f"{dataset.coefficients}: none of {len(rows)} clips was fitted; see fit.json")
    return found


def read_pretraining(dataset: PreparedDataset) -> list[ClipTracks]:
    """Clips of many people with large motion: the synthetic corpus' own with true coefficients, or fitted ones.

    Of fitted clips those stay that :func:`wide_motion` takes.

    Raises:
        InputError: there are none.
    """
    if dataset.truth is not None:
        return _true_pretraining(dataset, dataset.truth)
    kept = []
    for speaker in sorted({row.speaker for row in dataset.rows}):
        rows = [row for row in dataset.rows if row.speaker == speaker]
        facts = _all(dataset.coefficients, speaker, ["lm_rmse", "eye_width", "valid"])
        usable = [row for row in rows if row.clip_id in facts and well_fitted(**facts[row.clip_id])]
        kept += read_clips(dataset, usable) if usable else []
    return wide_motion(kept, dataset.dataset)


LEAST_FRAMES, MOST_INVALID, MOST_ERROR, CALMEST = 75, 0.1, 0.03, 20
FACE_WIDTH = 1.6
"""Width of a face in distances between the outer eye corners."""


def well_fitted(lm_rmse: NDArray[np.float32], eye_width: NDArray[np.float32], valid: NDArray[np.bool_]) -> bool:
    """At least 75 frames, at most 10 % without a face, median landmark error below 3 % of the face's width."""
    if len(valid) < LEAST_FRAMES or (~valid).mean() > MOST_INVALID:
        return False
    return bool(np.median(lm_rmse[valid] / (FACE_WIDTH * eye_width[valid])) < MOST_ERROR)


def wide_motion(clips: Sequence[ClipTracks], source: str) -> list[ClipTracks]:
    """Clips whose head turns more than the calmest fifth; raises InputError where there are no clips."""
    if not clips:
        raise InputError(f"{source}: no clip is long and well fitted enough for pre-training; see fit.json")
    turns = np.array([np.sqrt(relative_motion(clip.rho)[:, ROTATION].var(axis=0).sum()) for clip in clips])
    return [clip for clip, turn in zip(clips, turns, strict=True) if turn >= np.percentile(turns, CALMEST)]


def _true_pretraining(dataset: PreparedDataset, root: Path) -> list[ClipTracks]:
    truth = Truth(root)
    chosen = truth.clips[truth.clips["clip_id"].str.startswith("pretraining/")]
    if chosen.empty:
        raise InputError(f"{root}: no pre-training clips; set pretraining_speakers of the corpus")
    if dataset.audio_facts["extractor"] != "logmel":
        raise InputError("pre-training on the corpus' own clips needs audio.extractor logmel")
    pair = str(dataset.audio_facts["pair"])
    found = []
    for name, row in chosen.iterrows():
        track = truth.frames(str(name), ["beta", "rho"])
        features = logmel(read_audio(root / str(row["audio"]))).astype(np.float16)
        facts = str(row["speaker"]), str(row["emotion"]), int(row["level"])
        audio = to_video_rate(features, len(track["rho"]), pair)
        found.append(ClipTracks(str(name), *facts, track["beta"], track["rho"], audio))
    return found


def emotions_of(rows: Sequence[ClipRow]) -> tuple[str, ...]:
    """Emotions that occur, in the suite's order; one unnamed emotion where clips have no labels."""
    found = {row.emotion for row in rows}
    return tuple(name for name in SUITE_ORDER if name in found) or ("",)


def weight_label(emotion: str, level: int, emotions: Sequence[str], intensity: str) -> NDArray[np.float32]:
    """Weights (K,) of a clip's label: one-hot, or shared with neutral by its level of three."""
    weights = np.zeros(len(emotions), np.float32)
    share = level / 3 if intensity == "neutral_mix" and NEUTRAL in emotions and level else 1.0
    weights[emotions.index(emotion)] += share
    if share < 1:
        weights[emotions.index(NEUTRAL)] += 1 - share
    return weights


@dataclass(frozen=True)
class Scale:
    """Standardisation of columns: ``mean`` and ``deviation`` (n,)."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    @classmethod
    def of(cls, values: Sequence[NDArray[np.float32]], centred: bool = True) -> "Scale":
        """From arrays (T, n); deviations have the floor :data:`FLOOR`."""
        rows = np.concatenate(values).astype(np.float64)
        deviation = rows.std(axis=0)
        usual = np.median(deviation[deviation > 0]) if (deviation > 0).any() else 1.0
        mean = rows.mean(axis=0) if centred else np.zeros(rows.shape[1])
        return cls(mean.astype(np.float32), np.maximum(deviation, FLOOR * usual).astype(np.float32))

    def to(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standardised."""
        return (values - self.mean) / self.deviation

    def back(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Original units."""
        return values * self.deviation + self.mean


POSE = slice(ROTATION.start, TRANSLATION.stop)
"""Columns of the motion that are relative to the clip's mean; gaze and blinks are absolute."""


def relative_motion(rho: NDArray[np.float32]) -> NDArray[np.float32]:
    """Motion (T, 12) without the clip's mean pose: crops and people differ in it."""
    result = rho.copy()
    result[:, POSE] -= rho[:, POSE].mean(axis=0)
    return result


class Windows:
    """Random windows of clips as padded batches; draws come from torch's global generator."""

    def __init__(self, tracks: Sequence[Sequence[NDArray[np.float32]]], window: tuple[int, int]) -> None:
        self.tracks, self.window = tracks, window

    def batch(self, chosen: Sequence[int]) -> tuple[list[Tensor], Tensor]:
        """Each track of the chosen clips (B, T, n), and the mask (B, T); T is drawn from the window."""
        low, high = self.window
        length = int(torch.randint(low, high + 1, ()))
        parts: list[list[Tensor]] = []
        valid = torch.zeros(len(chosen), length, dtype=torch.bool)
        for row, number in enumerate(chosen):
            clip = self.tracks[number]
            frames = len(clip[0])
            first = int(torch.randint(0, max(1, frames - length + 1), ()))
            taken = min(length, frames - first)
            valid[row, :taken] = True
            parts.append([_padded(track[first : first + taken], length) for track in clip])
        used = int(valid.any(0).sum())
        return [torch.stack(column)[:, :used] for column in zip(*parts, strict=True)], valid[:, :used]


def balanced(labels: Sequence[str], count: int) -> list[int]:
    """Numbers of clips, each label as likely as any other, from torch's global generator."""
    groups: dict[str, list[int]] = {}
    for number, label in enumerate(labels):
        groups.setdefault(label, []).append(number)
    names = sorted(groups)
    result = []
    for place in torch.randint(0, len(names), (count,)).tolist():
        members = groups[names[place]]
        result.append(members[int(torch.randint(0, len(members), ()))])
    return result


def shoulder_mask(
    matte: NDArray[np.uint8], covered: NDArray[np.bool_], landmarks: NDArray[np.floating], side: int
) -> NDArray[np.uint8]:
    """Shoulders (side, side) in 0..255: the person's matte without the widened head, below the chin.

    Args:
        matte: (S, S) person in 0..255.
        covered: (S', S') where the rendering is.
        landmarks: (478, 2) in pixels of the matte.
        side: of the result.
    """
    size = len(matte)
    head = cv2.resize(covered.astype(np.uint8), (size, size), interpolation=cv2.INTER_NEAREST)
    if np.isfinite(landmarks).all():
        hull = cv2.convexHull(np.rint(landmarks).astype(np.int32))
        cv2.fillConvexPoly(head, hull, 1)
    reach = max(1, round(DILATION * size))
    head = cv2.dilate(head, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
    chin = landmarks[CHIN, 1] if np.isfinite(landmarks[CHIN, 1]) else size / 2
    mask = np.where((head == 0) & (np.arange(size)[:, None] > chin), matte, 0).astype(np.uint8)
    return np.asarray(cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


@dataclass(frozen=True)
class Pictures:
    """Pictures of one person, memory-mapped: frames (N, S, S, 3), renderings, masks, motion (N, 12), emotions (N,)."""

    frames: NDArray[np.uint8]
    renders: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    rho: NDArray[np.float32]
    emotion: tuple[str, ...]


def read_pictures(
    dataset: PreparedDataset, rows: Sequence[ClipRow], folder: Path, size_in: int, size_out: int
) -> Pictures:
    """Frames of one person's clips beside their renderings and shoulder masks, kept as arrays in a folder.

    Raises:
        InputError: clips without renderings, or no person's matte.
    """
    speaker = rows[0].speaker
    renders = _all(dataset.renders, speaker, ["png"])
    fitted = _all(dataset.coefficients, speaker, ["rho"])
    usable = [row for row in rows if row.clip_id in renders and row.clip_id in fitted]
    if not usable:
        raise InputError(f"{dataset.renders}: no renderings of {speaker}; run the stage render")
    counts = [len(fitted[row.clip_id]["rho"]) for row in usable]
    folder.mkdir(parents=True, exist_ok=True)
    shapes = {"frames": (size_out, size_out, 3), "renders": (size_in, size_in, 3), "masks": (size_in, size_in)}
    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.uint8, shape=(sum(counts), *shape))
        for name, shape in shapes.items()
    }
    place = 0
    for row in usable:
        mattes, landmarks = _mattes(dataset, row)
        for t, frame in enumerate(Video(dataset.crops / row.video_path)):
            png = np.frombuffer(renders[row.clip_id]["png"][t], np.uint8)
            image = np.asarray(cv2.imdecode(png, cv2.IMREAD_COLOR), np.uint8)
            image = image[: image.shape[1], :, ::-1]
            arrays["frames"][place] = _resized(frame, size_out)
            arrays["renders"][place] = _resized(image, size_in)
            arrays["masks"][place] = shoulder_mask(mattes[t], np.asarray(image.any(axis=2)), landmarks[t], size_in)
            place += 1
    rho = np.concatenate([fitted[row.clip_id]["rho"] for row in usable]).astype(np.float32)
    emotion = tuple(row.emotion for row, count in zip(usable, counts, strict=True) for _ in range(count))
    return Pictures(arrays["frames"], arrays["renders"], arrays["masks"], rho, emotion)


def reference_mask(pictures: Pictures) -> NDArray[np.uint8]:
    """The mask of the frame whose head pose is nearest to the mean."""
    pose = pictures.rho[:, POSE]
    away = ((pose - pose.mean(axis=0)) / (pose.std(axis=0) + 1e-6)) ** 2
    return np.asarray(pictures.masks[int(away.sum(axis=1).argmin())])


def _mattes(dataset: PreparedDataset, row: ClipRow) -> tuple[Sequence[NDArray[np.uint8]], NDArray[np.float32]]:
    """Mattes (T, S, S) of the person and landmarks (T, 478, 2): the corpus' truth, or files beside the crops."""
    landmarks = shards.read(dataset.landmarks, row.speaker, row.clip_id, ["mesh"])["mesh"]
    if dataset.truth is not None:
        truth = Truth(dataset.truth).frames(row.clip_id, ["head", "shoulders"])
        masks = [[_png(data) for data in truth[name]] for name in ("head", "shoulders")]
        return [np.maximum(a, b) for a, b in zip(*masks, strict=True)], landmarks
    path = (dataset.crops.parent / "mattes" / row.video_path).with_suffix(".mp4")
    if not path.exists():
        raise InputError(f"{path}: no matte of the person here; write one with a video matting tool, white on black")
    return [frame[..., 0] for frame in Video(path)], landmarks


def _png(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)


def _all(folder: Path, speaker: str, names: list[str]) -> dict[str, dict[str, Any]]:
    return dict(shards.clips(folder, speaker, names)) if shards.shard_path(folder, speaker).exists() else {}


def _longest(segment: NDArray[np.integer]) -> slice:
    """The longest run of one segment; frames without a face have a negative number."""
    edges = np.flatnonzero(np.r_[True, segment[1:] != segment[:-1], True])
    runs = [(b - a, a) for a, b in zip(edges[:-1], edges[1:], strict=True) if segment[a] >= 0]
    if not runs:
        return slice(0, 0)
    length, start = max(runs, key=lambda run: (run[0], -run[1]))
    return slice(int(start), int(start + length))


def _padded(track: NDArray[np.float32], length: int) -> Tensor:
    return torch.from_numpy(np.pad(track, ((0, length - len(track)), (0, 0))).astype(np.float32))


def _resized(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    if image.shape[0] == side:
        return image
    how = cv2.INTER_AREA if side < image.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (side, side), interpolation=how), np.uint8)
