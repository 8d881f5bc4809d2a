"""The pass over a clip's frames."""

import numpy as np
import pytest

from gmbench.evaluation.extraction.frame_pass import FramePass
from gmbench.evaluation.extraction.outcome import Outcome
from gmbench.store import Store


@pytest.fixture
def frame_pass(world):
    world.pair("S/a", 10)
    (group,) = world.plan(["psnr"]).groups(world.folder / "store", 4)
    found = FramePass(group.reference, group, Store(group.store), Outcome("S/a"))
    found.open()
    yield found
    found.close()


def numbers(frame):
    return int(frame[0, 0, 1])


def test_frames_come_by_their_number_and_may_repeat(frame_pass):
    wanted = [0, 0, 2, 1, 5, 4, 9, 9]
    assert [numbers(frame_pass.cropped_frame(index)) for index in wanted] == wanted


def test_a_frame_of_an_earlier_batch_is_refused_and_not_another_one_given(frame_pass):
    assert numbers(frame_pass.cropped_frame(5)) == 5
    with pytest.raises(ValueError, match="frame 1 was asked for after frame 4"):
        frame_pass.cropped_frame(1)


def test_frames_after_the_last_are_named(frame_pass):
    with pytest.raises(Exception, match="ended after 10 frames"):
        frame_pass.cropped_frame(10)


def test_pairs_of_different_lengths_are_spread_over_both(world):
    """EAT's pairing of 4 and 8 frames: 0 with 0, 1 with 2, 2 with 4, 3 with 6."""
    table = np.full((8, 8), 99.0)
    for generated, reference in enumerate((0, 2, 4, 6)):
        table[generated, reference] = generated
    world.add("ours", "S/a", 4, lpips_alex=table)
    world.add("reference", "S/a", 8)
    record = world.clips("lpips_alex", pairing="eat_linspace").loc["S/a"]
    assert record[["value", "frames_used"]].tolist() == [1.5, 4]
