"""Compares every pyarrow.compute function of the tables in arrow UDFs with pyarrow itself, on extremes and NULLs."""

from __future__ import annotations

import platform

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql.types import ByteType, StructField, StructType

from sparkweld.contract.constants import BATCHED, SCALAR_ARROW, SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker
from tests.helpers.kinds import ARROW, codes, compile_struct, compile_udf, pairs, run, same
from tests.helpers.lines import spark_type_of
from tests.helpers.worker import outputs
from udf_compiler.frontends.arrow.modules import FUNCTIONS

NUMBERS = ("byte", "short", "integer", "long", "float", "double")
SPARK = {arrow: spark for spark, arrow in ARROW.items()}


def check(function, types, returns=None, ulp=0):
    """Compiles and compares each row: a row for which pyarrow alone raises must be flagged, and no other may differ."""
    names = [f"c{i}" for i in range(len(types))]
    columns = pairs(types, nulls=True)
    arrays = [pa.array(values, ARROW[t]) for values, t in zip(columns, types, strict=True)]
    of = SPARK[function(*(a.slice(0, 0) for a in arrays)).type]
    returns = returns or of
    ulp *= 2**29 if of == "float" else 1
    reply = compile_udf(function, 250, dict(zip(names, types, strict=True)), returns)
    (got,), flagged = run(reply, dict(zip(names, (a.to_pylist() for a in arrays), strict=True)))
    wanted, raised = [], []
    for row in range(len(columns[0])):
        try:
            wanted += _converted(function(*(a.slice(row, 1) for a in arrays)), returns)
            raised.append(False)
        except (pa.ArrowInvalid, _Mismatch):
            wanted.append(None)
            raised.append(True)
    missed = [row for row, (r, f) in enumerate(zip(raised, flagged, strict=True)) if r and not f]
    assert not missed, f"{[[c[row] for c in columns] for row in missed]} raise unflagged\n{reply['program']}"
    for row, (a, b) in enumerate(zip(got, wanted, strict=True)):
        assert flagged[row] or same([a], [b], ulp), f"{[c[row] for c in columns]}: {a!r}, not {b!r}\n{reply['program']}"
    return flagged, raised


class _Mismatch(Exception):
    pass


def _converted(array, returns):
    """Converts as the worker builds the column (`enforce_schema`)."""
    from pyspark.errors import PySparkRuntimeError, PySparkTypeError

    try:
        batch = pa.RecordBatch.from_arrays([array], ["_0"])
        made = outputs(lambda _: array, [batch], spark_type_of(ARROW[returns]), SCALAR_ARROW)
    except (PySparkRuntimeError, PySparkTypeError, pa.ArrowInvalid) as error:  # by the line of Spark
        raise _Mismatch from error
    return made[0].column(0).to_pylist()


UNARY = [n for n in FUNCTIONS if n in """abs abs_checked negate negate_checked sign bit_wise_not floor ceil trunc round sqrt
sqrt_checked exp expm1 ln log10 log2 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh ln_checked log10_checked
log2_checked is_null is_valid is_nan is_inf is_finite true_unless_null""".split()]
BINARY = """add subtract multiply add_checked subtract_checked multiply_checked divide divide_checked power atan2
bit_wise_and bit_wise_or bit_wise_xor equal not_equal less less_equal greater greater_equal min_element_wise max_element_wise
coalesce""".split()
LOGIC = "and_ or_ xor and_not and_kleene or_kleene and_not_kleene".split()
PAIRS = [("integer", "integer"), ("long", "long"), ("byte", "short"), ("double", "double"), ("float", "float"), ("date", "date")]
PAIRS += [("integer", "double"), ("long", "float"), ("long", "double"), ("float", "double")]
OF_LIBM = frozenset("""exp expm1 ln log10 log2 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh ln_checked
log10_checked log2_checked power atan2""".split())


def _pyarrow_takes(name, types):
    try:
        made = getattr(pc, name)(*(pa.array([], ARROW[t]) for t in types)).type
    except pa.ArrowNotImplementedError:
        return False
    return made in SPARK and not (name == "power" and pa.types.is_integer(made))


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_column(name):
    for type in (*NUMBERS, "boolean", "date"):
        function = _call(name, 1)
        if _pyarrow_takes(name, (type,)):
            check(function, (type,), ulp=4 if name in OF_LIBM else 0)
        else:
            assert set(codes(compile_udf(function, 250, {"a": type}, "double"))) <= {"SW252", "SW254"}


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_columns(name):
    for types in PAIRS:
        function = _call(name, 2)
        if _pyarrow_takes(name, types):
            check(function, types, ulp=4 if name in OF_LIBM else 0)
        else:
            assert set(codes(compile_udf(function, 250, dict(zip("ab", types, strict=True)), "double"))) <= {"SW252", "SW254"}


