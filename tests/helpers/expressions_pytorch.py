"""Draws modules of PyTorch of a few layers over four columns, and compares their results with PyTorch in a worker."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st
from pyspark.sql.types import DoubleType, FloatType, IntegerType, LongType

from tests.helpers.compiled import Compared, no_fault
from tests.helpers.models import compare

_ROWS, _WIDTH = 120, 4
_ODD = (np.inf, -np.inf, np.nan, 0.0, -0.0, 1e30, 1e-40, 0.5, 1.0)

Draw = Callable[[Any], Any]

#: Activations: name -> arguments to draw.
_ACTIVATIONS: dict[str, list[dict[str, Any]]] = {
    "ReLU": [{}, {"inplace": True}], "LeakyReLU": [{}, {"negative_slope": 0.3}], "ELU": [{}, {"alpha": 0.5}], "SELU": [{}],
    "GELU": [{}, {"approximate": "tanh"}], "SiLU": [{}], "Mish": [{}], "Sigmoid": [{}], "Tanh": [{}], "Softplus": [{}],
    "Softsign": [{}], "LogSigmoid": [{}], "Hardtanh": [{}, {"min_val": -2.0, "max_val": 0.5}], "ReLU6": [{}],
    "Hardsigmoid": [{}], "Hardswish": [{}], "Softmax": [{"dim": 1}, {"dim": -1}], "LogSoftmax": [{"dim": 1}], "Dropout": [{}],
    "Identity": [{}], "Flatten": [{}],
}  # fmt: skip
_KINDS = ("linear", "linear", "activation", "activation", "batch_norm", "layer_norm", "residual", "beside", "scale", "embedding")


def _numbers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.choice([*rng.normal(size=9), 0.5, -1.0, 0.25, 0.0], shape)  # type: ignore[no-any-return]


class _Drawn:
    """Draws the layers of a module. `wide`: its dtype."""

    def __init__(self, draw: Draw, wide: bool) -> None:
        self.torch: Any = importlib.import_module("torch")
        self.draw, self.dtype = draw, self.torch.float64 if wide else self.torch.float32
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def layers(self, width: int, most: int = 4) -> tuple[Any, int]:
        """Returns (a sequence of up to `most` layers, the number of its results)."""
        parts = []
        for _ in range(self.draw(st.integers(1, most))):
            part, width = self.layer(width)
            parts.append(part)
        return self.torch.nn.Sequential(*parts), width

    def layer(self, width: int) -> tuple[Any, int]:
        torch, nn, kind = self.torch, self.torch.nn, self.draw(st.sampled_from(_KINDS))
        if kind == "activation":
            name = self.draw(st.sampled_from(sorted(_ACTIVATIONS)))
            return getattr(nn, name)(**self.draw(st.sampled_from(_ACTIVATIONS[name]))), width
        if kind == "batch_norm":
            return self.filled(nn.BatchNorm1d(width, affine=self.draw(st.booleans()))), width
        if kind == "layer_norm":
            return self.filled(nn.LayerNorm(width, elementwise_affine=self.draw(st.booleans()))), width
        if kind == "residual":
            inner, made = self.layers(width, 2)
            return _module(lambda net, x: x + net.last(net.inner(x)), inner=inner, last=self.linear(made, width)[0]), width
        if kind == "beside":
            inner, made = self.layers(width, 2)
            return _module(lambda net, x: torch.cat([x, net.inner(x)], dim=1), inner=inner), width + made
        if kind == "scale":
            held = {name: nn.Parameter(self.tensor(width)) for name in ("scale", "shift")}
            return _module(lambda net, x: x * net.scale - net.shift, **held), width
        if kind == "embedding":
            table = self.filled(nn.Embedding(3, 2))
            return _module(lambda net, x: torch.cat([x, net.table((x[:, 0] > 0.25).long())], dim=1), table=table), width + 2
        return self.linear(width, self.draw(st.integers(1, 6)))

    def linear(self, width: int, made: int) -> tuple[Any, int]:
        return self.filled(self.torch.nn.Linear(width, made, bias=self.draw(st.booleans()))), made

    def filled(self, module: Any) -> Any:
        """Fills parameters and buffers with numbers, variances with positive ones."""
        with self.torch.no_grad():
            for name, x in [*module.named_parameters(), *module.named_buffers()]:
                if x.is_floating_point():
                    made = self.tensor(*x.shape)
                    x.copy_(made.abs() + 0.1 if name == "running_var" else made)
        return module

    def tensor(self, *shape: int) -> Any:
        return self.torch.tensor(_numbers(self.rng, *shape), dtype=self.dtype)


def _module(forward: Callable[[Any, Any], Any], **parts: Any) -> Any:
    """Returns a module of a class of its own, with these parts."""
    base = importlib.import_module("torch.nn").Module
    kind: Any = type("Own", (base,), {"forward": forward, "__module__": "__main__"})
    made = kind()
    for name, part in parts.items():
        setattr(made, name, part)
    return made


def _end(torch: Any, draw: Draw, width: int) -> tuple[str, Callable[[Any], Any], Any]:
    """Draws what a function returns of a module's results: (its name, the function, its type; None for that of the module)."""
    column = draw(st.integers(0, width - 1))
    ends = {
        "column": (lambda y: y[:, column], None),
        "sigmoid": (lambda y: torch.sigmoid(y)[:, column], None),
        "softmax": (lambda y: torch.softmax(y, dim=1)[:, column], None),
        "largest": (lambda y: y.max(dim=1).values, None),
        "mean": (lambda y: y.square().mean(dim=-1), None),  # the mean itself is 0 behind LayerNorm
        "argmax": (lambda y: y.argmax(dim=1), LongType()),
        "label": (lambda y: torch.max(y, 1)[1], LongType()),
        "above": (lambda y: (y[:, column] > 0.25).int(), IntegerType()),
        "likely": (lambda y: (torch.sigmoid(y[:, column]) >= 0.5).long(), LongType()),
        "round": (lambda y: y[:, column].round(), None),
    }
    name = draw(st.sampled_from(sorted(ends)))
    return name, *ends[name]


