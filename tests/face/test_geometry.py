import numpy as np
import pytest

from gmbench.face import crops, landmarks_68, pose
from gmbench.metrics.landmarks import interocular

MIRROR = [
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1), 45, 44, 43, 42, 47, 46,
    39, 38, 37, 36, 41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
]  # fmt: skip


def test_mapping_is_symmetric_and_without_repeats():
    template = landmarks_68.template_3d()
    assert np.allclose(template[MIRROR] * [-1, 1, 1], template)
    assert len(set(landmarks_68.mesh_vertices().tolist())) == 68


def test_mapping_lies_where_the_scheme_says():
    x, y, z = landmarks_68.template_3d().T
    assert y[8] == y.min()  # chin lowest
    assert z[30] > z[[8, 27, 36, 45]].max()  # nose tip in front
    assert y[17:27].min() > y[36:48].max()  # brows above eyes
    assert y[50:53].min() > y[56:59].max()  # upper lip above lower lip
    assert x[36] < x[39] < x[42] < x[45]


def test_eat_template_meets_its_anchors():
    template = landmarks_68.eat_template()
    eyes = np.stack([template[36:42].mean(0), template[42:48].mean(0)])
    assert np.linalg.norm(eyes[1] - eyes[0]) == pytest.approx(51.34, abs=0.02)
    assert eyes == pytest.approx(landmarks_68.EAT_ANCHORS[:2], abs=1.0)
    assert np.abs(template[30] - landmarks_68.EAT_ANCHORS[2]).max() < 3.0


def test_similarity_golden(rng):
    a = rng.uniform(0, 100, (18, 2))
    turn = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    b = 1.7 * a @ turn.T + [5.0, -7.0]
    matrix = crops.fit_similarity(a, b)
    assert np.hypot(*matrix[:, 0]) == pytest.approx(1.7, abs=1e-9)
    assert np.abs(crops.transform_points(matrix, a) - b).max() < 1e-9
    with pytest.raises(ValueError, match="coincide"):
        crops.fit_similarity(np.ones((4, 2)), a[:4])


def face_in_frame(size=256, angles=(5.0, 15.0, -20.0), shift=(30.0, -10.0), scale=9.0):
    turned = landmarks_68.template_3d() @ pose.matrix_from_euler(np.array(angles)).T
    return turned[:, :2] * [scale, -scale] + size / 2 + np.array(shift)


def test_eat128_removes_place_size_and_roll():
    upright, tilted = face_in_frame(angles=(0, 0, 0)), face_in_frame(angles=(0, 0, 25), shift=(-40, 12), scale=5.0)
    aligned = crops.eat128_landmarks(np.stack([upright, tilted]))
    assert np.abs(aligned[0] - aligned[1]).max() < 1e-6
    assert interocular(aligned) == pytest.approx([51.34, 51.34], abs=1.5)


def test_eat128_crop_shows_the_face_at_its_landmarks():
    frame = np.zeros((256, 256, 3), np.uint8)
    marks = face_in_frame()
    x, y = np.round(marks[30]).astype(int)
    frame[y - 2 : y + 3, x - 2 : x + 3] = 255
    crop = crops.eat128_crop(frame, marks)
    assert crop.shape == (128, 128, 3)
    nose = crops.eat128_landmarks(marks[None])[0, 30]
    row, column = np.argwhere(crop[..., 0] > 128).mean(axis=0)
    assert (column, row) == pytest.approx(tuple(nose), abs=1.0)


def test_frames_without_a_face_stay_without():
    lost = np.full((2, 68, 2), np.nan)
    lost[1] = face_in_frame()
    assert np.isnan(crops.eat128_landmarks(lost)[0]).all()
    assert np.isfinite(crops.eat128_landmarks(lost)[1]).all()


def test_syncnet_track_interpolates_and_smooths():
    boxes = np.tile([50.0, 40.0, 150.0, 160.0], (40, 1))
    boxes[10:13] = np.nan
    boxes[20] += 30.0  # one jump, which the median removes
    track = crops.syncnet_track(boxes)
    assert track[8:32] == pytest.approx(np.tile([60.0, 100.0, 100.0], (24, 1)))
    with pytest.raises(ValueError, match="at least one"):
        crops.syncnet_track(np.full((3, 4), np.nan))


def test_syncnet_crop_is_2_8_half_sizes_wide_and_0_4_lower():
    frame = np.zeros((400, 400, 3), np.uint8)
    frame[200 + 4 * 5 - 2 : 200 + 4 * 5 + 2, 198:202] = 255  # 0.4 s below the centre
    crop = crops.syncnet_crop(frame, half=50.0, centre_x=200.0, centre_y=200.0)
    assert crop.shape == (224, 224, 3)
    row, column = np.argwhere(crop[..., 0] > 128).mean(axis=0)
    assert (row, column) == pytest.approx((111.5, 111.5), abs=1.0)


def test_syncnet_crop_outside_the_frame_is_grey_110():
    crop = crops.syncnet_crop(np.zeros((100, 100, 3), np.uint8), half=40.0, centre_x=0.0, centre_y=50.0)
    assert (crop[:, :90] == 110).all()


def test_fan224_chip_geometry():
    matrix = crops.fan224_matrix(face_in_frame(angles=(0, 0, 0)))
    eyes = crops.transform_points(matrix, face_in_frame(angles=(0, 0, 0)))[[36, 45]]
    expected = np.array([[0.1206, 0.2137], [0.8596, 0.2135]])
    assert eyes == pytest.approx((expected + 0.25) / 1.5 * 224, abs=6.0)


def test_euler_angles_golden():
    angles = np.array([10.0, 20.0, 30.0])
    assert pose.euler_from_matrix(pose.matrix_from_euler(angles)) == pytest.approx(angles, abs=1e-9)


def test_signs_of_the_angles():
    forward = np.array([0.0, 0.0, 1.0])
    assert (pose.matrix_from_euler(np.array([20.0, 0, 0])) @ forward)[1] < 0  # looks down
    assert (pose.matrix_from_euler(np.array([0, 20.0, 0])) @ forward)[0] > 0  # to the right of the image
    assert (pose.matrix_from_euler(np.array([0, 0, 20.0])) @ [0, 1, 0])[0] < 0  # top goes to the left


@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), (10.0, -20.0, 5.0), (-15.0, 30.0, -12.0)])
def test_pnp_recovers_the_pose_of_projected_points(angles):
    rotation = pose.matrix_from_euler(np.array(angles))
    placed = landmarks_68.template_3d() @ rotation.T + [2.0, -1.0, -45.0]
    focal = pose.FOCAL_PER_HEIGHT * 480
    image = placed[:, :2] / -placed[:, 2:] * focal * [1, -1] + [320, 240]
    found = pose.pose_from_landmarks(np.stack([image, np.full((68, 2), np.nan)]), 480, 640)
    assert found[0] == pytest.approx(angles, abs=1e-3)
    assert np.isnan(found[1]).all()


def test_scale_in_a_matrix_does_not_turn_the_head():
    matrix = np.eye(4)
    matrix[:3, :3] = 1.7 * pose.matrix_from_euler(np.array([5.0, 6.0, 7.0]))
    assert pose.pose_from_matrices(matrix[None])[0] == pytest.approx([5.0, 6.0, 7.0])
