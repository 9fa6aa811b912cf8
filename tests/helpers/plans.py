"""Draws random query plans over two tables: UDFs of several kinds among filters, joins, groups, windows, unions and limits.

The seed alone determines the plan. Every query is deterministic: top-K and windows order by all columns, and floats are never
summed across partitions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf
from pyspark.sql.types import BooleanType, DoubleType, IntegerType, LongType, StringType
from sklearn.ensemble import RandomForestClassifier

from tests.helpers.lines import arrow_udf

Step = tuple[str, Callable[[DataFrame], DataFrame]]
ROWS = 6000

_random = np.random.default_rng(3)
_features = _random.normal(size=(400, 2))
forest = RandomForestClassifier(5, max_depth=4, random_state=0).fit(_features, _features[:, 0] + _features[:, 1] ** 2 > 0.5)


@pandas_udf(DoubleType())
def clipped(x: pd.Series, y: pd.Series) -> pd.Series:
    return x * 2.5 + y.clip(-1, 1)


@pandas_udf(DoubleType())
def branch(x: pd.Series) -> pd.Series:
    return pd.Series(np.where(x > 0, x * 2, -x))


@pandas_udf(LongType())
def counted(k: pd.Series) -> pd.Series:
    return (k.fillna(0) * 3 + 1).astype("int64")


@pandas_udf(StringType())
def shout(s: pd.Series) -> pd.Series:
    return s.str.strip().str.upper()


@pandas_udf(StringType())
def first_part(s: pd.Series) -> pd.Series:
    return s.str.split(",").str[0].str.slice(0, 3)


@pandas_udf(BooleanType())
def below(x: pd.Series) -> pd.Series:
    return x < 0


@pandas_udf(IntegerType())
def month(d: pd.Series) -> pd.Series:
    return pd.to_datetime(d).dt.month.fillna(0).astype("int32")


@pandas_udf(DoubleType())
def rounded(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    for s in batches:
        yield s.round(0) + 3.0


@pandas_udf(LongType())
def leaf(x: pd.Series, y: pd.Series) -> pd.Series:
    return pd.Series(forest.predict(np.column_stack([x.clip(-9, 9).fillna(0), y.clip(-9, 9).fillna(0)])).astype("int64"))


@pandas_udf(LongType())
def ranked(k: pd.Series) -> pd.Series:
    return k.ewm(span=3).std().fillna(0).astype("int64") * 0 + 1  # refused: no kernel has these weights of other rows


@udf(IntegerType())
def words(s):
    return None if s is None else len(s.split(" "))


@udf(StringType())
def tier(x):
    if x is None:
        return "none"
    return "high" if x > 5 else ("middle" if x > 0 else "low")


@udf(DoubleType())
def inverse(y):
    return 1.0 / y if y is not None and y != 0 else None


@arrow_udf(LongType())
def length(s: pa.Array) -> pa.Array:
    return pc.cast(pc.utf8_length(s), pa.int64())


@pandas_udf(DoubleType())
def spread(x: pd.Series) -> float:
    return float(x.max() - x.min()) if len(x) else 0.0


@pandas_udf(LongType())
def present(x: pd.Series) -> int:
    return int(x.count())


#: (UDF, kinds of its arguments, kind of its result).
UDFS = (
    (clipped, ("double", "double"), "double"), (branch, ("double",), "double"), (counted, ("int",), "int"),
    (shout, ("text",), "text"), (first_part, ("text",), "text"), (below, ("double",), "flag"), (month, ("date",), "int"),
    (rounded, ("double",), "double"), (leaf, ("double", "double"), "int"), (ranked, ("int",), "int"), (words, ("text",), "int"),
    (tier, ("double",), "text"), (inverse, ("double",), "double"), (length, ("text",), "int"),
)  # fmt: skip


def write_tables(folder: str) -> None:
    """Writes `folder`/items.parquet as three files with small row groups, and `folder`/kinds.parquet as a join table."""
    at, random_ = np.arange(ROWS), np.random.default_rng(4)
    x = random_.normal(size=ROWS) * 10
    x[::97], x[5::199], x[7::211] = np.nan, np.inf, -0.0
    texts = ("Ab c", "é x", "", "  Zed ", "12", "a,b,c")
    items = pa.table({
        "id": at,
        "k": pa.array(random_.integers(-20, 20, ROWS).astype(np.int32), mask=random_.random(ROWS) < 0.1),
        "x": pa.array(x, mask=random_.random(ROWS) < 0.1),
        "y": random_.normal(size=ROWS).round(2),
        "s": [None if i % 17 == 0 else f"{texts[i % 6]}{i % 37}" for i in at],
        "d": pa.array([None if i % 13 == 0 else int(i) for i in at], pa.int32()).cast(pa.date32()),
        "b": random_.random(ROWS) < 0.5,
    })  # fmt: skip
    for part in range(3):
        rows = items.slice(part * ROWS // 3, ROWS // 3)
        pq.write_table(rows, f"{folder}/items-{part}.parquet", row_group_size=700)
    keys = np.arange(-10, 30).astype(np.int32)
    kinds = {"uk": keys, "w": random_.normal(size=40), "name": [f"kind {key % 7}" for key in keys]}
    pq.write_table(pa.table(kinds), f"{folder}/kinds.parquet")


@dataclass
class Plans:
    """Draws plans over the tables of `folder`."""

    spark: SparkSession
    folder: str
    draw: random.Random
    columns: dict[str, str] = field(default_factory=dict)
    names: int = 0

    def query(self) -> tuple[str, Callable[[], DataFrame]]:
        """Draws a plan: returns its source text and a function that creates its DataFrame."""
        self.columns = {"id": "id", "k": "int", "x": "double", "y": "double", "s": "text", "d": "date", "b": "flag"}
        moves = (self._add, self._add, self._case, self._filter, self._project, self._group, self._aggregate, self._distinct,
                 self._top, self._ranks, self._join, self._union, self._explode, self._repartition)  # fmt: skip
        steps = [step for step in (self.draw.choice(moves)() for _ in range(self.draw.randint(2, 6))) if step]

        def make() -> DataFrame:
            frame = self.spark.read.parquet(f"{self.folder}/items-*.parquet")
            for _, step in steps:
                frame = step(frame)
            return frame

        return "; ".join(text for text, _ in steps), make

    def _name(self) -> str:
        self.names += 1
        return f"c{self.names}"

    def _pick(self, *kinds: str) -> str | None:
        return self.draw.choice([name for name, kind in self.columns.items() if kind in kinds] or [None])

    def _call(self, kinds: tuple[str, ...] = ("double", "int", "text", "flag"), depth: int = 0) -> tuple[Column, str, str] | None:
        """Draws a UDF over columns or other UDFs; returns (expression, source text, kind)."""
        for function, wanted, kind in self.draw.sample(UDFS, len(UDFS)):
            if kind not in kinds:
                continue
            inner = [self._call((k,), depth + 1) if depth < 2 and self.draw.random() < 0.3 else None for k in wanted]
            names = [self._pick(k) for k in wanted]
            if all(call or name for call, name in zip(inner, names, strict=True)):
                columns = [call[0] if call else F.col(name) for call, name in zip(inner, names, strict=True)]
                texts = [call[1] if call else name for call, name in zip(inner, names, strict=True)]
                return function(*columns), f"{function.__name__}({', '.join(texts)})", kind
        return None

    def _add(self) -> Step | None:
        call, name = self._call(), self._name()
        if not call:
            return None
        self.columns[name] = call[2]
        return f"{name} = {call[1]}", lambda frame: frame.withColumn(name, call[0])

    def _case(self) -> Step | None:
        call, key, name = self._call(("double",)), self._pick("int"), self._name()
        if not call or not key:
            return None
        self.columns[name] = "double"
        value = F.when(F.col(key) > 0, call[0]).otherwise(F.lit(1.0))
        return f"{name} = {call[1]} if {key} > 0", lambda frame: frame.withColumn(name, value)

    def _filter(self) -> Step | None:
        call, key = self._call(), self._pick("int", "double")
        if not call:
            return None
        condition = call[0] if call[2] == "flag" else call[0].isNotNull() if call[2] == "text" else call[0] > 1
        text = call[1]
        if key and self.draw.random() < 0.5:
            both = self.draw.random() < 0.5
            condition = condition & (F.col(key) > 0) if both else condition | F.col(key).isNull()
            text += f" {'and' if both else 'or'} {key}"
        return f"where {text}", lambda frame: frame.where(condition)

    def _project(self) -> Step | None:
        kept = [name for name in self.columns if self.draw.random() < 0.6] or list(self.columns)[:1]
        call, name = self._call(), self._name()
        self.columns = {k: self.columns[k] for k in kept} | ({name: call[2]} if call else {})
        added = [call[0].alias(name)] if call else []
        return f"select {kept} {call and call[1]}", lambda frame: frame.select(*kept, *added)

    def _keys(self) -> list[str]:
        names = [name for name, kind in self.columns.items() if kind in ("text", "int", "flag")]
        return self.draw.sample(names, min(len(names), 2))

    def _group(self) -> Step | None:
        keys, call = self._keys(), self._call(("double", "int"))
        if not keys or not call:
            return None
        results = [F.count("*").alias("n"), self.draw.choice([F.min, F.max])(call[0]).alias("m")]
        if call[2] == "int":
            results += [F.sum(call[0]).alias("total"), F.avg(call[0]).alias("mean")]
        self.columns = {k: self.columns[k] for k in keys} | {"m": call[2]}
        return f"group by {keys}: {call[1]}", lambda frame: frame.groupBy(*keys).agg(*results)

    def _aggregate(self) -> Step | None:
        keys, value, function = self._keys(), self._pick("double"), self.draw.choice([spread, present])
        if not keys or not value:
            return None
        self.columns = {k: self.columns[k] for k in keys}
        return f"group by {keys}: {function.__name__}", lambda frame: frame.groupBy(*keys).agg(function(value).alias("a"))

    def _distinct(self) -> Step | None:
        keys = self._keys()
        if not keys:
            return None
        self.columns = {k: self.columns[k] for k in keys}
        return f"distinct {keys}", lambda frame: frame.select(*keys).distinct()

    def _top(self) -> Step | None:
        by, call, name = self._pick("double", "int"), self._call(), self._name()
        order = self.draw.choice([F.desc, F.asc, F.desc_nulls_first, F.asc_nulls_last])
        limit = self.draw.choice([0, 1, 10, 500, 2 * ROWS])
        if not by or not call:
            return None
        self.columns[name] = call[2]

        def step(frame: DataFrame) -> DataFrame:
            return frame.withColumn(name, call[0]).orderBy(order(by), *frame.columns).limit(limit)

        return f"{name} = {call[1]}, top {limit} {order.__name__} {by}", step

    def _ranks(self) -> Step | None:
        group, by, call = self._pick("text", "int"), self._pick("double"), self._call()
        rank, most = self.draw.choice([F.row_number, F.rank]), self.draw.choice([1, 3])
        if not group or not by or not call or call[2] == "flag":
            return None

        def step(frame: DataFrame) -> DataFrame:
            window = Window.partitionBy(group).orderBy(F.desc(by), *frame.columns)
            ranks = frame.withColumn("late", call[0]).withColumn("place", rank().over(window))
            return ranks.where(F.col("place") <= most).drop("place", "late")

        return f"{rank.__name__} <= {most} by {by} in {group}, {call[1]}", step

    def _join(self) -> Step | None:
        key, how = self._pick("int"), self.draw.choice(["inner", "left", "left_semi", "left_anti"])
        if not key or "uk" in self.columns:
            return None
        if how in ("inner", "left"):
            self.columns |= {"uk": "int", "w": "double", "name": "text"}

        def step(frame: DataFrame) -> DataFrame:
            kinds = self.spark.read.parquet(f"{self.folder}/kinds.parquet")
            return frame.join(kinds, frame[key] == kinds["uk"], how)

        return f"{how} join on {key}", step

    def _union(self) -> Step | None:
        by = self._pick("double", "int")
        return (f"union with {by} > 1", lambda frame: frame.unionAll(frame.where(F.col(by) > 1))) if by else None

    def _repartition(self) -> Step:
        if self.draw.random() < 0.5:
            return "repartition", lambda frame: frame.repartition(3)
        return "coalesce", lambda frame: frame.coalesce(1)

    def _explode(self) -> Step:
        name = self._name()
        self.columns[name] = "int"
        return f"explode {name}", lambda frame: frame.withColumn(name, F.explode(F.array(F.lit(1), F.lit(2))))
