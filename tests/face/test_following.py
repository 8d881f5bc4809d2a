"""One face followed through a clip: chosen boxes, and faces that appear, vanish, cross and jump."""

import numpy as np
import pytest

from gmbench.face.following import LEAST_ELSEWHERE, distinct, face_tracks, followed
from gmbench.face.landmarks import LEAST_SHARE, LandmarkTrack
from tests.face.made_faces import made_face


def box(x, size, y=50.0):
    return [x - size / 2, y - size / 2, x + size / 2, y + size / 2]


def boxes(*frames):
    """(T, K, 4) of a list of boxes a frame, padded with NaN."""
    result = np.full((len(frames), max(map(len, frames)), 4), np.nan)
    for t, found in enumerate(frames):
        for k, one in enumerate(found):
            result[t, k] = one
    return result


def centres(given):
    """x of the followed face in each frame, NaN where it is not there; and its number of places."""
    face, places = followed(given)
    middle = given[..., [0, 2]].mean(axis=2)
    return np.array([middle[t, k] if k >= 0 else np.nan for t, k in enumerate(face)]), places


def track_of(*frames):
    """Arrays of a track over lists of faces, one a frame."""
    answers = iter(frames)
    track = LandmarkTrack(lambda frame: next(answers), len(frames))
    for _ in frames:
        track.add(np.zeros((8, 8, 3), np.uint8))
    return track.arrays()


def test_a_second_person_who_is_larger_for_some_frames_is_not_followed():
    sizes = np.where((np.arange(100) % 20) < 2, 46, 38)  # the other person, larger in every tenth frame
    given = boxes(*([box(30 + 0.1 * t, 40), box(100, sizes[t])] for t in range(100)))
    x, places = centres(given)
    assert np.allclose(x, 30 + 0.1 * np.arange(100))
    assert places == 1


def test_the_order_in_which_a_detector_lists_faces_does_not_matter(rng):
    frames = [[box(30 + t, 40), box(120 - t, 30)] for t in range(40)]
    given = boxes(*(frame if rng.random() < 0.5 else frame[::-1] for frame in frames))
    assert np.allclose(centres(given)[0], 30 + np.arange(40))


def test_a_lost_face_is_found_again_where_it_was_and_the_other_one_does_not_stand_in():
    mine, other = box(30, 40), box(100, 30)
    given = boxes(*[[mine, other]] * 20, *[[other]] * 10, *[[other, mine]] * 3)
    x, places = centres(given)
    assert x[:20].tolist() == [30] * 20
    assert np.isnan(x[20:30]).all()
    assert x[30:].tolist() == [30] * 3
    assert places == 1


@pytest.mark.parametrize(("length", "there"), [(LEAST_ELSEWHERE - 1, False), (LEAST_ELSEWHERE, True)])
def test_after_a_cut_the_person_may_stand_elsewhere_but_not_for_a_moment(length, there):
    x, places = centres(boxes(*[[box(30, 40)]] * 100, *[[]] * 5, *[[box(150, 40)]] * length))
    assert x[:100].tolist() == [30] * 100
    assert (x[105:] == 150).all() == there
    assert places == 1 + there


def test_a_face_found_twice_is_one():
    twice = [box(50, 40), box(53, 38)]
    assert distinct(np.array(twice)) == 1
    assert distinct(np.array([*twice, box(120, 40)])) == 2
    assert distinct(np.empty((0, 4))) == 0
    x, places = centres(boxes(*[twice[:1]] * 5, twice, twice[::-1], *[twice[:1]] * 5))
    assert (x.tolist(), places) == ([50] * 12, 1)


def test_no_face_in_any_frame():
    face, places = followed(boxes([], [], [[np.nan] * 4]))
    assert (face.tolist(), places) == ([-1, -1, -1], 0)
    assert face_tracks(np.empty((3, 0, 4))).shape == (3, 0)
    assert followed(np.empty((3, 0, 4)))[0].tolist() == [-1, -1, -1]
    assert followed(np.empty((0, 1, 4)))[0].tolist() == []


def test_all_that_was_found_of_a_face_follows_it():
    near, far = made_face(50, 60, 40), made_face(150, 60, 30)
    arrays = track_of([far, near], [near], [], [near, far], [far])
    assert arrays["faces"].tolist() == [2, 1, 0, 2, 1]
    assert np.allclose(arrays["points"][[0, 1, 3]], near.points)
    assert np.isnan(arrays["points"][[2, 4]]).all()
    assert (arrays["found"][0], arrays["places"][0]) == (3, 1)
    assert arrays["matrices"].shape == (5, 4, 4)
    assert arrays["blendshapes"].shape == (5, 52)


@pytest.mark.parametrize(("count", "kept"), [(9, False), (10, True)])
def test_a_face_in_a_handful_of_frames_is_none(count, kept):
    assert LEAST_SHARE == 0.1
    arrays = track_of(*[[made_face()]] * count, *[[]] * (100 - count))
    assert np.isfinite(arrays["points"]).any() == kept
    assert arrays["found"][0] == count


def test_points_in_one_place_are_no_face():
    arrays = track_of([made_face(size=1e-3)], [made_face()])
    assert arrays["faces"].tolist() == [0, 1]
    assert np.isnan(arrays["points"][0]).all()


def test_a_repeated_frame_keeps_all_faces():
    answers = iter([[made_face(50), made_face(150, size=30)], [made_face(150, size=30)]])
    track = LandmarkTrack(lambda frame: next(answers), 3)
    track.add(np.zeros((8, 8, 3), np.uint8))
    track.repeat()
    track.add(np.zeros((8, 8, 3), np.uint8))
    arrays = track.arrays()
    assert arrays["faces"].tolist() == [2, 2, 1]
    assert np.array_equal(arrays["points"][0], arrays["points"][1])
    assert np.isnan(arrays["points"][2]).all()
