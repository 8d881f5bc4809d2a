"""Fréchet distance of two sets of features: FID, FVD."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics.spec import MetricSpec

Features = NDArray[np.floating]

SMALL = 2048
"""FID of fewer frames is flagged ``fid_small_n``."""
VIDEO_SMALL, VIDEO_LEAST = 400, 64
"""FVD of fewer windows is flagged, or refused."""
_ROUND_OFF = 1e-3


@dataclass(frozen=True)
class Moments:
    """Sufficient statistics of a set of features; those of two sets merge into those of their union.

    Attributes:
        count: number of rows.
        mean: (d,) float64.
        scatter: (d, d) float64, sum of (x - mean)(x - mean)^T.
    """

    count: int
    mean: NDArray[np.float64]
    scatter: NDArray[np.float64]

    @classmethod
    def of(cls, features: Features) -> "Moments":
        """Statistics of features (n, d), n at least 1, in float64."""
        rows = _rows(features)
        mean = rows.mean(axis=0)
        centred = rows - mean
        return cls(len(rows), mean, centred.T @ centred)

    def merge(self, other: "Moments") -> "Moments":
        """Statistics of both sets together. Source: Chan, Golub, LeVeque, 1979."""
        count = self.count + other.count
        shift = other.mean - self.mean
        mean = self.mean + shift * (other.count / count)
        scatter = self.scatter + other.scatter + np.outer(shift, shift) * (self.count * other.count / count)
        return Moments(count, mean, scatter)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """(d, d) with divisor n - 1; raises ValueError for a single row."""
        if self.count < 2:
            raise ValueError("expected at least two features for a covariance")
        return self.scatter / (self.count - 1)


def frechet_distance(first: Features, second: Features) -> float:
    """Fréchet distance of the normals fitted to features (n, d) and (m, d).

    |mu_x - mu_y|^2 + Tr S_x + Tr S_y - 2 Tr (S_x S_y)^(1/2), divisor n - 1, where the last trace is the sum of the
    singular values of X_c Y_c^T / sqrt((n-1)(m-1)). Exact also for n < d: no square root of a matrix, no epsilon.
    A set with more rows than columns enters by the triangle of its QR decomposition, which has the same products.

    Raises:
        ValueError: widths differ, or fewer than two rows.

    Source: Heusel et al., NeurIPS 2017.
    """
    x, y = _rows(first), _rows(second)
    if x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(f"expected two sets of at least two features of one width, got {x.shape} and {y.shape}")
    shift = x.mean(axis=0) - y.mean(axis=0)
    a, b = _compressed(x), _compressed(y)
    scale_a, scale_b = 1.0 / (len(x) - 1), 1.0 / (len(y) - 1)
    cross = _nuclear_norm(a @ b.T) * np.sqrt(scale_a * scale_b)
    traces = (a**2).sum() * scale_a + (b**2).sum() * scale_b
    return _not_negative(float(shift @ shift + traces - 2.0 * cross))


def frechet_distance_of_moments(first: Moments, second: Moments) -> float:
    """The same distance from sufficient statistics: eigenvalues of S_x^(1/2) S_y S_x^(1/2)."""
    shift = first.mean - second.mean
    a, b = first.covariance, second.covariance
    values, vectors = np.linalg.eigh(a)
    root = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ b @ root), 0.0, None)).sum()
    return _not_negative(float(shift @ shift + np.trace(a) + np.trace(b) - 2.0 * cross))


def _nuclear_norm(matrix: NDArray[np.float64]) -> float:
    """Sum of the singular values (n, m), by the eigenvalues of the smaller product of the matrix with itself."""
    product = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
    return float(np.sqrt(np.clip(np.linalg.eigvalsh(product), 0.0, None)).sum())


def _rows(features: Features) -> NDArray[np.float64]:
    rows = np.asarray(features, np.float64)
    if rows.ndim != 2 or len(rows) == 0:
        raise ValueError(f"expected features (n, d) with n at least 1, got {rows.shape}")
    return rows


def _compressed(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centred rows, or the (d, d) triangle R with R^T R = X_c^T X_c where there are more rows than columns."""
    centred = rows - rows.mean(axis=0)
    if len(centred) <= centred.shape[1]:
        return centred
    return np.asarray(np.linalg.qr(centred, mode="r"))


def _not_negative(distance: float) -> float:
    """Round-off below zero is zero."""
    return 0.0 if -_ROUND_OFF < distance < 0.0 else distance


_N_TRAP = (
    "Falls with the number of frames: two samples of one 256-d normal give 254 at n = 100 and 6.7 at n = 5000. Compare "
    "only rows of equal n."
)

SPECS = (
    MetricSpec(
        name="fid",
        title="FID",
        group="picture",
        version=2,
        direction="lower",
        unit="",
        range="[0, inf)",
        needs=("reference", "network"),
        aggregation="set-level: one number from the frames of all clips; never a mean over clips",
        source="Heusel et al., NeurIPS 2017; pytorch-fid (Inception 2015-12-05, bilinear 299, no antialias)",
        interpretation="Distance between the distributions of generated and real frames. No interval: resampled sets "
        "repeat "
        "frames, which moves the value itself.",
        caveats=_N_TRAP
        + " Below 2,048 frames it is flagged fid_small_n. clean-fid and torch-fidelity resize in another "
        "way. The published talking-head FIDs are fid_eat or unknown.",
    ),
    MetricSpec(
        name="fid_eat",
        title="FID (EAT)",
        group="picture",
        what="FID as the evaluation code that GMTalker adopts computes it.",
        version=2,
        direction="lower",
        unit="",
        range="[0, inf)",
        needs=("reference", "network"),
        aggregation="set-level over 5 frames a clip",
        source="EAT evaluation code: torchvision Inception-v3 (not the FID weights), BGR, two normalisations, eat128 "
        "crops, 5 frames a clip",
        interpretation="What the FID column of GMTalker's tables holds, as far as its code can be known.",
        caveats="Not canonical FID: another network, reversed channels, normalised twice. Never beside fid. " + _N_TRAP,
        default=False,
    ),
    MetricSpec(
        name="fvd",
        title="FVD",
        group="picture",
        version=2,
        direction="lower",
        unit="",
        range="[0, inf)",
        needs=("reference", "network"),
        aggregation="set-level over all windows of 16 frames, stride 16 from frame 0",
        source="Unterthiner et al., 2018; I3D Kinetics-400 logits as StyleGAN-V runs them; divisor n - 1",
        interpretation="Distance between the distributions of generated and real short videos: motion counts.",
        caveats="Implementations differ by about 10 %. Singular below 400 windows (flag fvd_small_n), refused below "
        "64. " + _N_TRAP,
    ),
)
