"""Defines the program that users call: a function or model with its kernels, outside Spark."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa

from sparkweld.errors import Refusal, UserError
from sparkweld.serving import file, library, results
from sparkweld.serving.columns import buffer_of, check_row, columns_of, matrix_of
from sparkweld.serving.forms import Form, Parts, typed
from sparkweld.serving.runner import Buffer
from sparkweld.serving.signature import Column


class ServedProgram:
    """A compiled function or model: call it with a table, or `predict_row` with the values of one row.

    It computes what the same function computes in Spark, to the last bit. Several threads may call a program at once: kernels
    release the GIL. `parts` are its columns and kernels. `compile_form` compiles a form for other NULLs; None in a loaded
    program.
    """

    def __init__(self, parts: Parts, compile_form: Callable[[frozenset[str]], Form] | None = None) -> None:
        self.parts, self._compile_form = parts, compile_form
        self._names = tuple(column.name for column in parts.inputs)
        self._known = frozenset(self._names)
        self._places = {name: at for at, name in enumerate(self._names)}
        runner = parts.forms[frozenset()].few_runner
        self._takes_matrix = runner.takes_matrix and all(column.kind == "f64" for column in parts.inputs)
        self._read = [self._places[column.name] for column in runner.signature.inputs]
        self._rows = [rows for form in (frozenset(), self._known) if (rows := _rows_of(parts, form)) is not None]

    @property
    def inputs(self) -> tuple[Column, ...]:
        """The columns that it takes."""
        return self.parts.inputs

    @property
    def outputs(self) -> tuple[Column, ...]:
        """The columns that it returns."""
        return self.parts.outputs

    def __call__(self, data: Any) -> Any:
        """Returns the results for a table: one column, or several where the function returns a struct.

        `data`: a DataFrame, a dict of columns, an Arrow table or record batch, or a matrix whose columns are in order. Raises
        UserError for missing, unknown and wrongly typed columns, and what the function itself raises.
        """
        numbers = self._numbers(data)
        if numbers is not None:
            return results.numbers_like(data, numbers, self.outputs, self.parts.struct)
        arrays = columns_of(data, self.inputs)
        return results.like(data, self._arrays(arrays, len(arrays[0]) if arrays else 0), self.outputs, self.parts.struct)

    def _numbers(self, data: Any) -> list[Buffer] | None:
        """Returns the results for a table of floats, without Arrow; None for other tables, and where a row is flagged."""
        if not self._takes_matrix:
            return None
        form = self.parts.forms[frozenset()]
        matrix = matrix_of(data, self._names, self._read)
        return None if matrix is None else form.runner_of(matrix.shape[1]).run_matrix(matrix)

    def predict_row(self, /, **values: Any) -> Any:
        """Returns the result for one row: a Python value, or a dict where the function returns a struct. None is NULL."""
        if values.keys() == self._known:
            for given, unread, floats, run in self._rows:
                ordered = given(values)
                # The other way checks values of other classes, and the columns that no kernel reads.
                kinds = {*map(type, ordered)}
                if not kinds <= _ORDINARY or not all(type(values[name]) in classes for name, classes in unread):
                    break
                if floats and not kinds.isdisjoint(_INTEGERS) and not all(_is_exact(ordered[at], most) for at, most in floats):
                    break
                try:
                    found = run(ordered)
                except (struct.error, TypeError, OverflowError, UnicodeEncodeError):
                    continue  # a NULL for which there is another form, or a value of another class: named below
                if found is not None:
                    return self._result(found)
                break
        columns = columns_of({name: [value] for name, value in values.items()}, self.inputs)
        return self._result([array[0].as_py() for array in self._arrays(columns, 1)])

    def predict_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Returns the results for rows with the names of the inputs, as `predict_row` returns each. Raises what a table would."""
        for row in rows:
            if not isinstance(row, Mapping) or row.keys() != self._known:
                check_row(row, self.inputs)  # raises
        columns = columns_of({column.name: [row[column.name] for row in rows] for column in self.inputs}, self.inputs)
        return list(map(self._result, zip(*(array.to_pylist() for array in self._arrays(columns, len(rows))), strict=True)))

    def _result(self, values: Sequence[Any]) -> Any:
        """Returns the outputs of a row as the caller gets them."""
        return dict(zip((column.name for column in self.outputs), values, strict=True)) if self.parts.struct else values[0]

    def top_k(self, data: Any, k: int) -> np.ndarray:
        """Returns the positions of the `k` rows with the largest results, the largest first; equal results in the rows' order.

        NULL and NaN come last. Raises UserError for a program whose result is not one number.
        """
        if self.parts.struct or self.outputs[0].kind not in ("f64", "f32", "i64", "i32", "i16", "i8"):
            raise UserError(f"top_k requires one number a row; {self.parts.name} returns {typed(self.outputs)}")
        if not isinstance(k, int) or isinstance(k, bool) or k < 0:
            raise UserError(f"k is {k!r}: pass the number of rows")
        arrays = columns_of(data, self.inputs)
        (scores,) = self._arrays(arrays, len(arrays[0]))
        values = scores.fill_null(0).to_numpy(zero_copy_only=False)
        last = np.asarray(scores.is_null()) | (values != values)
        reverse = -values if values.dtype.kind == "f" else ~values  # the least integer has no negative
        return np.lexsort((np.arange(len(values)), reverse, last))[:k]

    def save(self, path: str | os.PathLike[str], python: bool = False, cpus: Sequence[str] = ()) -> None:
        """Writes the program to one file, atomically. Requires a C compiler.

        `python`: with the function itself, as a pickle, which runs its author's code where it is loaded. Without it, a loaded
        program raises UserError for a row that only the function can compute.

        `cpus`: levels of x86-64, such as ``("x86-64-v3", "x86-64-v2")``, and ``"aarch64"``, whose code the file holds, too.
        `load` uses the code for this CPU where it can run, else that of the highest level that can. Code for another machine
        requires a linker for it: the package ziglang, or ``aarch64-linux-gnu-gcc``.
        """
        file.save(self.parts, path, python, cpus)

    def export_shared_library(self, path: str | os.PathLike[str], prefix: str = "sparkweld") -> str:
        """Writes a shared library and, beside it, its C header; returns the header's path. Requires a C compiler.

        Functions and types begin with `prefix`, an identifier of C.
        """
        return library.export(self.parts, path, prefix)

    def _arrays(self, arrays: Sequence[pa.Array], rows: int) -> list[pa.Array]:
        """Returns the outputs of all rows, by the kernel and, where it flags some, by the original function."""
        if not rows:
            return [pa.nulls(0, results.ARROW[column.type]) for column in self.outputs]
        form = self.form(frozenset(c.name for c, array in zip(self.inputs, arrays, strict=True) if array.null_count))
        if form is not None:
            runner = form.runner_of(rows)
            made = runner.run([buffer_of(arrays[self._places[c.name]], c) for c in runner.signature.inputs], rows)
            if made is not None:
                return [results.array_of(x, column) for x, column in zip(made, self.outputs, strict=True)]
            if rows > 1 and self.parts.by_row:
                return self._halves(arrays, rows)
        if self.parts.original is None:
            raise UserError(
                f"{self.parts.name} has no kernel for this {'row' if rows == 1 else 'table'}, and the program does not hold the "
                "function: save it with python=True, load it so, or check the values before the call"
            )
        return self.parts.original.run(arrays, self.outputs, self.parts.struct)

    def _halves(self, arrays: Sequence[pa.Array], rows: int) -> list[pa.Array]:
        """Returns the outputs of a batch with flagged rows: only these run in Python."""
        middle = rows // 2
        parts = [self._arrays([a.slice(at, n) for a in arrays], n) for at, n in ((0, middle), (middle, rows - middle))]
        return [pa.concat_arrays(pair) for pair in zip(*parts, strict=True)]

    def form(self, missing: frozenset[str]) -> Form | None:
        """Returns the form for batches with NULLs in these columns, which is compiled where the compiler is at hand."""
        chosen = self._decisive(missing)
        if chosen not in self.parts.forms and self._compile_form is not None:
            try:
                self.parts.forms[chosen] = self._compile_form(chosen)
            except Refusal:
                return None
        return self.parts.forms.get(chosen)

    def _decisive(self, missing: frozenset[str]) -> frozenset[str]:
        """Returns which columns must be nullable in the kernel: for a function of single rows, none or all."""
        dense = self.parts.forms.get(frozenset())
        if dense is not None and all(c.nullable for c in dense.kernel.signature.inputs if c.name in missing):
            return frozenset()  # as for floats, whose NULLs change no dtype
        return frozenset(self._names) if self.parts.by_row else missing

    def __reduce__(self) -> Any:
        raise UserError(f"{self.parts.name} cannot be pickled or copied: save it to a file, and pass the path to sparkweld.load")

    def explain(self) -> str:
        """Returns what the program takes and returns, and the forms that are compiled."""
        lines = [self.parts.title()]
        for missing in sorted(self.parts.forms, key=sorted):
            what = f"NULLs in {', '.join(sorted(missing))}" if missing else "no NULLs where these change dtypes"
            lines.append(f"  kernel for a table with {what}")
        lines.append("  the function itself runs flagged rows" if self.parts.original else "  no function for flagged rows")
        return "\n".join(lines)


