"""Checks purity: checked copies of pure functions run like the originals, others are refused, with code and line."""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
import re
import sys
import textwrap
import types
from collections import namedtuple
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sparkweld.errors import Refusal
from sparkweld.ir import Input, ProgramBuilder, evaluate
from sparkweld.ir.types import F64
from tests.helpers.compile_requests import payload
from tests.helpers.pythons import since
from udf_compiler.boundary.series import column_of_result, series_of_column
from udf_compiler.frontends.pandas.stand_ins import stand_in
from udf_compiler.frontends.pandas.trace import trace
from udf_compiler.function.payload import load_command
from udf_compiler.rebuild.purity import prepare

ROWS = {"a": np.array([0.0, 1.5, -2.25, 1e300]), "b": np.array([3.0, -1.0, 0.5, 2.0])}


def compiled(function: Any, *names: str) -> np.ndarray:
    """Runs the function on ROWS by bytes, checked copy, trace and evaluation. Raises Refusal."""
    builder = ProgramBuilder("f", [Input(name, F64) for name in ROWS])
    loop = builder.loop("f")
    prepared = prepare(load_command(payload(function)).function, stand_in)
    args = [series_of_column(loop, loop.read(name), "double", False, "dense") for name in names]
    with prepared.checked():
        result = trace(prepared.function, args, loop=loop, place=prepared.place)
    loop.append("r", column_of_result(loop, result, "double", prepared.place))
    loop.close()
    column = evaluate(builder.finish(["r"]), ROWS, 4).columns["r"]
    return np.where(column.valid, column.values, np.nan)


def assert_agrees(function: Any, *names: str) -> None:
    expected = function(*(pd.Series(ROWS[name].copy()) for name in names))
    np.testing.assert_array_equal(compiled(function, *names), np.asarray(expected, float))


def source_function(source: str, **given: Any) -> Any:
    """Returns `f` of a source as in a driver script: pickled by value, with the file name job.py."""
    namespace: dict[str, Any] = {"__name__": "__main__", "np": np, "pd": pd, **given}
    exec(compile(textwrap.dedent(source), "/home/user/job.py", "exec"), namespace)
    return namespace["f"]


K = 2.5
WEIGHTS = np.array([0.5, -1.25])
TABLE = {"low": 0.1, "high": [1.0, 2.0]}


class Model:
    """Holds weights, as a fitted model would; a compiled function never calls `save`."""

    factor = 3.0

    def __init__(self, k):
        self.k, self.w = k, np.array([1.0, k])

    @property
    def twice(self):
        return 2 * self.k

    @staticmethod
    def shift(s):
        return s + 1

    @classmethod
    def times(cls, s):
        return s * cls.factor

    def score(self, s):
        return self.times(self.shift(s)) * self.twice + self.w[1]

    def __call__(self, s):
        return self.score(s)

    def save(self, path):
        with open(path, "w") as file:
            file.write(str(self.k))

    def fit(self, s):
        self.k = 1.0
        return s


class Child(Model):
    def score(self, s):
        return super().score(s) - self.k


@dataclasses.dataclass
class Config:
    low: float = -1.0
    high: float = 1.0

    def clip(self, s):
        return s.clip(self.low, self.high)


@dataclasses.dataclass(frozen=True)
class Frozen:
    k: float = 4.0


class Pair(NamedTuple):
    x: float
    y: float


Point = namedtuple("Point", "x y")


def helper(s, power=2, *, scale=K):
    return recursive(s**power, 2) * scale


def recursive(s, n):
    return s if n == 0 else recursive(s + n, n - 1)


def _counter():
    total = 0.0

    def add(s):
        nonlocal total
        total = total + s
        return total

    return add


def nested(a, b):
    count = 0

    def inner(s):
        nonlocal count
        count += 1
        return s + count

    return inner(inner(a)) + sum(w * s for w, s in zip((1.0, 2.0), (a, b), strict=True))


