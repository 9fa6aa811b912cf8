"""Compiles a request about chains of scalar pandas or Arrow UDFs to payloads of fused functions, or refuses it.

The functions are rebuilt and traced as for a kernel, with the same purity and row-local checks. Calls of annotated functions join
the capture instead of being refused. Sibling chains share one capture, so common subexpressions are computed once. One pipeline
serves batches without NULLs; others serve batches with NULLs in date columns, or in integer columns, which become floats.
Functions of Arrow arrays have one pipeline for all batches. On synthetic rows the results are compared with the functions' own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import combinations, groupby
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.annotations.containers import equal
from sparkweld.contract.expressions import Expression
from sparkweld.contract.replies import FusedGroup, FusedReply
from sparkweld.contract.requests import PipelineRequest, Settings, Udf
from sparkweld.errors import Refusal
from sparkweld.ir.arrow import ARROW_TYPES
from sparkweld.ir.ops import Call
from sparkweld.ir.types import F64, STR, Type
from sparkweld.pipelines import BlackBox, Capture, Pipeline, Undecided, plan
from sparkweld.pipelines.block_size import first_guess, l2_bytes, live_bytes
from sparkweld.pipelines.describe import stage_text
from sparkweld.pipelines.plan import Called, Native
from sparkweld.reasons import refusal
from sparkweld.worker.function import Column, Form, Plan, Siblings, result_name
from udf_compiler.backends.worker_pipelines.black_boxes import is_plain, missing_of, source_of
from udf_compiler.backends.worker_pipelines.chains import Chain, chain_of
from udf_compiler.backends.worker_pipelines.declared import declared_group, is_declared
from udf_compiler.backends.worker_pipelines.estimate import may_repeat, saved
from udf_compiler.backends.worker_pipelines.payload import FEW_ROWS, MOST_BYTES, command, metrics_command, pickled
from udf_compiler.backends.worker_pipelines.stand_ins import StandIns
from udf_compiler.backends.worker_pipelines.synthetic import synthetic_arguments
from udf_compiler.boundary.series import COLUMN_TYPES, SPARK_TYPES, check_names, check_safely, dtypes_by_nulls, series_of_column
from udf_compiler.eval_types import kind_of
from udf_compiler.eval_types.batches import per_batch
from udf_compiler.eval_types.iterated import batch_of, prepared_iterator
from udf_compiler.eval_types.scalar_arrow import ScalarArrow
from udf_compiler.frontends.arrow import TracedArrow, TracedStructArray
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import text_series
from udf_compiler.frontends.pandas.trace import trace
from udf_compiler.function.environment import broadcasts, module_path
from udf_compiler.process.spark_line import check_worker_conversions
from udf_compiler.rebuild.purity import Prepared, prepare

_ARROW = ScalarArrow()
_INTEGERS = ("byte", "short", "integer", "long")
#: Columns of these types have another dtype or other values in a batch with NULLs.
_STATEFUL = (*_INTEGERS, "date")
#: Up to this number of such columns, each subset with NULLs has a form; beyond it, only the empty and the full set have one.
_MOST_COMBINED = 2
#: The largest relative difference between kernels and the library that the check accepts (libm functions differ).
_KEPT = 1e-9


def compile_fused(request: PipelineRequest, blobs: Sequence[bytes]) -> FusedReply:
    """Returns the reply to a fuse request, whose only step holds chains of UDFs: groups of UDFs with one plan each.

    Adjacent UDFs form one group when they also compile together. Refuses with the first UDF's reason when no UDF is fused.
    """
    chains = [chain_of(entry.udf) for entry in request.udf_entries]
    variables = [variable for chain in chains for udf in chain for variable in udf.broadcasts]
    with module_path(request.python), broadcasts(variables):
        name, confs = request.first_udf.name, request.conf.pandas
        check_worker_conversions(name)
        kind = kind_of(chains[0][0].eval_type, name)
        kind.check_confs(confs, name)
        if kind.sees_batch_state:
            check_safely(confs, name)
        return FusedReply(fused=tuple(_groups(chains, request.conf, blobs)))


def _groups(chains: Sequence[list[Udf]], conf: Settings, blobs: Sequence[bytes]) -> list[FusedGroup]:
    """Groups all UDFs if possible, else runs of adjacent UDFs, else single UDFs. Only adjacent UDFs are grouped: a function
    between them that is not in the plan may change its arguments in place.
    """

    def group(numbers: Sequence[int]) -> FusedGroup:
        return _Siblings([Chain(chains[i], blobs) for i in numbers], conf).group(numbers)

    if len(chains) == 1:
        return [group([0])]
    try:
        return [group(range(len(chains)))]
    except Refusal:
        pass
    alone: dict[int, FusedGroup] = {}
    refusals = []
    for number in range(len(chains)):
        try:
            alone[number] = group([number])
        except Refusal as refused:
            refusals.append(refused)
    if not alone:
        raise refusals[0]
    found = []
    for _, pairs in groupby(enumerate(alone), lambda pair: pair[1] - pair[0]):
        run = [number for _, number in pairs]
        try:
            found += [group(run)] if 1 < len(run) < len(chains) else [alone[number] for number in run]
        except Refusal:
            found += [alone[number] for number in run]
    return found


class _Siblings:
    """Compiles sibling chains to one plan. `arguments`: the distinct arguments of all chains."""

    def __init__(self, chains: Sequence[Chain], conf: Settings) -> None:
        self.chains, self.arrow = chains, chains[0].arrow
        self.name = " + ".join(chain.name for chain in chains)
        self.exact = conf.exact or any(chain.exact for chain in chains)
        self.block_rows = conf.block_rows or None
        self.confs = {key: value for key, value in conf.pandas.items() if value is not None}
        self.arguments: list[tuple[int, int]] = []
        exprs: list[Expression] = []
        self.taken: list[list[tuple[int, str | None]]] = []
        for number, chain in enumerate(chains):
            taken = []
            for at, argument in enumerate(chain.args):
                assert argument.expr is not None  # the first function of a chain calls no other
                if argument.expr not in exprs:
                    exprs.append(argument.expr)
                    self.arguments.append((number, at))
                taken.append((exprs.index(argument.expr), argument.name))
            self.taken.append(taken)
        self.columns = self._columns(exprs)
        self.steady = any(map(dtypes_by_nulls, exprs))
        self.calls = 0  # of annotated functions in the traces, before equal calls are merged

    def group(self, numbers: Sequence[int]) -> FusedGroup:
        """Returns the group of the reply to a fuse request; `numbers`: those of the chains.

        A chain that is declared row-local is a group by itself. Refuses (SW641) several chains with one of these.
        """
        if any(map(is_declared, self.chains)):
            if len(self.chains) > 1:
                raise refusal("SW641", self.name, function=self.name)
            at = [argument for _, argument in self.arguments]
            return declared_group(self.chains[0], numbers[0], at, self.taken[0], self.columns, self.confs, self.exact)
        first, *others = self._columns_with_nulls()
        forms = [self._form(first)]
        for some in others:
            try:
                forms.append(self._form(some))
            except Refusal:
                if len(self.chains) > 1:
                    raise  # compiled alone, some chains may accept such batches
        key = sha256(b"".join(data for chain in self.chains for data in chain.payloads)).hexdigest()
        made = Plan(tuple(chain.name for chain in self.chains), tuple(forms), self.block_rows, key, self.arrow)
        self._probe(made)
        shipped = self._shipped(replace(made, forms=tuple(map(_without_examples, made.forms))))
        pipeline = forms[0].pipeline
        by_cache = f"by the L2 cache of the driver ({l2_bytes() >> 10:,} KB, {live_bytes(pipeline)} live bytes per row)"
        rows = self.block_rows or first_guess(pipeline)
        size = f"{rows:,} rows, set" if self.block_rows else f"{rows:,} rows {by_cache}; workers measure"
        few = 0 if self.block_rows else FEW_ROWS  # whoever sets the block size expects to see blocks
        moved = [sum(_width(pipeline, c) for c in columns) for columns in (pipeline.inputs, pipeline.outputs.values())]
        commands = [
            command(shipped, number, chain.payloads, self.taken[number], chain.return_type, self.confs, few, self.arrow)
            for number, chain in enumerate(self.chains)
        ]
        return FusedGroup(
            udfs=tuple(numbers),
            arguments=tuple((numbers[at], argument) for at, argument in self.arguments),
            payloads=tuple(made.hex() for made in commands),
            stages=tuple(stage_text(pipeline, stage) for stage in pipeline.stages),
            block=size,
            moved=f"{moved[0]} bytes per row in, {moved[1]} out",
            saves=saved(pipeline, rows),
            repeats=may_repeat(pipeline, self.calls),
            metrics=metrics_command().hex(),
        )

    def _shipped(self, made: Plan) -> bytes:
        """Returns the pickled plan that workers receive. Refuses (SW650) one that cannot be pickled or is too large."""
        try:
            shipped = pickled(made)
        except Exception as error:  # noqa: BLE001 - a user's model or a lazily imported module may raise anything
            raise refusal("SW650", self.name, function=self.name, what=f"{type(error).__name__}: {error}") from None
        size = len(shipped) * len(self.chains)
        if size > MOST_BYTES:
            what = f"models and tables of {size:,} bytes; the limit is {MOST_BYTES:,}"
            raise refusal("SW650", self.name, function=self.name, what=what)
        return shipped

    def _columns(self, exprs: Sequence[Expression]) -> list[tuple[int, str | None, str]]:
        """Returns (argument, field, Spark type) of each column. Refuses unsupported types (SW646)."""
        found: list[tuple[int, str | None, str]] = []
        for number, expr in enumerate(exprs):
            if expr.op == "CreateNamedStruct":
                if self.arrow:
                    check_names(expr.names, f"argument {number}")
                found += [(number, n, field.type) for n, field in zip(expr.names, expr.args, strict=True)]
            else:
                found.append((number, None, expr.type))
        for number, _, spark_type in found:
            if spark_type not in (*_STATEFUL, "float", "double", "boolean", "string"):
                raise refusal("SW646", self.name, function=self.name, what=f"argument {number}, a {spark_type}")
        return found

    def _columns_with_nulls(self) -> list[frozenset[int]]:
        """Returns the sets of integer and date columns that may have NULLs in a batch; each has a form, the empty set is first.

        Refuses (SW646) a sibling that does not take all such columns: the missing form would depend on its siblings' columns.
        """
        if self.arrow:
            return [frozenset()]
        stateful = [i for i, (_, _, spark_type) in enumerate(self.columns) if spark_type in _STATEFUL]
        if len(stateful) <= _MOST_COMBINED:
            return [frozenset(some) for n in range(len(stateful) + 1) for some in combinations(stateful, n)]
        for taken in self.taken:
            if not {self.columns[i][0] for i in stateful} <= {at for at, _ in taken}:
                raise refusal("SW646", self.name, function=self.name, what="integers or dates that its sibling UDFs do not read")
        return [frozenset(), frozenset(stateful)]

    def _form(self, nulls: frozenset[int]) -> Form:
        """Returns the pipeline for batches with NULLs in these integer and date columns."""
        capture = Capture(self.name)
        stand_ins = StandIns(capture, _ARROW.stand_in) if self.arrow else StandIns(capture)
        columns: list[Column] = []
        given: dict[int, dict[str | None, Any]] = {}
        for number, (argument, field, spark_type) in enumerate(self.columns):
            column, traced = self._input(capture, f"in{number}", argument, field, spark_type, number in nulls)
            columns.append(column)
            given.setdefault(argument, {})[field] = traced
        values = {argument: _argument(capture, fields, self.arrow) for argument, fields in given.items()}
        results = []
        for chain, taken in zip(self.chains, self.taken, strict=True):
            args = tuple(values[at] for at, name in taken if name is None)
            kwargs = {name: values[at] for at, name in taken if name is not None}
            results.append(self._result(chain, args, kwargs, capture, stand_ins))
        made = plan(capture, {result_name(i): source_of(result) for i, result in enumerate(results)})
        made = replace(made, arrow=self.arrow)
        if self.exact:
            self._refuse_inexact(made)
        self.calls = stand_ins.calls
        missing = tuple(float("nan") if missing_of(result).nan else None for result in results)
        return Form(tuple(columns), made, missing)

    def _result(
        self, chain: Chain, args: tuple[Any, ...], kwargs: Mapping[str, Any], capture: Capture, stand_ins: StandIns
    ) -> TracedSeries | TracedArrow:
        """Returns the traced result of a chain. Refuses one without annotated calls (SW641), or not a plain column (SW645)."""
        before = stand_ins.calls
        for function in chain.functions:
            prepared = (prepared_iterator if chain.iterates else prepare)(function, stand_ins.find)
            one = _of_two_batches(prepared, capture, stand_ins, self.steady) if chain.iterates else prepared.function
            result = self._traced(prepared, one, args, kwargs, capture)
            args, kwargs = (result,), {}
        place = prepared.place
        if stand_ins.calls == before:
            raise refusal("SW641", place, function=chain.name)
        wanted = TracedArrow if self.arrow else TracedSeries
        if type(result) is not wanted or not is_plain(result) or source_of(result).loop is not capture.loop():
            raise refusal("SW645", place, function=chain.name, what=f"a {type(result).__name__.removeprefix('Traced')}")
        return result

    def _refuse_inexact(self, pipeline: Pipeline) -> None:
        """Refuses (SW232) operations whose kernels are approximate with a documented bound."""
        loops = [loop for stage in pipeline.stages if isinstance(stage, Native) for loop in stage.program.loops]
        for op in (let.op for loop in loops for let in loop.body):
            if op.bound is not None:
                raise refusal("SW232", self.name, op=op.fn if isinstance(op, Call) else op.name, bound=op.bound)

    def _traced(
        self, prepared: Prepared, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], capture: Capture
    ) -> Any:
        with prepared.checked():
            return trace(
                function, args, kwargs, loop=capture.loop(), exact=self.exact, place=prepared.place, handlers=prepared.handlers,
                batches=True,
            )  # fmt: skip

    def _input(
        self, capture: Capture, name: str, argument: int, field: str | None, spark_type: str, nulls: bool
    ) -> tuple[Column, Any]:
        loop = capture.loop()
        if self.arrow:
            type = COLUMN_TYPES[spark_type]
            value: Any = capture.input(name, Type(type.kind, True))
            column = Column(name, argument, field, str(ARROW_TYPES[type]), type == STR, arrow=True)
            return column, TracedArrow.of(loop, value)
        if spark_type == "string":
            value = capture.input(name, Type("str", True))
            return Column(name, argument, field, "object", True), text_series(loop, value, Missing(none=True))
        if spark_type == "date":
            value = capture.input(name, Type("date", nulls))
            traced = series_of_column(loop, value, spark_type, True, "nullable" if nulls else "dense", name)
            return Column(name, argument, field, "object", False, True, nulls), traced
        type = F64 if nulls else SPARK_TYPES[spark_type]
        value = capture.input(name, type)
        return Column(name, argument, field, str(type.dtype), False), TracedSeries(loop, value, type.dtype, shared=True)

    def _probe(self, made: Plan) -> None:
        """Refuses (SW644) a plan whose results differ from the functions' own on ordinary rows.

        Only the first form is compiled here, as most batches have no NULLs among their integers. Workers compile the others.
        """
        with_nulls = (False, True) if self.arrow else (False,)
        for number, form, nulls in [(n, form, nulls) for n, form in enumerate(made.forms) for nulls in with_nulls]:
            args = synthetic_arguments(form, nulls)
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    wanted = [
                        chain.original(*_taken(args, taken)) for chain, taken in zip(self.chains, self.taken, strict=True)
                    ]
                except Exception:  # noqa: BLE001 - user code: the worker runs the original where it raises
                    continue
                try:
                    got = Siblings(replace(made, forms=(form,)), evaluated=number > 0).run(args)
                except Undecided:
                    continue
            results = [None] * len(wanted) if got is None else [r.array() if self.arrow else r.series() for r in got]
            for chain, theirs, ours in zip(self.chains, wanted, results, strict=True):
                theirs = theirs.rename(None) if isinstance(theirs, pd.Series) else theirs
                if ours is None or not equal(ours, theirs, _KEPT):
                    raise refusal("SW644", chain.name, function=chain.name, what=f"{_short(ours)} for {_short(theirs)}")


def _of_two_batches(prepared: Prepared, capture: Capture, stand_ins: StandIns, steady: bool) -> Callable[..., Any]:
    """Returns the traced function of one batch that an iterator UDF is proved equivalent to. `steady`: see `per_batch`."""

    def one(*args: Any) -> Any:
        batches = lambda: per_batch(prepared.function, batch_of(args), capture.loop(), prepared.place, steady)  # noqa: E731
        return stand_ins.twice(batches, prepared.place)

    return one


def _taken(args: tuple[Any, ...], taken: Sequence[tuple[int, str | None]]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Selects one chain's positional and keyword arguments from those of all chains."""
    return tuple(args[at] for at, name in taken if name is None), {name: args[at] for at, name in taken if name is not None}


def _argument(capture: Capture, fields: dict[str | None, Any], arrow: bool) -> Any:
    if None in fields:
        return fields[None]
    return TracedStructArray(capture.loop(), list(fields.items())) if arrow else TracedFrame(capture.loop(), fields)  # type: ignore[arg-type]


def _without_examples(form: Form) -> Form:
    """Returns the form without the annotations' example functions, which only the validator needs."""

    def light(stage: Any) -> Any:
        if not isinstance(stage, Called) or not isinstance(stage.step, BlackBox):
            return stage
        return replace(stage, step=replace(stage.step, annotation=replace(stage.step.annotation, examples=None)))

    return replace(form, pipeline=replace(form.pipeline, stages=tuple(map(light, form.pipeline.stages))))


def _width(pipeline: Pipeline, column: str) -> int:
    type = pipeline.types.get(column)
    return 0 if type is None else type.width


def _short(x: Any) -> str:
    text = repr(x.tolist() if hasattr(x, "tolist") else x)
    return text if len(text) <= 200 else f"{text[:200]}…"
