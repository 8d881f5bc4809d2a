"""Head motion measured on generated coefficients: values, rows beside the systems', and clips without a value."""

import json

import numpy as np
import pytest

from gmbench import shards
from gmbench.evaluation.results import aggregate
from gmbench.media import SAMPLES_PER_FRAME
from gmbench.methods import registry
from gmbench.methods.gmtalker.method import GMTalker
from gmbench.methods.interface import GenResult, MissingInput
from gmbench.methods.registry import System
from gmbench.metrics import head_motion
from gmbench.stages.generated_motion import MEASURED, measure_motion, motion_values
from tests.stages.two_clips import FRAMES, rows


def _pose(seed, frames=75, size=5.0):
    return np.cumsum(np.random.default_rng(seed).normal(0, size / 10, (frames, 3)), axis=0)


def test_values_are_those_of_the_metrics():
    real, others = _pose(0), [_pose(1), _pose(2)]
    beats = np.random.default_rng(3).normal(0, 300, 75 * SAMPLES_PER_FRAME)
    beats[:: 16_000 // 2] += 20_000
    sound = beats.clip(-32_768, 32_767).astype(np.int16)
    found = motion_values(real, real, others, sound, 75)
    assert set(found) == set(MEASURED)
    assert (found["div"], found["pcm"]) == (pytest.approx(head_motion.diversity(real)), 1.0)
    assert found["pcm_chance"] == pytest.approx(np.mean([head_motion.correct_motion(real, o).mean() for o in others]))
    assert 0 < found["ba_m2a"] <= 1
    still = motion_values(np.repeat(real[:1], 75, 0), real, others, sound, 75)
    assert still["div"] == 0
    assert 0 < still["pcm"] < 1
    assert np.isnan(still["ba_m2a"])  # a still head has no beats


@pytest.fixture
def run(run_of_all_clips):
    return run_of_all_clips


class Nodding(GMTalker):
    """Moves twice as far as the real head; cannot speak sad clips. Drawing its pictures is an error."""

    def __init__(self, real):
        self.real = real

    def load(self, checkpoint_dir):
        self.speakers, self.emotions = ["S"], ["happy", "sad"]

    def generate(self, request):
        if request.emotion.weights == {"sad": 1.0}:
            raise MissingInput("no sad words")
        return GenResult((1 / 0 for _ in range(FRAMES)), None, 2 * self.real[request.clip_id])


def test_systems_stand_beside_the_real_and_a_still_head(run, monkeypatch):
    real = {row.clip_id: np.random.default_rng(n).normal(0, 0.05, (FRAMES, 12)).astype(np.float32)
            for n, row in enumerate(rows())}  # fmt: skip
    shards.write(run.paths.coefficients, "S", [(name, {"rho": rho}) for name, rho in real.items()])
    (run.paths.work / "fit.json").write_text(json.dumps({"per_clip": [{"clip": name} for name in real]}))
    monkeypatch.setattr(registry, "create", lambda name: Nodding(real))
    table = measure_motion(run, [System.parse("gmtalker"), System.parse("gmtalker-s2")])
    assert set(table["method"]) == {"ground_truth", "still", "gmtalker", "gmtalker-s2"}
    own = table[(table["method"] == "gmtalker") & (table["metric_name"] == "div")].set_index("emotion")
    assert own.loc["sad", "status"] == "failed"
    assert own.loc["sad", "reason"] == "no sad words"
    happy = np.degrees(real["d/S/happy/1/0"][:, :3].astype(np.float64))
    assert own.loc["happy", "value"] == pytest.approx(2 * head_motion.diversity(happy), rel=1e-5)
    means = {row.method: row for row in aggregate.rows(table) if row.metric == "div_fb:coefficients"}
    assert means["still"].value == 0
    assert (means["gmtalker"].n, means["ground_truth"].n) == (1, 2)
