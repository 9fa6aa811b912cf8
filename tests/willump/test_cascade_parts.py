"""Checks that the stages below and above a join together equal the function with a cascade."""

from __future__ import annotations

import base64
from functools import cache

import numpy as np
import pandas as pd
import pytest
from pyspark import cloudpickle
from pyspark.core.broadcast import Broadcast, _broadcastRegistry, _from_id
from pyspark.sql.types import DoubleType, LongType, StringType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline

from sparkweld.errors import Refusal
from sparkweld.willump import cascade
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from udf_compiler import substitution
from udf_compiler.cascade_parts import full_model, parts
from udf_compiler.payload import read_command

TYPES = {"string": StringType(), "double": DoubleType(), "long": LongType()}


def pipeline_of(model, names: str) -> Pipeline:
    return Pipeline([("parts", ColumnTransformer([(n, "passthrough", [n]) for n in names])), ("model", model)])


@cache
def made(kind: str) -> tuple[cascade.Cascade, pd.DataFrame]:
    """Returns a cascade whose small model reads `a` alone, and rows."""
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(2000, 3)), columns=list("abc"))
    shown = np.where(np.abs(x["a"]) > 0.3, x["a"], x["b"])
    if kind == "double":
        few, all_ = (pipeline_of(HistGradientBoostingRegressor(max_iter=5), names).fit(x, shown) for names in ("a", "abc"))
        judge = pipeline_of(HistGradientBoostingRegressor(max_iter=5), "a").fit(x, np.abs(few.predict(x) - all_.predict(x)))
        return cascade.Cascade(few, all_, float(np.median(judge.predict(x))), judge), x
    label = np.where(shown > 0, "yes", "no") if kind == "string" else (shown > 0).astype(int)
    few, all_ = (pipeline_of(HistGradientBoostingClassifier(max_iter=5), names).fit(x, label) for names in ("a", "abc"))
    return cascade.Cascade(few, all_, float(np.median(few.predict_proba(x).max(axis=1)))), x


class Held(Broadcast):
    """A broadcast that a function references by its number, as in a worker."""

    def __init__(self, number: int, value) -> None:
        self._number, self._value = number, value

    def __reduce__(self):
        return _from_id, (self._number,)


def reply_of(function, kind: str, of=parts, **more) -> dict:
    struct = {"op": "CreateNamedStruct", "type": {"type": "struct"}, "nullable": False, "names": list("abc"),
              "args": [column(name) for name in "abc"]}  # fmt: skip
    call = udf(0, struct, returns=kind)
    cloudpickle.register_pickle_by_value(cascade)
    try:
        blob = payload(function, TYPES[kind])
    finally:
        cloudpickle.unregister_pickle_by_value(cascade)
    asked = request(python_step(r=call), inputs=dict.fromkeys("abc", "double"), nullable_state="bc")
    return of({**asked, **more}, [blob])


@pytest.mark.parametrize("kind", TYPES)
def test_the_parts_give_what_the_whole_gives(kind):
    """That holds for any other columns of sure rows; and a function of no row is not called."""
    model, x = made(kind)

    def label(d: pd.DataFrame) -> pd.Series:
        return pd.Series(model.predict(d))

    reply = reply_of(label, kind)
    assert reply["reads"] == ["a"]
    flags, answers, remaining = (read_command(base64.b64decode(reply[name])) for name in ("flags", "answers", "remaining"))
    assert [str(type) for _, type in (flags, answers, remaining)] == ["DoubleType()", *[str(TYPES[kind])] * 2]
    sure = pd.Series(flags[0](x)) > 0.5
    np.testing.assert_array_equal(sure, model.sure(x))
    assert 0.2 < sure.mean() < 0.8
    known, hidden = pd.Series(answers[0](x)), x.copy()
    hidden.loc[sure, ["b", "c"]] = np.nan
    assert remaining[0](sure, known, hidden).tolist() == model.predict(x).tolist()
    assert remaining[0](sure | True, known, None).tolist() == known.tolist()


def test_what_is_no_answer_of_the_model_stays_whole():
    model, _ = made("long")

    def more(d: pd.DataFrame) -> pd.Series:
        return pd.Series(model.predict(d)) + 1

    def raises(d: pd.DataFrame) -> pd.Series:
        return pd.Series(model.predict(d.assign(c=d["c"].astype("int64"))))

    def none(d: pd.DataFrame) -> pd.Series:
        return d["a"] + 1.0

    for function, why in ((more, "as the model gives it"), (raises, "SW953")):
        with pytest.raises(Refusal, match=why):
            reply_of(function, "long")
    assert reply_of(none, "double") == {"status": "ok", "flags": None}


def test_cascades_in_broadcasts(monkeypatch):
    """They are replaced like others; another broadcast is unchanged. A cascade that saves too little is not split."""
    model, x = made("long")
    model = cascade.Cascade(model.small, model.full, model.threshold)
    model.watched, model.unsure = {"path": "p", "joinCost": 100.0, "smallCost": 10.0}, 0.25
    held, shift = Held(0, model), Held(1, 0.5)
    for given in (held, shift):
        monkeypatch.setitem(_broadcastRegistry, given._number, given)

    def label(d: pd.DataFrame) -> pd.Series:
        return pd.Series(held.value.predict(d.assign(a=d["a"] + shift.value)))

    reply = reply_of(label, "long")
    flags, answers, remaining = (read_command(base64.b64decode(reply[name])) for name in ("flags", "answers", "remaining"))
    moved = x.assign(a=x["a"] + 0.5)
    sure = pd.Series(flags[0](x)) > 0.5
    np.testing.assert_array_equal(sure, model.sure(moved))
    assert remaining[0](sure, pd.Series(answers[0](x)), x).tolist() == model.predict(moved).tolist()
    whole = read_command(base64.b64decode(reply_of(label, "long", full_model)["payload"]))[0]
    assert reply_of(label, "long", full_model)["paths"] == ["p"] and whole(x).tolist() == model.full.predict(moved).tolist()
    assert reply_of(lambda d: d["a"], "double", full_model) == {"status": "ok", "payload": None, "paths": []}
    with monkeypatch.context() as limited, pytest.raises(Refusal, match=r"SW953 .* bytes, where 1,000 can"):
        limited.setattr(substitution, "MOST_BYTES", 1000)
        reply_of(label, "long", full_model)
    assert reply_of(label, "long", least=65.0)["flags"] and reply_of(label, "long", least=65.1) == {"status": "ok", "flags": None}
