"""Landmarks that were made outside: what is believed, what is a lost face, and what is refused with its reason."""

import numpy as np
import pytest

from gmbench.errors import MediaError
from gmbench.face import landmarks
from gmbench.face.landmarks import LandmarkTrack
from gmbench.face.landmarks_68 import mesh_vertices
from gmbench.face.sidecar import sidecar_detector
from gmbench.media import Video
from gmbench.metrics.landmarks import is_mirrored
from tests.face.made_faces import face_points
from tests.media.files import write

WIDTH = 96
HEIGHT = 64


def moving_faces(rows, step=0.5):
    """(rows, 68, 2) landmarks of a face that moves ``step`` pixels a row to the right."""
    return np.stack([face_points(30 + step * t, 32, 26) for t in range(rows)])


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Two seconds of 25, of 30 and of 12.5 frames a second, and twenty frames of variable length."""
    folder = tmp_path_factory.mktemp("videos")
    times = {"25": np.arange(50) / 25, "30": np.arange(60) / 30, "12": np.arange(25) / 12.5}
    times["variable"] = np.cumsum(np.r_[0, np.tile([1, 3], 10)])[:20] / 25
    for name, stamps in times.items():
        write(folder / f"{name}.mp4", stamps)
    return folder


def track(video, path):
    """The arrays that the engine stores of a file beside a video."""
    with landmarks.backend("sidecar").open(path) as detect:
        detect.begin(video)
        found = LandmarkTrack(detect, video.info.frames)
        previous = None
        for frame in video:
            if previous is not None and np.array_equal(frame, previous):
                found.repeat()
            else:
                found.add(frame)
            previous = frame
    return found.arrays()


@pytest.fixture
def tracked(videos, tmp_path):
    def of(points, name="25", **more):
        path = tmp_path / "a.landmarks.npz"
        np.savez(path, points=points, **more)
        return track(Video(videos / f"{name}.mp4"), path)["points"]

    return of


@pytest.mark.parametrize(("name", "rows"), [("25", 50), ("30", 60), ("12", 25), ("variable", 20)])
def test_rows_of_stored_frames_are_taken_by_time(videos, tracked, name, rows):
    video = Video(videos / f"{name}.mp4")
    assert video.info.source_frames == rows
    expected = moving_faces(rows)[video.source_indices]
    assert np.allclose(tracked(moving_faces(rows), name), expected)


def test_a_frame_that_is_held_does_not_delay_the_rows_after_it(videos, tracked):
    """12.5 frames a second shown at 25: every second row belongs to a frame that is a repetition."""
    points = tracked(moving_faces(49), "12")
    assert np.allclose(points[::2], moving_faces(49)[::2])
    assert np.allclose(points[1::2], points[:-1:2])


@pytest.mark.parametrize(("name", "rows"), [("25", 49), ("25", 51), ("30", 59), ("30", 61), ("30", 49), ("30", 51)])
def test_one_row_more_or_fewer_is_tolerated(videos, tracked, name, rows):
    points = tracked(moving_faces(rows), name)
    by_time = abs(rows - 60) <= 1
    index = Video(videos / f"{name}.mp4").source_indices if by_time else np.arange(50)
    there = index < rows
    assert np.allclose(points[there], moving_faces(rows)[index[there]])
    assert np.isnan(points[~there]).all()


@pytest.mark.parametrize("rows", [0, 1, 25, 48, 52, 100])
def test_other_numbers_of_rows_are_refused_with_the_counts(tracked, rows):
    with pytest.raises(MediaError, match=rf"{rows} rows, but the video has 50 frames"):
        tracked(moving_faces(max(rows, 1))[:rows])
    with pytest.raises(MediaError, match=r"55 rows, .* 50 frames at 25 fps, 60 in the file \(\d+\.\d+ fps\)"):
        tracked(moving_faces(55), "30")


def lost(points):
    return np.flatnonzero(np.isnan(points).all(axis=(1, 2))).tolist()


@pytest.mark.parametrize(
    "value",
    [np.nan, 0.0, -1.0, np.inf, 64.0, face_points(40, 32, 1e-3), face_points(500, 32), face_points(40, -200)],
    ids=["nan", "zeros", "minus one", "inf", "one place", "tiny", "far right", "far up"],
)
def test_rows_that_are_no_face_are_lost_faces(tracked, value):
    points = moving_faces(50)
    points[[3, 7, 49]] = value
    found = tracked(points)
    assert lost(found) == [3, 7, 49]
    assert np.allclose(np.delete(found, [3, 7, 49], axis=0), np.delete(points, [3, 7, 49], axis=0))


@pytest.mark.parametrize("missing", [0.0, -1.0, np.nan])
def test_a_row_with_a_point_that_was_not_found_is_a_lost_face(tracked, missing):
    points = moving_faces(50)
    points[5, 60] = missing
    assert lost(tracked(points)) == [5]


def test_no_row_with_a_face_is_a_clip_without_one(videos, tmp_path):
    np.savez(tmp_path / "a.landmarks.npz", points=np.zeros((50, 68, 2)))
    arrays = track(Video(videos / "25.mp4"), tmp_path / "a.landmarks.npz")
    assert np.isnan(arrays["points"]).all()
    assert (arrays["found"][0], arrays["faces"].max()) == (0, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p / [WIDTH, HEIGHT], "multiply x by the width and y by the height of the frame [(]96 x 64[)]"),
        (lambda p: p / [WIDTH, HEIGHT] * 2 - 1, "shares, not pixels"),
        (lambda p: p * 3, r"\d+% of the points lie outside the frame of 96 x 64"),
        (lambda p: p + [0, HEIGHT], "made of a picture of another size or crop"),
    ],
    ids=["shares", "from -1 to 1", "larger picture", "lower half"],
)
def test_points_that_are_no_pixels_of_the_frame_are_refused(tracked, change, message):
    points = moving_faces(50)
    points[9] = np.nan
    with pytest.raises(MediaError, match=message) as caught:
        tracked(change(points))
    assert "a.landmarks.npz" in str(caught.value)


def test_a_face_that_leaves_the_frame_or_lies_on_its_side_is_believed(tracked):
    sideways = moving_faces(50)[..., ::-1] * [1, -1] + [0, HEIGHT]  # turned by a quarter
    assert lost(tracked(sideways)) == []
    leaving = np.stack([face_points(30 + 1.2 * t, 32, 26) for t in range(50)])
    assert lost(tracked(leaving)) == []


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (moving_faces(50).transpose(0, 2, 1), "exchange the last two axes"),
        (moving_faces(50).transpose(1, 0, 2), "move the axis of the rows to the front"),
        (moving_faces(50).transpose(2, 1, 0), "move the axis of the rows to the front"),
        (moving_faces(50).reshape(50, 136), r"reshape to \(rows, 68, 2\)"),
        (np.zeros((50, 68, 3)), "leave out the third coordinate"),
        (np.zeros((50, 478, 2)), r"mesh_vertices\(\)"),
        (np.zeros((50, 468, 3)), r"mesh_vertices\(\)"),
        (moving_faces(1)[0], "one row for each frame"),
        (np.zeros((50, 5, 2)), r"got \(50, 5, 2\)$"),
        (np.zeros(()), r"got \(\)$"),
        (np.array([{"a": 1}], dtype=object), "not readable"),
        (np.full((50, 68, 2), "12"), "expected numbers in 'points', got <U2"),
        (np.zeros((50, 68, 2), np.complex64), "expected numbers"),
        (np.zeros((50, 68, 2), bool), "expected numbers"),
    ],
)
def test_arrays_of_another_form_are_refused_with_the_remedy(tracked, points, message):
    with pytest.raises(MediaError, match=message):
        tracked(points)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.int16, np.uint8, ">f8"])
def test_any_kind_of_number_is_read(tracked, kind):
    points = moving_faces(50).round()
    assert np.array_equal(tracked(points.astype(kind)), points)


def test_matrices_go_with_their_rows(videos, tmp_path):
    matrices = np.arange(60.0)[:, None, None] * np.ones((4, 4))
    np.savez(tmp_path / "a.landmarks.npz", points=moving_faces(60), matrices=matrices)
    video = Video(videos / "30.mp4")
    found = track(video, tmp_path / "a.landmarks.npz")
    assert found["matrices"][:, 0, 0].tolist() == video.source_indices.tolist()
    np.savez(tmp_path / "a.landmarks.npz", points=moving_faces(50), matrices=matrices)
    with pytest.raises(MediaError, match=r"expected matrices \(50, 4, 4\), got \(60, 4, 4\)"):
        track(video, tmp_path / "a.landmarks.npz")


@pytest.mark.parametrize("content", ["other key", "empty", "text", "one array", "cut", "damaged", "no arrays"])
def test_files_that_hold_no_points_are_named(tmp_path, content):
    path = tmp_path / "a.landmarks.npz"
    np.savez_compressed(path, **({"landmarks": moving_faces(50)} if content == "other key" else {"points": 1}))
    if content == "no arrays":
        np.savez(path)
    if content == "one array":
        with path.open("wb") as file:
            np.save(file, moving_faces(50))
    if content in ("empty", "text"):
        path.write_bytes(b"" if content == "empty" else b"1 2 3\n" * 50)
    if content in ("cut", "damaged"):
        np.savez_compressed(path, points=np.random.default_rng(0).uniform(0, 99, (50, 68, 2)))
        whole = bytearray(path.read_bytes())
        whole[2000:2400] = bytes(400)
        path.write_bytes(whole if content == "damaged" else whole[: len(whole) // 2])
    with (
        pytest.raises(MediaError, match=r"a\.landmarks\.npz: .*array 'points'"),
        landmarks.backend("sidecar").open(path),
    ):
        pass
    assert sidecar_detector(path) is None


def test_the_other_key_is_named_and_the_detector_is_read(tmp_path):
    path = tmp_path / "a.landmarks.npz"
    np.savez(path, landmarks=moving_faces(2), scores=np.ones(2))
    with pytest.raises(MediaError, match="it has landmarks, scores"), landmarks.backend("sidecar").open(path):
        pass
    for detector, name in (("dlib", "dlib"), (np.array(["dlib"]), "dlib"), (np.array(["a", "b"]), None)):
        np.savez(path, points=moving_faces(2), detector=detector)
        assert sidecar_detector(path) == name
    np.savez(path, points=moving_faces(2))
    assert sidecar_detector(path) == "sidecar"
    assert mesh_vertices().shape == (68,)


@pytest.mark.parametrize(
    ("change", "mirrored"),
    [
        (lambda p: p, False),
        (lambda p: p[..., ::-1], True),
        (lambda p: [0, HEIGHT] + p * [1, -1], True),
        (lambda p: p[..., ::-1] * [1, -1] + [0, HEIGHT], False),
        (lambda p: p * np.nan, False),
    ],
    ids=["upright", "y first", "y up", "turned by a quarter", "no face"],
)
def test_mirrored_faces_are_told_from_turned_ones(change, mirrored):
    assert is_mirrored(change(moving_faces(5))) == mirrored
