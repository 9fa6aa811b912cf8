"""Checks that calls accept the signatures of Python and pandas: parameter names, and which arguments may not be None."""

from __future__ import annotations

import inspect

import pandas as pd
import pytest

from sparkweld.errors import Refusal
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import payload, python_step, request, udf
from tests.helpers.scalars import check
from udf_compiler.frontends.tracing.signatures import check_form

CAUGHT = "def f(a):\n    try:\n        return {}\n    except (TypeError, ValueError):\n        return None\n"
REFUSED = [
    ("a.partition(sep=',')[0]", "str"), ("a.strip(chars='a')", "str"), ("a.startswith(affix='a')", "str"),
    ("a.removeprefix(affix='a')", "str"), ("a.find(part='a')", "str"), ("a.zfill(width=3)", "str"),
    ("a.center(5, fill='x')", "str"),
    ("a.center(10**20)", "str"), ("a.split(None, None)", "str"),
    ("math.log(a, base=2)", "f64"), ("math.sqrt(x=a)", "f64"), ("math.fmod(a, y=2)", "f64"),
    ("a.count(value=1)", "list<i64>"), ("a.index(value=1)", "list<i64>"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "type"), REFUSED)
def test_forms_that_are_errors_in_python(source, type):
    """Functions that catch the error are refused too: their result would differ."""
    for written in (f"lambda a: {source}", CAUGHT.format(source)):
        with pytest.raises(Refusal) as refused:
            check(written, (type,))
        assert refused.value.code in ("SW262", "SW299", "SW261"), refused.value


@pytest.mark.parametrize("source", ["a.zfill(None)", "a.ljust(None)", "a.center(None, '*')"])
def test_a_width_of_none_is_an_error_that_a_function_may_catch(source):
    with pytest.raises(Refusal, match="SW261"):
        check(f"lambda a: {source}", ("str",))
    check(CAUGHT.format(source), ("str",))


@pytest.mark.parametrize("source", ["a.split(sep=',', maxsplit=1)[0]", "a.rsplit(maxsplit=1, sep=',')[-1]", "a.center(5, '*')"])
def test_forms_of_strings(source):
    check(f"lambda a: {source}", ("str",))


@pytest.mark.parametrize("source", ["a << -2", "a >> -2", "5 << -1 if a > 3 else a << 1"])
def test_negative_shifts(source):
    check(CAUGHT.format(source), ("i64",))


def test_a_parameter_of_another_place():
    """A positional argument is matched with the parameter of the expected name."""
    check_form(lambda s, pat, case=True, flags=0: None, ("a", "b", True, 0), {}, "Series.str.contains")
    with pytest.raises(Refusal, match="'flags'"):
        check_form(lambda s, pat, flags=0, case=True: None, ("a", "b", 7), {}, "Series.str.contains")


@pytest.mark.parametrize(
    "function",
    [lambda s: s.where(s > 0, 0.0, False), lambda s: s.mask(s > 0, 0.0, False), lambda s: s.clip(0.0, 1.0, lower=2.0)],
)
def test_forms_that_pandas_does_not_take(function):
    with pytest.raises(TypeError):
        function(pd.Series([1.0]))
    reply = compile_pipeline(request(python_step(r=udf(0, "a"))), [payload(function)])
    assert [refusal["code"] for refusal in reply["refusals"]] == ["SW262"]


def test_functions_without_a_signature_have_no_named_parameters():
    with pytest.raises(ValueError, match="signature"):
        inspect.signature(str.find)
    with pytest.raises(Refusal, match="SW262"):
        check("lambda a: a.find(sub='a')", ("str",))
