"""Networks that are asked for rows of a batch: at once on the CPU, in large batches elsewhere.

On the CPU a batch is what the caller gives, so that numbers do not depend on anything else. On another device rows of
many callers are gathered into batches of one fixed size, the last one filled up with zeros: cuDNN chooses its
algorithms by the size, and a row's numbers do not depend on what stands beside it. Copies to and from the device are
pinned and do not wait; a caller waits when it takes the result.
"""

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from gmbench.devices.choice import CPU, FLOAT32, TF32, in_precision, kind_of, memory
from gmbench.errors import DeviceError

_log = logging.getLogger(__name__)

Array = NDArray[Any]
_SHARE = 0.5
"""Share of the free memory that a batch of one network may take."""
_PROBE = 2


@dataclass(frozen=True)
class Network:
    """A network and what it is asked; picklable, so that another process can ask it.

    Attributes:
        function: of the network and a batch (n, ...) on its device, gives a tensor (n, ...); importable.
        load: gives the network, an ``nn.Module`` or a tuple of them; importable.
        arguments: of ``load``; hashable.
        precision: of its weights and inputs, ``float32`` or ``bfloat16``; ``tf32``: float32 with shortened products.
        batch: rows that other devices than the CPU take at once where their memory allows.
    """

    function: "Callable[[Any, Any], Any]"
    load: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    precision: str = FLOAT32
    batch: int = 64


class Answer(Protocol):
    """What a network was asked for."""

    def result(self) -> Array:
        """(n, ...) in the order of the rows; waits where it must."""
        ...


class Networks(Protocol):
    """Networks of one device.

    Attributes:
        device: where they are.
    """

    device: str

    def ask(self, network: Network, batch: Array) -> Answer:
        """Ask a network for rows (n, ...); raises what loading or running it raises, here or with the result."""
        ...


def networks_on(device: str) -> Networks:
    """The networks of a device in this process; each is loaded when it is first asked."""
    return ON_CPU if device == CPU else _gathering(device)


@functools.cache
def _gathering(device: str) -> "GatheringNetworks":
    return GatheringNetworks(device)


@dataclass(frozen=True)
class Given:
    """An answer that is there."""

    values: Array

    def result(self) -> Array:
        """The values."""
        return self.values


class CpuNetworks:
    """Networks of this process, each asked at once for the rows that a caller gives."""

    device = CPU

    def ask(self, network: Network, batch: Array) -> Answer:
        """The answer, computed now."""
        import torch

        with torch.inference_mode():
            given = torch.from_numpy(np.ascontiguousarray(batch))
            return Given(
                network.function(loaded(network.load, network.arguments, network.precision, CPU), given).numpy()
            )


ON_CPU = CpuNetworks()


@functools.cache
def loaded(load: Callable[..., Any], arguments: tuple[Any, ...], precision: str, device: str) -> Any:
    """A network (or a tuple of several) on a device, once per process."""
    import torch

    networks = load(*arguments)
    dtype = None if precision in (FLOAT32, TF32) else getattr(torch, precision)

    def placed(network: Any) -> Any:
        network = network if dtype is None else network.to(dtype)
        return network if device == CPU else network.to(torch.device(device))

    return tuple(map(placed, networks)) if isinstance(networks, tuple) else placed(networks)


