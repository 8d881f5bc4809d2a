"""Where vertices fall on the picture, and how these places change with the unknowns of a frame: many frames at once."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmbench.morphable.camera import DISTANCE, FOCAL
from gmbench.morphable.energy import EXP, GAZE, UNKNOWNS
from gmbench.morphable.model import EXPRESSION, FaceModel


class ProjectedVertices:
    """Chosen vertices of one face model on pictures of one side; the mathematics of ``LandmarkEnergy`` in batches.

    Args:
        model: face model.
        vertices: numbers (n,) of vertices.
        side: of the square pictures in pixels.
        device: of all tensors.
    """

    def __init__(self, model: FaceModel, vertices: NDArray[np.integer], side: int, device: torch.device) -> None:
        rows = model.rows(vertices)
        self.side, self.device = side, device
        self.mean, self.shape, self.expression = map(self._tensor, (rows.mean, rows.shape_basis, rows.expression_basis))
        self._eyes = [torch.from_numpy(np.flatnonzero(rows.eye == number)).to(device) for number in (0, 1)]
        ends = model.vertex_ends
        balls = [slice(ends[number], ends[number + 1]) for number in (0, 1)]
        shift = np.array([0.0, 0.0, model.names.get("eye_shift", 0.0)])
        self._centre_mean = self._tensor(np.stack([model.mean[ball].mean(axis=0) + shift for ball in balls]))
        self._centre_basis = self._tensor(np.stack([model.shape_basis[ball].mean(axis=0) for ball in balls]))
        self._push = float(model.names.get("eye_push", 0.0))

    def __call__(self, unknowns: Tensor, shape: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Places and derivatives of frames.

        Args:
            unknowns: (T, 181), in the order of :mod:`gmbench.morphable.energy`.
            shape: (150,) of the person.

        Returns:
            pixels (T, n, 2), their derivatives by the unknowns (T, n, 2, 181), and by the head's axes (T, n, 2, 3).
        """
        frames, count = len(unknowns), len(self.mean)
        base = self.mean + self.shape @ shape
        centres = self._centre_mean + self._centre_basis @ shape
        moved = unknowns[:, EXP] @ self.expression.reshape(-1, EXPRESSION).T
        head = base + moved.view(frames, count, 3)
        basis = self.expression.expand(frames, -1, -1, -1).clone()
        by_gaze: list[tuple[Tensor, Tensor]] = []
        for number, ids in enumerate(self._eyes):
            gaze = unknowns[:, GAZE][:, 2 * number : 2 * number + 2]
            turn, by_angle = rotations(torch.cat([gaze, torch.zeros_like(gaze[:, :1])], dim=1))
            local = head[:, ids] - centres[number]
            head[:, ids] = local @ turn.mT + centres[number] + self._push
            basis[:, ids] = torch.einsum("tij,njk->tnik", turn, self.expression[ids])
            by_gaze.append((ids, torch.einsum("atij,tnj->tnia", by_angle[:2], local)))
        turn, by_angle = rotations(unknowns[:, :3])
        placed = head @ turn.mT + unknowns[:, None, 3:6]
        depth, focal = placed[..., 2] + DISTANCE, FOCAL * self.side
        screen = torch.zeros(frames, count, 2, 3, device=self.device)
        screen[..., 0, 0] = screen[..., 1, 1] = focal / depth
        screen[..., 2] = -placed[..., :2] * (focal / depth**2)[..., None]
        by_head = screen @ turn[:, None]
        result = torch.zeros(frames, count, 2, UNKNOWNS, device=self.device)
        result[..., :3] = screen @ torch.einsum("atij,tnj->tnia", by_angle, head)
        result[..., 3:6] = screen
        result[..., EXP] = by_head @ basis
        for number, (ids, change) in enumerate(by_gaze):
            result[:, ids, :, 6 + 2 * number : 8 + 2 * number] = by_head[:, ids] @ change
        return placed[..., :2] / depth[..., None] * focal + self.side / 2, result, by_head

    def _tensor(self, values: NDArray[np.floating]) -> Tensor:
        return torch.from_numpy(np.asarray(values, np.float32)).to(self.device)


def rotations(angles: Tensor) -> tuple[Tensor, Tensor]:
    """Rz Ry Rx (T, 3, 3) of angles (T, 3), and the derivatives (3, T, 3, 3) by the three angles (first axis)."""
    x, y, z = (_about(axis, angles[:, axis]) for axis in range(3))
    cross_x, cross_y, cross_z = _CROSS.to(angles)
    return z @ y @ x, torch.stack([z @ y @ (cross_x @ x), z @ (cross_y @ y) @ x, cross_z @ z @ y @ x])


_CROSS = torch.tensor([
    [[0, 0, 0], [0, 0, -1], [0, 1, 0]],
    [[0, 0, 1], [0, 0, 0], [-1, 0, 0]],
    [[0, -1, 0], [1, 0, 0], [0, 0, 0]],
], dtype=torch.float32)  # fmt: skip


def _about(axis: int, angle: Tensor) -> Tensor:
    """Rotations (T, 3, 3) about one axis."""
    result = torch.zeros(len(angle), 3, 3, device=angle.device)
    a, b = (axis + 1) % 3, (axis + 2) % 3
    result[:, axis, axis] = 1.0
    result[:, a, a] = result[:, b, b] = torch.cos(angle)
    result[:, b, a] = torch.sin(angle)
    result[:, a, b] = -result[:, b, a]
    return result
