"""Checks which attributes of plain data a function may read: values, never files, clocks, addresses or internal objects."""

from __future__ import annotations

import datetime
import functools
import operator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sparkweld.errors import Refusal
from sparkweld.ir import Input, ProgramBuilder
from sparkweld.ir.types import F64
from tests.udf_compiler.rebuild.test_purity import assert_agrees, compiled, source_function
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.stand_ins import stand_in
from udf_compiler.frontends.pandas.trace import trace
from udf_compiler.function.payload import load_command
from udf_compiler.rebuild.purity import prepare

GIVEN: dict[str, Any] = {
    "W": np.array([0.5, 2.0]),
    "N": np.float64(2.5),
    "DAY": datetime.date(2024, 2, 29),
    "MOMENT": datetime.datetime(2024, 2, 29, 12, 30),
    "S": pd.Series([1.0, 2.0, 4.0]),
    "INDEX": pd.Index([3, 5]),
    "datetime": datetime,
    "operator": operator,
    "functools": functools,
}

#: (expression that the function computes before it returns, code)
REFUSED = [
    ("W.tofile(PATH)", "SW263"),
    ("W.dump(PATH)", "SW263"),
    ("W.copy().tofile(PATH)", "SW263"),
    ("np.ones(3).dump(PATH)", "SW263"),
    ("N.tofile(PATH)", "SW263"),
    ("W[0].dump(PATH)", "SW263"),
    ("getattr(W, 'to' + 'file')(PATH)", "SW263"),
    ("list(map(W.tofile, [PATH]))", "SW263"),
    ("functools.partial(W.tofile, PATH)()", "SW263"),
    ("W.ctypes.data", "SW263"),
    ("np.save(PATH, W)", "SW263"),
    ("np.savetxt(PATH, W)", "SW263"),
    ("np.memmap(PATH, mode='w+', shape=3)", "SW263"),
    ("np.fromfile(PATH)", "SW263"),
    ("np.random.rand()", "SW230"),
    ("np.seterr(all='raise')", "SW263"),
    ("np.set_printoptions(precision=3)", "SW263"),
    ("np.empty(3)", "SW263"),
    ("np.ndarray((3,))", "SW263"),
    ("type(W)((3,))", "SW263"),
    ("np.str_('now').astype('M8[s]')", "SW263"),
    ("W.__setitem__('WRITEABLE', True)", "SW219"),
    ("setattr(W, 'shape', (1, 2))", "SW215"),
    ("W.flags.writeable", "SW263"),
    ("W.setflags(write=True)", "SW263"),
    ("S.to_csv(PATH)", "SW263"),
    ("S.to_pickle(PATH)", "SW263"),
    ("S.to_frame().to_csv(PATH)", "SW263"),
    ("S.plot()", "SW263"),
    ("S.copy().to_json(PATH)", "SW263"),
    ("(S + 1).to_csv(PATH)", "SW263"),
    ("(2 - S).to_csv(PATH)", "SW263"),
    ("np.sqrt(S).to_csv(PATH)", "SW263"),
    ("S.loc[:1].to_csv(PATH)", "SW263"),
    ("S[:1].to_csv(PATH)", "SW263"),
    ("S.index.to_series()", "SW263"),
    ("INDEX.to_frame()", "SW263"),
    ("INDEX.values.tofile(PATH)", "SW263"),
    ("S.attrs", "SW263"),
    ("S.sample(1)", "SW263"),
    ("pd.isna(S).to_csv(PATH)", "SW263"),
    ("S.where(a > 0)", "SW262"),
    ("S.__setitem__(0, 1.0)", "SW219"),
    ("pd.to_datetime('now')", "SW230"),
    ("pd.Timestamp.now()", "SW230"),
    ("pd.read_csv(PATH)", "SW263"),
    ("pd.set_option('mode.copy_on_write', True)", "SW263"),
    ("pd.set_option('future.infer_string', True)", "SW263"),
    ("pd.set_option('compute.use_bottleneck', False)", "SW263"),
    ("pd.options.mode", "SW263"),
    ("pd.option_context('compute.use_numexpr', False)", "SW263"),
    ("DAY.today()", "SW230"),
    ("datetime.date.today()", "SW230"),
    ("datetime.date(2024, 1, 1).today()", "SW230"),
    ("datetime.date.min.today()", "SW230"),
    ("datetime.date.fromordinal(1).today()", "SW230"),
    ("DAY.replace(month=1).today()", "SW230"),
    ("(DAY + datetime.timedelta(1)).today()", "SW230"),
    ("max(DAY, DAY).today()", "SW230"),
    ("[d.today() for d in {DAY}]", "SW230"),
    ("type(DAY).today()", "SW230"),
    ("DAY.fromtimestamp(0)", "SW263"),
    ("DAY.strftime('%c')", "SW263"),
    ("getattr(DAY, 'today')()", "SW230"),
    ("MOMENT.now()", "SW230"),
    ("MOMENT.timestamp()", "SW263"),
    ("MOMENT.astimezone()", "SW263"),
    ("MOMENT.date().today()", "SW230"),
    ("datetime.datetime.now()", "SW230"),
    ("type(f)", "SW263"),
    ("type(f)(f, {})", "SW263"),
    ("int.__subclasses__()", "SW219"),
    ("f.__globals__", "SW219"),
    ("getattr(f, '__code__')", "SW219"),
    ("functools.partial(getattr, f, '__globals__')()", "SW219"),
    ("list(map(getattr, [f], ['__globals__']))", "SW219"),
    ("hasattr(f, '__code__')", "SW219"),
    ("operator.attrgetter('__globals__')(f)", "SW215"),
    ("operator.methodcaller('tofile', PATH)(W)", "SW215"),
    ("'{0.__globals__}'.format(f)", "SW219"),
    ("'{0[k]}'.format({'k': 1})", "SW219"),
    ("'{:{0.real}}'.format(1)", "SW219"),
    ("'{x.real}'.format_map({'x': 1})", "SW219"),
    ("PATH.format(f)", "SW219"),
    ("(x for x in [1]).gi_frame.f_back", "SW219"),
    ("id(W)", "SW215"),
    ("hash(W.base)", "SW215"),
    ("vars(f)", "SW215"),
    ("a.value", "SW261"),
    ("a.loop.guards.clear()", "SW261"),
    ("getattr(a, 'kind')", "SW261"),
    ("a.values.columns", "SW261"),
    ("a.values._binary", "SW252"),
]  # fmt: skip


