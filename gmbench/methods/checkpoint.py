"""Files of trained networks: weights, constants beside them, and facts that a loader must agree with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from gmbench.errors import WeightsError

_CONSTANT = "constant."


@dataclass(frozen=True)
class CheckpointFormat:
    """The kinds of files that one system writes.

    Attributes:
        system: registered name of the method, for remedies in messages.
        versions: of what the weights of each kind mean; raised whenever old files would be read wrongly.
    """

    system: str
    versions: Mapping[str, int]

    def pack(
        self,
        kind: str,
        network: nn.Module,
        facts: Mapping[str, Any],
        constants: Mapping[str, NDArray[Any]] | None = None,
    ) -> bytes:
        """The bytes of a file.

        Args:
            kind: one of the format's.
            network: whose state is kept.
            facts: JSON values by name, such as sizes that are needed to build the network again.
            constants: arrays by name that are not weights.

        Raises:
            KeyError: the format has no such kind.
        """
        state = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
        for name, array in (constants or {}).items():
            state[_CONSTANT + name] = torch.from_numpy(np.ascontiguousarray(array))
        content = {"kind": kind, "version": self.versions[kind]} | dict(facts)
        return save(state, metadata={"facts": json.dumps(content, sort_keys=True)})

    def read_facts(self, path: Path, kind: str) -> dict[str, Any]:
        """Facts of a file; raises WeightsError where it is missing, or of another kind or version."""
        if not path.exists():
            raise WeightsError(
                f"{path}: not trained yet; run 'gmbench train --method {self.system}' or the stage train"
            )
        remedy = f"train {self.system} again"
        try:
            with safe_open(path, framework="pt") as file:
                facts: dict[str, Any] = json.loads((file.metadata() or {})["facts"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise WeightsError(f"{path}: not a checkpoint ({error}); {remedy}") from error
        expected = (kind, self.versions[kind])
        if (facts["kind"], facts["version"]) != expected:
            raise WeightsError(
                f"{path}: expected {kind} of version {expected[1]}, got {facts['kind']} of version"
                f" {facts['version']}; {remedy}"
            )
        return facts

    def read_state(self, path: Path) -> tuple[dict[str, Tensor], dict[str, NDArray[Any]]]:
        """Weights and constants of a file by their names."""
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        names = [name for name in tensors if name.startswith(_CONSTANT)]
        constants = {name.removeprefix(_CONSTANT): tensors.pop(name).numpy() for name in names}
        return tensors, constants

    def load_weights(self, path: Path, network: nn.Module) -> dict[str, NDArray[Any]]:
        """Load the weights in place, frozen and in evaluation mode; gives the constants.

        Raises:
            WeightsError: the weights do not fit the network.
        """
        tensors, constants = self.read_state(path)
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            raise WeightsError(f"{path}: weights do not fit ({error}); train {self.system} again") from error
        network.eval().requires_grad_(False)
        return constants