def with_import(a):
    import math as m
    from functools import reduce

    import numpy

    return numpy.sqrt(numpy.abs(a)) * m.pi + reduce(operator.add, [a, a])


def deep(a, b):
    model = Child(1.5)
    model.k = 2.0
    return model.score(a) + getattr(model, "k") * b  # noqa: B009


PAIR, POINT, SPACE, FROZEN, MODEL = Pair(1.0, 2.0), Point(1.0, 2.0), types.SimpleNamespace(k=2), Frozen(), Model(1.0)

AGREE = [
    (lambda a: a * K + TABLE["high"][1] - WEIGHTS[0], "a"),
    (lambda a, b: np.where(a > b, a, b) * pd.Series(a), "ab"),
    (helper, "a"),
    (functools.partial(helper, power=3, scale=0.5), "a"),
    (functools.partial(functools.partial(lambda k, a, b: a * k - b, 2), b=1.0), "a"),
    (nested, "ab"),
    (with_import, "a"),
    (deep, "ab"),
    (Model(2.0), "a"),
    (Child(2.0).score, "a"),
    (Model.times, "a"),
    (Model.shift, "a"),
    (lambda a: Config().clip(a) + Config(low=-0.5).clip(a), "a"),
    (lambda a: a * FROZEN.k, "a"),
    (lambda a: a * PAIR.x + PAIR.y, "a"),
    (lambda a: a * POINT[0] + POINT.y, "a"),
    (lambda a: a * SPACE.k, "a"),
    (lambda a: [a + k for k in {1, 2, 3}][-1], "a"),
    (lambda a: math.floor(2.5) * a if isinstance(a, pd.Series) else None, "a"),
]


@pytest.mark.parametrize("function, names", AGREE)
def test_pure_functions_run_as_the_original(function, names):
    if isinstance(function, types.MethodType) and isinstance(function.__self__, type):
        assert function.__self__ is Model
    assert_agrees(function, *names)


def test_by_value_and_by_reference_are_one(tmp_path):
    """The same helpers are defined in the script, and in a module that the worker imports."""
    source = "import numpy as np\nK = 3.0\ndef g(s): return np.abs(s) * K\ndef f(a): return g(a) + K\n"
    (tmp_path / "weld_ref_module.py").write_text(source)
    sys.path.insert(0, str(tmp_path))
    try:
        module = __import__("weld_ref_module")
        assert b"weld_ref_module" in payload(module.f)
        assert_agrees(module.f, "a")
        in_script = source_function("import weld_ref_module as m\ndef f(a): return m.g(a) - m.K")
        assert_agrees(in_script, "a")
        in_function = source_function("def f(a):\n    from weld_ref_module import g\n    return g(a)")
        assert_agrees(in_function, "a")
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("weld_ref_module", None)


def test_submodules_reached_by_from_import_are_checked_too(tmp_path):
    package = tmp_path / "weld_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text("import random\ndef g(s): return s + 1\ndef h(s): return s * random.random()\n")
    sys.path.insert(0, str(tmp_path))
    try:
        good = source_function("def f(a):\n    from weld_package import part\n    return part.g(a)")
        assert_agrees(good, "a")
        bad = source_function("def f(a):\n    from weld_package import part\n    return part.h(a)")
        with pytest.raises(Refusal) as refused:
            compiled(bad, "a")
        assert (refused.value.code, refused.value.place) == ("SW230", "h, line 3 of part.py")
    finally:
        sys.path.remove(str(tmp_path))
        for name in [name for name in sys.modules if name.partition(".")[0] == "weld_package"]:
            del sys.modules[name]


def test_c_code_that_a_function_calls_may_import():
    """pyarrow imports `decimal` to infer a type, by the builtins of the calling frame, and aborts where that fails."""
    prepared = prepare(lambda: pa.scalar(2.5), lambda obj: types.SimpleNamespace(scalar=pa.scalar) if obj is pa else None)
    assert prepared.function().as_py() == 2.5
    if sys.version_info < (3, 11):
        return  # it does not pickle the builtins of a function that names them
    own = source_function("def f(a):\n    return a * __builtins__['__import__']('decimal', None, None, []).Decimal(1)")
    with pytest.raises(Refusal):  # the function itself obtains nothing that way
        compiled(own, "a")


