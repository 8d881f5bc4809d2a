"""Tracks for training: scale, windows, fair draws, and which clips are taken for pre-training."""

import numpy as np
import pytest
import torch

from gmbench import shards
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError
from gmbench.methods.interface import PreparedDataset
from gmbench.methods.pretraining import well_fitted, wide_motion
from gmbench.methods.scaling import Scale
from gmbench.methods.track_windows import WindowSampler, draw_balanced
from gmbench.methods.tracks import ClipTracks, emotions_of, longest_run, read_clips, relative_motion


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


def test_relative_motion_takes_the_mean_pose_away_and_leaves_gaze_and_lids():
    rho = np.random.default_rng(0).normal(1, 1, (20, 12)).astype(np.float32)
    relative = relative_motion(rho)
    assert np.allclose(relative[:, :6].mean(axis=0), 0, atol=1e-6)
    assert np.allclose(relative[:, :6].std(axis=0), rho[:, :6].std(axis=0), atol=1e-5)
    assert np.array_equal(relative[:, 6:], rho[:, 6:])


def test_clips_are_cut_where_no_face_was_found_and_missing_ones_left_out(tmp_path):
    rows = tuple(ClipRow(f"d/M/sad/1/{n}", "d", "M", "sad", 1, str(n), "", "") for n in range(3))
    folders = [tmp_path / name for name in ("crops", "landmarks", "coefficients", "audio", "renders")]
    dataset = PreparedDataset("d", rows, *folders, {"pair": "concat"}, tmp_path / "model.npz", None, 64)
    with pytest.raises(InputError, match=r"none of 3 clips was fitted; see fit\.json"):
        read_clips(dataset, rows)
    beta = np.arange(10, dtype=np.float32)[:, None].repeat(169, axis=1)
    track = {"beta": beta, "rho": np.zeros((10, 12), np.float32), "segment": np.array([0, 0, -1] + [1] * 7)}
    faceless = track | {"segment": np.full(10, -1)}
    shards.write(dataset.coefficients, "M", [(rows[0].clip_id, faceless), (rows[1].clip_id, track)])
    sound = np.arange(20, dtype=np.float16)[:, None]
    shards.write(dataset.audio, "M", [(row.clip_id, {"features": sound}) for row in rows])
    (clip,) = read_clips(dataset, rows)
    assert clip.clip_id == rows[1].clip_id
    assert clip.beta[:, 0].tolist() == [3, 4, 5, 6, 7, 8, 9]
    assert clip.audio[0].tolist() == [6, 7]
    assert emotions_of(rows) == ("sad",)
