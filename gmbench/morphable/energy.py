"""The landmark energy of a face fit and its analytic derivatives.

E = w_lm sum_i w_i |p_i - q_i|^2 / S^2 + w_exp |exp|^2 + w_id |gamma|^2 + w_rt |pose - previous pose|^2

with projected landmarks p, observed landmarks q and image side S. Unknowns of a frame, in this order: rotation 3,
translation 3, gaze 4 (left pitch, yaw, right pitch, yaw), full expression 171. Source: FaceVerse v3 tracker.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmbench.morphable.camera import DISTANCE, FOCAL, rotation_derivatives
from gmbench.morphable.landmarks_478 import COUNT, fitting_weights
from gmbench.morphable.model import EXPRESSION, FaceModel, eye_matrix

POSE, GAZE, EXP = slice(0, 6), slice(6, 10), slice(10, 10 + EXPRESSION)
UNKNOWNS = 10 + EXPRESSION
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class EnergyWeights:
    """Weights of the terms; see the module. Defaults: FaceVerse v3.

    ``blink`` is the expression weight of the two lid columns, ``fine`` that of columns without a name, where it
    differs from ``expression``.
    """

    landmarks: float = 1e3
    expression: float = 3e-3
    identity: float = 3e-2
    motion: float = 3e-2
    blink: float = 3e-3
    fine: float | None = None

    @classmethod
    def of(cls, model: FaceModel) -> "EnergyWeights":
        """FaceVerse's weights; for the synthetic model those of its own columns.

        The latter weigh landmarks that are off by two percent of the eye distance against columns of standard
        deviation 1 (shape), 0.35 (named actions) and 0.09 (the others): with weaker ones the errors of the landmarks
        become shapes and head turns.
        """
        synthetic = model.names.get("version") == "synthetic"
        return cls(1e3, 1e-2, 1e-2, 3e-3, 1e-5, 0.3) if synthetic else cls()

    def of_columns(self, model: FaceModel) -> Vector:
        """(171,) weight of each squared expression coefficient."""
        result = np.full(EXPRESSION, self.expression)
        if self.fine is not None:
            result[len(model.names.get("expression", [])) :] = self.fine
        result[list(model.blink_columns)] = self.blink
        return result


class LandmarkEnergy:
    """The energy for one face model, one set of landmarks and one image side.

    Args:
        model: face model.
        side: of the square frames in pixels.
        landmarks: numbers of the landmarks that are used, of the 478.
        weights: of the terms.
    """

    def __init__(
        self,
        model: FaceModel,
        side: float,
        landmarks: NDArray[np.integer] | None = None,
        weights: EnergyWeights | None = None,
    ) -> None:
        self.model, self.side = model, float(side)
        self.weights = weights or EnergyWeights.of(model)
        self.chosen = np.arange(COUNT) if landmarks is None else np.asarray(landmarks)
        self.rows = model.rows(model.landmarks[self.chosen])
        self.prior = self.weights.of_columns(model)
        share = fitting_weights()[self.chosen]
        self.scale = np.sqrt(self.weights.landmarks * share / share.sum()) / self.side  # (n,) per landmark
        self._eyes = [np.flatnonzero(self.rows.eye == number) for number in (0, 1)]
        ends = model.vertex_ends
        balls = [slice(ends[number], ends[number + 1]) for number in (0, 1)]
        shift = np.array([0.0, 0.0, model.names.get("eye_shift", 0.0)])
        self._centre_mean = np.stack([model.mean[ball].mean(axis=0) + shift for ball in balls]).astype(np.float64)
        self._centre_basis = np.stack([model.shape_basis[ball].astype(np.float64).mean(axis=0) for ball in balls])
        self._push = model.names.get("eye_push", 0.0)

    def start(self) -> Vector:
        """Unknowns (181) of a neutral face in the middle of the picture."""
        return np.zeros(UNKNOWNS)

    def identity(self, shape: Vector) -> tuple[Vector, Vector]:
        """Landmarks (n, 3) and eye centres (2, 3) of a person without expression."""
        return self.rows.mean + self.rows.shape_basis @ shape, self._centre_mean + self._centre_basis @ shape

    def place(self, unknowns: Vector, person: tuple[Vector, Vector]) -> tuple[Vector, Vector]:
        """Landmarks in head axes and in camera axes, both (n, 3)."""
        base, centres = person
        head = base + (self.rows.expression_basis.reshape(-1, EXPRESSION) @ unknowns[EXP]).reshape(-1, 3)
        for number, ids in enumerate(self._eyes):
            turn = eye_matrix(unknowns[6 + 2 * number : 8 + 2 * number])
            head[ids] = (head[ids] - centres[number]) @ turn.T + centres[number] + self._push
        rotation, _ = rotation_derivatives(unknowns[:3])
        return head, head @ rotation.T + unknowns[3:6]

    def project(self, unknowns: Vector, person: tuple[Vector, Vector]) -> Vector:
        """Landmarks (n, 2) in pixels."""
        _, placed = self.place(unknowns, person)
        return placed[:, :2] / (placed[:, 2:] + DISTANCE) * (FOCAL * self.side) + self.side / 2

    def value(
        self, unknowns: Vector, shape: Vector, person: tuple[Vector, Vector], target: Vector, previous: Vector | None
    ) -> float:
        """Energy of one frame, with the identity's term.

        Args:
            unknowns: (181,).
            shape: (150,) and ``person`` its :meth:`identity`.
            target: (n, 2) observed pixels, NaN where a landmark is unknown.
            previous: (6,) pose of the frame before, or None.
        """
        error = np.nan_to_num((self.project(unknowns, person) - target) * self.scale[:, None])
        total = float((error**2).sum()) + float(self.prior @ unknowns[EXP] ** 2)
        if previous is not None:
            total += self.weights.motion * float(((unknowns[POSE] - previous) ** 2).sum())
        return total + self.weights.identity * float(shape @ shape)

    def residuals(
        self, unknowns: Vector, person: tuple[Vector, Vector], target: Vector
    ) -> tuple[Vector, Vector, Vector]:
        """Landmark residuals (2n,), their derivatives (2n, 181), and d pixels / d head axes (n, 2, 3)."""
        head, placed = self.place(unknowns, person)
        rotation, by_angle = rotation_derivatives(unknowns[:3])
        focal = FOCAL * self.side
        depth = placed[:, 2] + DISTANCE
        pixels = placed[:, :2] / depth[:, None] * focal + self.side / 2
        observed = np.isfinite(target[:, 0])
        scale = np.where(observed, self.scale, 0.0)
        error = np.where(observed[:, None], pixels - target, 0.0) * scale[:, None]
        screen = np.zeros((len(head), 2, 3))
        screen[:, 0, 0] = screen[:, 1, 1] = scale * focal / depth
        screen[:, :, 2] = -(scale * focal / depth**2)[:, None] * placed[:, :2]
        by_head = screen @ rotation  # (n, 2, 3)
        jacobian = np.zeros((len(head), 2, UNKNOWNS))
        for axis in range(3):
            jacobian[:, :, axis] = (screen @ (head @ by_angle[axis].T)[:, :, None])[:, :, 0]
        jacobian[:, :, 3:6] = screen
        basis = self.rows.expression_basis
        np.matmul(by_head, basis, out=jacobian[:, :, EXP])
        _, centres = person
        for number, ids in enumerate(self._eyes):
            if len(ids) == 0:
                continue
            gaze = unknowns[6 + 2 * number : 8 + 2 * number]
            turn, by_gaze = rotation_derivatives(np.append(gaze, 0.0))
            local = (head[ids] - centres[number] - self._push) @ turn  # before the eye turned
            for axis in range(2):
                moved = (local @ by_gaze[axis].T)[:, :, None]
                jacobian[ids, :, 6 + 2 * number + axis] = (by_head[ids] @ moved)[:, :, 0]
            jacobian[ids, :, EXP] = (by_head[ids] @ turn) @ basis[ids]
        return error.ravel(), jacobian.reshape(-1, UNKNOWNS), by_head
