"""Checks that fused functions produce the originals' results for the same batch, by a pipeline or by the original itself."""

from __future__ import annotations

import html
import math
import os
import shlex
import subprocess
import sys
import textwrap
import types

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.special as sc
import scipy.stats
from pyspark.errors import PySparkTypeError
from pyspark.serializers import CPickleSerializer
from pyspark.sql.types import DoubleType
from scipy.special import erf

from sparkweld.annotations import Broadcast, Rows, Unknown, annotate, splittable
from sparkweld.annotations.containers import equal
from sparkweld.errors import Refusal
from sparkweld.worker.counts import counts
from sparkweld.worker.function import Function
from tests.helpers.answers import compile_fused
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from tests.helpers.lines import of_worker_conversions
from udf_compiler.backends.worker_pipelines.payload import batch_command, metrics_command

pytestmark = of_worker_conversions

ARRAY = Rows(container="array")


@splittable((Rows(), Rows()), {"scale": Broadcast(2.0)}, returns=Rows())
def blend(a, b, scale=1.0):
    parts = [a]  # what no compiler takes, an annotation does
    parts.append(b)
    while len(parts) > 1:
        parts.append(parts.pop() * scale + parts.pop())
    return parts[0]


def price(a, b):
    d = (np.log(b) + 0.5 * a) / np.sqrt(b)
    return pd.Series(np.where(a > 1, erf(d), 0.5 * d)) + a


def slug(s):
    return s.str.strip().map(html.escape).str.lower() + "!"


def compiled(functions, inputs, returns="double", conf=None, nullable=True, **given):
    """Returns (reply, the fused function) of a chain of functions, innermost first, over columns: name -> Spark type."""
    functions = functions if isinstance(functions, tuple) else (functions,)
    entry = udf(0, *(column(n, t, nullable) for n, t in inputs.items()), returns=returns, **given)
    for blob in range(1, len(functions)):
        entry = udf(blob, entry, returns=returns)
    made = request(python_step(r=entry))
    made["op"], made["conf"] = "fuse", {**made["conf"], **(conf or {})}
    (group,) = compile_fused(made, [payload(f) for f in functions])["fused"]
    return group, function_of(group)


def function_of(group, number=0):
    """Returns a function of a group, as PySpark calls it."""
    return CPickleSerializer().loads(bytes.fromhex(group["payloads"][number]))[0]


RNG = np.random.default_rng(5)
N = 5000
DOUBLES = [pd.Series(RNG.normal(1, 1, N)), pd.Series(np.where(RNG.random(N) < 0.1, np.nan, RNG.uniform(0.1, 3, N)))]
INTS = pd.Series(RNG.integers(-3, 9, N))
TEXTS = pd.Series(RNG.choice(np.array(["a <b>", " É", "", "x"], object), N))
SOME = pd.Series(np.where(RNG.random(N) < 0.2, None, TEXTS.to_numpy()))
DATES = pd.Series(RNG.integers(-99_999, 9999, N).astype("datetime64[D]").astype(object))
SOME_DATES = pd.Series(np.where(RNG.random(N) < 0.2, None, DATES.to_numpy()))
TWO = {"a": "double", "b": "double"}

TABLE = pd.Series([1.0, 2.0], index=["x", "y"])
_looked_up = annotate(lambda s, t: s * t["y"], (Rows(), Broadcast()), returns=Rows(), check=False)

_initial = annotate(lambda t: t[0], (Rows(container="list", dtype="str"),), returns=Rows(container="list"), elementwise=True,
                    check=False)  # fmt: skip
NAMES = pd.Series(np.where(RNG.random(N) < 0.2, None, RNG.choice(np.array(["ab", "É"], object), N)))

