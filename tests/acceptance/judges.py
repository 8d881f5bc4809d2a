"""What the corpus' own networks, which judge all systems and train none, see in films."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch

from gmbench.emotions import SUITE_ORDER
from gmbench.evaluation.extraction.network_crops import chip_matrix
from gmbench.extractors import landmarker
from gmbench.extractors.corpus import networks
from gmbench.extractors.corpus.emotion_vgg import CorpusEmotionVgg
from gmbench.face.landmarks_68 import mesh_vertices
from gmbench.face.pose import pose_from_landmarks
from gmbench.methods.pictures import resize
from gmbench.metrics.latents import cosine_similarity
from gmbench.metrics.perceptual import relative_path_length
from gmbench.weights import load_path
from tests.acceptance.maths import mean, mouth_opening

SIDE = 128
"""Side that films are brought to."""
CHIP = networks.SIDE
UPPER_FACE = slice(17, 48)
LEAST_FRAMES = 0.5
"""Share of a film's frames that must show a face, for the film to show one."""


@dataclass(frozen=True)
class Face:
    """The face of a film of T frames.

    Attributes:
        points: (T, 68, 2) landmarks at 128 pixels, NaN where a frame shows none.
        emotions: (8,) probabilities of the film in the suite's order; NaN without a face.
        embeddings: (T, d) of who is seen, NaN where a frame shows none.
    """

    points: np.ndarray
    emotions: np.ndarray
    embeddings: np.ndarray

    @property
    def found(self) -> bool:
        """Whether at least half of the frames show a face."""
        return bool(np.isfinite(self.points).all(axis=(1, 2)).mean() >= LEAST_FRAMES)

    @cached_property
    def opening(self) -> np.ndarray:
        """(T,) of the mouth."""
        return mouth_opening(self.points)

    @cached_property
    def angles(self) -> np.ndarray:
        """(T, 3) pitch, yaw and roll in degrees."""
        return pose_from_landmarks(self.points, SIDE, SIDE)

    @property
    def upper(self) -> np.ndarray:
        """(T, 31, 2) landmarks of brows, nose and eyes."""
        return self.points[:, UPPER_FACE]

    def probability(self, emotion: str) -> float:
        """Of one emotion."""
        return float(self.emotions[SUITE_ORDER.index(emotion)])

    @property
    def emotion(self) -> str:
        """The likeliest one; empty without a face."""
        return SUITE_ORDER[int(self.emotions.argmax())] if np.isfinite(self.emotions).all() else ""

    def likeness(self, other: "Face") -> float:
        """F-SIM: mean cosine of the frames with the first face of another film; NaN without one."""
        shown = np.flatnonzero(np.isfinite(other.embeddings).all(axis=1))
        own = self.embeddings[np.isfinite(self.embeddings).all(axis=1)]
        if not len(shown) or not len(own):
            return float("nan")
        return mean(cosine_similarity(own, other.embeddings[shown[0]]))


class Judges:
    """Landmarks, emotion and identity as the evaluation of the corpus sees them."""

    def __init__(self) -> None:
        self._landmarker, self._numbers = landmarker.read(load_path("corpus_landmarker")[0])
        kinds = ("emotion", "identity", "features")
        self._emotion, self._identity, self._features = (
            networks.read(load_path(f"corpus_{kind}")[0], kind) for kind in kinds
        )
        self._vgg = CorpusEmotionVgg(load_path("corpus_emotion_vgg")[0])

    def mesh(self, frames: np.ndarray) -> np.ndarray:
        """(T, 478, 2) pixels, NaN where the network has no landmark."""
        mesh = np.full((len(frames), 478, 2), np.nan)
        mesh[:, self._numbers] = landmarker.predict(self._landmarker, frames)
        return mesh

    def points(self, frames: np.ndarray) -> np.ndarray:
        """(T, 68, 2) pixels of frames (T, S, S, 3), NaN where there is no face."""
        return self.mesh(frames)[:, mesh_vertices()]

    @torch.inference_mode()
    def see(self, frames: Sequence[np.ndarray] | np.ndarray) -> Face:
        """The face of square frames of any side."""
        film = large(frames)
        points = self.points(film)
        shown = np.flatnonzero(np.isfinite(points).all(axis=(1, 2)))
        embeddings, emotions = np.full((len(film), 1), np.nan), np.full(len(SUITE_ORDER), np.nan)
        if len(shown):
            chips = _chips(film[shown], points[shown])
            rows = networks.identity_rows(self._identity, torch.from_numpy(chips)).numpy()
            embeddings = np.full((len(film), rows.shape[1]), np.nan)
            embeddings[shown] = rows
            features = self._emotion.both_ways(networks.as_input(chips))
            emotions = self._emotion.classify(features[None])[0].numpy()
        return Face(points, emotions, embeddings)

    def path(self, frames: Sequence[np.ndarray]) -> float:
        """Relative E-PPL of pictures between two emotions, cropped alike; NaN where one shows no face."""
        film = large(frames)
        points = self.points(film)
        if not np.isfinite(points).all():
            return float("nan")
        chips = _chips(film, np.broadcast_to(points.mean(axis=0), points.shape))
        return relative_path_length(self._vgg.distances(chips), float(self._vgg.distances(chips[[0, -1]])[0]))

    @torch.inference_mode()
    def features(self, frames: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """(T, d) of whole frames, for FID."""
        small = np.stack([cv2.resize(frame, (CHIP, CHIP), interpolation=cv2.INTER_AREA) for frame in frames])
        return np.asarray(networks.encoder_rows(self._features, torch.from_numpy(small)).numpy())


def large(frames: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """(T, 128, 128, 3) of square frames."""
    return np.stack([resize(np.asarray(frame), SIDE) for frame in frames])


def _chips(frames: np.ndarray, points: np.ndarray) -> np.ndarray:
    pairs = zip(frames, points, strict=True)
    return np.stack([cv2.warpAffine(f, chip_matrix(p), (CHIP, CHIP), flags=cv2.INTER_LINEAR) for f, p in pairs])
