"""Landmark backends behind one interface.

A detector is opened once a clip and sees its frames in order; it returns all faces it finds and the
caller keeps the largest. Backends: MediaPipe Face Landmarker, FAN 2D-68, landmarks made outside, and the network
that the pipeline trains on the synthetic corpus.
"""

import contextlib
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gmbench import weights
from gmbench.errors import InputError, MediaError
from gmbench.face.landmarks_68 import mesh_vertices
from gmbench.media import FPS

BLENDSHAPES = 52
BACKENDS = ("mediapipe", "fan", "sidecar", "corpus")
MESH = 478
SIDECAR_SUFFIX = ".landmarks.npz"
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Face:
    """One face in one frame.

    Attributes:
        points: (68, 2) pixels, x right, y down.
        matrix: (4, 4) pose of the canonical face, or None.
        blendshapes: (52,) scores, or None.
        mesh: (478, 2) pixels of the FaceMesh points, NaN where the backend does not give one; None where it gives none.
    """

    points: NDArray[np.float64]
    matrix: NDArray[np.float64] | None = None
    blendshapes: NDArray[np.float64] | None = None
    mesh: NDArray[np.float64] | None = None

    @property
    def area(self) -> float:
        """Area of the bounding box of the points in square pixels."""
        return float(np.ptp(self.points, axis=0).prod())


class Detector(Protocol):
    """An opened backend: frames of one clip in order."""

    def __call__(self, frame: NDArray[np.uint8]) -> list[Face]:
        """All faces of the next frame (H, W, 3)."""
        ...


@dataclass(frozen=True)
class Backend:
    """A landmark backend: ``name`` and ``version`` go into keys and records, as does the weights' hash."""

    name: str
    version: int
    weights: tuple[str, ...]

    def weights_sha256(self) -> str:
        """Hashes of the weights, joined; raises WeightsError where a file is missing."""
        return "+".join(weights.load_path(name)[1] for name in self.weights)

    @contextlib.contextmanager
    def open(self, sidecar: Path | None = None) -> Iterator[Detector]:
        """A detector for one clip; ``sidecar`` is the clip's file of landmarks where the backend reads one."""
        if self.name == "mediapipe":
            with _mediapipe() as detector:
                yield detector
        elif self.name == "fan":
            yield _fan()
        elif self.name == "corpus":
            yield _corpus()
        else:
            yield Sidecar(sidecar)


_VERSIONS = {
    "mediapipe": Backend("mediapipe", 1, ("face_landmarker",)),
    "fan": Backend("fan", 1, ("fan_2d68", "fan_s3fd")),
    "sidecar": Backend("sidecar", 1, ()),
    "corpus": Backend("corpus", 1, ("corpus_landmarker",)),
}


def backend(name: str) -> Backend:
    """The backend of a name; raises InputError for an unknown one."""
    try:
        return _VERSIONS[name]
    except KeyError:
        raise InputError(f"unknown landmark backend {name!r}; expected one of {', '.join(BACKENDS)}") from None


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


class Sidecar:
    """Landmarks that were made outside: ``<clip>.landmarks.npz`` beside the video.

    Arrays: ``points`` (T, 68, 2) at 25 fps in pixels, NaN rows without a face; optionally ``matrices``
    (T, 4, 4) and ``detector``, the name of what made them (``dlib`` is the published one).

    Raises:
        MediaError: file missing, arrays missing or of another shape, or fewer rows than frames.
    """

    def __init__(self, path: Path | None) -> None:
        if path is None:
            raise MediaError(f"no {SIDECAR_SUFFIX} file beside the video; backend sidecar needs one a clip")
        self._path, self._next = path, 0
        try:
            with np.load(path, allow_pickle=False) as file:
                self._points = np.asarray(file["points"], np.float64)
                self._matrices = np.asarray(file["matrices"], np.float64) if "matrices" in file else None
        except _UNREADABLE as error:
            raise MediaError(f"{path}: expected an .npz with an array 'points' (T, 68, 2) ({error})") from error
        if self._points.ndim != 3 or self._points.shape[1:] != (68, 2):
            raise MediaError(f"{path}: expected points (T, 68, 2), got {self._points.shape}")
        if self._matrices is not None and self._matrices.shape != (len(self._points), 4, 4):
            raise MediaError(f"{path}: expected matrices {(len(self._points), 4, 4)}, got {self._matrices.shape}")

    def __call__(self, frame: NDArray[np.uint8]) -> list[Face]:
        """The stored face of the next frame; the pixels do not matter."""
        index, self._next = self._next, self._next + 1
        if index >= len(self._points):
            raise MediaError(f"{self._path}: {len(self._points)} rows, fewer than the video has frames at 25 fps")
        points = self._points[index]
        if not np.isfinite(points).all():
            return []
        return [Face(points, None if self._matrices is None else self._matrices[index])]


