"""Reading files of network weights without running what may be hidden in them."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gmbench.errors import WeightsError

_SCALAR = np.float64(0).__reduce__()[0]
_HARMLESS: list[Any] = [np.dtype, np.ndarray, _SCALAR, *(type(np.dtype(kind)) for kind in ("f4", "f8", "i8"))]
"""Besides tensors old checkpoints hold accuracies and epochs as NumPy scalars."""


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a ``.pth``, ``.pt`` or ``.tar`` checkpoint, new or old format.

    Only tensors, containers and NumPy scalars are unpickled. ``state_dict`` and ``params`` are looked into and
    ``module.`` dropped.

    Raises:
        WeightsError: not such a file, or it holds something else.
    """
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError) as error:
        first = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise WeightsError(f"{path}: not a file of weights that can be read safely ({first})") from error
    for holder in ("state_dict", "params"):
        if isinstance(content, Mapping) and isinstance(content.get(holder), Mapping):
            content = content[holder]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path}: holds no tensors by name")
    state = {str(name).removeprefix("module."): value for name, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise WeightsError(f"{path}: holds no tensors by name")
    return state


def fill(network: nn.Module, state: Mapping[str, Tensor], path: Path, optional: tuple[str, ...] = ()) -> nn.Module:
    """Put tensors into a network and set it to inference.

    Args:
        optional: beginnings of names that the file may have beyond the network's.

    Raises:
        WeightsError: a name is missing, unknown, or has another shape.
    """
    expected = network.state_dict()
    counters = {name for name in expected if name.endswith("num_batches_tracked")}  # absent in old files
    missing = [name for name in expected if name not in state and name not in counters]
    unknown = [name for name in state if name not in expected and not name.startswith(optional or ("\0",))]
    if missing or unknown:
        raise WeightsError(
            f"{path}: not the weights of {type(network).__name__}: {len(missing)} names missing"
            f"{_example(missing)}, {len(unknown)} unknown{_example(unknown)}"
        )
    for name in expected:
        if name in state and state[name].shape != expected[name].shape:
            raise WeightsError(
                f"{path}: {name} has shape {tuple(state[name].shape)}, expected {tuple(expected[name].shape)}"
            )
    network.load_state_dict({name: state.get(name, expected[name]) for name in expected})
    return network.eval().requires_grad_(False)


def as_input_of(network: nn.Module, x: Tensor) -> Tensor:
    """A tensor in the precision of a network's weights."""
    return x.to(next(network.parameters()).dtype)


def _example(names: list[str]) -> str:
    return f" (for example {names[0]})" if names else ""
