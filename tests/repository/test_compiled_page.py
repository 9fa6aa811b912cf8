"""Checks claims of docs/compiled.md: each phrase of the page has functions that compile, or that the named reason refuses."""

from __future__ import annotations

import base64
import binascii
import datetime
import functools
import hashlib
import html
import json
import logging
import math
import random
import statistics
import urllib.parse
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark import cloudpickle
from pyspark.sql import Row
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DateType,
    DoubleType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from sparkweld.api.verdict import Prototype, answer_of
from sparkweld.contract.constants import ARROW_BATCHED, GROUPED_AGG_PANDAS, GROUPED_MAP_PANDAS, MAP_PANDAS, SCALAR_PANDAS
from sparkweld.contract.replies import Refused
from tests.helpers.lines import LINE, PLAIN, is_refused

PAGE = " ".join((Path(__file__).parents[2] / "docs/compiled.md").read_text(encoding="utf-8").split())
D, L, S, B = DoubleType(), LongType(), StringType(), BooleanType()
LOG = logging.getLogger(__name__)
RATES = {"a": 1.0, "b": 2.0}
FRAME: tuple[Prototype, ...] = ((("town", "string"), ("price", "double"), ("open", "boolean")), (("town", "string"),))
ROWS = StructType([StructField("town", S), StructField("price", D)])


def guarded(x: Any) -> Any:
    try:
        return float(x)
    except ValueError:
        return None


def guarded_mean(v: Any) -> Any:
    try:
        return v.mean()
    except ValueError:
        return 0.0


def guarded_map(frames: Any) -> Any:
    try:
        for frame in frames:
            yield frame[["town", "price"]]
    except ValueError:
        return


def column_guarded(s: Any) -> Any:
    try:
        return s.astype("float64")
    except ValueError:
        return s.fillna(0.0)


def logged(x: Any) -> Any:
    if x < 0:
        LOG.warning("negative %s", x)
        return None
    return x


def rows_of_lists(frames: Any) -> Any:
    for frame in frames:
        towns, prices = [], []
        for row in frame.itertuples():
            towns.append(row.town)
            prices.append(row.price * 2)
        yield pd.DataFrame({"town": towns, "price": prices})


def rows_without_errors(frames: Any) -> Any:
    for frame in frames:
        rows = []
        for row in frame.itertuples():
            try:
                rows.append({"town": f"{row.town}-{len(row.town)}", "price": 1.0 / row.price})
            except ZeroDivisionError:
                continue
        if rows:
            yield pd.DataFrame(rows)


def changed(xs: Any) -> Any:
    made = list(xs)
    made.sort()
    if made:
        made[0] += 1.0
        made.insert(0, made.pop())
    return made


def looped(xs: Any) -> Any:
    made = []
    for x in xs:
        if x > 0:
            made.append(x * 2)
    return made


class Outer:
    rate = 2.0


def defines_a_class(x: Any) -> Any:
    class Inner:
        pass

    return x + len(Inner.__name__)


def generator(x: Any) -> Any:
    yield x


def demeaned(f: Any) -> Any:
    return f.assign(price=f.price - f.price.mean())[["town", "price"]]


def by_town(f: Any) -> Any:
    return f.groupby(["town", "open"])["price"].mean().reset_index()[["town", "price"]]


def largest(f: Any) -> Any:
    return f.nlargest(3, "price")[["town", "price"]]


def skewed(f: Any) -> Any:
    return f.assign(price=f.price.kurt())[["town", "price"]]


def mapped(batches: Any) -> Any:
    for f in batches:
        yield f[f.price > 0][["town", "price"]]


def mixing(method: str) -> Any:
    def mixed(batches: Any) -> Any:
        for f in batches:
            yield f.assign(price=f.price - getattr(f.price, method)())[["town", "price"]]

    return mixed


