"""Checks `sparkweld.pandas_udf` and `sparkweld.udf` without a session: Spark's forms, the verdict at definition, the options."""

from __future__ import annotations

import functools
import operator
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions
from pyspark.sql.types import DoubleType, LongType, StringType

import sparkweld
from sparkweld.api.verdict import examine
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import payload, python_step, request, udf
from tests.helpers.lines import PythonEvalType
from udf_compiler.function.options import Options, options_of
from udf_compiler.function.payload import load_command

SCALAR = PythonEvalType.SQL_SCALAR_PANDAS_UDF


def doubled(s: pd.Series) -> pd.Series:
    return s * 2


def centred(s: pd.Series) -> pd.Series:
    return s - s.ewm(span=3).std()


def grown(s: pd.Series) -> pd.Series:
    return np.exp(s)


@pytest.mark.parametrize(
    "declare",
    [
        lambda f: sparkweld.pandas_udf("double")(f),
        lambda f: sparkweld.pandas_udf(DoubleType())(f),
        lambda f: sparkweld.pandas_udf(returnType="double")(f),
        lambda f: sparkweld.pandas_udf(f, "double"),
        lambda f: sparkweld.pandas_udf(f, returnType=DoubleType()),
        lambda f: sparkweld.pandas_udf("double", exact=True)(f),
    ],
)
def test_forms_of_pandas_udf(declare):
    made = declare(doubled)
    assert (made.returnType, made.evalType, made.__name__) == (DoubleType(), SCALAR, "doubled")
    assert made.deterministic and "compiled for (double)" in made.explain()
    assert type(made) is type(functions.pandas_udf(doubled, DoubleType()))


def test_the_function_type_is_handed_on():
    with pytest.warns(UserWarning, match="SPARK-28264"):
        made = sparkweld.pandas_udf("double", functions.PandasUDFType.SCALAR, backend="python")(lambda s: s)
    assert made.evalType == SCALAR
    with pytest.warns(UserWarning, match="SPARK-28264"):
        kind = functions.PandasUDFType.GROUPED_AGG
        agg = sparkweld.pandas_udf(DoubleType(), functionType=kind, backend="python")(lambda s: 1.0)
    assert agg.evalType == PythonEvalType.SQL_GROUPED_AGG_PANDAS_UDF


def test_type_hints_decide_as_in_spark():
    @sparkweld.pandas_udf("long", backend="python")
    def batches(parts: Iterator[pd.Series]) -> Iterator[pd.Series]:
        yield from parts

    assert batches.evalType == PythonEvalType.SQL_SCALAR_PANDAS_ITER_UDF


def test_forms_of_udf():
    def name(x):
        return str(x)

    python = functools.partial(sparkweld.udf, backend="python")
    assert python(name).returnType == StringType() == python()(name).returnType
    assert python("long")(name).returnType == LongType() == python(name, "long").returnType
    assert python(returnType=LongType())(name).returnType == LongType()
    assert python(name, useArrow=True).evalType == PythonEvalType.SQL_ARROW_BATCHED_UDF
    assert python(name, useArrow=False).evalType == functions.udf(name, useArrow=False).evalType


def test_spark_raises_the_same_error():
    from pyspark.errors import PySparkTypeError, PySparkValueError

    with pytest.raises(PySparkTypeError, match="CANNOT_BE_NONE"):
        sparkweld.pandas_udf(doubled)
    with pytest.raises(PySparkValueError, match="0-arg"):
        sparkweld.pandas_udf("double")(lambda: 1)
    with pytest.raises(sparkweld.UserError, match="'gpu'"):
        sparkweld.pandas_udf("double", backend="gpu")


def test_a_refusal_is_a_warning_once_with_code_line_and_hint():
    with pytest.warns(sparkweld.RefusalWarning) as caught:
        made = sparkweld.pandas_udf("double")(centred)
    (warning,) = (each for each in caught if each.category is sparkweld.RefusalWarning)  # PySpark 3.5 has one of its own
    text = str(warning.message)
    assert text.startswith("centred runs in Python. SW250 Not row-local: Series.ewm")
    assert f"at centred, line {centred.__code__.co_firstlineno + 1} of test_decorators.py" in text
    assert "pass it in as a column" in text
    assert warning.filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "distutils Version classes")  # PySpark 3.5 compares versions with them
        sparkweld.pandas_udf("double")(centred)
    assert "SW250" in made.explain() and made.backend == "auto"


