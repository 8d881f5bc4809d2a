"""Slow, literal implementations of the metrics of motion, silence, timing and drift, written apart from the package."""

import itertools
import math
import statistics

import numpy as np
from scipy.linalg import sqrtm


def _variance(values):
    return statistics.pvariance(list(values))


def head_rotation(pose):
    """Valid neighbours only, in plain loops."""
    valid = [row for row in pose if not any(math.isnan(v) for v in row)]
    spread = sum(math.sqrt(_variance(row[a] for row in valid)) for a in range(3)) / 3
    pairs = [(p, q) for p, q in zip(pose[:-1], pose[1:], strict=True) if not any(map(math.isnan, (*p, *q)))]
    return math.sqrt(spread * sum(_variance(q[a] - p[a] for p, q in pairs) for a in range(3)) / 3)


def _mean_point(points, indices):
    return [sum(points[i][c] for i in indices) / len(indices) for c in (0, 1)]


def iod(points):
    return math.dist(_mean_point(points, range(36, 42)), _mean_point(points, range(42, 48)))


def brows(landmarks):
    """brow_dyn and brow_std."""
    heights = []
    for p in landmarks:
        if math.isnan(p[0][0]):
            heights.append(None)
            continue
        right = math.dist(_mean_point(p, range(17, 22)), _mean_point(p, range(36, 42))) / iod(p)
        left = math.dist(_mean_point(p, range(22, 27)), _mean_point(p, range(42, 48))) / iod(p)
        heights.append((right, left))
    steps = [abs(b[s] - a[s]) for a, b in itertools.pairwise(heights) if a and b for s in (0, 1)]
    return sum(steps) / len(steps), statistics.stdev(sum(h) / 2 for h in heights if h)


def lip_dynamics(landmarks):
    valid = [p for p in landmarks if not math.isnan(p[0][0])]
    spreads = [
        statistics.stdev(math.dist(p[i], p[j]) / iod(p) for p in valid)
        for i, j in itertools.combinations(range(48, 68), 2)
    ]
    return 100 * sum(spreads) / len(spreads)


def jitter(landmarks):
    squares = []
    for a, b, c in zip(landmarks[:-2], landmarks[1:-1], landmarks[2:], strict=True):
        if any(math.isnan(p[0][0]) for p in (a, b, c)):
            continue
        for i in (27, 28, 29, 30, 36, 39, 42, 45):
            squares.append(sum((c[i][k] - 2 * b[i][k] + a[i][k]) ** 2 for k in (0, 1)))
    valid = [iod(p) for p in landmarks if not math.isnan(p[0][0])]
    return 100 * math.sqrt(sum(squares) / len(squares)) / (sum(valid) / len(valid))


def blinks(landmarks):
    """Blinks per second and median length in ms, by walking over the frames."""
    ratios = []
    for p in landmarks:
        ratio = 0.0
        for e in (36, 42):
            ratio += (math.dist(p[e + 1], p[e + 5]) + math.dist(p[e + 2], p[e + 4])) / (4 * math.dist(p[e], p[e + 3]))
        ratios.append(ratio)
    valid = [r for r in ratios if not math.isnan(r)]
    limit, lengths, run = 0.6 * statistics.median(valid), [], 0
    for r in [*ratios, math.nan]:
        if r < limit:
            run += 1
            continue
        if 2 <= run <= 12:
            lengths.append(run)
        run = 0
    return len(lengths) / (len(valid) / 25), statistics.median(lengths) * 40 if lengths else math.nan


def silent_runs(speech, least=8):
    result = []
    for spoken, run in itertools.groupby(speech):
        n = len(list(run))
        result += [not spoken and n >= least] * n
    return result


def warped(first, second, band):
    """Cost of the cheapest path over T, by trying all paths of a short pair of series."""
    count = len(first)

    def best(t, s):
        here = (first[t] - second[s]) ** 2
        if (t, s) == (count - 1, count - 1):
            return here
        steps = [(t + 1, s + 1), (t + 1, s), (t, s + 1)]
        allowed = [p for p in steps if max(p) < count and abs(p[0] - p[1]) <= band]
        return here + min((best(*p) for p in allowed), default=math.inf)

    return best(0, 0) / count


def soft_dtw(costs, gamma):
    """The sum over every monotone path, written out."""
    rows, columns = len(costs), len(costs[0])

    def paths(t, s, total):
        total += costs[t][s]
        if (t, s) == (rows - 1, columns - 1):
            yield total
        for a, b in ((t + 1, s + 1), (t + 1, s), (t, s + 1)):
            if a < rows and b < columns:
                yield from paths(a, b, total)

    return -gamma * math.log(sum(math.exp(-total / gamma) for total in paths(0, 0, 0.0)))


def aed(generated, reference):
    total = sum(abs(a - b) for p, q in zip(generated, reference, strict=True) for a, b in zip(p, q, strict=True))
    return 100 * total / (len(generated) * len(generated[0]))


def apd(generated, reference):
    total = 0.0
    for p, q in zip(generated, reference, strict=True):
        for a, b in zip(p, q, strict=True):
            turn = abs(a - b) % 360
            total += min(turn, 360 - turn)
    return total / (3 * len(generated))


def linear_sync(sound, lips, lags):
    """Correlations by lag, with scikit-learn's ridge and principal components."""
    import numpy as np
    from sklearn.decomposition import PCA
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    result = []
    for lag in range(-lags, lags + 1):
        pairs = [(t - lag, t) for t in range(len(lips)) if 0 <= t - lag < len(sound)]
        x = StandardScaler().fit_transform(sound[[s for s, _ in pairs]])
        y = PCA(min(3, lips.shape[1])).fit_transform(lips[[t for _, t in pairs]])
        edges = [round(fold * len(x) / 5) for fold in range(6)]
        predicted = []
        for start, stop in zip(edges[:-1], edges[1:], strict=True):
            train = [i for i in range(len(x)) if i < start - 5 or i >= stop + 5]
            mean = y[train].mean(axis=0)
            ridge = Ridge(alpha=3 * x.shape[1], fit_intercept=False).fit(x[train], y[train] - mean)
            predicted.append(ridge.predict(x[start:stop]).reshape(stop - start, -1) + mean)
        p = np.concatenate(predicted)
        weights = y.var(axis=0)
        r = [np.corrcoef(p[:, c], y[:, c])[0, 1] for c in range(y.shape[1])]
        result.append(float(np.average(r, weights=weights)))
    return np.array(result)


def scaled_difference(opening, loudness):
    """THEval's lip-sync, with the tiny number that its code adds to the ranges."""

    def scaled(series):
        low, high = min(series), max(series)
        return [(value - low) / (high - low + 1e-8) for value in series]

    pairs = list(zip(scaled(opening), scaled(loudness), strict=True))
    return sum(abs(a - b) for a, b in pairs) / len(pairs)


def frechet(generated, real):
    """The textbook form with the square root of the product of both covariances."""
    first, second = np.cov(generated, rowvar=False), np.cov(real, rowvar=False)
    between = generated.mean(axis=0) - real.mean(axis=0)
    return float(between @ between + np.trace(first + second - 2 * sqrtm(first @ second).real))
