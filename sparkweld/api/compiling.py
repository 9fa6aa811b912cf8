"""Compiles a function or a model to a program that runs outside Spark, with the rows that Spark would return."""

from __future__ import annotations

import inspect
import os
import typing
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark import cloudpickle
from pyspark.sql.types import DataType, StructField, StructType

from sparkweld.api.asking import Given, Struct, ask
from sparkweld.api.fitted import chosen_features, plan_of, without_wrapper
from sparkweld.api.predictors import predictor
from sparkweld.api.saved_models import is_xgboost_booster, load_local_model, of_booster
from sparkweld.api.udfs import parsed_type
from sparkweld.cascades.cascade import Cascade
from sparkweld.contract.constants import ARROW_BATCHED, BATCHED, SCALAR_PANDAS
from sparkweld.contract.replies import Compiled, Refused
from sparkweld.contract.spark_types import name_of
from sparkweld.errors import UserError
from sparkweld.ir.ops import ForestSums
from sparkweld.ir.program import Program, output_types, print_program
from sparkweld.kernels import Kernel as LoadedKernel
from sparkweld.kernels import ObjectCache, compile_program, program_allocates
from sparkweld.kernels.runtime.object_code import compile_shared
from sparkweld.kernels.runtime.other_cpus import compile_for
from sparkweld.optimizer.choose_layouts import choose_layouts
from sparkweld.serving.columns import ARROW
from sparkweld.serving.forms import Form, Kernel, Parts
from sparkweld.serving.methods import DOCUMENTS, MATRIX, Layout, Result
from sparkweld.serving.original import FRAME, ROW, SERIES, Original
from sparkweld.serving.program import ServedProgram
from sparkweld.serving.runner import Runner
from sparkweld.serving.signature import Column, Signature, kind_of
from udf_compiler.process.spark_line import outside_spark

#: Spark's type -> its name in a schema string, as models' features are described.
_SHORT = {"long": "bigint", "integer": "int", "short": "smallint", "byte": "tinyint"}


def compile(
    function: Any,
    columns: Any,
    returns: Any = None,
    *,
    features: Sequence[str] | Mapping[str, str] | None = None,
    proba: Any = False,
) -> ServedProgram:
    """Compiles a function or a model, and returns it as a program to call outside Spark.

    `function`: a fitted model or the path of a saved one, as for `sparkweld.score`, with its `features` and `proba`; a UDF of
    Spark; or a Python function. The latter takes pandas Series where its annotations say so, else the values of one row, and
    `returns` is its result type. `columns`: the columns that it takes, in order, as an example table, an Arrow or Spark schema,
    or a dict of Spark's type names.

    Raises Refusal for what does not compile, with the reason and its place, and UserError for wrong arguments.
    """
    given, function = described(columns), without_wrapper(function)
    if isinstance(function, str | os.PathLike) or callable(getattr(function, "predict", None)):
        return _of_model(function, given, features, proba)
    return _of_function(function, given, returns)


def of_method(model: Any, method: str, layout: Layout, result: Result) -> ServedProgram:
    """Compiles a method of a fitted model, for tables of one layout and for the result that it returns for them.

    Raises Refusal for what does not compile, and UserError for types of columns that cannot be served.
    """
    documents, types = layout.kind == DOCUMENTS, [parsed_type(kind) for kind in result.types]
    fields = [] if not result.width else list(result.names or (f"p{at}" for at in range(result.width)))
    called = predictor(
        SimpleNamespace(value=model), method, documents=documents, array=layout.kind == MATRIX, at=None, columns=fields,
        framed=result.names is not None,
    )  # fmt: skip
    wanted = StructType([StructField(n, kind) for n, kind in zip(fields, types, strict=True)]) if fields else types[0]
    made = _Compiler(
        f"{type(model).__name__}.{method}", called, wanted, SCALAR_PANDAS, layout.columns, None if documents else layout.names
    )
    return made.program(SERIES if documents else FRAME, fields or ["result"], layout.names)


