"""Checks that a pipeline's three stages, run in sequence as by the JVM and a worker, produce PySpark's results."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.serializers import CPickleSerializer
from pyspark.sql.types import DoubleType, IntegerType, StringType
from scipy.special import erf

from sparkweld.annotations import Rows, annotate
from sparkweld.fused.compile import compile_fused
from sparkweld.fused.payload import type_of
from sparkweld.ir import evaluate, parse_program
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from tests.helpers.compiled import TYPE_NAMES, inputs_of, spark_name, values_of
from tests.helpers.outcomes import same
from tests.helpers.worker import run_in_worker
from udf_compiler.pipeline import compile_pipeline

RNG = np.random.default_rng(7)
N = 300
ARROW = {
    "boolean": pa.bool_(), "byte": pa.int8(), "integer": pa.int32(), "long": pa.int64(), "float": pa.float32(),
    "double": pa.float64(), "string": pa.string(),
}  # fmt: skip
INTEGERS = ("byte", "short", "integer", "long")


def price(a, b):
    d = (np.log(b) + 0.5 * a) / np.sqrt(b)
    return a * erf(d) - np.exp(-b) * erf(d - b)


def slug(s):
    return s.str.strip().map(html.escape).str.lower() + "!"


def narrow(a, b):
    return (erf(a * 2) * 1e12 + b).astype("int32")


def filled(n):
    return n.fillna("-").map(html.escape).str.len() * 2


def weekly(d):
    return erf(pd.to_datetime(d).dt.dayofweek / 7.0) + 1


def yearly(a, m):
    return erf(a) * pd.to_datetime(m).dt.year


def tagged(s):
    return s.map(lambda x: "<" + html.escape(x.strip()) + ">")


def two(a, s):
    return erf(a + 1) * s.map(html.escape).str.len()


COLUMNS: dict[str, Any] = {
    "a": pa.array(RNG.normal(1, 1, N), mask=RNG.random(N) < 0.1),
    "b": pa.array(RNG.choice([0.5, 2.0, np.nan, np.inf, -1.0], N), mask=RNG.random(N) < 0.1),
    "x": pa.array(RNG.normal(size=N)),
    "f": pa.array(RNG.normal(size=N).astype("f4")),
    "i": pa.array(RNG.integers(-9, 9, N)),
    "j": pa.array(RNG.integers(-9, 9, N), mask=RNG.random(N) < 0.1),
    "t": pa.array(RNG.integers(-9, 9, N).astype("i1")),
    "ok": pa.array(RNG.random(N) < 0.5),
    "d": pa.array(RNG.integers(-9999, 9999, N).astype("i4"), pa.date32()),
    "m": pa.array(RNG.integers(-9999, 9999, N).astype("i4"), pa.date32(), mask=RNG.random(N) < 0.1),
    "s": pa.array(RNG.choice(["a <b>", " É", "", "x"], N)),
    "n": pa.array(RNG.choice(["a <b>", " É", "", "x"], N), mask=RNG.random(N) < 0.1),
}
#: (function, columns, its return type, whether it can be split, whether all rows are decided)
CASES = [
    (price, "a b", DoubleType(), True, True),
    (slug, "s", StringType(), True, True),
    (lambda i: erf(i / 4) * i, "i", DoubleType(), True, True),
    (lambda i: erf(i / 4) * i, "j", DoubleType(), True, True),
    (lambda i: erf(i + 1) * 2, "i", DoubleType(), False, True),  # the call receives integers or floats
    (lambda t, f: erf(t * f) + t, "t f", DoubleType(), False, True),
    (lambda f, a: erf(f * 2) + a, "f a", DoubleType(), True, True),
    (lambda a, ok: erf(a + 0.5).where(ok, -a), "a ok", DoubleType(), True, True),
    (lambda a: erf(a).astype("float32") * 2, "a", DoubleType(), True, True),
    (lambda a, j: erf(a) * (j + 1), "a j", DoubleType(), True, True),  # no first kernel, and a form that calls do not see
    (weekly, "d", DoubleType(), True, True),
    (weekly, "m", DoubleType(), True, True),
    (yearly, "a m", DoubleType(), True, True),
    (filled, "n", DoubleType(), True, True),
    (tagged, "s", StringType(), True, True),
    (lambda n: n.map(lambda x: html.escape(x) if x is not None else None).str.len() + 1.0, "n", DoubleType(), True, True),
    (two, "a s", DoubleType(), True, True),
    (narrow, "x f", IntegerType(), True, False),
    (lambda a: erf(a), "a", DoubleType(), False, True),
]


def parts_of(function, types, returns):
    entry = udf(0, *(column(n, t) for n, t in types.items()), returns=spark_name(returns))
    made = request(python_step(r=entry))
    made["op"], made["conf"]["split"] = "fuse", "always"
    (group,) = compile_fused(made, [payload(function, returns)])["fused"]
    return group["parts"]


def of_command(text):
    return CPickleSerializer().loads(bytes.fromhex(text))[0]


def kernel(command, batch, returns, outputs):
    """Returns a kernel's results for the batch, or those of the command where the kernel may not decide, and which it was."""
    types = {name: TYPE_NAMES[str(array.type)] for name, array in zip(batch.schema.names, batch.columns, strict=True)}
    stateful = ("boolean", "date", *INTEGERS)
    nullable = [n for n, t in types.items() if t not in stateful or batch[n].null_count]
    entry = udf(0, *(column(n, t) for n, t in types.items()), returns=returns)
    step = python_step(r=entry)
    fields = returns["fields"] if isinstance(returns, dict) else None
    if fields:
        step["udfs"][0]["fields"] = outputs
    reply = compile_pipeline(request(step, inputs=types, nullable_state=nullable, outputs=outputs), [bytes.fromhex(command)])
    names = [field["type"] for field in fields] if fields else [returns]
    if reply["status"] == "ok":
        program = parse_program(reply["program"], reply["blocks"])
        made = evaluate(program, inputs_of(program, batch), batch.num_rows)
        if not made.flagged.any():
            values = [values_of(made.columns[x], type_of(t)) for x, t in zip(program.outputs, names, strict=True)]
            return [pa.array(x, ARROW[t]) for x, t in zip(values, names, strict=True)], True
    result = of_command(command)(*(pandas_of(array) for array in batch.columns))
    found = [result[field["name"]] for field in fields] if fields else [result]
    return [pa.array(x, ARROW[t], from_pandas=True) for x, t in zip(found, names, strict=True)], False


