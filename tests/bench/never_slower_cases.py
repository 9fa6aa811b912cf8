"""Defines the queries of the never-slower bench, many of which suit kernels badly.

Each case has a table of `never_slower_data.py`, the number of runs in one sample, and the query. Its number of rows is enough
for a second of CPU time without the plugin. Results are numbers, strings and lists of them: equal, not close.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from cpu_cases import Case, of_column, of_series
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

_KEYS = {f"key{number}": number % 97 for number in range(100_000)}
_CODES = [f"key{number}" for number in range(0, 200_000, 2)]
_STOPPED = frozenset("the of and to in a is that for it".split())
_SHORT = {"the": "T", "of": "O", "and": "A", "to": "2", "data": "D", "query": "Q"}


# Elements of a row's list, and comprehensions over the words of a string.


def _lower_elements(v: str) -> str:
    return '","'.join([n.lower() for n in v.split('","')])


def _title_words(s: str) -> str:
    return " ".join([w.capitalize() for w in s.split()])


def _letters_of_words(s: str) -> str:
    return " ".join("".join(c for c in w if c.isalnum()) for w in s.split())


def _long_words(s: str) -> int:
    return sum([len(x) for x in [w.strip(".,;()") for w in s.split(" ")] if len(x) > 3])


def _pairs(s: str) -> str:
    return "|".join([a + "-" + b for a in s.split(" ")[:12] for b in ("x", "yy", "zzz")])


def _marked(s: str) -> str:
    words = [w.strip(".,;()").lower() for w in s.split(" ")]
    kept = [w for w in words if w and w not in _STOPPED]
    return ",".join([w[:1].upper() + w[1:] for w in kept])


def _shortened(s: str) -> str:
    return " ".join([_SHORT.get(w.lower(), w) for w in s.split(" ")])


def _built_in_a_loop(s: str) -> str:
    made = ""
    for word in s.split(" "):
        made += word.upper() + ";"
    return made


def _appended_in_a_loop(s: str) -> list[str]:
    made = []
    for word in s.split(" "):
        if len(word) > 2:
            made.append(word.title())
    return made


def _numbered(s: str) -> str:
    return " ".join([f"{at}:{w}" for at, w in enumerate(s.split(" "))])


def _backwards(s: str) -> str:
    return " ".join([w[::-1] for w in reversed(s.split(" "))])


def _vowels(s: str) -> int:
    return sum([1 for c in s if c in "aeiou"])


def _by_index(s: str) -> int:
    found = 0
    for i in range(len(s)):
        if s[i] == "e" and s[i - 1] != "e":
            found += 1
    return found


def _character_pairs(s: str) -> int:
    return len([1 for i in range(len(s) - 1) if s[i : i + 2] == "th"])


def _seldom(s: str) -> int:
    return len(s.swapcase().title().casefold()) if s.startswith("xyz") else -1


def _longest(s: str) -> str:
    best = ""
    for word in s.split(" "):
        if len(word) > len(best):
            best = word
    return best


def _sum_of_numbers(v: str) -> int:
    return sum([int(x) for x in v.split(",")])


def _numbers(v: str) -> list[int]:
    return [int(x) * 2 for x in v.split(",")]


def _scaled(v: list[float]) -> list[float]:
    return [x * 2.0 + 1.0 for x in v]


def _above(v: list[float]) -> list[float]:
    return [x for x in v if x > 0.5]


def _upper_tags(v: list[str]) -> list[str]:
    return [t.upper() for t in v]


def _spread(v: list[float]) -> float:
    middle = sum(v) / len(v) if v else 0.0
    return max([abs(x - middle) for x in v]) if v else -1.0


# Regular expressions.


def _tokens(s: str) -> str:
    return "|".join(re.findall(r"[\d.]+\b|\w+", s))


def _word_count(s: str) -> int:
    return len(re.findall(r"\b\w{4,}\b", s))


def _slug(s: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", s.lower()).strip("-")


def _parts(s: str) -> str | None:
    found = re.match(r"(\w+) (\w+)", s)
    return f"{found.group(2)}, {found.group(1)}" if found else None


def _split_by_pattern(s: str) -> int:
    return len(re.split(r"[.,;]\s*", s))


def _cleaned(s: pd.Series) -> pd.Series:
    return s.str.lower().str.replace(r"[^a-z0-9 ]", "", regex=True).str.strip()


def _has_number(s: pd.Series) -> pd.Series:
    return s.str.contains(r"\d{3,}", regex=True)


# Dictionaries and sets.


def _looked_up(s: pd.Series) -> pd.Series:
    return s.map(_KEYS)


def _is_known(s: pd.Series) -> pd.Series:
    return s.isin(_CODES)


def _looked_up_plain(s: str) -> int:
    return _KEYS.get(s, -1)


# Numbers and NULLs.


def _filled(s: pd.Series) -> pd.Series:
    return s.fillna(0) * 2 + 1


def _mostly_null(x: int | None) -> int | None:
    return None if x is None else x * 3 % 1000


def _branches(a: float, b: float) -> float:
    if a > 0.8:
        return a * 2
    if b < 0.2:
        return math.floor(b * 100) / 100
    return a - b


def _collatz(n: int) -> int:
    steps = 0
    while n > 1 and steps < 300:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


def _formatted(a: float, n: int) -> str:
    return f"{a:.2f}/{n:06d}"


def _formula(a: pd.Series, b: pd.Series) -> pd.Series:
    return (a * b + 0.5).where(a > b, a - b).round(3)


# Rows that the kernels' guards flag.


def _past_64_bits(x: int) -> int:
    return x * x % 1_000_003


def _long_tokens(s: str) -> int:
    return len(re.sub(r"(\w+\s)+!", "", s))


# Other kinds of functions.


def _batches(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    for s in batches:
        yield s.str.upper()


def _pandas_frames(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    for frame in frames:
        yield pd.DataFrame({"id": frame["id"], "made": frame["a"] * 2 + frame["b"]})


def _arrow_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        made = pc.multiply(batch.column("a"), 2.0)
        yield pa.RecordBatch.from_arrays([batch.column("id"), made], names=["id", "made"])


def _mean(s: pd.Series) -> float:
    return s.mean()


def _spread_of_group(a: pd.Series, b: pd.Series) -> float:
    return float((a * 2 + b).max() - (a - b).min())


def _sorted_values(s: pd.Series) -> float:
    return float(np.sort(s.to_numpy())[len(s) // 2])


def _unsupported(s: str) -> str:
    return json.dumps({"text": s})


def _beside(frame: DataFrame) -> DataFrame:
    made: dict[str, Column] = {
        "one": F.udf(_title_words, "string")("name"),
        "two": F.udf(_unsupported, "string")("name"),
        "three": F.udf(lambda s: len(s), "int")("name"),
    }
    return frame.select("id", *(column.alias(name) for name, column in made.items()))


def _filtered(frame: DataFrame) -> DataFrame:
    return frame.where(F.udf(lambda s: s.startswith("a"), "boolean")("name")).select("id", "name")


def _chained(frame: DataFrame) -> DataFrame:
    inner = F.pandas_udf(lambda s: s.str.strip().str.lower(), "string")  # type: ignore[call-overload]
    outer = F.pandas_udf(lambda s: s.str.len(), "long")  # type: ignore[call-overload]
    return frame.select("id", outer(inner("name")).alias("made"))


def _black_box(a: pd.Series, b: pd.Series) -> pd.Series:
    scaled = (a - 0.5) * 2 + b
    return pd.Series(np.interp(scaled, [-1.0, 0.0, 1.0], [0.0, 0.25, 1.0])) * 3 + a


def _grouped(function: Callable[..., float], *columns: str) -> Callable[[DataFrame], DataFrame]:
    def query(frame: DataFrame) -> DataFrame:
        made = F.pandas_udf(function, "double")(*columns)  # type: ignore[call-overload]
        return frame.groupBy("g").agg(made.alias("made"))

    return query


# Chains whose outer function has no kernel, and costs next to nothing.


def _interned(x: object) -> str:
    return sys.intern(str(x))


def _cleaned_name(s: str) -> str:
    for letter in "-_.,;:/*+!?&%$()[]{}<>=|@^~`":
        s = s.replace(letter, " ")
    return s.strip().lower()


def _slug_of_start(s: str) -> str:
    return _slug(s[:80])


def _mixed_number(n: int) -> int:
    for i in range(20):
        n = (n * 3 + i) % 1_000_003 - i
    return n


def _mixed_or_none(n: int | None) -> int | None:
    return None if n is None else _mixed_number(n)


def _mixed_past(n: int) -> int:
    return _mixed_number(n % 1000) + _past_64_bits(n)


def _slightly_cleaned(s: str) -> str:
    return s.strip().lower()


def _mixed_of_three(a: float, n: int, b: float) -> int:
    return _mixed_number(n) if a > b else _mixed_number(n // 2)


def _below_interned(function: Callable[..., object], returns: str, *columns: str) -> Callable[[DataFrame], DataFrame]:
    return lambda frame: frame.select("id", F.udf(_interned, "string")(F.udf(function, returns)(*columns)).alias("made"))


CASES = (
    Case("elements of a list, lower", "quoted", 30_000, of_column(_lower_elements, "string", "v")),
    Case("words, capitalised", "abstracts", 20_000, of_column(_title_words, "string", "text")),
    Case("letters of words", "abstracts", 6_000, of_column(_letters_of_words, "string", "text")),
    Case("lengths of stripped words", "abstracts", 20_000, of_column(_long_words, "int", "text")),
    Case("pairs of two loops", "abstracts", 60_000, of_column(_pairs, "string", "text")),
    Case("three comprehensions", "abstracts", 10_000, of_column(_marked, "string", "text")),
    Case("words by a dictionary", "abstracts", 20_000, of_column(_shortened, "string", "text")),
    Case("a string built in a loop", "abstracts", 20_000, of_column(_built_in_a_loop, "string", "text")),
    Case("a list built in a loop", "abstracts", 20_000, of_column(_appended_in_a_loop, "array<string>", "text")),
    Case("numbered words", "abstracts", 20_000, of_column(_numbered, "string", "text")),
    Case("words backwards", "abstracts", 20_000, of_column(_backwards, "string", "text")),
    Case("characters counted", "abstracts", 12_000, of_column(_vowels, "int", "text")),
    Case("characters by index", "abstracts", 10_000, of_column(_by_index, "int", "text")),
    Case("pairs of characters", "abstracts", 10_000, of_column(_character_pairs, "int", "text")),
    Case("a branch that is seldom taken", "abstracts", 120_000, of_column(_seldom, "int", "text")),
    Case("the longest word", "abstracts", 25_000, of_column(_longest, "string", "text")),
    Case("numbers of a string, summed", "commas", 120_000, of_column(_sum_of_numbers, "long", "v")),
    Case("numbers of a string, listed", "commas", 80_000, of_column(_numbers, "array<long>", "v")),
    Case("elements of an array, scaled", "arrays", 100_000, of_column(_scaled, "array<double>", "v")),
    Case("elements of an array, filtered", "arrays", 100_000, of_column(_above, "array<double>", "v")),
    Case("strings of an array, upper", "arrays", 100_000, of_column(_upper_tags, "array<string>", "t")),
    Case("spread of an array", "arrays", 120_000, of_column(_spread, "double", "v")),
    Case("re.findall, tokens", "abstracts", 20_000, of_column(_tokens, "string", "text")),
    Case("re.findall, counted", "abstracts", 20_000, of_column(_word_count, "int", "text")),
    Case("re.sub to a slug", "abstracts", 15_000, of_column(_slug, "string", "text")),
    Case("re.match with groups", "abstracts", 250_000, of_column(_parts, "string", "text")),
    Case("re.split, counted", "abstracts", 60_000, of_column(_split_by_pattern, "int", "text")),
    Case("str.replace by a pattern", "abstracts", 15_000, of_series(_cleaned, "string", "text")),
    Case("str.contains by a pattern", "abstracts", 60_000, of_series(_has_number, "boolean", "text")),
    Case("map of 100,000 keys", "names", 100_000, of_series(_looked_up, "double", "code")),
    Case("isin of 100,000 values", "names", 300_000, of_series(_is_known, "boolean", "code")),
    Case("dict.get of 100,000 keys", "names", 600_000, of_column(_looked_up_plain, "long", "code")),
    Case("NULLs filled", "numbers", 3_000_000, of_series(_filled, "double", "n")),
    Case("nine of ten NULL", "numbers", 800_000, of_column(_mostly_null, "long", "n")),
    Case("branches", "numbers", 600_000, of_column(_branches, "double", "a", "b")),
    Case("a loop of unknown length", "numbers", 60_000, of_column(_collatz, "int", "k")),
    Case("formatted numbers", "numbers", 500_000, of_column(_formatted, "string", "a", "k")),
    Case("a formula", "numbers", 2_000_000, of_series(_formula, "double", "a", "b")),
    Case("all rows flagged", "numbers", 600_000, of_column(_past_64_bits, "long", "huge")),
    Case("a third of the rows flagged", "numbers", 600_000, of_column(_past_64_bits, "long", "mixed")),
    Case("one row of a hundred flagged", "numbers", 600_000, of_column(_past_64_bits, "long", "seldom")),
    Case("flagged patterns", "abstracts", 15_000, of_column(_long_tokens, "int", "text")),
    Case("iterator of batches", "names", 1_000_000, of_series(_batches, "string", "name")),
    Case("mapInPandas", "numbers", 2_000_000, lambda f: f.mapInPandas(_pandas_frames, "id long, made double")),
    Case("mapInArrow", "numbers", 2_000_000, lambda f: f.mapInArrow(_arrow_batches, "id long, made double")),
    Case("mean of groups", "numbers", 1_000_000, _grouped(_mean, "k")),
    Case("spread of groups", "numbers", 1_000_000, _grouped(_spread_of_group, "k", "g")),
    Case("middle of groups", "numbers", 1_000_000, _grouped(_sorted_values, "a")),
    Case("refused beside compiled", "names", 250_000, _beside),
    Case("refused alone", "names", 400_000, of_column(_unsupported, "string", "name")),
    Case("a filter", "names", 600_000, _filtered),
    Case("a chain", "names", 600_000, _chained),
    Case("below a refused one: strings", "names", 600_000, _below_interned(_cleaned_name, "string", "name")),
    Case("below a refused one: two calls of strings", "names", 600_000, _below_interned(_slightly_cleaned, "string", "name")),
    Case("below a refused one: a pattern", "abstracts", 40_000, _below_interned(_slug_of_start, "string", "text")),
    Case("below a refused one: numbers", "numbers", 600_000, _below_interned(_mixed_number, "long", "k")),
    Case("below a refused one: nine of ten NULL", "numbers", 600_000, _below_interned(_mixed_or_none, "long", "n")),
    Case("below a refused one: three columns", "numbers", 500_000, _below_interned(_mixed_of_three, "long", "a", "k", "b")),
    Case("below a refused one: all rows flagged", "numbers", 600_000, _below_interned(_mixed_past, "long", "huge")),
    Case("below a refused one: a third flagged", "numbers", 600_000, _below_interned(_mixed_past, "long", "mixed")),
    Case("below a refused one: one of a hundred flagged", "numbers", 600_000, _below_interned(_mixed_past, "long", "seldom")),
    Case("a black box between formulas", "numbers", 2_000_000, of_series(_black_box, "double", "a", "b")),
    Case("50 rows, 25 times", "tiny", 50, of_column(_title_words, "string", "name"), times=25),
    Case("10,000 rows, 10 times", "middle", 10_000, of_column(_title_words, "string", "name"), times=10),
)  # fmt: skip
