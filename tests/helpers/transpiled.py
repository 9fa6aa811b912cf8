"""Lists functions that Spark's own transpiler accepts (pyspark/sql/transpile.py), from its docstrings and cases."""

from __future__ import annotations

#: (expression over x and y, types of the two, declared return type). The types have NULLs.
NUMERIC = [
    "x", "x + y", "x - y", "x * y", "x % 3", "x % y", "-x", "+x", "x + 1 - y * 2", "x if x > 0 else -x", "x > y", "x >= 2",
    "x < y", "x <= y", "x == y", "x != y", "x == 2", "not (x > y)", "x > 0 and y > 0", "x > 0 or y > 0", "1 if x else 0",
    "x is None", "x is not None", "None is x", "x == None", "0 if x is None else x", "None if x is None else x + 1",
    "1 if x > 1 else None", "x if x is not None and x > 1 else y", "1 if not (x is None) else 2",
    "'big' if x > 3 else 'small'", "3", "None", "True", "(x + 1 if x > 0 else x - 1) if y > 0 else y",
]  # fmt: skip

TEXT = [
    "x + y", "x + '!'", "'<' + x + '>'", "x * 2", "2 * x", "len(x)", "len(x) + 1", "x == y", "x != 'a'", "x < y", "x >= 'b'",
    "1 if x else 0", "x is None", "'' if x is None else x", "len(x) if x is not None else -1", "x if len(x) > 2 else y",
    "'yes' if x == 'a' else 'no'",
]  # fmt: skip

STATEMENTS = [
    "def f(x, y):\n    if x > 0:\n        return 1\n    else:\n        return -1",
    "def f(x, y):\n    if x is None:\n        return 0\n    elif x > 2:\n        return x\n    else:\n        return y",
    "def f(x, y):\n    if x > y:\n        return x",
    "def f(x: int, y: int):\n    return x + y",
    "def f(x, y):\n    if x > 0:\n        if y > 0:\n            return 1\n        else:\n            return 2\n"
    "    else:\n        return 3",
]


def functions() -> list[tuple[str, str]]:
    """Returns (source, "number" or "text") pairs, one per form."""
    numbers = [(f"lambda x, y: {e}", "number") for e in NUMERIC]
    numbers += [(s, "number") for s in STATEMENTS]
    return numbers + [(f"lambda x, y: {e}", "text") for e in TEXT]
