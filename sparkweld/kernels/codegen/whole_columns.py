"""Emits the functions of `sparkweld.ir.wholes` as Python source for Numba: each reads whole columns and writes one.

Such a function takes the number of rows n, then the addresses of values and NULL bytes: of two arguments and of the result. Its
last argument is the address of scratch memory, with `SCRATCH` bytes for each row. Doubles are added in NumPy's order, by the
function that adds those of a list. Programs link these functions as they link those of strings, so each is optimised once.
"""

# Long: it has the source of each function.

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property

from numba.core import types

from sparkweld.ir.ops import Call
from sparkweld.ir.ops.lists import BUFFER
from sparkweld.ir.types import BOOL, F64, I64, Type
from sparkweld.ir.wholes import whole_type
from sparkweld.kernels.codegen import row_operations as make
from sparkweld.kernels.codegen.grouped_columns import grouped_body
from sparkweld.kernels.codegen.merging import larger, zero_of
from sparkweld.kernels.codegen.rolling_columns import rolling_body, weighted_mean_body
from sparkweld.kernels.functions.lists import reductions
from sparkweld.kernels.functions.strings.library import Function, call_of, linked
from sparkweld.kernels.functions.strings.memory_access import address_of, length_of, view
from sparkweld.kernels.llvm.llvm_passes import optimise
from sparkweld.kernels.llvm.numba_frontend import Operation, define, numba_type, value_type

#: n, two addresses for each of two arguments and of the result, and the scratch memory.
ARGUMENTS = (types.int64,) * 8

#: Bytes of scratch memory for each row: the present values or their row numbers, twice for sorting.
SCRATCH = 16

_PREFIX = "sparkweld.whole."
#: The functions that programs of this process have called, by their symbols.
_made: dict[str, WholeFunction] = {}

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

_SUM_OF_DOUBLES = """
    total = 0.0
    first = 0
    while first < count:
        size = count - first
        if size > {most}:
            size = {most}
        total = total + pairwise(view(data + 8 * first, size))
        first += size
"""

_PRODUCT = """
    row = 0
    total = zero() + 1
    while row < n:
        if valid0(v0, row):
            total = total * load0(a0, row)
        row += 1
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

_COLLECTED = """
    row = 0
    while row < n:
        store(out, row, view(a0, n))
        row += 1
    return 0
"""

_ELEMENTS = """
    data = 0
    count = 0
    if n > 0:
        data = address_of(load0(a0, 0))
        count = length_of(load0(a0, 0))
    row = 0
    while row < n:
        if row < count:
            store(out, row, load_element(data, row))
        else:
            store(out, row, nothing())
        store_null(nulls, row, row < count)
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

_RUNNING_EXTREME = """
    row = 0
    found = False
    best = zero()
    while row < n:
        valid = valid0(v0, row)
        if valid:
            x = load0(a0, row)
            if not found or larger({pair}):
                best = x
            found = True
        store(out, row, best)
        if nulls != 0:
            store_null(nulls, row, valid)
        row += 1
    return 0
"""

_TAKE = """
    row = 0
    while row < n:
        index = load_int(a1, row)
        if index >= n:
            index = n - 1
        if index < 0:
            index = 0
        store(out, row, load(a0, index))
        if nulls != 0:
            store_null(nulls, row, valid0(v0, index))
        row += 1
    return 0
"""

_FILL = """
    at = 0
    source = -1
    while at < n:
        row = {row}
        if valid0(v0, row):
            source = row
        store(out, row, load(a0, row if source < 0 else source))
        store_null(nulls, row, source >= 0)
        at += 1
    return 0
"""

# Sorts the numbers of the present rows by their values, by merges from the bottom up; equal values keep their order.
_ORDER = """
    row = 0
    count = 0
    while row < n:
        at = {start}
        if valid0(v0, at):
            store_int(scratch, count, at)
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
                    one = load0(a0, load_int(order, i))
                    two = load0(a0, load_int(order, j))
                    right = less({pair})
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

_ROWS_IN_ORDER = """
    row = 0
    while row < count:
        store(out, row, load_int(order, row))
        row += 1
    row = 0
    while row < n:
        at = {start}
        if not valid0(v0, at):
            store(out, count, at)
            count += 1
        row += 1
    return 0
"""

#: Makes the result of each row, which is NULL where the argument is, a zero of the result's type.
_CLEARED = """
    if nulls != 0:
        row = 0
        while row < n:
            store(out, row, {zero})
            store_null(nulls, row, valid0(v0, row))
            row += 1
