"""Provides what compiled functions see of the modules torch, torch.nn and torch.nn.functional."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from functools import partial
from typing import Any

from udf_compiler.frontends.python.ndarrays import holds_none, leave_none
from udf_compiler.frontends.python.path_explorer import is_exploring
from udf_compiler.frontends.torch.conversions import Stacked, has_rows, tensor_of
from udf_compiler.frontends.torch.functions import NAMES
from udf_compiler.frontends.torch.modules import CONTAINERS, LAYERS, new_layer, qualified
from udf_compiler.frontends.torch.tensors import Function, StackedTensor, TracedTensor, constant_tensor
from udf_compiler.frontends.torch.values import is_constant, library
from udf_compiler.frontends.tracing.class_stand_ins import class_stand_in
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, module_stand_in

#: Functions that make constants.
_CONSTANTS = ("zeros", "ones", "full", "arange", "linspace", "eye")
#: Settings on which no result depends.
_WITHOUT_EFFECT = ("set_num_threads", "set_num_interop_threads")
#: Modes of gradients.
_MODES = ("no_grad", "inference_mode", "enable_grad")
#: Old names of constructors -> the dtype of their tensors.
_TYPED = {"Tensor": "float32", "FloatTensor": "float32", "DoubleTensor": "float64", "LongTensor": "int64", "IntTensor": "int32"}
_MODULES = ("torch", "torch.nn", "torch.nn.functional", "torch.special", "torch.cuda", "torch.nn.init", "torch.jit")


class Mode(StandIn):
    """A mode of gradients: a context, which PyTorch enters for the samples, or a decorator."""

    __slots__ = ("_mode", "stands_for")
    what = "mode of gradients"
    of_instances = frozenset({"prev", "mode"})

    def __init__(self, mode: Any) -> None:
        self._mode, self.stands_for = mode, type(mode)

    def __enter__(self) -> None:
        self._mode.__enter__()

    def __exit__(self, *fault: Any) -> None:
        self._mode.__exit__(*fault)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return within(type(self._mode), function)


def within(mode: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that runs in a mode of gradients."""

    def decorated(*args: Any, **kwargs: Any) -> Any:
        with mode():
            return function(*args, **kwargs)

    return decorated


def _mode(real: Any, *given: Any) -> Any:
    if len(given) == 1 and callable(given[0]):
        return within(real, given[0])
    if given:
        refuse("SW262", call=f"torch.{real.__name__}", what="an argument")
    return Mode(real())


def tensor(data: Any, dtype: Any, call: str, copies: bool = True) -> Any:
    """Returns a tensor of data of the rows or of constants."""
    if isinstance(data, TracedTensor | StackedTensor):
        if not copies and dtype is None:
            return data
        refuse("SW843", call=call, what="a tensor as data: use clone() or to()")
    if not has_rows(data):
        if is_exploring() and holds_none(data):
            leave_none()
        return constant_tensor(run_prototype(call, library().tensor, data, dtype=dtype))
    found = tensor_of(data, dtype, call, copies)
    return StackedTensor(found) if isinstance(found, Stacked) else TracedTensor(found)


def _tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    _check_device(device, "torch.tensor")
    if requires_grad:
        refuse("SW843", call="torch.tensor", what="requires_grad")
    return tensor(data, dtype, "torch.tensor")


def _as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Any:
    _check_device(device, "torch.as_tensor")
    return tensor(data, dtype, "torch.as_tensor", copies=False)


def _from_numpy(ndarray: Any) -> Any:
    if type(ndarray) in (list, tuple):
        refuse("SW252", call="torch.from_numpy", error="TypeError: expected np.ndarray")
    return tensor(ndarray, None, "torch.from_numpy", copies=False)


def _typed(name: str, *data: Any) -> Any:
    if len(data) != 1 or type(data[0]) is int:
        refuse("SW843", call=f"torch.{name}", what="sizes, whose numbers are not set")
    return tensor(data[0], getattr(library(), _TYPED[name]), f"torch.{name}")


def _check_device(device: Any, call: str) -> None:
    if device is not None and str(device) != "cpu":
        refuse("SW843", call=call, what=f"the device {device}")


def _device(*given: Any) -> Any:
    if [str(x) for x in given] != ["cpu"]:
        refuse("SW843", call="torch.device", what="another device than the CPU")
    return library().device("cpu")


