"""Checks equivalent Catalyst expressions of programs: which exist, which are refused, and a filter's implied bounds."""

from __future__ import annotations

import numpy as np
import pytest

from sparkweld.errors import Refusal
from sparkweld.ir import evaluate
from sparkweld.ir.ops import Optional
from tests.helpers.answers import (
    compile_catalyst_equivalent,
    compile_implied,
    compile_independent,
    compile_pipeline,
    compile_reads,
)
from tests.helpers.compile_requests import call, column, literal, payload, python_step, request, udf
from udf_compiler.backends.catalyst.monotone import _ordinals, _value


def text(expr):
    """Returns an expression as a short string."""
    if expr["op"] == "Column":
        return expr["name"]
    if expr["op"] == "Literal":
        value = expr["value"]
        return str(float.fromhex(value) if expr["type"] in ("float", "double") and value is not None else value)
    return f"{expr['op']}({', '.join(map(text, expr['args']))})"


def equivalent(function, *types, returns="double", nullable=False, make=compile_catalyst_equivalent):
    names = "abcd"[: len(types)]
    made = request(
        python_step(r=udf(0, *(column(n, t, nullable) for n, t in zip(names, types, strict=True)), returns=returns)),
        inputs=dict(zip(names, types, strict=True)),
    )
    for given in made["inputs"]:
        given["nullable"] = nullable
        given["state"] = "nullable" if nullable and given["type"] in ("float", "double") else "dense"
    return make(made, [payload(function)])


