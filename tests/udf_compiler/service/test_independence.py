"""Checks that a reply of the compile service does not depend on earlier requests."""

from __future__ import annotations

import os
import random
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.corpus.runner import COMPILED, cases, expected, is_expected, message
from tests.helpers.compile_requests import payload, python_step, request, udf
from udf_compiler.service.host import import_kernels
from udf_compiler.service.protocol import Message
from udf_compiler.service.server import Service


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    """Imports Numba first: a service does so between its requests, but the test's other service may then have one."""
    import_kernels()


def _counted(x):
    return sum(hash(str(x)) for _ in range(x))


def _holding(x):
    """An error that refers to itself keeps the frames alive in which it was raised."""
    held = []
    try:
        return _counted(x)
    except Exception as error:
        held.append(error)
        raise


def _of_generator(s):
    return pd.Series(_holding(x) for x in s)


def _of_zip(s):
    rows = zip(s, s, strict=True)
    return pd.Series([_holding(x) + y for x, y in rows])


def _of_map(s):
    return pd.Series(map(_holding, s)) - s.mean()


def _left_open(s):
    rows = iter(s)
    next(rows)
    return s


def _suspended(s):
    def elements():
        with np.errstate(all="raise"):
            yield from s

    elements = elements()
    next(elements)
    return s


def _raising(s):
    return pd.Series([[][x] for x in s])


def _recursive(s):
    return _recursive(s) + 1


def _applied_within(s):
    return s.apply(lambda x: s.apply(abs))


def _exits(s):
    raise SystemExit(3)


def _exits_in_a_row(s):
    return s.apply(lambda x: _exits(x) if x > 3 else x)


def _of_two(s, t):
    return s + t


def _applied_of_two(s):
    return s.apply(_of_two)


ODD = (
    _of_generator, _of_zip, _of_map, _left_open, _suspended, _raising, _recursive, _applied_within, _exits,
    _exits_in_a_row, _of_two, _applied_of_two,
)  # fmt: skip


def _asked(function: Any, type: str = "long", eval_type: int = 200) -> Message:
    asked = request(python_step(r=udf(0, "a", evalType=eval_type)), inputs={"a": type})
    return Message({**asked, "id": 1}, (payload(function),))


def _reply(service: Service, asked: Message) -> dict[str, Any]:
    reply, _ = service.answer(asked)
    return {name: value for name, value in reply.items() if name != "seconds"}


def _state() -> list[Any]:
    """Returns the interpreter state that a request could leave behind."""
    hooks = sys.gettrace(), sys.getprofile(), sys.getrecursionlimit()
    return [hooks, list(sys.path), os.getcwd(), np.geterr(), dict(os.environ)]


@pytest.mark.nightly_cases("_of_zip")
@pytest.mark.parametrize("odd", ODD, ids=lambda function: function.__name__)
def test_a_refused_function_leaves_no_trace(odd):
    def scaled(s):
        return s.apply(lambda x: x * 3.0 if x > 1 else 0.5)

    before = _state()
    alone = _reply(Service(), _asked(scaled))
    assert alone["status"] == "ok"
    service = Service()
    refused = _reply(service, _asked(odd))
    assert refused["status"] == "refused", refused.get("trace")
    assert _reply(service, _asked(scaled)) == alone
    assert _state() == before


@pytest.mark.slow
@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.nightly) for part in range(1, 6))])
def test_the_corpus_has_the_same_outcomes_in_any_order(part):
    """Each case runs in its place and among refused functions, at a fixed seed."""
    chosen = cases()[part::6]
    order: list[Any] = [*chosen, *ODD]
    random.Random(1).shuffle(order)
    before, service = _state(), Service()
    asked = {case: _asked(case) if case in ODD else message(case) for case in order}
    mixed = {case: _reply(service, request) for case, request in asked.items()}
    assert _state() == before
    pinned, service = expected(), Service()
    for case in chosen:
        reply = mixed[case]
        code = COMPILED if reply["status"] == "ok" else reply["refusals"][0]["code"]
        # an aggregate that a second request compiles, group by group, is refused in this one
        second = case.kind == "pandas_udf aggregate" and pinned[case.name] == COMPILED
        assert second or is_expected(case, code), case.name
        assert _reply(service, asked[case]) == reply, case.name
    assert all(mixed[odd]["status"] == "refused" for odd in ODD)
