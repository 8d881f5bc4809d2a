"""A landmark fit moved towards the pictures by Gauss-Newton steps, all frames of a clip at once.

E = E_landmarks / 5 + w_photo sum over pixels of 3 c^2 log(1 + |I - R|^2 / (3 c^2))

with the picture I, the rendering R and c of :data:`gmbench.morphable.comparison.LEVELS`. The prior of the expression
stays whole. What a pixel says of the shift of the surface under it goes to the vertices of its triangle, so that each
vertex acts like a landmark with a matrix of its own. Rendering and comparison run on the CPU, the normal equations on
a GPU where there is one.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from gmbench.devices import current
from gmbench.morphable.comparison import Comparison, Look
from gmbench.morphable.derivatives import ProjectedVertices
from gmbench.morphable.energy import EXP, GAZE, UNKNOWNS, LandmarkEnergy, Vector
from gmbench.morphable.fitting import FittedTrack, interpolate, state_of_track, track_of_state
from gmbench.morphable.model import SHAPE, Floats

PHOTO = 0.0164
"""Weight of the pixels' differences, over the squared side."""
LANDMARKS = 0.2
"""Share that is left of the landmarks' weight."""
GAZE_HELD = 0.1
"""Weight of the gaze near that of the landmark fit: the few pixels of an iris tell little."""
LIGHT_SPAN = 6.0
"""Standard deviation in frames of the light's smoothing in time."""
STEPS = 2
_STRONGEST = 600  # vertices, the ones with the steepest colours
_BATCH = 32
_DAMPING = 1e-3


@dataclass
class _Frames:
    """Frames that are refined together: unknowns (T, 181), lights (T, 3, 9), pictures, landmarks (T, n, 2)."""

    unknowns: Tensor
    lights: NDArray[np.float64]
    pictures: Sequence[NDArray[np.uint8]]
    landmarks: Tensor
    gaze: Tensor


