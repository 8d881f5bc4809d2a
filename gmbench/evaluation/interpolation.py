"""Sequences between two emotions: their files, and E-PPL, E-PDV and their guards.

A method's folder holds one entry per sequence:

- a folder with 17 pictures or 17 videos of one length, ``alpha_0.0000.png`` to ``alpha_1.0000.png`` (any of the
  picture and video types), alpha rising in equal steps: the same instant, pose and noise, only the emotion changes
  (variant ``static``);
- or one video in which alpha rises from 0 to 1: 17 frames are taken at round(linspace(0, T - 1, 17)) (``talking``).

The entry's name is ``<speaker>_<from>-<to>``, optionally with another ``_`` and anything; a file ``sequence.json``
in the folder, or ``<name>.json`` beside the video, may say ``speaker``, ``from``, ``to`` and ``variant`` instead.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmbench import weights
from gmbench.devices import dealt
from gmbench.devices.choice import in_precision
from gmbench.emotions import canonical
from gmbench.errors import InputError, MediaError
from gmbench.evaluation.extraction.features import Frame
from gmbench.evaluation.extraction.network_crops import chip_matrix
from gmbench.evaluation.extraction.outcome import UNEXPECTED, Outcome, report_errors
from gmbench.evaluation.protocol import Protocol
from gmbench.evaluation.results import records
from gmbench.evaluation.results.records import Record
from gmbench.executor import one_thread
from gmbench.face import crops
from gmbench.face import landmarks as face_landmarks
from gmbench.media import IMAGE_SUFFIXES, ON_CARD, VIDEO_SUFFIXES, Video, chosen_reader, few_frames
from gmbench.metrics import perceptual
from gmbench.metrics.catalogue import SPECS
from gmbench.metrics.emotion import SUITE_ORDER
from gmbench.metrics.key import MetricKey

COUNT = perceptual.STEPS + 1
SCORED = ("e_ppl", "e_pdv", "e_ppl_rel", "e_end", "e_end_acc")
"""Metrics of a sequence, in the order of their computation."""
OFFICIAL_NETWORK = "emotion_vgg16"
"""Weights of the network that E-PPL asks, by their name in the manifest."""
_ALPHA = re.compile(r"^alpha_(\d+(?:\.\d+)?)$")
_NAME = re.compile(r"^(?P<speaker>[^_]+)_(?P<start>[a-z]+)-(?P<end>[a-z]+)(?:_.*)?$")


@dataclass(frozen=True)
class Sequence:
    """17 steps between two emotions; ``files`` in order of alpha, or one video."""

    name: str
    speaker: str
    start: str
    end: str
    variant: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class SequenceExtractor:
    """The emotion network of E-PPL: its crop, its distances, and which emotion it sees.

    Attributes:
        name: suffix of the keys. sha256: of its file.
        matrix, side: from landmarks to its crop.
        distances: neighbours of crops (N, S, S, 3) to (N - 1,).
        recognise: a crop to the index of the emotion.
    """

    name: str
    sha256: str
    matrix: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    side: int
    distances: Callable[[NDArray[np.uint8]], NDArray[np.float64]]
    recognise: Callable[[Frame], int]


def find_sequences(folder: Path) -> list[Sequence]:
    """All sequences of a method.

    Raises:
        InputError: no folder, nothing in it, or an entry that is no sequence; the message names it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of sequences")
    sequences = []
    for entry in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
        if entry.is_dir():
            sequences.append(_sequence(entry, entry / "sequence.json", entry.name, _steps(entry), "static"))
        elif entry.suffix.lower() in VIDEO_SUFFIXES:
            sequences.append(_sequence(entry, entry.with_suffix(".json"), entry.stem, (entry,), "talking"))
    if not sequences:
        raise InputError(f"{folder}: no sequences; expected folders of alpha_0.0000 to alpha_1.0000, or videos")
    return sequences


