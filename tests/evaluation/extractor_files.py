"""Files of the published networks with random weights, in the layout of the real ones."""

import dataclasses

import torch
from torchvision.models import alexnet, inception_v3

from gmbench.extractors import affectnet, emotion_fan, inception, s3fd, syncnet
from gmbench.weights import manifest
from tests.extractors.test_official import ScriptedLips, ScriptedPose, ScriptedVideo, onnx_embedding
from tools.random_networks import randomised

HASHED = ("fid_inception", "alexnet", "inception_v3")


def write_all(folder):
    """Every official file but the large VGGs."""
    folder.mkdir(parents=True, exist_ok=True)
    networks = {
        "syncnet": syncnet.SyncNet(), "s3fd": s3fd.S3FD(), "emotion_fan_mead": emotion_fan.EmotionFan(),
        "emo_affectnet": affectnet.Backbone(), "emo_affectnet_lstm": affectnet.Temporal(),
        "fid_inception": inception.FidInception(), "alexnet": alexnet(weights=None),
        "inception_v3": inception_v3(weights=None, init_weights=False),
    }  # fmt: skip
    for name, network in networks.items():
        torch.save(randomised(network).state_dict(), folder / manifest()[name].file)
    torch.jit.script(ScriptedVideo()).save(str(folder / manifest()["i3d"].file))
    torch.jit.script(ScriptedPose()).save(str(folder / manifest()["tokenhpe"].file))
    torch.jit.script(ScriptedLips()).save(str(folder / manifest()["lip_reader"].file))
    onnx_embedding(folder / manifest()["arcface"].file)


def expect(monkeypatch):
    """Files whose names carry a hash of the genuine content: the check is told to expect ours."""
    known = dict(manifest())
    for name in HASHED:
        known[name] = dataclasses.replace(known[name], sha256_prefix=None)
    monkeypatch.setattr("gmbench.weights.declarations.packaged", lambda: known)
