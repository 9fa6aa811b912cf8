"""Splits the pipeline of fused functions in three: its first and last kernel run in the JVM, the stages between in Python.

Only the columns that calls take are sent to the worker, and only their results return. The first kernel also reports the number
of the form it used, which depends on the batch's NULLs; 0 means undecided. The worker passes the number on, or 0 when it is
undecided. The last kernel computes the rows whose number is that of its own form. All other rows run through the original
function, on the batches that Spark would have built. So a split pipeline yields the same rows and the same errors.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparkweld.fused.function import Column, Form, Plan, result_name
from sparkweld.fused.payload import MOST_BYTES, Confs, after_command, before_command, between_command, pickled
from sparkweld.ir import Program
from sparkweld.ir.types import BOOL, F32, F64, I8, I16, I32, I64, STR, Type, of_dtype
from sparkweld.pipelines import Pipeline
from sparkweld.pipelines.describe import stage_text
from sparkweld.pipelines.plan import Native
from udf_compiler.inlined import Inlined, InlinedForm

#: Columns that cross between the JVM and Python have one of these types in Spark.
_SPARK = {
    BOOL: "boolean", I8: "byte", I16: "short", I32: "integer", I64: "long", F32: "float", F64: "double", STR: "string",
}  # fmt: skip
_NUMBER = "sparkweld_form"


@dataclass(frozen=True)
class Cut:
    """The split of one form's pipeline. `slots`: columns of the first kernel that calls take. `direct`: numbers of the inputs
    that calls take. `made`: columns of the middle stages that the last kernel takes or that are results.
    """

    form: Form
    first: Program | None
    between: Pipeline
    last: Program | None
    slots: tuple[str, ...]
    direct: tuple[int, ...]
    made: tuple[str, ...]

    @property
    def shape(self) -> Any:
        """Returns the types of the columns that enter and leave the middle stages; all forms must share them."""
        return tuple(map(self.type_of, self.slots)), self.direct, tuple(map(self.type_of, self.made))

    def type_of(self, column: str) -> Type | None:
        """Returns the type of a pipeline's column; None for one that Spark has no column for."""
        type = self.form.pipeline.types.get(column)
        return None if type is None or type.plain() not in _SPARK or (type.nullable and type.plain() != STR) else type.plain()


def parts_of(made: Plan, chains: Sequence[Any], taken: Sequence[Any], mode: str, confs: Confs) -> dict[str, Any] | None:
    """Returns "parts" of a group's reply: payloads, types and arguments of the two kernels and the middle stages.

    Returns None when the split is not requested, when there is nothing to split, or when an argument is a struct. `chains`,
    `taken`: see `fused.compile`. `confs`: of the workers.
    """
    if mode != "always":  # no pipeline in tests/bench/bench_split.py gains enough to make it the default
        return None
    cuts = [cut for form in made.forms if (cut := _cut(form)) is not None]
    if len(cuts) < len(made.forms) or len({cut.shape for cut in cuts}) > 1:
        return None
    cut = cuts[0]
    types = [_SPARK[type] for type in cut.shape[2] if type is not None]
    slots = [_SPARK[type] for type in cut.shape[0] if type is not None]
    numbered = bool(slots) or (len(cuts) > 1 and len(cut.direct) < len(cut.form.columns))
    fields = [*((f"slot{i}", spark_type) for i, spark_type in enumerate(slots)), (_NUMBER, "byte")] if numbered else []
    forms = tuple(_form_between(cut, number, numbered) for number, cut in enumerate(cuts, 1))
    plan = pickled(replace(made, forms=forms))
    if len(plan) * (len(types) + 1) > MOST_BYTES:
        return None
    before = pickle.dumps(Inlined(f"{made.name}, before its calls", _before(cuts), tuple(name for name, _ in fields)))
    after = [
        pickle.dumps(Inlined(f"{chain.name}, after its calls", _after(cuts, result_name(number))))
        for number, chain in enumerate(chains)
    ]
    results = [*types, "byte"]
    return {
        "fields": [{"name": name, "type": spark_type} for name, spark_type in fields],
        "before": before_command(before, fields).hex() if fields else "",
        "direct": list(cut.direct),
        "between": [between_command(plan, i, spark_type, confs).hex() for i, spark_type in enumerate(results)],
        "results": results,
        "after": [
            after_command(data, chain.payloads, columns, chain.return_type).hex()
            for data, chain, columns in zip(after, chains, taken, strict=True)
        ],
        "forms": len(cuts),
        "stages": _stages(cut),
        "moved": f"{_bytes(cut, [*cut.between.inputs])} bytes a row in, {_bytes(cut, cut.made)} out",
    }


