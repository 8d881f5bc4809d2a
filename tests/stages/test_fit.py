"""What the stage ``fit`` makes of one clip, with and without the pictures."""

import numpy as np
import pytest

from gmbench import shards
from gmbench.config import FitSection
from gmbench.corpus.make import record_take
from gmbench.corpus.takes import CorpusSettings, draw_content, takes
from gmbench.datasets.manifest import ClipRow
from gmbench.morphable.synthetic.model import synthetic_model
from gmbench.stages import fit
from gmbench.stages.pipeline_run import ModelSource

SIZE = 96


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """The first clip of a corpus of 30 frames, its landmarks off by a pixel and without a face at the start."""
    folder = tmp_path_factory.mktemp("fit")
    settings = CorpusSettings(size=SIZE, frames=30)
    take = takes(settings)[0]
    arrays, _ = record_take((settings, take))
    (folder / "clip.mp4").write_bytes(arrays["video"].tobytes())
    mesh = arrays["landmarks"] + np.random.default_rng(0).normal(0, 1.0, arrays["landmarks"].shape)
    mesh[:26] = np.nan
    shards.write(folder / "landmarks", "M001", [("clip", {"mesh": mesh.astype(np.float32)})])
    synthetic_model().save(folder / "model.npz")
    return folder, draw_content(synthetic_model(), settings, take)


def fitted(clip, **settings):
    folder, content = clip
    source = ModelSource(folder / "model.npz", "model")
    person = fit._Person(source, FitSection(**settings), SIZE, folder / "landmarks", folder, "M001", ())
    arrays, _ = fit.fit_clip(fit._Clip(person, content.performer.shape, content.performer.texture, "clip", "clip.mp4"))
    return arrays


def test_refinement_moves_the_coefficients_and_nothing_else(clip):
    plain, refined = fitted(clip), fitted(clip, refine="photometric")
    assert {name: value.shape for name, value in plain.items()} == {
        name: value.shape for name, value in refined.items()
    }
    for name in ("valid", "segment", "lm_rmse", "eye_width"):
        assert np.array_equal(plain[name], refined[name], equal_nan=True), name
    for name in ("beta", "rho", "light"):
        assert refined[name].dtype == plain[name].dtype == np.float32
        assert np.isfinite(refined[name]).all()
        assert 0 < np.abs(refined[name] - plain[name])[26:].max() < 1, name
    truth, _ = synthetic_model().split(clip[1].performance.full[26:])
    plain_error, error = (np.abs(arrays["beta"][26:, :30] - truth[:, :30]).mean() for arrays in (plain, refined))
    assert error < 0.9 * plain_error


def test_a_person_is_learnt_from_all_emotions_in_turn():
    rows = [
        ClipRow(f"d/M/{emotion}/{level}/1", "d", "M", emotion, level, "1", "", "", split="train")
        for emotion, level in (("angry", 1), ("angry", 3), ("neutral", 1), ("sad", 1), ("sad", 2))
    ]
    turns = [(row.emotion, row.level) for row in fit._emotions_in_turn(rows)]
    assert turns == [("neutral", 1), ("angry", 1), ("sad", 1), ("angry", 3), ("sad", 2)]


def test_identity_and_statistics_come_from_training_clips_alone():
    rows = [
        ClipRow(f"d/M/sad/1/{n}", "d", "M", "sad", 1, str(n), "", "", split=s) for n, s in enumerate(("train", "test"))
    ]
    parts = [
        (row.clip_id, {"beta": np.full((4, 3), n), "rho": np.full((4, 12), n), "valid": np.ones(4, bool)})
        for n, row in enumerate(rows)
    ]
    assert fit._learnt_from(rows) == rows[:1]
    assert fit._statistics(rows, parts)["rho_mean"].tolist() == [0.0] * 12
    strangers = rows[1:]
    assert fit._learnt_from(strangers) == strangers
    assert fit._statistics(strangers, parts[1:])["rho_mean"].tolist() == [1.0] * 12
