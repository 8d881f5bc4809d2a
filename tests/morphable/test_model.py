import io
import os
from pathlib import Path

import numpy as np
import pytest

from gmbench.errors import InputError
from gmbench.face.pose import matrix_from_euler
from gmbench.morphable.camera import project, rotation_derivatives, rotation_matrix
from gmbench.morphable.convert import find_blink_columns, from_raw, lid_gaps, read_raw, recognise
from gmbench.morphable.light import canonical_light, harmonics, shade
from gmbench.morphable.model import EXPRESSION, load
from gmbench.morphable.synthetic.make import synthesise
from gmbench.morphable.synthetic.model import synthetic_model


@pytest.fixture(scope="module")
def raw():
    return synthesise()


@pytest.fixture(scope="module")
def model():
    return synthetic_model()


def test_the_synthetic_file_has_faceverse_v3s_keys_and_sizes(raw):
    count = len(raw["meanshape"])
    assert raw["idBase"].shape == (3 * count, 150)
    assert raw["exBase"].shape == (3 * count, 171)
    assert raw["texBase"].shape == (3 * count, 251)
    assert raw["meantex"].shape == (3 * count,)
    assert raw["mediapipe_keypoints"].shape == (478,)
    assert raw["tri"].max() < count
    assert recognise(raw, "x") == "v3"


def test_the_same_seed_gives_the_same_model():
    first, second = synthesise(5), synthesise(5)
    assert all(np.array_equal(first[name], second[name]) for name in ("meanshape", "idBase", "exBase", "texBase"))
    assert not np.array_equal(synthesise(6)["idBase"], first["idBase"])


def test_landmarks_are_different_vertices_with_the_irises_on_the_eyeballs(model):
    assert len(set(model.landmarks.tolist())) == 478
    head, left, right = model.vertex_ends[:3]
    assert ((model.landmarks[468:473] >= left) & (model.landmarks[468:473] < right)).all()
    assert ((model.landmarks[473:478] >= head) & (model.landmarks[473:478] < left)).all()


def test_split_and_join_are_inverse(model):
    full = np.random.default_rng(0).normal(size=(4, EXPRESSION))
    beta, blink = model.split(full)
    assert beta.shape == (4, 169)
    assert np.array_equal(model.join(beta, blink), full)
    assert np.array_equal(blink, full[:, [14, 15]])


def test_both_lid_columns_close_their_own_eye(model):
    shrink = 1 - lid_gaps(model)
    assert model.blink_columns == (14, 15)
    assert shrink[14, 0] > 0.9
    assert abs(shrink[14, 1]) < 0.05
    assert shrink[15, 1] > 0.9
    assert abs(shrink[15, 0]) < 0.05


def test_lid_columns_are_found_where_a_file_has_them_elsewhere(model):
    order = np.r_[16:EXPRESSION, 0:16]
    moved = synthetic_model.__wrapped__(0)
    object.__setattr__(moved, "expression_basis", model.expression_basis[..., order])
    assert find_blink_columns(moved, "x") == (int(np.flatnonzero(order == 14)[0]), int(np.flatnonzero(order == 15)[0]))
    object.__setattr__(moved, "expression_basis", np.zeros_like(model.expression_basis))
    with pytest.raises(InputError, match="no expression column closes"):
        find_blink_columns(moved, "x")


def test_conversion_flips_axes_of_mean_and_bases_alike(raw):
    model = from_raw(raw, "x", "synthetic")
    g = np.random.default_rng(1).normal(size=150)
    straight = (raw["meanshape"].reshape(-1) + raw["idBase"] @ g).reshape(-1, 3) * 0.01 * [1, -1, -1]
    assert np.allclose(model.identity(g), straight, atol=1e-4)


def test_a_file_of_v3_is_read_and_written_without_pickles(tmp_path, raw):
    path = tmp_path / "faceverse_v3.npy"
    np.save(path, raw, allow_pickle=True)
    model = from_raw(read_raw(path), str(path))
    assert model.names["version"] == "v3"
    assert model.names["eye_push"] == 0.01
    model.save(tmp_path / "model.npz")
    again = load(tmp_path / "model.npz")
    assert np.array_equal(again.expression_basis, model.expression_basis)
    assert again.blink_columns == model.blink_columns
    with np.load(tmp_path / "model.npz", allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


def test_a_hostile_pickle_does_not_run(tmp_path):
    touched, path = tmp_path / "touched", tmp_path / "model.npy"
    np.save(path, {"meanshape": Hostile(touched)}, allow_pickle=True)
    with pytest.raises(InputError, match="refused"):
        read_raw(path)
    assert not touched.exists()


def test_a_pickle_that_calls_numpy_for_harm_does_not_run(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    touched = tmp_path / "touched"
    body = b"cnumpy\nfromfile\n(S'/etc/passwd'\ntR."
    path = tmp_path / "model.npy"
    path.write_bytes(header.getvalue() + body)
    with pytest.raises(InputError, match="refused"):
        read_raw(path)
    assert not touched.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"not numpy", "not a FaceVerse file"), (None, "no such file")],
)
def test_other_files_are_refused_with_the_reason(tmp_path, content, message):
    path = tmp_path / "model.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_raw(path)