def compare_module(draw: Draw) -> tuple[str, Compared]:
    """Draws a module, and compares a column of its results, or its labels, over rows with odd values and ties."""
    torch = importlib.import_module("torch")
    wide = draw(st.integers(0, 3)) == 0
    drawn = _Drawn(draw, wide)
    net, width = drawn.layers(_WIDTH)
    net = net.to(drawn.dtype).eval()
    name, end, type = _end(torch, draw, width)
    dtype = drawn.dtype

    def function(d: pd.DataFrame) -> pd.Series:
        with torch.no_grad():
            return pd.Series(end(net(torch.tensor(d.to_numpy(), dtype=dtype))).numpy())

    table = _numbers(drawn.rng, _ROWS, _WIDTH).astype(np.float64)
    for row, value in enumerate(_ODD):
        table[row, drawn.rng.integers(0, _WIDTH)] = value
    batch = pa.RecordBatch.from_arrays([pa.array(column) for column in table.T], list("abcd"))
    # Relative to the largest number in a layer, and to the row's own: sums of another order, and functions that cancel.
    with torch.no_grad():
        usual = torch.tensor(table[len(_ODD) :], dtype=dtype)
        size = max(float(x.abs().max()) for x in _partial(net, usual)) ** (2 if name == "mean" else 1)
    eps = 1e-13 if wide else 1e-4
    near = {} if type or name == "round" else {"rtol": eps, "atol": eps * max(size, 1.0), "of_arguments": eps}
    source = f"{net} {name}"
    try:
        scored = compare(function, batch, type or (DoubleType() if wide else FloatType()), **near)
    except AssertionError as error:
        raise AssertionError(f"{source}: {error}") from None
    no_fault(scored.refused, message=source)
    return source, Compared(1, int(scored.rows > 0), int(scored.flagged > 0), int(scored.raised > 0), scored.refused)


def _partial(net: Any, x: Any) -> list[Any]:
    """Returns the argument and the results of each layer."""
    found = [x]
    for layer in net:
        found.append(layer(found[-1].clone()))
    return found
