"""Runs one stage on one block: a kernel, a call on chunks in the form that its function requires, or a filter.

A block is a dictionary of columns: NumPy arrays, `Optional` where NULLs may occur, and Arrow arrays from inputs and calls. Object
arrays hold columns without an IR type. Functions receive read-only arrays, so that one that changes its input is detected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparkweld.annotations.split_types import Filtered, Merge
from sparkweld.errors import SparkWeldError
from sparkweld.ir import Program, Type, evaluate
from sparkweld.ir.arrow import ARROW_TYPES, array_of
from sparkweld.ir.arrow import column_of as column_of_array
from sparkweld.ir.ops import Optional
from sparkweld.kernels import ALIGNMENT, Kernel, ObjectCache, compile_program
from sparkweld.pipelines.capture import Argument, BlackBox, Keep
from sparkweld.pipelines.errors import BrokenPromise, Undecided
from sparkweld.pipelines.plan import Native, Stage

#: Columns of a block of rows, by name.
Block = dict[str, Any]

#: The string cache is disabled once this number of chunks had a larger share of new strings.
_DISTINCT, _IN_VAIN = 0.75, 4
#: It is disabled for calls faster than a cache lookup (seconds per string), timed on at least this number of new strings.
_LOOKED_UP, _TIMED = 60e-9, 256
#: The approximate limit on strings in a stage's cache, and the longest string that is cached.
_KEPT_TEXTS, _SHORT = 1 << 14, 64
#: The Python type of a list's elements, by IR kind.
_ELEMENTS: dict[str, type] = {"f64": float, "i64": int, "bool": bool, "str": str}


def ready(
    stage: Stage, streams: bool = False, evaluated: bool = False, arrow: bool = False
) -> Callable[[Block, int, Block], None]:
    """Returns the function that runs the stage on a block of n rows and adds the columns that it produces.

    Its last argument holds, by column, arrays of the block's rows in which kernels may write results. `streams`: all results of a
    kernel are written in place, past the caches. `evaluated`: programs are interpreted, for few rows that do not justify a
    kernel. `arrow`: strings are built in Arrow memory.
    """
    if isinstance(stage, Native):
        program = stage.program
        if stage.only_looks_for_nulls:
            return lambda block, rows, places: _hold_no_nulls(program, block)
        if evaluated:
            return lambda block, rows, places: _evaluate(program, block, rows)
        kernel = kernel_of(program, streams)  # once: a lookup takes as long as some thousand rows
        if not streams:
            return lambda block, rows, places: _run_kernel(kernel, block, rows, places, arrow)

        def streamed(block: Block, rows: int, places: Block) -> None:
            fits = all(places[column].ctypes.data % ALIGNMENT == 0 for column in program.outputs)
            _run_kernel(kernel if fits else kernel_of(program), block, rows, places, arrow)

        return streamed
    if isinstance(stage.step, Keep):
        keep = stage.step
        return lambda block, rows, places: _keep(keep, block)
    call = _without_series(stage.step)
    run = _piece_of(call)
    return lambda block, rows, places: _call(call, run, block, arrow)


def _without_series(step: BlackBox) -> BlackBox:
    """Returns the same step over arrays where pandas would only pass the arrays of its Series on.

    That holds for a ufunc that is not NumPy's own, because pandas maps NumPy's names to its operators. Building a Series for each
    chunk costs more than most ufuncs.
    """
    function, taken = step.annotation.function, [*step.taken()]
    is_ufunc = isinstance(function, np.ufunc) and function.nout == 1 and function.signature is None
    if not is_ufunc or hasattr(np, function.__name__) or step.kwargs or step.changed or step.form != "series":
        return step
    if step.type is None or step.type.dtype == object or {x.form for x in taken} - {"series", "array"}:
        return step
    args = tuple(replace(x, form="array") if isinstance(x, Argument) else x for x in step.args)
    return replace(step, args=args, form="array")


def _piece_of(step: BlackBox) -> Callable[[Sequence[Any], Mapping[str, Any]], Any]:
    """Returns the function that runs a call on a chunk, with a cache across blocks where the call depends on one string.

    An annotated function keeps no state and its other arguments are constant, so equal strings have equal results. Without a
    known result type there is no cache: mutable results must not be shared between rows.
    """
    annotation = step.annotation
    with_rows = [at for at, x in enumerate(step.args) if _has_rows(x)]
    if not annotation.elementwise or step.type is None or len(with_rows) != 1 or any(map(_has_rows, step.kwargs.values())):
        return annotation.piece
    (at,) = with_rows
    known: dict[str, Any] = {}
    in_vain = 0

    def run(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        nonlocal in_vain
        texts = args[at]
        if in_vain > _IN_VAIN or set(map(type, texts)) != {str}:
            return annotation.piece(args, kwargs)
        new = list(dict.fromkeys(texts).keys() - known.keys())
        if not new:
            return list(map(known.__getitem__, texts))
        began = time.perf_counter()
        made = dict(zip(new, annotation.piece([*args[:at], new, *args[at + 1 :]], kwargs), strict=True))
        if len(new) >= _TIMED and time.perf_counter() - began < _LOOKED_UP * len(new):
                in_vain = _IN_VAIN + 1  # other load on the machine only makes the call look more expensive
        in_vain += len(new) > _DISTINCT * len(texts)
        result = [made[text] if text in made else known[text] for text in texts]
        if len(known) < _KEPT_TEXTS:
            known.update((text, value) for text, value in made.items() if len(text) <= _SHORT)
        return result

    return run


def _has_rows(x: Any) -> bool:
    return isinstance(x, Argument)


@dataclass(frozen=True)
class _Wanted:
    """A cache key for a kernel: its program's digest. Hashing the program takes longer than the lookup."""

    digest: str
    streams: bool
    program: Program = field(compare=False)