# (code, source): the refusal must point at the line marked with #!
REFUSED = [
    ("SW210", "def f(a):  #!\n    yield a"),
    ("SW210", "async def f(a):  #!\n    return a"),
    ("SW210", "def f(a):\n    def g():  #!\n        yield a\n    return next(g())"),
    ("SW211", "n = 0\ndef f(a):\n    global n\n    n = 1  #!\n    return a"),
    ("SW211", "n = 0\ndef f(a):\n    global n\n    del n  #!\n    return a"),
    ("SW211", "n = 0\ndef g(s):\n    global n\n    n += 1  #!\n    return s\ndef f(a):\n    return g(a)"),
    (
        "SW212",
        "def make():\n    t = 0\n    def f(a):\n        nonlocal t\n        t = a  #!\n        return t\n"
        "    return f\nf = make()",
    ),
    (
        "SW212",
        "def make():\n    t = 0\n    def f(a):\n        def g():\n            nonlocal t\n"
        "            t = 1  #!\n        g()\n        return a + t\n    return f\nf = make()",
    ),
    ("SW213", "def f(a):\n    try:\n        return a + 1\n    except Exception:  #!?\n        return a"),
    ("SW213", "def f(a):\n    try:\n        r = a + 1\n    except ValueError as e:  #!?\n        if len(str(e)) > 9:\n"
     "            raise\n        r = a\n    return r"),
    ("SW213", "def f(a):\n    for n in (1, 2):\n        try:\n            a = a + n\n        finally:  #!?\n"
     "            continue\n    return a"),
    ("SW230", "import random\ndef f(a):\n    return a * random.random()  #!"),
    ("SW263", "import os.path\ndef f(a):\n    return a if os.path.exists('/') else -a  #!"),
    ("SW230", "def f(a):\n    import time  #!\n    return a * time.time()"),
    ("SW214", "def f(a):\n    from sys import maxsize  #!\n    return a * maxsize"),
    ("SW214", "def f(a):\n    import pyarrow  #!\n    return a"),
    ("SW229", "import logging\nlog = logging\ndef f(a):\n    log.warning('x')  #!\n    return a"),
    ("SW228", "import json\ndef f(a):\n    return a.map(lambda x: json.load(x)['k'])  #!"),
    ("SW228", "def f(a):\n    import json\n    return a.map(lambda x: json.JSONDecoder().decode(x))  #!"),
    ("SW229", "def f(a):\n    print(a)  #!\n    return a"),
    ("SW862", "def f(a):\n    return a * len(open('/etc/hostname').read())  #!"),
    ("SW215", "def f(a):\n    exec('x = 1')  #!\n    return a"),
    ("SW215", "def f(a):\n    return a * eval('2')  #!"),
    ("SW215", "def f(a):\n    return a * float(input())  #!"),
    ("SW215", "from time import time\ndef f(a):\n    return a * time()  #!"),
    ("SW215", "from random import random\ndef f(a):\n    return a * random()  #!"),
    ("SW215", "def f(a):\n    return a * globals()['k']  #!"),
    ("SW215", "def g(s):\n    return s + id(s)  #!\ndef f(a):\n    return g(a)"),
    ("SW215", "def f(a, g=np.random.default_rng):  #!\n    return a"),
    ("SW216", "rng = np.random.default_rng(0)\ndef f(a):\n    return a * rng.random()  #!"),
    ("SW216", "things = np.array([object()])\ndef f(a):\n    return a if things.size else -a  #!"),
    ("SW216", "frame = pd.DataFrame({'x': [object()]})\ndef f(a):\n    return a * len(frame)  #!"),
    ("SW216", "frame = pd.DataFrame({'x': [1]}, index=['a'])\ndef f(a):\n    return a * len(frame)  #!"),
    ("SW216", "frame = pd.DataFrame({'x': pd.array([1], 'Int64')})\ndef f(a):\n    return a * len(frame)  #!"),
    ("SW217", "frame = pd.DataFrame({'x': [1]})\ndef f(a):\n    frame['x'].values[0] = 2  #!\n    return a"),
    ("SW216", "names = pd.Series(['x'])\ndef f(a):\n    return a * len(names)  #!"),
    ("SW216", "import io\nbuffer = io.StringIO()\ndef f(a):\n    return a if buffer.tell() else -a  #!"),
    ("SW216", "seen = {frozenset((1, 2))}\ndef f(a):\n    return a * len(seen)  #!"),
    ("SW217", "log = []\ndef f(a):\n    log.append(1)  #!\n    return a"),
    ("SW217", "cache = {'n': 0}\ndef f(a):\n    cache['n'] += 1  #!\n    return a"),
    ("SW217", "def f(a, seen=[]):  #!\n    seen.append(1)\n    return a"),
    ("SW217", "def f(a, *, seen={}):  #!\n    seen[1] = 2\n    return a"),
    ("SW217", "w = np.zeros(2)\ndef f(a):\n    w[0] += 1  #!\n    return a + w[0]"),
    ("SW217", "import collections\nq = collections.deque([1])\ndef f(a):\n    q.rotate(1)  #!\n    q.append(2)\n    return a"),
    ("SW217", "seen = {1, 2}\ndef f(a):\n    seen.add(3)  #!\n    return a"),
    ("SW256", "s = pd.Series([1.0, 2.0])\ndef f(a):\n    s.iloc[0] = 5.0  #!\n    return a"),
    (
        "SW217",
        "class M:\n    def score(self, s):\n        self.k = 1  #!\n        return s\nm = M()\ndef f(a):\n"
        "    return m.score(a)",
    ),
    (
        "SW217",
        "class M:\n    def score(self, s):\n        del self.k  #!\n        return s\nm = M()\nm.k = 1\n"
        "def f(a):\n    return m.score(a)",
    ),
    ("SW217", "class M:\n    n = 0\ndef f(a):\n    M.n += 1  #!\n    return a"),
    ("SW217", "def f(a):\n    f.calls = f.calls + 1  #!?\n    return a\nf.calls = 0"),
    ("SW217", "import weld_state_module as m\ndef f(a):\n    m.K = 2  #!\n    return a"),
    ("SW218", "def f(a):\n    return a * no_such_name  #!"),
    ("SW219", "def g(): pass\ndef f(a):\n    return a * len(g.__globals__)  #!"),
    ("SW219", "def f(a):\n    return a * len(().__class__.__mro__)  #!"),
    ("SW219", "def f(a):\n    return getattr(f, '__glo' + 'bals__')['x'] * a  #!"),
    ("SW220", "def f(a):\n    class C:  #!\n        pass\n    return a"),
    since((3, 11), "SW221",
          "class M:\n    def __getattr__(self, name):\n        return 1\nm = M()\ndef f(a):\n    return a * m.k  #!"),
    ("SW221", "class M:\n    __slots__ = ('k',)\nm = M()\nm.k = 1\ndef f(a):\n    return a * m.k  #!"),
    ("SW221", "import abc\nclass M(abc.ABC):\n    k = 1\nm = M()\ndef f(a):\n    return a * m.k  #!"),
    ("SW221", "class M(dict):\n    pass\ndef f(a):\n    return a * len(M())  #!"),
]  # fmt: skip


