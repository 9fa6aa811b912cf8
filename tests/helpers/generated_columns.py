"""Draws Arrow and DataFrame functions with their batches: of columns, structs and rows, alone and as iterators."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st
from pyspark.sql.types import DataType, DoubleType, LongType, StringType, StructField, StructType

from sparkweld.contract.constants import (
    MAP_ARROW,
    MAP_PANDAS,
)
from sparkweld.contract.constants import SCALAR_ARROW as ARROW
from sparkweld.contract.constants import SCALAR_ARROW_ITERATOR as ARROW_ITERATOR
from sparkweld.contract.constants import SCALAR_PANDAS as PANDAS
from sparkweld.contract.constants import SCALAR_PANDAS_ITERATOR as PANDAS_ITERATOR
from tests.helpers import expressions_arrow, expressions_frames
from tests.helpers.cases import Case
from tests.helpers.expressions_frames import COLUMNS, type_of_series
from tests.helpers.lines import spark_type_of
from tests.helpers.templates import Grammar
from tests.helpers.worker import arguments_of

Draw = Callable[[Any], Any]

#: Kinds of an Arrow function's result; X marks odd ones.
_KINDS = "NNNNNNBBBSSSSDLWX"
_MAPS = (
    "batch.append_column('r', {0})", "pa.RecordBatch.from_arrays([a, {0}], names=['a', 'r'])", "batch.set_column(0, 'a', {0})",
    "pa.record_batch({'a': a, 'r': {0}})", "pa.RecordBatch.from_pydict({'r': {0}, 'q': {1}})", "batch.filter({2})",
    "batch.filter({2}).append_column('r', batch.filter({2})['a'])", "batch.select(['a']).add_column(0, 'r', {0})",
    "batch.rename_columns({'a': 'r'})", "batch.drop_columns(['a']).append_column('a', {0})", "batch.slice(1)", "batch",
    "pa.RecordBatch.from_arrays([{0}, {1}], ['r', 'r'])", "batch.take(pa.array([0]))", "batch.sort_by('a')", "batch.to_pandas()",
    "pa.Table.from_batches([batch])", "batch.filter(pc.field('a') > 1)", "batch.to_pylist()", "batch.schema", "batch['nothing']",
    "pa.RecordBatch.from_pandas(batch.to_pandas())", "batch.append_column('r', {0}.slice(0))", "batch.add_column(9, 'r', {0})",
    "pa.RecordBatch.from_arrays([{0}], schema=batch.schema)", "batch.append_column(pa.field('r', pa.int64()), {0})",
    "batch.filter({2}).select(['b', 'a'])", "batch.column_names", "batch.rename_columns(['z'] * batch.num_columns)",
)  # fmt: skip


#: Bodies of iterator functions: {g} represents a batch's arguments, {r} the result.
_ITERATORS = (
    *["for {g} in batches:\n        yield {r}"] * 8, "yield from ({r} for {g} in batches)", "return ({r} for {g} in batches)",
    "return map(lambda *columns: columns, batches)", "for {g} in batches:\n        yield {r}\n        yield {r}",
    "return [{r} for {g} in batches]",
    "for {g} in batches:\n        pass\n    yield {r}", "n = 0\n    for {g} in batches:\n        n += 1\n        yield {r}",
    "{g} = next(batches)\n    yield {r}", "for {g} in list(batches):\n        yield {r}",
    "for at, {g} in enumerate(batches):\n        yield {r}",
    "while True:\n        {g} = next(batches)\n        yield {r}", "factor = [2]\n    for {g} in batches:\n        yield {r}",
    "before = None\n    for {g} in batches:\n        yield {r} if before is None else before\n        before = {r}",
    "seen = []\n    for {g} in batches:\n        seen.append(1)\n        yield {r}",
    "for {g} in batches:\n        yield {r}\n        return",
    "for {g} in batches:\n        try:\n            yield {r}\n        finally:\n            pass", "return None",
    "return iter([])",
)  # fmt: skip
#: Signatures: {g} represents the arguments.
_SIGNATURES = ("{g}",) * 14 + ("{g}, more=1", "*columns", "{g}, *more", "{g}, **named", "a", "", "{g}, z", "*, {g}", "{g}, /")


def _iterated(draw: Draw, given: str, made: str) -> str:
    body = draw(st.sampled_from(_ITERATORS)).replace("{g}", f"({given})").replace("{r}", made)
    return f"def f(batches):\n    {body}"


def _function(draw: Draw, given: str, made: str) -> str:
    return f"def f({draw(st.sampled_from(_SIGNATURES)).replace('{g}', given)}):\n    return {made}"


def arrow_cases(draw: Draw) -> Case:
    """Draws a function of Arrays: of columns or a struct, of a batch or an iterator; its result is a column, struct or rows."""
    kinds = draw(st.lists(st.sampled_from("NNNNNNBSSDLW"), min_size=1, max_size=3))
    types = [draw(st.sampled_from(expressions_arrow.TYPES[kind])) for kind in kinds]
    if draw(st.integers(0, 60)) == 37:
        types[0] = draw(st.sampled_from(expressions_arrow.SELDOM))
    names = "abc"[: len(kinds)]
    batches = expressions_arrow.arrow_batches(tuple(types), names)
    how = draw(st.sampled_from(("columns",) * 5 + ("iterator", "struct", "struct result", "map", "map")))
    grammar = expressions_arrow.grammar(dict(zip(names, kinds, strict=True)), "p" if how == "struct" else None)
    filled = [grammar.filled(draw, f"{{{draw(st.sampled_from(_KINDS))}}}", draw(st.integers(1, 3))) for _ in range(2)]
    filled.append(grammar.filled(draw, "{B}", 1))
    source, eval_type = _arrow_source(draw, how, names, filled)
    if how == "struct":
        batches = tuple(_in_struct(batch) for batch in batches)
    return _with_result(draw, Case(source, batches, DoubleType(), eval_type))


def _arrow_source(draw: Draw, how: str, names: str, filled: list[str]) -> tuple[str, int]:
    given = ", ".join(names)
    if how == "iterator":
        return _iterated(draw, given, filled[0]), ARROW_ITERATOR
    if how == "struct":
        return _function(draw, "p", filled[0]), ARROW
    if how == "struct result":
        return f"def f({given}):\n    return pa.StructArray.from_arrays([{filled[0]}, {filled[1]}], names=['p', 'q'])", ARROW
    if how == "map":
        made = draw(st.sampled_from(_MAPS))
        for at, part in enumerate(filled):
            made = made.replace(f"{{{at}}}", part)
        taken = "".join(f"        {name} = batch['{name}']\n" for name in names)
        kept = f"        batch = batch.filter(pc.is_valid(batch['{names[0]}']))\n" if draw(st.integers(0, 4)) == 0 else ""
        return f"def f(batches):\n    for batch in batches:\n{kept}{taken}        yield {made}", MAP_ARROW
    return _function(draw, given, filled[0]), ARROW


def frame_cases(draw: Draw) -> Case:
    """Draws a DataFrame function: of a struct, with a struct result, of an iterator, or of the rows of mapInPandas."""
    chosen = ["a", "x", *(name for name in list(COLUMNS)[2:] if draw(st.integers(0, 3)) == 3)]
    types = tuple(draw(st.sampled_from(COLUMNS[name][0])) for name in chosen)
    batches = expressions_frames.frame_batches(types, tuple(chosen))
    how = draw(st.sampled_from(("struct", "struct", "struct result", "map", "map", "map", "iterator", "struct iterator")))
    inside: list[str] = []
    if how in ("struct", "struct iterator"):
        inside = chosen[: len(chosen) - draw(st.integers(0, 1))]
        batches = tuple(_in_struct(batch, inside) for batch in batches)
    source, eval_type = _frame_source(draw, how, expressions_frames.grammar(chosen, "p", inside), batches[0].schema.names)
    return _with_result(draw, Case(source, batches, DoubleType(), eval_type))


def _frame_source(draw: Draw, how: str, of: Grammar, names: list[str]) -> tuple[str, int]:
    depth, kind = draw(st.integers(1, 3)), draw(st.sampled_from("NNNNBST"))
    if how == "map":
        grammar = expressions_frames.grammar(names, "pdf", names)
        body = "\n    ".join(grammar.filled(draw, "{Z}", draw(st.integers(1, 3))) for _ in range(draw(st.integers(1, 3))))
        lines = f"def g(pdf):\n    {body}\n    return pdf\ndef f(batches):\n    for pdf in batches:\n        yield g(pdf)"
        inline = body.replace("\n", "\n    ")
        plain = f"def f(batches):\n    for pdf in batches:\n        {inline}\n        yield pdf"
        return draw(st.sampled_from((lines, plain))), MAP_PANDAS
    if how == "struct result":
        parts = ", ".join(f"'{name}': {of.filled(draw, f'{{{kind}}}', depth)}" for name in "pq")
        joined = f"pd.concat([{{{parts}}}['p'].rename('p'), a.rename('q')], axis=1)"
        made = draw(st.sampled_from((f"pd.DataFrame({{{parts}}})", f"pd.DataFrame({{{parts}, 'z': a}})", joined)))
        return f"def f({', '.join(names)}):\n    return {made}", PANDAS
    made = of.filled(draw, f"{{{kind}}}", depth)
    if how == "struct":
        return _function(draw, ", ".join(names), made), PANDAS
    return _iterated(draw, ", ".join(names), made), PANDAS_ITERATOR


def _in_struct(batch: pa.RecordBatch, names: list[str] | None = None) -> pa.RecordBatch:
    """Returns the batch with these columns as the fields of a struct `p`."""
    names = names or batch.schema.names
    struct = pa.StructArray.from_arrays([batch[name] for name in names], names)
    rest = [name for name in batch.schema.names if name not in names]
    return pa.RecordBatch.from_arrays([struct, *(batch[name] for name in rest)], ["p", *rest])


def _with_result(draw: Draw, case: Case) -> Case:
    """Returns the case with the type of its result over ordinary rows, sometimes with another."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = _spark_type(_first_result(case))
        except Exception:  # noqa: BLE001 - it raises in the worker as well, and the case compares that
            found = None
    if isinstance(found, StructType):
        fields = found.fields[: draw(st.integers(1, 3))] if draw(st.integers(0, 4)) == 0 else found.fields
        return replace(case, returns=StructType(list(fields)))
    if case.eval_type in (MAP_PANDAS, MAP_ARROW):
        return replace(case, returns=StructType([StructField("a", LongType()), StructField("r", DoubleType())]))
    other = draw(st.sampled_from((None,) * 6 + (DoubleType(), LongType(), StringType())))
    return replace(case, returns=other or found or DoubleType())


def _first_result(case: Case) -> Any:
    """Returns the function's result for the last batch."""
    batch, function = case.batches[-1], case.function
    if case.eval_type == MAP_ARROW:
        return next(function(iter([batch])))
    if case.eval_type in (ARROW, ARROW_ITERATOR):
        given: Any = batch.columns
    elif case.eval_type == MAP_PANDAS:
        given = arguments_of(_in_struct(batch))
    else:
        given = arguments_of(batch)
    if case.eval_type in (ARROW, PANDAS):
        return function(*given)
    return next(function(iter([given[0] if len(given) == 1 else tuple(given)])))


def _spark_type(made: Any) -> DataType | None:
    if isinstance(made, pa.RecordBatch):
        return StructType([StructField(f.name, spark_type_of(f.type)) for f in made.schema])
    if isinstance(made, pa.Array):
        return spark_type_of(made.type)  # type: ignore[no-any-return]
    if isinstance(made, pd.DataFrame):
        return StructType([StructField(str(name), type_of_series(made[name], "timestamp")) for name in made.columns])
    return type_of_series(made, "timestamp")


__all__ = ["arrow_cases", "frame_cases"]
