"""Builds the bytes of a PySpark command for a fused function, which runs the original where SparkWeld cannot be imported.

The code is pickled by value: a worker without the package runs the original and warns once. The originals stay in their own
bytes, so that their broadcast variables are read as usual. They are unpickled on demand.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyspark import cloudpickle
from pyspark.sql.types import ByteType

from sparkweld.worker.arrow import in_arrow_batches

#: The arguments that an original takes: the number of each and, for a keyword argument, its name.
Taken = Sequence[tuple[int, str | None]]
#: Settings of a worker, by key.
Confs = Mapping[str, str | None]

#: The limit on bytes of a group's commands. Spark ships a large function once per executor, but these go with every task.
MOST_BYTES = 16 << 20
#: The first rows of a task that run the original: importing a pipeline's modules costs its saving over some 100,000 rows.
FEW_ROWS = 2000
#: The pandas dtype of the values of a return type.
_DTYPES = {
    "boolean": "bool", "byte": "int8", "short": "int16", "integer": "int32", "long": "int64", "float": "float32",
    "double": "float64", "string": "object",
}  # fmt: skip


def command(
    plan: bytes, number: int, originals: Sequence[bytes], taken: Taken, return_type: Any, confs: Confs, few: int = FEW_ROWS,
    arrow: bool = False, module: str = "sparkweld.worker.function",
) -> bytes:  # fmt: skip
    """Returns the command of a function that computes a result of `plan` (see `function.load`) in place of the chain of
    `originals`.

    PySpark calls it with Series as a scalar pandas UDF, or with Arrow arrays and `sparkweld_starts` as a scalar Arrow UDF.

    - `arrow`: the originals are Arrow UDFs, so it also accepts arrays without `sparkweld_starts`.
    - `confs`: the settings that the worker of a pandas UDF receives.
    - `few`: a task imports pipelines only after this number of rows; until then the originals run.
    - `module`: its `load` returns the function.
    """
    chain = functools.partial(_by_value(_chain), _by_value(_functions), tuple(originals), tuple(taken))
    if arrow:
        conversions = None, _by_value(_conversion_of_array)(number, return_type)
    else:
        conversions = _by_value(_conversions)(number, return_type, dict(confs))
    unfused = _by_value(_unfused)(chain, conversions, _by_value(in_arrow_batches))
    function = _by_value(_fused)(plan, number, unfused, conversions, _DTYPES.get(return_type.typeName()), few, module)
    return cloudpickle.dumps((function, return_type))  # type: ignore[no-any-return]


def batch_command(iterator: bytes, return_type: Any, arrow: bool = False, in_pieces: bool = False) -> bytes:
    """Returns the command of a function of one batch, equivalent to the iterator UDF of the command `iterator`.

    The iterator UDF must treat all batches equally. `arrow`: it takes Arrow arrays. `in_pieces`: it may return a batch's rows in
    several results.
    """
    made = _by_value(_pieces_of_batches if in_pieces else _each_batch)(_by_value(_functions), iterator, arrow)
    return cloudpickle.dumps((made, return_type))  # type: ignore[no-any-return]


def cut_command(originals: Sequence[bytes], inner: int, return_type: Any) -> bytes:
    """Returns the command of the chain of `originals` whose first `inner` functions a kernel computes where it can.

    It is a function of the kernel's result, and of the chain's arguments where that is None.
    """
    return cloudpickle.dumps((_Made(_by_value(_rest), (_by_value(_functions), tuple(originals), inner)), return_type))  # type: ignore[no-any-return]


class _Made:
    """Is pickled as the result of a call, which the worker makes when it reads the command."""

    def __init__(self, make: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._made = make, args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._made


def metrics_command() -> bytes:
    """Returns the command of a function of an Arrow array that reports the counters of its worker's pipelines: see `counts`."""
    return cloudpickle.dumps((_by_value(_counted), ByteType()))  # type: ignore[no-any-return]


def pickled(plan: Any) -> bytes:
    """Returns the bytes of a plan, with the user's functions by value, as PySpark pickles them."""
    return cloudpickle.dumps(plan)  # type: ignore[no-any-return]


