"""Emits the functions of `sparkweld.ir.wholes` as Python source for Numba: each reads whole columns and writes one.

Such a function takes the number of rows n, then the addresses of values and NULL bytes: of two arguments and of the result. Its
last argument is the address of scratch memory, with `SCRATCH` bytes for each row. Additions follow NumPy's order: eight
accumulators in runs of at most 128 values, and halves above (numpy/_core/src/umath/loops_utils.h.src).
"""

from __future__ import annotations

from numba.core import types

from sparkweld.ir.types import F64, I64, Type
from sparkweld.ir.wholes import BUFFER, whole_type
from sparkweld.kernels.codegen import row_operations as make
from sparkweld.kernels.codegen.driver import stack
from sparkweld.kernels.codegen.merging import larger, zero_of
from sparkweld.kernels.llvm.numba_frontend import Lowered, Operation, define, lower_plainly, value_type

#: n, two addresses for each of two arguments and of the result, and the scratch memory.
ARGUMENTS = (types.int64,) * 8

#: Bytes of scratch memory for each row: the present values or their row numbers, twice for sorting.
SCRATCH = 16

_HEAD = "def whole(n, a0, v0, a1, v1, out, nulls, scratch):"

#: Copies the present values of the first argument to the front of the scratch memory. `count`: their number.
_COMPACT = """
    row = 0
    count = 0
    while row < n:
        if valid0(v0, row):
            store0(scratch, count, load0(a0, row))
            count += 1
        row += 1
    data = scratch
"""
_WHOLE_COLUMN = """
    count = n
    data = a0
"""

_SPREAD = """
    row = 0
    while row < n:
        store(out, row, total)
        row += 1
    return 0
"""

_SUM_OF_INTEGERS = """
    row = 0
    total = zero()
    while row < count:
        total = total + load(data, row)
        row += 1
"""

# `nodes` is a stack of (first element, number of elements, progress, sum of the left half)
_SUM_OF_DOUBLES = """
    total = 0.0
    first = 0
    nodes = stack(4096)
    while first < count:
        size = count - first
        if size > {most}:
            size = {most}
        depth = 1
        store_int(nodes, 0, first)
        store_int(nodes, 1, size)
        store_int(nodes, 2, 0)
        value = 0.0
        while depth > 0:
            at = nodes + 32 * (depth - 1)
            start = load_int(at, 0)
            length = load_int(at, 1)
            half = (length >> 1) & -8
            progress = load_int(at, 2)
            if progress == 2:
                value = load_float(at, 3) + value
                depth -= 1
            elif progress == 1:
                store_float(at, 3, value)
                store_int(at, 2, 2)
                store_int(at, 4, start + half)
                store_int(at, 5, length - half)
                store_int(at, 6, 0)
                depth += 1
            elif length > 128:
                store_int(at, 2, 1)
                store_int(at, 4, start)
                store_int(at, 5, half)
                store_int(at, 6, 0)
                depth += 1
            else:
                i = start
                end = start + length
                value = -0.0
                if length >= 8:
                    r0 = load(data, i)
                    r1 = load(data, i + 1)
                    r2 = load(data, i + 2)
                    r3 = load(data, i + 3)
                    r4 = load(data, i + 4)
                    r5 = load(data, i + 5)
                    r6 = load(data, i + 6)
                    r7 = load(data, i + 7)
                    i += 8
                    while i + 8 <= end:
                        r0 = r0 + load(data, i)
                        r1 = r1 + load(data, i + 1)
                        r2 = r2 + load(data, i + 2)
                        r3 = r3 + load(data, i + 3)
                        r4 = r4 + load(data, i + 4)
                        r5 = r5 + load(data, i + 5)
                        r6 = r6 + load(data, i + 6)
                        r7 = r7 + load(data, i + 7)
                        i += 8
                    value = ((r0 + r1) + (r2 + r3)) + ((r4 + r5) + (r6 + r7))
                while i < end:
                    value = value + load(data, i)
                    i += 1
                depth -= 1
        total = total + value
        first += size
"""

_EXTREME = """
    row = 0
    found = False
    total = zero()
    while row < n:
        if valid0(v0, row):
            x = load0(a0, row)
            if not found or larger({pair}):
                total = x
                found = True
        row += 1
    row = 0
    while row < n:
        store(out, row, total)
        if nulls != 0:
            store_null(nulls, row, found)
        row += 1
    return 0
"""

_AT = """
    if n > 0:
        index = load_int(a1, 0)
        if index >= n:
            index = n - 1
        if index < 0:
            index = 0
        value = load(a0, index)
        valid = valid0(v0, index)
        row = 0
        while row < n:
            store(out, row, value)
            if nulls != 0:
                store_null(nulls, row, valid)
            row += 1
    return 0
"""

