"""``Coefficients64``: the 171 columns of expressions and lids as 64 numbers, for systems whose papers have beta of 64.

The columns are standardised by :class:`gmbench.methods.scaling.Scale` and projected on their 64 leading principal
components over the frames of the training clips. The inverse is the transpose. There is no whitening: it would blow up
the noise of the last components.

Standardised columns count alike, whatever they do to the face: where most columns vary independently, most of 64
components go to those that hardly move it. :func:`landmark_scale` makes columns count by what they do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmbench.errors import InputError
from gmbench.methods.scaling import Scale
from gmbench.morphable.model import BLINK, FaceModel

EXPRESSIONS, LIDS = 169, 2
COLUMNS = EXPRESSIONS + LIDS
COMPONENTS = 64
LEAST_EFFECT = 1e-3
"""Of a column on the landmarks, in medians of all."""


@dataclass(frozen=True)
class Coefficients64:
    """A linear code of expressions.

    Attributes:
        scale: of the 171 columns.
        components: (64, 171) orthonormal rows, the leading one first; the entry of largest magnitude is positive.
        variances: (171,) of all components over the training frames, in squared units of the scale, falling.
    """

    scale: Scale
    components: NDArray[np.float32]
    variances: NDArray[np.float32]

    @classmethod
    def fit(cls, tracks: Sequence[NDArray[np.float32]], scale: Scale | None = None) -> "Coefficients64":
        """From the columns (T, 171) of the training clips, see :func:`join_lids`.

        Args:
            tracks: one array per clip.
            scale: of the columns before they are projected; their standardisation where there is none.

        Raises:
            InputError: fewer than 65 frames, or another number of columns.
        """
        frames = sum(len(track) for track in tracks)
        if frames <= COMPONENTS or any(track.shape[1] != COLUMNS for track in tracks):
            widths = sorted({track.shape[1] for track in tracks})
            raise InputError(
                f"Coefficients64: expected more than {COMPONENTS} frames of {COLUMNS} columns, got {frames} of {widths}"
            )
        scale = scale or Scale.of(tracks)
        rows = scale.standardise(np.concatenate(tracks)).astype(np.float64)
        values, vectors = np.linalg.eigh(np.cov(rows, rowvar=False, bias=True))
        components = vectors[:, ::-1].T[:COMPONENTS]
        largest = np.abs(components).argmax(axis=1)
        components = components * np.sign(components[np.arange(COMPONENTS), largest])[:, None]
        variances = np.maximum(values[::-1], 0)
        return cls(scale, np.ascontiguousarray(components, np.float32), variances.astype(np.float32))

    def encode(self, columns: NDArray[np.float32]) -> NDArray[np.float32]:
        """Codes (..., 64) of columns (..., 171)."""
        return np.asarray(self.scale.standardise(columns) @ self.components.T, np.float32)

    def decode(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Columns (..., 171) of codes (..., 64); what the other components hold is lost."""
        return np.asarray(self.scale.restore(codes @ self.components), np.float32)

    def discarded_variance(self) -> float:
        """Mean squared error per frame of encoding and decoding the training frames, in squared units of the scale."""
        return float(self.variances[COMPONENTS:].sum())

    def constants(self) -> dict[str, NDArray[Any]]:
        """Arrays for a checkpoint's constants; :meth:`of_constants` reads them."""
        return {
            "coefficients64.mean": self.scale.mean, "coefficients64.deviation": self.scale.deviation,
            "coefficients64.components": self.components, "coefficients64.variances": self.variances,
        }  # fmt: skip

    @classmethod
    def of_constants(cls, constants: Mapping[str, NDArray[Any]]) -> "Coefficients64":
        """From a checkpoint's constants."""
        mean, deviation, components, variances = (
            constants[f"coefficients64.{name}"] for name in ("mean", "deviation", "components", "variances")
        )
        return cls(Scale(mean, deviation), components, variances)


def landmark_scale(model: FaceModel, tracks: Sequence[NDArray[np.float32]]) -> Scale:
    """Scale around the mean of columns (T, 171) in which a change of one moves the landmarks by one.

    Moves are root sums of squares over the 478 landmarks in the model's units; columns that move none hardly count.
    """
    moves = np.sqrt((model.expression_basis[model.landmarks].astype(np.float64) ** 2).sum(axis=(0, 1)))  # (171,)
    effect = np.concatenate(model.split(moves))
    mean = np.concatenate(tracks).astype(np.float64).mean(axis=0)
    deviation = 1 / np.maximum(effect, LEAST_EFFECT * np.median(effect))
    return Scale(mean.astype(np.float32), deviation.astype(np.float32))


def join_lids(beta: NDArray[np.float32], rho: NDArray[np.float32]) -> NDArray[np.float32]:
    """Columns (T, 171) of expressions (T, 169) and motion (T, 12): the expressions, then both lids."""
    return np.concatenate([beta, rho[:, BLINK]], axis=1)


def split_lids(columns: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Expressions (T, 169) and lids (T, 2) in [0, 1] of columns (T, 171)."""
    return columns[..., :EXPRESSIONS], columns[..., EXPRESSIONS:].clip(0, 1)
