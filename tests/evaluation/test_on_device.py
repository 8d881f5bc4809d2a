"""Evaluations on another device: networks are asked in batches for all clips, numbers and keys tell it.

There is no GPU here: the other device is the CPU asked as one, which finds what is fed wrongly. What is computed on
the CPU though its tensors lie on a GPU is found on pretended ones.
"""

import dataclasses
import functools

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torchvision.models import alexnet

from gmbench.devices import asking
from gmbench.devices.asking import GatheringNetworks
from gmbench.devices.serving import served
from gmbench.errors import InputError
from gmbench.evaluation import protocol as protocols
from gmbench.evaluation import run as runs
from gmbench.evaluation.extraction import group_extraction
from gmbench.evaluation.planning import inputs, plan
from gmbench.evaluation.run import evaluate
from gmbench.evaluation.scoring import registry
from gmbench.extractors import affectnet, emotion_fan, inception, landmarker, s3fd, syncnet, trunks
from gmbench.extractors.corpus import networks as corpus
from tests.evaluation.helpers import protocol

PUBLISHED = ["lpips_alex", "fid", "fid_eat", "sync_c", "emo_prob", "emo_neutral", "f_sim", "div", "psnr"]
CORPUS = ["lpips_alex", "fid", "sync_c", "emo_prob", "f_sim", "fvd", "psnr"]
CUDA = torch.device("cuda", 0)


class Pretended:
    """The CPU, asked as another device is."""

    device = "cuda"

    def __init__(self):
        self.ask = GatheringNetworks("cpu").ask


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(asking, "_batch_size", lambda device, network, row: min(network.batch, 4))
    monkeypatch.setattr(runs, "dealt", lambda device, number: device)
    monkeypatch.setattr(group_extraction, "dealt", lambda device, number: device)


def planned(heads, metrics, device="cpu", **changes):
    given = inputs.gather([f"near={heads / 'near'}"], reference=heads / "reference", labels=heads / "labels.csv")
    chosen = protocol(**changes).model_copy(update={"device": device})
    metrics = registry.select(metrics, has_reference=True)
    return plan.make_plan(given.methods, "heads", chosen, metrics, ["ground_truth"], given.references)


def compared(first, second):
    """Values of both evaluations side by side, by method, clip and metric."""
    names = ["method", "clip", "metric"]
    joined = first.set_index(names)[["value", "status", "flags"]].join(
        second.set_index(names)[["value", "status", "flags"]], rsuffix="_there"
    )
    assert (joined["status"] == joined["status_there"]).all()
    return joined


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metrics", "changes"),
    [(PUBLISHED, {"fid_frames": 2, "pose": "tokenhpe", "sync_crop": "landmarks"}), (CORPUS, {"extractors": "corpus"})],
)
def test_another_device_gives_the_numbers_of_the_cpu(
    heads, files, tmp_path, monkeypatch, small_batches, metrics, changes
):
    here = evaluate(planned(heads, metrics, **changes), tmp_path / "here")
    monkeypatch.setattr(group_extraction, "networks_on", functools.cache(lambda device: Pretended()))
    there = evaluate(planned(heads, metrics, "cuda", **changes), tmp_path / "there")
    found = compared(here, there)
    np.testing.assert_allclose(found["value_there"], found["value"], rtol=1e-3, atol=1e-4)
    said = found["flags_there"].str.contains("on_cuda")
    asked = ~found.index.get_level_values("metric").isin(["psnr"])
    assert said[asked & (found["status"] == "ok")].all()
    assert not said[~asked].any()


@pytest.mark.slow
def test_workers_ask_the_networks_of_one_process(heads, tmp_path, monkeypatch, small_batches):
    import contextlib

    @contextlib.contextmanager
    def pretended(device):
        with served("cpu") as address:
            yield dataclasses.replace(address, device="cuda")

    here = evaluate(planned(heads, CORPUS, extractors="corpus"), tmp_path / "here")
    monkeypatch.setattr(runs, "served", pretended)
    there = evaluate(planned(heads, CORPUS, "cuda", extractors="corpus"), tmp_path / "there", workers=2)
    found = compared(here, there)
    np.testing.assert_allclose(found["value_there"], found["value"], rtol=1e-3, atol=1e-4)


def test_keys_tell_the_device_where_a_network_is_behind_them(heads, files):
    def keys(device, **changes):
        made = planned(heads, ["psnr", "fid", "lpips_alex", "emo_prob", "f_sim", "m_lmd"], device, **changes)
        source = made.clips[0].generated
        clips = {f.name: made.keys.clip(f, source) for m in made.metrics for f in m.clips(made.protocol)}
        pairs = {f.name: made.keys.pair(f, source, source) for m in made.metrics for f in m.pairs(made.protocol)}
        return clips | pairs | {"landmarks": made.keys.landmarks(source)}

    cpu, first, second = keys("cpu"), keys("cuda:0"), keys("cuda:1")
    differing = {name for name in cpu if cpu[name] != first[name]}
    assert first == second
    assert differing == {"fid", "lpips_alex", "emotion"}  # not: pixels, files of landmarks, ArcFace's own library
    assert (
        keys("cuda:0", landmarks="corpus", pose="pnp")["landmarks"]
        != keys("cpu", landmarks="corpus", pose="pnp")["landmarks"]
    )