@lru_cache(maxsize=256)
def _loaded(wanted: _Wanted) -> Kernel:
    return Kernel.load(compile_program(wanted.program, ObjectCache(), wanted.streams), wanted.program)


def kernel_of(program: Program, streams: bool = False) -> Kernel:
    """Returns the kernel of a program, compiled once per process."""
    return _loaded(_Wanted(program.digest, streams, program))


def _run_kernel(kernel: Kernel, block: Block, rows: int, places: Block, arrow: bool) -> None:
    inputs = kernel.program.inputs
    rows = len(_values(block[inputs[0].name])) if inputs else rows
    try:
        result = kernel.run({i.name: _typed(block[i.name], i.type) for i in inputs}, rows, places, arrow)
    except UnicodeEncodeError as error:
        raise Undecided(str(error)) from error
    if result.flagged:
        raise Undecided(f"{result.flagged} rows of {kernel.program.name} that kernels may not decide")
    if arrow:
        for column in result.columns.values():
            _hold_texts(column)
    block.update(result.columns)


def _hold_texts(column: Any) -> None:
    """Raises Undecided for an array that is not valid UTF-8: a call may have produced half of a surrogate pair."""
    if isinstance(column, pa.StringArray):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            raise Undecided(str(error)) from error


def _hold_no_nulls(program: Program, block: Block) -> None:
    for column in (block[i.name] for i in program.inputs):
        nulls = 0
        if isinstance(column, pa.Array | Optional):
            nulls = column.null_count if isinstance(column, pa.Array) else (~column.valid).sum()
        if nulls:
            raise Undecided(f"{nulls} rows of {program.name} that kernels may not decide")


def _evaluate(program: Program, block: Block, rows: int) -> None:
    rows = len(_values(block[program.inputs[0].name])) if program.inputs else rows
    columns = {i.name: _typed(block[i.name], i.type) for i in program.inputs}
    result = evaluate(program, {name: no_array(column) for name, column in columns.items()}, rows)
    if result.flagged.any():
        raise Undecided(f"{result.flagged.sum()} rows of {program.name} that kernels may not decide")
    block.update(result.columns)


def _typed(column: Any, type: Type) -> Any:
    """Returns a column as a kernel requires it: nullable when the type is. Raises Undecided for invalid UTF-8."""
    if isinstance(column, pa.StringArray):
        _hold_texts(column)
        return column
    column = no_array(column)
    if type.nullable and not isinstance(column, Optional):
        return Optional(column, np.ones(len(column), np.bool_))
    return column


def no_array(column: Any) -> Any:
    """Converts an Arrow array for kernels and NumPy functions; returns any other column unchanged."""
    return column_of_array(column) if isinstance(column, pa.Array) else column


def _values(column: Any) -> Any:
    return column.values if isinstance(column, Optional) else column


def _keep(step: Keep, block: Block) -> None:
    rows = f"rows of {step.mask}"
    if rows not in block:
        block[rows] = np.flatnonzero(block[str(step.mask)])  # once: taking by index is faster than by mask
    block[step.column] = take(block[str(step.source)], block[rows])


def take(column: Any, rows: Any) -> Any:
    """Returns rows of a column: a slice, or the rows at these indices."""
    if isinstance(column, pa.Array):
        return column[rows] if isinstance(rows, slice) else column.take(pa.array(rows))
    return Optional(column.values[rows], column.valid[rows]) if isinstance(column, Optional) else column[rows]


def _call(step: BlackBox, run: Callable[..., Any], block: Block, arrow: bool) -> None:
    args = [_given(x, block, own=position in step.changed) for position, x in enumerate(step.args)]
    kwargs = {name: _given(x, block, own=False) for name, x in step.kwargs.items()}
    rows = next(len(_values(block[str(s)])) for x in step.taken() for s in x.sources)
    if rows == 0 and (step.annotation.wants_rows or isinstance(step.annotation.returns, Merge)):
        block[step.column] = None if step.makes is None else _empty(step.type)
        return
    try:
        result = run(args, kwargs)
    except SparkWeldError:
        raise
    except Exception as error:
        raise BrokenPromise(f"{_named(step)} raises {type(error).__name__}: {error}") from error
    for position, column in step.changed.items():
        block[column] = np.asarray(args[position])
    block[step.column] = result if step.makes is None else column_of(step, result, rows, arrow)


def _empty(type: Type | None) -> np.ndarray:
    return np.empty(0, object if type is None else type.dtype)


