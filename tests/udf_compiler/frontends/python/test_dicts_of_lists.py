"""Compares dicts of lists that functions of a row fill, as in ``d[key].append(x)``, with PySpark's worker."""

from __future__ import annotations

from collections import defaultdict

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, IntegerType, LongType, MapType, StringType, StructType

from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import PythonEvalType

ROW = PythonEvalType.SQL_ARROW_BATCHED_UDF
TEXT, TEXTS = StringType(), ArrayType(StringType())
ROWS = pa.RecordBatch.from_pydict({
    "words": pa.array([["tea", "eat", "a", "ate", ""], [], ["x"], ["é", "q", "é"], None, ["b c", "a", "b", "a", "é"]]),
    "ns": pa.array([[1, 2, 2, 9, 4], [3], [], [40, 1, -5], [1], None], pa.list_(pa.int64())),
    "s": pa.array(["k=v;kk=;k=w", "", "a b a", None, "x=1;y;x=2", "é é"]),
})  # fmt: skip


def shown(groups):
    return ";".join(f"{key}:{','.join(items)}" for key, items in groups.items())


def by_first_letter(words, ns, s):
    groups = defaultdict(list)
    for w in words or []:
        groups[w[:1]].append(w)
    return ";".join(f"{k}:{','.join(v)}" for k, v in sorted(groups.items()))


def anagrams(words, ns, s):
    groups = {}
    for w in words or []:
        groups.setdefault("".join(sorted(w)), []).append(w)
    return list(groups.values())


def sizes(words, ns, s):
    groups = defaultdict(list)
    for w in words or []:
        groups[len(w)].append(w)
    return {k: len(v) for k, v in groups.items()}


def parameters(words, ns, s):
    found = {}
    for part in (s or "").split(";"):
        if "=" in part:
            key, value = part.split("=", 1)
            found.setdefault(key, []).append(value)
    return {k: "+".join(v) for k, v in found.items()}


def means(words, ns, s):
    groups = defaultdict(list)
    for w, n in zip(words or [], ns or [], strict=False):
        groups[w].append(n)
    return ",".join(f"{k}{sum(v) // len(v)}" for k, v in groups.items())


def by_membership(words, ns, s):
    groups = {}
    for i, w in enumerate(words or []):
        if w not in groups:
            groups[w] = []
        groups[w].append(i)
    return ",".join(f"{k}{v[-1] - v[0]}" for k, v in groups.items())


def by_two_branches(words, ns, s):
    groups = {}
    for i, w in enumerate(words or []):
        if w in groups:
            groups[w].append(i)
        else:
            groups[w] = [-1, i]
    return sum(max(v) for v in groups.values()) + len(groups)


def sections(words, ns, s):
    found, current = {}, None
    for line in (s or "").split(" "):
        if line.startswith("a"):
            current = line
            found[current] = []
        elif current is not None:
            found[current].append(line)
    return shown(found)


def replaced(words, ns, s):
    groups = {}
    for w in words or []:
        groups[w] = groups.get(w, []) + [len(groups)]
    return ",".join(f"{k}{len(v)}{v[-1]}" for k, v in groups.items())


def splits(words, ns, s):
    groups = {}
    for w in words or []:
        groups[w] = w.split("a")
    return shown(groups)


def extended(words, ns, s):
    groups = defaultdict(list)
    for w in words or []:
        groups[w] += [len(groups), 7]
        groups["x"].extend([2, 3])
    return ",".join(f"{k}{sum(v)}" for k, v in groups.items())


def second_name(words, ns, s):
    groups = defaultdict(list)
    for w in words or []:
        own = groups[w]
        own.append(1)
        groups["x"].append(2)
        own.append(len(own))
    return ",".join(f"{k}{sum(v)}" for k, v in groups.items())


def reading_adds_keys(words, ns, s):
    groups = defaultdict(list)
    for w in words or []:
        if len(groups[w]) < 1:
            groups[w[:1]].append(w)
    return shown(groups)


def key_before_argument(words, ns, s):
    groups = defaultdict(list)
    for w in words or []:
        groups[w].append(len(groups))
    return sum(sum(v) for v in groups.values())


def of_known_keys(words, ns, s):
    groups = {k: [] for k in words or []}
    for w in words or []:
        groups[w].append(len(w))
    return ",".join(f"{k}{sum(v)}" for k, v in groups.items())


def remainders(words, ns, s):
    groups = {}
    for n in ns or []:
        groups.setdefault(n % 3, []).append(n)
    return [sum(groups.get(at, [])) for at in range(3)] + [len(groups[k]) for k in sorted(groups)]


def pairs(words, ns, s):
    groups = defaultdict(list)
    for w, n in zip(words or [], ns or [], strict=False):
        groups[w].append((n, w))
    return ",".join(f"{k}{v[0][0]}{v[-1][1]}" for k, v in groups.items())


def total(items):
    return sum(items) + len(items)


def longest(groups):
    return max(len(v) for v in groups.values()) if groups else 0


def helpers(words, ns, s):
    groups = defaultdict(list)
    for w in words or []:
        groups[w].append(len(w))
    return sum(total(groups[k]) for k in groups) * 10 + longest(groups)