FUSED = [
    (price, TWO, DOUBLES, 3),
    ((lambda a, b: erf(a) * b, lambda s: sc.gammaln(abs(s) + 1) - 1), TWO, DOUBLES, 4),
    (lambda a, b: blend(a + 1, b, scale=3.0) / 2, TWO, DOUBLES, 3),
    (lambda a, b: pd.Series(sc.betainc(b.to_numpy(), 2.0, 0.5) + scipy.stats.norm.cdf(a.values)), TWO, DOUBLES, None),
    (lambda s: sc.gammaln(s), {"a": "double"}, DOUBLES[1:], 1),
    (lambda i: sc.factorial(np.abs(i.to_numpy())) * pd.Series(i), {"i": "long"}, [INTS], None),
    (lambda i: erf(i + 1) * 2, {"i": "long"}, [INTS], 3),
    (lambda i: erf(i + 1) * 2, {"i": "long"}, [INTS.where(INTS > 0)], None),
    (slug, {"s": "string"}, [TEXTS], None),
    (lambda s: s.map(html.escape).str.len(), {"s": "string"}, [TEXTS], 2),
    (lambda s: s.apply(html.unescape), {"s": "string"}, [TEXTS], 1),
    (lambda s: s.map(lambda t: textwrap.dedent(t)), {"s": "string"}, [TEXTS], 2),
    (lambda s: s.map(lambda t: textwrap.dedent(textwrap.indent(t.strip(), "> ")) + "."), {"s": "string"}, [TEXTS], None),
    (lambda s: s.map(lambda t: textwrap.dedent(t), na_action="ignore"), {"s": "string"}, [SOME], None),
    (lambda s: s.map(lambda t: len(e) if (e := textwrap.dedent(t)) else -1), {"s": "string"}, [TEXTS], None),
    (lambda s: s.map(lambda t: "?" if t is None else _initial(t)), {"s": "string"}, [NAMES], None),
    (lambda s: s.map(lambda t: textwrap.indent(t, prefix="> ") + "!"), {"s": "string"}, [TEXTS], None),
    (lambda i: i.map(lambda n: math.isqrt(n * n) + 1), {"i": "long"}, [INTS], None),
    (lambda a: _looked_up(a, TABLE) + _looked_up(a, {"y": np.arange(3)[1]}), {"a": "double"}, DOUBLES[:1], 3),
    (lambda d, a: erf(pd.to_datetime(d).dt.day / 9) + a, {"d": "date", "a": "double"}, [DATES, DOUBLES[0]], None),
    (lambda d, a: erf(pd.to_datetime(d).dt.day / 9) + a, {"d": "date", "a": "double"}, [SOME_DATES, DOUBLES[0]], None),
    (lambda a: pd.Series(np.sinc(a.to_numpy())) + 1, {"a": "double"}, DOUBLES[:1], 2),
    (lambda a: erf(a) + (1 if erf.__name__ == "erf" else 2), {"a": "double"}, DOUBLES[:1], None),
    (lambda a: erf(a) + (1 if hasattr(sc, "no_such") else 2), {"a": "double"}, DOUBLES[:1], None),
    (lambda a: erf(a) + (1 if getattr(blend, "no_such", None) else 2), {"a": "double"}, DOUBLES[:1], None),
    (lambda a: erf(a) + (1 if sc.erf is erf and sc.erf is sc.erf else 2), {"a": "double"}, DOUBLES[:1], None),
]


@pytest.mark.parametrize(("functions", "inputs", "batch", "stages"), FUSED)
def test_fused(functions, inputs, batch, stages, capfd):
    reply, function = compiled(functions, inputs, conf={"blockRows": 700})
    wanted = batch
    for one in functions if isinstance(functions, tuple) else (functions,):
        wanted = [one(*wanted)]
    got = function(*batch)
    assert equal(got, wanted[0].rename(None), 1e-9)
    assert not capfd.readouterr().err
    loaded = _loaded(function)
    assert loaded._original is None, "the original ran"
    assert any(runner.metrics.blocks == 8 for runner in loaded.siblings._runners.values())
    assert stages is None or len(reply["stages"]) == stages
    assert any(line.startswith("call: ") for line in reply["stages"]) and "700 rows, set" in reply["block"]


