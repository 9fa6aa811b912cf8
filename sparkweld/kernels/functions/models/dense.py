"""Computes dense layers and distances: sums over many columns for a chunk of rows, vectorised over the rows.

A pass adds the products of eight columns to a column of sums, so each sum is loaded and stored once per eight columns. It covers
few enough rows for the columns to stay in the first-level cache.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir

from sparkweld.ir.ops import Mlp
from sparkweld.ir.ops.models import activation_of
from sparkweld.ir.types import F32, F64, Type
from sparkweld.kernels.functions.models import activations
from sparkweld.kernels.functions.models.library import INT, ModelFunction, fused, model_function, row_access
from sparkweld.kernels.functions.strings.memory_access import store_word, word
from sparkweld.kernels.llvm.floats import FLOATS
from sparkweld.kernels.llvm.numba_frontend import Operation, numba_type, value_type

_ROWS = 128


def mlp_parameters(op: Mlp) -> tuple[int, ...]:
    """Returns the parameters of the kernel.

    They are the number of layers, the two activations, the offset of the biases, and the largest layer. Then come the numbers
    of the activations as bits, and the layer sizes.
    """
    names = [activation_of(name) for name in (op.activation, op.out_activation)]
    codes, bits = [activations.ACTIVATIONS[name] for name, _ in names], [_bits(op.type, alpha) for _, alpha in names]
    return (len(op.layers) - 1, *codes, op.block.offset("biases"), max(op.layers), *bits, *op.layers)


def _bits(of: Type, value: float) -> int:
    """Returns the word whose first bytes are a float of that type."""
    return int.from_bytes(np.array(value, of.dtype).tobytes().ljust(8, b"\0"), "little", signed=True)


def mlp_scratch(op: Mlp) -> int:
    """Returns the bytes of scratch.

    They hold two tables of addresses and two buffers of values, each for the largest layer, and two columns of 64 rows for
    softmax.
    """
    size = op.type.dtype.itemsize
    return 2 * max(op.layers) * (8 + _ROWS * size) + 2 * 64 * size


def _larger(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    return b.select(b.fcmp_ordered(">", x, y), x, y)


def _functions(of: Type) -> tuple[ModelFunction, ...]:
    """Returns the functions for columns of a type: Mlp, Distances, and those that they call."""
    type, size = numba_type(of), of.dtype.itemsize
    load, store = row_access(type)
    add_product = fused(type)
    exp = Operation("exp", (type,), type, FLOATS["exp"])
    larger = Operation("larger", (type, type), type, _larger)
    zero = Operation("zero", (), type, lambda b: ir.Constant(value_type(type), 0.0))
    quotient = Operation("quotient", (type, type), type, lambda b, x, y: b.fdiv(x, y))

    @model_function(*(INT,) * 6, name=f"dense_{of}")
    def dense(to: int, columns: int, count: int, weights: int, bias: int, rows: int) -> int:
        """Sets column `to` to the bias plus the sum of `count` columns times weights; `columns` is a table of addresses."""
        rows = rows & -64
        start = load(bias, 0)
        row = 0
        while row < rows:
            store(to, row, start)
            row += 1
        k = 0
        while k + 8 <= count:
            at = 8 * k
            a0 = word(columns, at)
            a1 = word(columns, at + 8)
            a2 = word(columns, at + 16)
            a3 = word(columns, at + 24)
            a4 = word(columns, at + 32)
            a5 = word(columns, at + 40)
            a6 = word(columns, at + 48)
            a7 = word(columns, at + 56)
            w0 = load(weights, k)
            w1 = load(weights, k + 1)
            w2 = load(weights, k + 2)
            w3 = load(weights, k + 3)
            w4 = load(weights, k + 4)
            w5 = load(weights, k + 5)
            w6 = load(weights, k + 6)
            w7 = load(weights, k + 7)
            row = 0
            while row < rows:
                total = add_product(w1, load(a1, row), add_product(w0, load(a0, row), load(to, row)))
                total = add_product(w3, load(a3, row), add_product(w2, load(a2, row), total))
                total = add_product(w5, load(a5, row), add_product(w4, load(a4, row), total))
                store(to, row, add_product(w7, load(a7, row), add_product(w6, load(a6, row), total)))
                row += 1
            k += 8
        while k < count:
            a0 = word(columns, 8 * k)
            w0 = load(weights, k)
            row = 0
            while row < rows:
                store(to, row, add_product(w0, load(a0, row), load(to, row)))
                row += 1
            k += 1
        return 0

    # Long: its loop has the addresses of eight columns and their weights for two units in registers
    @model_function(*(INT,) * 6, name=f"dense_pair_{of}")
    def dense_pair(to: int, columns: int, count: int, weights: int, bias: int, rows: int) -> int:
        """Does the same for column `to` and the next one, with the next weights: each column is loaded once for both."""
        rows = rows & -64
        other = to + _ROWS * size
        start, second = load(bias, 0), load(bias, 1)
        row = 0
        while row < rows:
            store(to, row, start)
            store(other, row, second)
            row += 1
        k = 0
        while k + 8 <= count:
            at = 8 * k
            more = count + k
            a0 = word(columns, at)
            a1 = word(columns, at + 8)
            a2 = word(columns, at + 16)
            a3 = word(columns, at + 24)
            a4 = word(columns, at + 32)
            a5 = word(columns, at + 40)
            a6 = word(columns, at + 48)
            a7 = word(columns, at + 56)
            w0 = load(weights, k)
            v0 = load(weights, more)
            w1 = load(weights, k + 1)
            v1 = load(weights, more + 1)
            w2 = load(weights, k + 2)
            v2 = load(weights, more + 2)
            w3 = load(weights, k + 3)
            v3 = load(weights, more + 3)
            w4 = load(weights, k + 4)
            v4 = load(weights, more + 4)
            w5 = load(weights, k + 5)
            v5 = load(weights, more + 5)
            w6 = load(weights, k + 6)
            v6 = load(weights, more + 6)
            w7 = load(weights, k + 7)
            v7 = load(weights, more + 7)
            row = 0
            while row < rows:
                one, two = load(to, row), load(other, row)
                x = load(a0, row)
                one = add_product(w0, x, one)
                two = add_product(v0, x, two)
                x = load(a1, row)
                one = add_product(w1, x, one)
                two = add_product(v1, x, two)
                x = load(a2, row)
                one = add_product(w2, x, one)
                two = add_product(v2, x, two)
                x = load(a3, row)
                one = add_product(w3, x, one)
                two = add_product(v3, x, two)
                x = load(a4, row)
                one = add_product(w4, x, one)
                two = add_product(v4, x, two)
                x = load(a5, row)
                one = add_product(w5, x, one)
                two = add_product(v5, x, two)
                x = load(a6, row)
                one = add_product(w6, x, one)
                two = add_product(v6, x, two)
                x = load(a7, row)
                one = add_product(w7, x, one)
                two = add_product(v7, x, two)
                store(to, row, one)
                store(other, row, two)
                row += 1
            k += 8
        while k < count:
            a0 = word(columns, 8 * k)
            w0, v0 = load(weights, k), load(weights, count + k)
            row = 0
            while row < rows:
                x = load(a0, row)
                store(to, row, add_product(w0, x, load(to, row)))
                store(other, row, add_product(v0, x, load(other, row)))
                row += 1
            k += 1
        return 0

    def activation(name: str) -> ModelFunction:
        """Returns the function that applies an activation to 64 values; `parameter` is the address of its slope or alpha."""
        apply = Operation(name, (type, type), type, activations.LOWERED[name])

        @model_function(INT, INT, name=f"{name}_{of}")
        def of_values(to: int, parameter: int) -> int:
            alpha = load(parameter, 0)
            row = 0
            while row < 64:
                store(to, row, apply(load(to, row), alpha))
                row += 1
            return 0

        return of_values

    applied = [activation(name) for name in activations.LOWERED]
    relu, tanh, logistic, silu, gelu, gelu_tanh, leaky_relu, elu = applied

    @model_function(INT, INT, INT, name=f"activate_{of}")
    def activate(to: int, how: int, parameter: int) -> int:
        """Applies the activation with the number `how` in `ACTIVATIONS` to 64 values."""
        if how == 1:
            relu(to, parameter)
        elif how == 2:
            tanh(to, parameter)
        elif how == 3:
            logistic(to, parameter)
        elif how == 5:
            silu(to, parameter)
        elif how == 6:
            gelu(to, parameter)
        elif how == 7:
            gelu_tanh(to, parameter)
        elif how == 8:
            leaky_relu(to, parameter)
        elif how == 9:
            elu(to, parameter)
        return 0

    @model_function(*(INT,) * 4, name=f"softmax_{of}")
    def softmax(columns: int, count: int, offset: int, scratch: int) -> int:
        """Applies softmax to 64 rows of a table's columns: subtracts the maximum, exponentiates, and divides by the sum.

        For an unknown number of rows LLVM would keep a scalar remainder loop, with another version of exp.
        """
        largest = scratch
        total = scratch + 64 * size
        first = word(columns, 0) + offset
        row = 0
        while row < 64:
            value = load(first, row)
            store(largest, row, value)
            store(total, row, zero())
            row += 1
        k = 1
        while k < count:
            at = word(columns, 8 * k) + offset
            row = 0
            while row < 64:
                store(largest, row, larger(load(at, row), load(largest, row)))
                row += 1
            k += 1
        k = 0
        while k < count:
            at = word(columns, 8 * k) + offset
            row = 0
            while row < 64:
                value = exp(load(at, row) - load(largest, row))
                store(at, row, value)
                store(total, row, load(total, row) + value)
                row += 1
            k += 1
        k = 0
        while k < count:
            at = word(columns, 8 * k) + offset
            row = 0
            while row < 64:
                store(at, row, quotient(load(at, row), load(total, row)))
                row += 1
            k += 1
        return 0

    # Long: its loops share the addresses of all tables
    @model_function(*(INT,) * 6, name=f"mlp_{of}")
    def mlp(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
        """Computes `Mlp`."""
        layers = word(parameters, 0)
        most = word(parameters, 32)
        sizes = parameters + 56
        table = scratch
        other = table + 8 * most
        values = other + 8 * most
        spare = values + most * _ROWS * size
        columns = spare + most * _ROWS * size
        start = 0
        while start < rows:
            count = rows - start
            if count > 128:  # a literal: Numba types a global number other than int64
                count = 128
            k = 0
            while k < word(sizes, 0):
                store_word(table, 8 * k, word(arguments, 8 * k) + start * size)
                k += 1
            weights = block
            bias = block + word(parameters, 24)
            layer = 0
            while layer < layers:
                before = word(sizes, 8 * layer)
                after = word(sizes, 8 * layer + 8)
                how = word(parameters, 16 if layer + 1 == layers else 8)
                alpha = parameters + (48 if layer + 1 == layers else 40)
                unit = 0
                while unit < after:
                    to = values + unit * _ROWS * size
                    step = 2 if unit + 1 < after else 1
                    if step == 2:
                        dense_pair(to, table, before, weights, bias, count)
                    else:
                        dense(to, table, before, weights, bias, count)
                    weights += step * before * size
                    bias += step * size
                    unit += step
                unit = 0
                while unit < after:
                    to = values + unit * _ROWS * size
                    store_word(other, 8 * unit, to)
                    tile = 0
                    while how != 0 and tile < count:
                        activate(to + tile * size, how, alpha)
                        tile += 64
                    unit += 1
                tile = 0
                while how == 4 and tile < count:
                    softmax(other, after, tile * size, columns)
                    tile += 64
                table, other = other, table
                values, spare = spare, values
                layer += 1
            k = 0
            while k < word(sizes, 8 * layers):
                to = word(outputs, 8 * k)
                if to != 0:
                    place = to + start * size
                    of_unit = word(table, 8 * k)
                    row = 0
                    while row < count:
                        store(place, row, load(of_unit, row))
                        row += 1
                k += 1
            start += count
        return 0

    @model_function(*(INT,) * 6, name=f"distances_{of}")
    def distances(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
        """Computes `Distances`; the sums run from the first column to the last."""
        rows = rows & -64
        size_of_row = word(parameters, 8)
        centre = 0
        while centre < word(parameters, 0):
            to = word(outputs, 8 * centre)
            k = 0
            while to != 0 and k < size_of_row:
                column = word(arguments, 8 * k)
                value = load(block, centre * size_of_row + k)
                row = 0
                if k == 0:
                    while row < rows:
                        difference = load(column, row) - value
                        store(to, row, difference * difference)
                        row += 1
                else:
                    while row < rows:
                        difference = load(column, row) - value
                        store(to, row, add_product(difference, difference, load(to, row)))
                        row += 1
                k += 1
            centre += 1
        return 0

    return mlp, distances, dense, dense_pair, activate, softmax, *applied


_MADE = {of: _functions(of) for of in (F64, F32)}
mlp = {of: made[0] for of, made in _MADE.items()}
distances = {of: made[1] for of, made in _MADE.items()}
FUNCTIONS = tuple(function for made in _MADE.values() for function in made)
