import numpy as np
import pytest

from gmbench.metrics import latents

POINTS = np.array([(0, 0), (0, 2), (4, 0), (4, 2), (0, 10), (0, 12)], float)
NAMES = list("aabbcc")


def test_clustering_strength():
    found = latents.clustering_strength(POINTS, NAMES)
    assert found == pytest.approx({"a": 7.0, "b": 7.385165, "c": 10.385165}, abs=1e-6)
    assert latents.clustering_strength(3 * POINTS, NAMES) == pytest.approx(found)
    pairs = latents.pairwise_clustering_strength(POINTS, NAMES)
    assert pairs == pytest.approx({"a": 3.559017, "b": 3.754895, "c": 5.195878}, abs=1e-6)


def test_a_single_member_has_no_strength():
    found = latents.clustering_strength(POINTS[:3], ["a", "a", "b"])
    assert np.isnan(found["b"])
    assert found["a"] > 0


def test_silhouette_and_purity():
    assert latents.silhouette(POINTS[:4], NAMES[:4]) == pytest.approx(0.527864, abs=1e-6)
    assert np.isnan(latents.silhouette(POINTS[:2], ["a", "a"]))
    assert latents.neighbour_purity(POINTS, NAMES, k=1) == 1.0
    assert latents.neighbour_purity(POINTS[:4], NAMES[:4]) == pytest.approx(1 / 3)


def test_cosine():
    assert latents.cosine_similarity(np.array([[1.0, 0], [7, 0], [np.nan] * 2]), np.array([0.6, 0.8])) == pytest.approx(
        [0.6, 0.6, 0.0]
    )


def test_map_keeps_groups_apart_and_repeats():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(c, 1, (30, 8)) for c in (0, 8)])
    names = ["a"] * 30 + ["b"] * 30
    flat, chosen = latents.tsne_map(rows, names)
    again, _ = latents.tsne_map(rows, names)
    np.testing.assert_array_equal(flat, again)
    assert latents.neighbour_purity(flat, np.array(names)[chosen], k=5) > 0.95