def _loaded(function):
    return next(c.cell_contents[0] for c in function.__closure__ if isinstance(c.cell_contents, list))


def test_missing_strings_are_passed_to_scalar_functions():
    def normal(s):
        return s.map(lambda t: textwrap.dedent(t))

    _, function = compiled(normal, {"s": "string"})
    with pytest.raises(TypeError, match="expected string or bytes-like object"):
        function(SOME)
    assert equal(function(TEXTS), normal(TEXTS))


def test_structs_and_names():
    entry = udf(0, {"op": "CreateNamedStruct", "names": ["x", "y"], "args": [column("x"), column("y", "long")], "type": "struct"})
    made = {**request(python_step(r=entry)), "op": "fuse"}
    (reply,) = compile_fused(made, [payload(lambda d: erf(d["x"]) * d["y"])])["fused"]
    function = function_of(reply)
    frame = pd.DataFrame({"x": DOUBLES[0], "y": INTS})
    assert equal(function(frame), erf(frame["x"]) * frame["y"]) and _loaded(function)._original is None
    made = {**request(python_step(r=udf(0, "a", ("b", column("b"))))), "op": "fuse"}
    (reply,) = compile_fused(made, [payload(lambda a, b: erf(a) - b)])["fused"]
    function = function_of(reply)
    assert reply["arguments"] == [[0, 0], [0, 1]]
    assert equal(function(*DOUBLES), erf(DOUBLES[0]) - DOUBLES[1]) and _loaded(function)._original is None
    assert "16 bytes per row in, 8 out" in reply["moved"]