@pytest.mark.parametrize("name", LOGIC)
def test_logic(name):
    check(_call(name, 2), ("boolean", "boolean"))


def _call(name, arity):
    namespace = {"__name__": "__main__", "pc": pc}
    arguments = ", ".join("xy"[:arity])
    exec(f"def f({arguments}): return pc.{name}({arguments})", namespace)
    return namespace["f"]


def test_constants_have_their_own_types():
    check(lambda x: pc.add(x, 1), ("integer",), "long")
    check(lambda x: pc.multiply(x, 0.5), ("float",), "double")
    check(lambda x: pc.multiply(0.5, x), ("integer",), "double")
    check(lambda x: pc.add(x, pa.scalar(1, pa.int32())), ("integer",), "integer")
    check(lambda x: pc.add(x, None), ("integer",), "integer")
    check(lambda x: pc.greater(x, 1.5), ("long",), "boolean")


def test_the_result_is_cast_to_the_declared_type():
    check(lambda x: x, ("long",), "integer")
    check(lambda x: x, ("double",), "long")
    check(lambda x: x, ("long",), "float")
    check(lambda x: x, ("boolean",), "integer")
    check(lambda x: x, ("double",), "boolean")
    assert compile_udf(lambda x: x, 250, {"a": "integer"}, "date")["status"] == "ok"
    assert codes(compile_udf(lambda x: x, 250, {"a": "date"}, "long")) == ["SW252"]


DIGITS = [1, 2, 3, 10, -1, -2, -10]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="elsewhere Arrow may fuse multiplication and addition")
@pytest.mark.parametrize("digits", DIGITS)
def test_rounding_to_digits(digits):
    """Ties, products that are whole after rounding, overflows, and random numbers of all magnitudes."""
    check(lambda x: pc.round(x, digits), ("double",))
    if digits > 0:
        check(lambda x: pc.round(x, ndigits=digits), ("long",))
    draw = np.random.default_rng(7)
    numbers = np.concatenate([
        draw.normal(size=20_000) * 10.0 ** draw.integers(-20, 20, 20_000), np.arange(-4000, 4000) / 1000 * 10.0**-digits,
        np.round(draw.uniform(0, 1e4, 20_000), 2) * draw.integers(1, 50, 20_000), np.nextafter(np.arange(-500, 500) / 200, 9),
        np.nextafter(np.arange(-500, 500) / 200, -9), [1e308, -1.7e308, 5e-324, -5e-324, -0.0, 0.0, np.nan, np.inf, -np.inf],
    ])  # fmt: skip
    array = pa.array(numbers, from_pandas=False)
    reply = compile_udf(lambda x: pc.round(x, digits), 250, {"x": "double"}, "double")
    (got,), flagged = run(reply, {"x": array.to_pylist()})
    kept = ~np.asarray(flagged)
    assert kept.sum() >= len(numbers) - 2
    wanted = pc.round(array.filter(pa.array(kept)), digits).to_numpy(zero_copy_only=False)
    assert np.array_equal(np.asarray(got, float)[kept].view(np.int64), wanted.view(np.int64))


def test_choices():
    check(lambda c, x, y: pc.if_else(c, x, y), ("boolean", "integer", "long"), "long")
    check(lambda c, x: pc.if_else(c, x, 0), ("boolean", "double"), "double")
    check(lambda x, y: pc.if_else(pc.greater(x, y), x, None), ("double", "double"), "double")
    check(lambda x: pc.fill_null(x, 0), ("double",), "double")
    check(lambda x, y: x.fill_null(y), ("long", "long"), "long")
    check(lambda x: pc.coalesce(x, 7), ("byte",), "long")
    check(lambda x: pc.is_in(x, value_set=pa.array([1, 7, None], pa.int64())), ("long",), "boolean")
    check(lambda x: pc.is_in(x, pa.array([1, 7], pa.int64())), ("long",), "boolean")
    check(lambda x: pc.is_in(x, pa.array([None, 1], pa.int8()), skip_nulls=True), ("byte",), "boolean")
    check(lambda x: x.is_null(nan_is_null=True), ("double",), "boolean")
    check(lambda x, y: pc.min_element_wise(x, y, skip_nulls=False), ("double", "double"), "double")
    check(lambda x: pc.max_element_wise(x, 0.0, 1.0), ("double",), "double")


