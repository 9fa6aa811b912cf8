"""Defines the base of model ops, which compute several results of a row from many values and a constant block.

To add one, define a frozen dataclass here, or in a module of its family beside this one. It has `block`, `output`, its
parameters, `results`, `evaluate_all` and examples. Then add its kernel, see `sparkweld.kernels.functions.models`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.ops.base import Array, Op
from sparkweld.ir.types import F32, F64, I64, Type

#: Types of results.
_RESULTS = (F64, F32, I64)
#: Types of arguments; programs resolve NULL before the op.
_ARGUMENTS = ("f64", "f32", "i64", "bool", "str", "list<i32>", "list<f64>")


class ModelOp(Op):
    """Base of the ops of models. Subclasses are frozen dataclasses with these fields among their own.

    `block`: the learned parameters. `output`: which result this value is. Ops that differ only in `output` and have the same
    arguments are one call of the kernel's function. Parameters that determine the code are fields; numbers belong in the block,
    whose layout is part of the code and whose bytes are not.
    """

    block: ConstantBlock
    output: int

    def results(self, *args: Type) -> tuple[Type, ...]:
        """Returns the types of all results (f64, f32, i64; plain), for plain arguments of the types in `_ARGUMENTS`.

        Raises VerifyError when the op does not accept these arguments, or its block does not have the layout that they require.
        """
        raise NotImplementedError

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        """Defines the semantics: maps argument arrays of n rows to all results, n rows each, in the dtypes of `results`.

        Reads the block.
        """
        raise NotImplementedError

    def infer(self, *args: Type) -> Type:
        self._wants(all(not a.nullable and a.kind in _ARGUMENTS for a in args), f"plain {', '.join(_ARGUMENTS)}", args)
        results = self.results(*args)
        distinct = {id(r): r for r in results}.values()  # hundreds of results of one type are checked once
        self._wants(all(r in _RESULTS for r in distinct), "a result of f64, f32 or i64", results)
        self._wants(0 <= self.output < len(results), f"an output below {len(results)}, not {self.output}", args)
        return results[self.output]

    def evaluate(self, *args: Array) -> Array:
        return self.evaluate_all(*args)[self.output]  # type: ignore[arg-type]

    def at(self, output: int) -> ModelOp:
        """Returns the op for another result of the same model."""
        return replace(self, output=output)  # type: ignore[type-var]

    def _wants_part(self, name: str, kind: str, length: int, args: tuple[Type, ...]) -> None:
        """Raises VerifyError unless an array of the block has this element type and length."""
        part = self.block.part(name)
        self._wants((part.kind, part.length) == (kind, length), f"{length} {name} of {kind}, not {part}", args)

    def _floats(self, name: str) -> Type:
        """Returns the type of the floats in an array of the block."""
        return F32 if self.block.part(name).kind == "f32" else F64


_FEW_WEIGHTS = 1 << 14


def sum_products(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Computes ``x @ weights.T``, with each sum in order: a row's result depends on no other row, as it may with BLAS.

    Large models use BLAS nevertheless, since planning waits for a few rows of them.
    """
    if weights.size > _FEW_WEIGHTS:
        with np.errstate(all="ignore"):
            return x @ weights.T  # type: ignore[no-any-return]
    total = np.zeros((len(x), len(weights)), np.result_type(x, weights))
    with np.errstate(all="ignore"):
        for k in range(x.shape[1]):
            total += x[:, k, None] * weights[:, k]
    return total


#: Those with a number are followed by it: ``leaky_relu:0.01``.
_WITH_NUMBER = ("leaky_relu", "elu")
_ACTIVATIONS = ("identity", "relu", "tanh", "logistic", "silu", "gelu", "gelu_tanh", *_WITH_NUMBER)


def activation_of(text: str) -> tuple[str, float]:
    """Returns the name of an activation and its number, 0 for those without one."""
    name, _, number = text.partition(":")
    return name, float(number or 0)


@dataclass(frozen=True, slots=True)
class Mlp(ModelOp):
    """Dense layers, each ``activation(weights @ x + bias)``; the activation of the last one is `out_activation`.

    `layers`: sizes of the layers, from the number of arguments to the number of results. Activations: identity, relu, tanh,
    logistic, silu, gelu, gelu_tanh, ``leaky_relu:slope`` and ``elu:alpha``; of the last layer also softmax (over all results of
    a row). Block: `weights`, of each layer [result, argument], and `biases`, both f64 or both f32, which is also the type of
    arguments and results. `guarded`: the program guards the rows where rounding differences of a result would be visible.
    """

    layers: tuple[int, ...]
    activation: str
    out_activation: str
    guarded: bool
    block: ConstantBlock
    output: int = 0
    name: ClassVar[str] = "mlp"

    @staticmethod
    def of(
        weights: Sequence[np.ndarray],
        biases: Sequence[np.ndarray],
        activation: str = "identity",
        out_activation: str = "identity",
        guarded: bool = False,
    ) -> Mlp:
        """Builds the op from weight matrices [arguments, results] and biases, layer by layer, as scikit-learn stores them."""
        block = ConstantBlock.of(
            weights=np.concatenate([w.T.reshape(-1) for w in weights]), biases=np.concatenate([np.reshape(b, -1) for b in biases])
        )
        layers = (weights[0].shape[0], *(w.shape[1] for w in weights))
        return Mlp(layers, activation, out_activation, guarded, block)

    @property
    def type(self) -> Type:
        """Type of arguments and results."""
        return self._floats("weights")

    def results(self, *args: Type) -> tuple[Type, ...]:
        size = sum(a * b for a, b in itertools.pairwise(self.layers))
        self._wants(len(self.layers) > 1 and min(self.layers) > 0, "two or more layers", args)
        self._wants(_is_known(self.activation) and (self.out_activation == "softmax" or _is_known(self.out_activation)),
                    "known activations", args)  # fmt: skip
        kind = self.type.kind
        self._wants_part("weights", kind, size, args)
        self._wants_part("biases", kind, sum(self.layers[1:]), args)
        self._wants(args == (self.type,) * self.layers[0], f"{self.layers[0]} {kind}", args)
        return (self.type,) * self.layers[-1]

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        x = np.column_stack(args)
        weights, biases = self.block["weights"], self.block["biases"]
        names = [self.activation] * (len(self.layers) - 2) + [self.out_activation]
        for (before, after), name in zip(itertools.pairwise(self.layers), names, strict=True):
            x = _activated(sum_products(x, weights[: before * after].reshape(after, before)) + biases[:after], name)
            weights, biases = weights[before * after :], biases[after:]
        return list(x.T)

    @property
    def bound(self) -> str | None:
        """Bounds the reordering of a dense layer's sums, and the libm functions after it."""
        if self.guarded:
            return None
        return f"{max(self.layers[:-1])} eps of the sum of |weight * value| per layer"