@pytest.mark.parametrize("expression, code", REFUSED)
def test_effects_and_hidden_state_are_refused(expression, code, tmp_path):
    path = tmp_path / "written"
    source = f"def f(a):\n    {expression}\n    return a * 2"
    with pytest.raises(Refusal) as refused:
        compiled(source_function(source, PATH=str(path), **GIVEN), "a")
    assert refused.value.code == code, str(refused.value)
    assert list(tmp_path.iterdir()) == []


AGREE = [
    "a * W.sum() + W.max() * W.shape[0]",
    "a * N.item() + float(N) + W.tolist()[1] + W.astype('f4').dtype.itemsize",
    "a * W.reshape(2, 1).T.copy().ravel()[1] + (W @ W)",
    "a * DAY.year + DAY.toordinal() + DAY.weekday()",
    "a * (DAY - datetime.date(2024, 1, 1)).days + datetime.timedelta(2).total_seconds()",
    "a * (DAY.replace(month=1) < DAY) + (type(DAY) is datetime.date) + isinstance(DAY, datetime.date)",
    "a * len(DAY.isoformat()) + DAY.isocalendar()[1] + (datetime.date.max > DAY)",
    "a * MOMENT.hour + MOMENT.day",
    "(a - S.mean()) / S.std() + S[0] + S.iloc[1] + S.loc[2] + len(S) + sum(S)",
    "a * S.to_numpy().max() + np.mean(S) + float(np.sqrt(S).sum()) + (S * 2 + 1).max() + S.values[0]",
    "a.isin(S) * 1.0 + a.map(S)",
    "a.where(a.isin(INDEX), 2.0) * (5 in INDEX) + (S > 1).sum() + INDEX.max()",
    "a if isinstance(S, pd.Series) and type(S) is pd.Series and type(W) is np.ndarray else -a",
    "a * len('{:.2f} {}'.format(1.0, 2)) + len(str(W.dtype))",
    "a * type(2)(2.5) + type(N)(1)",
    "a * operator.itemgetter('k')({'k': 3}) + functools.reduce(operator.mul, [1, 2])",
]


@pytest.mark.parametrize("expression", AGREE)
def test_values_of_plain_data_are_as_in_the_original(expression):
    assert_agrees(source_function(f"def f(a): return {expression}", **GIVEN), "a")


@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")  # NumPy 2.5 deprecates the function below
def test_a_captured_array_cannot_be_made_writable():
    weights = np.array([1.0, 2.0])

    def f(a):
        weights.shape = (1, 2)
        weights[0] = 5.0
        return a * weights[0]

    with pytest.raises(Refusal) as refused:
        compiled(f, "a")
    assert refused.value.code == "SW217"
    prepared = prepare(f, stand_in)
    view = prepared.function.__closure__[0].cell_contents
    with pytest.raises(ValueError, match="WRITEABLE"):
        view.setflags(write=True)
    assert not isinstance(view.base, np.ndarray) and weights[0] == 1.0


def test_a_changed_series_is_found():
    """`values` is the memory of the copy; a change stays there and is refused."""
    rates = pd.Series([1.0, 2.0])

    def f(a):
        rates.values[0] = 3.0
        return a * rates[0]

    with pytest.raises(Refusal) as refused:
        compiled(f, "a")
    assert refused.value.code == "SW217" and rates[0] == 1.0


NAMES = ["loop", "value", "kind", "shared", "series", "column", "what", "new", "order"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("source", ["def f(t): return t.{0} * 2", "def f(t): return getattr(t, '{0}') * 2"])
def test_columns_named_like_our_own_attributes_are_columns(name, source):
    function = source_function(source.format(name))
    builder = ProgramBuilder("f", [Input(name, F64)])
    loop = builder.loop("f")
    prepared = prepare(load_command(__import__("pyspark").cloudpickle.dumps((function, None))).function, stand_in)
    frame = TracedFrame(loop, {name: TracedSeries(loop, loop.read(name), np.float64)})
    result = trace(prepared.function, [frame], loop=loop)
    assert loop.body[result.value.id].op.fn == "multiply"
    assert function(pd.DataFrame({name: [1.5]}))[0] == 3.0


def test_our_own_attributes_cannot_be_written():
    function = source_function("def f(a):\n    a.value = 3\n    return a")
    with pytest.raises(Refusal) as refused:
        compiled(function, "a")
    assert refused.value.code == "SW256"