STRINGS = [
    lambda s: pc.utf8_lower(s), lambda s: pc.utf8_upper(s), lambda s: pc.ascii_upper(s), lambda s: pc.utf8_length(s),
    lambda s: pc.utf8_trim_whitespace(s), lambda s: pc.utf8_ltrim_whitespace(s), lambda s: pc.utf8_trim(s, " ab"),
    lambda s: pc.utf8_rtrim(s, characters="bé"), lambda s: pc.starts_with(s, "a"), lambda s: pc.ends_with(s, pattern="b"),
    lambda s: pc.match_substring(s, "ca"), lambda s: pc.count_substring(s, "ab"), lambda s: pc.find_substring(s, "b"),
    lambda s: pc.replace_substring(s, "ab", "xyz"), lambda s: pc.utf8_slice_codeunits(s, 1, 3),
    lambda s: pc.utf8_slice_codeunits(s, 0, 1), lambda s: pc.utf8_slice_codeunits(s, -2), lambda s: pc.string_is_ascii(s),
    lambda s: pc.if_else(pc.equal(s, "a"), "one", s), lambda s: pc.fill_null(s, "none"), lambda s: s.is_null(),
    lambda s: pc.is_in(s, value_set=pa.array(["a", "é"])), lambda s: pc.less(s, "b"), lambda s: s,
    lambda s: pc.binary_join_element_wise(s, pc.utf8_lower(s), "-"),
]  # fmt: skip


@pytest.mark.parametrize("function", STRINGS)
def test_strings(function):
    check(function, ("string",))


def test_text_beyond_ascii_is_left_to_pyarrow_where_the_tables_differ():
    reply = compile_udf(lambda s: pc.utf8_upper(s), 250, {"s": "string"}, "string")
    (got,), flagged = run(reply, {"s": ["straße", "abc", None]})
    assert flagged.tolist() == [True, False, False]
    assert got[1:] == ["ABC", None]


def test_a_pattern_that_pyarrow_replaces_endlessly_is_refused_without_calling_pyarrow():
    assert codes(compile_udf(lambda s: pc.replace_substring(s, "", "x"), 250, {"s": "string"}, "string")) == ["SW262"]


def test_casts():
    check(lambda x: x.cast(pa.int32()), ("long",), "integer")
    check(lambda x: pc.cast(x, "int64"), ("double",), "long")
    check(lambda x: x.cast(pa.float32()), ("double",), "float")
    assert codes(compile_udf(lambda x: x.cast(pa.int8(), safe=False), 250, {"a": "long"}, "byte")) == ["SW262"]


def test_a_chain_of_functions_and_captured_constants():
    rate = pa.scalar(0.07)
    kind = pa.float64()

    def interest(x):
        grown = pc.multiply(pc.cast(x, kind), pc.add(rate, 1))
        return pc.round(grown) if isinstance(x, pa.Array) and x.type == pa.int64() else grown

    check(interest, ("long",), "double")


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda x: pc.cumulative_sum(x), "SW250"),
        (lambda x: pc.sum(x), "SW250"),
        (lambda x: pc.subtract(x, pc.mean(x)), "SW250"),
        (lambda x: pc.random(3), "SW251"),
        (lambda x: pc.multiply(x, pc.scalar(0.5)), "SW251"),  # an expression of a data set, not a constant
        (lambda x: x + 1, "SW252"),
        (lambda x: pc.add(x, pa.array([1.0, 2.0])), "SW257"),
        (lambda x: pa.array([1.0]), "SW363"),
        (lambda x: 1.0, "SW363"),
        (lambda x: pc.if_else(cond=pc.is_null(x), left=x, right=0.0), "SW252"),
        (lambda x: pc.fill_null(x, 0.0, memory_pool=None), "SW252"),
        (lambda x: pc.round(x, 11), "SW262"),
        (lambda x: pc.utf8_lower(x), "SW262"),
        (lambda x: pc.utf8_title(x), "SW251"),
        (lambda x: pc.cast(x, pa.string()), "SW251"),
        (lambda x: pc.nothing(x), "SW261"),
        (lambda x: pa.array(x.to_pylist()), "SW251"),
        (lambda x: x if len(x) > 3 else pc.add(x, 1.0), "SW259"),
        (lambda x: x if pc.less(x, 0.0) else x, "SW253"),
        (lambda x: pc.add(x, 1, options=pc.ElementWiseAggregateOptions()), "SW251"),
    ],
)
def test_refusals(function, code):
    assert code in codes(compile_udf(function, 250, {"a": "double"}, "double"))