def sidecar_detector(path: Path) -> str | None:
    """Name of the detector that a sidecar file states, ``sidecar`` where it states none; None if unreadable."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return str(file["detector"]) if "detector" in file else "sidecar"
    except _UNREADABLE:
        return None


@contextlib.contextmanager
def _mediapipe() -> Iterator[Detector]:
    """Face Landmarker in video mode.

    Two faces are asked for on purpose: to see a second one, and because the task smooths its
    landmarks over time only when asked for one.
    """
    path, _ = weights.load_path("face_landmarker")
    with _quiet_stderr():
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(path)),
            running_mode=vision.RunningMode.VIDEO,
            num_faces=2,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        landmarker = vision.FaceLandmarker.create_from_options(options)
    vertices, count = mesh_vertices(), 0

    def detect(frame: NDArray[np.uint8]) -> list[Face]:
        nonlocal count
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame))
        if count == 0:
            with _quiet_stderr():
                result = landmarker.detect_for_video(image, 0)
        else:
            result = landmarker.detect_for_video(image, count * 1000 // FPS)
        count += 1
        size = np.array([frame.shape[1], frame.shape[0]], np.float64)
        return [
            Face(
                points=np.array([(p.x, p.y) for p in mesh], np.float64)[vertices] * size,
                matrix=np.array(matrix, np.float64),
                blendshapes=np.array([shape.score for shape in shapes], np.float64),
                mesh=np.array([(p.x, p.y) for p in mesh], np.float64) * size,
            )
            for mesh, matrix, shapes in zip(
                result.face_landmarks, result.facial_transformation_matrixes, result.face_blendshapes, strict=True
            )
        ]

    with landmarker:
        yield detect


def _corpus() -> Detector:
    """The network that the pipeline trained on the synthetic corpus: one face a frame."""
    from gmbench.extractors.landmarker import predict, read

    path, _ = weights.load_path("corpus_landmarker")
    network, landmarks = read(path)
    vertices = mesh_vertices()

    def detect(frame: NDArray[np.uint8]) -> list[Face]:
        mesh = np.full((MESH, 2), np.nan)
        mesh[landmarks] = predict(network, frame[None])[0]
        return [Face(points=mesh[vertices], mesh=mesh)]

    return detect


def _fan() -> Detector:
    """FAN 2D-68 with the S3FD detector, from files in the weights folder, on the CPU and not compiled."""
    import torch
    from face_alignment import FaceAlignment, LandmarksType
    from face_alignment.models import FAN

    network_path, _ = weights.load_path("fan_2d68")
    detector_path, _ = weights.load_path("fan_s3fd")

    class LocalFaceAlignment(FaceAlignment):  # type: ignore[misc]
        """The package downloads its network; this one reads it from the verified file."""

        def _load_native(self, name: str, size: int, device: str, dtype: torch.dtype) -> torch.nn.Module:
            network = FAN(size)
            network.load_state_dict(torch.load(network_path, map_location=device, weights_only=True))
            return network.to(device, dtype=dtype).eval()

    aligner = LocalFaceAlignment(
        LandmarksType.TWO_D,
        device="cpu",
        flip_input=False,
        compile=False,
        face_detector_kwargs={"path_to_detector": str(detector_path)},
    )

    def detect(frame: NDArray[np.uint8]) -> list[Face]:
        found = aligner.get_landmarks_from_image(frame)
        return [Face(np.asarray(points, np.float64)) for points in found or []]

    return detect


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back what native code writes to the terminal while it starts."""
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