def _is_known(activation: str) -> bool:
    name, _, number = activation.partition(":")
    return name in _ACTIVATIONS and bool(number) == (name in _WITH_NUMBER)


_erf = np.vectorize(math.erf, [np.float64])


def _activated(x: np.ndarray, text: str) -> np.ndarray:
    """Applies an activation as scikit-learn's `ACTIVATIONS` does, with `scipy.special.expit` for logistic; others as PyTorch."""
    name, alpha = activation_of(text)
    kind = x.dtype.type
    with np.errstate(all="ignore"):
        if name == "silu":
            return x / (1 + np.exp(-x))
        if name == "gelu":
            return kind(0.5) * x * (1 + _erf(x * kind(0.5**0.5)).astype(kind))
        if name == "gelu_tanh":
            return kind(0.5) * x * (1 + np.tanh(kind(math.sqrt(2 / math.pi)) * (x + kind(0.044715) * x**3)))
        if name == "leaky_relu":
            return np.where(x > 0, x, x * kind(alpha))
        if name == "elu":
            return np.where(x > 0, x, np.expm1(x) * kind(alpha))
        if name == "relu":
            return np.maximum(x, 0)  # NaN stays
        if name == "tanh":
            return np.tanh(x)
        if name == "logistic":
            return 1 / (1 + np.exp(-x))
        if name == "softmax":
            shifted = np.exp(x - x.max(axis=1, keepdims=True))
            return shifted / sum_products(shifted, np.ones((1, x.shape[1]), x.dtype))  # type: ignore[no-any-return]
    return x


@dataclass(frozen=True, slots=True)
class Distances(ModelOp):
    """Squared Euclidean distances of a row to `count` centres, one result a centre; f64 or f32 as the block.

    Block: `centres` [count, arguments]. A distance is the sum of squared differences, so it has no cancellation. `guarded`: the
    program guards the rows where rounding differences of a distance would be visible.
    """

    count: int
    guarded: bool
    block: ConstantBlock
    output: int = 0
    name: ClassVar[str] = "distances"

    @staticmethod
    def of(centres: np.ndarray, guarded: bool = False) -> Distances:
        """Builds the op for the rows of a matrix [count, arguments]."""
        return Distances(len(centres), guarded, ConstantBlock.of(centres=centres))

    @property
    def type(self) -> Type:
        """Type of arguments and results."""
        return self._floats("centres")

    def results(self, *args: Type) -> tuple[Type, ...]:
        part = self.block.part("centres")
        self._wants(part.kind == self.type.kind and self.count > 0 and part.length % self.count == 0, "centres of one size", args)
        self._wants(args == (self.type,) * (part.length // self.count), f"{part.length // self.count} {self.type}", args)
        return (self.type,) * self.count

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        x = np.column_stack(args)
        one = np.ones((1, x.shape[1]), x.dtype)
        with np.errstate(all="ignore"):
            return [sum_products((x - c) ** 2, one)[:, 0] for c in self.block["centres"].reshape(self.count, -1)]

    @property
    def bound(self) -> str | None:
        """Bounds the reordering of a sum of positive numbers."""
        if self.guarded:
            return None
        return f"{self.block.length('centres') // max(self.count, 1) + 2} eps of the distance"


def _example_mlp(layers: tuple[int, ...], activation: str, out: str, dtype: type = np.float64) -> tuple[Mlp, tuple[Type, ...]]:
    random = np.random.default_rng(sum(layers))
    pairs = list(itertools.pairwise(layers))
    op = Mlp.of(
        [random.normal(size=pair).astype(dtype) for pair in pairs], [random.normal(size=b).astype(dtype) for _, b in pairs],
        activation, out,
    )  # fmt: skip
    return op, (op.type,) * layers[0]


Mlp.examples = (
    _example_mlp((3, 1), "identity", "logistic"),
    _example_mlp((5, 9, 4), "relu", "softmax"),
    _example_mlp((2, 17, 3, 2), "tanh", "identity"),
    _example_mlp((4, 3, 3), "logistic", "softmax", np.float32),
    *(_example_mlp((3, 4, 2), name, name, dtype) for dtype in (np.float64, np.float32)
      for name in ("silu", "gelu", "gelu_tanh", "leaky_relu:0.25", "elu:0.5")),
    _example_mlp((3, 2), "identity", "relu"),
)
Distances.examples = (
    (Distances.of(np.array([[0.5, -1.0, 2.0], [3.0, 0.0, 0.25]])), (F64, F64, F64)),
    (replace(Distances.of(np.arange(10, dtype=np.float32).reshape(5, 2)), output=4), (F32, F32)),
)
