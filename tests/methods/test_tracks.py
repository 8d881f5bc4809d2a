"""Tracks for training: scale, windows, fair draws, and which clips are taken for pre-training."""

import numpy as np
import pytest
import torch

from gmbench.errors import InputError
from gmbench.methods.pretraining import well_fitted, wide_motion
from gmbench.methods.scaling import Scale
from gmbench.methods.track_windows import WindowSampler, draw_balanced
from gmbench.methods.tracks import ClipTracks, longest_run


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_scale_has_a_floor():
    values = np.random.default_rng(0).normal(0, [1, 1, 1e-6], (500, 3)).astype(np.float32)
    scale = Scale.of([values])
    assert scale.deviation[2] == pytest.approx(0.2 * scale.deviation[:2].min(), rel=0.1)
    assert np.allclose(scale.restore(scale.standardise(values)), values, atol=1e-5)


def test_windows_pad_short_clips():
    clips = [(np.arange(n, dtype=np.float32)[:, None],) for n in (5, 40)]
    (track,), valid = WindowSampler(clips, (10, 10)).batch([0, 1])
    assert valid.sum(1).tolist() == [5, 10]
    assert track[0, :5, 0].tolist() == [0, 1, 2, 3, 4]
    assert (track[1].diff(dim=0) == 1).all()


def test_emotions_are_drawn_alike():
    labels = ["sad"] * 90 + ["happy"] * 10
    share = np.mean([labels[n] == "happy" for n in draw_balanced(labels, 2000)])
    assert 0.45 < share < 0.55


def test_pretraining_takes_long_clips_with_wide_motion():
    width = np.full(80, 50.0, np.float32)
    assert well_fitted(np.full(80, 1.0), width, np.ones(80, bool))
    assert not well_fitted(np.full(80, 3.0), width, np.ones(80, bool))
    assert not well_fitted(np.full(80, 1.0), width, np.arange(80) > 10)
    assert not well_fitted(np.full(70, 1.0), width[:70], np.ones(70, bool))
    clips = []
    for n in range(10):
        rho = np.zeros((80, 12), np.float32)
        rho[:, 1] = 0.01 * n * np.sin(np.arange(80))
        clips.append(ClipTracks(f"c{n}", "p", "", 0, np.zeros((80, 5), np.float32), rho, np.zeros((80, 3), np.float32)))
    assert [c.clip_id for c in wide_motion(clips, "d")] == [f"c{n}" for n in range(2, 10)]
    with pytest.raises(InputError, match="d: no clip is long and well fitted enough"):
        wide_motion([], "d")


def test_the_longest_run_with_a_face():
    assert longest_run(np.array([0, 0, -1, -1, -1, 1, 1, 1, 2, 2, 2])) == slice(5, 8)
    assert longest_run(np.array([-1, -1])) == slice(0, 0)