@pytest.mark.parametrize(
    "function, types, returns, expected",
    [
        (lambda a: a * 2 + 1, ["double"], "double", "NullIfNaN(Add(Multiply(a, 2.0), 1.0))"),
        (lambda a: a + 1, ["integer"], "integer", "Add(a, 1)"),
        (lambda a, b: a / b, ["double", "double"], "double", "NullIfNaN(IeeeDivide(a, b))"),
        (lambda a: a // 7, ["long"], "long", None),
        (lambda a: a > 2, ["double"], "boolean", None),
        (lambda a: np.where(a > 2, 1, 0), ["double"], "long", "refused SW105"),
        (lambda a: a.isin([1, 2]), ["long"], "boolean", "In(a, 1, 2)"),
        (lambda a: a.isin([0.0]), ["double"], "boolean", "refused SW380"),
        (lambda a: np.exp(a), ["double"], "double", "refused SW380"),
        (lambda a: a // a, ["long"], "long", "refused SW391"),
    ],
)
def test_expressions(function, types, returns, expected):
    try:
        reply = equivalent(function, *types, returns=returns)
        got = text(reply["results"][0]) if reply["status"] == "ok" else f"refused {reply['refusals'][0]['code']}"
    except Refusal as error:
        got = f"refused {error.code}"
    assert expected is None or got == expected, got
    assert not got.startswith("refused") or expected is not None, got


def test_nullable_columns():
    reply = equivalent(lambda a: a * 2, "double", nullable=True)
    assert text(reply["results"][0]) == "NullIfNaN(Multiply(Coalesce(a, nan), 2.0))"
    with pytest.raises(Refusal, match="SW390"):
        equivalent(lambda a: a + 1, "long", returns="long", nullable=True)


def test_large_trees_are_refused():
    def deep(a):
        for _ in range(12):
            a = a * a + a
        return a

    with pytest.raises(Refusal, match="SW381"):
        equivalent(deep, "double")


def reads(function, *types, nullable=True):
    names = "abcd"[: len(types)]
    columns = (column(n, t, nullable) for n, t in zip(names, types, strict=True))
    made = request(python_step(r=udf(0, *columns, returns="double")), inputs=dict(zip(names, types, strict=True)))
    for given in made["inputs"]:
        given.update(nullable=nullable, state="nullable" if nullable else "dense")
    return compile_reads(made, [payload(function)])["inputs"]


def test_columns_that_are_read():
    doubles = ["double"] * 3
    assert reads(lambda a, b, c: b * 2, *doubles) == ["b"]
    assert reads(lambda a, b, c: b + c * 0, *doubles) == ["b", "c"]  # NaN of c is visible
    assert reads(lambda a, b, c: c + 1, *doubles, nullable=False) == ["c"]
    with pytest.raises(Refusal, match="SW391"):  # Python's handling of a flagged row may depend on the other column
        reads(lambda a, b: a // a, "long", "double", nullable=False)
    with pytest.raises(Refusal, match="SW390"):  # and so may its handling of NULLs
        reads(lambda a, b: b, "long", "double")


def implied(function, type, condition, returns="double", nullable=True):
    float_ = type in ("double", "float")
    made = request(
        python_step(r=udf(0, column("a", type, nullable and float_), returns=returns)),
        {"kind": "filter", "condition": condition},
        inputs={"a": type},
    )
    made["inputs"][0].update(nullable=nullable and float_, state="nullable" if nullable and float_ else "dense")
    return made, [payload(function)]


R = column("r", "double")
ABOVE, BELOW = "GreaterThanOrEqual", "LessThanOrEqual"


def compare(op, value, of=R):
    return call(op, of, literal(float(value).hex(), "double"))


SHAPES = [
    (lambda a: a * 2 + 1, "double", compare("GreaterThan", 3), [ABOVE]),
    (lambda a: 0.1 * a - 7, "double", compare("LessThan", 1e10), [BELOW]),
    (lambda a: 1 - a / 3, "double", compare("GreaterThanOrEqual", 0.3), [BELOW]),
    (lambda a: a * 0.7, "double", compare("EqualTo", 0.7), [ABOVE, BELOW]),
    (lambda a: a * 0.5, "float", compare("LessThan", 9.5, call("Cast", column("r", "float"), type="double", ansi=True)), [BELOW]),
    (lambda a: a * 0.25 + 2, "long", compare("GreaterThan", 3), [ABOVE]),
    (lambda a: np.minimum(a, 8).round(), "double", compare("LessThanOrEqual", 5), [BELOW]),
    (lambda a: a > 2.5, "double", column("r", "boolean"), [ABOVE]),
    (lambda a: (a > 2.5) & (a < 7), "double", column("r", "boolean"), [ABOVE, BELOW]),
    (lambda a: ~(a > 2.5), "double", column("r", "boolean"), []),  # keeps NULL rows
    (lambda a: a * a, "double", compare("GreaterThan", 3), []),
    (lambda a: a + 1, "long", call("GreaterThan", column("r", "long"), literal(5, "long")), []),  # wraps
    (lambda a: a.abs(), "double", compare("GreaterThan", 3), []),
    (lambda a: a * 0, "double", compare("GreaterThan", -1), []),
    (lambda a: a * 1.0, "double", compare("GreaterThan", np.inf), []),
]


@pytest.mark.parametrize("case", SHAPES, ids=range(len(SHAPES)))
def test_bounds_are_implied_and_tight(case):
    function, type, condition, expected = case
    made, blobs = implied(function, type, condition, returns=_result_type(condition))
    reply = compile_implied(made, blobs)
    bounds = reply["bounds"]
    assert sorted(b["op"] for b in bounds) == sorted(expected), reply
    _check(compile_pipeline(made, blobs), type, bounds)


def _result_type(condition):
    while condition["op"] != "Column":
        condition = condition["args"][0]
    return condition["type"]


def _check(reply, type, bounds):
    """Rows that the filter keeps satisfy the bounds; the row just outside a bound is not kept."""
    from sparkweld.ir import parse_program

    program = parse_program(reply["program"])
    given = program.inputs[0].type
    rng = np.random.default_rng(0)
    first, last = _ordinals(given)
    rows = [_value(int(o), given) for o in rng.integers(max(first, -(2**62)), min(last, 2**62), 500)]
    rows += list(rng.uniform(-20, 20, 500)) if given.is_float else list(rng.integers(-20, 20, 500))
    limits = [float.fromhex(b["args"][1]["value"]) if given.is_float else int(b["args"][1]["value"]) for b in bounds]
    for limit in limits:
        rows += [limit, *_around(limit, given)]
    values = np.array(rows, given.dtype)
    if given.is_float:
        values = np.append(values, given.dtype.type(np.nan))
    column_ = Optional(values, np.ones(len(values), np.bool_)) if given.nullable else values
    kept = np.zeros(len(values), np.bool_)
    kept[evaluate(program, {program.inputs[0].name: column_}, len(values)).selection] = True
    inside = np.ones(len(values), np.bool_)
    for bound, limit in zip(bounds, limits, strict=True):
        limit = given.dtype.type(limit)
        inside &= values >= limit if bound["op"] == ABOVE else values <= limit
    assert not (kept & ~inside).any() and kept[values == given.dtype.type(limits[0])].any() if bounds else True


def _around(limit, type):
    if type.is_float:
        return [np.nextafter(type.dtype.type(limit), type.dtype.type(s)) for s in (-np.inf, np.inf)]
    return [limit - 1, limit + 1]


def test_guards_and_states_have_no_bound():
    condition = call("GreaterThan", column("r", "long"), literal(5, "long"))
    made, blobs = implied(lambda a: a, "double", condition, returns="long")
    with pytest.raises(Refusal, match="SW391"):
        compile_implied(made, blobs)


def test_a_function_that_requests_a_kernel_becomes_no_expression():
    def plain(a):
        return a + 1

    plain._sparkweld_options = {"exact": False, "backend": "native"}
    with pytest.raises(Refusal, match="SW394"):
        equivalent(plain, "double")


@pytest.mark.parametrize(
    "function, type, nullable, expected",
    [
        (lambda a: np.exp(a) + 1, "double", True, "ok"),
        (lambda a: a.str.upper(), "string", True, "ok"),  # it raises for invalid UTF-8, whatever else the batch contains
        (lambda a: a + 1, "long", True, "SW390"),
        (lambda a: a.str.split(" ").str[3].str.upper(), "string", False, "SW395"),
        (lambda a: 7 // a, "long", False, "SW396"),
        (lambda a: a - a.mean(), "double", True, "SW250"),
    ],
)
def test_results_that_are_the_same_in_any_batch(function, type, nullable, expected):
    try:
        returns = "string" if type == "string" else "double"
        reply = equivalent(function, type, returns=returns, nullable=nullable, make=compile_independent)
        got = reply["status"] if reply["status"] == "ok" else reply["refusals"][0]["code"]
    except Refusal as error:
        got = error.code
    assert got == expected
