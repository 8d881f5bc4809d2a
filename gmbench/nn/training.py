"""The training loop: steps with their own seeds, checkpoints, exact resume, moving averages, a clock, a log.

All randomness of a step comes from torch's global generator, seeded by (seed, step, process): a run that was stopped
and goes on from its checkpoint gives the same bits as one that was not. Device and precision are those of the job
(:mod:`gmbench.devices`). Of several processes, as of ``accelerate launch``, each draws a batch of its own; gradients
are averaged, and the first process decides when to stop and writes.
"""

import contextlib
import copy
import functools
import io
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from gmbench.devices import CPU, current
from gmbench.devices.choice import FLOAT32, in_precision
from gmbench.devices.processes import several_processes
from gmbench.errors import WeightsError
from gmbench.extras import extra
from gmbench.nn.memory import PeakMemory
from gmbench.store import write_atomically

ProgressCallback = Callable[[int, int, Mapping[str, float]], None]
"""Called with step, steps, and the mean losses since the last call."""
WARM_UP = 0.02
"""Share of the steps over which :func:`warm_up` raises the learning rate."""
DIVERGED = 1e12
"""Magnitude from which on a loss is of a network that no longer learns."""
_precision: ContextVar[str] = ContextVar("precision", default=FLOAT32)
Batch = TypeVar("Batch")

adam = functools.partial(torch.optim.Adam, fused=True)
"""Adam with one kernel for all parameters; called as ``adam(parameters, rate, betas)``."""


@dataclass(frozen=True)
class TrainConfig:
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
class TrainState:
    """What is trained.

    Attributes:
        modules: by name; all are saved.
        optimisers: by name.
        update: one update at a step, on the device; gives the losses by name.
        averaged: decay of the moving average of some modules.
        copies: names of modules that only keep weights of others; they do not count as parameters.
    """

    modules: nn.ModuleDict
    optimisers: dict[str, torch.optim.Optimizer]
    update: "Callable[[int, Updater], dict[str, Tensor]]"
    averaged: dict[str, float] = field(default_factory=dict)
    copies: tuple[str, ...] = ()


