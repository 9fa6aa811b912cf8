"""Represents modules of PyTorch in compiled functions: the layers of the library, and the base of users' classes.

A user's class keeps its own code, which runs on `Module` instead of `torch.nn.Module`. Parameters and buffers are constants. A
module that the function itself makes may change until it is called first. Its parameters have no values before their state is
loaded: they are tensors of PyTorch's device "meta".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from udf_compiler.frontends.models.tested_versions import refusal_of
from udf_compiler.frontends.torch.tensors import StackedTensor, TracedTensor, call_named, changed, constant_tensor
from udf_compiler.frontends.torch.values import library
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, absent_of

#: The attributes in which PyTorch stores the parts of a module.
PARTS = ("_parameters", "_buffers", "_modules")


class Module:
    """The stand-in of `torch.nn.Module`. Its parts are constant once it is captured or called.

    `_held`: the parts by the attribute that stores them; `_real`: the class of the original. `_open`: it may change.
    """

    _held: dict[str, dict[str, Any]]
    _real: type
    _open: bool = False
    training: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args or kwargs:
            refuse("SW252", call="torch.nn.Module", error="TypeError: __init__() takes 1 positional argument")
        vars(self).update(_held={part: {} for part in PARTS}, _real=library().nn.Module, _open=True)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for module in self.modules():
            vars(module)["_open"] = False
        return self.forward(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse("SW843", call=type(self).__name__, what="no method forward")

    def __getattr__(self, name: str) -> Any:
        held = vars(self).get("_held", {})
        for parts in held.values():
            if name in parts:
                return parts[name]
        if name == "training":
            refuse_training(type(self).__name__)
        if hasattr(library().nn.Module, name) or name in PARTS:
            refuse("SW843", call=f"{type(self).__name__}.{name}", what="no translation")
        raise absent_of(type(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not vars(self).get("_open"):
            refuse("SW217", function=type(self).__name__, name=f"{type(self).__name__}.{name}")
        for parts in self._held.values():
            parts.pop(name, None)
        if isinstance(value, Module):
            self._held["_modules"][name] = value
        elif isinstance(value, TracedTensor) and isinstance(value.data.sample, library().nn.Parameter):
            self._held["_parameters"][name] = value
        else:
            vars(self)[name] = value

    def __delattr__(self, name: str) -> None:
        refuse("SW217", function=type(self).__name__, name=f"{type(self).__name__}.{name}")

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        if not self._open or not persistent:
            refuse("SW843", call=f"{type(self).__name__}.register_buffer", what="a captured module, or persistent=False")
        self._held["_buffers"][name] = tensor

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        """Sets parameters and buffers by name. Refuses SW217 a captured module, SW252 where PyTorch raises."""
        call = f"{type(self).__name__}.load_state_dict"
        if not all(vars(module).get("_open") for module in self.modules()):
            refuse("SW217", function=call, name=type(self).__name__)
        own = {name: (parts, key) for name, parts, key in self._named("")}
        if not isinstance(state_dict, dict) or (strict and set(state_dict) != set(own)):
            refuse("SW252", call=call, error="RuntimeError: Error(s) in loading state_dict: missing or unexpected keys")
        for name, value in state_dict.items():
            if name not in own:
                continue
            parts, key = own[name]
            before = parts[key].data.sample
            after = value.data.sample if isinstance(value, TracedTensor) and value.data.rows is None else None
            if after is None or after.shape != before.shape or after.dtype != before.dtype:
                refuse("SW252", call=call, error="RuntimeError: Error(s) in loading state_dict: another shape or dtype")
            if isinstance(before, library().nn.Parameter):
                after = library().nn.Parameter(after.detach(), requires_grad=before.requires_grad)
            parts[key] = constant_tensor(after)

    def _named(self, prefix: str) -> Iterator[tuple[str, dict[str, Any], str]]:
        """Yields (the name in a state, the dict that holds it, its key) of all parameters and buffers."""
        for part in PARTS[:2]:
            held = self._held[part]
            yield from ((prefix + key, held, key) for key, value in held.items() if value is not None)
        for name, module in self._held["_modules"].items():
            if module is not None:
                yield from module._named(f"{prefix}{name}.")

    def eval(self) -> Any:
        for module in self.modules():
            vars(module)["training"] = False
        return self

    def train(self, mode: bool = True) -> Any:
        return refuse_training(type(self).__name__) if mode else self.eval()

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Implements ``to("cpu")``, and a dtype that the parameters have."""
        for given in (*args, *kwargs.values()):
            if isinstance(given, library().dtype):
                self._check_dtype(given)
            elif str(given) != "cpu" and not (type(given) is bool or given is None):
                refuse("SW843", call=f"{type(self).__name__}.to", what=f"the device {given}")
        return self

    def float(self) -> Any:
        return self._check_dtype(library().float32)

    def double(self) -> Any:
        return self._check_dtype(library().float64)

    def _check_dtype(self, dtype: Any) -> Any:
        for x in self.parameters():
            if x.data.sample.dtype.is_floating_point and x.data.sample.dtype != dtype:
                refuse("SW843", call=f"{type(self).__name__}.to", what=f"another dtype than that of its parameters, {dtype}")
        return self

    def cpu(self) -> Any:
        return self

    def children(self) -> Iterator[Any]:
        return iter([m for m in self._held["_modules"].values() if m is not None])

    def modules(self) -> Iterator[Any]:
        yield self
        for module in self.children():
            yield from module.modules()

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        """Yields the parameters, each once."""
        seen: set[int] = set()
        for module in self.modules() if recurse else (self,):
            for x in module._held["_parameters"].values():
                if x is not None and id(x) not in seen:
                    seen.add(id(x))
                    yield x


