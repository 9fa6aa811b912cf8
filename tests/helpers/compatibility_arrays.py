"""Renders array functions as tables: the compile outcome per element type, for each kind of UDF."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from sparkweld.api.asking import Given, ask
from sparkweld.contract.decoding import encode
from sparkweld.ir import parse_program
from sparkweld.ir.ops import Call
from tests.helpers.compile_requests import payload
from udf_compiler.boundary import row_flags

TYPES = ("boolean", "integer", "long", "float", "double", "string")
PLAIN, PICKLED, PANDAS, ARROW = 101, 100, 200, 250

#: Functions of a list in a plain UDF, with their result: "element" is the type of the elements, "array" the list's type,
#: "doubles" a list of doubles.
OF_A_LIST = (
    ("len(xs)", "long"), ("xs[0]", "element"), ("xs[-1] if xs else None", "element"), ("xs[i]", "element"),
    ("xs[1:]", "array"), ("xs[::-1]", "array"), ("len(xs[:i])", "long"), ("sum(xs)", "number"), ("min(xs)", "element"),
    ("max(xs, default=None)", "element"), ("any(xs)", "boolean"), ("all(xs)", "boolean"), ("xs[0] in xs", "boolean"),
    ("xs.count(xs[0])", "long"), ("xs.index(xs[0])", "long"), ("','.join(xs)", "string"), ("sorted(xs)[0]", "element"),
    ("len(set(xs))", "long"), ("any(x == xs[0] for x in xs)", "boolean"), ("sum(x > xs[0] for x in xs)", "long"),
    ("sum(x * x for x in xs)", "number"), ("sum(a * b for a, b in zip(xs, ys))", "number"), ("max(x for x in xs)", "element"),
    ("[x for x in xs]", "array"), ("[x for x in xs if x]", "array"), ("[x + x for x in xs]", "array"),
    ("[a for a, b in zip(xs, ys) if a == b]", "array"), ("[xs[0], xs[-1]]", "array"), ("xs + ys", "array"),
    ("list(xs)", "array"), ("xs == ys", "boolean"), ("{x: len(xs) for x in xs}[xs[0]]", "long"), ("xs", "array"),
    ("None if xs is None else xs", "array"),
)  # fmt: skip

#: Functions of a Series of arrays in a pandas UDF; v is the ndarray of a row.
OF_A_SERIES = (
    ("s.str.len()", "double"), ("s.str[0]", "element"), ("s.str.get(-1)", "element"), ("s.str.join(',')", "string"),
    ("s.isna()", "boolean"), ("s.explode()", "element"), ("s.map(len)", "long"), ("s.map(lambda v: v[0])", "element"),
    ("s.map(lambda v: v.sum())", "number"), ("s.map(lambda v: v.mean())", "double"),
    ("s.map(lambda v: np.max(v))", "element"), ("s.map(lambda v: v.any())", "boolean"),
    ("s.map(lambda v: v.std())", "double"), ("s.map(lambda v: np.linalg.norm(v))", "double"),
    ("s.map(lambda v: (v * v).sum())", "number"), ("s.map(lambda v: v @ v)", "number"),
    ("s.map(lambda v: sum(x * x for x in v))", "number"), ("s.map(lambda v: v[0] in v)", "boolean"),
    ("s.map(lambda v: v[1:])", "array"), ("s.map(lambda v: v * 2)", "array"), ("s.map(lambda v: np.sqrt(v))", "array"),
    ("s.map(lambda v: (v > v[0]).sum())", "long"), ("s.map(lambda v: v * v + v / 2)", "doubles"),
    ("s.map(lambda v: np.where(v > 0, v, 0))", "array"), ("s.map(lambda v: np.clip(v, 0, 1))", "array"),
    ("s.map(lambda v: np.exp(v))", "doubles"), ("s.map(lambda v: v[0] * 2 + v[-1])", "element"),
    ("s.map(lambda v: [x * 2 for x in v])", "array"),
    ("s.map(lambda v: [x for x in v if x])", "array"), ("s.map(lambda v: v[v > 0])", "array"),
    ("s.map(lambda v: np.sort(v))", "array"), ("s", "array"), ("pd.Series(np.stack(s) @ [1.0, 2.0])", "double"),
    ("pd.Series(np.stack(s).reshape(-1, 3).max(axis=1))", "element"),
)  # fmt: skip

#: Functions of an Arrow array of lists in an arrow_udf.
OF_AN_ARROW_ARRAY = (
    ("pc.list_value_length(a)", "integer"), ("pc.list_element(a, 0)", "element"), ("pc.list_slice(a, 0, 2)", "array"),
    ("pc.list_flatten(a)", "element"), ("pc.is_valid(a)", "boolean"), ("a.is_null()", "boolean"), ("a", "array"),
)  # fmt: skip

_NAMES = {"__name__": "__main__", "np": np, "pd": pd, "pc": pc}

HEAD = """\
A list is a Python list in a plain UDF, a NumPy array in a pandas UDF and a ListArray's row in an arrow_udf. The columns
are the element types; `integer` represents `byte` and `short`, too. `=*` marks calls that raise for some lists, such as `xs[0]`
for an empty one. An array with a NULL element runs in Python: alone in a plain UDF, with its batch in the other kinds. In a
pandas UDF, NULL elements of floats are NaN and run in the kernel. NULL arrays run in the kernel, too.
"""


def cell(source: str, gives: str, element: str, eval_type: int) -> str:
    """Returns the outcome for a function of arrays of `element`: ``=``, ``=*`` (some rows run in Python) or a code.

    A plain UDF is compiled for both wire formats; the cell is a refusal where either refuses.
    """
    reply = _reply(source, gives, element, eval_type)
    if eval_type == PLAIN and reply["status"] == "ok":
        reply = _reply(source, gives, element, PICKLED)
    if reply["status"] == "refused":
        return str(reply["refusals"][0]["code"])
    assert reply["status"] == "ok", reply.get("trace")
    return "=*" if _guards(reply) > _guards_of_argument(element, eval_type, source.partition(":")[0]) else "="


@cache
def _guards_of_argument(element: str, eval_type: int, parameters: str) -> int:
    """Returns the number of guards that the conversion of such columns to Python values alone adds."""
    constant = {PANDAS: "s.isna()", ARROW: "a.is_null()"}.get(eval_type, "True")
    reply = _reply(f"{parameters}: {constant}", "boolean", element, eval_type)
    return _guards(reply) if reply["status"] == "ok" else 0


def _guards(reply: dict[str, Any]) -> int:
    """Returns the number of conditions that flag rows; those of a plain UDF are combined into one column."""
    (loop,) = parse_program(reply["program"], reply["blocks"]).loops
    joined = sum(let.op == Call("logical_and") for let in loop.body) if row_flags.COLUMN in reply["program"] else 0
    return len(loop.guards) + len(loop.some) + joined


def _reply(source: str, gives: str, element: str, eval_type: int) -> dict[str, Any]:
    function = eval(source, dict(_NAMES))
    number = "double" if element in ("float", "double") else "long"
    returns = {"element": element, "array": f"array<{element}>", "number": number, "doubles": "array<double>"}.get(gives, gives)
    lists = [Given(name, f"array<{element}>", True, "dense") for name in "xyzs"[: function.__code__.co_argcount]]
    if eval_type in (PLAIN, PICKLED):
        lists[2] = Given("i", "integer", False, "dense")
    return encode(ask(payload(function), "f", returns, eval_type, lists).reply)


#: Returns the outcome for a function's source, its return type, the type of the elements, and the kind of UDF.
CellOf = Callable[[str, str, str, int], str]


def arrays_tables(cell_of: CellOf = cell) -> Iterator[str]:
    """Yields Markdown lines: a table for each kind of UDF. `cell_of` is called for each cell, in the order of the page."""
    yield from _table("in a plain UDF, both with `useArrow` and without", OF_A_LIST, "lambda xs, ys, i: {}", PLAIN, cell_of)
    yield from _table("in a pandas UDF", OF_A_SERIES, "lambda s: {}", PANDAS, cell_of)
    yield from _table("in an arrow_udf", OF_AN_ARROW_ARRAY, "lambda a: {}", ARROW, cell_of)


def _table(title: str, sources: tuple[tuple[str, str], ...], form: str, eval_type: int, cell_of: CellOf) -> Iterator[str]:
    yield f"| {title} | {' | '.join(TYPES)} |"
    yield f"|---{'|---' * len(TYPES)}|"
    for source, gives in sources:
        cells = (cell_of(form.format(source), gives, element, eval_type) for element in TYPES)
        yield f"| `{source}` | {' | '.join(cells)} |"
    yield ""
