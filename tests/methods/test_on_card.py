"""Whole systems on a pretended card: what trains and speaks on the CPU does so there, with the same numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from gmbench.methods.dicetalk.method import DiceTalk
from gmbench.methods.edtalk.method import EDTalk
from gmbench.methods.flowvqtalker.method import FlowVQTalker
from gmbench.methods.interface import EmotionSpec, GenRequest
from gmbench.morphable.model import BETA, MOTION
from tests.methods.dicetalk import made as dicetalk
from tests.methods.edtalk import conftest as edtalk
from tests.methods.flowvqtalker import made as flowvqtalker
from tests.pretended_card import CARD, card

SOUND = np.random.default_rng(0).normal(0, 2000, 13 * 640).astype(np.int16)
PICTURE = np.random.default_rng(1).integers(0, 255, (48, 48, 3)).astype(np.uint8)
REQUEST = GenRequest(
    "clip", SOUND, EmotionSpec({"happy": 1.0}), source_image=PICTURE,
    source_expression=np.zeros(BETA, np.float32), source_motion=np.zeros(MOTION, np.float32),
)  # fmt: skip
pytestmark = pytest.mark.slow
SYSTEMS = {
    "flowvqtalker": (FlowVQTalker, flowvqtalker.write_networks, "codebook"),
    "edtalk": (EDTalk, edtalk.write_networks, "backbone"),
    "dicetalk": (DiceTalk, dicetalk.write_networks, "vae"),
}


def _loaded(system, folder):
    loaded = SYSTEMS[system][0]()
    loaded.load(folder)
    return loaded


def _frames(method, **changes):
    return np.stack(list(method.generate(replace(REQUEST, **changes)).frames))


@pytest.fixture(scope="module", params=sorted(SYSTEMS))
def trained(request, tmp_path_factory):
    """A system's name, and folders that were trained on the CPU and on the card."""
    folders = [tmp_path_factory.mktemp(f"{request.param}-{device}") for device in ("cpu", "card")]
    write = SYSTEMS[request.param][1]
    write(folders[0])
    with card():
        write(folders[1])
    return request.param, *folders


def test_the_card_is_told_apart_from_the_cpu():
    network = torch.nn.Linear(2, 2)
    with card():
        network.to(CARD)
        with pytest.raises(RuntimeError, match="all tensors on one device"):
            network(torch.ones(1, 2))
        with pytest.raises(TypeError, match=r"use \.cpu\(\)"):
            network(torch.ones(1, 2).to(CARD)).detach().numpy()


def test_training_gives_the_same_network(trained):
    system, on_cpu, on_card = trained
    first, second = (load_file(folder / f"{SYSTEMS[system][2]}.safetensors") for folder in (on_cpu, on_card))
    assert first.keys() == second.keys()
    apart = np.concatenate([np.abs(second[name].astype(float) - first[name]).ravel() for name in first])
    assert np.quantile(apart, 0.9) < 1e-4  # a gradient of next to nothing moves Adam by a step to either side
    assert {path.name for path in on_cpu.iterdir()} == {path.name for path in on_card.iterdir()}


def test_generation_gives_the_same_frames(trained):
    system, folder, _ = trained
    methods = [_loaded(system, folder)]
    with card():
        methods.append(_loaded(system, folder))
        found = _everything(methods[1])
    for on_card, on_cpu in zip(found, _everything(methods[0]), strict=True):
        assert np.abs(on_card.astype(int) - on_cpu).max() <= 1


def _everything(method):
    """Frames of a label, of the sound's own emotion where a system hears one, and between two labels."""
    ends = EmotionSpec({"happy": 1.0}), EmotionSpec({"sad": 1.0})
    between = [next(iter(part.frames)) for part in method.interpolate(REQUEST, *ends, 2)]
    heard = [_frames(method, emotion=EmotionSpec())] if "audio" in method.card.emotion_sources else []
    return [_frames(method), np.stack(between), *heard]
