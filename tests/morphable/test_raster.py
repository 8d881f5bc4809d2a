import numpy as np
import pytest
import torch

from gmbench.morphable.differentiable import interpolate, rasterise_points
from gmbench.morphable.raster import rasterise
from gmbench.morphable.render import Renderer
from gmbench.morphable.synthetic.model import synthetic_model

SQUARE = np.array([[2.0, 2.0], [14.0, 3.0], [4.2, 13.1]])


def analytic(points, depth, size):
    """Coverage and perspective-correct weights of one triangle, by solving for barycentrics."""
    inside, weights = np.zeros((size, size), bool), np.zeros((size, size, 3))
    system = np.vstack([points.T, np.ones(3)])
    for i in range(size):
        for j in range(size):
            b = np.linalg.solve(system, [j + 0.5, i + 0.5, 1.0])
            if (b >= 0).all():
                inside[i, j] = True
                weights[i, j] = b / depth / (b / depth).sum()
    return inside, weights


def test_one_triangle_matches_the_analytic_picture():
    depth = np.array([5.0, 9.0, 7.0])
    raster = rasterise(SQUARE, depth, np.array([[0, 1, 2]]), 16, 16)
    inside, weights = analytic(SQUARE, depth, 16)
    assert np.array_equal(raster.covered, inside)
    assert np.allclose(raster.weights, weights, atol=1e-6)
    assert np.allclose(raster.depth[inside], (weights[inside] * depth).sum(axis=1), atol=1e-5)


def test_a_triangle_seen_from_behind_is_not_drawn():
    assert not rasterise(SQUARE, np.full(3, 5.0), np.array([[0, 2, 1]]), 16, 16).covered.any()
    assert not rasterise(SQUARE, np.array([5.0, 5.0, 0.05]), np.array([[0, 1, 2]]), 16, 16).covered.any()


def test_the_nearest_wins_and_ties_go_to_the_lower_number():
    points, far, near = np.vstack([SQUARE, SQUARE]), np.full(3, 8.0), np.full(3, 6.0)
    triangles = np.array([[0, 1, 2], [3, 4, 5]])
    raster = rasterise(points, np.r_[far, near], triangles, 16, 16)
    assert set(np.unique(raster.triangle)) == {-1, 1}
    raster = rasterise(points, np.r_[near, near], triangles, 16, 16)
    assert set(np.unique(raster.triangle)) == {-1, 0}


def test_shared_edges_leave_no_gap():
    points = np.array([[1.0, 1.0], [15.0, 1.0], [15.0, 15.0], [1.0, 15.0]])
    raster = rasterise(points, np.full(4, 5.0), np.array([[0, 1, 2], [0, 2, 3]]), 16, 16)
    assert raster.covered[1:15, 1:15].all()
    assert raster.covered.sum() == 14 * 14


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        rasterise(np.zeros((3, 3)), np.zeros(3), np.array([[0, 1, 2]]), 8, 8)


def test_the_torch_form_gives_the_same_values():
    model = synthetic_model()
    renderer = Renderer(model, np.zeros(150), np.zeros(251), 64)
    rho = np.zeros((1, 12))
    placed = next(renderer.placed(np.zeros((1, 171)), rho))
    points = torch.from_numpy(placed.points)
    depth = torch.from_numpy(placed.vertices[:, 2] + 10)
    triangles = torch.from_numpy(model.drawn_triangles)
    raster = rasterise_points(points, depth, triangles, 64, 64)
    attributes = torch.from_numpy(model.uv_colours.astype(np.float64))
    values, pixels = interpolate(raster, points, depth, triangles, attributes)
    expected = placed.raster.interpolate(model.uv_colours, model.triangles).reshape(-1, 3)[pixels.numpy()]
    assert np.allclose(values.numpy(), expected, atol=1e-3)


def test_gradients_match_finite_differences():
    triangles = torch.tensor([[0, 1, 2]])
    attributes = torch.rand(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    points = torch.from_numpy(SQUARE).requires_grad_()
    depth = torch.tensor([5.0, 9.0, 7.0], dtype=torch.float64, requires_grad=True)
    raster = rasterise_points(points, depth, triangles, 16, 16)

    def drawn(p, d, a):
        return interpolate(raster, p, d, triangles, a)[0]

    assert torch.autograd.gradcheck(drawn, (points, depth, attributes), eps=1e-5, atol=1e-3)


def test_maps_are_drawn_and_the_same_twice():
    model = synthetic_model()
    renderer = Renderer(model, np.zeros(150), np.zeros(251), 96)
    first, second = (
        next(renderer.frames(np.zeros((1, 171)), np.zeros((1, 12)), maps=("color", "uv", "normal"))) for _ in range(2)
    )
    assert first.shape == (96, 96, 9)
    assert np.array_equal(first, second)
    assert (first[..., :3].sum(axis=-1) > 0).mean() > 0.15
    assert (first[..., 3:6].sum(axis=-1) > 0).mean() < (first[..., 6:].sum(axis=-1) > 0).mean()  # uv only on the face
    with pytest.raises(ValueError, match="unknown maps"):
        next(renderer.frames(np.zeros((1, 171)), np.zeros((1, 12)), maps=("depth",)))