def test_the_cpu_keeps_its_keys():
    chosen = protocols.load("full")
    assert chosen.hash == chosen.model_copy(update={"device": "cuda:1"}).hash
    from gmbench.evaluation.extraction import corpus_extractors, official_extractors

    options = {
        "fid": "full 0", "fid_eat": "", "fvd": "", "sync": "landmarks", "emotion": "released", "affect": "",
        "identity": "", "pose": "", "lpips_alex": "",
    }  # fmt: skip
    assert {name: getattr(official_extractors, name)(chosen).options for name in options} == options
    assert official_extractors.sync(chosen.model_copy(update={"sync_crop": "s3fd"})).requires[0].options == ""
    assert corpus_extractors.fid(chosen).options == "full 0"
    assert corpus_extractors.lpips(chosen).options == corpus_extractors.sync(chosen).options == ""
    half = chosen.model_copy(update={"precision": "bfloat16"})
    assert official_extractors.sync(half).options == "landmarks bfloat16"
    assert official_extractors.emotion(half).options == "releasedbfloat16"
    assert official_extractors.fid(half).options == "full 0"


def test_shortened_products_need_a_gpu():
    with pytest.raises(InputError, match="tf32 is of GPUs"):
        protocols.load("full", precision="tf32")
    with pytest.raises(InputError, match="cuda"):
        protocols.load("full", device="cuda:99")


def _flat_lips():
    """Its parts are made by moving weights, which pretended tensors refuse; its forward is what counts here."""
    network = syncnet.FlatLips.__new__(syncnet.FlatLips)
    torch.nn.Module.__init__(network)
    network.layers, network.head = torch.nn.Sequential(torch.nn.Conv2d(15, 1024, 224)), torch.nn.Identity()
    return network


def _lpips():
    trunk = trunks.Trunk(alexnet().features, (1, 4, 7, 9, 11), (0.0,) * 3, (1.0,) * 3)
    return trunks.LpipsPairs(trunk, [torch.zeros(c) for c in (64, 192, 384, 256, 256)])


ROWS = {
    "fid": (inception.FidInception, inception.fid_rows, (2, 40, 48, 3), torch.uint8),
    "emotion": (emotion_fan.EmotionFan, emotion_fan.frame_rows, (2, 224, 224, 3), torch.uint8),
    "affect": (affectnet.Backbone, affectnet.frame_rows, (2, 224, 224, 3), torch.uint8),
    "s3fd": (s3fd.S3FD, s3fd.candidate_rows, (2, 128, 96, 3), torch.uint8),
    "lips": (_flat_lips, syncnet.lip_rows, (1, 7, 224, 224, 3), torch.uint8),
    "sounds": (syncnet.SyncNet, syncnet.sound_rows, (2, 1, 13, 20), torch.float32),
    "lpips": (_lpips, trunks.lpips_rows, (2, 2, 64, 48, 3), torch.uint8),
    "landmarker": (lambda: landmarker.Landmarker(5), landmarker.point_rows, (2, 96, 96, 3), torch.uint8),
    "corpus features": (lambda: corpus.FeatureNet(3), corpus.encoder_rows, (2, 64, 64, 3), torch.uint8),
    "corpus lpips": (lambda: corpus.FeatureNet(3), corpus.distance_rows, (2, 2, 64, 64, 3), torch.uint8),
    "corpus emotion": (lambda: corpus.EmotionNet(3), corpus.both_ways_rows, (2, 64, 64, 3), torch.uint8),
    "corpus identity": (lambda: corpus.Encoder(8), corpus.identity_rows, (2, 64, 64, 3), torch.uint8),
    "corpus lips": (corpus.SyncTowers, corpus.lip_rows, (2, 5, 40, 40), torch.uint8),
    "corpus sounds": (corpus.SyncTowers, corpus.sound_rows, (2, 1, 13, 20), torch.float32),
}


@pytest.mark.parametrize("name", ROWS)
def test_no_network_mixes_devices(name):
    build, function, shape, kind = ROWS[name]
    with FakeTensorMode(allow_non_fake_inputs=True):
        with torch.device(CUDA):
            network = build().eval().requires_grad_(False)
            given = torch.zeros(shape, dtype=kind)
        with torch.no_grad():
            found = function(network, given)
    assert found.device == CUDA
    assert len(found) == shape[0]