def refuse_training(name: str) -> NoReturn:
    refuse("SW843", call=name, what="the mode of training, which is a state: call eval() before")


def created(kind: type, real: type, held: dict[str, dict[str, Any]], attributes: dict[str, Any]) -> Any:
    """Fills a module without running its constructor."""
    made: Any = object.__new__(kind)
    vars(made).update(attributes, _held=held, _real=real)
    return made


class Sequential(Module):
    """The stand-in of `torch.nn.Sequential`."""

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        named = modules[0] if len(modules) == 1 and isinstance(modules[0], dict) else {str(at): m for at, m in enumerate(modules)}
        _hold(self, named)

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._held["_modules"].values()))

    def __len__(self) -> int:
        return len(self._held["_modules"])

    def __getitem__(self, key: Any) -> Any:
        parts = list(self._held["_modules"].values())
        if type(key) is slice:
            held: dict[str, dict[str, Any]] = {**self._held, "_modules": {str(at): m for at, m in enumerate(parts[key])}}
            return created(type(self), self._real, held, {k: v for k, v in vars(self).items() if k == "training"})
        return parts[key]


class ModuleList(Sequential):
    """The stand-in of `torch.nn.ModuleList`."""

    def __init__(self, modules: Any = ()) -> None:
        super().__init__(*modules)

    def append(self, module: Any) -> Any:
        if not self._open:
            refuse("SW217", function="ModuleList.append", name="a captured module")
        _hold(self, {str(len(self)): module})
        return self

    forward = Module.forward  # type: ignore[assignment]


class ModuleDict(Module):
    """The stand-in of `torch.nn.ModuleDict`."""

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        _hold(self, dict(modules or {}))

    def __getitem__(self, key: str) -> Any:
        return self._held["_modules"][key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._held["_modules"])

    def __len__(self) -> int:
        return len(self._held["_modules"])

    def __contains__(self, key: str) -> bool:
        return key in self._held["_modules"]

    def keys(self) -> Any:
        return self._held["_modules"].keys()

    def items(self) -> Any:
        return self._held["_modules"].items()

    def values(self) -> Any:
        return self._held["_modules"].values()


def _hold(container: Module, modules: dict[str, Any]) -> None:
    for name, module in modules.items():
        if not isinstance(module, Module):
            refuse("SW252", call=type(container).__name__, error="TypeError: not a Module subclass")
        container._held["_modules"][name] = module


class Layer(Module):
    """A layer of the library; `_run` computes its `forward`. `_settings`: its plain attributes."""

    _run: Callable[..., Any]
    _width: int | None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        [x] = args or [kwargs.get("input")]
        if type(x) is StackedTensor and self._width is not None:
            x = x.of_width(self._width, self._real.__name__)
        if not isinstance(x, TracedTensor):
            refuse("SW810", call=self._real.__name__, what="something other than a tensor")
        return self._run(self, x)


def _function(name: str, call: str, *args: Any, **kwargs: Any) -> Any:
    return call_named(name, args, kwargs, call)


def _activation(name: str, *settings: str) -> Callable[..., Any]:
    """Returns the forward of an activation with these attributes as arguments of its function."""

    def run(layer: Any, x: Any) -> Any:
        return _function(name, layer._real.__name__, x, **{k: vars(layer)[k] for k in settings})

    return run


def _linear(layer: Any, x: Any) -> Any:
    return _function("linear", "Linear", x, layer.weight, layer.bias)


def _dropout(layer: Any, x: Any) -> Any:
    return _function("dropout", layer._real.__name__, x, vars(layer)["p"], vars(layer).get("training", True))