class Refiner:
    """Refines fits of one person.

    Args:
        energy: of the landmark fit, with its model, landmarks and weights.
        shape, texture: (150,), (251,) coefficients of the person.
        device: of the normal equations; that of the job at hand by default.
    """

    def __init__(
        self, energy: LandmarkEnergy, shape: Floats, texture: Floats, device: torch.device | None = None
    ) -> None:
        self.energy, self.shape, self.texture = energy, np.asarray(shape, np.float64), texture
        self.side = int(energy.side)
        self.device = device or torch.device(current())
        self.compare = Comparison(energy.model, shape, texture, self.side)
        self._points = ProjectedVertices(energy.model, energy.rows.vertices, self.side, self.device)
        self._scale = self._tensor(energy.scale * np.sqrt(LANDMARKS))
        self._prior = self._tensor(energy.prior)

    def track(
        self, pictures: Iterable[NDArray[np.uint8]], landmarks: Floats, track: FittedTrack, light: Floats,
        steps: int = STEPS,
    ) -> tuple[FittedTrack, NDArray[np.float32]]:  # fmt: skip
        """A clip's fit moved towards its pictures.

        Args:
            pictures: T pictures (S, S, 3), of which some are in memory at a time.
            landmarks: (T, 478, 2) pixels, NaN where unknown.
            track: the landmark fit; its errors, valid frames and segments stay.
            light: (T, 27), the start of the light.
            steps: Gauss-Newton steps; a frame whose energy grows goes back and rests.

        Returns:
            The track with other ``beta`` and ``rho``, short gaps filled again, and the light (T, 27), smooth in time.
        """
        state = state_of_track(self.energy.model, track)
        lights = np.asarray(light, np.float64).reshape(-1, 3, 9).copy()
        valid = ((t, picture) for t, picture in enumerate(pictures) if track.valid[t])
        while batch := list(itertools.islice(valid, _BATCH)):
            part = np.array([t for t, _ in batch])
            frames = self._frames(state[part], lights[part], [picture for _, picture in batch], landmarks[part])
            self._descend(frames, steps)
            state[part], lights[part] = frames.unknowns.double().cpu().numpy(), frames.lights
        state = interpolate(state, track.valid, track.segment)
        flat = interpolate(lights.reshape(-1, 27), track.valid, track.segment)
        if track.valid.any():
            flat = gaussian_filter1d(flat, LIGHT_SPAN, axis=0, mode="nearest")
        beta, rho = track_of_state(self.energy.model, state)
        return replace(track, beta=beta, rho=rho), flat.astype(np.float32)

    def person(
        self, pictures: Sequence[NDArray[np.uint8]], landmarks: Floats, states: Vector, lights: Vector,
        steps: int = STEPS,
    ) -> Vector:  # fmt: skip
        """The person's shape (150,), moved together with the unknowns (K, 181) of K frames, which are eliminated."""
        frames = self._frames(states, np.asarray(lights, np.float64).copy(), pictures, landmarks)
        for _ in range(steps):
            looks = self._looks(frames)
            frames.lights = np.stack([look.light for look in looks])
            moved, shape = self._joint_step(frames, looks)
            frames.unknowns = frames.unknowns + moved
            self.shape = self.shape + shape.double().cpu().numpy()
            self.compare = Comparison(self.energy.model, self.shape, self.texture, self.side)
        return self.shape

    def errors(self, pictures: Sequence[NDArray[np.uint8]], track: FittedTrack, light: Floats) -> Vector:
        """(T,) mean absolute difference of the colours on the face, in levels of 0..255."""
        state = state_of_track(self.energy.model, track)
        lights = np.asarray(light, np.float64).reshape(-1, 3, 9)
        return np.array([
            self.compare(unknowns, one, picture).error
            for unknowns, one, picture in zip(state, lights, pictures, strict=True)
        ])  # fmt: skip

    def _frames(
        self, states: Vector, lights: Vector, pictures: Sequence[NDArray[np.uint8]], landmarks: Floats
    ) -> _Frames:
        unknowns = self._tensor(states)
        points = self._tensor(landmarks[:, self.energy.chosen])
        return _Frames(unknowns, lights, pictures, points, unknowns[:, GAZE].clone())

    def _descend(self, frames: _Frames, steps: int) -> None:
        best, lowest = frames.unknowns, torch.full((len(frames.pictures),), torch.inf, device=self.device)
        lights = frames.lights.copy()
        moving = torch.ones(len(best), dtype=torch.bool, device=self.device)
        lids = [EXP.start + column for column in self.energy.model.blink_columns]
        for step in range(steps + 1):
            looks = self._looks(frames)
            value = self._value(frames, looks)
            better = value < lowest
            best = torch.where((better & moving)[:, None], frames.unknowns, best)
            kept = (better & moving).cpu().numpy()
            lights[kept] = np.stack([look.light for look in looks])[kept]
            moving, lowest = moving & better, torch.minimum(value, lowest)
            if step == steps or not moving.any():
                break
            frames.lights = lights.copy()
            moved = best + self._step(frames, looks) * moving[:, None]
            moved[:, lids] = moved[:, lids].clamp(0, 1)
            frames.unknowns = moved
        frames.unknowns, frames.lights = best, lights

    def _looks(self, frames: _Frames) -> list[Look]:
        unknowns = frames.unknowns.double().cpu().numpy()
        return [
            self.compare(one, light, picture)
            for one, light, picture in zip(unknowns, frames.lights, frames.pictures, strict=True)
        ]

    def _value(self, frames: _Frames, looks: Sequence[Look]) -> Tensor:
        """Energy (T,) of each frame."""
        pixels, _, _ = self._points(frames.unknowns, self._tensor(self.shape))
        error = torch.nan_to_num(pixels - frames.landmarks) * self._scale[:, None]
        colours = self._tensor(np.array([look.value for look in looks])) * PHOTO / self.side**2
        held = GAZE_HELD * ((frames.unknowns[:, GAZE] - frames.gaze) ** 2).sum(dim=1)
        return colours + (error**2).sum(dim=(1, 2)) + (self._prior * frames.unknowns[:, EXP] ** 2).sum(dim=1) + held

    def _step(self, frames: _Frames, looks: Sequence[Look]) -> Tensor:
        """The damped step (T, 181)."""
        hessian, gradient, _ = self._equations(frames, self._observe(frames, looks))
        return -torch.cholesky_solve(gradient[..., None], torch.linalg.cholesky(hessian))[..., 0].float()

    def _joint_step(self, frames: _Frames, looks: Sequence[Look]) -> tuple[Tensor, Tensor]:
        """Damped steps of the frames (K, 181) and of the shape (150,), the frames eliminated (Schur complement)."""
        observed = self._observe(frames, looks)
        hessian, gradient, by_unknowns = self._equations(frames, observed)
        faces, points = observed.by_head[0] @ observed.vertices.shape, observed.by_head[1] @ self._points.shape
        rows, residual = observed.rows(faces, points), observed.gradient(faces, points).sum(dim=0)
        cross = (by_unknowns.mT @ rows).double()
        solved = torch.cholesky_solve(torch.cat([cross, gradient[..., None]], dim=2), torch.linalg.cholesky(hessian))
        own = torch.einsum("tni,tnj->ij", rows, rows).double()
        own += self.energy.weights.identity * torch.eye(SHAPE, device=self.device)
        own += _DAMPING * torch.diag(own.diagonal())
        right = residual.double() + self.energy.weights.identity * self._tensor(self.shape).double()
        reduced = own - torch.einsum("tij,tik->jk", cross, solved[..., :-1])
        shape = -torch.linalg.solve(reduced, right - torch.einsum("tij,ti->j", cross, solved[..., -1]))
        return -(solved[..., -1] + solved[..., :-1] @ shape).float(), shape.float()

    def _observe(self, frames: _Frames, looks: Sequence[Look]) -> "_Observed":
        shape = self._tensor(self.shape)
        pull = self._tensor(np.stack([look.pull for look in looks])) * PHOTO / self.side**2
        steepest = (pull[..., 0] + pull[..., 2]).mean(dim=0).topk(min(_STRONGEST, pull.shape[1])).indices.sort().values
        pull, chosen = pull[:, steepest], self.compare.vertices[steepest.cpu().numpy()]
        vertices = ProjectedVertices(self.energy.model, chosen, self.side, self.device)
        _, faces, by_head = vertices(frames.unknowns, shape)
        pixels, points, points_by_head = self._points(frames.unknowns, shape)
        weight = torch.isfinite(frames.landmarks[..., 0]) * self._scale
        error = torch.nan_to_num(pixels - frames.landmarks) * weight[..., None] ** 2
        return _Observed(
            vertices, _root(pull), pull[..., 3:], weight, error, (faces, points), (by_head, points_by_head)
        )

    def _equations(self, frames: _Frames, observed: "_Observed") -> tuple[Tensor, Tensor, Tensor]:
        """Damped half Hessians (T, 181, 181), half gradients (T, 181), weighted rows (T, r, 181)."""
        rows, gradient = observed.rows(*observed.derivatives), observed.gradient(*observed.derivatives)
        added = torch.zeros(UNKNOWNS, device=self.device)
        added[EXP], added[GAZE] = self._prior, GAZE_HELD
        hessian = rows.mT @ rows + torch.diag(added)
        gradient[:, EXP] += self._prior * frames.unknowns[:, EXP]
        gradient[:, GAZE] += GAZE_HELD * (frames.unknowns[:, GAZE] - frames.gaze)
        damped = torch.diag_embed(_DAMPING * hessian.diagonal(dim1=1, dim2=2) + 1e-9)
        return (hessian + damped).double(), gradient.double(), rows

    def _tensor(self, values: Floats) -> Tensor:
        return torch.from_numpy(np.asarray(values, np.float32)).to(self.device)


