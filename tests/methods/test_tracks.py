"""Tracks for training: scale, windows, fair draws, and which clips are taken for pre-training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gmbench import shards
from gmbench.datasets.manifest import ClipRow
from gmbench.errors import InputError
from gmbench.methods.interface import PreparedDataset
from gmbench.methods.pretraining import pretraining_digest, read_pretraining, well_fitted, wide_motion
from gmbench.methods.scaling import Scale
from gmbench.methods.track_windows import WindowSampler, draw_balanced
from gmbench.methods.tracks import ClipTracks, emotions_of, face_runs, frames_used, read_clips, relative_motion


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


def test_all_long_runs_with_a_face_are_used():
    segment = np.repeat([0, -1, 1, 2, 3], [30, 5, 24, 25, 40])
    assert face_runs(segment) == [slice(0, 30), slice(59, 84), slice(84, 124)]
    assert face_runs(np.array([0, 0, -1, -1, -1, 1, 1, 1, 2, 2, 2])) == [slice(5, 8)]
    assert face_runs(np.array([-1, -1])) == []


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
    assert frames_used(dataset, rows) == {"frames": 20, "used": 7}
    assert emotions_of(rows) == ("sad",)


def test_pretraining_reads_no_test_clip(tmp_path):
    splits = ("train", "test", "train")
    rows = tuple(
        ClipRow(f"d/M/sad/1/{n}", "d", "M", "sad", 1, str(n), "", "", split=split) for n, split in enumerate(splits)
    )
    folders = [tmp_path / name for name in ("crops", "landmarks", "coefficients", "audio", "renders")]
    dataset = PreparedDataset("d", rows, *folders, {"pair": "concat"}, tmp_path / "model.npz", None, 64)
    frames = 80
    tracks = []
    for row in rows:
        rho = np.zeros((frames, 12), np.float32)
        rho[:, 1] = 0.1 * np.sin(np.arange(frames))
        fitted = {"lm_rmse": np.ones(frames, np.float32), "eye_width": np.full(frames, 50, np.float32)}
        arrays = {"beta": np.zeros((frames, 169), np.float32), "rho": rho, "segment": np.zeros(frames, np.int64)}
        tracks.append((row.clip_id, fitted | arrays | {"valid": np.ones(frames, bool)}))
    shards.write(dataset.coefficients, "M", tracks)
    shards.write(dataset.audio, "M", [(r.clip_id, {"features": np.zeros((2 * frames, 1), np.float16)}) for r in rows])
    assert [clip.clip_id for clip in read_pretraining(dataset)] == [rows[0].clip_id, rows[2].clip_id]
    before = pretraining_digest(dataset)
    without = replace(dataset, rows=rows[::2])
    assert pretraining_digest(without) == before


def test_pretraining_follows_the_fit_where_the_corpus_knows_better(tmp_path):
    rows = (ClipRow("d/M/sad/1/0", "d", "M", "sad", 1, "0", "", "", split="train"),)
    folders = [tmp_path / name for name in ("crops", "landmarks", "coefficients", "audio", "renders")]
    facts = {"pair": "concat", "extractor": "logmel"}
    dataset = PreparedDataset("d", rows, *folders, facts, tmp_path / "model.npz", tmp_path / "corpus", 64, fitted=True)
    frames = 50
    rho = np.zeros((frames, 12), np.float32)
    rho[:, 1] = 0.1 * np.sin(np.arange(frames))
    columns = {
        "beta": np.full((frames, 169), 0.25, np.float32), "rho": rho, "segment": np.zeros(frames, np.int64),
        "lm_rmse": np.ones(frames, np.float32), "eye_width": np.full(frames, 50, np.float32),
        "valid": np.ones(frames, bool),
    }  # fmt: skip
    shards.write(dataset.coefficients, "M", [(rows[0].clip_id, columns)])
    shards.write(dataset.audio, "M", [(rows[0].clip_id, {"features": np.zeros((2 * frames, 1), np.float16)})])
    (clip,) = read_pretraining(dataset, frames=50)
    assert (clip.beta == 0.25).all()
    with pytest.raises(InputError, match="long and well fitted enough"):
        read_pretraining(dataset, frames=60)
    with pytest.raises(InputError, match="coefficients: truth"):
        read_pretraining(dataset, people=3)
    before = pretraining_digest(dataset)
    shards.write(dataset.coefficients, "M", [(rows[0].clip_id, columns | {"beta": columns["beta"] + 1})])
    assert pretraining_digest(dataset) != before
    with pytest.raises(InputError, match="no ground truth"):
        read_pretraining(replace(dataset, fitted=False), frames=50)
