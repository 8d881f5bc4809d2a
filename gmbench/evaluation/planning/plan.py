"""The plan of a run: which clips of which methods, compared with what, and the work that this takes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from gmbench import media
from gmbench.clips import Pair
from gmbench.errors import InputError, MediaError, PackageError, WeightsError
from gmbench.evaluation.extraction.clip_group import ClipGroup
from gmbench.evaluation.extraction.extractors import EXTRACTORS
from gmbench.evaluation.extraction.features import ClipFeature, ClipSource, FrameFeature, Keys, PairFeature
from gmbench.evaluation.planning.controls import control_rows
from gmbench.evaluation.planning.planned_clip import Hasher, PlannedClip, planned_clip
from gmbench.evaluation.protocol import Protocol
from gmbench.evaluation.scoring.metric import Metric
from gmbench.extras import installed_version, remedy
from gmbench.face import landmarks as face_landmarks
from gmbench.face.sidecar import sidecar_detector
from gmbench.names import counted, some
from gmbench.store import digest
from gmbench.weights import load_path, manifest
from gmbench.weights.files import find

FID_FRAMES = 50_000
Named = TypeVar("Named", FrameFeature, PairFeature, ClipFeature)


@dataclass(frozen=True)
class Plan:
    """Everything a run does.

    Attributes:
        dataset: name in records.
        protocol: how clips are compared.
        metrics: what is scored.
        detector: what found the landmarks; part of the key of the metrics that read them.
        weights_sha256: hash of the landmark backend's weights, empty where none are read.
        extractor_sha256: hashes of the files of feature extractors by their names in the manifest.
        clips: sorted by method and clip.
        warnings: what the user should know before reading numbers.
    """

    dataset: str
    protocol: Protocol
    metrics: tuple[Metric, ...]
    detector: str
    weights_sha256: str
    clips: tuple[PlannedClip, ...]
    warnings: tuple[str, ...] = ()
    extractor_sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> Keys:
        """Store keys under this plan's protocol and weights."""
        return Keys(self.protocol, self.weights_sha256, self.extractor_sha256)

    def weights_of(self, metric: Metric) -> str:
        """Hashes of all files behind a metric's numbers, joined."""
        hashes = [self.weights_sha256] if self._sees_landmarks(metric) else []
        hashes += [self.extractor_sha256[name] for name in metric.weights(self.protocol)]
        return "+".join(sha for sha in hashes if sha)

    def reference_of(self, clip: PlannedClip, metric: Metric) -> str:
        """Hashes of the reference's files that a metric reads, joined: picture, separate sound, landmarks.

        Empty without a reference.
        """
        reference = clip.reference
        if reference is None:
            return ""
        hashes = [reference.video_sha256]
        if "audio" in metric.spec.needs and reference.audio_sha256 != reference.video_sha256:
            hashes.append(reference.audio_sha256)
        if self._sees_landmarks(metric):
            hashes.append(reference.landmarks_sha256)
        return "+".join(sha for sha in hashes if sha)

    def references_of(self, method: str, metric: Metric) -> str:
        """Hash of all references of a method's clips, for a metric of the whole set; empty where there are none."""
        hashes = [(c.clip, self.reference_of(c, metric)) for c in self.clips if c.method == method]
        return digest(*hashes) if any(sha for _, sha in hashes) else ""

    def _sees_landmarks(self, metric: Metric) -> bool:
        """Whether landmarks are behind a metric's numbers, if only through the crop."""
        sees_crop = self.protocol.crop != "full" and bool(metric.frame_features or metric.pairs(self.protocol))
        return sees_crop or metric.reads_landmarks(self.protocol)

    def groups(self, store: Path, batch: int) -> list[ClipGroup]:
        """The work, one group per reference; a clip without reference is a group of its own."""
        needs = {need for metric in self.metrics for need in metric.spec.needs}
        extracted = [(m, f) for m in self.metrics for f in m.clips(self.protocol)]
        # Poses are wanted of every source: motion is read along the reference's axis, and samples are compared.
        landmarks = any(metric.reads_landmarks(self.protocol) for metric in self.metrics)
        gathered: dict[tuple[str, bool, str], list[PlannedClip]] = {}
        for clip in self.clips:
            reference = _usable(clip.reference)
            target = self.keys.identity(reference or clip.generated)
            # Under another pairing, candidates of different lengths step through the reference at different speeds,
            # but frames of a batch that has passed are gone: FramePass.view serves one of them at a time.
            apart = clip.generated.picture if self.protocol.pairing != "index" else ""
            gathered.setdefault((target, reference is None, apart), []).append(clip)
        return [
            ClipGroup(
                name=clips[0].clip,
                reference=_usable(clips[0].reference),
                candidates=tuple(s for s in (_usable(clip.generated) for clip in clips) if s),
                others=tuple(s for clip in clips for s in map(_usable, clip.samples) if s),
                landmarks=landmarks,
                audio="audio" in needs,
                frame_features=_unique(f for m in self.metrics for f in m.frame_features),
                pair_features=_unique(f for m in self.metrics for f in m.pairs(self.protocol)),
                clip_features=_unique(f for _, f in extracted),
                reference_features=_unique(
                    f for m, f in extracted if {"reference", "pose"} & set(m.spec.needs) or m.spec.aim == "reference"
                ),
                keys=self.keys,
                store=store,
                batch=batch,
            )
            for clips in gathered.values()
        ]


