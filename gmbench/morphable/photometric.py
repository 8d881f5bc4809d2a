"""The reference fit by gradient descent: landmarks, then colours, frame by frame. Source: FaceVerse v3 tracker.

Slower by far than :mod:`gmbench.morphable.fitting` and :mod:`gmbench.morphable.refinement`; the tests hold the fast
fit to it. The colours use the fitted light: the public tracker compares with a constant light, so that its light never
moves.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmbench.morphable.camera import project
from gmbench.morphable.differentiable import interpolate, rasterise_points
from gmbench.morphable.energy import EnergyWeights
from gmbench.morphable.landmarks_478 import fitting_weights
from gmbench.morphable.light import canonical_light, shade
from gmbench.morphable.model import (
    EXPRESSION,
    SHAPE,
    TEXTURE,
    FaceModel,
)

PHOTO = 1e-2
"""Weight of the mean colour distance in 0..255."""
TEXTURE_PRIOR = 3e-3
GAZE = slice(6, 10)
"""Gaze of both eyes in the motion vector."""


@dataclass(frozen=True)
class Phases:
    """Adam steps and rates; ``first`` for frame 0, ``later`` for the others."""

    landmark_first: tuple[int, float, tuple[float, float]] = (1000, 1e-2, (0.8, 0.95))
    landmark_later: tuple[int, float, tuple[float, float]] = (100, 1e-3, (0.5, 0.9))
    photo_first: tuple[int, float, tuple[float, float]] = (200, 5e-3, (0.5, 0.9))
    photo_later: tuple[int, float, tuple[float, float]] = (30, 1e-3, (0.5, 0.9))


@dataclass
class State:
    """Unknowns as tensors: rotation 3, translation 3, gaze 4, expression 171, shape 150, texture 251, light (3, 9)."""

    rotation: Tensor = field(default_factory=lambda: torch.zeros(3))
    translation: Tensor = field(default_factory=lambda: torch.zeros(3))
    gaze: Tensor = field(default_factory=lambda: torch.zeros(4))
    expression: Tensor = field(default_factory=lambda: torch.zeros(EXPRESSION))
    shape: Tensor = field(default_factory=lambda: torch.zeros(SHAPE))
    texture: Tensor = field(default_factory=lambda: torch.zeros(TEXTURE))
    light: Tensor = field(default_factory=lambda: torch.from_numpy(canonical_light()).float())


class AdamFitter:
    """Fits one clip of one person.

    Args:
        model: face model.
        side: of the square frames in pixels.
        weights: of the terms; the model's by default.
        phases: steps and rates.
    """

    def __init__(
        self, model: FaceModel, side: int, weights: EnergyWeights | None = None, phases: Phases | None = None
    ) -> None:
        self.model, self.side, self.phases = model, side, phases or Phases()
        self.weights = weights or EnergyWeights.of(model)
        self.triangles = torch.from_numpy(np.asarray(model.drawn_triangles))
        self._mean = torch.from_numpy(np.asarray(model.mean, np.float32))
        self._shape = torch.from_numpy(np.asarray(model.shape_basis, np.float32))
        self._expression = torch.from_numpy(np.asarray(model.expression_basis, np.float32))
        self._landmarks = torch.from_numpy(np.asarray(model.landmarks))
        share = fitting_weights()
        self._share = torch.from_numpy(share / share.sum()).float()
        self._prior = torch.from_numpy(self.weights.of_columns(model)).float()

    def fit(
        self, frames: NDArray[np.uint8], landmarks: NDArray[np.floating], start: State | None = None
    ) -> Iterator[State]:
        """States of the frames (T, S, S, 3) with landmarks (T, 478, 2), each from the one before."""
        state, previous = start or State(), None
        for number, (frame, points) in enumerate(zip(frames, landmarks, strict=True)):
            first = number == 0 and start is None
            if first:
                self._place(state, points)
            target = torch.from_numpy(np.asarray(points, np.float32))
            picture = torch.from_numpy(np.asarray(frame)).float()
            near = functools.partial(self.landmark_energy, target=target, previous=previous)
            names = ["rotation", "translation", "gaze", "expression", *(["shape"] if first else [])]
            self._minimise(state, names, self.phases.landmark_first if first else self.phases.landmark_later, near)
            whole = functools.partial(self.energy, target=target, previous=previous, picture=picture)
            names = ["light", "rotation", "translation", "gaze", *(["shape", "texture"] if first else ["expression"])]
            self._minimise(state, names, self.phases.photo_first if first else self.phases.photo_later, whole)
            previous = torch.cat([state.rotation, state.translation]).detach().clone()
            yield State(**{name: value.detach().clone() for name, value in vars(state).items()})

    def vertices(self, state: State) -> Tensor:
        """Placed vertices (V, 3) in camera axes."""
        identity = self._mean + self._shape @ state.shape
        head = identity + self._expression @ state.expression
        ends = [int(n) for n in self.model.vertex_ends[:3]]
        parts = [head[: ends[0]]]
        push, shift = self.model.names.get("eye_push", 0.0), self.model.names.get("eye_shift", 0.0)
        for number in (0, 1):
            ball = slice(ends[number], ends[number + 1])
            centre = identity[ball].mean(dim=0).detach() + torch.tensor([0.0, 0.0, shift])
            pitch, yaw = state.gaze[2 * number], state.gaze[2 * number + 1]
            turn = _rotation(torch.stack([pitch, yaw, torch.zeros_like(yaw)]))
            parts.append((head[ball] - centre) @ turn.T + centre + push)
        parts.append(head[ends[2] :])
        return torch.cat(parts) @ _rotation(state.rotation).T + state.translation

    def landmark_energy(self, state: State, target: Tensor, previous: Tensor | None) -> Tensor:
        """The same energy as :class:`gmbench.morphable.energy.LandmarkEnergy` over all landmarks."""
        points, _ = project(self.vertices(state)[self._landmarks], self.side)
        observed = torch.isfinite(target).all(dim=1)
        error = ((points - torch.nan_to_num(target)) ** 2).sum(dim=1) / self.side**2
        total = self.weights.landmarks * (self._share * error * observed).sum()
        total = total + (self._prior * state.expression**2).sum() + self.weights.identity * (state.shape**2).sum()
        if previous is not None:
            total = (
                total + self.weights.motion * ((torch.cat([state.rotation, state.translation]) - previous) ** 2).sum()
            )
        return total

    def energy(self, state: State, target: Tensor, previous: Tensor | None, picture: Tensor) -> Tensor:
        """Landmarks, colours and the prior of the texture."""
        colours = PHOTO * self.photo(state, picture) + TEXTURE_PRIOR * (state.texture**2).sum()
        return self.landmark_energy(state, target, previous) + colours

    def photo(self, state: State, picture: Tensor) -> Tensor:
        """Mean L2 distance of colours in 0..255 over the covered pixels; the mask carries no gradient."""
        vertices = self.vertices(state)
        points, depth = project(vertices, self.side)
        raster = rasterise_points(points, depth, self.triangles, self.side, self.side)
        albedo = (
            torch.from_numpy(np.asarray(self.model.texture_mean, np.float32))
            + torch.from_numpy(np.asarray(self.model.texture_basis, np.float32)) @ state.texture
        )
        colours = shade(albedo, self.normals(vertices), state.light)
        drawn, pixels = interpolate(raster, points, depth, self.triangles, colours)
        return ((drawn - picture.reshape(-1, 3)[pixels]) ** 2).sum(dim=1).add(1e-8).sqrt().mean()

    def normals(self, vertices: Tensor) -> Tensor:
        """Unit normals (V, 3), area-weighted."""
        a, b, c = (vertices[self.triangles[:, k]] for k in range(3))
        across = torch.cross(b - a, c - a, dim=1)
        summed = torch.zeros_like(vertices)
        for corner in range(3):
            summed = summed.index_add(0, self.triangles[:, corner], across)
        return summed / (summed.norm(dim=1, keepdim=True) + 1e-9)

    def _minimise(
        self,
        state: State,
        names: list[str],
        settings: tuple[int, float, tuple[float, float]],
        energy: Callable[[State], Tensor],
    ) -> None:
        steps, rate, betas = settings
        for name, value in vars(state).items():
            setattr(state, name, value.detach().clone().requires_grad_(name in names))
        optimiser = torch.optim.Adam([getattr(state, name) for name in names], lr=rate, betas=betas)
        lids = list(self.model.blink_columns)
        for _ in range(steps):
            optimiser.zero_grad()
            energy(state).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            with torch.no_grad():
                state.expression[lids] = state.expression[lids].clamp(0, 1)

    def _place(self, state: State, points: NDArray[np.floating]) -> None:
        """Depth and shift of a neutral face from the spread and mean of the landmarks."""
        with torch.no_grad():
            observed_points = points[np.isfinite(points).all(axis=1)]
            flat, _ = project(self.vertices(state)[self._landmarks], self.side)
            spread = float(flat.std(dim=0).norm()) / float(np.linalg.norm(observed_points.std(axis=0)))
            state.translation = torch.tensor([0.0, 0.0, 10.0 * spread - 10.0])
            flat, depth = project(self.vertices(state)[self._landmarks], self.side)
            shift = torch.from_numpy(observed_points.mean(axis=0)).float() - flat.mean(dim=0)
            state.translation[:2] += shift * depth.mean() / (self.side * 1315 / 512)


def _rotation(angles: Tensor) -> Tensor:
    """Rz Ry Rx (3, 3) of angles (3,)."""
    cx, cy, cz = torch.cos(angles)
    sx, sy, sz = torch.sin(angles)
    one, zero = torch.ones_like(cx), torch.zeros_like(cx)
    x = torch.stack([one, zero, zero, zero, cx, -sx, zero, sx, cx]).reshape(3, 3)
    y = torch.stack([cy, zero, sy, zero, one, zero, -sy, zero, cy]).reshape(3, 3)
    z = torch.stack([cz, -sz, zero, sz, cz, zero, zero, zero, one]).reshape(3, 3)
    return z @ y @ x
