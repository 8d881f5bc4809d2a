"""Landmark backends behind one interface, those of other packages included.

A detector is opened once per clip and sees its frames in order; it returns all faces it finds and the
caller keeps the largest. Built in: MediaPipe Face Landmarker, FAN 2D-68, landmarks made outside, and the network
that the pipeline trains on the synthetic corpus; see :mod:`gmbench.face.detectors`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gmbench import plugins
from gmbench.errors import InputError
from gmbench.face.faces import BLENDSHAPES, Detector
from gmbench.weights import Weights, load_path
from gmbench.weights.declarations import packaged, refusal


@dataclass(frozen=True, kw_only=True)
class LandmarkBackend:
    """How landmarks are found; an entry point of group ``gmbench.landmarks`` declares one.

    Attributes:
        name, version: part of keys and records, as the hash of the weights is; raise the version when numbers move.
        open_detector: from the clip's file of landmarks made outside (None where there is none) to a detector for that
            clip, as a context.
        default_pose: head pose of protocols that name none: ``mediapipe`` where faces come with matrices, else ``pnp``.
        weights: the files that the networks need; those of other packages are brought by this declaration.
        reads_sidecar: the landmarks come from a file beside the clip, which then is part of the key.
    """

    name: str
    version: int
    open_detector: Callable[[Path | None], AbstractContextManager[Detector]]
    default_pose: Literal["mediapipe", "pnp"] = "pnp"
    weights: tuple[Weights, ...] = ()
    reads_sidecar: bool = False

    def weights_sha256(self) -> str:
        """Hashes of the weights, joined; raises WeightsError where a file is missing."""
        return "+".join(load_path(item.name)[1] for item in self.weights)

    def open(self, sidecar: Path | None = None) -> AbstractContextManager[Detector]:
        """A detector for one clip; ``sidecar`` is the clip's file of landmarks where the backend reads one."""
        return self.open_detector(sidecar)


def _built_in() -> tuple[LandmarkBackend, ...]:
    from gmbench.face import detectors

    own = packaged()
    return (
        LandmarkBackend(
            name="mediapipe", version=1, open_detector=detectors.mediapipe, default_pose="mediapipe",
            weights=(own["face_landmarker"],),
        ),
        LandmarkBackend(
            name="fan", version=1, open_detector=detectors.fan, weights=(own["fan_2d68"], own["fan_s3fd"]),
            default_pose="mediapipe",  # it gives no matrices, but "pnp" would move the hashes of protocols with fan
        ),
        LandmarkBackend(name="sidecar", version=1, open_detector=detectors.sidecar, reads_sidecar=True),
        LandmarkBackend(
            name="corpus", version=1, open_detector=detectors.corpus, weights=(own["corpus_landmarker"],)
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


class LandmarkTrack:
    """Collects the largest face of each frame of a clip.

    The arrays are made at once: small arrays kept between large frames would leave holes in memory that
    no later frame fits into, and memory would grow with the length of a clip.
    """

    def __init__(self, detector: Detector, frames: int) -> None:
        self._detector, self._next = detector, 0
        self._arrays: dict[str, NDArray[Any]] = {
            "points": np.full((frames, 68, 2), np.nan),
            "matrices": np.full((frames, 4, 4), np.nan),
            "blendshapes": np.full((frames, BLENDSHAPES), np.nan),
            "faces": np.zeros(frames, np.int64),
        }

    def add(self, frame: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Detect in the next frame; returns the largest face's points (68, 2), NaN where there is none."""
        faces = self._detector(frame)
        index, self._next = self._next, self._next + 1
        self._arrays["faces"][index] = len(faces)
        if faces:
            largest = max(faces, key=lambda face: face.area)
            self._arrays["points"][index] = largest.points
            if largest.matrix is not None:
                self._arrays["matrices"][index] = largest.matrix
            if largest.blendshapes is not None:
                self._arrays["blendshapes"][index] = largest.blendshapes
        return np.asarray(self._arrays["points"][index])

    def repeat(self) -> NDArray[np.float64]:
        """The next frame is the last one again: its face is the same."""
        index, self._next = self._next, self._next + 1
        for values in self._arrays.values():
            values[index] = values[index - 1]
        return np.asarray(self._arrays["points"][index])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """``points`` (T, 68, 2), ``matrices`` (T, 4, 4), ``blendshapes`` (T, 52), ``faces`` (T,) found."""
        return {name: values[: self._next] for name, values in self._arrays.items()}