def test_backend_native_raises_and_python_is_silent():
    with pytest.raises(sparkweld.Refusal, match="SW250"):
        sparkweld.pandas_udf("double", backend="native")(centred)
    assert sparkweld.pandas_udf("double", backend="native")(doubled).backend == "native"
    silent = sparkweld.pandas_udf("double", backend="python")(centred)
    assert "SW700 Left to Python" in silent.explain()


def test_options_reach_the_compile_service_inside_the_payload():
    exact = sparkweld.pandas_udf("double", exact=False, backend="native")(grown)
    assert options_of(load_command(payload(exact.func)).function) == Options(False, "native")
    with pytest.warns(sparkweld.RefusalWarning, match="SW232"):
        exact = sparkweld.pandas_udf("double", exact=True)(grown)
    blobs = [payload(exact.func), payload(grown)]
    steps = python_step(r=udf(0, "a", name="asked"), q=udf(1, "a", name="not_asked"))
    reply = compile_pipeline(request(steps, outputs=("r", "q")), blobs)
    assert [(r["udf"], r["code"]) for r in reply["refusals"]] == [("asked", "SW232")]
    left = sparkweld.pandas_udf("double", backend="python")(doubled)
    reply = compile_pipeline(request(python_step(r=udf(0, "a"))), [payload(left.func)])
    assert [r["code"] for r in reply["refusals"]] == ["SW700"]
    assert options_of(doubled) == Options() == options_of(len)


def test_options_of_partials_and_other_callables():
    made = sparkweld.pandas_udf(functools.partial(operator.mul, 2.0), "double", backend="python")
    assert options_of(made.func).backend == "python"

    class Model:
        def __call__(self, s: pd.Series) -> pd.Series:
            return s

    with pytest.raises(sparkweld.UserError, match="a Model"):
        sparkweld.pandas_udf(Model(), "double", exact=True)


def test_without_options_the_function_stays_itself():
    assert sparkweld.pandas_udf("double")(doubled).func is doubled
    assert sparkweld.pandas_udf("double").__class__.__name__ == "function"


def test_as_nondeterministic_keeps_the_additions():
    made = sparkweld.pandas_udf("double", backend="python")(doubled).asNondeterministic()
    assert not made.deterministic and made.backend == "python" and "SW700" in made.explain()


def test_explain_for_given_types():
    made = sparkweld.pandas_udf("double")(lambda a, b: a + b)
    assert "compiled for (long, double)" in made.explain("long", "double")
    assert "SW101" in made.explain("decimal(20,2)", "double")


def test_a_verdict_does_not_blame_the_function_for_the_types():
    verdict = examine(lambda a: a.no_such_accessor, DoubleType(), SCALAR)
    assert verdict.row_local is None and "none of these compiles" in str(verdict) or verdict.refusal.code == "SW261"
    verdict = examine(lambda s: s.fillna(0).astype("int64") & 3, LongType(), SCALAR)
    assert verdict.row_local


def test_a_name_that_is_defined_later_is_no_refusal():
    text = "def f(s):\n    return helper(s)\n"
    scope: dict = {"__name__": "later"}
    exec(text, scope)
    verdict = examine(scope["f"], DoubleType(), SCALAR)
    assert verdict.trials and verdict.refusal is None and verdict.row_local is None


def test_an_object_that_cannot_be_pickled_is_a_fault_and_no_error():
    lock = __import__("threading").Lock()
    verdict = examine(lambda s: (lock, s)[1], DoubleType(), SCALAR)
    assert "TypeError" in verdict.fault and "not examined" in str(verdict)


def test_mixed_types_are_tried():
    def mixed(flag: pd.Series, x: pd.Series) -> pd.Series:
        return x.where(flag.astype("bool") & (flag >= 0), x * 0.5)

    assert examine(mixed, DoubleType(), SCALAR).row_local


def test_a_worker_and_the_service_do_not_judge(tmp_path):
    code = """
        import warnings, pandas as pd, sparkweld
        warnings.simplefilter("error")
        @sparkweld.pandas_udf("double")
        def centred(s):
            return s - s.ewm(span=3).std()
        print(centred.evalType)
    """
    path = tmp_path / "job.py"
    path.write_text(textwrap.dedent(code))
    run = functools.partial(subprocess.run, [sys.executable, str(path)], capture_output=True, text=True, check=False)
    import os

    assert run(env={**os.environ, "SPARK_PYTHON_RUNTIME": "PYTHON_WORKER"}).stdout == "200\n"
    assert "RefusalWarning" in run().stderr
