"""Models the Series of tuples that `apply` and `map` make where the function returns tuples: its list makes a frame."""

from __future__ import annotations

from typing import Any, NoReturn

import pandas as pd

from sparkweld.ir import LoopBuilder
from udf_compiler.frontends.pandas.apply.row_loops import frame_of_tree
from udf_compiler.frontends.python.path_explorer import Node, leaves
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import Traced


class TracedTuples(Traced):
    """A Series of tuples of one length, by the Series of each position. `listed`: it is the list of the tuples."""

    __slots__ = ("columns", "listed")
    what = "Series of tuples"
    visible = frozenset({"tolist", "to_list"})

    def __init__(self, columns: dict[int, Any], listed: bool = False) -> None:
        self.columns, self.listed = columns, listed

    @property
    def stands_for(self) -> Any:
        return list if self.listed else pd.Series

    def tolist(self) -> TracedTuples:
        """Returns the list, from which only a frame is made."""
        if self.listed:
            self._refuse()
        return TracedTuples(self.columns, listed=True)

    to_list = tolist

    def __getattr__(self, name: str) -> NoReturn:
        self._refuse()

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse("SW262", call="Series.apply", what="a function that returns tuples, except for pd.DataFrame(s.apply(f).tolist()),")

    __getitem__ = __len__ = __iter__ = __bool__ = _binary = _unary = _in_place = _refuse  # type: ignore[assignment]


def tuples_of(loop: LoopBuilder, tree: Node) -> TracedTuples | None:
    """Returns the Series if all paths return tuples, for all rows of the batch; None otherwise."""
    ends = [leaf.value for leaf in leaves(tree) if leaf.error is None]
    session = current()
    whole = session.group is None and session.groups is None and loop.parent is None
    return TracedTuples(frame_of_tree(loop, tree)) if whole and all(type(x) is tuple and x for x in ends) else None