#: A phrase of the page -> functions of it, by eval type, column types and the declared type; a code, or nothing if they compile.
Claim = tuple[str, list[Callable[..., Any]], int, tuple[Prototype, ...], DataType, str]
CLAIMS: list[Claim] = [
    ("the elementwise ufuncs on numbers and booleans, also with `out=` of a new array and `where=`; `np.where`, `np.select`, "
     "`np.clip`",
     [lambda s: pd.Series(np.where(s > 1, s, 0)), lambda s: pd.Series(np.select([s > 1, s > 0], [s, -s], 0.0)),
     lambda s: np.clip(s, 0, 1)],
     SCALAR_PANDAS, ("double",), D, ""),
    ("elementwise Series methods: `isin`, `between`, `fillna`, `isna`, `where`, `mask`",
     [lambda s: s.isin([1.0, 2.0]).astype("float64"), lambda s: s.between(0, 1) * 1.0,
     lambda s: s.fillna(0).round(2).clip(0, 1),
      lambda s: s.where(s > 0, 0.0).mask(s > 9, 9.0), lambda s: s.map({1.0: 2.0})], SCALAR_PANDAS, ("double",), D, ""),
    ("`pd.cut` with given bins", [lambda s: pd.cut(s, [0, 1, 2], labels=False) * 1.0], SCALAR_PANDAS, ("double",), D, ""),
    ("`.str` with literals and regular expressions, `+`, comparisons, `isin`, `map`, `astype`, also to `\"string\"`, "
     "`pd.to_numeric`",
     [lambda s: s.str.replace(r"\d+", "#", regex=True) + "!", lambda s: s.map({"a": "b"}),
     lambda s: s.where(s.isin(["a"]), "b")],
     SCALAR_PANDAS, ("string",), S, ""),
    ("no look-around of several characters, no back references", [lambda s: s.str.replace(r"(?=ab)b", "", regex=True),
     lambda s: s.str.replace(r"(a)\1", "", regex=True)],
     SCALAR_PANDAS, ("string",), S, "SW272"),
    ("`strftime` of common formats", [lambda s: s.dt.strftime("%Y-%m-%d")], SCALAR_PANDAS, ("timestamp",), S, ""),
    ("`s.apply(f)`, `s.map(f)`, `np.vectorize(f)`", [lambda s: s.apply(math.sqrt),
     lambda s: s.map(lambda x: x + 1 if x > 0 else 0.0),
      lambda s: pd.Series(np.vectorize(lambda x: x * 2, otypes=[float])(s))], SCALAR_PANDAS, ("double",), D, ""),
    ("including exceptions", [guarded], PLAIN, ("string",), D, ""),
    ("F-strings, `%` and `str.format` for any use of their string",
     [lambda x: f"{x:.2f}",
      lambda x: "%s" % x,  # noqa: UP031
      lambda x: f"{x} items".upper(), lambda x: f"{x:.1f}".strip("0") + "!"],
     PLAIN, ("double",), S, ""),
    ("A row runs in Python if it calls `print`, a logger", [logged], PLAIN, ("double",), D, ""),
    ("If all rows do, the reason is SW229", [lambda x: print(x)], PLAIN, ("double",), D, "SW229"),
    ("`fromtimestamp`, `timestamp`, `fromisoformat` of common forms, and `strptime` and `strftime` with a constant format",
     [lambda x: datetime.datetime.strptime(x, "%Y-%m-%d").date(),
     lambda x: datetime.date.fromisoformat(x)], PLAIN, ("string",), DateType(), ""),
    ("`hashlib` with MD5, SHA-1 and SHA-2, `zlib.crc32`, `base64`, `binascii.hexlify`",
     [lambda x: hashlib.md5(x.encode()).hexdigest(), lambda x: hashlib.sha1(x.encode()).hexdigest(),
     lambda x: hashlib.sha512(x.encode()).hexdigest(),
      lambda x: str(zlib.crc32(x.encode())), lambda x: base64.b64encode(x.encode()).decode(),
     lambda x: binascii.hexlify(x.encode()).decode()],
     PLAIN, ("string",), S, ""),
    ("`int(h, 16) % 100`", [lambda x: int(hashlib.md5(x.encode()).hexdigest(), 16) % 100], PLAIN, ("string",), L, ""),
    ("`urlparse`, `urlsplit`, `parse_qs`, `quote`, `unquote`, `html.escape`",
     [lambda x: urllib.parse.urlparse(x).netloc if x else None, lambda x: urllib.parse.urlsplit(x).path if x else None,
      lambda x: urllib.parse.quote(x),
      lambda x: urllib.parse.unquote(x), lambda x: html.escape(x), lambda x: urllib.parse.parse_qs(x).get("a", [""])[0]],
     PLAIN, ("string",), S, ""),
    ("`json.dumps` of dicts, lists and tuples with values of the row",
     [lambda x: json.dumps({"a": x, "b": [x, (1, None)]}, sort_keys=True)],
     PLAIN, ("string",), S, ""),
    ("all options but `cls`", [lambda x: json.dumps({"a": x}, cls=json.JSONEncoder)], PLAIN, ("string",), S, "SW228"),
    ('`json.loads`, then `d["a"]`, `d.get("a", x)`, `in`, also of an array, indices, `isinstance`, `type`, `len` and loops',
     [lambda x: "".join(json.loads(x).keys()), lambda x: type(json.loads(x)).__name__ if "b" in json.loads(x)["a"] else "n",
      lambda x: json.loads(x)["a"], lambda x: json.loads(x).get("a", "?"), lambda x: "y" if "a" in json.loads(x) else "n",
      lambda x: json.loads(x)["a"][0], lambda x: str(len(json.loads(x)["a"]))], ARROW_BATCHED, ("string",), S, ""),
    ("`len`, indices, slices, `in`, `+`, `==`", [lambda xs: len(xs), lambda xs: len(xs[1:]), lambda xs: int(1.0 in xs)],
     PLAIN, ("array<double>",), L, ""),
    ("lists as results, comprehensions, and lists that loops append to", [looped,
     lambda xs: [x * 2 for x in xs if x > 0], lambda xs: xs[1:]],
     PLAIN, ("array<double>",), ArrayType(D), ""),
    ("`sorted(xs, key=f, reverse=True)` by numbers, strings or tuples of these",
     [lambda xs: sorted(xs, key=abs, reverse=True), lambda xs: sorted(xs, key=lambda x: (int(x), -x))],
     PLAIN, ("array<double>",), ArrayType(D), ""),
    ("`Counter(xs).most_common(3)` and `sorted(counts.items(), key=f)`",
     [lambda xs: [x for x, _ in Counter(xs).most_common(3)],
      lambda xs: [x for x, _ in sorted(Counter(xs).items(), key=lambda pair: -pair[1])]],
     PLAIN, ("array<string>",), ArrayType(S), ""),
    ("`ys[i] = x`, `ys[i] += 1`, `del ys[i]`, `pop`, `insert`, `remove`, `sort`, `reverse`, `clear` and `extend`", [changed],
     PLAIN, ("array<double>",), ArrayType(D), ""),
    ("`+`, `-`, `*`, `/` of Series of arrays, also with numbers", [lambda s: s + s * 2], SCALAR_PANDAS, ("array<double>",),
     ArrayType(D), ""),
    ("`astype`, also to `\"string\"`", [lambda s: s.astype("string").fillna("")], SCALAR_PANDAS, ("string",), S, ""),
    ("that append once to each of some new lists", [rows_of_lists], MAP_PANDAS, (FRAME[0],), ROWS, ""),
    ("loops may skip rows; in maps, then `if rows: yield pd.DataFrame(rows)`", [rows_without_errors], MAP_PANDAS, (FRAME[0],),
     ROWS, ""),
    ("`functools.reduce`, `map` and `filter`", [lambda xs: functools.reduce(lambda a, b: a + b, xs, 0.0),
      lambda xs: sum(map(abs, xs))], PLAIN, ("array<double>",), D, ""),
    ("`np.dot`, `@` and `np.linalg.norm` of floats", [lambda xs: float(np.linalg.norm(np.array(xs))),
     lambda xs: float(np.dot(xs, xs))],
     PLAIN, ("array<double>",), D, ""),
    ("`sum` `mean` `var` `std` `min` `max` `any` `all` `argmin` `argmax` `np.median`",
     [lambda s: s.map(lambda v: v.std()), lambda s: s.map(lambda v: float(v.argmax())),
     lambda s: s.map(lambda v: np.median(v))],
     SCALAR_PANDAS, ("array<double>",), D, ""),
    ("reductions: `sum`, `mean`, `count`, `min`, `max`, `var`, `std`", [lambda v: (v * v).sum() / v.count(),
     lambda v: v[v > 0].mean()],
     GROUPED_AGG_PANDAS, ("double",), D, ""),
    ("these aggregates and all others, such as medians, run [group by group]", [lambda v: v.median(),
     lambda v: v.quantile(0.9)],
     GROUPED_AGG_PANDAS, ("double",), D, "SW382" if is_refused(GROUPED_MAP_PANDAS) else ""),
    ("`mapInPandas` and `mapInArrow` with such a body", [mapped], MAP_PANDAS, (FRAME[0],), ROWS, ""),
    ("reductions of numbers: `sum`, `prod`, `mean`, `min`, `max`, `count`, `std`, `var`, `any`, `all`, `median`", [demeaned],
     GROUPED_MAP_PANDAS, FRAME, ROWS, ""),
    ("`groupby` by columns, then `transform`, `agg` or a method", [by_town], GROUPED_MAP_PANDAS, FRAME, ROWS, ""),
    ("`sort_values` by one or more columns, `nlargest` and `nsmallest` by one", [largest], GROUPED_MAP_PANDAS, FRAME, ROWS, ""),
    ("Other operations on a group have the code SW312, such as `kurt`", [skewed], GROUPED_MAP_PANDAS, FRAME, ROWS, "SW312"),
    ("functions of rows, iterators and maps that read other rows of the batch (`mean`, `cumsum`, `shift`, `rank`, `len`)",
     [mixing(method) for method in ("mean", "cumsum", "shift", "rank")], MAP_PANDAS, (FRAME[0],), ROWS, "SW250"),
    ("randomness, clocks", [lambda x: x + random.random(),
     lambda x: x + datetime.datetime.now().hour], PLAIN, ("double",), D, "SW230"),
    ("Handlers around columns", [column_guarded], SCALAR_PANDAS, ("string",), D, ""),
    ("They are compiled in functions of groups, too", [guarded_mean], GROUPED_AGG_PANDAS, ("double",), D,
     "SW213" if is_refused(GROUPED_MAP_PANDAS) else ""),
    ("`except` around columns in functions of iterators, maps and Arrow columns, unless it always raises", [guarded_map],
     MAP_PANDAS, (FRAME[0],), ROWS, "SW213"),
    ("also with `out=` of a new array and `where=`", [lambda s: pd.Series(np.log(s, out=np.zeros(len(s)), where=s > 0))],
     SCALAR_PANDAS, ("double",), D, ""),
    ("generators", [generator], PLAIN, ("double",), D, "SW210"),
    ("classes defined inside", [defines_a_class], PLAIN, ("double",), D, "SW220"),
    ("binary columns, maps, arrays of structs and nested structs", [lambda x: len(x)], ARROW_BATCHED, ("binary",), L, ""),
    ("return binary, maps and arrays of structs", [lambda x: [(w, len(w)) for w in x.split()]], ARROW_BATCHED, ("string",),
     ArrayType(StructType([StructField("w", S), StructField("n", L)])), ""),
    ("Lists of tuples, dicts or Rows of one size or of the same keys",
     [lambda x: [(w, len(w)) for w in x.split()], lambda x: sorted((w, len(w)) for w in x.split()),
      lambda x: list(zip(x.split(), range(9), strict=False)), lambda x: [{"w": w} if w else None for w in x.split()],
      lambda x: [Row(w=w, n=len(w)) for w in x.split()]],
     ARROW_BATCHED, ("string",), ArrayType(StructType([StructField("w", S), StructField("n", L)])), ""),
    ("`statistics.median`, `median_low` and `median_high`; `statistics.mean` and `fmean` of ints",
     [lambda x: statistics.median(x) if x else None, lambda x: statistics.mean([len(x), 1]),
      lambda x: statistics.fmean([int(v) for v in x if abs(v) < 9.0] + [1])], PLAIN, ("array<double>",), D, ""),
    ("in other UDFs than plain ones: binary, maps, and arrays of anything but numbers", [lambda x: x.str.len()],
     SCALAR_PANDAS, ("binary",), L, "SW101"),
    ("decimals of more than 18 digits, and matrices of arrays", [lambda x: float(x)], PLAIN, ("decimal(19,2)",), D, "SW101"),
    ("Series of decimals, other than their floats", [lambda x: x * 2], SCALAR_PANDAS, ("decimal(10,2)",), D, "SW251"),
    ("Series of decimals: `astype(float)`", [lambda x: x.astype(float), lambda x: x.map(float)],
     SCALAR_PANDAS, ("decimal(10,2)",), D, ""),
    ("objects of your own plain classes that hold them", [lambda x: x * Outer.rate], PLAIN, ("double",), D, ""),
    ("Captured data may be numbers, strings, dates, tuples, lists, dicts, sets",
     [lambda x: RATES.get(x, 0.0)], PLAIN, ("string",), D, ""),
]  # fmt: skip