class Updater:
    """What an update calls to change parameters by a loss."""

    def __init__(self, state: TrainState, accelerator: Any, seed: int = 0) -> None:
        self._state, self._accelerator, self._seed = state, accelerator, seed
        self.device: torch.device = accelerator.device

    def seed(self, step: int) -> int:
        """Of everything random in a step of this process."""
        return (self._seed * 1_000_003 + step) * 64 + int(self._accelerator.process_index)

    def given(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Tensors of the CPU on the device; the copies do not wait where there is pinned memory."""
        if self.device.type == "cuda":
            return tuple(x.pin_memory().to(self.device, non_blocking=True) for x in tensors)
        return tuple(x.to(self.device) for x in tensors)

    @contextlib.contextmanager
    def exact(self) -> Iterator[None]:
        """Products in 32 bits inside, whatever the precision of the training."""
        with torch.autocast(self.device.type, enabled=False):
            yield

    def backward_and_step(self, loss: Tensor, optimiser: str, clip: float | None = None) -> None:
        """Back-propagate, clip the norm of the gradients where asked, and update one optimiser's parameters."""
        chosen = self._state.optimisers[optimiser]
        chosen.zero_grad(set_to_none=True)
        self._accelerator.backward(loss)
        if self._accelerator.num_processes > 1:
            self._average(p.grad for g in chosen.param_groups for p in g["params"] if p.grad is not None)
        if clip is not None:
            self._accelerator.clip_grad_norm_([p for g in chosen.param_groups for p in g["params"]], clip)
        chosen.step()

    def _average(self, gradients: Iterable[Tensor]) -> None:
        """Means over all processes, in place; one message for all of them."""
        found = list(gradients)
        joined = self._accelerator.reduce(torch.cat([x.flatten() for x in found]), reduction="mean")
        for x, mean in zip(found, joined.split([x.numel() for x in found]), strict=True):
            x.copy_(mean.view_as(x))


class Ahead(Generic[Batch]):
    """Batches of a training that are made while the device works: reading the next one does not wait for this one.

    On the CPU each is made when it is asked for, from torch's global generator. Elsewhere the next one is made in a
    thread, from a generator that is seeded as the global one will be in that step.

    Args:
        make: from a generator, None for torch's global one, to a batch.
    """

    def __init__(self, make: Callable[[torch.Generator | None], Batch]) -> None:
        self._make = make
        self._thread = ThreadPoolExecutor(1)
        self._next: tuple[int, Future[Batch]] | None = None

    def get(self, step: int, updater: Updater) -> Batch:
        """The batch of a step."""
        if updater.device.type == "cpu":
            return self._make(None)
        now = self._next[1] if self._next is not None and self._next[0] == step else self._begin(step, updater)
        self._next = step + 1, self._begin(step + 1, updater)
        return now.result()

    def _begin(self, step: int, updater: Updater) -> "Future[Batch]":
        return self._thread.submit(self._make, torch.Generator().manual_seed(updater.seed(step)))


@dataclass(frozen=True)
class TrainReport:
    """What a training was.

    Attributes:
        steps: updates that were made.
        seconds: over all attempts where it was resumed.
        parameters, frozen_parameters: numbers with and without gradients, copies left out.
        stopped_early: the budget was spent before the last step.
        log: mean losses by name since the row before, one row per logged step, which is ``step``.
        peak_memory: bytes that the GPU, or without one this process, held at most; None if unknown.
        device: where a network was trained that came with gmbench; empty of those trained here.
    """

    steps: int
    seconds: float
    parameters: int
    stopped_early: bool
    log: list[dict[str, float]]
    frozen_parameters: int = 0
    peak_memory: int | None = None
    device: str = ""


def warm_up(optimiser: torch.optim.Optimizer, rate: float, step: int, steps: int, decay: bool = False) -> None:
    """Set the learning rate of a step: linear up to ``rate`` over the first 2 % of the steps, then constant.

    With ``decay`` it falls from the first step on as half a cosine, and reaches zero after the last.
    """
    share = min(1.0, (step + 1) / max(1.0, WARM_UP * steps))
    if decay:
        share *= 0.5 * (1 + math.cos(math.pi * step / steps))
    for group in optimiser.param_groups:
        group["lr"] = rate * share


class Falling(Protocol):
    """How a learning rate rises and falls: over ``warm_up`` steps to ``rate``, then by a cosine to a share of it."""

    @property
    def steps(self) -> int:
        """Of the training."""

    @property
    def rate(self) -> float:
        """Highest."""

    @property
    def warm_up(self) -> int:
        """Steps until the highest."""

    @property
    def last_rate(self) -> float:
        """Of the last step, in shares of the highest."""


def falling_rate(optimiser: torch.optim.Optimizer, plan: Falling, step: int) -> None:
    """Set the learning rate of a step: linear up to the highest, then half a cosine down to the last."""
    risen = min(1.0, (step + 1) / max(1, plan.warm_up))
    past = max(0, step - plan.warm_up) / max(1, plan.steps - 1 - plan.warm_up)
    fallen = plan.last_rate + (1 - plan.last_rate) * 0.5 * (1 + math.cos(math.pi * min(1.0, past)))
    for group in optimiser.param_groups:
        group["lr"] = plan.rate * risen * fallen


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[Any, float]) -> Tensor:
    """Sum of losses by name, each times its weight."""
    return torch.stack([weights[name] * value for name, value in terms.items()]).sum()


