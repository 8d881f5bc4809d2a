"""Landmark backends behind one interface, those of other packages included.

A detector is opened once per clip and sees its frames in order; it returns all faces it finds, of which one is followed
through the clip. Built in: MediaPipe Face Landmarker, FAN 2D-68, landmarks made outside, and the network
that the pipeline trains on the synthetic corpus; see :mod:`gmbench.face.detectors`.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gmbench import plugins
from gmbench.devices import Networks
from gmbench.devices.asking import ON_CPU
from gmbench.errors import InputError
from gmbench.face.faces import BLENDSHAPES, Detector, LooksAhead, RowDetector, has_extent
from gmbench.face.following import distinct, followed
from gmbench.metrics.theval import STORED
from gmbench.weights import Weights, load_path
from gmbench.weights.declarations import packaged, refusal


@dataclass(frozen=True, kw_only=True)
class LandmarkBackend:
    """How landmarks are found; an entry point of group ``gmbench.landmarks`` declares one.

    Attributes:
        name, version: part of keys and records, as the hash of the weights is; raise the version when numbers move.
        open_detector: from the clip's file of landmarks made outside (None where there is none) to a detector for that
            clip, as a context; with ``on_device`` it also takes the :class:`~gmbench.devices.Networks` to ask.
        default_pose: head pose of protocols that name none: ``mediapipe`` where faces come with matrices, else ``pnp``.
        weights: the files that the networks need; those of other packages are brought by this declaration.
        reads_sidecar: the landmarks come from a file beside the clip, which then is part of the key.
        on_device: its network runs on other devices than the CPU, too.
    """

    name: str
    version: int
    open_detector: Callable[..., AbstractContextManager[Detector]]
    default_pose: Literal["mediapipe", "pnp"] = "pnp"
    weights: tuple[Weights, ...] = ()
    reads_sidecar: bool = False
    on_device: bool = False

    def weights_sha256(self) -> str:
        """Hashes of the weights, joined; raises WeightsError where a file is missing."""
        return "+".join(load_path(item.name)[1] for item in self.weights)

    def open(self, sidecar: Path | None = None, networks: Networks = ON_CPU) -> AbstractContextManager[Detector]:
        """A detector for one clip; ``sidecar`` is the clip's file of landmarks where the backend reads one."""
        return self.open_detector(sidecar, networks) if self.on_device else self.open_detector(sidecar)


def _built_in() -> tuple[LandmarkBackend, ...]:
    from gmbench.face import detectors

    own = packaged()
    return (
        LandmarkBackend(
            name="mediapipe", version=3, open_detector=detectors.mediapipe, default_pose="mediapipe",
            weights=(own["face_landmarker"],),
        ),
        LandmarkBackend(
            name="fan", version=2, open_detector=detectors.fan, weights=(own["fan_2d68"], own["fan_s3fd"]),
            on_device=True,
            default_pose="mediapipe",  # it gives no matrices, but "pnp" would move the hashes of protocols with fan
        ),
        LandmarkBackend(name="sidecar", version=2, open_detector=detectors.sidecar, reads_sidecar=True),
        LandmarkBackend(
            name="corpus", version=3, open_detector=detectors.corpus, weights=(own["corpus_landmarker"],),
            on_device=True,
        ),
    )  # fmt: skip


BACKENDS = plugins.Registry(
    plugins.LANDMARKS, LandmarkBackend, _built_in, lambda backend, known: refusal(backend.weights)
)


def backend(name: str) -> LandmarkBackend:
    """The backend of a name; raises InputError for an unknown one, with the nearest."""
    return BACKENDS.get(name)


def known_backend(name: str) -> str:
    """The name unchanged, for the fields of configurations; raises ValueError, as pydantic wants it, if unknown."""
    try:
        return backend(name).name
    except InputError as error:
        raise ValueError(str(error)) from error


LEAST_SHARE = 0.1
"""Share of a clip's frames below which a face in some of them is taken for a pattern that looks like one."""
MOST_FACES = 8
"""Faces of one frame among which the one that is followed is looked for; the largest ones."""


class LandmarkTrack:
    """Landmarks of one face followed through a clip; see :mod:`gmbench.face.following`.

    The arrays are made at once: small arrays kept between large frames would leave holes in memory that
    no later frame fits into, and memory would grow with the length of a clip.
    """

    def __init__(self, detector: Detector, frames: int) -> None:
        self._detector, self._frames, self._next = detector, frames, 0
        self._faces = np.zeros(frames, np.int64)
        self._places: list[dict[str, NDArray[Any]]] = [self._empty()]

    def look_ahead(self, frames: Sequence[NDArray[np.uint8]]) -> None:
        """Show the next frames to a detector that takes many at once; each of them then follows in its order."""
        if isinstance(self._detector, LooksAhead):
            self._detector.look_ahead(frames)

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Detect in the next frame."""
        found = [face for face in self._detector(frame) if has_extent(face.points)]
        index, self._next = self._next, self._next + 1
        faces = sorted(found, key=lambda face: -face.area)[:MOST_FACES]
        self._faces[index] = distinct(np.array([_box(face.points) for face in faces]).reshape(-1, 4))
        while len(self._places) < len(faces):
            self._places.append(self._empty())
        for arrays, face in zip(self._places, faces, strict=False):
            arrays["points"][index] = face.points
            if face.matrix is not None:
                arrays["matrices"][index] = face.matrix
            if face.blendshapes is not None:
                arrays["blendshapes"][index] = face.blendshapes
            if face.mesh is not None:
                arrays["mesh"][index] = face.mesh[list(STORED)]

    def repeat(self) -> None:
        """The next frame is the last one again: its faces are the same."""
        index, self._next = self._next, self._next + 1
        for values in (self._faces, *(values for arrays in self._places for values in arrays.values())):
            values[index] = values[index - 1]
        if isinstance(self._detector, RowDetector):
            self._detector.skip()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays of the frames so far, NaN where the face is not there, or is there in too few frames to be one.

        ``points`` (T, 68, 2), ``matrices`` (T, 4, 4), ``blendshapes`` (T, 52); ``mesh`` (T, 102, 2): lips, brows, eyes
        and irises of FaceMesh (:data:`gmbench.metrics.theval.STORED`); ``faces`` (T,) found in each frame;
        ``found`` (1,) frames with the face, and ``places`` (1,) where it stood that do not follow on each other.
        """
        boxes = np.stack([_box(arrays["points"][: self._next]) for arrays in self._places], axis=1)
        face, places = followed(boxes)
        found = int((face >= 0).sum())
        if found < LEAST_SHARE * self._next:
            face = np.full(self._next, -1)
        result: dict[str, NDArray[Any]] = {name: values[: self._next] for name, values in self._empty().items()}
        for number, arrays in enumerate(self._places):
            for name, values in result.items():
                values[face == number] = arrays[name][: self._next][face == number]
        return result | {"faces": self._faces[: self._next], "found": np.array([found]), "places": np.array([places])}

    def _empty(self) -> dict[str, NDArray[Any]]:
        return {
            "points": np.full((self._frames, 68, 2), np.nan),
            "matrices": np.full((self._frames, 4, 4), np.nan),
            "blendshapes": np.full((self._frames, BLENDSHAPES), np.nan),
            "mesh": np.full((self._frames, len(STORED), 2), np.nan),
        }


def _box(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Box (..., 4) left, top, right, bottom of points (..., 68, 2)."""
    return np.concatenate([points.min(axis=-2), points.max(axis=-2)], axis=-1)
