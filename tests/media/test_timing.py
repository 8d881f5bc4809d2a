from fractions import Fraction

import numpy as np
import pytest

from gmbench.media.timing import grid_of, schedule, with_true_start

MS = Fraction(1, 1000)


def stamps(rate, count, first=0):
    return np.array([round(first + 1000 * k / rate) for k in range(count)])


@pytest.mark.parametrize("rate", [24, 25, 30, 50, 60, Fraction(30000, 1001), Fraction(24000, 1001), Fraction(25, 2)])
@pytest.mark.parametrize("first", [0, 23, 56, 3_600_000])
def test_stamps_rounded_to_milliseconds_are_a_constant_rate(rate, first):
    count = int(4 * rate)
    plan = schedule(stamps(rate, count, first), MS, Fraction(0), Fraction(first, 1000))
    exact = [int(25 * Fraction(k) / rate + Fraction(1, 2)) for k in range(count)]
    shown = np.repeat(np.arange(count), plan.repeats)
    assert not plan.variable
    assert plan.rate == pytest.approx(float(rate))
    assert len(shown) == round(25 * count / rate)
    assert [exact[k] for k in shown] == pytest.approx(np.arange(len(shown)), abs=1)
    assert plan.origin == 0


@pytest.mark.parametrize(("rate", "count"), [(50, 200), (60, 240), (30, 120), (25, 100), (24, 96)])
def test_four_seconds_are_100_frames(rate, count):
    assert schedule(np.arange(count), Fraction(1, rate), Fraction(0), Fraction(0)).repeats.sum() == 100


def test_a_rate_one_percent_off_is_not_taken_for_25():
    plan = schedule(np.arange(100), Fraction(10, 253), Fraction(0), Fraction(0))
    assert plan.rate == pytest.approx(25.3)
    assert plan.repeats.sum() == 99


def test_of_frames_with_one_stamp_the_last_is_shown():
    plan = schedule(np.array([0, 40, 80, 80, 120]), MS, Fraction(0), Fraction(0))
    assert plan.repeats.tolist() == [1, 1, 0, 1, 1]


def test_a_hole_holds_the_frame_before_it_and_is_a_variable_rate():
    plan = schedule(np.array([0, 40, 80, 200, 240]), MS, Fraction(0), Fraction(0))
    assert plan.variable
    assert plan.repeats.tolist() == [1, 1, 3, 1, 1]


def test_variable_rates_keep_the_phase_of_the_clock_that_sound_shares():
    ticks = np.array([33, 100, 133, 233])
    plan = schedule(ticks, MS, Fraction(1, 30), Fraction(33, 1000))
    assert plan.variable
    assert plan.repeats.tolist() == [2, 1, 3, 1]  # slots 0.8, 2.5, 3.3, 5.8; the first frame fills slot 0 too
    assert plan.origin == -Fraction(33, 1000)


def test_a_still_picture_lasts_as_long_as_its_packet_says():
    assert schedule(np.array([0]), MS, Fraction(4), Fraction(0)).repeats.tolist() == [100]


def test_a_video_is_never_without_a_frame():
    assert schedule(np.array([0]), MS, Fraction(1, 1000), Fraction(0)).repeats.tolist() == [1]


@pytest.mark.parametrize("shift", [21, 64, 104])
def test_frames_shifted_after_the_first_are_put_right(shift):
    ticks = stamps(25, 50, shift)
    ticks[0] = 0
    assert with_true_start(ticks, MS, Fraction(64, 1000), Fraction(0)).tolist() == stamps(25, 50, shift).tolist()


def test_a_shift_that_a_coarse_clock_rounds_up_is_put_right():
    ticks = np.array([0, 8, 10, 12, 16, 18, 20, 24])
    found = with_true_start(ticks, Fraction(1, 60), Fraction(256, 11025), Fraction(0))
    assert found.tolist() == [4, 8, 10, 12, 16, 18, 20, 24]


def test_a_long_hole_after_the_first_frame_stays():
    ticks = stamps(25, 50, 400)
    ticks[0] = 0
    assert with_true_start(ticks, MS, Fraction(64, 1000), Fraction(0)) is ticks
    ticks = np.array([0, 40, 200, 300, 340])
    assert with_true_start(ticks, MS, Fraction(64, 1000), Fraction(1)) is ticks


def test_the_slowest_rate_that_fits_is_taken():
    grid = grid_of(np.array([0, 40, 80, 120]), MS)
    assert grid is not None
    assert (grid.rate, grid.steady) == (25, True)
    assert grid_of(np.array([0, 31, 47, 95, 101, 160]), MS) is None


def test_pictures_that_a_steady_rate_lacks_are_counted_where_they_are_few():
    def missing(kept, tick=Fraction(1, 1000), step=40):
        return schedule(np.array(kept) * step, tick, Fraction(0), Fraction(0)).missing

    every = list(range(100))
    assert missing(every) == 0
    assert missing(every[:50] + every[51:]) == 1
    assert missing(every[:20] + every[23:60] + every[61:]) == 4
    assert missing([n for n in every if n % 5]) == 0  # 19 of 98: the rate varies by intent
    assert schedule(np.array([0, 40, 75, 140, 150, 222]), Fraction(1, 1000), Fraction(0), Fraction(0)).missing == 0