def _constant(name: str, *args: Any, **kwargs: Any) -> Any:
    if any(isinstance(x, StandIn) for x in (*args, *kwargs.values())):
        refuse("SW843", call=f"torch.{name}", what="an argument that is not constant")
    made = run_prototype(f"torch.{name}", getattr(library(), name), *args, **kwargs)
    return constant_tensor(made)


def _nothing(*args: Any) -> None:
    """Does nothing: the number of threads changes no result of a kernel."""


def _is_available() -> bool:
    """Implements torch.cuda.is_available. Refuses (SW843) a PyTorch that may find a device in the workers."""
    version = library().version
    if version.cuda is not None or getattr(version, "hip", None) is not None:
        refuse("SW843", call="torch.cuda.is_available", what="a result that depends on the machine")
    return False


#: Name in torch -> what implements it, beside the functions of tensors.
_MAKERS: dict[str, Callable[..., Any]] = {
    "tensor": _tensor, "as_tensor": _as_tensor, "from_numpy": _from_numpy, "device": _device,
    **{name: partial(_constant, name) for name in _CONSTANTS},
    **dict.fromkeys(_WITHOUT_EFFECT, _nothing),
}  # fmt: skip


def _attribute(module: str, load: Any, name: str) -> Any:
    real = getattr(sys.modules[module], name, None)
    found = stand_in(real, load) if real is not None else None
    return refuse("SW263", name=f"{module}.{name}") if found is None else found


def stand_in(obj: Any, load: Any = None) -> Any:
    """Returns what compiled functions see of an object of PyTorch; None for other objects, and for unsupported ones.

    `load`: returns that of torch.load or torch.jit.load.
    """
    torch = library()
    if isinstance(obj, types.ModuleType):
        name = obj.__name__
        known = name in _MODULES and sys.modules[name] is obj
        return module_stand_in(obj, name, partial(_attribute, name, load)) if known else None
    if is_constant(obj):
        return obj if isinstance(obj, torch.dtype) or str(obj) == "cpu" else None
    if type(obj) in (torch.Tensor, torch.nn.Parameter):
        return _captured(torch, obj)
    if load is not None and any(obj is known for known in (torch.load, torch.jit.load)):
        return load(obj)
    return _callable(torch, obj)


def _captured(torch: Any, x: Any) -> Any:
    """Returns a captured tensor. Refuses (SW843) those of other devices and layouts."""
    if x.device.type != "cpu" or x.layout != torch.strided or x.is_quantized:
        refuse("SW843", call="a captured tensor", what=f"the device {x.device} or the layout {x.layout}")
    return constant_tensor(x)


def _parameter(data: Any, requires_grad: bool = True) -> Any:
    if not isinstance(data, TracedTensor) or data.data.rows is not None:
        refuse("SW843", call="torch.nn.Parameter", what="something other than a constant tensor")
    return constant_tensor(library().nn.Parameter(data.data.sample, requires_grad))


def _initialized(tensor: Any, *args: Any, **kwargs: Any) -> Any:
    """Implements functions of torch.nn.init for parameters whose state is loaded later."""
    if not isinstance(tensor, TracedTensor) or tensor.data.sample.device.type != "meta":
        refuse("SW843", call="torch.nn.init", what="a captured parameter")
    return tensor


def _callable(torch: Any, obj: Any) -> Any:
    if isinstance(obj, type) and issubclass(obj, torch.nn.Module):
        path = qualified(obj)
        return CONTAINERS.get(path) or (partial(new_layer, obj) if path in LAYERS else None)
    if obj is torch.nn.Parameter:
        return _parameter
    name = getattr(obj, "__name__", None)
    if getattr(torch.nn.init, str(name), None) is obj:
        return _initialized if str(name).endswith("_") else None
    if not callable(obj) or not isinstance(name, str):
        return None
    for mode in _MODES:
        if obj is getattr(torch, mode):
            return partial(_mode, obj)
    for known in _TYPED:
        if obj is getattr(torch, known, None):
            kind: Any = obj
            return class_stand_in(kind, f"torch.{known}", partial(_typed, known))
    if obj is torch.cuda.is_available:
        return _is_available
    for owner, label in ((torch, "torch"), (torch.nn.functional, "F"), (torch.special, "torch.special")):
        if getattr(owner, name, None) is obj:
            if owner is torch and name in _MAKERS:
                return _MAKERS[name]
            known = name if owner is not torch.special else f"special_{name}"
            if known in NAMES:
                return Function(obj, known, f"{label}.{name}")
    return None
