"""Takes lists of lists that a plain UDF returns apart: the elements of all, and the indices at which each starts and ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from sparkweld.ir import LoopBuilder
from udf_compiler.frontends.python.lists import is_list
from udf_compiler.frontends.python.nested_lists import TracedLists, is_nested, kind_of_lists, lists_of
from udf_compiler.frontends.python.new_lists import element_value
from udf_compiler.frontends.python.path_explorer import Node
from udf_compiler.frontends.python.path_trees import with_results
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw


@dataclass(frozen=True, slots=True)
class ListsResult:
    """The results of a function for an array of arrays, of this `depth`: 2 for one of arrays of numbers.

    `loop`: that of the values, None where only kinds are valid.
    """

    loop: LoopBuilder | None
    depth: int
    place: str
    type: str

    def trees(self, tree: Node) -> list[Node]:
        """Returns the trees of the arrays that the result is stored as (`list_parts`); None where the function returns None.

        Refuses (SW226) other results, and a None among the lists.
        """
        return [with_results(tree, partial(self._part, at)) for at in range(2 * self.depth - 1)]

    def _part(self, at: int, x: Any) -> Any:
        return self._parts(x, self.depth)[at]

    def _parts(self, x: Any, depth: int) -> list[Any]:
        """Returns the parts of a list of this depth."""
        if depth == 1:
            return [self._of_list(x)]
        x = unwrapped(x)
        if is_nested(x):
            return [x.starts, x.ends, *self._parts([] if x.elements is None else x.elements, depth - 1)]
        if type(x) is not list:
            self._refuse(x)
        if any(map(is_list, x)) and depth == 2:
            return self._parts(self._made(x), depth)
        inner = [unwrapped(item) for item in x]
        if not all(type(item) is list for item in inner):
            self._refuse(next(item for item in inner if type(item) is not list))
        ends = [sum(map(len, inner[: at + 1])) for at in range(len(inner))]
        return [[0, *ends[:-1]] if ends else [], ends, *self._parts([y for item in inner for y in item], depth - 1)]

    def _of_list(self, x: Any) -> Any:
        x = unwrapped(x)
        if is_list(x) and not x.numpy:
            return x
        return x if type(x) is list else self._refuse(x)

    def _made(self, x: list[Any]) -> TracedLists:
        """Returns a list of the row for a list of which some lists are of the row."""
        kind = kind_of_lists(x)
        if kind is None:
            return self._refuse(next((item for item in x if not is_list(item)), x[0]))
        if self.loop is None:
            first = next(item for item in x if is_list(item))
            return TracedLists(first, *[_NO_INDICES] * 2)
        loop = self.loop
        return lists_of(loop, kind, x, lambda item: element_value(loop, item))

    def _refuse(self, x: Any) -> Any:
        refuse("SW226", at=self.place, what=f"a list with {raw(x)}", type=self.type)


#: Indices where only kinds are valid.
_NO_INDICES: Any = []
