"""Checks the proof that a function changes none of its arguments."""

from __future__ import annotations

import functools
import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy.special import erf, xlogy

from sparkweld.errors import Refusal
from tests.helpers.answers import compile_keeps_arguments
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from udf_compiler.function.kept_arguments import keeps_arguments

TABLE = {"a": 1, "b": [2, 3]}
DIGITS = re.compile("[0-9]+")


ROOT = np.sqrt


class Scale:
    def of(self, x):
        return x


SCALE = Scale()


def stripped(x):
    return x.strip()


def called(function, *given):
    return function(*given)


def called_with_two(function, x, y):
    return function(x, y)


def with_import(s):
    import statistics

    return s.apply(lambda x: statistics.mean([x, 1]))


KEEPS = {
    "methods": lambda s: s.str.upper(),
    "a lambda inside": lambda s: s.apply(lambda x: json.loads(x)["a"] * TABLE["a"]),
    "NumPy": lambda s: pd.Series(np.where(s > 0, s, TABLE["b"][0])),
    "a helper": lambda s: s.map(stripped),
    "an import": with_import,
    "a pattern": lambda s: s.apply(lambda x: DIGITS.sub("", x) if x is not None else None),
    "a partial": functools.partial(lambda n, s: s * n, 3),
    "a ufunc of another library": lambda s: erf(s) + 1,
    "a length": lambda s: pd.Series([len(s)] * len(s)),
}


@pytest.mark.parametrize("name", KEEPS)
def test_kept(name):
    assert keeps_arguments(KEEPS[name])


def set_item(s):
    s[s > 0] = 1
    return s


def set_column(f):
    f["x"] = 1
    return f["x"]


def set_attribute(f):
    f.columns = ["x"]
    return f


def delete_column(f):
    del f["x"]
    return f


def add_in_place(s):
    s += 1
    return s


def changed_in_a_helper(s):
    def change(x):
        x[0] = 1

    change(s)
    return s


CHANGES = {
    "an item": set_item, "a column": set_column, "an attribute": set_attribute, "a deleted column": delete_column,
    "an augmented assignment": add_in_place, "a helper": changed_in_a_helper, "an object's method": lambda s: s.apply(SCALE.of),
    "inplace": lambda s: s.fillna(0, inplace=True), "out": lambda s: np.add(s, 1, out=s), "a fill": lambda s: s.values.fill(0),
    "code": lambda s: exec("s[:] = 1"), "a computed name": lambda s: getattr(s, "upd" + "ate")(s), "a list": lambda xs: xs.sort(),
    "the array of a result": lambda s: np.sqrt(s, s), "that of two arguments": lambda s: np.add(s, 1, s),
    "that of a method": lambda s: s.values.round(0, s.values), "unpacked arguments": lambda s: np.exp(*[s, s]),
    "no copy": lambda s: np.nan_to_num(s, False), "a function of NumPy by another name": lambda s: ROOT(s, s),
    "a ufunc of another library": lambda s: xlogy(s, 1, s), "a ufunc that is passed on": lambda s: called_with_two(np.exp, s, s),
    "its arguments unpacked": lambda s: called(np.exp, s), "its arguments in a tuple": lambda s: s.apply(np.add, args=(1, s)),
    "a partial": functools.partial(np.add, np.zeros(2)),
    "a special method": lambda s: s.__setitem__(0, 1), "a module of the user": lambda s: pytest.approx(s),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_not_proved(name):
    assert not keeps_arguments(CHANGES[name])


def test_a_module_of_the_user_named_as_one_of_the_library():
    def change(s):
        s[0] = 1
        return s

    change.__module__ = "calendar"
    assert not keeps_arguments(lambda s: change(s))


@pytest.mark.parametrize(("function", "kept"), [(KEEPS["methods"], True), (set_item, False)])
def test_the_reply(function, kept):
    asked = request(python_step(r=udf(0, column("a", "string"), name="f")), inputs={"a": "string"})
    if kept:
        assert compile_keeps_arguments(asked, [payload(function)])["status"] == "ok"
    else:
        with pytest.raises(Refusal, match="f runs in Python and may change an argument"):
            compile_keeps_arguments(asked, [payload(function)])