@pytest.fixture
def state_module(tmp_path, monkeypatch):
    (tmp_path / "weld_state_module.py").write_text("K = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("weld_state_module", None)


@pytest.mark.usefixtures("state_module")
@pytest.mark.parametrize("code, source", REFUSED)
def test_impure_functions_are_refused(code, source):
    lines = source.splitlines()
    marked = next(i for i, line in enumerate(lines, 1) if "#!" in line)
    with pytest.raises(Refusal) as refused:
        compiled(source_function(source), "a")
    assert refused.value.code == code, str(refused.value)
    assert refused.value.place.endswith("of job.py"), refused.value.place
    if "#!?" not in lines[marked - 1]:  # a change found afterwards, and a handler, are located by function only
        assert f"line {marked} of job.py" in refused.value.place, str(refused.value)


@pytest.mark.parametrize(
    "source",
    [
        "def f(a):\n    try:\n        return a + 1\n    finally:\n        a = None",
        "def f(a):\n    try:\n        r = a + 1\n    except TypeError:\n        print('x')\n        raise\n    return r",
        "def f(a):\n    try:\n        try:\n            return a + 1\n        except Exception as e:\n"
        "            raise ValueError(str(e)) from None\n    finally:\n        a = 0",
        "def f(a):\n    def g(b):\n        try:\n            return b * 2\n        finally:\n            b = 1\n    return g(a)",
    ],
)
def test_handlers_that_pass_each_exception_on(source):
    assert_agrees(source_function(source), "a")


def test_a_refusal_that_a_handler_replaces_is_kept():
    source = "def f(a):\n    try:\n        return a - a.mean()\n    except Exception as e:\n        raise KeyError('x') from e"
    with pytest.raises(Refusal) as refused:
        compiled(source_function(source), "a")
    assert refused.value.code == "SW250"


def test_nothing_runs_before_it_is_checked(tmp_path):
    """The effects of a refused function never happen: neither those before the refused line nor those after it."""
    path = tmp_path / "touched"
    function = source_function(
        f"def f(a):\n    open({str(path)!r}, 'w')\n    return a\n",
    )
    with pytest.raises(Refusal):
        compiled(function, "a")
    assert not path.exists()


def test_unused_methods_may_be_impure():
    assert_agrees(MODEL.score, "a")
    with pytest.raises(Refusal) as refused:
        compiled(MODEL.fit, "a")
    assert refused.value.code == "SW217"
    assert "Model.k" in refused.value.message


def test_the_original_is_left_alone():
    """Module data stays in this process between requests; a refused function must not change it."""
    table = {"k": [1.0]}

    def f(a):
        table["k"].append(2.0)
        return a

    prepared = prepare(f, stand_in)
    with pytest.raises(Refusal), prepared.checked():
        prepared.function(1)
    assert table == {"k": [1.0]}


@pytest.mark.parametrize("names", [{"x", "y"}, frozenset(("x", "y"))])
def test_sets_of_strings_hide_their_order(names):
    assert_agrees(lambda a: a * len(names) if "x" in names and isinstance(names, set | frozenset) else a, "a")
    for use in (lambda a: a * len(list(names)), lambda a: a * len("".join(names)), lambda a: a * len(names | {"z"})):
        if not sys.flags.hash_randomization:
            assert_agrees(use, "a")
            continue
        with pytest.raises(Refusal) as refused:
            compiled(use, "a")
        assert "PYTHONHASHSEED" in refused.value.message


def test_patterns_and_flags_are_constants():
    pattern = re.compile("x+", re.IGNORECASE)
    assert_agrees(lambda a: a * len(pattern.sub("", "aXxb")), "a")
    with pytest.raises(Refusal) as refused:
        compiled(lambda a: a if re.purge() else -a, "a")
    assert refused.value.code == "SW263"


def test_cyclic_data_ends():
    loop: list[Any] = [1.0]
    loop.append(loop)
    assert_agrees(lambda a: a * loop[1][1][0], "a")


def test_shared_data_stays_shared():
    inner = [1.0]
    left, right = {"x": inner}, [inner]
    assert_agrees(lambda a: a if left["x"] is right[0] else -a, "a")


def test_large_arrays_are_not_copied():
    weights = np.ones(1 << 20)
    prepared = prepare(lambda a: a * weights[0], stand_in)
    view = prepared.function.__closure__[0].cell_contents
    assert np.shares_memory(view, weights)
    assert not view.flags.writeable
    assert weights.flags.writeable