_never = annotate(lambda x: x.cumsum(), (Rows(),), returns=Unknown(), check=False)
_wide = annotate(lambda x: np.ones((len(x), 2)), (ARRAY,), returns=ARRAY, check=False)
_weighed = annotate(lambda x, table: x * table[0], (Rows(), Broadcast(np.ones(2))), returns=Rows())
_table = np.ones((16 << 20) // 8)
_odd = annotate(lambda x: x * (1.0 + len(x) % 2), (Rows(),), returns=Rows(), check=False)


class Held:
    """A user's class, which the traced function receives rebuilt."""

    def __getitem__(self, key):
        return 2.0


_object = Held()

def _rare_module(a):
    """Imports a module that nothing has imported before: the import succeeds, as in the worker."""
    from pyarrow import csv

    return erf(a) + bool(csv)


REFUSED = [
    (_rare_module, "SW640"),
    (lambda a: _looked_up(a, _object), "SW643"),
    (lambda a: _looked_up(a, [a]), "SW643"),
    (lambda a: pd.Series(sc.diric(a, 3)), "SW640"),
    (lambda a: pd.Series(scipy.stats.norm.rvs(size=3)) + a, "SW640"),
    (lambda a: a.map(shlex.split), "SW640"),
    (lambda a: a + 1, "SW641"),
    (lambda a: erf(a) - a.mean(), "SW250"),
    (lambda a: _wide(a.to_numpy()), "SW642"),
    (lambda a: _never(a), "SW643"),
    (lambda a: blend(a, 1.0, scale=a), "SW643"),
    (lambda a: a.map(erf), "SW643"),
    (lambda a: a.map(lambda x: erf(x)), "SW643"),
    (lambda a: a.map(lambda x: math.isqrt(int(x)) if x > 0 else 0), "SW643"),
    (lambda a: _odd(a), "SW644"),
    (lambda a: _weighed(a, _table), "SW650"),
    (lambda a: erf(a).to_numpy(), "SW645"),
    (lambda a: print(a) or erf(a), "SW229"),
    (lambda a: erf(np.random.random(len(a))), "SW"),
    (lambda a: erf(a) + (1 if getattr(erf, "reduce", None) else 2), "SW251"),
    (lambda a: erf(a) + (1 if hasattr(blend, "no_such") or str(erf) else 2), "SW259"),
    (lambda a: erf(a) + (1 if hasattr(scipy.stats.norm, "a") else 2), "SW640"),
]


@pytest.mark.parametrize(("function", "code"), REFUSED)
def test_refused(function, code):
    with pytest.raises(Refusal) as caught:
        compiled(function, {"a": "double"}, conf={"blockRows": 7})
    assert caught.value.code.startswith(code), str(caught.value)


def test_models_that_no_pickle_holds_are_refused(monkeypatch):
    class Locked:
        def __reduce__(self):
            raise TypeError("it has a lock")

        def predict(self, x):
            return x * 2.0

    module = types.ModuleType("of_a_locked_model")  # found by name, so that the UDF itself is pickled without the model
    module.predict = annotate(Locked().predict, (Rows(),), returns=Rows())
    exec("def scored(a):\n    return predict(a + 1)\n", module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(Refusal, match="SW650.*TypeError: it has a lock"):
        compiled(module.scored, {"a": "double"})


def test_refused_requests():
    times, two = udf(0, column("a", "timestamp")), udf(0, udf(0, "a"), udf(0, "b"))
    for entry, code in (
        (times, "SW646"),
        (udf(0, column("a", "date")), "SW643"),  # only kernels support them
        (two, "SW646"),
        (udf(0, "a", evalType=252), "SW206"),
        (udf(0, udf(0, "a"), evalType=204), "SW206"),
        (udf(0, ("a", column("a")), evalType=204), "SW362"),
        (udf(0, "a", deterministic=False), "SW207"),
    ):
        with pytest.raises(Refusal, match=code):
            compile_fused({**request(python_step(r=entry)), "op": "fuse"}, [payload(lambda a: erf(a))])


def _scaled(batches):
    scale = math.sqrt(16.0)  # what comes before the loop
    table = {"y": scale}
    for a, b in batches:
        shifted = a + 1
        yield blend(shifted, b, scale=scale) / 2 + _looked_up(a, table)


def _each(batches):
    for s in batches:
        yield s.fillna(" - ").str.strip().map(html.escape).str.len() * 1.0


def _one(a):
    return erf(a) * 2 - a


def _narrow(batches):
    for a in batches:
        yield (erf(a) * 1e10).astype("int32")


ITERATORS = [
    (_scaled, TWO, DOUBLES),
    (_each, {"s": "string"}, [SOME]),
    (lambda batches: map(_one, batches), {"a": "double"}, DOUBLES[1:]),
    (lambda batches: (pd.Series(sc.betainc(b.to_numpy(), 2.0, 0.5)) + a for a, b in batches), TWO, DOUBLES),
    (lambda batches: (erf(i + 1) * i for i in batches), {"i": "long"}, [INTS]),
    (lambda batches: (erf(pd.to_datetime(d).dt.day / 9) for d in batches), {"d": "date"}, [DATES]),
]


@pytest.mark.parametrize(("function", "inputs", "batch"), ITERATORS)
def test_iterators(function, inputs, batch):
    """Each batch runs by itself; undecided ones, such as rows of another dtype, run the function's own loop."""
    integers = not {"long", "date"}.isdisjoint(inputs.values())
    reply, fused = compiled(function, inputs, conf={"blockRows": 700}, nullable=not integers, evalType=204)
    cut = [[s.iloc[at : at + 2000].reset_index(drop=True) for s in batch] for at in range(0, N, 2000)]
    wanted = list(function(iter([b[0] if len(b) == 1 else tuple(b) for b in cut])))
    assert all(equal(fused(*b), w.rename(None), 1e-9) for b, w in zip(cut, wanted, strict=True))
    assert _loaded(fused)._original is None and any(line.startswith("call: ") for line in reply["stages"])
    for _ in range(2):
        assert equal(fused(*(s.iloc[:0] for s in batch)), wanted[0].rename(None).iloc[:0])
    assert _loaded(fused)._original is not None


def test_the_function_of_an_iterator_raises_in_its_batch():
    _, fused = compiled(_narrow, {"a": "double"}, "integer", evalType=204)
    small = pd.Series([0.0, 0.1])
    assert equal(fused(small), next(_narrow([small])))
    with pytest.raises(pd.errors.IntCastingNaNError):
        fused(pd.Series([np.nan]))


def test_a_function_of_an_iterator_is_started_once():
    def counting(batches):
        n = 0
        for a, b in batches:
            n += 1
            yield (a + b + n).to_numpy() if n == 3 else a + b + n

    function = CPickleSerializer().loads(batch_command(payload(counting), DoubleType()))[0]
    one = pd.Series([1.0])
    assert [function(one, one)[0], function(one, one)[0]] == [3, 4]
    with pytest.raises(PySparkTypeError, match="UDF_RETURN_TYPE"):
        function(one, one)


def _counts(batches):
    n = 0.0
    for a in batches:
        n += 1
        yield erf(a) + n


def _scales(batches):
    n = 1.0
    for a in batches:
        yield blend(a, a, scale=n)
        n = 2.0


def _takes_the_last(batches):
    last = None
    for a in batches:
        yield erf(a if last is None else last)
        last = a


def _gives_the_last(batches):
    last = None
    for a in batches:
        made = erf(a)
        yield made if last is None else last
        last = made


def _takes_the_first(batches):
    first = None
    for a in batches:
        first = erf(a) if first is None else first
        yield erf(a) + erf(first)


def _turns(batches):
    fs = [erf, sc.erfc]
    for a in batches:
        yield fs[0](a)
        fs.reverse()


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (_counts, "SW361"), (_scales, "SW361"), (_takes_the_last, "SW361"), (_gives_the_last, "SW361"),
        (_takes_the_first, "SW361"), (_turns, "SW361"),
        (lambda batches: (erf(a) for a in batches for _ in "ab"), "SW360"),
        (lambda batches: (a + 1 for a in batches), "SW641"),
        (lambda batches: (erf(a) - a.mean() for a in batches), "SW250"),
        (lambda batches: (a.map(shlex.split) for a in batches), "SW640"),
    ],
)  # fmt: skip
def test_iterators_with_state_are_refused(function, code):
    with pytest.raises(Refusal, match=code):
        compiled(function, {"a": "double"}, evalType=204)


