"""A method's capabilities on a clip of a dataset: requests with one thing changed, and what measures the frames."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from gmbench.config import DatasetSection
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import GmbenchError
from gmbench.evaluation.interpolation import sequence_extractor
from gmbench.evaluation.protocol import load as load_protocol
from gmbench.face.landmarks import LandmarkTrack, backend
from gmbench.methods.capabilities import CapabilityCheck, Measures, Variants, check
from gmbench.methods.interface import Drivers, EmotionSpec, GenRequest, TalkingHeadMethod
from gmbench.metrics.emotion import SUITE_ORDER
from gmbench.morphable import coefficient_io
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.requests import PreparedClip, RequestPlanner, build_request, read_reference, source_fields
from gmbench.stages.scored_clips import scored_rows
from gmbench.store import digest

FRAMES = 25
"""Length of the videos that are measured."""
EMOTION_FRAME_STEP = 5
"""Frames between those that the emotion network sees."""


def check_capabilities(run: PipelineRun, method: TalkingHeadMethod, row: ClipRow) -> list[CapabilityCheck]:
    """What the card says beside what a second of a clip shows."""
    section = run.params.datasets[run.paths.dataset]
    return check(method, variants(run, method, row), measures(section))


def variants(run: PipelineRun, method: TalkingHeadMethod, row: ClipRow) -> Variants:
    """A clip's request, and the same one with another emotion, another driving clip and another source image."""
    planner = RequestPlanner(run, method.card)
    request = build_request(method.card, planner.inputs(row, ()), run.params.seed, FRAMES)
    others = [other for other in scored_rows(run) if other.clip_id != row.clip_id and other.n_frames >= FRAMES]
    others.sort(key=lambda other: digest(row.clip_id, other.clip_id))
    strangers = [other for other in others if other.speaker != row.speaker]
    source = None
    if strangers and method.card.identity_mode == "one_shot":
        source = replace(request, **source_fields(planner.inputs(strangers[0], ()).clip))
    driver = _other_driver(request, planner.inputs(others[0], ()).clip) if others else None
    return Variants(request, _other_emotion(method, request, planner, row, others), driver, source)


def _other_driver(request: GenRequest, clip: PreparedClip) -> GenRequest:
    """The request with the pose of another clip."""
    motion = request.motion
    if motion is not None:
        motion = coefficient_io.read(clip.coefficients, clip.row.speaker, clip.row.clip_id)["rho"]
    return replace(request, motion=motion, drivers=replace(request.drivers or Drivers(), pose=clip.video))


def _other_emotion(
    method: TalkingHeadMethod, request: GenRequest, planner: RequestPlanner, row: ClipRow, others: list[ClipRow]
) -> GenRequest | None:
    """The request with another label that was learnt, or with a reference clip of another emotion."""
    if request.reference is not None:
        clips = [clip for o in others if o.emotion != row.emotion and (clip := planner.reference(o)) is not None]
        if not clips:
            return None
        reference = read_reference(clips[0])
        return replace(request, reference=reference, emotion=EmotionSpec(clip=reference.video))
    labels = [name for name in method.emotions if name and name != row.emotion]
    return replace(request, emotion=EmotionSpec({labels[0]: 1.0})) if labels and request.emotion.weights else None


def measures(section: DatasetSection) -> Measures:
    """The dataset's landmark backend and emotion network; says why where the backend cannot run."""
    detector = backend(section.landmarks)
    try:
        detector.weights_sha256()
        with detector.open():
            pass
    except GmbenchError as error:
        return Measures(None, missing=str(error))

    def landmarks(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        with detector.open() as detect:
            track = LandmarkTrack(detect, len(frames))
            for frame in frames:
                track.add(frame)
            return np.asarray(track.arrays()["points"])

    try:
        protocol = load_protocol(section.protocol, landmarks=section.landmarks, extractors=section.extractors)
        network = sequence_extractor(protocol)
    except GmbenchError:
        return Measures(landmarks)

    def emotion(frames: NDArray[np.uint8], points: NDArray[np.float64]) -> NDArray[np.float64]:
        seen = np.flatnonzero(np.isfinite(points).all(axis=(1, 2)))[::EMOTION_FRAME_STEP]
        size = (network.side, network.side)
        crops = [cv2.warpAffine(frames[t], network.matrix(points[t]), size) for t in seen]
        counts = np.bincount([network.recognise(crop) for crop in crops], minlength=len(SUITE_ORDER))
        return np.asarray(counts / max(1, len(crops)))

    return Measures(landmarks, emotion)
