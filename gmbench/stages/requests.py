"""What a trained system is asked for: source image, reference clip and transcript of each clip, by one rule for all.

Source image: the first frame of the speaker's first neutral training clip; where there is none, of the scored clip.
Reference clip: a training clip of the same emotion, see :func:`reference_clip`. Never another frame of a test clip.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gmbench import shards
from gmbench.config import DatasetSection
from gmbench.corpus.truth import Truth
from gmbench.datasets import manifest
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError, MediaError
from gmbench.media import SAMPLES_PER_FRAME, Audio, Video, read_audio
from gmbench.methods.card import Given, MethodCard
from gmbench.methods.interface import Drivers, EmotionSpec, GenRequest, MissingInput, ReferenceClip
from gmbench.morphable import coefficient_io
from gmbench.stages.fit import training_coefficients
from gmbench.stages.paths import SYNTHETIC, DatasetPaths
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.store import digest, file_digest

ReferenceRule = Literal["same", "other", "own"]
NEUTRAL = "neutral"


@dataclass(frozen=True)
class PreparedClip:
    """A clip of the pipeline: its row, its crop, and the folder of its coefficients."""

    row: ClipRow
    video: Path
    coefficients: Path


@dataclass(frozen=True)
class RequestInputs:
    """What the request of one clip is made of.

    Attributes:
        clip: the scored clip; its sound is spoken.
        source: the clip whose first frame is the source image; None for a person-specific method.
        reference: the clip that shows the emotion; None where the emotion comes from elsewhere.
        reference_wanted: whether the emotion comes from a clip.
        transcript: words, empty where they are unknown.
        drives: of the system.
    """

    clip: PreparedClip
    source: PreparedClip | None
    reference: PreparedClip | None
    reference_wanted: bool
    transcript: str
    drives: tuple[str, ...]


def source_clip(row: ClipRow, rows: Sequence[ClipRow]) -> ClipRow:
    """The clip whose first frame shows the speaker: the first neutral training one, else the scored clip itself."""
    neutral = [
        other for other in rows if (other.speaker, other.emotion, other.split) == (row.speaker, NEUTRAL, manifest.TRAIN)
    ]
    return min(neutral, key=lambda other: other.clip_id, default=row)


def reference_clip(row: ClipRow, rows: Sequence[ClipRow], rule: ReferenceRule) -> ClipRow | None:
    """The clip that shows a scored clip's emotion; None where there is none.

    Args:
        row: the scored clip.
        rows: where training clips are looked for.
        rule: ``same`` speaker, an ``other`` speaker, or the scored clip itself (``own``). Of the training clips with
            the emotion at its highest level, a hash of the scored clip's name chooses: the same one for every system.
    """
    if rule == "own":
        return row
    usable = [
        other
        for other in rows
        if other.split == manifest.TRAIN
        and other.emotion == row.emotion
        and (other.speaker == row.speaker) == (rule == "same")
        and other.clip_id != row.clip_id
    ]
    highest = max((other.level for other in usable), default=0)
    ordered = sorted((other for other in usable if other.level == highest), key=lambda other: other.clip_id)
    return ordered[int(digest(row.clip_id)[:8], 16) % len(ordered)] if ordered else None


class RequestPlanner:
    """Finds what the requests of a dataset's clips are made of."""

    def __init__(self, run: PipelineRun, card: MethodCard) -> None:
        self._card = card
        self._section = run.params.datasets[run.paths.dataset]
        self._own = _clips(run, run.paths.dataset)
        models_dataset = self._section.models_of
        self._pool = _clips(run, models_dataset) if models_dataset else self._own
        self._transcripts = transcripts(run.paths, self._section)

    def inputs(self, row: ClipRow, drives: tuple[str, ...]) -> RequestInputs:
        """What the request of a clip under drives is made of."""
        clip = self._own[row.clip_id]
        source = None
        if self._card.identity_mode == "one_shot":
            source = self._own[source_clip(row, [c.row for c in self._own.values()]).clip_id]
        wanted = emotion_from(self._card, drives) == "video"
        reference = self.reference(row) if wanted else None
        return RequestInputs(clip, source, reference, wanted, self._transcripts.get(row.clip_id, ""), drives)

    def reference(self, row: ClipRow) -> PreparedClip | None:
        """The clip that shows a clip's emotion by the dataset's rule."""
        if self._section.reference == "own":
            return self._own[row.clip_id]
        found = reference_clip(row, [clip.row for clip in self._pool.values()], self._section.reference)
        return self._pool[found.clip_id] if found else None


