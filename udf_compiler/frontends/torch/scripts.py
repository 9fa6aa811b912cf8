"""Evaluates modules of TorchScript: the operators of their frozen graph, in order, by the functions of eager PyTorch."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from udf_compiler.frontends.torch.functions import FUNCTIONS
from udf_compiler.frontends.torch.modules import PARTS, Module, created, refuse_training
from udf_compiler.frontends.torch.tensors import TracedTensor, call_named, changed, constant_tensor
from udf_compiler.frontends.torch.values import library
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse

_CALL = "ScriptModule"
Arguments = tuple[Sequence[Any], dict[str, Any]]


class Script(Module):
    """The stand-in of a module of TorchScript that the function loads. `_script`: the module itself."""

    _script: Any

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if vars(self).get("training", True):
            refuse_training(_CALL)
        if kwargs:
            _refuse("arguments by name")
        graph = run_prototype(_CALL, _frozen, self._script)
        return _evaluated(graph, args)


def script_of(real: Any) -> Script:
    """Returns the stand-in of a loaded module."""
    attributes = {"_script": real, **({} if real.training else {"training": False})}
    made: Script = created(Script, type(real), {part: {} for part in PARTS}, attributes)
    return made


def _frozen(script: Any) -> Any:
    """Returns the graph of a module in the mode of evaluation, with its attributes as constants."""
    return library().jit.freeze(script.eval(), optimize_numerics=False).graph


def _refuse(what: str) -> NoReturn:
    refuse("SW843", call=_CALL, what=what)


def _evaluated(graph: Any, args: Sequence[Any]) -> Any:
    _, *inputs = graph.inputs()
    if len(inputs) != len(args):
        refuse("SW252", call=_CALL, error="RuntimeError: forward() takes another number of arguments")
    known = {value.debugName(): x for value, x in zip(inputs, args, strict=True)}
    results = _run(graph, known)
    return results[0] if len(results) == 1 else _refuse("several results")


def _run(block: Any, known: dict[str, Any]) -> list[Any]:
    """Evaluates the nodes of a graph or of a branch; returns its results."""
    for node in block.nodes():
        outputs = [value.debugName() for value in node.outputs()]
        if node.kind() == "prim::If":
            [condition] = [known[value.debugName()] for value in node.inputs()]
            if type(condition) is not bool:
                _refuse("a branch that depends on the rows")
            made = _run(list(node.blocks())[0 if condition else 1], known)
        elif len(outputs) != 1:
            _refuse(f"the operator {node.kind()}")
        else:
            made = [_value(node, known)]
        known.update(zip(outputs, made, strict=True))
    return [known[value.debugName()] for value in block.outputs()]


#: Operators of numbers that do not depend on the rows.
_OF_NUMBERS: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mul", "neg")},
    "__is__": operator.is_, "__isnot__": operator.is_not, "__not__": operator.not_,
}  # fmt: skip


def _value(node: Any, known: dict[str, Any]) -> Any:
    domain, _, name = node.kind().partition("::")
    if node.kind() == "prim::Constant":
        constant = node.output().toIValue()
        return constant_tensor(constant) if isinstance(constant, library().Tensor) else constant
    given = [known[value.debugName()] for value in node.inputs()]
    if node.kind() == "prim::ListConstruct":
        return given
    if domain == "aten" and name in _OF_NUMBERS and all(type(x) in (int, float, bool, type(None)) for x in given):
        return _OF_NUMBERS[name](*given)
    if domain == "aten" and name in ("dim", "size", "slice") and isinstance(given[0], TracedTensor):
        return _sliced(*given) if name == "slice" else getattr(given[0], name)(*given[1:])
    if node.kind() == "aten::to" and isinstance(given[0], TracedTensor):
        return _converted(*given)
    function = name if name.startswith("__") else name.removesuffix("_")
    if domain != "aten" or (function not in FUNCTIONS and function not in _ARGUMENTS):
        _refuse(f"the operator {node.kind()}")
    positional, named = _ARGUMENTS.get(function, _in_order)(given)
    if name == function:
        return _called(function, positional, named)
    return changed(given[0], lambda: _called(function, positional, named), _CALL)


#: Number of a dtype in TorchScript -> its name.
_DTYPES = {3: "int32", 4: "int64", 6: "float32", 7: "float64", 11: "bool"}


def _converted(x: TracedTensor, dtype: Any, *options: Any) -> Any:
    """Implements ``x.to(dtype)``, to which TorchScript passes the number of a dtype and three options."""
    if dtype not in _DTYPES or any(options):
        _refuse("the operator aten::to with other arguments than a dtype")
    return x.to(getattr(library(), _DTYPES[dtype]))


def _sliced(x: TracedTensor, dim: int, start: Any, end: Any, stride: int) -> Any:
    """Implements ``x[..., start:end:stride]`` along an axis; a slice of all rows is the tensor itself."""
    last = None if end is None or end >= 2**62 else end
    if dim == 0 and start in (0, None) and last is None and stride == 1:
        return x
    return x[(slice(None),) * dim + (slice(start, last, stride),)] if dim >= 0 else _refuse("a slice of an axis from the end")


def _called(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    return call_named(name, args, kwargs, f"aten::{name}")


def _in_order(given: Sequence[Any]) -> Arguments:
    return given, {}


def _with_defaults(*defaults: Any) -> Callable[[Sequence[Any]], Arguments]:
    """Returns the arguments of an operator before its last ones, which must have these values."""

    def checked(given: Sequence[Any]) -> Arguments:
        count = len(given) - len(defaults)
        if any(type(x) not in (int, float, type(None)) or x != d for x, d in zip(given[count:], defaults, strict=True)):
            _refuse("an operator with other options")
        return given[:count], {}

    return checked


#: Operator -> its arguments in the order of the eager function, where that differs.
_ARGUMENTS: dict[str, Callable[[Sequence[Any]], Arguments]] = {
    "add": _with_defaults(1),
    "sub": _with_defaults(1),
    "softmax": _with_defaults(None),
    "log_softmax": _with_defaults(None),
    "sum": _with_defaults(None),
    "mean": _with_defaults(None),
    "elu": _with_defaults(1, 1),
    "gelu": lambda given: (given[:1], {"approximate": given[1]}),
    "layer_norm": lambda given: (given[:5], {}),
    "batch_norm": lambda given: ((given[0], given[3], given[4], given[1], given[2], *given[5:8]), {}),
    "embedding": lambda given: ((given[1], given[0]), {}),
}
