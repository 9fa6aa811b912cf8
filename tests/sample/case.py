"""Describes a case of the sample: a function and the query around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Builds the query of a case from the session and the tables, which are attributes: `tables.people`, `tables.people_full`.
Build = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Case:
    """A function of the sample, by the name of the builder of its query.

    `kind`: "udf", "scalar", "iter", "arrow", "agg", "group", "map", or "model" for the scoring of a model in any kind of UDF.
    `in_principle`: whether a compiler could run it exactly. It could not run input and output, clocks, random numbers or the
    training of models. `stable`: whether two runs in Python return equal rows; only the numbers of other rows are compared.
    `raises`: whether a row makes it raise, so that the error is what must be equal.
    """

    name: str
    kind: str
    theme: str
    idioms: tuple[str, ...]
    build: Build
    in_principle: bool = True
    stable: bool = True
    raises: bool = False


class Cases(list[Case]):
    """Collects the cases of a module: an instance decorates the builders of their queries."""

    def __call__(self, kind: str, theme: str, *idioms: str, **traits: bool) -> Callable[[Build], Build]:
        """Returns a decorator that adds the case of a builder and returns the builder; `traits` are the flags of `Case`."""

        def add(build: Build) -> Build:
            self.append(Case(build.__name__, kind, theme, idioms, build, **traits))
            return build

        return add
