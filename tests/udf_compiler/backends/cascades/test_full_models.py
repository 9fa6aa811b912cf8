"""Tests that `full_model` replaces the cascades in a function and in its broadcasts by their full models."""

from __future__ import annotations

import base64

import numpy as np
import pandas as pd
import pytest
from pyspark import Broadcast, cloudpickle
from pyspark.sql.types import DoubleType, LongType
from sklearn.ensemble import HistGradientBoostingClassifier

from sparkweld.cascades import cascade
from sparkweld.contract.replies import Watch
from sparkweld.errors import Refusal
from tests.helpers.answers import full_model
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from udf_compiler.backends.cascades import substitution
from udf_compiler.function.payload import read_command
from udf_compiler.process.spark_line import BROADCASTS

TYPES = {"double": DoubleType(), "long": LongType()}


@pytest.fixture(scope="module")
def made() -> tuple[cascade.Cascade, pd.DataFrame]:
    """Returns rows, and a cascade whose small model was fitted to the opposite labels, so that its answers differ."""
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(2000, 3)), columns=list("abc"))
    label = (np.where(np.abs(x["a"]) > 0.3, x["a"], x["b"]) > 0).astype(int)
    few, all_ = (HistGradientBoostingClassifier(max_iter=5).fit(x, y) for y in (1 - label, label))
    model = cascade.Cascade(few, all_, float(np.median(few.predict_proba(x).max(axis=1))))
    model.watched = Watch(
        path="p", band=0.0, sure_cost=1.0, full_cost=2.0, edges=(0.5,), counts=(1, 1), limit=0, differs=0, labels=False
    )
    return model, x


class Held(Broadcast):
    """A broadcast that a function names by its number, as in a worker."""

    def __init__(self, number: int, value) -> None:
        self._number, self._value = number, value

    def __reduce__(self):
        return BROADCASTS._from_id, (self._number,)


def reply_of(function, kind: str = "long") -> dict:
    struct = {"op": "CreateNamedStruct", "type": {"type": "struct"}, "nullable": False, "names": list("abc"),
              "args": [column(name) for name in "abc"]}  # fmt: skip
    call = udf(0, struct, returns=kind)
    cloudpickle.register_pickle_by_value(cascade)
    try:
        blob = payload(function, TYPES[kind])
    finally:
        cloudpickle.unregister_pickle_by_value(cascade)
    return full_model(request(python_step(r=call), inputs=dict.fromkeys("abc", "double"), nullable_state="bc"), [blob])


def test_cascades_in_functions(made):
    model, x = made

    def label(d: pd.DataFrame) -> pd.Series:
        return pd.Series(model.predict(d))

    reply = reply_of(label)
    function, returned = read_command(base64.b64decode(reply["payload"]))
    assert reply["paths"] == ["p"] and returned == LongType()
    assert function(x).tolist() == model.full.predict(x).tolist() != model.predict(x).tolist()
    assert reply_of(lambda d: d["a"], "double") == {"status": "ok", "payload": None}


def test_cascades_in_broadcasts(made, monkeypatch):
    """Broadcast cascades are replaced as others are; other broadcasts are unchanged."""
    model, x = made
    held, shift = Held(0, model), Held(1, 0.5)
    for given in (held, shift):
        monkeypatch.setitem(BROADCASTS._broadcastRegistry, given._number, given)

    def label(d: pd.DataFrame) -> pd.Series:
        return pd.Series(held.value.predict(d.assign(a=d["a"] + shift.value)))

    reply = reply_of(label)
    moved = x.assign(a=x["a"] + 0.5)
    whole = read_command(base64.b64decode(reply["payload"]))[0]
    assert reply["paths"] == ["p"] and whole(x).tolist() == model.full.predict(moved).tolist()
    with monkeypatch.context() as limited, pytest.raises(Refusal, match=r"SW953 .* bytes, where 1,000 can"):
        limited.setattr(substitution, "MOST_BYTES", 1000)
        reply_of(label)