def make_plan(
    methods: dict[str, list[Pair]],
    dataset: str,
    protocol: Protocol,
    metrics: Sequence[Metric],
    controls: Sequence[str] = (),
    references: Iterable[Pair] = (),
    explicit: bool = True,
) -> Plan:
    """Hash all files, add the controls, and find out which detector the landmarks come from.

    Args:
        methods: pairs by method.
        references: all references, from which the controls are made.
        explicit: the metrics were named by the user; otherwise those whose weights are missing are
            left out with a warning.

    Raises:
        InputError: a control without references, or a method named like a control.
        WeightsError: a file that a named metric needs is missing.
    """
    metrics, notes = _playable(metrics, protocol, explicit)
    metrics, without = _with_packages(metrics, protocol, explicit)
    metrics, extracted, more = _with_extractors(metrics, protocol, explicit)
    metrics, weights, most = _with_weights(metrics, protocol, explicit)
    notes = [*notes, *without, *more, *most]
    needs = {need for metric in metrics for need in metric.spec.needs}
    reads_faces = any(metric.reads_landmarks(protocol) for metric in metrics) or protocol.crop != "full"
    hasher = Hasher("audio" in needs, reads_faces and face_landmarks.backend(protocol.landmarks).reads_sidecar)
    planned: list[PlannedClip] = []
    for method, pairs in methods.items():
        if method in controls:
            raise InputError(f"method {method!r} has the name of a control; rename the method")
        planned += [planned_clip(method, pair, hasher) for pair in pairs]
    if "wrong_emotion" in controls and not _has_other_emotions(references := list(references)):
        controls = [name for name in controls if name != "wrong_emotion"]
        notes.append("control wrong_emotion left out: no speaker with clips in two emotions; pass --labels")
    if controls:
        planned += control_rows(controls, [planned_clip("", pair, hasher) for pair in references])
    if not planned:
        raise InputError("nothing to evaluate: pass --videos DIR, or --controls with --reference DIR")
    planned.sort(key=lambda clip: (clip.method, clip.clip))
    if hasher.unused_sounds:
        notes.append(
            f"{counted(len(hasher.unused_sounds), 'sound')} beside videos with a track of their own not used "
            f"({some([path.name for path in hasher.unused_sounds])}); --audio DIR goes before the track"
        )
    detector = _detector(protocol, planned) if reads_faces else protocol.landmarks
    protocol = _with_frames(protocol, metrics, planned)
    return Plan(dataset, protocol, tuple(metrics), detector, weights, tuple(planned), tuple(notes), extracted)


