"""Expressions measured on coefficients: their distance from the real ones, likelihoods, and clips without a value."""

import numpy as np
import pytest

from gmbench.evaluation.results.records import WHOLE_SET
from gmbench.methods import registry
from gmbench.methods.coefficients64 import EXPRESSIONS
from gmbench.methods.expression_code import ExpressionCode
from gmbench.methods.gmtalker.method import GMTalker
from gmbench.methods.interface import GenResult, MissingInput
from gmbench.methods.registry import System
from gmbench.methods.tracks import ClipTracks
from gmbench.metrics.frechet import frechet_distance
from gmbench.morphable.synthetic.model import synthetic_model
from gmbench.stages import generated_expressions
from gmbench.stages.verdicts import plain_means
from tests.stages.two_clips import FRAMES, rows


def _track(seed, frames):
    rng = np.random.default_rng(seed)
    beta = rng.normal(0, 0.3, (frames, EXPRESSIONS)).astype(np.float32)
    return {"beta": beta, "rho": rng.uniform(0, 0.1, (frames, 12)).astype(np.float32)}


class Exaggerating(GMTalker):
    """Twice the real expressions; drawing its pictures is an error."""

    def __init__(self, tracks, refused=""):
        self.tracks, self.refused = tracks, refused

    def load(self, checkpoint_dir):
        self.speakers, self.emotions = ["S"], ["happy", "sad"]

    def generate(self, request):
        if request.clip_id == self.refused:
            raise MissingInput("no sad words")
        track = self.tracks[request.clip_id]
        return GenResult((1 / 0 for _ in range(FRAMES)), 2 * track["beta"], track["rho"])


class Likely(Exaggerating):
    """Knows how likely its own emotion is."""

    def log_likelihood(self, request, expression, motion):
        assert (len(expression), len(motion)) == (FRAMES, FRAMES)
        return -float(expression.mean()) - 1


@pytest.fixture
def real(run_of_all_clips, monkeypatch):
    tracks = {row.clip_id: _track(n, FRAMES) for n, row in enumerate(rows())}
    learnt = _track(9, 300)
    clip = ClipTracks("t", "S", "happy", 1, learnt["beta"], learnt["rho"], np.zeros((300, 1), np.float32))
    code = ExpressionCode.fit([clip], synthetic_model(), "landmarks")
    found = generated_expressions._Real(rows(), tracks, code)
    monkeypatch.setattr(generated_expressions, "_read_real", lambda run: found)
    return found


def _measured(run, monkeypatch, method):
    monkeypatch.setattr(registry, "create", lambda name: method)
    return generated_expressions.measure_expressions(run, [System.parse("gmtalker"), System.parse("gmtalker-s2")])


def test_the_distance_is_that_of_all_frames_codes(run_of_all_clips, real, monkeypatch):
    table = _measured(run_of_all_clips, monkeypatch, Exaggerating(real.tracks))
    made = [real.code.encode(2 * track["beta"], track["rho"]) for track in real.tracks.values()]
    expected = frechet_distance(np.concatenate(made), np.concatenate([real.codes(clip) for clip in real.tracks]))
    means = plain_means(table[table["metric_name"] == "fd_expressions"])
    assert means == {name: pytest.approx(expected) for name in ("gmtalker", "gmtalker-s2")}
    assert expected > 1
    nats = table[table["metric_name"] == "nats"]
    assert set(nats["reason"]) == {"GMTalker gives no likelihood"}
    assert np.isnan(plain_means(nats)["gmtalker"])


def test_likelihoods_are_of_the_real_clips_in_nats(run_of_all_clips, real, monkeypatch):
    table = _measured(run_of_all_clips, monkeypatch, Likely(real.tracks))
    expected = np.mean([track["beta"].mean() for track in real.tracks.values()]) + 1
    assert plain_means(table[table["metric_name"] == "nats"])["gmtalker"] == pytest.approx(expected)


def test_clips_that_cannot_be_generated_are_left_out_of_both_sides(run_of_all_clips, real, monkeypatch):
    refused = rows()[1].clip_id
    table = _measured(run_of_all_clips, monkeypatch, Likely(real.tracks, refused))
    (whole,) = table[(table["clip"] == WHOLE_SET) & (table["method"] == "gmtalker")].itertuples()
    assert (whole.clips_used, whole.clips_expected, whole.frames_used) == (1, 2, FRAMES)
    kept = rows()[0].clip_id
    made = real.code.encode(2 * real.tracks[kept]["beta"], real.tracks[kept]["rho"])
    assert whole.value == pytest.approx(frechet_distance(made, real.codes(kept)))
    lost = table[(table["clip"] == refused) & (table["method"] == "gmtalker")]
    assert lost["reason"].tolist() == ["no sad words"]
