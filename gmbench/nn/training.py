"""The training loop: steps with their own seeds, checkpoints, exact resume, moving averages, a clock, a log.

All randomness of a step comes from torch's global generator, seeded by (seed, step, process): a run that was stopped
and goes on from its checkpoint gives the same bits as one that was not. Devices and several GPUs are accelerate's.
"""

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gmbench.errors import WeightsError
from gmbench.store import write_atomically

Report = Callable[[int, int, Mapping[str, float]], None]
"""Called with step, steps, and the losses since the last call."""


@dataclass(frozen=True)
class Loop:
    """How long to train.

    Attributes:
        steps: updates.
        seed: of everything random.
        budget: seconds after which training stops early, which the report says; None for no limit.
        log_every: steps between lines of the log; losses are averaged over them.
        checkpoint_every: seconds between checkpoints.
    """

    steps: int
    seed: int = 0
    budget: float | None = None
    log_every: int = 20
    checkpoint_every: float = 60.0


@dataclass
class Trainee:
    """What is trained.

    Attributes:
        modules: by name; all are saved.
        optimised: optimisers by name.
        update: one update at a step, on the device; gives the losses by name.
        averaged: decay of the moving average of some modules.
    """

    modules: nn.ModuleDict
    optimised: dict[str, torch.optim.Optimizer]
    update: "Callable[[int, Step], dict[str, Tensor]]"
    averaged: dict[str, float] = field(default_factory=dict)


class Step:
    """What an update calls to go down a gradient."""

    def __init__(self, trainee: Trainee, accelerator: Any) -> None:
        self._trainee, self._accelerator = trainee, accelerator
        self.device: torch.device = accelerator.device

    def descend(self, loss: Tensor, optimiser: str, clip: float | None = None) -> None:
        """Back-propagate, clip the norm of the gradients where asked, and update one optimiser's parameters."""
        chosen = self._trainee.optimised[optimiser]
        chosen.zero_grad(set_to_none=True)
        self._accelerator.backward(loss)
        if self._accelerator.num_processes > 1:
            for parameter in (p for g in chosen.param_groups for p in g["params"] if p.grad is not None):
                parameter.grad = self._accelerator.reduce(parameter.grad, reduction="mean")
        if clip is not None:
            self._accelerator.clip_grad_norm_([p for g in chosen.param_groups for p in g["params"]], clip)
        chosen.step()


@dataclass
class TrainReport:
    """What a training was: ``log`` has a row a logged step with the mean losses since the one before."""

    steps: int
    seconds: float
    parameters: int
    stopped_early: bool
    log: list[dict[str, float]]

    def last(self) -> dict[str, float]:
        """The last row of the log."""
        return self.log[-1] if self.log else {}


