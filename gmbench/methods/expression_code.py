"""What trained systems see of a face: 64 expression coefficients with lids, and 6 of the pose, both standardised."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gmbench.methods.coefficients64 import EXPRESSIONS, Coefficients64, join_lids, landmark_scale, split_lids
from gmbench.methods.scaling import Scale
from gmbench.methods.tracks import POSE, ClipTracks, relative_motion
from gmbench.morphable.model import BLINK, MOTION, FaceModel


@dataclass(frozen=True)
class ExpressionCode:
    """The 171 columns of expressions and lids as 64 numbers, each in deviations with the floor of :class:`Scale`."""

    coefficients: Coefficients64
    scale: Scale

    @classmethod
    def fit(
        cls, clips: Sequence[ClipTracks], model: FaceModel, how: Literal["landmarks", "standardised"]
    ) -> "ExpressionCode":
        """From training clips; raises InputError for too few frames.

        ``landmarks`` makes columns count by what they do to the landmarks: of the corpus' clips 99.6 % of that stays in
        64 components. ``standardised`` makes all columns count alike, and keeps 79 %; the mouth's columns then
        correlate with the originals by 0.66 to 0.90 only.
        """
        columns = [join_lids(clip.beta, clip.rho) for clip in clips]
        coefficients = Coefficients64.fit(columns, landmark_scale(model, columns) if how == "landmarks" else None)
        return cls(coefficients, Scale.of([coefficients.encode(c) for c in columns]))

    def encode(self, beta: NDArray[np.float32], rho: NDArray[np.float32]) -> NDArray[np.float32]:
        """Codes (T, 64) of expressions (T, 169) and motion (T, 12)."""
        return self.scale.standardise(self.coefficients.encode(join_lids(beta, rho)))

    def decode(self, codes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Expressions (T, 169) and lids (T, 2) in [0, 1]."""
        return split_lids(self.coefficients.decode(self.scale.restore(codes)))

    def effects(self) -> NDArray[np.float32]:
        """(64,) how much each code moves the landmarks beside the others, mean square 1; for ``landmarks`` codes."""
        deviation = self.scale.deviation
        return np.asarray(deviation / np.sqrt(np.square(deviation).mean()), np.float32)

    def lips(self, lips: NDArray[np.float32]) -> NDArray[np.float32]:
        """Motion of the lips (64, n) by codes, from that (169, n) by expressions; see :mod:`gmbench.methods.lips`."""
        columns = self.coefficients.components * self.coefficients.scale.deviation  # (64, 171)
        return (self.scale.deviation[:, None] * columns[:, :EXPRESSIONS]) @ lips

    def constants(self) -> dict[str, NDArray[Any]]:
        """Arrays for a checkpoint."""
        own = {"code.mean": self.scale.mean, "code.deviation": self.scale.deviation}
        return self.coefficients.constants() | own

    @classmethod
    def of_constants(cls, constants: Mapping[str, NDArray[Any]]) -> "ExpressionCode":
        """From a checkpoint's arrays."""
        scale = Scale(constants["code.mean"], constants["code.deviation"])
        return cls(Coefficients64.of_constants(constants), scale)


def pose_scale(clips: Sequence[ClipTracks]) -> Scale:
    """Scale (6,) of poses around their clips' means."""
    return Scale.of([relative_motion(clip.rho)[:, POSE] for clip in clips], centred=False)


def join_motion(
    pose: NDArray[np.float32], lids: NDArray[np.float32], source: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Motion (T, 12) of poses (T, 6) and lids (T, 2); gaze stays that of the source's motion (12,)."""
    motion = np.repeat(source[None].astype(np.float32), len(pose), axis=0)
    motion[:, POSE], motion[:, BLINK] = pose, lids
    if motion.shape[1] != MOTION:
        raise ValueError(f"expected {MOTION} columns of motion, got {motion.shape[1]}")
    return motion