def described(columns: Any) -> dict[str, str]:
    """Returns the name and Spark's type of each column. Raises UserError for other types."""
    if isinstance(columns, StructType):
        types = {field.name: _spark_type(field.dataType) for field in columns.fields}
    elif isinstance(columns, Mapping) and all(isinstance(kind, str | DataType) for kind in columns.values()):
        types = {str(name): _spark_type(parsed_type(kind)) for name, kind in columns.items()}
    else:
        schema = columns if isinstance(columns, pa.Schema) else _example(columns).schema
        types = {field.name: _of_arrow(field) for field in schema}
    unknown = [f"{name} {kind}" for name, kind in types.items() if kind not in ARROW]
    if unknown or not types:
        raise UserError(f"{', '.join(unknown) or 'no column'} cannot be served; types are {', '.join(ARROW)}")
    return types


def _of_model(model: Any, columns: Mapping[str, str], features: Any, proba: Any) -> ServedProgram:
    model = load_local_model(model) if isinstance(model, str | os.PathLike) else model
    model = of_booster(model) if is_xgboost_booster(model) else model
    fitted = model
    if isinstance(model, Cascade):
        fitted, model = model.full, copy(model)  # a cascade has the columns and classes of its full model
        model.watched = None  # only queries of Spark compare their rows with the certificate
    given = chosen_features(fitted, features, {name: _SHORT.get(kind, kind) for name, kind in columns.items()})
    plan = plan_of(fitted, given, proba)
    fields = [f"p{at}" for at in range(len(plan.classes))]
    called = predictor(
        SimpleNamespace(value=model), plan.method, documents=plan.documents, array=plan.array, at=plan.at, columns=fields
    )
    returned = parsed_type(plan.type)
    wanted = StructType([StructField(name, returned) for name in fields]) if fields else returned
    names = tuple(g.name for g in given)
    made = _Compiler(
        type(model).__name__, called, wanted, SCALAR_PANDAS, {g.column: columns[g.column] for g in given},
        None if plan.documents else names,
    )  # fmt: skip
    labels = [f"prediction_{label}" for label in plan.classes]
    return made.program(SERIES if plan.documents else FRAME, labels or ["prediction"], names)


def _of_function(function: Any, columns: Mapping[str, str], returns: Any) -> ServedProgram:
    if hasattr(function, "evalType") and hasattr(function, "func"):
        function, returns, eval_type = function.func, function.returnType, function.evalType
        eval_type = ARROW_BATCHED if eval_type == BATCHED else eval_type  # Spark's default from 4.2 on
    else:
        eval_type = SCALAR_PANDAS if _takes_series(function) else ARROW_BATCHED
    if not callable(function):
        raise UserError(f"a {type(function).__name__} is neither a model nor a function")
    if returns is None:
        raise UserError("pass the result type of the function, as for a UDF: returns='double'")
    if eval_type not in (SCALAR_PANDAS, ARROW_BATCHED):
        raise UserError("only plain UDFs and pandas UDFs from Series to Series run outside Spark")
    wanted = parsed_type(returns)
    if not isinstance(wanted, DataType):
        raise UserError(f"returns={returns!r}: pass a DataType, or the name of a simple type")
    named = _in_order(function, columns)
    made = _Compiler(getattr(function, "__name__", "function"), function, wanted, eval_type, named, None)
    takes = ROW if eval_type == ARROW_BATCHED else SERIES
    names = [field.name for field in wanted.fields] if isinstance(wanted, StructType) else ["result"]
    return made.program(takes, names, tuple(named))


