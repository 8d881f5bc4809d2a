"""Slow, literal implementations of the metrics, written apart from the package and from their formulas."""

import math

import numpy as np
from scipy import ndimage
from skimage.feature import canny


def lmd(generated, reference, points, centred=True):
    """Per-frame landmark distance by plain loops."""
    result = []
    for p, q in zip(generated, reference, strict=True):
        n = len(points)
        mean_p = [sum(p[j][c] for j in points) / n if centred else 0.0 for c in (0, 1)]
        mean_q = [sum(q[j][c] for j in points) / n if centred else 0.0 for c in (0, 1)]
        total = 0.0
        for j in points:
            dx = (p[j][0] - mean_p[0]) - (q[j][0] - mean_q[0])
            dy = (p[j][1] - mean_p[1]) - (q[j][1] - mean_q[1])
            total += math.hypot(dx, dy)
        result.append(total / n)
    return np.array(result)


def div(pose):
    """Eq. 17 as a double loop."""
    count, total = len(pose), 0.0
    for i in range(count):
        for j in range(i + 1, count):
            total += sum(abs(pose[i][k] - pose[j][k]) for k in range(3))
    return 2.0 * total / (count * (count - 1))


def pcm(generated, reference):
    """Eq. 19 as a double loop."""
    hits = 0
    for m, r in zip(generated, reference, strict=True):
        for k in range(3):
            d = abs(m[k] - r[k]) % 360.0
            hits += min(d, 360.0 - d) < 1.0
    return hits / (3 * len(generated))


def beat_alignment(beats, targets):
    """Eq. 18 as a double loop."""
    return sum(math.exp(-min((b - t) ** 2 for t in targets) / 18.0) for b in beats) / len(beats)


def motion_beats(pose):
    """Local minima of the smoothed speed, the smoothing written out with reflected ends."""
    speed = [math.dist(a, b) for a, b in zip(pose[1:], pose[:-1], strict=True)]
    weights = [math.exp(-(k * k) / 50.0) for k in range(-20, 21)]
    count, smooth = len(speed), []
    for i in range(count):
        value = 0.0
        for k, weight in zip(range(-20, 21), weights, strict=True):
            j = (i + k) % (2 * count)  # scipy's reflect: d c b a | a b c d | d c b a
            value += weight * speed[j if j < count else 2 * count - 1 - j]
        smooth.append(value / sum(weights))
    return [i for i in range(1, count - 1) if smooth[i] < smooth[i - 1] and smooth[i] < smooth[i + 1]]


def cpbd(grey):
    """CPBD from scikit-image's Canny, a SciPy Sobel filter and plain loops."""
    image = grey.astype(float)
    edges = canny(image, sigma=1.0)
    strength = ndimage.convolve(image, np.outer([1, 2, 1], [1, 0, -1]) / 8.0) ** 2
    strength[strength <= 2 * math.sqrt(strength.mean())] = 0
    height, width = image.shape

    def at(y, x):
        return strength[y, x] if 0 <= y < height and 0 <= x < width else 0.0

    histogram = [0] * 101
    for top in range(0, height - 63, 64):
        for left in range(0, width - 63, 64):
            block = grey[top : top + 64, left : left + 64]
            if edges[top : top + 64, left : left + 64].mean() <= 0.002:
                continue
            noticeable = 5.0 if int(block.max()) - int(block.min()) <= 50 else 3.0
            for y in range(max(top, 1), min(top + 64, height - 1)):
                for x in range(max(left, 1), min(left + 64, width - 1)):
                    s = at(y, x)
                    thin = (s > at(y, x - 1) and s > at(y, x + 1)) or (s > at(y - 1, x) and s > at(y + 1, x))
                    w = _width(image, y, x) if thin else 0
                    if w:
                        probability = 1 - math.exp(-((w / noticeable) ** 3.6))
                        histogram[round(100 * probability)] += 1
    total = sum(histogram)
    return sum(histogram[:64]) / total if total else 0.0


def _width(image, y, x):
    gx = (image[y, x + 1] - image[y, x - 1]) / 2
    gy = (image[y + 1, x] - image[y - 1, x]) / 2
    direction = 45 * round(math.degrees(math.atan2(gy, gx)) / 45)
    if direction not in (0, 180, -180):
        return 0
    rising = direction == 0
    row = list(image[y])
    sides = []
    for step in (-1, 1):
        count, here = 1, x + step
        while count <= 100 and 0 <= here + step < len(row):
            change = (row[here + step] - row[here]) * step
            if not (change > 0 if rising else change < 0):
                break
            count, here = count + 1, here + step
        sides.append(count)
    return sum(sides)