@pytest.mark.parametrize("function", [lambda v: (v - v.mean()) / v.std(), lambda v: v.rank()])
def test_functions_of_a_whole_batch(function):
    assert "A scalar pandas UDF may read other rows of its Arrow batch, as in `(v - v.mean()) / v.std()`" in PAGE
    answer = answer_of(cloudpickle.dumps((function, D)), "f", D, SCALAR_PANDAS, ("double",))
    assert not isinstance(answer.reply, Refused) and answer.reads_batch is not None and answer.reads_batch.code == "SW250"


NAMES = ("phrase", "functions", "eval_type", "types", "returns", "code")


@pytest.mark.parametrize(NAMES, CLAIMS, ids=map(str, range(len(CLAIMS))))
def test_claims(phrase, functions, eval_type, types, returns, code):
    assert phrase in PAGE, "state the claim of the page, or remove it here"
    for function in functions:
        if is_refused(eval_type):
            pytest.skip("SW114 refuses this kind of UDF")
        if function is rows_without_errors and LINE < (4, 0):
            pytest.skip("SW602 refuses its strings")
        reply = answer_of(cloudpickle.dumps((function, returns)), "f", returns, eval_type, types).reply
        found = [refusal.code for refusal in reply.refusals] if isinstance(reply, Refused) else [""]
        assert found[0] == code, (function.__code__.co_firstlineno, reply)
