"""A metric as a function of arrays or torch tensors, with the numbers that the command gives for the same pixels."""

from dataclasses import dataclass
from typing import Any

from gmbench.api.array_features import ArrayClip, clip_data
from gmbench.api.array_inputs import as_audio, as_frames, as_landmarks, as_pose
from gmbench.emotions import canonical
from gmbench.errors import InputError
from gmbench.evaluation import protocol as protocols
from gmbench.evaluation.protocol import Protocol
from gmbench.evaluation.scoring import registry
from gmbench.evaluation.scoring.metric import Metric, Score
from gmbench.evaluation.scoring.naming import has_group, split_names
from gmbench.executor import one_thread
from gmbench.media import SAMPLE_RATE
from gmbench.metrics.spec import MetricSpec

_SEVERAL_CLIPS = {
    "pcm_chance": "the references of other clips",
    "div_samples": "several samples of a clip",
}
"""Metrics that one clip does not give, and what they read besides it."""


@dataclass(frozen=True, repr=False)
class ArrayMetric:
    """A metric to call with arrays; :func:`gmbench.metric` makes one.

    Attributes:
        spec: its declaration: title, unit, direction, what it needs, how to read it, what misleads.
        protocol: crop, pairing, landmarks and networks.
    """

    metric: Metric
    protocol: Protocol

    @property
    def spec(self) -> MetricSpec:
        """Its declaration."""
        return self.metric.spec

    def __repr__(self) -> str:
        """Name, direction and what it needs besides the generated clip."""
        needs = f", needs {', '.join(self.spec.needs)}" if self.spec.needs else ""
        return f"<gmbench.metric {self.spec.name} {self.spec.arrow}{needs}>"

    def __call__(self, generated: Any = None, reference: Any = None, **inputs: Any) -> float:
        """The value; arguments and errors as of :meth:`score`."""
        return self.score(generated, reference, **inputs).value

    def score(
        self,
        generated: Any = None,
        reference: Any = None,
        *,
        audio: Any = None,
        reference_audio: Any = None,
        sample_rate: int = SAMPLE_RATE,
        landmarks: Any = None,
        reference_landmarks: Any = None,
        pose: Any = None,
        reference_pose: Any = None,
        size: tuple[int, int] | None = None,
        emotion: str = "",
    ) -> Score:
        """The value with the frames behind it and its flags.

        Args:
            generated, reference: frames at 25 fps, (T, H, W, 3) or (H, W, 3) RGB; of a torch tensor also (T, 3, H, W)
                or (3, H, W). uint8, or floats from 0 to 1. Clips of different lengths are compared to the shorter one.
            audio: the generated clip's sound, (n,) at 16 kHz: int16, or floats from -1 to 1; ``reference_audio``: of
                the reference, which shares it by default.
            sample_rate: of both; another one than 16,000 is refused.
            landmarks, reference_landmarks: (T, 68, 2) pixels, NaN rows without a face; the protocol's detector finds
                them in the frames by default.
            pose, reference_pose: (T, 3) pitch, yaw, roll in degrees; from the landmarks by default.
            size: height and width of the frames, where there are landmarks without frames.
            emotion: that was asked for.

        Raises:
            InputError: an array of another form, or what the metric needs is not given.
            WeightsError: a file that the metric needs is missing.
            NoValueError: the clip has no value by definition, or no face was found.
        """
        sides = [
            _clip("generated", generated, audio, sample_rate, landmarks, pose, size),
            _clip(
                "reference", reference, audio if reference_audio is None else reference_audio, sample_rate,
                reference_landmarks, reference_pose, size,
            ),
        ]  # fmt: skip
        protocol = self._protocol(sides)
        self._check(protocol, sides, emotion)
        first, second = sides
        if first is None:
            raise InputError(f"metric {self.spec.name}: pass the generated clip's frames")
        with one_thread():
            data = clip_data(self.metric, protocol, first, second, emotion)
            if self.metric.score_set is not None:
                return self.metric.score_set([data])
            if self.metric.score is None:
                raise InputError(f"metric {self.spec.name} is not scored clip by clip")
            return self.metric.score(data)

    def _protocol(self, sides: list[ArrayClip | None]) -> Protocol:
        """The protocol, with the head pose from what is given."""
        given = [side for side in sides if side is not None]
        if "pose" not in self.spec.needs:
            return self.protocol
        if any(side.pose is not None for side in given):
            if any(side.pose is None for side in given):
                raise InputError(f"metric {self.spec.name}: pass pose and reference_pose, or neither")
            return self.protocol.model_copy(update={"pose": "tokenhpe"})  # read as an array, not from landmarks
        if self.protocol.pose == "mediapipe" and any(side.landmarks is not None for side in given):
            return self.protocol.model_copy(update={"pose": "pnp"})
        return self.protocol

    def _check(self, protocol: Protocol, sides: list[ArrayClip | None], emotion: str) -> None:
        """Refuse what cannot be computed; raises InputError with what is lacking."""
        name, needs = self.spec.name, self.spec.needs
        generated, reference = sides
        if "interpolation" in needs:
            raise InputError(f"metric {name} reads sequences between emotions; see gmbench.evaluate(interpolation=...)")
        if name in _SEVERAL_CLIPS:
            raise InputError(f"metric {name} reads {_SEVERAL_CLIPS[name]}; see gmbench.evaluate")
        if "reference" in needs and reference is None:
            raise InputError(f"metric {name} compares with a reference; pass reference")
        if "audio" in needs and generated is not None and generated.audio is None:
            raise InputError(f"metric {name} reads the sound; pass audio")
        if "emotion" in needs and not canonical(emotion):
            raise InputError(f"metric {name} needs the emotion that was asked for; pass emotion, got {emotion!r}")
        for side in sides:
            if side is not None and side.frames is None and self._reads_frames(protocol, side):
                raise InputError(f"metric {name} needs the frames of the {side.name} clip")
            if side is not None and side.size == (0, 0) and self._reads_size(protocol, sides):
                raise InputError(f"metric {name}: pass size=(height, width) of the frames that the landmarks are of")

    def _reads_size(self, protocol: Protocol, sides: list[ArrayClip | None]) -> bool:
        """Whether the size of the frames counts: for the camera of a pose, or beside a clip whose size is known."""
        known = any(side is not None and side.size != (0, 0) for side in sides)
        return ("pose" in self.spec.needs and protocol.pose == "pnp") or (known and "landmarks" in self.spec.needs)

    def _reads_frames(self, protocol: Protocol, side: ArrayClip) -> bool:
        """Whether it needs the pixels of a clip, of which landmarks or pose may be given."""
        if self.metric.frame_features or self.metric.pairs(protocol):
            return True
        if self.metric.clips(protocol) and side.pose is None:
            return True
        return self.metric.reads_landmarks(protocol) and side.landmarks is None


