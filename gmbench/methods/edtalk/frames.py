"""Which frames EDTalk learns from: pairs of a source and a driver of one person, with landmarks and the mouth's box.

All draws come from torch's global generator, so that a resumed training draws the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmbench.errors import InputError
from gmbench.face.landmarks_68 import mesh_vertices
from gmbench.methods.lips import by_opening
from gmbench.methods.pictures import PeoplePictures, resize
from gmbench.nn.pictures import to_signed

NEUTRAL = "neutral"
MOUTH = slice(48, 68)


@dataclass(frozen=True)
class TrainingFrames:
    """Frames with a face, and of whom they are.

    Attributes:
        people: pictures and landmarks.
        side: S that networks see; pictures of another side are resized.
    """

    people: PeoplePictures
    side: int

    @cached_property
    def points(self) -> NDArray[np.float32]:
        """(N, 68, 2) landmarks in pixels of side S; NaN without a face."""
        scale = self.side / self.people.frames.shape[1]
        return np.asarray(self.people.landmarks[:, mesh_vertices()] * scale, np.float32)

    @cached_property
    def _openings(self) -> dict[tuple[int, ...], list[NDArray[np.int64]]]:
        return {}

    @cached_property
    def of_clip(self) -> list[NDArray[np.int64]]:
        """Frames with a face of each clip."""
        seen = np.asarray(np.isfinite(self.points).all(axis=(1, 2)))
        return [clip.first + np.flatnonzero(seen[clip.first : clip.stop]) for clip in self.people.clips]

    @cached_property
    def neutral_of_clip(self) -> list[NDArray[np.int64]]:
        """Frames of the person's neutral clips for each labelled clip; none where there are none."""
        clips = self.people.clips
        found: dict[str, list[NDArray[np.int64]]] = {}
        for number, clip in enumerate(clips):
            if clip.emotion == NEUTRAL and not clip.pretraining:
                found.setdefault(clip.speaker, []).append(self.of_clip[number])
        joined = {speaker: np.concatenate(parts) for speaker, parts in found.items()}
        none = np.zeros(0, np.int64)
        return [none if clip.pretraining else joined.get(clip.speaker, none) for clip in clips]

    def usable(self, numbers: Sequence[int]) -> list[int]:
        """Clips with frames that show a face; raises InputError where there are none."""
        kept = [number for number in numbers if len(self.of_clip[number])]
        if not kept:
            raise InputError("edtalk: no training clip shows a face; see the reports of the stages crop and landmarks")
        return kept

    def draw_drivers(
        self, numbers: Sequence[int], count: int, even_lips: float = 0.0
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Clips and a frame of each: of clips that are equally likely, or in a share of draws evenly by open lips."""
        chosen = np.asarray(numbers)[torch.randint(0, len(numbers), (count,)).numpy()]
        rows = np.array([self._any(self.of_clip[number]) for number in chosen])
        if even_lips and (groups := self._groups_by_opening(tuple(numbers))):
            for place in np.flatnonzero(torch.rand(count).numpy() < even_lips):
                rows[place] = self._any(groups[int(torch.randint(0, len(groups), ()))])
            chosen = self.people.clip_numbers()[rows]
        return chosen, rows

    def _groups_by_opening(self, numbers: tuple[int, ...]) -> list[NDArray[np.int64]]:
        """Frames of clips whose lips are open about as far, from shut to widest."""
        if numbers not in self._openings:
            rows = np.concatenate([self.of_clip[number] for number in numbers])
            self._openings[numbers] = [rows[group] for group in by_opening(np.asarray(self.people.landmarks[rows]))]
        return self._openings[numbers]

    def draw_sources(self, chosen: NDArray[np.int64], neutral: float = 1.0) -> NDArray[np.int64]:
        """A source frame for a driver's clip: of the person's neutral clips in a share of draws, else of the clip."""
        rows = []
        for number, coin in zip(chosen.tolist(), torch.rand(len(chosen)).tolist(), strict=True):
            frames = self.neutral_of_clip[number]
            rows.append(self._any(frames if len(frames) and coin < neutral else self.of_clip[number]))
        return np.array(rows)

    def pictures(self, rows: NDArray[np.int64]) -> Tensor:
        """(B, 3, S, S) in [-1, 1] of frames."""
        return to_signed(torch.from_numpy(np.stack([resize(self.people.frames[row], self.side) for row in rows])))

    def places(self, rows: NDArray[np.int64]) -> Tensor:
        """(B, 68, 2) landmarks with -1 and 1 at the centres of the corner pixels, as flows have them."""
        return (torch.from_numpy(self.points[rows]) - 0.5) * (2 / (self.side - 1)) - 1

    def mouth_masks(self, rows: NDArray[np.int64], grow: float) -> Tensor:
        """(B, 1, S, S), 1 in the box of the mouth's landmarks, grown by a share of the side."""
        return self._masks(mouth_boxes(self.points[rows], grow * self.side))

    def face_masks(self, rows: NDArray[np.int64], grow: float) -> Tensor:
        """(B, 1, S, S), 1 in the box of all landmarks, grown by a share of the side."""
        return self._masks(boxes(self.points[rows], grow * self.side))

    def _masks(self, edges: NDArray[np.float32]) -> Tensor:
        centres = torch.arange(self.side) + 0.5
        box = torch.from_numpy(edges)[..., None]
        across = (centres >= box[:, 0]) & (centres <= box[:, 2])
        down = (centres >= box[:, 1]) & (centres <= box[:, 3])
        return (down[:, :, None] & across[:, None]).float()[:, None]

    @staticmethod
    def _any(frames: NDArray[np.int64]) -> int:
        return int(frames[int(torch.randint(0, len(frames), ()))])


def mouth_boxes(points: NDArray[np.float32], grow: float) -> NDArray[np.float32]:
    """Left, top, right and bottom (B, 4) of the mouths of landmarks (B, 68, 2), grown by so many pixels."""
    return boxes(points[:, MOUTH], grow)


def boxes(points: NDArray[np.float32], grow: float) -> NDArray[np.float32]:
    """Left, top, right and bottom (B, 4) of points (B, n, 2), grown by so many pixels."""
    return np.concatenate([points.min(axis=1) - grow, points.max(axis=1) + grow], axis=1)


def lower_faces(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes (B, 4) of the lower halves of faces (B, 68, 2): as wide as the landmarks, from half their height down."""
    least, most = points.min(axis=1), points.max(axis=1)
    return np.stack([least[:, 0], (least[:, 1] + most[:, 1]) / 2, most[:, 0], most[:, 1]], axis=1)
