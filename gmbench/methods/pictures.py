"""Frames of prepared clips as arrays: mattes, resizing, and the frames of many people with their landmarks."""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench import shards
from gmbench.corpus.track_people import TrackClip
from gmbench.corpus.truth import Truth
from gmbench.datasets.manifest import TRAIN, ClipRow
from gmbench.errors import InputError
from gmbench.media import Video
from gmbench.methods.interface import PreparedDataset
from gmbench.methods.pretraining import PREFIX
from gmbench.methods.tracks import read_shard
from gmbench.morphable.synthetic.model import synthetic_model
from gmbench.names import counted, some
from gmbench.shards import shard_path
from gmbench.store import digest, file_digest

LANDMARKS = 478


@dataclass(frozen=True)
class PictureClip:
    """One clip within :class:`PeoplePictures`.

    Attributes:
        clip_id, speaker, emotion, level: as in the manifest.
        pretraining: of the people whose labels only teachers may use.
        first, stop: its frames' indices.
    """

    clip_id: str
    speaker: str
    emotion: str
    level: int
    pretraining: bool
    first: int
    stop: int


@dataclass(frozen=True)
class PeoplePictures:
    """Pictures of many people, memory-mapped, clip after clip.

    Attributes:
        frames: (N, S, S, 3) uint8 RGB.
        landmarks: (N, 478, 2) float32 in pixels of the frames, x right, y down; NaN where no face was found.
        clips: in the order of their frames.
    """

    frames: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    clips: tuple[PictureClip, ...]

    def clip_numbers(self) -> NDArray[np.int64]:
        """(N,) index into ``clips`` of each frame."""
        return np.repeat(np.arange(len(self.clips)), [clip.stop - clip.first for clip in self.clips])


@dataclass(frozen=True)
class _Source:
    """A video of N frames, its landmarks (N, 478, 2) in its own pixels, and the file of its sound."""

    clip: PictureClip
    video: Path
    landmarks: NDArray[np.float32]
    sound: Path


def read_people(
    dataset: PreparedDataset, pretraining: PreparedDataset | None, folder: Path, side: int,
    drawn: Sequence[TrackClip] = (), pictures: Sequence[NDArray[np.uint8]] = (),
) -> PeoplePictures:  # fmt: skip
    """All frames of the training clips of a dataset and of the pre-training people, as arrays in a folder.

    The dataset's frames are its crops. Those of the pre-training people are the synthetic corpus' films with their
    true landmarks, or the crops of the training clips of another dataset.

    Args:
        dataset: whose clips of the split ``train`` are read.
        pretraining: of many people; None for no further people.
        folder: of the arrays; what lies there is written anew.
        side: S of the pictures.
        drawn: further labelled clips, whose pictures are drawn here at the dataset's size.
        pictures: frames (T, S, S, 3) of each of those, where :func:`draw_pictures` drew them before.

    Raises:
        InputError: there are no frames, or a video has other frames than its landmarks.
    """
    sources = _sources(dataset, pretraining)
    count = sum(len(source.landmarks) for source in sources) + sum(len(clip.rho) for clip in drawn)
    frames = new_array(folder, "frames", np.uint8, (count, side, side, 3))
    landmarks = new_array(folder, "landmarks", np.float32, (count, LANDMARKS, 2))
    clips, first = [], 0
    for source in sources:
        stop = first + len(source.landmarks)
        scale = _write_frames(frames[first:stop], source)
        landmarks[first:stop] = source.landmarks * scale  # pixel centres lie at halves, so corners stay at zero
        clips.append(PictureClip(**(vars(source.clip) | {"first": first, "stop": stop})))
        first = stop
    model = synthetic_model()
    for clip, shown in zip(drawn, pictures or draw_pictures(drawn, dataset.size, side), strict=True):
        stop = first + len(clip.rho)
        frames[first:stop] = shown
        landmarks[first:stop] = clip.landmarks(model, side)
        clips.append(PictureClip(clip.clip_id, clip.speaker, clip.emotion, clip.level, False, first, stop))
        first = stop
    return PeoplePictures(frames, landmarks, tuple(clips))


def draw_pictures(clips: Sequence[TrackClip], size: int, side: int) -> Iterator[NDArray[np.uint8]]:
    """Frames (T, S, S, 3) of each clip, drawn at a size and seen at a side S."""
    model = synthetic_model()
    for clip in clips:
        yield np.stack([resize(picture, side) for picture in clip.pictures(model, size)])