def _cut(form: Form) -> Cut | None:
    """Returns the split; None without a kernel at either end, or when a crossing column has no Spark type."""
    pipeline = form.pipeline
    first, between = _end(pipeline.stages[:1]), pipeline.stages
    between = between[1:] if first is not None else between
    last = _end(between[-1:])
    between = between[:-1] if last is not None else between
    if (first is None and last is None) or not between or any(column.field is not None for column in form.columns):
        return None
    reads = {column for stage in between for column in stage.taken}
    makes = {column for stage in between for column in stage.made}
    slots = tuple(column for column in (first.made if first else ()) if column in reads)
    direct = tuple(i for i, column in enumerate(form.columns) if column.name in reads)
    ends = last.made if last else ()
    wanted = dict.fromkeys((*(last.taken if last else ()), *(c for c in pipeline.outputs.values() if c not in ends)))
    cut = Cut(
        form, first.program if first else None, pipeline, last.program if last else None, slots, direct,
        tuple(column for column in wanted if column in makes),
    )  # fmt: skip
    if None in cut.shape[0] or None in cut.shape[2] or not cut.made:
        return None
    outputs = {result_name(i): column for i, column in enumerate(cut.made)}
    uses = {column: at for at, stage in enumerate(between) for column in (*stage.made, *stage.taken)}
    uses.update(dict.fromkeys(outputs.values(), len(between)))
    inputs = (*slots, *(form.columns[i].name for i in direct))
    return replace(cut, between=replace(pipeline, inputs=inputs, stages=between, outputs=outputs, last_use=uses))


def _end(stages: Sequence[Any]) -> Native | None:
    """Returns the kernel at an end of a pipeline when it is one row-local loop over all rows."""
    if not stages or not isinstance(stages[0], Native) or stages[0].only_looks_for_nulls:
        return None
    loops = stages[0].program.loops
    return stages[0] if len(loops) == 1 and loops[0].where is None and not loops[0].some and not loops[0].groups else None


def _form_between(cut: Cut, number: int, numbered: bool) -> Form:
    columns = []
    for at, name in enumerate(cut.slots):
        type = cut.form.pipeline.types[name]
        assert type is not None
        columns.append(Column(name, at, None, str(type.dtype), type.plain() == STR))
    columns += [replace(cut.form.columns[i], argument=len(cut.slots) + at) for at, i in enumerate(cut.direct)]
    if numbered:
        columns.append(Column(_NUMBER, len(columns), None, "int8", False, equals=number))
    return Form(tuple(columns), cut.between, (None,) * len(cut.made), number)


def _before(cuts: Sequence[Cut]) -> tuple[InlinedForm, ...]:
    return tuple(
        InlinedForm(number, _types(cut), _names(cut), (cut.first,) if cut.first else (), cut.slots)
        for number, cut in enumerate(cuts, 1)
    )


def _after(cuts: Sequence[Cut], result: str) -> tuple[InlinedForm, ...]:
    """Returns the last kernel's forms; it recomputes the first kernel's columns, which is cheaper than keeping them."""
    return tuple(
        InlinedForm(
            number, _types(cut), (*_names(cut), *cut.made), tuple(p for p in (cut.first, cut.last) if p is not None),
            (cut.form.pipeline.outputs[result],),
        )
        for number, cut in enumerate(cuts, 1)
    )  # fmt: skip


def _types(cut: Cut) -> tuple[Type, ...]:
    found = []
    for column in cut.form.columns:
        type = STR if column.text else Type("date", column.has_none) if column.date else of_dtype(np.dtype(column.dtype))
        assert type is not None
        found.append(type)
    return tuple(found)


def _names(cut: Cut) -> tuple[str, ...]:
    return tuple(column.name for column in cut.form.columns)


def _stages(cut: Cut) -> list[str]:
    """Returns the stages for explain."""
    pipeline = cut.form.pipeline
    texts = [stage_text(pipeline, stage) for stage in pipeline.stages]
    if cut.first is not None:
        texts[0] = f"in the JVM, {texts[0]}"
    if cut.last is not None:
        texts[-1] = f"in the JVM, {texts[-1]}"
    return texts


def _bytes(cut: Cut, columns: Sequence[str]) -> int:
    types = (cut.form.pipeline.types.get(column) for column in columns)
    return sum(type.width for type in types if type is not None)