def places(words, ns, s):
    found = defaultdict(list)
    for i, c in enumerate(s or ""):
        if c in found and found[c][-1] == i - 1:
            continue
        found[c].append(i)
    return "".join(c for c in found if len(found[c]) > 1)


def two_lists(words, ns, s):
    groups = {"short": [], "long": []}
    for w in words or []:
        groups["short" if len(w) < 3 else "long"].append(w)
    return groups


def missing_key(words, ns, s):
    groups = {}
    for w in words or []:
        groups.setdefault(w, []).append(1)
    return len(groups["a"])


COMPILED = [
    (by_first_letter, TEXT), (anagrams, ArrayType(TEXTS)), (sizes, MapType(IntegerType(), IntegerType())),
    (parameters, MapType(TEXT, TEXT)), (means, TEXT), (by_membership, TEXT), (by_two_branches, LongType()), (sections, TEXT),
    (replaced, TEXT), (splits, TEXT), (extended, TEXT), (second_name, TEXT), (reading_adds_keys, TEXT),
    (key_before_argument, LongType()), (of_known_keys, TEXT), (remainders, ArrayType(LongType())), (pairs, TEXT),
    (helpers, LongType()), (places, TEXT), (two_lists, StructType().add("short", TEXTS).add("long", TEXTS)),
]  # fmt: skip


@pytest.mark.parametrize(("function", "returns"), COMPILED, ids=lambda x: getattr(x, "__name__", ""))
def test_dicts_of_lists(function, returns):
    compared = compare_with_worker(function, [ROWS, ROWS.slice(1, 2)], returns, ROW, kernel=True)
    assert not compared.refused, compared.reason
    assert (compared.decided, compared.flagged) == (2, 0), compared


def test_a_missing_key_raises():
    compared = compare_with_worker(missing_key, [ROWS, ROWS.slice(0, 1)], LongType(), ROW)
    assert (compared.decided, compared.flagged, compared.raised) == (1, 1, 1)


def test_a_new_key_in_a_loop_over_the_dict_raises():
    def grows(words, ns, s):
        groups = defaultdict(list)
        for w in words or []:
            groups[w].append(1)
        return sum(len(groups[k + "!"]) for k in groups)

    compared = compare_with_worker(grows, [ROWS, ROWS.slice(1, 1)], LongType(), ROW)
    assert (compared.decided, compared.flagged, compared.raised) == (1, 1, 1)


def test_long_lists_run_in_python():
    rows = pa.RecordBatch.from_pydict({"words": pa.array([["w"], ["w"] * 3000])})

    def count(words):
        groups = defaultdict(list)
        for w in words:
            groups[w].append(w)
        return len(groups["w"])

    compared = compare_with_worker(count, [rows], LongType(), ROW, kernel=True)
    assert compared.flagged == 1 and not compared.raised


def second_list(words, ns, s):
    groups = {}
    for w in words or []:
        parts = w.split("a")
        groups[w] = parts
        groups["q"] = parts
        groups[w].append("z")
    return shown(groups)


def named_display(words, ns, s):
    groups = {}
    for w in words or []:
        parts = [w]
        groups[w] = parts
        parts.append("!")
    return shown(groups)


def replaced_under_a_name(words, ns, s):
    groups = defaultdict(list)
    for w in words or []:
        own = groups[w]
        groups[w] = [9]
        own.append(1)
    return len(groups)


def grows_in_a_loop_over_it(words, ns, s):
    groups = defaultdict(list)
    for w in words or []:
        groups["a"].append(len(w))
        for n in groups["a"]:
            if n < 3:
                groups["a"].append(n + 5)
    return len(groups["a"])


def copied(words, ns, s):
    groups = defaultdict(list)
    for w in words or []:
        groups[w].append(1)
    copy = dict(groups)
    groups["a"].append(3)
    return len(copy)


def add(groups, w):
    groups[w].append(w)


def changed_by_a_helper(words, ns, s):
    groups = defaultdict(list)
    for w in words or []:
        add(groups, w)
    return len(groups)


def sorted_in_place(words, ns, s):
    groups = defaultdict(list)
    for w in words or []:
        groups[w].append(w)
        groups[w].sort()
    return len(groups)


def deleted(words, ns, s):
    groups = defaultdict(list)
    for w in words or []:
        groups[w].append(w)
    del groups["a"]
    return len(groups)


def of_two_classes(words, ns, s):
    groups = defaultdict(list)
    for w in words or []:
        groups[w].append(len(w))
        groups[w].append(w)
    return len(groups)


def keys_of_two_classes(words, ns, s):
    groups = defaultdict(list)
    for w in words or []:
        groups[len(w)].append(w)
        groups["n"].append(w)
    return len(groups)


def bools(words, ns, s):
    groups = defaultdict(list)
    for n in ns or []:
        groups[n > 2].append(n)
    return len(groups)


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (second_list, "SW282"), (named_display, "SW282"), (replaced_under_a_name, "SW282"), (grows_in_a_loop_over_it, "SW282"),
        (copied, "SW282"), (changed_by_a_helper, "SW282"), (sorted_in_place, "SW282"), (deleted, "SW282"),
        (of_two_classes, "SW244"), (keys_of_two_classes, "SW244"), (bools, "SW244"),
    ],
)  # fmt: skip
def test_refused_dicts_of_lists(function, code):
    assert compare_with_worker(function, [ROWS], LongType(), ROW).refused == code
