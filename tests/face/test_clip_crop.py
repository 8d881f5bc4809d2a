"""Where clips are cut, and that the cut shows what lies there."""

import numpy as np
import pytest

from gmbench.face.clip_crop import Square, anchor_square, cut, middle_square, tube_square

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
