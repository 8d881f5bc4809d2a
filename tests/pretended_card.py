"""A pretended accelerator: tensors that say that they lie on another device, and hold values on the CPU.

What would fail on a card fails here: a network that makes a constant on the CPU, a result that is not brought back.
What does not is computed as on the CPU, so that whole trainings and videos can be compared with its. The device is
called ``meta``, the one that torch needs no driver for.
"""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from gmbench.devices import using
from gmbench.nn import training

CARD = torch.device("meta")
_INDEXED = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")
"""Operations that take indices of the CPU on any device."""
_MOVING = ("aten::_to_copy", "aten::copy_")


class OnCard(torch.Tensor):
    """A tensor of the card; ``values_`` is the same on the CPU."""

    values_: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, values: Tensor) -> "OnCard":
        made = torch.Tensor._make_wrapper_subclass(
            cls, values.shape, strides=values.stride(), storage_offset=values.storage_offset(), dtype=values.dtype,
            device=CARD, requires_grad=values.requires_grad,
        )  # fmt: skip
        made.values_ = values
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})

    def tolist(self) -> Any:
        return self.values_.tolist()

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("can't convert a tensor of the pretended card to numpy; use .cpu() first")


class _Card(TorchDispatchMode):
    """Makes what is asked for on the card, or moved there, an :class:`OnCard`."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Literals(TorchFunctionMode):
    """``torch.tensor`` on the card, which torch makes without asking the other mode."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.tensor and kwargs.get("device") is not None:
            device = kwargs["device"]
            return torch.tensor(*args, **{k: v for k, v in kwargs.items() if k != "device"}).to(device)
        return func(*args, **kwargs)


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = func.name().partition(".")[0]
    tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, Tensor)]
    on_card = [x for x in tensors if isinstance(x, OnCard)]
    strangers = [x for x in tensors if not isinstance(x, OnCard) and x.dim()]
    if on_card and strangers and name not in (*_MOVING, *_INDEXED):
        raise RuntimeError(f"{name}: expected all tensors on one device, one of {tuple(strangers[0].shape)} is not")
    target = on_card != []
    if kwargs.get("device") is not None:
        target = torch.device(kwargs["device"]) == CARD
        kwargs = kwargs | {"device": torch.device("cpu")}
    given = {id(x.values_): x for x in on_card}
    found = func(*tree_map(_values, args), **tree_map(_values, kwargs))
    if name == "aten::copy_":
        return args[0]
    if not target:
        return found
    return tree_map(lambda x: given[id(x)] if id(x) in given else OnCard(x) if isinstance(x, Tensor) else x, found)


def _values(x: Any) -> Any:
    return x.values_ if isinstance(x, OnCard) else x


@contextlib.contextmanager
def card() -> Iterator[None]:
    """Inside, jobs have the card: networks are loaded onto it and trained there."""
    swapped = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    with pytest.MonkeyPatch.context() as patch:
        # Tensors that wrap others cannot be made in inference mode: gradients are off instead.
        patch.setattr(torch.inference_mode, "__enter__", _without_gradients)
        patch.setattr(torch.inference_mode, "__exit__", lambda self, *error: self.before.__exit__(*error))
        begin = torch.autocast.__init__
        patch.setattr(torch.autocast, "__init__", lambda self, kind, **how: begin(self, "cpu", **how))
        patch.setattr(training, "_accelerator", lambda: Accelerator(cpu=True))
        patch.setattr(Accelerator, "device", CARD)
        patch.setattr(sys.modules["torch.optim.adam"], "_device_dtype_check_for_fused", lambda *given: None)
        try:
            with _Card(), _Literals(), using(CARD.type):
                yield
        finally:
            torch.__future__.set_swap_module_params_on_conversion(swapped)


def _without_gradients(mode: Any) -> None:
    mode.before = torch.no_grad()
    mode.before.__enter__()
