import numpy as np
import pytest

from gmbench.metrics import linear_sync, sync

SOUND = np.random.default_rng(0).standard_normal((200, 2))
LIPS = np.roll(SOUND, 2, axis=0) @ np.array([[1, 0.5], [0, 1]])


def test_golden():
    found = linear_sync.linear_sync(SOUND, LIPS, 5)
    assert found.offset == 2
    assert found.best == pytest.approx(0.999213, abs=1e-6)
    assert np.median(found.by_lag) == pytest.approx(-0.012766, abs=1e-6)
    assert found.by_lag[5] == pytest.approx(-0.010550, abs=1e-6)
    assert found.confidence == pytest.approx(0.999213 + 0.012766, abs=2e-6)
    noise = np.random.default_rng(1).standard_normal((200, 2))
    assert linear_sync.linear_sync(SOUND, noise, 5).best == pytest.approx(0.061823, abs=1e-6)


def test_neither_amplitude_nor_offset_of_either_side_matters():
    found = linear_sync.linear_sync(SOUND, LIPS, 3).by_lag
    assert linear_sync.linear_sync(5 * SOUND + 3, 0.1 * LIPS - 7, 3).by_lag == pytest.approx(found)


def test_ten_frames_of_delay_move_the_offset_and_reversal_ends_it():
    late = np.roll(SOUND, 10, axis=0)
    assert linear_sync.linear_sync(late, LIPS).offset == 2 - 10
    assert linear_sync.linear_sync(SOUND, LIPS[::-1]).best < 0.3  # the largest of 31 of noise


def test_chance_is_the_mean_over_shifts():
    sound, lips = SOUND[:120], LIPS[:120]
    shifts = np.linspace(25, 95, 6).astype(int)
    expected = np.mean([linear_sync.linear_sync(sound, np.roll(lips, shift, axis=0), 3).best for shift in shifts])
    assert linear_sync.linear_sync_chance(sound, lips, 3, 6) == pytest.approx(expected)
    assert linear_sync.linear_sync_chance(sound, lips) < 0.3
    torn = lips.copy()
    torn[40] = np.nan
    expected = np.mean([linear_sync.linear_sync(sound, np.roll(torn, shift, axis=0), 3).best for shift in shifts])
    assert linear_sync.linear_sync_chance(sound, torn, 3, 6) == pytest.approx(expected)


def test_frames_without_a_face_are_left_out():
    lips = LIPS.copy()
    lips[[20, 21, 90]] = np.nan
    found = linear_sync.linear_sync(SOUND, lips, 5)
    assert found.offset == 2
    assert found.best > 0.99


def test_nothing_varies_or_too_short():
    assert np.isnan(linear_sync.linear_sync(SOUND, np.ones((200, 2)), 2).best)
    assert np.isnan(linear_sync.linear_sync(SOUND[:20], LIPS[:20], 2).by_lag).all()
    assert np.isnan(linear_sync.linear_sync_chance(SOUND, np.ones((200, 2)), 2))
    silence = np.full((200, 20), np.log(1e-8))  # its deviation is rounding, not zero
    assert np.isnan(linear_sync.linear_sync(silence, LIPS, 2).by_lag).all()
    assert np.isnan(linear_sync.linear_sync_chance(silence, LIPS, 2))


def test_a_band_that_does_not_vary_counts_nothing():
    constant = np.full((200, 1), np.log(1e-8))
    found = linear_sync.linear_sync(np.hstack([SOUND, constant]), LIPS, 2).by_lag
    without = linear_sync.linear_sync(np.hstack([SOUND, np.zeros((200, 1))]), LIPS, 2).by_lag
    assert found == pytest.approx(without, abs=1e-12)


def test_context_repeats_the_ends():
    bands = np.arange(4.0)[:, None]
    assert linear_sync.with_context(bands, 1).tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]]
    assert linear_sync.with_context(np.zeros((9, 20))).shape == (9, 140)


def test_lips_stand_upright_whatever_the_roll_and_size():
    face = np.random.default_rng(4).uniform(0, 90, (3, 68, 2))
    a = np.radians(35)
    turned = 2 * face @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) + [5.0, 9.0]
    lips = linear_sync.upright_lips(face)
    assert lips.shape == (3, 40)
    assert linear_sync.upright_lips(turned) == pytest.approx(lips)


def test_chance_of_opening_and_loudness():
    rng = np.random.default_rng(0)
    opening = np.convolve(rng.normal(size=300), np.ones(5) / 5, "same")
    in_step, chance = sync.opening_correlation(opening, opening)[0], sync.opening_chance(opening, opening)
    assert in_step == pytest.approx(1.0)
    places = np.unique(np.linspace(25, 275, 20).astype(int))
    assert chance == pytest.approx(np.mean([sync.opening_correlation(opening, np.roll(opening, s))[0] for s in places]))
    assert 0 < chance < 0.5
    assert np.isnan(sync.opening_chance(opening[:49], opening))