def struct_reply(function, returns="long", fields=("a", "x")):
    """Returns the reply for an arrow UDF of a struct of a long `a` and a double `x`."""
    types = {"a": "long", "x": "double"}
    return compile_struct(function, 250, {name: types[name] for name in fields}, returns, types)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_arrays_of_numpy():
    for type in ("double", "float"):
        check(lambda x: pa.array(x.to_numpy(zero_copy_only=False) * 2), (type,))
        check(lambda x: pa.array(np.abs(x.to_numpy(False)), from_pandas=True), (type,))
        check(lambda x: pa.array(pd.Series(x.to_numpy(zero_copy_only=False)) + 1), (type,))
    check(lambda x: pc.add(pa.array(x.fill_null(0).to_numpy() * 2, pa.int64()), x), ("long",))
    check(lambda x: pa.array(~x.fill_null(True).to_numpy(zero_copy_only=False)), ("boolean",))
    for function, type, code in (
        (lambda x: pa.array(x.to_numpy()), "double", "SW251"),  # raises for NULL, with the number of NULLs in the message
        (lambda x: pa.array(x.to_numpy(zero_copy_only=False)), "long", "SW251"),  # floats where the batch has a NULL
        (lambda x: pa.array(x.fill_null("").to_numpy(zero_copy_only=False)), "string", "SW251"),
        (lambda x: pa.array(x.fill_null(True).to_numpy()), "boolean", "SW251"),
        (lambda x: x.fill_null(0.0).to_numpy(), "double", "SW363"),
        (lambda x: pa.array(x.to_numpy(False), mask=x.to_numpy(False) > 0), "double", "SW262"),
        (lambda x: pa.array(x.to_numpy(False), pa.float32()), "double", "SW262"),
    ):
        assert code in codes(compile_udf(function, 250, {"a": type}, "double"))


def test_structs():
    columns = {"a": [1, None, -3], "x": [0.5, 2.0, None]}
    for function in (
        lambda s: pc.add(pc.struct_field(s, "a"), pc.cast(pc.floor(s.field(1)), pa.int64())),
        lambda s: pc.add(pc.struct_field(s, [0]), pc.cast(pc.floor(s.flatten()[1]), pa.int64())),
    ):
        (got,), flagged = run(struct_reply(function), columns)
        assert not flagged.any() and got == [1, None, None]

    def both(s):
        return pa.StructArray.from_arrays([pc.negate(s.field("a")), pc.multiply(s.field("x"), 2.0)], names=["n", "d"])

    (n, d), flagged = run(struct_reply(both, {"n": "integer", "d": "double"}), columns)
    assert not flagged.any() and (n, d) == ([-1, None, 3], [1.0, 4.0, None])
    assert codes(struct_reply(both, {"d": "double", "n": "long"})) == ["SW364"]
    assert codes(struct_reply(lambda s: s.field("a"), {"a": "long"})) == ["SW363"]
    assert codes(struct_reply(lambda s: s.field("b"))) == ["SW252"]
    assert codes(struct_reply(lambda s: s.field(2))) == ["SW252"]
    assert codes(struct_reply(lambda s: pc.is_null(s))) == ["SW262"]
    assert codes(struct_reply(lambda s: s.take([0]))) == ["SW251"]
    assert codes(struct_reply(lambda s: pa.StructArray.from_arrays([s], names=["n"]), {"n": "long"})) == ["SW262"]
    assert codes(struct_reply(lambda s: s, fields=())) == ["SW103"]


def test_a_struct_result_with_two_fields_of_one_name_is_refused():
    returns = StructType([StructField("a", ByteType()), StructField("a", ByteType())])
    batch = pa.RecordBatch.from_arrays([pa.array([-7], pa.int8())], ["a"])
    for function, eval_type in (
        (lambda a: pa.StructArray.from_arrays([a, a], ["a", "a"]), SCALAR_ARROW),
        (lambda a: pd.DataFrame({"a": a}), SCALAR_PANDAS),
        (lambda a: (a, a), BATCHED),
    ):
        assert compare_with_worker(function, [batch], returns, eval_type).refused == "SW103", function