def train(trainee: Trainee, loop: Loop, folder: Path | None = None, report: Report | None = None) -> TrainReport:
    """Train in place; averaged modules hold their averages at the end.

    Args:
        trainee: modules, optimisers, update.
        loop: how long.
        folder: where checkpoints and the log lie; a checkpoint of the same number of steps there is gone on from.
        report: progress.

    Raises:
        WeightsError: a checkpoint of other modules.
        FloatingPointError: a loss that is no number, with its name and step.
    """
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    trainee.modules.to(accelerator.device).train()
    names = list(trainee.optimised)
    prepared = accelerator.prepare(*(trainee.optimised[name] for name in names))
    trainee.optimised = dict(zip(names, prepared if len(names) > 1 else [prepared], strict=True))
    averages = {name: copy.deepcopy(trainee.modules[name]).requires_grad_(False) for name in trainee.averaged}
    state = _State(trainee, averages, folder, loop)
    step, seconds, log = state.restore()
    began = saved = time.monotonic()
    sums: dict[str, list[float]] = {}
    stopped = False
    live = _live(folder, step)
    while step < loop.steps and not stopped:
        torch.manual_seed((loop.seed * 1_000_003 + step) * 64 + accelerator.process_index)
        losses = trainee.update(step, Step(trainee, accelerator))
        step += 1
        for name, decay in trainee.averaged.items():
            _follow(averages[name], trainee.modules[name], min(decay, step / (step + 9)))  # the start counts little
        for name, value in losses.items():
            sums.setdefault(name, []).append(float(value.detach()))
        now = time.monotonic()
        stopped = loop.budget is not None and seconds + now - began >= loop.budget
        if step % loop.log_every == 0 or step == loop.steps or stopped:
            row = {"step": float(step)} | {name: sum(v) / len(v) for name, v in sums.items()}
            _check(row)
            log.append(row)
            live(row)
            sums = {}
            if report is not None:
                report(step, loop.steps, row)
        if folder is not None and step % loop.log_every == 0 and now - saved > loop.checkpoint_every:
            state.save(step, seconds + now - began, log)
            saved = now
    seconds += time.monotonic() - began
    for name, average in averages.items():
        trainee.modules[name].load_state_dict(average.state_dict())
    trainee.modules.eval().to("cpu")
    count = sum(p.numel() for p in trainee.modules.parameters() if p.requires_grad)
    return TrainReport(step, round(seconds, 1), count, stopped, log)


@torch.no_grad()
def _follow(average: nn.Module, module: nn.Module, decay: float) -> None:
    """Move a moving average on."""
    for kept, new in zip(average.parameters(), module.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)
    for kept, new in zip(average.buffers(), module.buffers(), strict=True):
        kept.copy_(new)


def _check(row: Mapping[str, float]) -> None:
    for name, value in row.items():
        if not math.isfinite(value):
            raise FloatingPointError(f"loss {name} is {value} at step {row['step']:.0f}; lower the learning rate")


class _State:
    """Reads and writes checkpoints."""

    def __init__(self, trainee: Trainee, averages: dict[str, nn.Module], folder: Path | None, loop: Loop) -> None:
        self._trainee, self._averages, self._loop = trainee, averages, loop
        self._path = folder / "checkpoint.pt" if folder else None

    def restore(self) -> tuple[int, float, list[dict[str, float]]]:
        if self._path is None or not self._path.exists():
            return 0, 0.0, []
        try:
            found = torch.load(self._path, weights_only=True)
            self._trainee.modules.load_state_dict(found["modules"])
            for name, state in found["optimised"].items():
                self._trainee.optimised[name].load_state_dict(state)
            for name, state in found["averages"].items():
                self._averages[name].load_state_dict(state)
        except (RuntimeError, KeyError, ValueError, EOFError) as error:
            raise WeightsError(f"{self._path}: a checkpoint of another training ({error}); delete it") from error
        return found["step"], found["seconds"], found["log"]

    def save(self, step: int, seconds: float, log: list[dict[str, float]]) -> None:
        import io

        if self._path is None:
            return
        buffer = io.BytesIO()
        content = {
            "modules": self._trainee.modules.state_dict(),
            "optimised": {name: o.state_dict() for name, o in self._trainee.optimised.items()},
            "averages": {name: m.state_dict() for name, m in self._averages.items()},
            "step": step, "seconds": seconds, "log": log,
        }  # fmt: skip
        torch.save(content, buffer)
        write_atomically(self._path, buffer.getvalue())


def _live(folder: Path | None, step: int) -> Callable[[Mapping[str, float]], None]:
    """dvclive's log below ``folder``, or nothing."""
    if folder is None:
        return lambda row: None
    from dvclive import Live

    log = Live(str(folder / "dvclive"), resume=step > 0, save_dvc_exp=False, dvcyaml=None, monitor_system=False)

    def write(row: Mapping[str, float]) -> None:
        log.step = int(row["step"])
        for name, value in row.items():
            if name != "step":
                log.log_metric(name, value)
        log.make_summary()

    return write