"""

_SAME = """
    start = 0
    while start < count:
        first = load_int(order, start)
        end = start + 1
        while end < count and not less(load0(a0, first), load0(a0, load_int(order, end))):
            end += 1
        k = start
        while k < end:
            store(out, load_int(order, k), {value})
            k += 1
        start = end
    return 0
"""
_OF_SAME = {"first": "first", "last": "load_int(order, end - 1)", "count": "end - start"}

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
    if fn == "product":
        return _PRODUCT + _SPREAD
    if fn in ("min", "max"):
        return _EXTREME.format(pair="total, x" if fn == "min" else "x, total")
    if fn in ("running_min", "running_max"):
        return _RUNNING_EXTREME.format(pair="best, x" if fn == "running_min" else "x, best")
    if fn in ("fill_forward", "fill_backward"):
        return _FILL.format(row="at" if fn == "fill_forward" else "n - 1 - at")
    if fn.startswith("rolling_"):
        return rolling_body(fn.removeprefix("rolling_"))
    if fn.startswith("grouped_"):
        return grouped_body(fn.removeprefix("grouped_"))
    if fn.endswith("weighted_mean"):
        return weighted_mean_body(adjusted=fn.startswith("adjusted"))
    if fn in ("order", "descending_order"):
        start = "row" if len(args) == 1 else "load_int(a1, row)"
        pair = "two, one" if fn == "order" else "one, two"
        return _ORDER.format(start=start, pair=pair) + _ROWS_IN_ORDER.format(start=start)
    ascending = _ORDER.format(start="row", pair="two, one")
    if fn.startswith("same_"):
        return ascending + _CLEARED.format(zero=0) + _SAME.format(value=_OF_SAME[fn.removeprefix("same_")])
    if fn.startswith("rank_"):
        return ascending + _CLEARED.format(zero=0.0) + _RANK.format(rank=_RANKS[fn.removeprefix("rank_")])
    return {
        "position": _POSITION, "at": _AT, "collected": _COLLECTED, "elements": _ELEMENTS, "shift": _SHIFT,
        "running_sum": _RUNNING_SUM, "take": _TAKE,
        "sorted": ascending + _SORTED,
    }[fn]  # fmt: skip


@dataclass(frozen=True, eq=False)
class WholeFunction(Function):
    """A function of whole columns, with loops over as many rows as a group has: LLVM vectorises and unrolls them."""

    @property
    def symbol(self) -> str:
        return _PREFIX + self.name

    @cached_property
    def bitcode(self) -> bytes:
        module = linked(self)
        optimise(module, vectorise=True, unroll=True)
        return module.as_bitcode()


def used_functions(names: Iterable[str]) -> Iterator[WholeFunction]:
    """Returns the functions of whole columns among these names of a module."""
    return (_made[name] for name in names if name in _made)


@cache
def whole_function(fn: str, args: tuple[Type, ...]) -> WholeFunction:
    """Returns the function of whole columns of these types."""
    result = whole_type(fn, args)
    first = args[0].plain() if args else I64
    always = Operation("always", (types.int64, types.int64), types.boolean, lambda b, v, row: value_type(types.boolean)(1))
    namespace: dict[str, object] = {
        "load": make.load(first), "load0": make.load(first), "store0": make.store(first),
        "valid0": make.load_valid() if args and args[0].nullable else always,
        "store": make.store(result.plain()), "store_null": make.store_null(),
        "load_int": make.load(I64), "store_int": make.store(I64), "view": view, "nan": float("nan"),
        "pairwise": reductions.functions(F64)["sum_pairwise"],
    }  # fmt: skip
    if not first.is_list:
        namespace |= {"larger": larger(first), "zero": zero_of(first)}
    if fn == "elements":
        namespace |= {"load_element": make.load(result.plain()), "nothing": make.nothing(numba_type(result.plain()))}
        namespace |= {"address_of": address_of, "length_of": length_of}
    if fn.endswith(("order", "sorted")) or fn.startswith(("rank_", "same_")):
        namespace["less"] = make.operation_of(Call("less"), (first, first), BOOL)
    if fn.startswith(("rolling_", "grouped_")) or fn.endswith("weighted_mean"):
        namespace["divide"] = make.operation_of(Call("divide"), (F64, F64), F64)
        namespace["signbit"] = make.operation_of(Call("signbit"), (F64,), BOOL)
    name = " ".join([fn, *map(str, args)])
    build = call_of(_PREFIX + name, ARGUMENTS, types.int64)
    made = WholeFunction(name, ARGUMENTS, types.int64, build, python=define(_HEAD + _body(fn, args), "whole", namespace))
    return _made.setdefault(made.symbol, made)