def people_digest(dataset: PreparedDataset, pretraining: PreparedDataset | None) -> str:
    """Digest of everything that :func:`read_people` reads, for the keys of training jobs."""
    sources = _sources(dataset, pretraining)
    shapes = [hashlib.sha256(source.landmarks.tobytes()).hexdigest() for source in sources]
    return digest([vars(source.clip) for source in sources], [file_digest(s.video) for s in sources], shapes)


def people_sounds(dataset: PreparedDataset, pretraining: PreparedDataset | None) -> list[Path]:
    """The files of the clips' sounds, in the order of :func:`read_people`."""
    return [source.sound for source in _sources(dataset, pretraining)]


def new_array(folder: Path, name: str, kind: type, shape: tuple[int, ...]) -> NDArray[Any]:
    """A memory-mapped array in a folder, of this process alone: several processes of one training write theirs at once.

    Its file has no name any more once it is mapped, so that it goes with the process, however that ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=f"{name}-", suffix=".npy") as file:
        return np.lib.format.open_memmap(file.name, "w+", kind, shape)


def check_mattes(dataset: PreparedDataset, rows: Sequence[ClipRow]) -> None:
    """Raise InputError for the first fitted clip without a matte, before hours of training come to it."""
    for problem in matte_problems(dataset, rows):
        raise InputError(problem)


def matte_problems(dataset: PreparedDataset, rows: Sequence[ClipRow]) -> Iterator[str]:
    """What is wrong with the mattes of fitted clips, one text per reason."""
    if dataset.mattes is None and dataset.truth is not None:
        return
    reasons: dict[str, list[ClipRow]] = {}
    for speaker in sorted({row.speaker for row in rows}):
        fitted = read_shard(dataset.coefficients, speaker, ["valid"])
        found = read_shard(dataset.mattes, speaker, []) if dataset.mattes else {}
        for row in rows:
            if row.speaker != speaker or row.clip_id not in fitted:
                continue
            if own_matte(dataset.crops, row).exists():
                if wrong := _wrong_size(dataset, row):
                    yield wrong
            elif row.clip_id not in found:
                reasons.setdefault(_why_missing(dataset, row), []).append(row)
    for reason, clips in reasons.items():
        yield _missing(dataset, clips, reason)


def _missing(dataset: PreparedDataset, rows: Sequence[ClipRow], reason: str) -> str:
    return (
        f"{own_matte(dataset.crops, rows[0])}: no matte of the person here, and none found for"
        f" {counted(len(rows), 'clip')} ({some([row.clip_id for row in rows])}): {reason}; put a video of each, white"
        " on black, there, or MediaPipe's selfie segmenter into the weights folder ('gmbench weights fetch"
        " selfie_segmenter')"
    )


def matte_digests(dataset: PreparedDataset, rows: Sequence[ClipRow]) -> list[str]:
    """Digests of the mattes of one speaker's clips, for the keys of training jobs; none of the corpus' own."""
    paths = [own_matte(dataset.crops, row) for row in rows]
    if dataset.mattes is not None:
        paths.append(shard_path(dataset.mattes, rows[0].speaker))
    return [file_digest(path) for path in paths if path.exists()]


def own_matte(crops: Path, row: ClipRow) -> Path:
    """Where the user's own matte of a clip lies, if there is one."""
    return (crops.parent / "mattes" / row.video_path).with_suffix(".mp4")


def read_mattes(dataset: PreparedDataset, row: ClipRow) -> tuple[Sequence[NDArray[np.uint8]], NDArray[np.float32]]:
    """Mattes (T, S, S) of the person and landmarks (T, 478, 2): the user's file, else the corpus' or what was found.

    Raises:
        InputError: no matte of the clip, or one of another size or length.
    """
    landmarks = shards.read(dataset.landmarks, row.speaker, row.clip_id, ["mesh"])["mesh"]
    own = own_matte(dataset.crops, row)
    if own.exists():
        if wrong := _wrong_size(dataset, row):
            raise InputError(wrong)
        return [frame[..., 0] for frame in Video(own)], landmarks
    if dataset.mattes is None and dataset.truth is not None:
        truth = Truth(dataset.truth).frames(row.clip_id, ["head", "shoulders"])
        masks = [[_decode_grey(data) for data in truth[name]] for name in ("head", "shoulders")]
        return [np.maximum(a, b) for a, b in zip(*masks, strict=True)], landmarks
    try:
        found = shards.read(dataset.mattes or own.parent, row.speaker, row.clip_id, ["png"])["png"]
    except InputError as error:
        raise InputError(_missing(dataset, [row], _why_missing(dataset, row))) from error
    return [_decode_grey(data) for data in found], landmarks