_POSITION = """
    row = 0
    while row < n:
        store(out, row, row)
        row += 1
    return 0
"""

_SHIFT = """
    row = 0
    count = load_int(a1, 0) if n > 0 else 0
    while row < n:
        source = row - count
        inside = source >= 0 and source < n
        if not inside:
            source = row
        store(out, row, load(a0, source))
        store_null(nulls, row, inside and valid0(v0, source))
        row += 1
    return 0
"""

_RUNNING_SUM = """
    row = 0
    found = False
    total = zero()
    while row < n:
        valid = valid0(v0, row)
        if valid:
            if found:
                total = total + load0(a0, row)
            else:
                total = load0(a0, row)
            found = True
        store(out, row, total)
        if nulls != 0:
            store_null(nulls, row, valid)
        row += 1
    return 0
"""

# Sorts the numbers of the present rows by their values, by merges from the bottom up; equal values keep their order.
_ORDER = """
    row = 0
    count = 0
    while row < n:
        if valid0(v0, row):
            store_int(scratch, count, row)
            count += 1
        row += 1
    order = scratch
    other = scratch + 8 * n
    width = 1
    while width < count:
        left = 0
        while left < count:
            middle = left + width
            if middle > count:
                middle = count
            end = left + 2 * width
            if end > count:
                end = count
            i = left
            j = middle
            k = left
            while k < end:
                right = i >= middle
                if i < middle and j < end:
                    right = load0(a0, load_int(order, j)) < load0(a0, load_int(order, i))
                if right:
                    store_int(other, k, load_int(order, j))
                    j += 1
                else:
                    store_int(other, k, load_int(order, i))
                    i += 1
                k += 1
            left = end
        swapped = order
        order = other
        other = swapped
        width = 2 * width
"""

_SORTED = """
    row = 0
    while row < count:
        store(out, row, load0(a0, load_int(order, row)))
        store_null(nulls, row, True)
        row += 1
    while row < n:
        store(out, row, zero())
        store_null(nulls, row, False)
        row += 1
    return 0
"""

_RANK = """
    if nulls != 0:
        row = 0
        while row < n:
            store(out, row, 0.0)
            store_null(nulls, row, valid0(v0, row))
            row += 1
    start = 0
    groups = 0
    while start < count:
        first = load0(a0, load_int(order, start))
        end = start + 1
        while end < count and load0(a0, load_int(order, end)) == first:
            end += 1
        groups += 1
        k = start
        while k < end:
            store(out, load_int(order, k), {rank})
            k += 1
        start = end
    return 0
"""
_RANKS = {
    "average": "(start + 1 + end) * 0.5", "min": "(start + 1) * 1.0", "max": "end * 1.0", "first": "(k + 1) * 1.0",
    "dense": "groups * 1.0",
}  # fmt: skip


def _body(fn: str, args: tuple[Type, ...]) -> str:
    if fn in ("sum", "buffered_sum"):
        data = _COMPACT if args[0].nullable else _WHOLE_COLUMN
        doubles = _SUM_OF_DOUBLES.format(most=BUFFER if fn == "buffered_sum" else 1 << 62)
        return data + (doubles if args[0].is_float else _SUM_OF_INTEGERS) + _SPREAD
    if fn in ("min", "max"):
        return _EXTREME.format(pair="total, x" if fn == "min" else "x, total")
    if fn.startswith("rank_"):
        return _ORDER + _RANK.format(rank=_RANKS[fn.removeprefix("rank_")])
    return {"position": _POSITION, "at": _AT, "shift": _SHIFT, "running_sum": _RUNNING_SUM, "sorted": _ORDER + _SORTED}[fn]


def lower_whole(fn: str, args: tuple[Type, ...], symbol: str) -> Lowered:
    """Lowers a function of whole columns of these types to LLVM."""
    result = whole_type(fn, args)
    first = args[0].plain() if args else I64
    always = Operation("always", (types.int64, types.int64), types.boolean, lambda b, v, row: value_type(types.boolean)(1))
    namespace: dict[str, object] = {
        "load": make.load(first), "load0": make.load(first), "store0": make.store(first),
        "valid0": make.load_valid() if args and args[0].nullable else always,
        "store": make.store(result.plain()), "store_null": make.store_null(),
        "load_int": make.load(I64), "store_int": make.store(I64), "load_float": make.load(F64), "store_float": make.store(F64),
        "larger": larger(first), "zero": zero_of(first), "stack": stack,
    }  # fmt: skip
    function = define(_HEAD + _body(fn, args), "whole", namespace)
    return Lowered(lower_plainly(function, ARGUMENTS, types.int64, symbol), symbol)
