"""Fused SSIM kernels. Both work on the sum and the difference of the two images.

With s = a + b and d = a - b the five moments of SSIM shrink to four:
2 mu_a mu_b = (mu_s^2 - mu_d^2)/2, mu_a^2 + mu_b^2 = (mu_s^2 + mu_d^2)/2, and the same for the
variances. s is stored less 255 (variances do not notice). Rows stay interleaved (x, channel) and
every inner loop runs over equally long contiguous slices, which is what the compiler vectorises.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Row = NDArray[np.float32]

C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
_TWO_C1 = np.float32(2 * C1)
_TWO_C2 = np.float32(2 * C2)
_OFFSET = np.float32(255)


@njit(nogil=True, fastmath=True)
def _weigh(
    r0: Row, r1: Row, r2: Row, r3: Row, r4: Row, r5: Row, r6: Row, r7: Row, r8: Row, r9: Row, r10: Row,
    taps: Row, out: Row,
) -> None:  # fmt: skip
    """Weigh eleven rows by symmetric taps; shifted slices of one row make it a horizontal filter."""
    t5, t4, t3, t2, t1, t0 = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5]
    for x in range(out.size):
        out[x] = t0 * r5[x] + (
            t1 * (r4[x] + r6[x])
            + t2 * (r3[x] + r7[x])
            + t3 * (r2[x] + r8[x])
            + t4 * (r1[x] + r9[x])
            + t5 * (r0[x] + r10[x])
        )


@njit(nogil=True, fastmath=True)
def _row_ssim(mean_s: Row, mean_d: Row, var_s: Row, var_d: Row) -> float:
    """Sum of the SSIM values of one row from means and variances of sum and difference."""
    total = np.float32(0)
    for x in range(mean_s.size):
        level = mean_s[x] + _OFFSET
        ss, dd = level * level, mean_d[x] * mean_d[x]
        numerator = (ss - dd + _TWO_C1) * (var_s[x] - var_d[x] + _TWO_C2)
        total += numerator / ((ss + dd + _TWO_C1) * (var_s[x] + var_d[x] + _TWO_C2))
    return np.float64(total)


@njit(cache=True, nogil=True, fastmath=True)
def gaussian_ssim(a: NDArray[np.uint8], b: NDArray[np.uint8], channels: int, taps: Row) -> float:
    """Mean SSIM over the valid interior of two (H, W*channels) images, symmetric 11-tap window."""
    height, width = a.shape
    c, inner = channels, width - 10 * channels
    line = np.empty((4, width), np.float32)  # s, d, s^2, d^2 of one image row
    ring = np.empty((4, 11, inner), np.float32)  # the last 11 rows after the horizontal pass
    moment = np.empty((4, inner), np.float32)
    total = 0.0
    for y in range(height):
        row_a, row_b = a[y], b[y]
        l0, l1, l2, l3 = line[0], line[1], line[2], line[3]
        for x in range(width):
            p, q = np.int32(row_a[x]), np.int32(row_b[x])
            s, d = np.float32(p + q - 255), np.float32(p - q)
            l0[x], l1[x], l2[x], l3[x] = s, d, s * s, d * d
        for m in range(4):
            v = line[m]
            _weigh(
                v[0:inner], v[c : c + inner], v[2 * c : 2 * c + inner], v[3 * c : 3 * c + inner],
                v[4 * c : 4 * c + inner], v[5 * c : 5 * c + inner], v[6 * c : 6 * c + inner],
                v[7 * c : 7 * c + inner], v[8 * c : 8 * c + inner], v[9 * c : 9 * c + inner],
                v[10 * c : 10 * c + inner], taps, ring[m, y % 11],
            )  # fmt: skip
        if y < 10:
            continue
        for m in range(4):
            r, k = ring[m], y + 1
            _weigh(
                r[k % 11], r[(k + 1) % 11], r[(k + 2) % 11], r[(k + 3) % 11], r[(k + 4) % 11],
                r[(k + 5) % 11], r[(k + 6) % 11], r[(k + 7) % 11], r[(k + 8) % 11],
                r[(k + 9) % 11], r[(k + 10) % 11], taps, moment[m],
            )  # fmt: skip
        mean_s, mean_d, var_s, var_d = moment[0], moment[1], moment[2], moment[3]
        for x in range(inner):
            var_s[x] -= mean_s[x] * mean_s[x]
            var_d[x] -= mean_d[x] * mean_d[x]
        total += _row_ssim(mean_s, mean_d, var_s, var_d)
    return total / ((height - 10) * inner)


@njit(nogil=True)
def _update_columns(row_a: NDArray[np.uint8], row_b: NDArray[np.uint8], columns: NDArray[np.int32], sign: int) -> None:
    """Add (or take away) one image row to the column sums of s, d, s^2 and d^2."""
    c0, c1, c2, c3 = columns[0], columns[1], columns[2], columns[3]
    factor = np.int32(sign)
    for x in range(row_a.size):
        p, q = np.int32(row_a[x]), np.int32(row_b[x])
        s, d = p + q - np.int32(255), p - q
        c0[x] += factor * s
        c1[x] += factor * d
        c2[x] += factor * (s * s)
        c3[x] += factor * (d * d)


@njit(nogil=True)
def _box(v: NDArray[np.int32], c: int, out: NDArray[np.int32]) -> None:
    """Sum of seven neighbours of the same channel."""
    n = out.size
    v0, v1, v2, v3 = v[0:n], v[c : c + n], v[2 * c : 2 * c + n], v[3 * c : 3 * c + n]
    v4, v5, v6 = v[4 * c : 4 * c + n], v[5 * c : 5 * c + n], v[6 * c : 6 * c + n]
    for x in range(n):
        out[x] = v0[x] + v1[x] + v2[x] + v3[x] + v4[x] + v5[x] + v6[x]


@njit(cache=True, nogil=True, fastmath=True)
def uniform_ssim(a: NDArray[np.uint8], b: NDArray[np.uint8], channels: int) -> float:
    """Mean SSIM over the valid interior, 7x7 uniform window, sample covariance; integer moments."""
    height, width = a.shape
    inner = width - 6 * channels
    columns = np.zeros((4, width), np.int32)
    box = np.empty((4, inner), np.int32)
    moment = np.empty((4, inner), np.float32)
    mean, sample = np.float32(1 / 49), np.float32(1 / (49 * 48))
    total = 0.0
    for y in range(height):
        _update_columns(a[y], b[y], columns, 1)
        if y >= 7:
            _update_columns(a[y - 7], b[y - 7], columns, -1)
        if y < 6:
            continue
        for m in range(4):
            _box(columns[m], channels, box[m])
        for m in range(2):
            sums, squares, mu, var = box[m], box[m + 2], moment[m], moment[m + 2]
            for x in range(inner):
                mu[x] = np.float32(sums[x]) * mean
                spread = np.int32(49) * squares[x] - sums[x] * sums[x]  # below 2^31, exact
                var[x] = np.float32(spread) * sample
        total += _row_ssim(moment[0], moment[1], moment[2], moment[3])
    return total / ((height - 6) * inner)


@njit(cache=True, nogil=True)
def squared_error(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> np.int64:
    """Sum of squared differences of two flat uint8 arrays, exact."""
    total = np.int64(0)
    for start in range(0, a.size, 16384):  # 16384 * 255^2 fits in an int32, which vectorises
        part = np.int32(0)
        for i in range(start, min(start + 16384, a.size)):
            d = np.int32(a[i]) - np.int32(b[i])
            part += d * d
        total += np.int64(part)
    return total
