"""Tests chains of plain functions of which a kernel computes the first ones: the division, and the function of the rest."""

from __future__ import annotations

import datetime
import locale
import math
from collections.abc import Callable
from typing import Any

import pytest
from pyspark.serializers import CPickleSerializer

from sparkweld.contract.constants import ARROW_BATCHED, BATCHED
from sparkweld.errors import Refusal
from tests.helpers.answers import compile_cut
from tests.helpers.chains import clean, mixed, plain
from tests.helpers.compile_requests import payload, python_step, request, udf


def cut(*functions: Callable[..., Any], inputs: dict[str, str] | None = None, eval_type: int = ARROW_BATCHED) -> Any:
    """Returns the reply for a chain, innermost function first, and its function of the kernel's result and the arguments."""
    inputs = inputs or {"s": "string"}
    call = udf(0, *inputs, evalType=eval_type, returns="string")
    for number in range(1, len(functions)):
        call = udf(number, call, evalType=eval_type, returns="string")
    asked = request(python_step(r=call), inputs=inputs, nullable_state=list(inputs))
    reply = compile_cut(asked, [payload(function) for function in functions])
    return reply, CPickleSerializer().loads(bytes.fromhex(reply["payload"]))[0]


def refused(*functions: Callable[..., Any], **given: Any) -> str:
    with pytest.raises(Refusal) as found:
        cut(*functions, **given)
    return found.value.code


def shown(x):
    return repr((type(x), locale.strxfrm(repr(x))))


@pytest.mark.parametrize("eval_type", [BATCHED, ARROW_BATCHED])
def test_the_first_function_is_a_kernel(eval_type):
    reply, rest = cut(clean, shown, eval_type=eval_type)
    assert (reply["functions"], reply["type"]) == (1, "string")
    assert rest("a b", None) == shown("a b")  # from the kernel's result alone
    assert rest(None, " A-B ") == shown("a b")  # from the argument, where the kernel has not decided the row
    assert rest(None, None) == shown(None)


def test_the_longest_start_is_a_kernel():
    def size(s):
        return -1 if s is None else len(s) * 3 + 1

    reply, rest = cut(clean, size, shown)
    assert (reply["functions"], reply["type"], rest(7, None)) == (2, "long", shown(7))
    reply, rest = cut(clean, shown, size)
    assert (reply["functions"], reply["type"]) == (1, "string")
    assert rest("ab", None) == size(shown("ab"))
    assert rest(None, " AB") == size(shown("ab"))


def test_errors_are_those_of_the_chain():
    def strict(s):
        return plain(s)

    _, rest = cut(strict, shown)
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'replace'"):
        rest(None, None)


@pytest.mark.parametrize(
    ("function", "spark_type", "to"),
    [
        (lambda x: mixed(x % 1000), "long", "long"),
        (lambda x: mixed(x % 1000) * 0.5, "long", "double"),
        (lambda x: mixed(x % 1000) % 2 == 1, "long", "boolean"),
        (lambda x: x + datetime.timedelta(days=mixed(x.day) % 30), "date", "date"),
    ],
)
def test_the_type_is_that_of_the_value(function, spark_type, to):
    """It is not the declared one, `string`, to which a worker does not convert the result of an inner function."""
    reply, _ = cut(function, shown, inputs={"x": spark_type})
    assert reply["type"] == to


def test_results_without_one_type_are_refused():
    assert refused(lambda s: len(s) if "a" in s.strip().lower() else s.strip().lower(), shown) == "SW645"
    assert refused(lambda s: len(s) * 0.5 if "a" in s.strip().lower() else len(s.strip()), shown) == "SW645"  # int or float
    assert refused(lambda s: plain(s).split(" "), shown) == "SW645"
    assert refused(lambda s: None, shown) == "SW645"
    assert refused(lambda s: datetime.datetime(2020, 1, len(plain(s))), shown) == "SW645"


def test_approximate_results_are_refused():
    assert refused(lambda x: math.exp(x * 0.5 - 1.0) * (x + 1.0) / 3.0, shown, inputs={"x": "double"}) == "SW232"


def test_cheap_functions_do_not_pay():
    assert refused(lambda s: s, shown) == "SW649"
    assert refused(lambda x: x + 1, shown, inputs={"x": "long"}) == "SW649"


def test_functions_that_see_identity_are_refused():
    """The kernel's result is equal to that of the function, but not the same object."""
    constant = "a constant"

    def of_constant(s):
        return constant if plain(s).startswith("a b") else s.strip()

    class Compares:
        def __call__(self, s):
            return repr((s is constant, locale.strxfrm("1")))

    def numbered(s):
        return repr([id(x) for x in (s,)] + [shown(s)])

    def compares(s):
        return s is constant

    class Compared:
        def equals(self, s):
            return compares(s)

    compared = Compared()
    outers = [lambda s: repr((constant is s, locale.strxfrm("1"))), numbered, Compares()]
    outers += [lambda s: repr((compares(s), locale.strxfrm("1")))]
    outers += [lambda s: repr((compared.equals(s), locale.strxfrm("1")))]
    for outer in outers:
        assert refused(of_constant, outer) == "SW645"
    reply, _ = cut(of_constant, lambda s: "" if s is None or shown(s) is True else shown(s))
    assert reply["functions"] == 1


def test_chains_of_other_functions_are_refused():
    assert refused(clean) == "SW646"
    assert refused(clean, shown, eval_type=200) == "SW206"
    assert refused(lambda s: locale.strxfrm(s), clean) == "SW214"
    assert refused(*[clean] * 8, shown) == "SW650"


def test_a_function_of_several_arguments():
    def joined(a, b):
        return plain(f"{a}{b}")

    reply, rest = cut(joined, shown, inputs={"a": "string", "b": "string"})
    assert (reply["functions"], rest("x y", None, None), rest(None, "X-", "Y")) == (1, shown("x y"), shown("x y"))
