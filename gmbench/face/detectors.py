"""The built-in landmark detectors: MediaPipe, FAN, the network trained on the corpus, and files made outside."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmbench.devices import CPU, Network, Networks
from gmbench.extras import extra
from gmbench.face.faces import MESH, Detector, Face
from gmbench.face.landmarks_68 import mesh_vertices
from gmbench.face.sidecar import Sidecar
from gmbench.media import FPS
from gmbench.weights import load_path


@contextlib.contextmanager
def sidecar(path: Path | None) -> Iterator[Detector]:
    """Landmarks that were made outside, of the clip's own file."""
    yield Sidecar(path)


@contextlib.contextmanager
def mediapipe(path: Path | None) -> Iterator[Detector]:
    """Face Landmarker in video mode.

    Two faces are asked for on purpose: to see a second one, and because the task smooths its
    landmarks over time only when asked for one.
    """
    model, _ = load_path("face_landmarker")
    with quiet_stderr():
        import mediapipe as mp
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model)),
            running_mode=vision.RunningMode.VIDEO,
            num_faces=2,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        landmarker = vision.FaceLandmarker.create_from_options(options)
    vertices, count = mesh_vertices(), 0

    def detect(frame: NDArray[np.uint8]) -> list[Face]:
        nonlocal count
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(frame))
        if count == 0:
            with quiet_stderr():
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


@contextlib.contextmanager
def corpus(path: Path | None, networks: Networks) -> Iterator[Detector]:
    """The network that the pipeline trained on the synthetic corpus: one face per frame."""
    from gmbench.extractors import landmarker

    file = load_path("corpus_landmarker")[0]
    asked = Network(landmarker.point_rows, landmarker.read_network, (file,), batch=256)
    yield _CorpusDetector(networks, asked, landmarker.read(file)[1])


class _CorpusDetector:
    """The corpus' landmark network; other devices than the CPU are asked for all frames that are known to follow."""

    def __init__(self, networks: Networks, network: Network, landmarks: NDArray[np.int64]) -> None:
        from gmbench.extractors import landmarker

        self._networks, self._network, self._landmarks = networks, network, landmarks
        self._vertices, self._shrunk, self._in_pixels = mesh_vertices(), landmarker.shrunk, landmarker.in_pixels
        self._ahead: list[tuple[NDArray[np.uint8], NDArray[np.float32]]] = []

    def look_ahead(self, frames: Sequence[NDArray[np.uint8]]) -> None:
        """Ask for the frames that follow."""
        if self._networks.device != CPU:
            self._ahead = list(zip(frames, self._points(frames), strict=True))

    def __call__(self, frame: NDArray[np.uint8]) -> list[Face]:
        """The face of the next frame."""
        while self._ahead and self._ahead[0][0] is not frame:
            self._ahead.pop(0)
        points = self._ahead.pop(0)[1] if self._ahead else self._points([frame])[0]
        mesh = np.full((MESH, 2), np.nan)
        mesh[self._landmarks] = self._in_pixels(points, *frame.shape[:2])
        return [Face(points=mesh[self._vertices], mesh=mesh)]

    def _points(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(n, P, 2) in shares of the frames' sides."""
        return self._networks.ask(self._network, np.stack([self._shrunk(frame) for frame in frames])).result()


@contextlib.contextmanager
def fan(path: Path | None, networks: Networks) -> Iterator[Detector]:
    """FAN 2D-68 with the S3FD detector, from files in the weights folder, not compiled, on this process's device."""
    import torch

    with extra("fan"):
        from face_alignment import FaceAlignment, LandmarksType
        from face_alignment.models import FAN

    network_path, _ = load_path("fan_2d68")
    detector_path, _ = load_path("fan_s3fd")

    class LocalFaceAlignment(FaceAlignment):  # type: ignore[misc]
        """The package downloads its network; this one reads it from the verified file."""

        def _load_native(self, name: str, size: int, device: str, dtype: torch.dtype) -> torch.nn.Module:
            network = FAN(size)
            network.load_state_dict(torch.load(network_path, map_location=device, weights_only=True))
            return network.to(device, dtype=dtype).eval()

    aligner = LocalFaceAlignment(
        LandmarksType.TWO_D,
        device=networks.device,
        flip_input=False,
        compile=False,
        face_detector_kwargs={"path_to_detector": str(detector_path)},
    )

    def detect(frame: NDArray[np.uint8]) -> list[Face]:
        faces = aligner.get_landmarks_from_image(frame)
        return [Face(np.asarray(points, np.float64)) for points in faces or []]

    yield detect


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hold back what native code writes to the terminal while it starts."""
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