def _wrong_size(dataset: PreparedDataset, row: ClipRow) -> str:
    """How the user's matte of a clip does not fit its crop; empty where it does."""
    path = own_matte(dataset.crops, row)
    info, frames = Video(path).info, row.n_frames or Video(dataset.crops / row.video_path).info.frames
    if (info.frames, info.height, info.width) == (frames, dataset.size, dataset.size):
        return ""
    return (
        f"{path}: expected a matte of {frames} frames of {dataset.size} x {dataset.size} at 25 fps, as its"
        f" crop has, got {info.frames} of {info.width} x {info.height}"
    )


def _why_missing(dataset: PreparedDataset, row: ClipRow) -> str:
    """Why the stage found no matte of a clip, as its report says."""
    report = dataset.crops.parent / "mattes.json"
    failed = json.loads(report.read_text("utf-8"))["failed"] if report.exists() else {}
    return str(failed.get(row.clip_id, "the stage mattes did not look for it"))


def resize(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A square picture (S, S, ...) at another side: averaged where it shrinks, cubic where it grows."""
    if image.shape[0] == side:
        return image
    how = cv2.INTER_AREA if side < image.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (side, side), interpolation=how), np.uint8)


def _sources(dataset: PreparedDataset, pretraining: PreparedDataset | None) -> list[_Source]:
    sources = list(_crops(dataset, pretraining=False))
    if pretraining is not None and pretraining.true_tracks is not None:
        sources += _true_people(pretraining.true_tracks)
    elif pretraining is not None and pretraining.dataset != dataset.dataset:
        sources += _crops(pretraining, pretraining=True)
    if not sources:
        raise InputError(f"{dataset.dataset}: no training clips with landmarks; run the stages crop and landmarks")
    return sources


def _crops(dataset: PreparedDataset, pretraining: bool) -> Iterator[_Source]:
    """Training clips with landmarks; the reports of the stages before list the others with their reasons."""
    rows = dataset.split(TRAIN)
    meshes = {
        speaker: read_shard(dataset.landmarks, speaker, ["mesh"]) for speaker in sorted({row.speaker for row in rows})
    }
    for row in rows:
        if row.clip_id in meshes[row.speaker]:
            clip = PictureClip(row.clip_id, row.speaker, row.emotion, row.level, pretraining, 0, 0)
            video = dataset.crops / row.video_path
            yield _Source(clip, video, meshes[row.speaker][row.clip_id]["mesh"], video)


def _true_people(root: Path) -> Iterator[_Source]:
    """The synthetic corpus' clips for pre-training."""
    truth = Truth(root)
    chosen = truth.clips[truth.clips["clip_id"].str.startswith(PREFIX)]
    for name, row in chosen.iterrows():
        clip = PictureClip(str(name), str(row["speaker"]), str(row["emotion"]), int(row["level"]), True, 0, 0)
        landmarks = truth.frames(str(name), ["landmarks"])["landmarks"]
        yield _Source(clip, root / str(row["video"]), landmarks, root / str(row["audio"]))


def _write_frames(frames: NDArray[np.uint8], source: _Source) -> float:
    """Fill (T, S, S, 3) with the pictures of a video; gives S over the video's side."""
    video = Video(source.video)
    size = (video.info.frames, video.info.height, video.info.width)
    expected = (len(frames), size[1], size[1])
    if size != expected:
        raise InputError(
            f"{source.video}: expected {expected[0]} square frames, as many as landmarks, got {size[0]} of"
            f" {size[2]} x {size[1]}; run the stages crop and landmarks again"
        )
    for t, frame in enumerate(video):
        frames[t] = resize(frame, frames.shape[1])
    return frames.shape[1] / video.info.height


def _decode_grey(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)
