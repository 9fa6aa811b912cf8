"""A request about one chain of scalar pandas UDFs to a fused function's payload, or to the refusal that prevents it.

The functions are rebuilt and traced as for a kernel (purity, row by row), but calls of annotated functions join the capture in
place of a refusal. There is one pipeline for batches without NULLs, and one for batches whose integers are floats since there are
some. On made-up rows the result is compared with the function's own.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.annotations.containers import equal
from sparkweld.annotations.split_types import Rows
from sparkweld.errors import Refusal
from sparkweld.fused.function import Column, Form, Function, Plan
from sparkweld.fused.payload import command, pickled
from sparkweld.fused.stand_ins import StandIns
from sparkweld.ir.ops import Call
from sparkweld.ir.types import F64, Type
from sparkweld.local.traced import is_plain, missing_of, source_of
from sparkweld.pipelines import BlackBox, Capture, Pipeline, Undecided, plan
from sparkweld.pipelines.block_size import first_guess, l2_bytes, live_bytes
from sparkweld.pipelines.describe import stage_text
from sparkweld.pipelines.plan import Called, Native
from sparkweld.reasons import refusal
from udf_compiler.boundary import SPARK_TYPES, check_confs
from udf_compiler.environment import ModulePath, broadcasts
from udf_compiler.options import options_of
from udf_compiler.payload import load_command
from udf_compiler.purity import Prepared, prepare
from udf_compiler.trace import TracedFrame, TracedSeries, trace
from udf_compiler.trace.text import Missing, text_series

_MODULES = ModulePath()
_SCALAR_PANDAS = 200
_INTEGERS = ("byte", "short", "integer", "long")
_PROBE_ROWS = 40
#: Kernels and the library may differ by this, where they differ at all (functions of libm).
_KEPT = 1e-9


def compile_fused(request: dict[str, Any], blobs: Sequence[bytes]) -> dict[str, Any]:
    """The reply to a fuse request, whose only step is one chain of UDFs: payload (hexadecimal), stages and block for explain."""
    entry = request["steps"][0]["udfs"][0]
    chain = _chain_of(entry["udf"])
    includes = request.get("python", {}).get("includes", ())
    variables = [variable for udf in chain for variable in udf.get("broadcasts", ())]
    with _MODULES.using(includes), broadcasts(variables):
        check_confs(request.get("conf", {}).get("pandas", {}), entry["name"])
        return _Compiler(chain, request.get("conf", {}), blobs).reply()


def _chain_of(udf: dict[str, Any]) -> list[dict[str, Any]]:
    """The innermost function first. Refuses kinds that are no scalar pandas UDFs (SW206), and other shapes of chains (SW646)."""
    chain = [udf]
    while any(argument.get("udf") is not None for argument in chain[0]["args"]):
        if len(chain[0]["args"]) != 1:
            raise refusal("SW646", udf["name"], function=udf["name"], what="several results of UDFs")
        chain.insert(0, chain[0]["args"][0]["udf"])
    for one in chain:
        if one["evalType"] != _SCALAR_PANDAS:
            raise refusal("SW206", one["name"], eval_type=one["evalType"])
        if not one.get("deterministic", True):
            raise refusal("SW207", one["name"])
    return chain


class _Compiler:
    def __init__(self, chain: list[dict[str, Any]], conf: Mapping[str, Any], blobs: Sequence[bytes]) -> None:
        self.chain = chain
        self.name = chain[-1]["name"]
        self.payloads = [blobs[udf["payload"]] for udf in chain]
        commands = [load_command(data) for data in self.payloads]
        self.functions = [made.function for made in commands]
        self.return_type = commands[-1].return_type
        self.exact = bool(conf.get("exact")) or any(options_of(f).exact for f in self.functions)
        self.block_rows = int(conf.get("blockRows") or 0) or None

    def reply(self) -> dict[str, Any]:
        for function, udf in zip(self.functions, self.chain, strict=True):
            if options_of(function).backend == "python":
                raise refusal("SW700", udf["name"])
        forms = [self._form(nulls=False)]
        if any(self._turns_to_float(spark_type) for _, _, spark_type in self._arguments()):
            try:
                forms.append(self._form(nulls=True))
            except Refusal:
                pass  # such batches run as they are
        made = Plan(self.name, tuple(forms), self.block_rows)
        self._probe(made)
        shipped = pickled(replace(made, forms=tuple(map(_without_examples, made.forms))))
        pipeline = forms[0].pipeline
        by_cache = f"by the L2 cache of the driver ({l2_bytes() >> 10:,} KB, {live_bytes(pipeline)} bytes a row alive)"
        size = (
            f"{self.block_rows:,} rows, set" if self.block_rows else f"{first_guess(pipeline):,} rows {by_cache}; workers measure"
        )
        moved = [sum(_width(pipeline, c) for c in columns) for columns in (pipeline.inputs, pipeline.outputs.values())]
        return {
            "status": "ok",
            "payload": command(shipped, self.payloads, self.return_type).hex(),
            "stages": [stage_text(pipeline, stage) for stage in pipeline.stages],
            "block": size,
            "moved": f"{moved[0]} bytes a row in, {moved[1]} out",
        }

    def _turns_to_float(self, spark_type: str) -> bool:
        return spark_type in _INTEGERS

    def _arguments(self) -> list[tuple[int | str, str | None, str]]:
        """(argument, field, Spark type) of each column. Refuses SW646."""
        found: list[tuple[int | str, str | None, str]] = []
        for position, argument in enumerate(self.chain[0]["args"]):
            key = position if argument.get("name") is None else argument["name"]
            expr = argument["expr"]
            if expr["op"] == "CreateNamedStruct":
                found += [(key, n, field["type"]) for n, field in zip(expr["names"], expr["args"], strict=True)]
            else:
                found.append((key, None, expr["type"]))
        for key, _, spark_type in found:
            if spark_type not in (*_INTEGERS, "float", "double", "boolean", "string"):
                raise refusal("SW646", self.name, function=self.name, what=f"argument {key}, a {spark_type}")
        return found

    def _form(self, nulls: bool) -> Form:
        """The pipeline of batches that have NULLs in their integers, or not."""
        capture = Capture(self.name)
        stand_ins = StandIns(capture)
        columns: list[Column] = []
        given: dict[int | str, dict[str | None, TracedSeries]] = {}
        for number, (key, field, spark_type) in enumerate(self._arguments()):
            column, traced = self._input(capture, f"in{number}", key, field, spark_type, nulls)
            columns.append(column)
            given.setdefault(key, {})[field] = traced
        values = {key: _argument(capture, fields) for key, fields in given.items()}
        args = tuple(value for key, value in values.items() if isinstance(key, int))
        kwargs = {key: value for key, value in values.items() if isinstance(key, str)}
        place = ""
        for function in self.functions:
            prepared = prepare(function, stand_ins.find)
            place = prepared.place
            result = self._traced(prepared, args, kwargs, capture)
            args, kwargs = (result,), {}
        if stand_ins.calls == 0:
            raise refusal("SW641", place, function=self.name)
        if type(result) is not TracedSeries or not is_plain(result) or source_of(result).loop is not capture.loop():
            raise refusal("SW645", place, function=self.name, what=f"a {type(result).__name__.removeprefix('Traced')}")
        made = plan(capture, {"result": source_of(result)})
        if self.exact:
            self._refuse_inexact(made, place)
        missing = float("nan") if missing_of(result).nan else None
        return Form(tuple(columns), made, missing)

    def _refuse_inexact(self, pipeline: Pipeline, place: str) -> None:
        """Refuses (SW232) operations whose kernels differ from the library within a bound."""
        loops = [loop for stage in pipeline.stages if isinstance(stage, Native) for loop in stage.program.loops]
        for op in (let.op for loop in loops for let in loop.body):
            if op.bound is not None:
                raise refusal("SW232", place, op=op.fn if isinstance(op, Call) else op.name, bound=op.bound)

    def _traced(self, prepared: Prepared, args: tuple[Any, ...], kwargs: Mapping[str, Any], capture: Capture) -> Any:
        with prepared.checked():
            return trace(
                prepared.function, args, kwargs, loop=capture.loop(), exact=self.exact, place=prepared.place,
                handlers=prepared.handlers,
            )  # fmt: skip

    def _input(
        self, capture: Capture, name: str, key: int | str, field: str | None, spark_type: str, nulls: bool
    ) -> tuple[Column, TracedSeries]:
        loop = capture.loop()
        if spark_type == "string":
            value: Any = capture.input(name, Type("str", True))
            return Column(name, key, field, "object", True), text_series(loop, value, Missing(none=True))
        type = F64 if nulls and self._turns_to_float(spark_type) else SPARK_TYPES[spark_type]
        value = capture.input(name, type)
        return Column(name, key, field, str(type.dtype), False), TracedSeries(loop, value, type.dtype, shared=True)

    def _probe(self, made: Plan) -> None:
        """Refuses (SW644) a plan that gives something else than the functions on ordinary rows."""
        for form in made.forms:
            args, kwargs = _made_up(form)
            runner = Function(replace(made, forms=(form,)), lambda: self._original)
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    wanted = self._original(*args, **kwargs)
                except Exception:  # noqa: BLE001 - user code: what it raises for these rows, its pipeline leaves to it
                    continue
                try:
                    got = runner._run(args, kwargs)
                except Undecided:
                    continue
            if not isinstance(wanted, pd.Series) or got is None or not equal(got, wanted.rename(None), _KEPT):
                raise refusal("SW644", self.name, function=self.name, what=f"{_short(got)} for {_short(wanted)}")

    def _original(self, *args: Any, **kwargs: Any) -> Any:
        result = self.functions[0](*args, **kwargs)
        for function in self.functions[1:]:
            result = function(result)
        return result


def _argument(capture: Capture, fields: dict[str | None, TracedSeries]) -> Any:
    return fields[None] if None in fields else TracedFrame(capture.loop(), fields)


def _made_up(form: Form) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Ordinary arguments of a form's dtypes."""
    rng = np.random.default_rng(0)
    parts: dict[int | str, dict[str | None, pd.Series]] = {}
    for column in form.columns:
        example = Rows(dtype="str" if column.text else column.dtype).example(rng, _PROBE_ROWS).reset_index(drop=True)
        if example.dtype.kind == "f":
            example = pd.Series(rng.uniform(0.5, 3, _PROBE_ROWS).astype(column.dtype))
        parts.setdefault(column.argument, {})[column.field] = example
    values = {key: fields[None] if None in fields else pd.DataFrame(fields) for key, fields in parts.items()}
    named = {key: value for key, value in values.items() if isinstance(key, str)}
    return tuple(value for key, value in values.items() if isinstance(key, int)), named


def _without_examples(form: Form) -> Form:
    """The form as it is pickled: functions that make examples for the validator stay here."""

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