@pytest.mark.parametrize("spark_type", ["long", "byte", "boolean"])
def test_iterators_that_might_remember_dtypes_are_refused(spark_type):
    def remembers(batches):
        last = None
        for a, i in batches:
            factor = 1 if last in (None, str(i.dtype)) else 2
            last = str(i.dtype)
            yield erf(a) + i * factor

    def forgets(batches):
        scale = 2.0
        for a, i in batches:
            last = str(i.dtype)
            yield erf(a) * scale + i * len(last)

    with pytest.raises(Refusal, match="SW651"):
        compiled(remembers, {"a": "double", "i": spark_type}, evalType=204)
    for function, nullable in ((forgets, True), (forgets, False), (remembers, False)):
        reply, _ = compiled(function, {"a": "double", "i": spark_type}, nullable=nullable, evalType=204)
        assert reply["stages"]


def test_other_batches_are_the_originals():
    _, function = compiled(price, TWO)
    texts = [DOUBLES[0].astype("float32"), DOUBLES[1]]
    for batch in (texts, [s.iloc[:0] for s in DOUBLES]):
        assert equal(function(*batch), price(*batch))
    assert _loaded(function)._original is not None


def test_a_broken_promise_warns_once_and_changes_nothing(capfd):
    def short(x):
        return x[:-1] if len(x) == 500 else x * 1.0

    wrong = annotate(short, (Rows(),), returns=Rows(), check=False)
    _, function = compiled(lambda a: wrong(a + 0.0), {"a": "double"}, conf={"blockRows": 500})
    for _ in range(2):
        assert equal(function(DOUBLES[0]), DOUBLES[0])
    said = capfd.readouterr().err
    assert said.count("runs in its original form: a call breaks its annotation") == 1 and "returns 499 rows for 500" in said