class GatheringNetworks:
    """Networks of a device, asked for the rows of many callers at once; for one thread."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._gathered: dict[tuple[Network, tuple[int, ...], str], _Gathered] = {}

    def ask(self, network: Network, batch: Array) -> "GatheredAnswer":
        """The answer, which is computed when there is a batch, or when its result is asked for."""
        kind = network, batch.shape[1:], str(batch.dtype)
        if kind not in self._gathered:
            self._gathered[kind] = _Gathered(self.device, network)
        return self._gathered[kind].add(batch)


class GatheredAnswer:
    """Rows that wait for a batch, and those of them that were asked for."""

    def __init__(self, rows: Array, gathered: "_Gathered") -> None:
        self.rows, self._gathered = rows, gathered
        self.parts: list[_Copy] = []

    @property
    def asked(self) -> bool:
        """Whether the device has all rows."""
        return not len(self.rows)

    def finish(self) -> None:
        """Ask for the rows that wait, though they fill no batch."""
        while not self.asked:
            self._gathered.run()

    def result(self) -> Array:
        """(n, ...)."""
        self.finish()
        return np.concatenate([part.values() for part in self.parts])


class _Gathered:
    """The rows of one form that wait for one network."""

    def __init__(self, device: str, network: Network) -> None:
        self._device, self._network = device, network
        self._batch, self._halved = 0, False
        self._waiting: list[GatheredAnswer] = []

    def add(self, rows: Array) -> GatheredAnswer:
        """Rows that wait; full batches are run."""
        answer = GatheredAnswer(rows, self)
        if not self._batch:
            self._batch = _batch_size(self._device, self._network, rows[:1])
        if len(rows):
            self._waiting.append(answer)
        else:
            answer.parts.append(_Copy(self._compute(np.zeros((1, *rows.shape[1:]), rows.dtype))[:0]))
        while sum(len(each.rows) for each in self._waiting) >= self._batch:
            self.run()
        return answer

    def run(self) -> None:
        """Run the rows that have waited longest, at most a batch, filled up with zeros."""
        parts, left = [], self._batch
        for answer in self._waiting:
            part = answer.rows[:left]
            parts.append((answer, part))
            left -= len(part)
            if not left:
                break
        try:
            values = self._compute(_filled([part for _, part in parts], self._batch))
        except self._out_of_memory() as error:
            self._halve(error)
            return
        first = 0
        for answer, part in parts:
            answer.parts.append(_Copy(values[first : first + len(part)]))
            answer.rows = answer.rows[len(part) :]
            first += len(part)
        self._waiting = [answer for answer in self._waiting if not answer.asked]

    def _compute(self, rows: Any) -> Any:
        """The network's answer, on the device."""
        import torch

        network, device = self._network, torch.device(self._device)
        given = torch.from_numpy(rows) if isinstance(rows, np.ndarray) else rows
        with torch.inference_mode(), in_precision(self._device, network.precision):
            module = loaded(network.load, network.arguments, network.precision, self._device)
            return network.function(module, given.to(device, non_blocking=True))

    def _halve(self, error: BaseException) -> None:
        """Go on with half the batch, once."""
        name = self._network.function.__name__
        if self._halved or self._batch < 2:
            raise DeviceError(
                f"{self._device}: its memory does not hold {self._batch} rows of {name}; --device cpu goes without it, "
                "or end what else runs there"
            ) from error
        self._batch, self._halved = self._batch // 2, True
        _log.warning("%s: out of memory, going on with %d rows of %s at once", self._device, self._batch, name)
        _forget_cache(self._device)

    @staticmethod
    def _out_of_memory() -> type[BaseException]:
        import torch

        return cast(type[BaseException], torch.OutOfMemoryError)


class _Copy:
    """Values on their way from the device."""

    def __init__(self, values: Any) -> None:
        import torch

        self._event = None
        if values.device.type == "cuda":
            self._host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._host.copy_(values, non_blocking=True)
            self._event = torch.cuda.Event()
            self._event.record(torch.cuda.current_stream(values.device))
        else:
            self._host = values.cpu()

    def values(self) -> Array:
        """The values, when they are there."""
        if self._event is not None:
            self._event.synchronize()
        return np.array(self._host.numpy())


def _filled(parts: Sequence[Array], batch: int) -> Any:
    """A tensor (batch, ...) of the rows of several arrays and zeros, in pinned memory where there is such."""
    import torch

    kind = torch.from_numpy(parts[0][:0]).dtype
    rows = torch.empty((batch, *parts[0].shape[1:]), dtype=kind, pin_memory=torch.cuda.is_available())
    view, first = rows.numpy(), 0
    for part in parts:
        view[first : first + len(part)] = part
        first += len(part)
    view[first:] = 0
    return rows


def _batch_size(device: str, network: Network, row: Array) -> int:
    """The largest power of two, up to the network's batch, whose rows fit into a share of the free memory."""
    import torch

    free = memory(device)
    if free is None or not len(row):
        return network.batch
    module: Any = getattr(torch, kind_of(device))
    probe, rows = _Gathered(device, network), np.repeat(row, _PROBE, axis=0)
    probe._compute(rows)  # loads the network, whose weights do not count
    module.reset_peak_memory_stats(device)
    before = module.memory_allocated(device)
    probe._compute(rows)
    per_row = max(1, (module.max_memory_allocated(device) - before) // _PROBE)
    fitting = max(1, int(_SHARE * (memory(device) or free)[0] / per_row))
    return min(network.batch, 1 << (fitting.bit_length() - 1))


def _forget_cache(device: str) -> None:
    """Give memory that torch only keeps back to the device."""
    import torch

    if (module := getattr(torch, kind_of(device), None)) is not None and hasattr(module, "empty_cache"):
        module.empty_cache()
