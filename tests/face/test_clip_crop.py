"""Where clips are cut, and that the cut shows what lies there."""

import contextlib

import numpy as np
import pytest

from gmbench.errors import MediaError
from gmbench.face.clip_crop import Square, anchor_square, cut, find_square, middle_square, tube_square
from gmbench.face.faces import Face
from gmbench.media import write_video

HEIGHT, WIDTH = 400, 600


def tube(*boxes):
    return tube_square(np.array(boxes, float), HEIGHT, WIDTH)


def test_a_tall_box_grows_to_the_sides_by_what_it_lacks():
    """100 x 200: 1.2 * 200 - 100 = 140 more in width, 70 on each side; a tenth of 200 above and below."""
    assert tube((200, 100, 300, 300)) == Square(250, 200, 120)


def test_a_square_box_grows_by_a_tenth():
    """100 x 100: (120 - 100) / 2 = 10 on each side, as a tenth is."""
    assert tube((200, 100, 300, 200)) == Square(250, 150, 60)


def test_a_wide_box_grows_in_height():
    """200 x 100: a tenth of 200 at the sides; 1.2 * 200 - 100 = 140 more in height."""
    assert tube((200, 100, 400, 200)) == Square(300, 150, 120)


def test_the_tube_holds_all_boxes_that_overlap_the_first():
    lost = (np.nan,) * 4
    assert tube(lost, (200, 100, 300, 200), (210, 110, 310, 210), (0, 0, 20, 20), lost) == Square(255, 155, 66)


def test_the_tube_ends_at_the_frame():
    assert tube((0, 0, 100, 100)) == Square(55, 55, 55)
    assert tube((500, 300, 600, 400)) == Square(545, 345, 55)


def test_anchor_and_middle():
    mesh = np.zeros((478, 2))
    mesh[197], mesh[13], mesh[14] = (100, 80), (103, 83), (103, 85)
    assert anchor_square(mesh) == Square(100, 80, pytest.approx(1.25 * 2.1 * 5))
    assert middle_square(HEIGHT, WIDTH) == Square(300, 200, 200)


def one(frame, square, size):
    (found,) = cut([frame], square, size)
    return found


def test_a_cut_at_its_own_scale_is_a_slice():
    frame = np.random.default_rng(0).integers(0, 256, (64, 80, 3)).astype(np.uint8)
    assert np.array_equal(one(frame, Square(40, 30, 10), 20), frame[20:40, 30:50])


def test_shrinking_by_two_averages_pairs_of_pixels_without_a_shift():
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))[..., None].repeat(3, axis=2)
    small = one(ramp, Square(32, 32, 32), 32)
    expected = (ramp[0, 0::2, 0].astype(float) + ramp[0, 1::2, 0]) / 2
    assert small[16, 2:-2, 0].astype(float) == pytest.approx(expected[2:-2], abs=1)
    assert np.abs(small[16, 4:-4, 0].astype(float) - expected[4:-4]).mean() < 0.6


def test_growing_and_shrinking_keep_mirrored_pictures_mirrored():
    frame = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    for size in (16, 100):
        square = Square(20, 20, 20)
        straight, mirrored = one(frame, square, size), one(frame[:, ::-1].copy(), square, size)
        assert np.abs(straight.astype(int) - mirrored[:, ::-1]).mean() < 1


def test_outside_of_the_source_is_black():
    frame = np.full((40, 40, 3), 255, np.uint8)
    found = one(frame, Square(0, 20, 20), 40)
    assert not found[:, :19].any()
    assert (found[:, 21:] == 255).all()


def mesh_around(x, y, spread):
    """Landmarks whose box is centred on (x, y), with nose and mouth ``spread`` / 4 apart."""
    mesh = np.full((478, 2), (x, y), float)
    mesh[0], mesh[1] = (x - spread, y - spread), (x + spread, y + spread)
    mesh[13] = mesh[14] = (x, y + spread / 4)
    return Face(points=mesh[:68], mesh=mesh)


class Scripted:
    """A backend that answers each frame with the next list of faces, and keeps the sizes of what it saw."""

    def __init__(self, *answers):
        self.answers, self.seen = answers, []

    @contextlib.contextmanager
    def open(self):
        def detect(frame):
            self.seen.append(frame.shape[:2])
            return self.answers[min(len(self.seen), len(self.answers)) - 1]

        yield detect


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "wide.mp4"
    write_video(path, [np.zeros((640, 1280, 3), np.uint8)] * 30)
    return path


def test_the_square_is_found_on_a_smaller_picture_and_given_in_the_sources_pixels(video):
    backend = Scripted([], [mesh_around(50, 50, 10), mesh_around(300, 150, 40)])
    assert find_square(video, backend, "anchor") == Square(600, 300, pytest.approx(2.625 * 20))
    assert backend.seen == [(320, 640)] * 2


def test_a_tube_reads_every_frame(video):
    backend = Scripted([mesh_around(300, 150, 40)], [], [mesh_around(310, 150, 40)])
    assert find_square(video, backend, "tube") == tube_square(
        np.array([(520, 220, 680, 380), (540, 220, 700, 380)], float), 640, 1280
    )
    assert len(backend.seen) == 30


def test_no_face_is_an_error_that_names_the_clip(video):
    nobody = Scripted([])
    with pytest.raises(MediaError, match=r"wide\.mp4: no face in the first 25 frames"):
        find_square(video, nobody, "anchor")
    assert len(nobody.seen) == 25
    with pytest.raises(MediaError, match=r"wide\.mp4: no face in any frame"):
        find_square(video, Scripted([]), "tube")
    assert find_square(video, Scripted([]), "full") == Square(640, 320, 320)
