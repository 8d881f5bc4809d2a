"""Networks that begin from other people's: what goes by the emotion's name, and which jobs that changes."""

import json

import cv2
import numpy as np
import pytest
import torch

from gmbench.errors import InputError, WeightsError
from gmbench.methods.gmtalker import preview
from gmbench.methods.gmtalker.checkpoints import CHECKPOINTS
from gmbench.methods.gmtalker.gmeg import ExpressionGenerator
from gmbench.methods.gmtalker.jobs import training_jobs
from gmbench.methods.gmtalker.method import GMTalker
from gmbench.methods.gmtalker.settings import Gmeg
from gmbench.methods.gmtalker.starting_points import begin_expressions
from tests.methods.test_gmtalker_jobs import dataset  # noqa: F401

KNOWN, NEW = ["angry", "neutral", "sad"], ["sad", "fear", ""]
AUDIO = {"extractor": "logmel", "pair": "mean"}


def _settings(**changes):
    return Gmeg(width=8, heads=2, layers=(1, 1, 1), z=3, w=2, window=(4, 4), **changes)


def _begun(tmp_path, settings, audio=None):
    torch.manual_seed(0)
    first = ExpressionGenerator(settings, 6, 5, len(KNOWN), 2)
    facts = {"settings": settings.model_dump(mode="json"), "emotions": KNOWN, "speakers": ["a", "b"], "audio": AUDIO}
    scale = {"mean": np.arange(6, dtype=np.float32), "deviation": np.ones(6, np.float32)}
    (tmp_path / "gmeg.safetensors").write_bytes(CHECKPOINTS.pack("gmeg", first, facts, scale))
    network = ExpressionGenerator(settings, 6, 5, len(NEW), 1)
    kept = begin_expressions(network, tmp_path / "gmeg.safetensors", NEW, audio or AUDIO)
    assert kept.mean.tolist() == list(range(6))
    return first, network


def test_components_go_by_name_and_what_was_not_learnt_begins_as_neutral(tmp_path):
    first, network = _begun(tmp_path, _settings())
    assert torch.equal(network.mapper.components, first.mapper.components[[2, 1, 1]])
    assert torch.equal(network.speaker.weight[0], first.speaker.weight.mean(0))
    audio = torch.randn(1, 4, 5)
    z, w = torch.randn(1, 3), torch.randn(1, 2)
    assert network.sample_z(torch.eye(3)[None, 0], w, z).shape == (1, 3)
    weights = torch.eye(3)[None, 0]
    spoken = network.decoder.generate(network.condition(z, torch.tensor([0]), weights), audio)
    assert spoken.shape == (1, 4, 6)


@pytest.mark.parametrize("changes", [{"mapper_tokens": "single"}, {"prior": "labelled"}])
def test_other_variants_go_by_name_too(tmp_path, changes):
    first, network = _begun(tmp_path, _settings(**changes))
    if network.label is not None:
        assert torch.equal(network.label.weight, first.label.weight[:, [2, 1, 1]])
    else:
        assert torch.equal(
            network.mapper.means.bias, torch.cat([first.mapper.means.bias.chunk(3)[k] for k in (2, 1, 1)])
        )


def test_other_sound_and_other_sizes_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="learnt with other audio features"):
        _begun(tmp_path, _settings(), {"extractor": "hubert", "pair": "mean"})
    other = ExpressionGenerator(_settings(align_halfwidth=3), 6, 5, 3, 1)
    with pytest.raises(WeightsError, match="a generator of other sizes"):
        begin_expressions(other, tmp_path / "gmeg.safetensors", NEW, AUDIO)


def _jobs(data, start):
    given = {"start": start, "nfmg": {"pretrain_people": 3}} if start else {}
    return {job.name: job for job in training_jobs(data, data, GMTalker().settings(given), 0)}


def test_a_start_of_drawn_people_is_a_job_that_does_not_know_the_person(dataset, tmp_path):  # noqa: F811
    (tmp_path / "model.json").write_text(json.dumps({"version": "synthetic"}))
    plain, begun = _jobs(dataset, None), _jobs(dataset, {"source": "drawn", "people": 2})
    assert set(begun) - set(plain) == {"start"}
    assert begun["gmeg"].needs == ("start",)
    assert plain["gmeg"].key != begun["gmeg"].key != _jobs(dataset, {"source": "drawn", "people": 3})["gmeg"].key
    assert plain["head-M1"].key == begun["head-M1"].key
    fewer = type(dataset)(**(vars(dataset) | {"rows": dataset.rows[:2]}))
    one = _jobs(fewer, {"source": "drawn", "people": 2})
    assert one["start"].key == begun["start"].key
    assert one["pretrained"].key == begun["pretrained"].key


def test_a_start_that_belongs_to_another_face_model_is_refused(dataset, tmp_path):  # noqa: F811
    (tmp_path / "model.json").write_text(json.dumps({"version": "v3"}))
    with pytest.raises(InputError, match="with log-mel features and the synthetic face model, and d has logmel and v3"):
        _jobs(dataset, {"source": "drawn"})


def test_a_preview_shows_frames_above_what_is_drawn_and_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(preview, "FIRST", 0.0)
    shown = preview.Preview(tmp_path / "p" / "head.jpg", 9)
    assert (shown.due, list(shown.chosen)) == (True, [0, 2, 5, 8])
    state = torch.get_rng_state()
    real = torch.ones(4, 3, 16, 16)
    shown.write(lambda condition, style: -condition[:, :3] + torch.rand(()) * 0, torch.ones(4, 4, 16, 16), real, real)
    picture = cv2.imread(str(tmp_path / "p" / "head.jpg"))
    assert picture.shape == (32, 64, 3)
    assert picture[:14].min() > 240
    assert picture[18:].max() < 15
    assert torch.equal(state, torch.get_rng_state())
    assert not shown.due
    assert not preview.Preview(None, 9).due