def train(
    state: TrainState, config: TrainConfig, folder: Path | None = None, progress: ProgressCallback | None = None
) -> TrainReport:
    """Train in place; averaged modules hold their averages at the end.

    Args:
        state: modules, optimisers, update.
        config: how long.
        folder: where checkpoints and the log lie; a checkpoint of the same number of steps there is gone on from.
        progress: called after each logged step.

    Raises:
        WeightsError: a checkpoint of other modules.
        FloatingPointError: a loss that is no number or beyond :data:`DIVERGED`, with its name and step.
    """
    accelerator = _accelerator()
    memory = PeakMemory(accelerator.device)
    state.modules.to(accelerator.device).train()
    names = list(state.optimisers)
    prepared = accelerator.prepare(*(state.optimisers[name] for name in names))
    state.optimisers = dict(zip(names, prepared if len(names) > 1 else [prepared], strict=True))
    averages = {name: copy.deepcopy(state.modules[name]).requires_grad_(False) for name in state.averaged}
    checkpoint = _Checkpoint(state, averages, folder)
    step, seconds, rows = checkpoint.restore()
    accelerator.wait_for_everyone()  # before the first one writes another checkpoint
    first = bool(accelerator.is_main_process)
    log = _LossLog(rows, folder if first else None, step, progress if first else None)
    updater = Updater(state, accelerator, config.seed)
    began = saved = time.monotonic()
    stopped = False
    with in_precision(str(accelerator.device), _precision.get()):
        while step < config.steps and not stopped:
            torch.manual_seed(updater.seed(step))
            with accelerator.autocast():
                log.add(state.update(step, updater))
            step += 1
            for name, decay in state.averaged.items():
                _follow(averages[name], state.modules[name], min(decay, step / (step + 9)))  # the start counts little
            now = time.monotonic()
            spent = config.budget is not None and seconds + now - began >= config.budget
            stopped = _decided_by_the_first(accelerator, spent) if config.budget is not None else False
            if step % config.log_every == 0 or step == config.steps or stopped:
                log.write_row(step, config.steps, functools.partial(_mean_of_all, accelerator))
            due = step % config.log_every == 0 and now - saved > config.checkpoint_every
            if folder is not None and due and first:
                checkpoint.save(step, seconds + now - began, log.rows)
                saved = now
    seconds += time.monotonic() - began
    for name, average in averages.items():
        state.modules[name].load_state_dict(average.state_dict())
    state.modules.eval().to("cpu")
    trained, frozen = _count_parameters(state)
    return TrainReport(step, round(seconds, 1), trained, stopped, log.rows, frozen, memory.read())


@contextlib.contextmanager
def training_in(precision: str) -> Iterator[None]:
    """The precision of :func:`train` inside: ``float32``, ``tf32`` or ``bfloat16``; on the CPU always float32."""
    token = _precision.set(precision)
    try:
        yield
    finally:
        _precision.reset(token)


def _accelerator() -> Any:
    """accelerate's view of the job's device and precision, and of the other processes of the training."""
    with extra("train"):
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState

    on_cpu = current() == CPU
    mixed = "bf16" if _precision.get() == "bfloat16" and not on_cpu else "no"
    # An earlier network of this process may have had another precision, or another device.
    AcceleratorState._reset_state(reset_partial_state=not several_processes())
    return Accelerator(cpu=on_cpu, mixed_precision=mixed)


def _decided_by_the_first(accelerator: Any, stop: bool) -> bool:
    """The first process's word: clocks differ, and a process that went on alone would wait for ever."""
    if accelerator.num_processes == 1:
        return stop
    from accelerate.utils import broadcast

    return bool(broadcast(torch.tensor([int(stop)], device=accelerator.device)).item())


def _mean_of_all(accelerator: Any, values: Sequence[float]) -> list[float]:
    """Means over processes, so that all of them see a loss that is no number."""
    if accelerator.num_processes == 1:
        return list(values)
    given = torch.tensor(list(values), dtype=torch.float32, device=accelerator.device)
    return [float(value) for value in accelerator.reduce(given, reduction="mean").tolist()]


