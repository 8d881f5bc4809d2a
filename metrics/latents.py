"""Identity similarity and the order of latent spaces: clustering strength, silhouette, purity, t-SNE."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics.spec import MetricSpec

NEIGHBOURS = 10
MAP_POINTS, MAP_COMPONENTS, PERPLEXITY = 2000, 50, 30.0


def cosine_similarity(embeddings: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """(T,) cosine of embeddings (T, d) with one target (d,); NaN rows, frames without a face, give 0."""
    e, t = np.asarray(embeddings, np.float64), np.asarray(target, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = e @ t / (np.linalg.norm(e, axis=-1) * np.linalg.norm(t))
    return np.asarray(np.where(np.isfinite(e).all(axis=-1), values, 0.0))


def clustering_strength(embeddings: NDArray[np.floating], labels: Sequence[str]) -> dict[str, float]:
    """d_inter / d_intra of each emotion among embeddings (n, d) of one identity, centroid form.

    d_intra: mean distance to the emotion's centroid; d_inter: mean distance of that to the other centroids. NaN where
    an emotion has fewer than two embeddings or there is no other; inf where they coincide.

    Source: DICE-Talk T. 5; the paper leaves the distances open, Euclidean here.
    """
    x, names = _labelled(embeddings, labels)
    centres = {name: x[names == name].mean(axis=0) for name in np.unique(names)}
    result = {}
    for name, centre in centres.items():
        members = x[names == name]
        intra = float(np.linalg.norm(members - centre, axis=1).mean())
        others = [float(np.linalg.norm(centre - other)) for key, other in centres.items() if key != name]
        result[str(name)] = _ratio(float(np.mean(others)) if others else float("nan"), intra, len(members))
    return result


def pairwise_clustering_strength(embeddings: NDArray[np.floating], labels: Sequence[str]) -> dict[str, float]:
    """The same ratio from the distances of all pairs; about half the centroid form."""
    from scipy.spatial.distance import cdist

    x, names = _labelled(embeddings, labels)
    distances = cdist(x, x)
    result = {}
    for name in np.unique(names):
        own = names == name
        count = int(own.sum())
        inner = distances[np.ix_(own, own)]
        intra = float(inner.sum() / (count * (count - 1))) if count > 1 else float("nan")
        inter = float(distances[np.ix_(own, ~own)].mean()) if (~own).any() else float("nan")
        result[str(name)] = _ratio(inter, intra, count)
    return result


def silhouette(embeddings: NDArray[np.floating], labels: Sequence[str]) -> float:
    """Mean silhouette of embeddings (n, d), Euclidean; NaN with fewer than two labels or as many as rows."""
    from sklearn.metrics import silhouette_score

    x, names = _labelled(embeddings, labels)
    count = len(np.unique(names))
    return float(silhouette_score(x, names)) if 1 < count < len(x) else float("nan")


def neighbour_purity(embeddings: NDArray[np.floating], labels: Sequence[str], k: int = NEIGHBOURS) -> float:
    """Mean share of the k nearest others (fewer where there are not k) that have the same label."""
    from scipy.spatial.distance import cdist

    x, names = _labelled(embeddings, labels)
    if len(x) < 2:
        return float("nan")
    distances = cdist(x, x)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, : min(k, len(x) - 1)]
    return float((names[nearest] == names[:, None]).mean())


def tsne_map(
    embeddings: NDArray[np.floating], labels: Sequence[str], seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points (m, 2) of a t-SNE map and the rows (m,) they stand for, at most 2,000, the same count for each label.

    Standardised, PCA to 50, perplexity 30 (less for few points), PCA start, 1,000 iterations. For looking at only:
    every number about the latent space is taken from the space itself.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    x, names = _labelled(embeddings, labels)
    generator = np.random.default_rng(seed)
    kinds = np.unique(names)
    share = max(1, MAP_POINTS // len(kinds))
    rows = np.concatenate([generator.permutation(np.flatnonzero(names == kind))[:share] for kind in kinds])
    rows.sort()
    chosen = x[rows]
    scaled = (chosen - chosen.mean(axis=0)) / np.maximum(chosen.std(axis=0), EPSILON)
    reduced = PCA(min(MAP_COMPONENTS, *scaled.shape), random_state=seed).fit_transform(scaled)
    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    flat = TSNE(2, perplexity=perplexity, init="pca", learning_rate="auto", max_iter=1000, random_state=seed)
    return np.asarray(flat.fit_transform(reduced), np.float64), rows


EPSILON = 1e-12


def _ratio(inter: float, intra: float, members: int) -> float:
    if members < 2 or np.isnan(inter):
        return float("nan")
    return inter / intra if intra > 0 else float("inf")


def _labelled(embeddings: NDArray[np.floating], labels: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    x, names = np.asarray(embeddings, np.float64), np.asarray(list(labels), dtype=str)
    if x.ndim != 2 or len(x) != len(names) or len(x) == 0:
        raise ValueError(f"expected embeddings (n, d) and n labels, got {x.shape} and {len(names)}")
    return x, names


SPECS = (
    MetricSpec(
        name="f_sim",
        title="F-SIM",
        group="identity",
        version=1,
        direction="higher",
        best="reference",
        unit="",
        range="[-1, 1]",
        needs=("reference", "network"),
        aggregation="frame mean -> clip mean",
        source="DICE-Talk T. 4; ArcFace R50 (the paper names no network)",
        interpretation="Cosine of each frame's face embedding with the speaker's neutral reference. The ground-truth "
        "row is "
        "the ceiling: emotion itself lowers identity similarity.",
        caveats="The network changes the scale strongly. A frame without a face counts 0.",
    ),
)