def by_value(function: Callable[..., Any], *modules: types.ModuleType) -> bytes:
    """Returns the command of a mapInArrow function with the code of `modules`, which workers need not have installed."""
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps((function, None))  # type: ignore[no-any-return]  # workers do not look at its type
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _by_value(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a copy of the function in module `__main__`, which is pickled with its code."""
    copy = types.FunctionType(
        function.__code__, {"__name__": "__main__", "__builtins__": __builtins__}, function.__name__, function.__defaults__
    )
    copy.__module__ = "__main__"
    return copy


def _fused(
    plan: bytes, number: int, unfused: Callable[[], Any], conversions: Any, returns: str | None, few: int, module: str
) -> Callable[..., Any]:
    """Returns the fused function; the original runs for the first `few` rows unless the module is already imported.

    Pickled by value, with imports inside.
    """
    loaded: list[Callable[..., Any]] = []
    originals: list[Callable[..., Any]] = []
    seen = 0

    def original():  # type: ignore[no-untyped-def]
        if not originals:
            originals.append(unfused())
        return originals[0]

    def fused(*args, **kwargs):  # type: ignore[no-untyped-def]
        nonlocal seen
        import sys

        if not loaded:
            seen += len(args[0])
            if seen <= few and module not in sys.modules:
                return original()(*args, **kwargs)
            try:
                from importlib import import_module

                loaded.append(import_module(module).load(plan, number, original, conversions, returns))
            except Exception as error:  # noqa: BLE001 - whatever fails in the package here, the original runs
                print(f"SparkWeld: the original UDF runs: {type(error).__name__}: {error}", file=sys.stderr)
                loaded.append(original())
        return loaded[0](*args, **kwargs)

    return fused


def _each_batch(functions_of: Callable[..., Any], iterator: bytes, arrow: bool) -> Callable[..., Any]:
    """Returns a function of one batch; the code before the iterator UDF's loop runs once, before the first batch.

    Pickled by value. `functions_of`: `_functions`.
    """
    given: list[Any] = []
    results: list[Any] = []

    def batches():  # type: ignore[no-untyped-def]
        while True:
            yield given.pop()

    def each(*args):  # type: ignore[no-untyped-def]
        if not results:
            from collections.abc import Iterator

            import pandas as pd
            import pyarrow as pa
            from pyspark.worker import verify_return_type

            (function,) = functions_of((iterator,))
            expected = Iterator[pa.Array] if arrow else Iterator[pd.Series]
            results.append(verify_return_type(function(batches()), expected))
        given.append(args[0] if len(args) == 1 else args)
        return next(results[0])

    return each


def _pieces_of_batches(functions_of: Callable[..., Any], iterator: bytes, arrow: bool) -> Callable[..., Any]:
    """Returns a function of one batch that concatenates the results of the iterator UDF for it.

    The code before the UDF's loop runs once. If the UDF requests the next batch before it has returned the rows of one, its input
    ends. It is then started anew for the next batch. Pickled by value. `functions_of`: `_functions`.
    """
    given: list[Any] = []
    functions: list[Any] = []
    results: list[Any] = []

    def batches():  # type: ignore[no-untyped-def]
        while given:
            yield given.pop()
        results.clear()

    def each(*args):  # type: ignore[no-untyped-def]
        import pandas as pd
        import pyarrow as pa

        if not functions:
            functions.extend(functions_of((iterator,)))
        given[:] = [args[0] if len(args) == 1 else args]
        if not results:
            results.append(functions[0](batches()))
        now = results[0]
        pieces: list[Any] = []
        try:
            while sum(len(piece) for piece in pieces) < len(args[0]):
                pieces.append(next(now))
        except StopIteration:
            results.clear()
        except BaseException:
            results.clear()
            raise
        if len(pieces) == 1:
            return pieces[0]
        if arrow:
            return pa.concat_arrays(pieces)
        if len({str(getattr(piece, "dtypes", None)) for piece in pieces}) > 1:
            pieces = [piece.astype(object) for piece in pieces]  # PySpark converts each of them by itself
        return pd.concat(pieces, ignore_index=True)

    return each


def _unfused(chain: Callable[[], Any], conversions: Any, in_arrow_batches: Callable[..., Any]) -> Callable[[], Any]:
    """Returns a factory of the function of `chain`; with `sparkweld_starts`, the function takes arrays, too.

    Pickled by value.
    """

    def make():  # type: ignore[no-untyped-def]
        (series_of, array_of), function = conversions, chain()

        def run(*args, sparkweld_starts=None):  # type: ignore[no-untyped-def]
            if sparkweld_starts is None:
                return function(*args)

            def batch(*cut):  # type: ignore[no-untyped-def]
                return array_of(function(*(cut if series_of is None else series_of(cut))), len(cut[0]))

            return in_arrow_batches(batch, sparkweld_starts, args)

        return run

    return make


def _conversions(number: int, return_type: Any, confs: dict[str, Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Returns the conversions of the worker around its scalar pandas UDF `number`: arrays to Series, and the result to an array.

    Source: pyspark/worker.py, SQL_SCALAR_PANDAS_UDF. Pickled by value.
    """

    def series_of(arrays):  # type: ignore[no-untyped-def]
        import pyarrow as pa
        from pyspark.sql.conversion import ArrowBatchTransformer
        from pyspark.worker import RunnerConf

        conf = RunnerConf(confs)
        return ArrowBatchTransformer.to_pandas(
            pa.RecordBatch.from_arrays(list(arrays), [f"_{i}" for i in range(len(arrays))]), timezone=conf.timezone,
            struct_in_pandas="dict", ndarray_as_list=False, prefer_int_ext_dtype=conf.prefer_int_ext_dtype, df_for_struct=True,
        )  # fmt: skip

    def array_of(result, rows):  # type: ignore[no-untyped-def]
        import pandas as pd
        from pyspark.errors import PySparkTypeError, PySparkValueError
        from pyspark.sql.conversion import PandasToArrowConversion
        from pyspark.sql.types import StructField, StructType
        from pyspark.worker import RunnerConf, verify_result_row_count

        conf, is_struct = RunnerConf(confs), isinstance(return_type, StructType)
        if not hasattr(result, "__len__"):
            told = {"expected": "pandas.DataFrame" if is_struct else "pandas.Series", "actual": type(result).__name__}
            raise PySparkTypeError(errorClass="UDF_RETURN_TYPE", messageParameters=told)
        verify_result_row_count(len(result), rows)
        if is_struct and not isinstance(result, pd.DataFrame):
            raise PySparkValueError(
                "Invalid return type. Please make sure that the UDF returns a "
                "pandas.DataFrame when the specified return type is StructType."
            )
        return PandasToArrowConversion.convert(
            [result], StructType([StructField(f"_{number}", return_type)]), timezone=conf.timezone, safecheck=conf.safecheck,
            arrow_cast=True, prefers_large_types=conf.use_large_var_types, assign_cols_by_name=conf.assign_cols_by_name,
            int_to_decimal_coercion_enabled=conf.int_to_decimal_coercion_enabled,
        ).column(0)  # fmt: skip

    return series_of, array_of


def _conversion_of_array(number: int, return_type: Any) -> Callable[..., Any]:
    """Returns the conversion that PySpark's worker applies to the result of its scalar Arrow UDF `number`.

    Source: pyspark/worker.py, SQL_SCALAR_ARROW_UDF. Pickled by value.
    """

    def array_of(result, rows):  # type: ignore[no-untyped-def]
        import pyarrow as pa
        from pyspark.sql.conversion import ArrowBatchTransformer
        from pyspark.sql.pandas.types import to_arrow_schema
        from pyspark.sql.types import StructField, StructType
        from pyspark.worker import verify_scalar_result

        schema = to_arrow_schema(StructType([StructField(f"_{number}", return_type)]), timezone="UTC", prefers_large_types=False)
        made = ArrowBatchTransformer.enforce_schema(pa.RecordBatch.from_arrays([result], schema.names), schema)
        return verify_scalar_result(made, rows).column(0)

    return array_of


def _counted(starts: Any) -> Any:
    """Returns the counters, zeros when their module is not imported, as no pipeline has run then. Pickled by value."""
    import sys

    import pyarrow as pa

    module = sys.modules.get("sparkweld.worker.counts")
    return pa.array(bytes(len(starts)) if module is None else module.counts.told(len(starts)), pa.int8())


def _functions(originals: tuple[bytes, ...]) -> list[Callable[..., Any]]:
    """Returns the functions of the commands of a chain. Pickled by value."""
    from pyspark import Broadcast
    from pyspark.serializers import CPickleSerializer

    functions = []
    for data in originals:
        made = CPickleSerializer().loads(data)
        if isinstance(made, Broadcast):
            made = CPickleSerializer().loads(made.value)
        functions.append(made[0])
    return functions


def _chain(functions_of: Callable[..., Any], originals: tuple[bytes, ...], taken: Taken) -> Callable[..., Any]:
    """Returns a function that applies the functions of the commands in a chain; the first selects its arguments by `taken`.

    Pickled by value. `functions_of`: `_functions`.
    """
    functions = functions_of(originals)

    def original(*args):  # type: ignore[no-untyped-def]
        named = {name: args[at] for at, name in taken if name is not None}
        result = functions[0](*[args[at] for at, name in taken if name is None], **named)
        for function in functions[1:]:
            result = function(result)
        return result

    return original


def _rest(functions_of: Callable[..., Any], originals: tuple[bytes, ...], inner: int) -> Callable[..., Any]:
    """Returns the function of `cut_command`. Pickled by value. `functions_of`: `_functions`."""
    functions = functions_of(originals)
    first, others, later = functions[0], functions[1:], functions[inner:]

    def rest(value, *args):  # type: ignore[no-untyped-def]
        missing = later
        if value is None:  # also where the kernel has not decided the row
            value, missing = first(*args), others
        for function in missing:
            value = function(value)
        return value

    return rest