def metric(
    name: str,
    *,
    protocol: str | Protocol = "full",
    landmarks: str | None = None,
    pose: str | None = None,
    extractors: str | None = None,
    sync_crop: str | None = None,
    precision: str | None = None,
    device: str = "auto",
) -> ArrayMetric:
    """A metric as a function of arrays or torch tensors.

    Args:
        name: in any spelling: ``ssim``, ``M-LMD``.
        protocol, landmarks, pose, extractors, sync_crop, precision: as of :func:`gmbench.evaluate`.
        device: of the networks, as of :func:`gmbench.evaluate`; tensors may lie anywhere.

    Returns:
        ``f(generated, reference)`` with a float as its result; see :meth:`ArrayMetric.score` for all arguments.

    Raises:
        InputError: an unknown name, with the nearest.

    >>> import gmbench, numpy as np
    >>> real = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    >>> ssim = gmbench.metric("SSIM")
    >>> ssim(real, real)
    1.0
    >>> round(gmbench.metric("psnr")(real[0], np.bitwise_xor(real[0], 1)), 2)
    48.13
    >>> ssim.spec.direction
    'higher'
    """
    chosen = registry.METRICS.get(registry.resolve([name])[0]) if _is_one(name) else None
    if chosen is None:
        raise InputError(f"expected the name of one metric, got {name!r}")
    settings = {
        "landmarks": landmarks, "pose": pose, "extractors": extractors, "sync_crop": sync_crop, "precision": precision,
        "device": device,
    }  # fmt: skip
    return ArrayMetric(chosen, protocols.of(protocol, **settings))


def _is_one(name: str) -> bool:
    return not has_group(name) and len(split_names(name)) == 1


def _clip(
    name: str, frames: Any, audio: Any, sample_rate: int, landmarks: Any, pose: Any, size: tuple[int, int] | None
) -> ArrayClip | None:
    """A clip of what is given; None where there is neither frames nor landmarks nor pose.

    Raises:
        InputError: parts of different lengths.
    """
    prefix = "" if name == "generated" else "reference_"
    pixels = None if frames is None else as_frames(frames, name)
    points = None if landmarks is None else as_landmarks(landmarks, f"{prefix}landmarks")
    angles = None if pose is None else as_pose(pose, f"{prefix}pose")
    sound = None if audio is None else as_audio(audio, f"{prefix}audio", sample_rate)
    lengths = {len(part) for part in (pixels, points, angles) if part is not None}
    if not lengths:
        return None
    if len(lengths) > 1:
        raise InputError(f"{name}: frames, landmarks and pose of different lengths: {sorted(lengths)}")
    height, width = (pixels.shape[1:3] if pixels is not None else size) or (0, 0)
    return ArrayClip(name, lengths.pop(), (height, width), pixels, points, angles, sound)