def _batch_norm(layer: Any, x: Any) -> Any:
    if vars(layer).get("training", True) or layer.running_mean is None:
        refuse("SW843", call="BatchNorm1d", what="the statistics of the batch: call eval() before")
    given = (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    return _function("batch_norm", "BatchNorm1d", x, *given, False, 0.0, vars(layer)["eps"])


def _layer_norm(layer: Any, x: Any) -> Any:
    given = (vars(layer)["normalized_shape"], layer.weight, layer.bias, vars(layer)["eps"])
    return _function("layer_norm", "LayerNorm", x, *given)


def _embedding(layer: Any, x: Any) -> Any:
    return _function("embedding", "Embedding", x, layer.weight, vars(layer)["padding_idx"], vars(layer)["max_norm"])


def _embedding_bag(layer: Any, x: Any) -> Any:
    if vars(layer)["padding_idx"] is not None or vars(layer)["max_norm"] is not None:
        refuse("SW843", call="EmbeddingBag", what="padding_idx or max_norm")
    return _function("embedding_bag", "EmbeddingBag", x, layer.weight, mode=vars(layer)["mode"])


def _flatten(layer: Any, x: Any) -> Any:
    return _function("flatten", "Flatten", x, vars(layer)["start_dim"], vars(layer)["end_dim"])


def _prelu(layer: Any, x: Any) -> Any:
    return _function("prelu", "PReLU", x, layer.weight)


_MODULES = "torch.nn.modules"
#: Qualified name of a class -> (its forward, its attribute with the width of its input).
LAYERS: dict[str, tuple[Callable[..., Any], str]] = {
    f"{_MODULES}.linear.Linear": (_linear, "in_features"),
    f"{_MODULES}.linear.Identity": (lambda layer, x: x, ""),
    **{f"{_MODULES}.dropout.{name}": (_dropout, "") for name in ("Dropout", "AlphaDropout")},
    f"{_MODULES}.batchnorm.BatchNorm1d": (_batch_norm, "num_features"),
    f"{_MODULES}.normalization.LayerNorm": (_layer_norm, ""),
    f"{_MODULES}.sparse.Embedding": (_embedding, ""),
    f"{_MODULES}.sparse.EmbeddingBag": (_embedding_bag, ""),
    f"{_MODULES}.flatten.Flatten": (_flatten, ""),
    **{f"{_MODULES}.activation.{name}": (_activation(*given), "") for name, given in {
        "ReLU": ("relu",), "Sigmoid": ("sigmoid",), "Tanh": ("tanh",), "SiLU": ("silu",), "Mish": ("mish",),
        "LeakyReLU": ("leaky_relu", "negative_slope"), "ELU": ("elu", "alpha"), "SELU": ("selu",),
        "GELU": ("gelu", "approximate"),
        "Softplus": ("softplus", "beta", "threshold"), "Softsign": ("softsign",), "LogSigmoid": ("logsigmoid",),
        "Hardtanh": ("hardtanh", "min_val", "max_val"), "ReLU6": ("relu6",), "Hardsigmoid": ("hardsigmoid",),
        "Hardswish": ("hardswish",), "Softmax": ("softmax", "dim"), "LogSoftmax": ("log_softmax", "dim"),
    }.items()},
    f"{_MODULES}.activation.PReLU": (_prelu, ""),
}  # fmt: skip
#: Qualified name of a class that holds modules -> its stand-in.
CONTAINERS: dict[str, type[Module]] = {
    f"{_MODULES}.module.Module": Module,
    f"{_MODULES}.container.Sequential": Sequential,
    f"{_MODULES}.container.ModuleList": ModuleList,
    f"{_MODULES}.container.ModuleDict": ModuleDict,
}


def qualified(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def layer_of(original: Any, held: dict[str, dict[str, Any]]) -> Layer:
    """Returns the stand-in of a layer whose class `LAYERS` has."""
    run, width = LAYERS[qualified(type(original))]
    plain = {k: v for k, v in vars(original).items() if not k.startswith("_")}
    if "forward" in plain:
        refuse("SW801", estimator=f"{qualified(type(original))} with a forward of its own")
    inplace = bool(plain.pop("inplace", False)) and run is not _dropout
    attributes = {k: v for k, v in plain.items() if type(v) in (int, float, bool, str, tuple, type(None))}
    if original.training:  # code that reads this mode is refused
        attributes.pop("training", None)
    made: Layer = created(Layer, type(original), held, attributes)
    vars(made).update(_run=_in_place(run) if inplace else run, _width=vars(original).get(width))
    return made


def new_layer(kind: type, *args: Any, **kwargs: Any) -> Layer:
    """Returns a layer that the function makes: its parameters have no values."""
    if any(isinstance(x, StandIn) for x in (*args, *kwargs.values())):
        refuse("SW843", call=kind.__name__, what="arguments that are not constant")
    with library().device("meta"):
        real = run_prototype(kind.__name__, kind, *args, **kwargs)
    untested = refusal_of(kind, ("forward",))
    if untested is not None:
        refuse(untested.code, **untested.params)
    held = {part: {k: None if v is None else constant_tensor(v) for k, v in vars(real)[part].items()}
            for part in PARTS}  # fmt: skip
    made = layer_of(real, held)
    vars(made)["_open"] = True
    return made


def _in_place(run: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the forward of a layer that changes its argument."""
    return lambda layer, x: changed(x, lambda: run(layer, x), f"{layer._real.__name__} with inplace=True")
