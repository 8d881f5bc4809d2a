"""Which device networks run on, and in which precision.

A device is ``cpu``, or a kind of accelerator that torch names (``cuda``, ``xpu``, ``mps``, ...), with a number where
one of several is meant: ``cuda:1``. A kind without a number stands for all of them: jobs are dealt out by their number.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmbench.errors import InputError
from gmbench.names import closest

AUTO, CPU = "auto", "cpu"
VARIABLE = "GMBENCH_DEVICE"
"""Environment variable that says what ``auto`` is."""
FLOAT32, TF32 = "float32", "tf32"
_KINDS = ("cpu", "cuda", "xpu", "mps", "hpu", "mtia")
_BY_ITSELF = ("cuda", "xpu")
"""Kinds that ``auto`` takes; ``mps`` has no float64 and is taken by name alone."""
_TRACES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg", "/dev/dri")
"""One of these files is there on Linux where an accelerator is; without, torch, which takes seconds, is not asked."""
_current: ContextVar[str] = ContextVar("device", default=CPU)


@dataclass(frozen=True)
class Card:
    """An accelerator: ``cuda:0``, its name, and its memory in GiB, NaN where torch does not know."""

    device: str
    name: str
    total: float
    free: float


def known(name: str, source: str = "device") -> str:
    """A device's name unchanged; raises InputError for one that cannot be any, with ``source`` in the message."""
    kind, colon, number = name.partition(":")
    if name != AUTO and (kind not in _KINDS or (colon and not number.isdigit()) or (kind == CPU and colon)):
        raise InputError(f"{source}: unknown device {name!r}; {closest(kind, (AUTO, *_KINDS))}, or for example cuda:1")
    return name


def choose(name: str = AUTO) -> str:
    """The device that a name stands for here.

    Args:
        name: ``auto`` is what ``GMBENCH_DEVICE`` says, else the accelerator that is there, else ``cpu``.

    Returns:
        ``cpu``, a kind of accelerator, or one of them with its number.

    Raises:
        InputError: an unknown name, or a device that is not here; the message says what to do.
    """
    source = "device"
    if known(name) == AUTO:
        source = VARIABLE
        name = known(os.environ.get(VARIABLE) or AUTO, VARIABLE)
    if name == AUTO:
        return _found()
    if name != CPU:
        _check_there(name, source)
    return name


def kind_of(device: str) -> str:
    """``cuda`` of ``cuda:1``."""
    return device.partition(":")[0]


def key(device: str, precision: str = FLOAT32) -> tuple[str, ...]:
    """What device and precision add to keys of what is kept: nothing for the CPU in float32.

    One kind of accelerator is one key: cards of a kind differ as processors of a kind do.
    """
    kind = kind_of(device)
    return (*(() if kind == CPU else (kind,)), *(() if precision == FLOAT32 else (precision,)))


def dealt(device: str, number: int) -> str:
    """The accelerator of a kind that the job of a number gets; a device with a number is that one.

    Of the processes that ``accelerate launch`` starts, each has its own.
    """
    if device == CPU or ":" in device:
        return device
    number = int(os.environ.get("LOCAL_RANK", number))
    return f"{device}:{number % max(1, count(device))}"


def count(kind: str) -> int:
    """How many accelerators of a kind are here."""
    import torch

    if kind == "mps":
        return int(torch.backends.mps.is_available())
    module: Any = getattr(torch, kind, None)
    try:
        return int(module.device_count()) if module is not None and module.is_available() else 0
    except (AssertionError, RuntimeError):  # a build without it
        return 0


def cards() -> list[Card]:
    """The accelerators that are here."""
    import torch

    found = []
    for kind in _KINDS[1:]:
        for number in range(count(kind)):
            module: Any = getattr(torch, kind)
            name = module.get_device_name(number) if hasattr(module, "get_device_name") else kind
            free, total = memory(f"{kind}:{number}") or (float("nan"),) * 2
            found.append(Card(f"{kind}:{number}", str(name), total / 2**30, free / 2**30))
    return found


def memory(device: str) -> tuple[int, int] | None:
    """Bytes of a device that are free, and all; None where torch does not know."""
    import torch

    module: Any = getattr(torch, kind_of(device), None)
    ask = getattr(module, "mem_get_info", None)
    return None if ask is None else ask(torch.device(device))


@contextlib.contextmanager
def using(device: str) -> Iterator[None]:
    """Let :func:`current` be a device; around one job, in this thread."""
    token = _current.set(device)
    try:
        if device != CPU:
            _activate(device)
        yield
    finally:
        _current.reset(token)


def current() -> str:
    """The device that networks of the job at hand belong on; ``cpu`` where nobody chose one."""
    return _current.get()


@contextlib.contextmanager
def in_precision(device: str, precision: str) -> Iterator[None]:
    """Products of float32 numbers as such, or with ``tf32`` shortened to 10 bits; torch's own default shortens some."""
    if kind_of(device) != "cuda":
        yield
        return
    import torch

    places = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [place.allow_tf32 for place in places]
    try:
        for place in places:
            place.allow_tf32 = precision == TF32
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.allow_tf32 = value


def _activate(device: str) -> None:
    """Make an accelerator the one that torch takes by default, with kernels that give the same bits again."""
    import torch

    if kind_of(device) == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when the first product is computed
    module: Any = getattr(torch, kind_of(device), None)
    if ":" in device and hasattr(module, "set_device"):
        module.set_device(torch.device(device))


def _found() -> str:
    """The accelerator that is here, else ``cpu``."""
    if sys.platform == "linux" and not any(Path(trace).exists() for trace in _TRACES):
        return CPU
    return next((kind for kind in _BY_ITSELF if count(kind)), CPU)


def _check_there(name: str, source: str) -> None:
    import torch

    kind, _, number = name.partition(":")
    here = count(kind)
    if not here:
        raise InputError(
            f"{source} {name}: torch {torch.__version__} sees no such device here; 'gmbench doctor' says what "
            "there is, --device cpu goes without"
        )
    if number and int(number) >= here:
        raise InputError(f"{source} {name}: there are {kind}:0 to {kind}:{here - 1}")