def emotion_from(card: MethodCard, drives: Sequence[str]) -> str:
    """What gives the emotion under drives: one that a drive gives, else the card's default source."""
    given = {thing for name in drives for thing in card.drive(name).gives}
    if "clip" in given:
        return "none"
    return "video" if "reference" in given else "label" if "label" in given else card.default_source


def transcripts(paths: DatasetPaths, section: DatasetSection) -> dict[str, str]:
    """Words by clip: the synthetic corpus' own, else of a text file ``<video>.txt`` beside the raw video."""
    if section.kind in SYNTHETIC:
        words = Truth(Path(section.root)).clips["transcript"]
        return {f"{paths.dataset}/{str(name).partition('/')[2]}": str(text) for name, text in words.items()}
    rows = manifest.read(paths.manifest) if paths.manifest.exists() else []
    files = {row.clip_id: (Path(section.root) / row.video_path).with_suffix(".txt") for row in rows}
    return {name: path.read_text("utf-8").strip() for name, path in files.items() if path.is_file()}


def inputs_digest(inputs: RequestInputs) -> str:
    """Digest of all that a request is made of, for the key of the clip that is generated from it."""
    parts: list[Any] = [inputs.clip.row.clip_id, inputs.clip.row.emotion, inputs.transcript, list(inputs.drives)]
    parts.append(_content(inputs.clip.video))
    parts.append(_tracks_digest(inputs.clip))
    if inputs.source is not None:
        parts.append([inputs.source.row.clip_id, _content(inputs.source.video), _tracks_digest(inputs.source)])
    if inputs.reference is not None:
        parts.append([inputs.reference.row.clip_id, _content(inputs.reference.video), _tracks_digest(inputs.reference)])
    return digest("request", parts)


def build_request(card: MethodCard, inputs: RequestInputs, seed: int, frames: int | None = None) -> GenRequest:
    """The request of a clip.

    Args:
        card: of the method that is asked.
        inputs: what it is made of.
        seed: of everything random.
        frames: length, at most the clip's; all of it by default.

    Raises:
        MissingInput: no clip that shows the emotion.
        InputError: no coefficients where a drive gives them.
    """
    clip, row = inputs.clip, inputs.clip.row
    length = min(frames or Video(clip.video).info.frames, Video(clip.video).info.frames)
    audio = cut_audio(read_audio(clip.video), Video(clip.video).info.frames, row.clip_id)[: length * SAMPLES_PER_FRAME]
    given = _given(card, inputs.drives)
    tracks = (
        coefficient_io.read(clip.coefficients, row.speaker, row.clip_id) if given & {"motion", "expression"} else {}
    )
    temperatures = [card.drive(name).temperature for name in inputs.drives]
    reference = None
    if inputs.reference_wanted:
        if inputs.reference is None:
            raise MissingInput(
                f"{row.clip_id}: no training clip shows its emotion {row.emotion!r} as reference; the dataset's"
                " reference (same, other, own) says whose clips are taken"
            )
        reference = read_reference(inputs.reference)
    return GenRequest(
        row.clip_id, audio, _emotion(card, inputs, reference), row.speaker, seed,
        **(source_fields(inputs.source) if inputs.source else {}),
        motion=tracks["rho"] if "motion" in given else None,
        expression=tracks["beta"] if "expression" in given else None,
        transcript=inputs.transcript,
        temperature=next((value for value in temperatures if value is not None), None),
        drives=inputs.drives,
        drivers=_drivers(given, clip.video),
        reference=reference,
    )  # fmt: skip


