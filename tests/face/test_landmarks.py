import cv2
import numpy as np
import pytest
import torch

from gmbench.errors import InputError, WeightsError
from gmbench.face import landmarks, pose
from gmbench.face.landmarks import LandmarkTrack
from gmbench.media import Video
from gmbench.metrics.landmarks import interocular
from tests.shared import REAL, needs_landmarker, needs_real_clips


def test_unknown_backend():
    with pytest.raises(InputError, match="mediapipe"):
        landmarks.backend("dlib")


def test_fan_loads_from_the_weights_folder(tmp_path, monkeypatch):
    """The real loading and inference path with random weights; the boxes are given, a random S3FD finds none."""
    from face_alignment.detection.sfd.net_s3fd import s3fd
    from face_alignment.models import FAN

    monkeypatch.setenv("GMBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match=r"2DFAN4.*gmbench weights fetch fan_2d68"):
        landmarks.backend("fan").weights_sha256()
    torch.manual_seed(0)
    torch.save(FAN(4).state_dict(), tmp_path / "2DFAN4-11f355bf06.pth.tar")
    torch.save(s3fd().state_dict(), tmp_path / "s3fd-619a316812.pth")
    with pytest.raises(WeightsError, match="11f355bf06"):  # the name promises a hash that these do not have
        landmarks.backend("fan").weights_sha256()
    monkeypatch.setattr("gmbench.weights.files.verify", lambda name, path: "0" * 64)
    frame = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    with landmarks.backend("fan").open() as detect:
        aligner = detect.__closure__[0].cell_contents
        monkeypatch.setattr(
            aligner.face_detector, "detect_from_image", lambda image: [np.array([20.0, 20.0, 110.0, 110.0, 0.9])]
        )
        (face,) = detect(frame)
        monkeypatch.setattr(aligner.face_detector, "detect_from_image", lambda image: [])
        assert detect(frame) == []
    assert face.points.shape == (68, 2)
    assert np.isfinite(face.points).all()


def track_of(name, frames):
    video = Video(REAL / name)
    with landmarks.backend("mediapipe").open() as detector:
        track = LandmarkTrack(detector, frames)
        for index, frame in enumerate(video):
            if index == frames:
                break
            track.add(frame)
    return track.arrays(), video.info


@needs_landmarker
@needs_real_clips
@pytest.mark.parametrize("name", ["hdtf_katiehill_000.mp4", "obama_20s.mp4", "edtalk_demo_A.mp4"])
def test_matrix_and_pnp_agree_on_real_clips(name):
    """Agreement over ten clips: constant offset 2.4, 1.5, 0.3 degrees, s.d. of the rest 1.3, 1.0, 0.2."""
    arrays, info = track_of(name, 100)
    assert arrays["faces"].min() >= 1
    matrix = pose.pose_from_matrices(arrays["matrices"])
    pnp = pose.pose_from_landmarks(arrays["points"], info.height, info.width)
    difference = pnp - matrix
    assert (np.abs(difference.mean(axis=0)) < [6.0, 5.0, 1.0]).all()
    assert (difference.std(axis=0) < [3.0, 2.0, 0.5]).all()
    moving = matrix.std(axis=0) > 2.5
    assert moving.any()
    for axis in np.flatnonzero(moving):
        assert np.corrcoef(pnp[:, axis], matrix[:, axis])[0, 1] > 0.8


@needs_landmarker
@needs_real_clips
def test_two_faces_in_one_frame_are_recorded():
    arrays, _ = track_of("aniportrait_zl_sidebyside.mp4", 20)
    assert arrays["faces"].tolist() == [2] * 20
    assert (np.abs(np.diff(arrays["points"][:, 30, 0])) < 30).all()  # stays on one of them


@needs_landmarker
@needs_real_clips
def test_of_two_people_one_is_followed():
    """The largest face is another person's in some of these frames."""
    sides = [Video(REAL / name) for name in ("lsp_may_5s.mp4", "edtalk_mouth_source.mp4")]
    frames = [np.hstack([cv2.resize(f, (256, 256)) for f in pair]) for pair, _ in zip(zip(*sides), range(60))]  # noqa: B905
    with landmarks.backend("mediapipe").open() as detector:
        track = LandmarkTrack(detector, len(frames))
        for frame in frames:
            track.add(frame)
    arrays = track.arrays()
    assert (arrays["faces"] == 2).all()
    assert arrays["found"][0] == 60
    assert len(set(arrays["points"][:, 30, 0] < 256)) == 1


@needs_landmarker
@needs_real_clips
def test_mapped_points_look_like_a_face():
    arrays, _ = track_of("obama_20s.mp4", 5)
    points = arrays["points"]
    assert np.isfinite(points).all()
    unit = interocular(points)[:, None]
    x, y = points[..., 0], points[..., 1]
    assert (y[:, 8] > y[:, 57]).all()  # chin below lips
    assert (y[:, 51] < y[:, 57]).all()  # upper lip above lower lip
    assert (x[:, 0] < x[:, 36]).all()
    assert (x[:, 16] > x[:, 45]).all()
    width = (x[:, 16] - x[:, 0])[:, None] / unit
    assert ((width > 1.7) & (width < 2.8)).all()


@needs_landmarker
@needs_real_clips
def test_a_face_that_leaves_and_comes_back():
    frames = [frame for n, frame in enumerate(Video(REAL / "obama_20s.mp4")) if n < 30]
    frames[10:20] = [np.full_like(frames[0], 100)] * 10
    with landmarks.backend("mediapipe").open() as detector:
        track = LandmarkTrack(detector, len(frames))
        for frame in frames:
            track.add(frame)
    arrays = track.arrays()
    assert arrays["faces"].tolist() == [1] * 10 + [0] * 10 + [1] * 10
    assert np.isnan(arrays["points"][10:20]).all()
    assert np.isnan(arrays["matrices"][10:20]).all()
    assert np.isfinite(arrays["points"][20:]).all()


@needs_landmarker
@needs_real_clips
def test_a_held_frame_does_not_move(tmp_path):
    """Controls through MediaPipe: a still face has no motion at all, a repeated frame keeps its landmarks."""
    from gmbench.evaluation import protocol
    from gmbench.evaluation.planning import inputs, plan
    from gmbench.evaluation.run import evaluate
    from gmbench.evaluation.scoring import registry

    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "may.mp4").symlink_to(REAL / "lsp_may_5s.mp4")
    given = inputs.gather([], reference=tmp_path / "real")
    chosen = registry.select(["div", "trace_rms", "pcm", "ssim", "cpbd"], True)
    controls = ["still", "blur", "ground_truth"]
    planned = plan.make_plan({}, "x", protocol.load("full"), chosen, controls, given.references)
    table = evaluate(planned, tmp_path / "store").set_index(["method", "metric_name"])["value"]
    assert table["still", "div"] == table["still", "trace_rms"] == 0.0
    assert table["ground_truth", "div"] > 1.0
    assert table["ground_truth", "pcm"] == 1.0 > table["still", "pcm"]
    assert table["blur", "cpbd"] < 0.2 * table["ground_truth", "cpbd"]
    assert table["still", "ssim"] < table["blur", "ssim"] < table["ground_truth", "ssim"] == pytest.approx(1.0)


@needs_landmarker
def test_a_frame_without_a_face():
    with landmarks.backend("mediapipe").open() as detect:
        assert detect(np.full((128, 128, 3), 127, np.uint8)) == []
