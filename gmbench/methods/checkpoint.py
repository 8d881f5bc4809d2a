"""Files of GMTalker's networks: weights, constants beside them, and facts that a loader must agree with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from gmbench.errors import WeightsError

CHECKPOINT_VERSION = 2
"""Of what the weights mean: version 1 of ``head`` upsampled before its convolutions."""
_CONSTANT = "constant."


def pack(
    kind: str, network: nn.Module, facts: Mapping[str, Any], constants: Mapping[str, NDArray[Any]] | None = None
) -> bytes:
    """The bytes of a file."""
    state = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
    for name, array in (constants or {}).items():
        state[_CONSTANT + name] = torch.from_numpy(np.ascontiguousarray(array))
    told = {"kind": kind, "version": CHECKPOINT_VERSION} | dict(facts)
    return save(state, metadata={"facts": json.dumps(told, sort_keys=True)})


def facts_of(path: Path, kind: str) -> dict[str, Any]:
    """Facts of a file; raises WeightsError for a missing one or another network's."""
    if not path.exists():
        raise WeightsError(f"{path}: not trained yet; run 'gmbench train --method gmtalker' or the stage train")
    try:
        with safe_open(path, framework="pt") as file:
            facts: dict[str, Any] = json.loads((file.metadata() or {})["facts"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(f"{path}: not a checkpoint ({error}); train again") from error
    if facts["kind"] != kind or facts["version"] != CHECKPOINT_VERSION:
        found = f"{facts['kind']} of version {facts['version']}"
        raise WeightsError(f"{path}: expected {kind} of version {CHECKPOINT_VERSION}, got {found}; train again")
    return facts


def unpack(path: Path, network: nn.Module) -> dict[str, NDArray[Any]]:
    """Load the weights in place; gives the constants. Raises WeightsError where they do not fit."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    constants = {
        name.removeprefix(_CONSTANT): tensors.pop(name).numpy() for name in list(tensors) if name.startswith(_CONSTANT)
    }
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsError(f"{path}: weights do not fit ({error}); train again") from error
    network.eval().requires_grad_(False)
    return constants