def _with_frames(protocol: Protocol, metrics: Sequence[Metric], planned: list[PlannedClip]) -> Protocol:
    """FID takes all frames of a set of up to 50,000, else the same number of each clip."""
    if protocol.fid_frames or not any("fid" in metric.extractors for metric in metrics):
        return protocol
    references = {c.reference.video: c.reference for c in planned if c.reference is not None and c.reference.video}
    frames = sum(map(_frames, references))
    if frames <= FID_FRAMES:
        return protocol
    return protocol.model_copy(update={"fid_frames": max(1, FID_FRAMES // len(references))})


def _frames(video: Path) -> int:
    """Number of frames, 0 of a video that cannot be read: its own record will say why."""
    try:
        return media.Video(video).info.frames
    except MediaError:
        return 0


def _has_other_emotions(references: Iterable[Pair]) -> bool:
    """Whether a speaker is there in two labelled emotions."""
    seen: dict[str, set[str]] = {}
    for pair in references:
        if pair.emotion:
            seen.setdefault(pair.speaker, set()).add(pair.emotion)
    return any(len(emotions) > 1 for emotions in seen.values())


def _playable(metrics: Sequence[Metric], protocol: Protocol, explicit: bool) -> tuple[list[Metric], list[str]]:
    """Without those whose extractor does not exist under the protocol, or cannot be used."""
    kept: list[Metric] = []
    lost: list[str] = []
    notes: list[str] = []
    for metric in metrics:
        try:
            metric.extractor_features(protocol)
            kept.append(metric)
        except InputError as error:
            if explicit:
                raise
            if set(metric.extractors) <= set(EXTRACTORS.built_in):
                lost.append(metric.name)
            else:
                notes.append(f"left out: {metric.name}. {error}")
    if lost:
        notes.insert(0, f"no network trained on the corpus stands for {', '.join(lost)}")
    return kept, notes


def _with_packages(metrics: Sequence[Metric], protocol: Protocol, explicit: bool) -> tuple[list[Metric], list[str]]:
    """Without those whose package of an extra is not installed; raises PackageError where the user named one."""
    kept: list[Metric] = []
    lost: dict[str, list[str]] = {}
    for metric in metrics:
        absent = [name for name in metric.packages(protocol) if not installed_version(name)]
        if absent:
            lost.setdefault(absent[0], []).append(metric.name)
        else:
            kept.append(metric)
    if lost and (explicit or not kept):
        package, names = next(iter(lost.items()))
        raise PackageError(f"{', '.join(names)}: {remedy(package)}")
    return kept, [f"left out: {', '.join(names)}; {remedy(package)}" for package, names in lost.items()]


def _with_extractors(
    metrics: Sequence[Metric], protocol: Protocol, explicit: bool
) -> tuple[list[Metric], dict[str, str], list[str]]:
    """Hashes of the files of feature extractors; metrics that nobody named are left out where theirs is missing."""
    hashes: dict[str, str] = {}
    errors: dict[str, str] = {}
    lost: dict[str, list[str]] = {}
    kept = []
    for metric in metrics:
        names = metric.weights(protocol)
        for name in names:
            if name not in hashes and name not in errors:
                try:
                    hashes[name] = load_path(name)[1]
                except WeightsError as error:
                    if explicit:
                        raise
                    errors[name] = str(error)
        bad = [name for name in names if name in errors]
        if bad:
            lost.setdefault(bad[0], []).append(metric.name)
        else:
            kept.append(metric)
    if metrics and not kept:
        raise WeightsError(next(iter(errors.values())))
    absent = [name for name in lost if find(name) is None]
    notes = [f"left out: {', '.join(lost[name])}. {errors[name]}" for name in lost if name not in absent]
    if absent:
        missing = "; ".join(f"{', '.join(lost[name])} ({manifest()[name].file})" for name in absent)
        notes.append(f"left out, their files are not here ('gmbench weights list' says where from): {missing}")
    return kept, hashes, notes


def _with_weights(
    metrics: Sequence[Metric], protocol: Protocol, explicit: bool
) -> tuple[Sequence[Metric], str, list[str]]:
    """The hash of the landmark weights where something reads landmarks."""
    reads = [m for m in metrics if m.reads_landmarks(protocol)]
    if protocol.crop != "full":
        sees = [m for m in metrics if m.frame_features or m.pairs(protocol)]
        reads = [*reads, *(m for m in sees if m not in reads)]
    if not reads:
        return metrics, "", []
    try:
        return metrics, face_landmarks.backend(protocol.landmarks).weights_sha256(), []
    except WeightsError as error:
        rest = [m for m in metrics if m not in reads]
        if explicit or not rest:
            raise
        names = ", ".join(m.name for m in reads)
        return rest, "", [f"left out for want of landmarks: {names}. {error}"]


def _detector(protocol: Protocol, planned: list[PlannedClip]) -> str:
    if not face_landmarks.backend(protocol.landmarks).reads_sidecar:
        return protocol.landmarks
    sides = [side for clip in planned for side in (clip.generated, clip.reference) if side is not None]
    files = sorted({side.landmarks for side in sides if side.landmarks is not None})
    detectors = {name: file for file in reversed(files) if (name := sidecar_detector(file)) is not None}
    if len(detectors) > 1:
        found = ", ".join(f"{file} from {name}" for name, file in sorted(detectors.items()))
        raise InputError(
            f"landmark files come from different detectors ({found}), whose numbers are different metrics; "
            "make all landmarks by one detector"
        )
    return next(iter(detectors), protocol.landmarks)


def _unique(features: Iterable[Named]) -> tuple[Named, ...]:
    """Features in order, one of each name and version: extractors are built anew whenever they are asked for."""
    return tuple({(f.name, f.version): f for f in features}.values())


def _usable(source: ClipSource | None) -> ClipSource | None:
    return source if source is not None and source.video is not None else None