def _sequence(entry: Path, sidecar: Path, name: str, files: tuple[Path, ...], variant: str) -> Sequence:
    sidecar_facts: dict[str, str] = {}
    if sidecar.is_file():
        try:
            sidecar_facts = json.loads(sidecar.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{sidecar}: not a JSON file ({error})") from error
    named = _NAME.match(name)
    parts = named.groupdict() if named else {}
    start, end = (
        canonical(sidecar_facts.get("from", parts.get("start", ""))),
        canonical(sidecar_facts.get("to", parts.get("end", ""))),
    )
    if not start or not end:
        raise InputError(f"{entry}: from which emotion to which? name it <speaker>_<from>-<to> or write {sidecar.name}")
    speaker = sidecar_facts.get("speaker", parts.get("speaker", ""))
    return Sequence(name, speaker, start, end, sidecar_facts.get("variant", variant), files)


def _steps(folder: Path) -> tuple[Path, ...]:
    suffixes = IMAGE_SUFFIXES | VIDEO_SUFFIXES
    steps = sorted(
        (float(m[1]), path)
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and (m := _ALPHA.match(path.stem))
    )
    alphas = [alpha for alpha, _ in steps]
    if len(steps) != COUNT or not np.allclose(alphas, np.linspace(0, 1, COUNT), atol=1e-3):
        raise InputError(
            f"{folder}: expected {COUNT} files alpha_0.0000 to alpha_1.0000 in equal steps, found {len(steps)}"
        )
    return tuple(path for _, path in steps)


def score_sequences(methods: dict[str, Path], dataset: str, protocol: Protocol) -> pd.DataFrame:
    """Records of E-PPL, E-PDV, E-PPL relative, distance and accuracy of the ends.

    Raises:
        InputError: a folder that holds no sequences. WeightsError: the extractor's or the landmarks' file is missing.
    """
    chosen = sequence_extractor(protocol)
    detector = face_landmarks.backend(protocol.landmarks)
    shas = "+".join(sha for sha in (detector.weights_sha256(), chosen.sha256) if sha)
    rows = []
    outcome = Outcome(dataset)
    with one_thread():
        for method, folder in methods.items():
            for sequence in find_sequences(folder):
                values, used, reason = dict.fromkeys(SCORED, float("nan")), 0, ""
                try:
                    with in_precision(protocol.device, protocol.precision):
                        values, used = _scored(sequence, chosen, detector)
                except UNEXPECTED as error:
                    reason = outcome.reason(error, f"{method}/{sequence.name}")
                rows += [
                    _record(method, dataset, sequence, protocol, chosen, shas, name, value, used, reason)
                    for name, value in values.items()
                ]
    report_errors(outcome, None)
    return records.frame(rows)


def _scored(
    sequence: Sequence, extractor: SequenceExtractor, detector: face_landmarks.LandmarkBackend
) -> tuple[dict[str, float], int]:
    """Values by metric, and number of steps; raises MediaError where there are none."""
    runs = [_crops(frames, extractor, detector, sequence.variant) for frames in _frames(sequence)]
    steps = np.mean([extractor.distances(run) for run in runs], axis=0)
    ends = float(np.mean([extractor.distances(run[[0, -1]])[0] for run in runs]))
    wanted = (SUITE_ORDER.index(sequence.start), SUITE_ORDER.index(sequence.end))
    hits = [(extractor.recognise(run[0]) == wanted[0], extractor.recognise(run[-1]) == wanted[1]) for run in runs]
    values = (
        perceptual.path_length(steps), perceptual.path_variance(steps),
        perceptual.relative_path_length(steps, ends), ends, 100.0 * float(np.mean(hits)),
    )  # fmt: skip
    return dict(zip(SCORED, values, strict=True)), len(steps)


def _frames(sequence: Sequence) -> list[list[Frame]]:
    """17 frames, once, or once for each of up to four instants of 17 videos."""
    if len(sequence.files) == 1:
        video = Video(sequence.files[0])
        wanted = np.linspace(0, video.info.frames - 1, COUNT).round().astype(int)
        if len(np.unique(wanted)) < COUNT:
            raise MediaError(f"{sequence.files[0]}: {video.info.frames} frames, at least {COUNT} are needed")
        return [list(few_frames(video, wanted.tolist()))]
    if sequence.files[0].suffix.lower() in IMAGE_SUFFIXES:
        return [[_picture(path) for path in sequence.files]]
    videos = [Video(path) for path in sequence.files]
    counts = {video.info.frames for video in videos}
    if len(counts) > 1:
        raise MediaError(f"{sequence.files[0].parent}: videos of different lengths {sorted(counts)}")
    instants = np.unique(np.linspace(0, counts.pop() - 1, 6).round().astype(int)[1:-1]).tolist()
    frames = [few_frames(video, instants) for video in videos]
    return [list(step) for step in zip(*frames, strict=True)]


def _picture(path: Path) -> Frame:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise MediaError(f"{path}: not a picture")
    return np.asarray(image[..., ::-1], np.uint8)


def _crops(
    frames: list[Frame], extractor: SequenceExtractor, detector: face_landmarks.LandmarkBackend, variant: str
) -> NDArray[np.uint8]:
    """Crops (17, S, S, 3); of a static sequence all by the mean landmarks, which do not jitter."""
    with detector.open() as detect:
        track = face_landmarks.LandmarkTrack(detect, len(frames))
        for frame in frames:
            track.add(frame)
    points = track.arrays()["points"]
    if not np.isfinite(points).all():
        raise MediaError("no face in a step of the sequence")
    if variant == "static":
        points = np.broadcast_to(points.mean(axis=0), points.shape)
    size = (extractor.side, extractor.side)
    return np.stack([cv2.warpAffine(f, extractor.matrix(p), size) for f, p in zip(frames, points, strict=True)])


def sequence_extractor(protocol: Protocol) -> SequenceExtractor:
    """The emotion network of a protocol; raises WeightsError where its file is missing."""
    if protocol.extractors == "corpus":
        from gmbench.extractors.corpus.emotion_vgg import CorpusEmotionVgg

        path, sha = weights.load_path("corpus_emotion_vgg")
        network = CorpusEmotionVgg(path, dealt(protocol.device, 0))
        return SequenceExtractor("corpus", sha, chip_matrix, network.side, network.distances, network.recognise)
    from gmbench.extractors.trunks import load_emotion_vgg

    path, sha = weights.load_path(OFFICIAL_NETWORK)
    trunk = load_emotion_vgg(path, dealt(protocol.device, 0))
    return SequenceExtractor(f"own-{sha[:8]}", sha, crops.fan224_matrix, trunk.side, trunk.distances, trunk.recognise)


def _record(
    method: str, dataset: str, sequence: Sequence, protocol: Protocol, extractor: SequenceExtractor, shas: str,
    name: str,
    value: float, used: int, reason: str,
) -> Record:  # fmt: skip
    defined, key = not np.isnan(value), MetricKey(name, extractor.name)
    return Record(
        method=method, dataset=dataset, clip=f"interpolation/{sequence.name}", speaker=sequence.speaker,
        emotion=f"{sequence.start}-{sequence.end}", metric=str(key), value=value,
        status="ok" if defined else "failed" if reason else "undefined",
        reason=reason or ("" if defined else "the ends do not differ"),
        flags=f"{sequence.variant} decoded_on_card" if chosen_reader() == ON_CARD else sequence.variant,
        frames_used=used, frames_expected=perceptual.STEPS, clips_used=int(defined),
        protocol=protocol.name, protocol_hash=protocol.hash, backend=key.backend, weights_sha256=shas,
        metric_name=name, metric_version=SPECS[name].version,
    )  # fmt: skip
