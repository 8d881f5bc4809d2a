"""Standardisation of the columns of tracks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FLOOR = 0.2
"""Least deviation of a column, in medians of all: columns of noise alone must not count."""


@dataclass(frozen=True)
class Scale:
    """Standardisation of columns: ``mean`` and ``deviation`` (n,)."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    @classmethod
    def of(cls, values: Sequence[NDArray[np.float32]], centred: bool = True) -> "Scale":
        """From arrays (T, n); deviations have the floor :data:`FLOOR`. Not ``centred``, the mean is taken as zero."""
        rows = np.concatenate(values).astype(np.float64)
        deviation = rows.std(axis=0)
        usual = np.median(deviation[deviation > 0]) if (deviation > 0).any() else 1.0
        mean = rows.mean(axis=0) if centred else np.zeros(rows.shape[1])
        return cls(mean.astype(np.float32), np.maximum(deviation, FLOOR * usual).astype(np.float32))

    def standardise(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., n) in deviations from the mean."""
        return (values - self.mean) / self.deviation

    def restore(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., n) in original units."""
        return values * self.deviation + self.mean