def source_fields(clip: PreparedClip) -> dict[str, Any]:
    """Fields of a request whose source image is a clip's first frame, with its coefficients where there are any."""
    fields: dict[str, Any] = {"source_image": np.asarray(next(iter(Video(clip.video))))}
    track = _tracks(clip, ["beta", "rho", "segment"])
    if track and track["segment"][0] >= 0:
        fields |= {"source_expression": track["beta"][0], "source_motion": track["rho"][0]}
    return fields


def read_reference(clip: PreparedClip) -> ReferenceClip:
    """A clip that shows an emotion, with its sound, and its coefficients where the stages made them."""
    row = clip.row
    audio = cut_audio(read_audio(clip.video), Video(clip.video).info.frames, row.clip_id)
    tracks = _tracks(clip, ["beta", "rho"])
    return ReferenceClip(row.clip_id, clip.video, audio, tracks.get("beta"), tracks.get("rho"))


def cut_audio(audio: Audio, frames: int, clip: str) -> Audio:
    """Sound of exactly so many frames; coding pads it by up to two.

    Raises:
        MediaError: it is longer or shorter by more.
    """
    wanted = frames * SAMPLES_PER_FRAME
    if abs(len(audio) - wanted) > 2 * SAMPLES_PER_FRAME:
        raise MediaError(f"{clip}: {len(audio)} samples of sound for {frames} frames, expected about {wanted}")
    return np.pad(audio, (0, max(0, wanted - len(audio))))[:wanted]


def _given(card: MethodCard, drives: Sequence[str]) -> set[Given]:
    """What the scored clip gives: by the drives, and what the method cannot do without."""
    given: set[Given] = {thing for name in drives for thing in card.drive(name).gives}
    needs = card.needs_under(drives)
    needed: dict[str, Given] = {"motion": "motion", "expression": "expression", "drivers": "motion"}
    return given | {thing for field, thing in needed.items() if field in needs and not given & {"clip", "pose"}}


def _emotion(card: MethodCard, inputs: RequestInputs, reference: ReferenceClip | None) -> EmotionSpec:
    if reference is not None:
        return EmotionSpec(clip=reference.video)
    label = inputs.clip.row.emotion
    return EmotionSpec({label: 1.0} if label and emotion_from(card, inputs.drives) == "label" else {})


def _drivers(given: set[Given], video: Path) -> Drivers | None:
    if "clip" in given:
        return Drivers(video, video, video)
    if given & {"motion", "pose"}:
        return Drivers(pose=video, expression=video if "expression" in given else None)
    return None


def _clips(run: PipelineRun, dataset: str) -> dict[str, PreparedClip]:
    """All cropped clips of a dataset by name."""
    if dataset not in run.params.datasets:
        raise InputError(f"params.yaml: {run.paths.dataset}: models_of names no dataset: {dataset!r}")
    paths = run.paths if dataset == run.paths.dataset else DatasetPaths(dataset)
    other = PipelineRun(run.params, paths, run.store)
    folder = training_coefficients(other, run.params.datasets[dataset])
    rows = manifest.unlabelled_as_neutral(manifest.read(paths.cropped))
    return {row.clip_id: PreparedClip(row, paths.crops / row.video_path, folder) for row in rows}


def _tracks(clip: PreparedClip, names: Sequence[str]) -> dict[str, Any]:
    """Coefficients of a clip by name; none where the clip was not fitted."""
    row = clip.row
    if not _tracks_digest(clip):
        return {}
    return dict(shards.clips(clip.coefficients, row.speaker, names, row.clip_id)).get(row.clip_id, {})


def _tracks_digest(clip: PreparedClip) -> str:
    """Digest of the speaker's coefficients; empty where there are none."""
    path = shards.shard_path(clip.coefficients, clip.row.speaker)
    return _content(path) if path.exists() else ""


def _content(path: Path) -> str:
    status = path.stat()
    return _digest_of(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4096)
def _digest_of(path: Path, modified: int, size: int) -> str:
    return file_digest(path)