def test_a_worker_without_the_package_runs_the_original(tmp_path):
    names = {"erf": erf}
    exec("def blended(a, b):\n    return erf(a) * b + 1\n", names)  # pickled by value: this module requires the package
    reply, _ = compiled(names["blended"], TWO, conf={"blockRows": 700})
    (tmp_path / "payload").write_bytes(bytes.fromhex(reply["payloads"][0]))
    code = (
        "import sys; sys.modules['sparkweld'] = None\n"
        "import pandas as pd\nfrom pyspark.serializers import CPickleSerializer\n"
        f"f = CPickleSerializer().loads(open({str(tmp_path / 'payload')!r}, 'rb').read())[0]\n"
        "a = pd.Series([1.0, 2.0, 0.5])\nprint(f(a, a).round(6).tolist())\n"
    )
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    a = pd.Series([1.0, 2.0, 0.5])
    assert "the original UDF runs: ModuleNotFoundError" in ran.stderr
    assert ran.stdout.strip() == str((erf(a) * a + 1).round(6).tolist()), ran.stderr


def test_few_rows_are_not_worth_an_import(monkeypatch):
    _, function = compiled(price, TWO)
    name = "sparkweld.worker.function"
    monkeypatch.delitem(sys.modules, name)
    few = [s.iloc[:900] for s in DOUBLES]
    for _ in range(2):
        assert equal(function(*few), price(*few), 0) and name not in sys.modules
    assert equal(function(*few), price(*few), 1e-9) and name in sys.modules and _loaded(function)._original is None


def test_plans_are_loaded_once_a_process():
    reply, function = compiled(price, TWO)
    again = function_of(reply)
    for f in (function, again):
        f(*DOUBLES)
    assert isinstance(_loaded(function), Function) and _loaded(function).siblings is _loaded(again).siblings


def siblings(*entries, functions, conf=None):
    """Returns the groups of UDFs of one node."""
    made = request(python_step(**{f"r{i}": entry for i, entry in enumerate(entries)}))
    made["op"], made["conf"] = "fuse", {**made["conf"], **(conf or {})}
    return compile_fused(made, [payload(f) for f in functions])["fused"]


@splittable((Rows(), Broadcast("")), returns=Rows(), check=False)
def counted(s, folder):
    open(os.path.join(folder, str(len(os.listdir(folder)))), "x").close()
    return s * 2.0


def test_siblings_share_inputs_calls_and_kernels(tmp_path):
    names = {"shared": counted, "np": np, "folder": str(tmp_path)}
    exec("def f(a, b):\n    return shared(a / b, folder) + 1\ndef g(b, a):\n    return np.exp(shared(a / b, folder))", names)
    functions = [names["f"], names["g"], lambda s: erf(s) + 1, lambda s: s - 1]
    chain = udf(3, udf(2, "a"))
    (group,) = siblings(udf(0, "a", "b"), udf(1, ("a", column("a")), ("b", column("b"))), chain, functions=functions)
    assert group["udfs"] == [0, 1, 2] and group["arguments"] == [[0, 0], [0, 1]] and len(group["stages"]) == 4
    made = [function_of(group, number) for number in range(3)]
    a, b = DOUBLES
    wanted = [a / b * 2 + 1, np.exp(a / b * 2), erf(a)]
    before = len(os.listdir(tmp_path))
    for _ in range(2):
        for function, expected in zip(made, wanted, strict=True):
            assert equal(function(*DOUBLES), expected, 1e-9)
    blocks = _loaded(made[0]).siblings.runner(0).metrics.blocks
    assert len(os.listdir(tmp_path)) - before == blocks and all(_loaded(f)._original is None for f in made)
    assert _loaded(made[0]).siblings._last is None


def test_siblings_that_are_no_functions_of_rows_part_the_others():
    functions = [lambda a: erf(a) + 1, lambda a: erf(a) - a.mean(), lambda a: erf(a) * 2]
    groups = siblings(*(udf(blob, "a") for blob in (0, 2, 1, 0, 0)), functions=functions)
    assert [g["udfs"] for g in groups] == [[0, 1], [3, 4]] and [len(g["payloads"]) for g in groups] == [2, 2]
    with pytest.raises(Refusal, match="SW250"):
        siblings(udf(1, "a"), udf(1, "a"), functions=functions)


