"""Computes sums of kernels over support vectors, and nearest neighbours: one point per pass, over tiles of 64 rows."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from sparkweld.kernels.functions.models.library import INT, model_function, row_access, score_function
from sparkweld.kernels.functions.strings.memory_access import load_f64, store_f64, store_word, word
from sparkweld.kernels.llvm.floats import FLOATS
from sparkweld.kernels.llvm.numba_frontend import Operation

_F64 = types.float64
_load, _store = row_access(_F64)
_exp, _tanh = (Operation(name, (_F64,), _F64, FLOATS[name]) for name in ("exp", "tanh"))
_infinity = Operation("infinity", (), _F64, lambda b: ir.Constant(ir.DoubleType(), float("inf")))

#: Codes of the kernels of `KernelSums`.
KERNELS = {"rbf": 0, "poly": 1, "sigmoid": 2}
#: Bytes of scratch of `kernel_sums`: two columns of a tile.
KERNEL_SCRATCH = 2 * 64 * 8


def neighbours_scratch(nearest: int) -> int:
    """Returns the bytes of scratch: a column of distances, and each row's nearest distances with the indices of their points."""
    return 64 * 8 + 64 * (nearest + 1) * 16


@model_function(*(INT,) * 5)
def squared_distances(to: int, arguments: int, start: int, width: int, point: int) -> int:
    """Computes the squared distances of 64 rows from `start` on to a point, summed from the first column to the last."""
    row = 0
    while row < 64:
        _store(to, row, 0.0)
        row += 1
    k = 0
    while k < width:
        column = word(arguments, 8 * k) + 8 * start
        value = _load(point, k)
        row = 0
        while row < 64:
            difference = _load(column, row) - value
            _store(to, row, _load(to, row) + difference * difference)
            row += 1
        k += 1
    return 0


@model_function(*(INT,) * 5)
def inner_products(to: int, arguments: int, start: int, width: int, point: int) -> int:
    """Computes the inner products of 64 rows from `start` on with a point."""
    row = 0
    while row < 64:
        _store(to, row, 0.0)
        row += 1
    k = 0
    while k < width:
        column = word(arguments, 8 * k) + 8 * start
        value = _load(point, k)
        row = 0
        while row < 64:
            _store(to, row, _load(to, row) + _load(column, row) * value)
            row += 1
        k += 1
    return 0


@model_function(*(INT,) * 5)
def apply_kernel(to: int, spare: int, how: int, degree: int, numbers: int) -> int:
    """Converts 64 squared distances or inner products to values of the kernel."""
    gamma = _load(numbers, 0)
    coef0 = _load(numbers, 1)
    row = 0
    if how == 0:
        while row < 64:
            _store(to, row, _exp(-gamma * _load(to, row)))
            row += 1
        return 0
    while row < 64:
        _store(to, row, gamma * _load(to, row) + coef0)
        row += 1
    row = 0
    if how == 2:
        while row < 64:
            _store(to, row, _tanh(_load(to, row)))
            row += 1
        return 0
    while row < 64:
        _store(spare, row, _load(to, row))
        _store(to, row, 1.0)
        row += 1
    while degree > 0:
        if degree & 1 == 1:
            row = 0
            while row < 64:
                _store(to, row, _load(to, row) * _load(spare, row))
                row += 1
        row = 0
        while row < 64:
            _store(spare, row, _load(spare, row) * _load(spare, row))
            row += 1
        degree >>= 1
    return 0


@score_function
def kernel_sums(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
    """Computes `KernelSums`. Parameters: count, arguments, sums, kernel, degree, offsets of weights and numbers."""
    count = word(parameters, 0)
    width = word(parameters, 8)
    sums = word(parameters, 16)
    how = word(parameters, 24)
    weights = block + word(parameters, 40)
    numbers = block + word(parameters, 48)
    start = 0
    while start < rows:
        o = 0
        while o < sums:
            to = word(outputs, 8 * o)
            row = 0
            if to != 0:
                first = _load(numbers, 2 + o)
                to += 8 * start
                while row < 64:
                    _store(to, row, first)
                    row += 1
            o += 1
        i = 0
        while i < count:
            if how == 0:
                squared_distances(scratch, arguments, start, width, block + 8 * i * width)
            else:
                inner_products(scratch, arguments, start, width, block + 8 * i * width)
            apply_kernel(scratch, scratch + 512, how, word(parameters, 32), numbers)
            o = 0
            while o < sums:
                to = word(outputs, 8 * o)
                weight = _load(weights, o * count + i)
                row = 0
                if to != 0 and weight != 0.0:
                    to += 8 * start
                    while row < 64:
                        _store(to, row, _load(to, row) + weight * _load(scratch, row))
                        row += 1
                o += 1
            i += 1
        start += 64
    return 0


@model_function(*(INT,) * 4)
def insert_nearest(best: int, distances: int, size: int, point: int) -> int:
    """Inserts a point among the `size` nearest of each of 64 rows: `best` has a row's distances, then its points' indices."""
    row = 0
    while row < 64:
        own = best + 16 * size * row
        numbers = own + 8 * size
        distance = load_f64(distances, 8 * row)
        at = size - 1
        if distance < load_f64(own, 8 * at):
            while at > 0 and distance < load_f64(own, 8 * at - 8):
                store_f64(own, 8 * at, load_f64(own, 8 * at - 8))
                store_word(numbers, 8 * at, word(numbers, 8 * at - 8))
                at -= 1
            store_f64(own, 8 * at, distance)
            store_word(numbers, 8 * at, point)
        row += 1
    return 0


@score_function
def neighbours(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
    """Computes `Neighbours`. Parameters: nearest, count, arguments, columns of values, offset of the values."""
    nearest = word(parameters, 0)
    size = nearest + 1
    count = word(parameters, 8)
    width = word(parameters, 16)
    columns = word(parameters, 24)
    values = block + word(parameters, 32)
    best = scratch + 512
    start = 0
    while start < rows:
        row = 0
        while row < 64:
            own = best + 16 * size * row
            k = 0
            while k < size:
                store_f64(own, 8 * k, _infinity())
                store_word(own, 8 * (size + k), 0)
                k += 1
            row += 1
        i = 0
        while i < count:
            squared_distances(scratch, arguments, start, width, block + 8 * i * width)
            insert_nearest(best, scratch, size, i)
            i += 1
        k = 0
        while k < size:
            to = word(outputs, 8 * k)
            row = 0
            while to != 0 and row < 64:
                store_f64(to, 8 * (start + row), load_f64(best + 16 * size * row, 8 * k))
                row += 1
            k += 1
        rank = 0
        column = 0
        while rank < nearest:
            to = word(outputs, 8 * k)
            row = 0
            while to != 0 and row < 64:
                point = word(best + 16 * size * row, 8 * (size + rank))
                store_f64(to, 8 * (start + row), load_f64(values, 8 * (point * columns + column)))
                row += 1
            k += 1
            column += 1
            if column == columns:
                column = 0
                rank += 1
        start += 64
    return 0


FUNCTIONS = (squared_distances, inner_products, apply_kernel, kernel_sums, insert_nearest, neighbours)
