"""Files of networks: what comes back, and what is refused with a remedy."""

import numpy as np
import pytest
import torch

from gmbench.errors import WeightsError
from gmbench.methods.checkpoint import CheckpointFormat

FORMAT = CheckpointFormat("echo", {"mouth": 2, "eyes": 1})


def _write(path, file_format=FORMAT, kind="mouth", width=3):
    network = torch.nn.Linear(width, 2)
    path.write_bytes(file_format.pack(kind, network, {"emotions": ["sad"]}, {"mean": np.arange(3.0)}))
    return network


def test_what_was_packed_comes_back(tmp_path):
    path, other = tmp_path / "mouth.safetensors", torch.nn.Linear(3, 2)
    network = _write(path)
    assert FORMAT.read_facts(path, "mouth") == {"kind": "mouth", "version": 2, "emotions": ["sad"]}
    assert FORMAT.load_weights(path, other)["mean"].tolist() == [0, 1, 2]
    assert torch.equal(other.weight, network.weight)
    assert not other.weight.requires_grad
    assert path.read_bytes() == FORMAT.pack("mouth", network, {"emotions": ["sad"]}, {"mean": np.arange(3.0)})


def test_refusals_name_file_and_system(tmp_path):
    path = tmp_path / "mouth.safetensors"
    with pytest.raises(WeightsError, match=r"mouth.safetensors: not trained yet; run 'gmbench train --method echo'"):
        FORMAT.read_facts(path, "mouth")
    path.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"not a checkpoint \(.*train echo again"):
        FORMAT.read_facts(path, "mouth")
    _write(path)
    with pytest.raises(WeightsError, match="expected eyes of version 1, got mouth of version 2; train echo again"):
        FORMAT.read_facts(path, "eyes")
    _write(path, CheckpointFormat("echo", {"mouth": 1}))
    with pytest.raises(WeightsError, match="expected mouth of version 2, got mouth of version 1"):
        FORMAT.read_facts(path, "mouth")
    _write(path, width=4)
    with pytest.raises(WeightsError, match=r"(?s)do not fit \(.*train echo again"):
        FORMAT.load_weights(path, torch.nn.Linear(3, 2))
    with pytest.raises(KeyError):
        FORMAT.pack("nose", torch.nn.Linear(1, 1), {})