def test_a_sibling_that_breaks_its_promise_leaves_the_batch_to_all_originals(capfd):
    wrong = annotate(lambda s: s[:-1] if len(s) == 500 else s * 1.0, (Rows(),), returns=Rows(), check=False)
    (group,) = siblings(udf(0, "a"), udf(1, "a", "b"), functions=[lambda a: wrong(a + 0.0), lambda a, b: erf(a) * b],
                        conf={"blockRows": 500})  # fmt: skip
    made = [function_of(group, number) for number in range(2)]
    assert equal(made[0](*DOUBLES), DOUBLES[0] + 0.0) and equal(made[1](*DOUBLES), erf(DOUBLES[0]) * DOUBLES[1])
    assert "f + f runs in its original form" in capfd.readouterr().err and _loaded(made[1])._original is not None


def test_integers_have_nulls_each_by_itself():
    i, j = INTS, pd.Series(RNG.integers(-3, 9, N))
    (group,) = siblings(udf(0, column("i", "long")), udf(1, column("j", "integer"), "a"),
                        functions=[lambda i: erf(i) + i, lambda j, a: erf(a) / j])  # fmt: skip
    some = np.arange(N) % 7 == 0
    for batch in ([i, j.astype("i4")], [i.mask(some), j.astype("i4")], [i, j.mask(some)], [i.mask(some), j.mask(some)]):
        made = [function_of(group, number) for number in range(2)]
        args = [*batch, DOUBLES[0]]
        assert equal(made[0](*args), erf(batch[0]) + batch[0]) and equal(made[1](*args), erf(args[2]) / batch[1])
        assert all(_loaded(f)._original is None for f in made)


def test_many_integers_of_siblings_stay_apart():
    functions = [lambda i, j, k: erf(i) + j * k, lambda a: erf(a)]
    entry = udf(0, *(column(name, "long") for name in "ijk"))
    assert [g["udfs"] for g in siblings(entry, udf(1, "a"), functions=functions)] == [[0], [1]]
    assert [g["udfs"] for g in siblings(entry, entry, functions=functions)] == [[0, 1]]


def test_savings_of_a_pipeline():
    bare, around = (compiled(f, {"a": "double"})[0] for f in (lambda a: erf(a), lambda a: np.exp(erf(a) * 2) + 1))
    assert bare["saves"] < 0 < around["saves"] and not bare["repeats"] and not around["repeats"]
    texts, _ = compiled(lambda s: s.map(html.escape), {"s": "string"})
    assert texts["repeats"] and texts["saves"] < 0
    (shared,) = siblings(udf(0, "a"), udf(0, "a"), functions=[lambda a: erf(a)])
    assert shared["repeats"] and len(shared["stages"]) == 1


def test_workers_report_their_counts():
    counts.kernel_seconds, counts.call_seconds, counts.original_rows, counts.repeated_rows = 0.25, 1.5e-6 * 2, 7, 9
    assert not counts.told(15).any() and counts.original_rows == 7
    data = counts.told(20)
    assert np.frombuffer(data[:16].tobytes(), "<u4").tolist() == [250_000, 3, 7, 9] and not data[16:].any() and len(data) == 20
    assert not counts.told(20).any()
    _, function = compiled(price, TWO)
    function(*DOUBLES)
    assert counts.kernel_seconds > 0 and counts.call_seconds > 0 and counts.original_rows == 0
    function(*(s.iloc[:0] for s in DOUBLES))
    function(*(s.astype("float32") for s in DOUBLES))
    assert counts.original_rows == N
    tell = CPickleSerializer().loads(metrics_command())[0]
    assert len(tell(pa.array(np.zeros(30, bool)))) == 30 and counts.original_rows == 0