def _count_parameters(state: TrainState) -> tuple[int, int]:
    """Numbers in parameters with and without gradients."""
    modules = [module for name, module in state.modules.items() if name not in state.copies]
    parameters = {id(p): p for module in modules for p in module.parameters()}.values()  # shared ones count once
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    return trained, sum(p.numel() for p in parameters) - trained


@torch.no_grad()
def _follow(average: nn.Module, module: nn.Module, decay: float) -> None:
    """Move a moving average on."""
    for kept, new in zip(average.parameters(), module.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)
    for kept, new in zip(average.buffers(), module.buffers(), strict=True):
        kept.copy_(new)


class _LossLog:
    """Rows of mean losses: kept, written to dvclive's log below ``folder``, and passed to the callback."""

    def __init__(
        self, rows: list[dict[str, float]], folder: Path | None, step: int, progress: ProgressCallback | None
    ) -> None:
        self.rows, self._progress, self._live = rows, progress, _open_live(folder, step)
        self._values: dict[str, list[Tensor]] = {}

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Losses of one step; they stay on the device until a row is written, so that no step waits for them."""
        for name, value in losses.items():
            self._values.setdefault(name, []).append(value.detach().clone())

    def write_row(self, step: int, steps: int, over_processes: Callable[[Sequence[float]], list[float]]) -> None:
        """Means of the losses since the last row; raises FloatingPointError for one that diverged."""
        means = [sum(torch.stack(v).tolist()) / len(v) for v in self._values.values()]
        row = {"step": float(step)} | dict(zip(self._values, over_processes(means), strict=True))
        self._values = {}
        for name, value in row.items():
            if not abs(value) < DIVERGED:
                raise FloatingPointError(f"loss {name} is {value:g} at step {step}; lower the learning rate")
        self.rows.append(row)
        if self._live is not None:
            self._live.step = step
            for name, value in row.items():
                if name != "step":
                    self._live.log_metric(name, value)
            self._live.make_summary()
        if self._progress is not None:
            self._progress(step, steps, row)


def _open_live(folder: Path | None, step: int) -> Any:
    """dvclive's log below a folder, or None without one."""
    if folder is None:
        return None
    with extra("train"):
        from dvclive import Live

    return Live(str(folder / "dvclive"), resume=step > 0, save_dvc_exp=False, dvcyaml=None, monitor_system=False)


class _Checkpoint:
    """Reads and writes the checkpoint of an unfinished training."""

    def __init__(self, state: TrainState, averages: dict[str, nn.Module], folder: Path | None) -> None:
        self._state, self._averages = state, averages
        self._path = folder / "checkpoint.pt" if folder else None

    def restore(self) -> tuple[int, float, list[dict[str, float]]]:
        """Steps, seconds and log so far; zeros and an empty log where there is no checkpoint."""
        if self._path is None or not self._path.exists():
            return 0, 0.0, []
        try:
            content = torch.load(self._path, weights_only=True)
            self._state.modules.load_state_dict(content["modules"])
            for name, values in content["optimised"].items():
                self._state.optimisers[name].load_state_dict(values)
            for name, values in content["averages"].items():
                self._averages[name].load_state_dict(values)
        except (RuntimeError, KeyError, ValueError, EOFError) as error:
            raise WeightsError(f"{self._path}: a checkpoint of another training ({error}); delete it") from error
        return content["step"], content["seconds"], content["log"]

    def save(self, step: int, seconds: float, log: list[dict[str, float]]) -> None:
        """Replace the checkpoint."""
        if self._path is None:
            return
        buffer = io.BytesIO()
        content = {
            "modules": self._state.modules.state_dict(),
            "optimised": {name: o.state_dict() for name, o in self._state.optimisers.items()},
            "averages": {name: m.state_dict() for name, m in self._averages.items()},
            "step": step, "seconds": seconds, "log": log,
        }  # fmt: skip
        torch.save(content, buffer)
        write_atomically(self._path, buffer.getvalue())
