"""What GMTalker shows between two emotions: the middle frame of what it says, eyes open."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from gmbench.audio.hubert import to_video_rate
from gmbench.audio.spectra import logmel
from gmbench.methods.gmtalker import gmeg
from gmbench.methods.gmtalker.checkpoints import CHECKPOINTS
from gmbench.methods.gmtalker.method import GMTalker
from gmbench.methods.gmtalker.settings import Gmeg
from gmbench.methods.interface import EmotionSpec, GenRequest
from gmbench.morphable.model import BLINK

EMOTIONS, FRAMES, STEPS = ["angry", "happy", "sad"], 13, 5
ANGRY, SAD = EmotionSpec({"angry": 1.0}), EmotionSpec({"sad": 1.0})


@pytest.fixture(scope="module")
def audio():
    return np.random.default_rng(2).normal(0, 3000, FRAMES * 640).astype(np.int16)


@pytest.fixture
def method(tmp_path, audio):
    return _loaded(tmp_path, audio, "mixture")


def _loaded(tmp_path, audio, prior):
    """An expression generator with random weights, loaded from its file; pictures are not drawn here."""
    torch.manual_seed(0)
    settings = Gmeg(width=16, heads=4, dropout=0.0, window=(20, 20), layers=(1, 2, 1), z=6, w=4, prior=prior)
    width = to_video_rate(logmel(audio), FRAMES, "concat").shape[1]
    network = gmeg.ExpressionGenerator(settings, 7, width, len(EMOTIONS), 1)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    facts = {
        "emotions": EMOTIONS, "speakers": ["S"], "beta": 7, "audio_dim": width, "settings": settings.model_dump(),
        "audio": {"extractor": "logmel", "pair": "concat", "weights": ""},
    }  # fmt: skip
    constants = {"mean": np.zeros(7, np.float32), "deviation": np.ones(7, np.float32)}
    (tmp_path / "gmeg.safetensors").write_bytes(CHECKPOINTS.pack("gmeg", network, facts, constants))
    found = GMTalker()
    found.load(tmp_path)
    return found


@pytest.fixture
def request_(audio):
    """Every frame has a pose, a gaze and a blink of its own."""
    motion = np.random.default_rng(3).uniform(0.2, 0.8, (FRAMES, 12)).astype(np.float32)
    return GenRequest("c", audio, ANGRY, "S", seed=4, motion=motion)


def test_it_shows_the_middle_frame_with_open_eyes(method, request_):
    middle = FRAMES // 2
    expected = request_.motion[middle].copy()
    expected[BLINK] = 0
    for result in method.interpolate(request_, ANGRY, SAD, STEPS):
        assert np.array_equal(result.motion, expected[None])
    assert request_.motion[middle, BLINK].min() > 0  # the request itself is left alone


def test_its_ends_are_the_middle_frames_of_the_two_emotions(method, request_):
    steps = method.interpolate(request_, ANGRY, SAD, STEPS)
    for result, emotion in ((steps[0], ANGRY), (steps[-1], SAD)):
        whole = method.generate(replace(request_, emotion=emotion)).expression
        np.testing.assert_allclose(result.expression[0], whole[FRAMES // 2], atol=1e-4)
        assert np.abs(whole[FRAMES // 2] - whole[0]).max() > 0.01
        assert np.abs(whole[FRAMES // 2] - whole[-1]).max() > 0.01
    assert [result.meta["alpha"] for result in steps] == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_steps_lie_in_order_between_the_ends(method, request_):
    path = np.stack([result.expression[0] for result in method.interpolate(request_, ANGRY, SAD, STEPS)])
    away = np.linalg.norm(path - path[0], axis=1)
    assert (np.diff(away) > 0).all()


def test_a_hard_switch_has_two_expressions(method, request_):
    path = np.stack([r.expression[0] for r in method.interpolate(request_, ANGRY, SAD, STEPS, "hard_switch")])
    soft = np.stack([r.expression[0] for r in method.interpolate(request_, ANGRY, SAD, STEPS)])
    assert len(np.unique(path.round(5), axis=0)) == 2
    np.testing.assert_allclose(path[[0, -1]], soft[[0, -1]], atol=1e-5)


@pytest.mark.parametrize("prior", ["mixture", "labelled"])
def test_the_pictures_style_is_blended_under_either_prior(tmp_path, audio, request_, monkeypatch, prior):
    """Or a label embedding would lose by the jump of its style alone."""
    found, given = _loaded(tmp_path, audio, prior), []
    monkeypatch.setattr(found, "_draw", lambda request, beta, rho, weights: given.append(weights[0]))
    found.interpolate(request_, ANGRY, SAD, STEPS)
    share = np.linspace(0, 1, STEPS)
    np.testing.assert_allclose(given, np.stack([1 - share, 0 * share, share], 1), atol=1e-6)
    given.clear()
    found.interpolate(request_, ANGRY, SAD, STEPS, "hard_switch")
    assert set(map(tuple, given)) == {(1.0, 0.0, 0.0), (0.0, 0.0, 1.0)}


def _with_temperature(method, temperature):
    """The method with another temperature of its own."""
    other, gmeg = copy.copy(method), copy.copy(method.gmeg)
    gmeg.settings = method.gmeg.settings.model_copy(update={"temperature": temperature})
    other.gmeg = gmeg
    return other


def test_seeds_and_temperature_decide_the_expression(method, request_):
    def expression(**changes):
        return method.generate(replace(request_, **changes)).expression

    same = expression()
    assert np.array_equal(same, expression())
    assert not np.allclose(same, expression(seed=5), atol=1e-3)
    assert not np.allclose(same, expression(temperature=0.0), atol=1e-3)
    most_likely = expression(temperature=0.0)
    assert np.array_equal(most_likely, expression(temperature=0.0, seed=5))
    calm = _with_temperature(method, 0.0)
    assert np.array_equal(most_likely, calm.generate(request_).expression)
    assert np.array_equal(same, calm.generate(replace(request_, temperature=1.0)).expression)