def _given(x: Any, block: Block, own: bool) -> Any:
    """Returns an argument of a call. `own`: a copy that the function may change."""
    if not isinstance(x, Argument):
        return x
    if x.form == "filled":
        return _filled(no_array(block[str(x.sources[0])])).tolist()
    if x.form == "arrow":
        return in_arrow(block[str(x.sources[0])], x.type)
    columns = [_plain(block[str(source)]) for source in x.sources]
    if own:
        return columns[0].copy()
    return in_form(x, columns)


def in_arrow(column: Any, type: Type | None) -> Any:
    """Converts a column to an Arrow array; a column without an IR type is one already.

    Raises Undecided for half of a surrogate pair: the original function reports the error.
    """
    try:
        return column if type is None else array_of(column, type)
    except UnicodeEncodeError as error:
        raise Undecided(str(error)) from error


def in_form(x: Argument, columns: Sequence[np.ndarray]) -> Any:
    """Returns columns in the form that the function requires, in read-only memory."""
    if x.form == "matrix":
        return _read_only(np.column_stack(columns))
    if x.form == "frame":
        return pd.DataFrame({name: _read_only(c) for name, c in zip(x.names, columns, strict=True)}, copy=False)
    if x.form == "series":
        return pd.Series(_read_only(columns[0]), copy=False)
    return columns[0].tolist() if x.form == "list" else _read_only(columns[0])


def _filled(column: Any) -> np.ndarray:
    """Replaces NULLs with the first valid value, which the function receives anyway; it might raise for another value."""
    if not isinstance(column, Optional) or column.valid.all() or not column.valid.any():
        return _values(column)
    return np.where(column.valid, column.values, column.values[column.valid.argmax()])


def _read_only(array: Any) -> Any:
    if not isinstance(array, np.ndarray):  # pandas' own arrays can be written through any view
        return array.copy()
    view = array.view()
    view.flags.writeable = False
    return view


def _plain(column: Any) -> np.ndarray:
    """Returns a column with None for NULL."""
    column = no_array(column)
    if not isinstance(column, Optional):
        return column  # type: ignore[no-any-return]
    if column.values.dtype == object and column.valid.all():
        return column.values
    values = column.values.astype(object)
    values[~column.valid] = None
    return values


def column_of(step: BlackBox, result: Any, rows: int, arrow: bool = False) -> Any:
    """Checks a call's result and returns it as a column. `arrow`: a list of strings becomes an Arrow array.

    Raises BrokenPromise for another container, length or type than expected.
    """
    length = len(result) if hasattr(result, "__len__") else None
    filtered = isinstance(step.annotation.returns, Filtered)
    if length is None or (length > rows if filtered else length != rows):
        raise BrokenPromise(f"{_named(step)} returns {length} rows for {rows}")
    if step.form == "list":
        return _of_list(step, result, arrow)
    if step.form == "arrow":
        return _of_array(step, result)
    wanted: Any = pd.Series if step.form == "series" else np.ndarray
    if not isinstance(result, wanted) or np.ndim(result) != 1:
        raise BrokenPromise(f"{_named(step)} returns a {type(result).__name__} and not a {wanted.__name__} of one dimension")
    array = result.to_numpy() if step.form == "series" else result
    expected = np.dtype(object) if step.type is None else step.type.dtype
    if array.dtype != expected:
        raise BrokenPromise(f"{_named(step)} returns {array.dtype} for some rows, and {expected} for others")
    if expected.kind == "O" and step.type is not None:
        _check_elements(step, array.tolist(), str)
    return array


def _of_array(step: BlackBox, result: Any) -> pa.Array:
    if not isinstance(result, pa.Array):
        raise BrokenPromise(f"{_named(step)} returns a {type(result).__name__} and not an Array")
    wanted = None if step.type is None else ARROW_TYPES[step.type.plain()]
    if wanted not in (None, result.type):
        raise BrokenPromise(f"{_named(step)} returns {result.type} for some rows, and {wanted} for others")
    return result


def _of_list(step: BlackBox, result: Any, arrow: bool) -> Any:
    if type(result) is not list:
        raise BrokenPromise(f"{_named(step)} returns a {type(result).__name__} and not a list")
    if step.type is not None:
        _check_elements(step, result, _ELEMENTS[step.type.kind])
        if step.type.kind != "str":
            return np.array(result, step.type.dtype)
        if arrow:
            return in_arrow(result, step.type)
    return np.fromiter(result, object, len(result))


def _check_elements(step: BlackBox, elements: Sequence[Any], wanted: type) -> None:
    found = set(map(type, elements)) - {wanted}
    if found:
        names = ", ".join(sorted(t.__name__ for t in found))
        raise BrokenPromise(f"{_named(step)} returns {names} for some rows, and {wanted.__name__} for others")


def _named(step: BlackBox) -> str:
    return f"{step.name} ({step.place})" if step.place else step.name


def inputs_of(columns: Mapping[str, Any], start: int, stop: int) -> Block:
    """Returns the block of rows start to stop - 1 of the whole inputs, as views."""
    return {name: take(column, slice(start, stop)) for name, column in columns.items()}