@dataclass(frozen=True)
class _Observed:
    """What pictures and landmarks say: ``root`` and ``towards`` of vertices, ``weight`` and ``error`` of landmarks.

    ``derivatives`` and ``by_head`` are pairs, of the vertices and of the landmarks.
    """

    vertices: ProjectedVertices
    root: Tensor
    towards: Tensor
    weight: Tensor
    error: Tensor
    derivatives: tuple[Tensor, Tensor]
    by_head: tuple[Tensor, Tensor]

    def rows(self, faces: Tensor, points: Tensor) -> Tensor:
        """Weighted rows (T, r, k) of derivatives (T, n, 2, k) of vertices and landmarks by k unknowns."""
        weighted = points * self.weight[..., None, None]
        return torch.cat([(self.root @ faces).flatten(1, 2), weighted.flatten(1, 2)], dim=1)

    def gradient(self, faces: Tensor, points: Tensor) -> Tensor:
        """Half the gradient (T, k) by the same unknowns."""
        return torch.einsum("tnik,tni->tk", faces, self.towards) + torch.einsum("tnik,tni->tk", points, self.error)


def _root(pull: Tensor) -> Tensor:
    """F (T, n, 2, 2) with F^T F the matrix (xx, xy, yy) of (T, n, 5)."""
    first = (pull[..., 0] + 1e-12).sqrt()
    mixed = pull[..., 1] / first
    second = (pull[..., 2] - mixed**2).clamp_min(0).sqrt()
    zero = torch.zeros_like(first)
    return torch.stack([torch.stack([first, mixed], dim=-1), torch.stack([zero, second], dim=-1)], dim=-2)