def test_versions_without_a_full_head_are_refused(raw):
    old = {**raw, "exBase": raw["exBase"][:, :52]}
    with pytest.raises(InputError, match="v2"):
        from_raw(old, "x")
    wider = {**raw, "idBase": np.zeros((len(raw["idBase"]), 156)), "exBase": np.zeros((len(raw["exBase"]), 177))}
    with pytest.raises(InputError, match="FaceVerse v4; gmbench needs v3"):
        from_raw(wider, "x")
    with pytest.raises(InputError, match="without mediapipe_keypoints"):
        from_raw({k: v for k, v in raw.items() if k != "mediapipe_keypoints"}, "x")
    with pytest.raises(InputError, match="fit no version"):
        recognise({"idBase": np.zeros((3, 7)), "exBase": np.zeros((3, 7))}, "x")


def test_projection_has_the_closed_form_and_the_pixel_convention(model):
    points, depth = project(np.array([[0.0, 0.0, 0.0], [1.0, -0.5, 2.0]]), 512)
    assert np.allclose(points[0], [256, 256])
    assert np.allclose(points[1], [256 + 1315 / 12, 256 - 0.5 * 1315 / 12])
    assert np.allclose(depth, [10, 12])
    one, _ = project(np.array([[1.0, 0.0, 0.0]]), 512)
    assert one[0, 0] - 256 == pytest.approx(131.5)


def test_rotation_derivatives_match_differences():
    angles = np.array([0.3, -0.5, 0.2])
    rotation, by_angle = rotation_derivatives(angles)
    assert np.allclose(rotation, rotation_matrix(angles))
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = 1e-6
        numeric = (rotation_matrix(angles + step) - rotation_matrix(angles - step)) / 2e-6
        assert np.allclose(by_angle[axis], numeric, atol=1e-8)


def test_the_models_angles_are_those_of_the_pose_metrics():
    """Pitch, yaw and roll in other axes: y and z point the other way, so yaw and roll change their sign."""
    flip = np.diag([1.0, -1.0, -1.0])
    angles = np.array([0.2, 0.3, -0.1])
    same = matrix_from_euler(np.degrees(angles) * [1.0, -1.0, -1.0])
    assert np.allclose(flip @ rotation_matrix(angles) @ flip, same)


def test_canonical_light_is_brighter_from_above(model):
    down, up = np.array([[0.0, 1.0, 0.0]]), np.array([[0.0, -1.0, 0.0]])  # normals point into the head
    bright, dark = (shade(np.ones((1, 3)), n, canonical_light()) for n in (down, up))
    assert bright[0, 0] > 1.2 * dark[0, 0]
    assert harmonics(np.array([[0.0, 0.0, 1.0]])).shape == (1, 9)
    assert np.allclose(bright[0, 0], bright[0, 2])
    placed = model.vertices(model.identity(np.zeros(150)), np.zeros((1, 171)), np.zeros((1, 4)))[0]
    head = slice(0, model.vertex_ends[0])
    shades = shade(np.ones_like(placed), model.normals(placed), canonical_light())[head, 0]
    top, bottom = (shades[placed[head, 1].argsort()[rows]].mean() for rows in (slice(200), slice(-200, None)))
    assert top > 1.2 * bottom


def test_eyes_turn_about_their_own_centres(model):
    identity = model.identity(np.zeros(150))
    still, turned = model.vertices(identity, np.zeros((2, 171)), np.array([[0.0, 0, 0, 0], [0.0, 0.3, 0.0, 0.3]]))
    head = model.vertex_ends[0]
    assert np.array_equal(still[:head], turned[:head])
    left = slice(head, model.vertex_ends[1])
    assert np.allclose(still[left].mean(axis=0), turned[left].mean(axis=0), atol=1e-4)
    pole = head  # the front of the left eye moves as the nose does: to the left of the image for positive yaw
    assert turned[pole, 0] - still[pole, 0] == pytest.approx(-0.135 * np.sin(0.3), rel=0.02)
    assert turned[pole, 1] == pytest.approx(still[pole, 1], abs=1e-4)
    lowered = model.vertices(identity, np.zeros((1, 171)), np.array([[0.3, 0, 0.3, 0]]))[0]
    assert lowered[pole, 1] - still[pole, 1] == pytest.approx(0.135 * np.sin(0.3), rel=0.02)
    nose = np.array([0.0, 0.0, -1.0])
    assert (
        (rotation_matrix(np.array([0.0, 0.3, 0.0])) @ nose)[0] < 0 < (rotation_matrix(np.array([0.3, 0, 0])) @ nose)[1]
    )


def test_loading_says_how_to_make_a_model(tmp_path):
    with pytest.raises(InputError, match="gmbench facemodel synth"):
        load(Path(tmp_path / "none.npz"))