class _Compiler:
    """Compiles the forms of one function. `fields`: it takes all columns as one struct with these fields."""

    def __init__(
        self, name: str, function: Callable[..., Any], returns: DataType, eval_type: int, columns: Mapping[str, str],
        fields: tuple[str, ...] | None,
    ) -> None:  # fmt: skip
        self._name, self._returns, self._eval_type = name, returns, eval_type
        self._columns, self._fields = dict(columns), fields
        self._function, self._payload = function, cloudpickle.dumps((function, returns))

    def program(self, takes: str, names: Sequence[str], fields: Sequence[str]) -> ServedProgram:
        """Returns the program with its form for batches without NULLs and, for functions of a row, that with NULLs.

        `names`: those of the results. `fields`: those of a DataFrame that the function takes.
        """
        by_row = takes == ROW
        original = Original(self._function, takes, tuple(fields), cloudpickle.dumps(self._function))
        forms = {missing: self.form(missing) for missing in (frozenset(), frozenset(self._columns))[: 1 + by_row]}
        outputs = forms[frozenset()].kernel.signature.outputs
        parts = Parts(
            self._name,
            tuple(Column(name, kind, kind_of(kind), True) for name, kind in self._columns.items()),
            tuple(replace(column, name=name) for name, column in zip(names, outputs, strict=True)),
            isinstance(self._returns, StructType), by_row, forms, original,
        )  # fmt: skip
        return ServedProgram(parts, self.form)

    def form(self, missing: frozenset[str]) -> Form:
        """Compiles the form for batches with NULLs in these columns. Raises Refusal."""
        columns = [Given(n, kind, True, "nullable" if n in missing else "dense") for n, kind in self._columns.items()]
        arguments = columns if self._fields is None else [Struct(tuple(columns), self._fields)]
        with outside_spark():
            answer = ask(self._payload, self._name, self._returns.jsonValue(), self._eval_type, arguments)
        if isinstance(answer.reply, Refused):
            raise answer.reply.refusals[0].error()
        if answer.reads_batch is not None:
            raise answer.reads_batch.error()
        assert answer.program is not None and isinstance(answer.reply, Compiled)
        types = [str(output.type) for output in answer.reply.outputs]
        fields = self._returns.fields if isinstance(self._returns, StructType) else [self._returns]
        if len(types) != len(fields) or any(kind not in ARROW for kind in types):
            raise UserError(f"results of type {self._returns.simpleString()} cannot be served; types are {', '.join(ARROW)}")
        many = few = _loaded(answer.program, self._columns, types)
        if answer.logical is not None and any(isinstance(x.op, ForestSums) for loop in answer.logical.loops for x in loop.body):
            few = _loaded(choose_layouts(answer.logical, few_rows=True), self._columns, types)
        return Form(*many, *few)


def _loaded(program: Program, types: Mapping[str, str], outputs: Sequence[str]) -> tuple[Kernel, Runner]:
    """Compiles a program and links it for this process."""
    cache = ObjectCache()
    code = compile_program(program, cache)
    kernel = LoadedKernel.load(code, program)
    blocks = tuple(block.data for block in program.blocks if block.data is not None)
    inputs = tuple(Column(i.name, types[i.name], i.type.kind, i.type.nullable) for i in program.inputs)
    made = zip(program.outputs, outputs, output_types(program), strict=True)
    results = tuple(Column(name, kind, type.kind, type.nullable) for name, kind, type in made)
    signature = Signature(inputs, results, code.memory, program_allocates(program), code.symbol)
    text = print_program(program)
    served = Kernel(signature, blocks, lambda: compile_shared(program, cache)[0], program=text, compile_for=compile_for)
    return served, Runner(signature, kernel.address, blocks, kernel)


def _takes_series(function: Any) -> bool:
    """Whether a function's annotations name a Series of pandas."""
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # noqa: BLE001 - an annotation may be any expression
        hints = getattr(function, "__annotations__", {})
    return any(hint is pd.Series or hint in ("pd.Series", "pandas.Series", "Series") for hint in hints.values())


def _in_order(function: Any, columns: Mapping[str, str]) -> dict[str, str]:
    """Returns the columns in the order of the function's parameters where these have their names, else as they are.

    Raises UserError for another number of columns.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return dict(columns)
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        return dict(columns)
    names = [p.name for p in parameters]
    required = [p.name for p in parameters if p.default is p.empty]
    if set(names) == set(columns):
        return {name: columns[name] for name in names}
    if not len(required) <= len(columns) <= len(names):
        raise UserError(f"the function takes {', '.join(names)}; the columns are {', '.join(columns)}")
    return dict(columns)


def _example(table: Any) -> pa.Table:
    """Returns an example as an Arrow table. Raises UserError for anything else."""
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    try:
        if hasattr(table, "iloc"):
            return pa.Table.from_pandas(table, preserve_index=False)
        if isinstance(table, Mapping):
            return pa.table({name: pa.array(np.asarray(values)) for name, values in table.items()})
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise UserError(f"the example has a column of objects of several classes: {error}") from None
    raise UserError(f"a {type(table).__name__} describes no columns: pass an example table, a schema or a dict of type names")


def _spark_type(kind: Any) -> str:
    return kind if isinstance(kind, str) else name_of(kind.jsonValue())


def _of_arrow(field: pa.Field) -> str:
    kind = field.type
    if pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        kind = pa.string()
    if pa.types.is_timestamp(kind):
        return "timestamp_ntz" if kind.tz is None else "timestamp"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"array<{_of_arrow(kind.value_field)}>"
    return next((name for name, arrow in ARROW.items() if arrow == kind), str(kind))