#: Kind of a column that a kernel does not read -> classes of its values that need no other check.
_PLAIN: dict[str, frozenset[Any]] = {"f64": frozenset((float, int, type(None))), "str": frozenset((str, type(None)))}


#: Classes of values whose conversion to a row of a kernel runs no code of theirs, and those of them that a float may round.
_ORDINARY = frozenset((float, int, str, type(None), np.float64, np.float32, np.int64, np.int32, np.str_))
_INTEGERS = frozenset((int, np.int64, np.int32))

_Rows = tuple[Callable[..., Any], list[tuple[str, frozenset[Any]]], list[tuple[int, int]], Callable[..., Any]]


def _is_exact(value: Any, most: int) -> bool:
    """Whether a column of floats that are exact up to `most` holds this value, unless it is an integer beyond."""
    return type(value) not in _INTEGERS or -most <= value <= most


def _rows_of(parts: Parts, nulls: frozenset[str]) -> _Rows | None:
    """Returns what `predict_row` requires of a form: the values in order, the columns that are not read, and the kernel.

    None where the form does not exist, or its columns are not numbers and strings. Bools have no check in a row's layout.
    """
    form = parts.forms.get(nulls)
    if form is None or not form.few_runner.takes_rows or any(column.kind == "bool" for column in parts.inputs):
        return None
    read = tuple(column.name for column in form.few_kernel.signature.inputs)
    unread = [(column.name, _PLAIN.get(column.kind, frozenset())) for column in parts.inputs if column.name not in read]
    given = itemgetter(*read) if len(read) > 1 else lambda values: tuple(values[name] for name in read)
    most = {"f64": 1 << 53, "f32": 1 << 24}
    floats = [(at, most[c.kind]) for at, c in enumerate(form.few_kernel.signature.inputs) if c.kind in most]
    return given, unread, floats, form.few_runner.row


def load(path: str | os.PathLike[str], digest: str | None = None, python: bool = False) -> ServedProgram:
    """Loads a program that `ServedProgram.save` wrote. It needs neither Numba nor the library of its model.

    `digest`: the file's SHA-256 in hex; without it, only a file of this user or of root that nobody else may write is loaded.
    `python`: unpickle the function when a row first requires it, which runs its author's code. Raises UserError for a file that
    is missing, truncated, changed, of another version or for another CPU.
    """
    return ServedProgram(file.load(path, digest, python))