def pandas_of(array):
    return array.to_pandas() if array.type != pa.bool_() or not array.null_count else pd.Series(array.to_pylist(), dtype=object)


def in_parts(parts, batch, returns):
    """Returns the result, and whether kernels and calls computed all of it."""
    group, decided = [*batch.columns], []
    fields = parts["fields"]
    slots: list[Any] = []
    if parts["before"]:
        struct = {"type": "struct", "fields": [{**f, "nullable": f["type"] in ("float", "double", "string")} for f in fields]}
        slots, kernels = kernel(parts["before"], batch, struct, [f["name"] for f in fields])
        decided.append(kernels)
    taken = [*slots[:-1], *(group[i] for i in parts["direct"]), *slots[-1:]]
    series = [pandas_of(array) for array in taken]
    functions = [of_command(text) for text in parts["between"]]
    made = [pa.array(f(*series), ARROW[t], from_pandas=True) for f, t in zip(functions, parts["results"], strict=True)]
    starts = pa.array([True] + [False] * (len(batch) - 1))
    given = {f"c{i}": x for i, x in enumerate([*group, *made, starts])}
    (result,), kernels = kernel(parts["after"][0], pa.RecordBatch.from_pydict(given), returns, ["r"])
    return result, all([*decided, kernels, *(bool(x) for x in made[-1].to_pylist())])


@pytest.mark.parametrize(("function", "names", "returns", "splits", "decides"), CASES)
def test_parts(function, names, returns, splits, decides):
    columns = {name: COLUMNS[name] for name in names.split()}
    batch = pa.RecordBatch.from_pydict(columns)
    parts = parts_of(function, {n: TYPE_NAMES[str(c.type)] for n, c in columns.items()}, returns)
    assert (parts is not None) == splits
    if parts is None:
        return
    assert any(stage.startswith("in the JVM, kernel: ") for stage in parts["stages"])
    result, decided = in_parts(parts, batch, spark_name(returns))
    assert decided == decides
    wanted = run_in_worker(function, batch, returns, 200).to_pylist()
    for mine, theirs in zip(result.to_pylist(), wanted, strict=True):
        assert same(mine, theirs) or abs(mine - theirs) <= 1e-12 * abs(theirs), (mine, theirs)


def test_what_the_calls_do_not_decide_is_the_originals():
    picky = annotate(lambda s: s * 2.0 if len(s) < 100 else s[:-1], (Rows(),), returns=Rows(), check=False)

    def function(a, b):
        return picky(a + b) * b

    batch = pa.RecordBatch.from_pydict({"a": RNG.normal(size=N), "b": RNG.normal(size=N)})
    parts = parts_of(function, {"a": "double", "b": "double"}, DoubleType())
    result, decided = in_parts(parts, batch, "double")
    wanted = run_in_worker(function, batch, DoubleType(), 200).to_pylist()
    assert not decided and result.to_pylist() == wanted and wanted[-1] is None  # of the Series that is too short
