"""Compiles row-at-a-time UDFs: functions from the Python values of one row to a Python value, with None for NULL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from sparkweld.contract.constants import BATCHED
from sparkweld.contract.spark_types import (
    MAP_PARTS,
    TIMES,
    VECTOR_TYPE,
    StructArray,
    StructField,
    columns_of,
    decimal_of,
    fields_of,
    list_parts,
    map_of_lists,
    map_parts,
)
from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, I64
from sparkweld.reasons import refusal
from udf_compiler.boundary.series import ARRAYS, Field, check_conf, check_names, check_profiler, check_safely
from udf_compiler.eval_types.kind import Call, Kind, declared
from udf_compiler.eval_types.plain_results import RowResult, column_of_row, naive_datetime, result_of_row
from udf_compiler.frontends.pandas.dispatch import DISPATCH
from udf_compiler.frontends.pandas.stand_ins import stand_in
from udf_compiler.frontends.python.arguments import BinaryArgument, Parts, only_lists, part_argument
from udf_compiler.frontends.python.decimal_columns import DecimalArgument
from udf_compiler.frontends.python.map_results import dict_tree, map_trees, values_of_maps
from udf_compiler.frontends.python.nested_results import ListsResult
from udf_compiler.frontends.python.path_explorer import Node
from udf_compiler.frontends.python.path_trees import decided
from udf_compiler.frontends.python.result_kinds import holds_numpy, kinds_of, not_none
from udf_compiler.frontends.python.rows import Struct, field_trees, fitting_tree, struct_tree
from udf_compiler.frontends.python.struct_lists import StructLists
from udf_compiler.frontends.python.vectors import DenseArgument
from udf_compiler.frontends.tracing.session import Session, current, running
from udf_compiler.function.table_functions import changes_no_rows, eval_of, is_table, yields_tuples
from udf_compiler.probing.scalar_functions import probe_row
from udf_compiler.process.spark_line import passes_plain_values, unsupported
from udf_compiler.rebuild.purity import Prepared, prepare

#: With this conf, a worker passes rows through pandas (worker.py).
_LEGACY = "spark.sql.legacy.execution.pythonUDF.pandas.conversion.enabled"

#: Without this conf, binary values are bytearrays.
_BYTES = "spark.sql.execution.pyspark.binaryAsBytes"

#: Spark types whose values are Python ints, floats, bools, strings, dates, datetimes and lists.
_TYPES = frozenset("boolean byte short integer long float double string date timestamp timestamp_ntz".split()) | ARRAYS.keys()

#: Kind of a Python value -> the type of Spark whose values Python receives as such.
_HANDED_ON = {"bool": "boolean", "int": "long", "float": "double", "str": "string", "date": "date"}


@dataclass(frozen=True, slots=True)
class _Result:
    """A traced result, and whether its function can catch exceptions."""

    row: RowResult
    handlers: bool


class Row(Kind):
    """Eval types 100 (SQL_BATCHED_UDF) and 101 (SQL_ARROW_BATCHED_UDF)."""

    sees_batch_state = False
    takes_decimals = True
    takes_parts = True
    takes_vectors = True

    def __init__(self, over_arrow: bool) -> None:
        self._over_arrow = over_arrow

    def check_confs(self, confs: Mapping[str, str | None], udf: str) -> None:
        check_profiler(confs, udf)
        if not self._over_arrow:
            return
        if not passes_plain_values():
            raise unsupported("pandas converts the values of plain UDFs with useArrow=True", udf)
        check_conf(confs, udf, _LEGACY, "false")
        check_conf(confs, udf, _BYTES, "true")
        check_safely(confs, udf)  # a cast of a batch's results wraps, differently for each common type of the results

    def prepare(self, function: Callable[..., Any]) -> Prepared:
        method = eval_of(function)
        return prepare(function if method is None else method, stand_in, generator=method is not None, helpers=True)

    def argument(self, loop: LoopBuilder, field: Field) -> Any:
        if not isinstance(field.value, Value):
            return field.value  # a struct or parts within a struct
        if field.spark_type == "binary" and self._over_arrow:
            return BinaryArgument((field.value,))
        if field.spark_type == VECTOR_TYPE:
            return DenseArgument((field.value,))
        digits = decimal_of(field.spark_type)
        if digits is not None:
            return DecimalArgument((field.value,), *digits, not self._over_arrow)
        if field.spark_type not in _TYPES:
            raise refusal("SW101", column=field.name, type=field.spark_type)
        if field.spark_type in ("timestamp", "timestamp_ntz"):
            return naive_datetime(loop, field.value, field.spark_type == "timestamp")
        return field.value

    def struct(self, loop: LoopBuilder, fields: Sequence[Field], title: str) -> Any:
        names = tuple(field.name for field in fields)
        check_names(names, title)
        return Struct(names, tuple(self.argument(loop, field) for field in fields))

    def parts(self, op: str, names: tuple[str, ...], values: tuple[Any, ...], title: str, type: str) -> Any:
        made = part_argument(op, names, values, type)
        if made is None or not (self._over_arrow or only_lists(made)):
            raise refusal("SW101", column=title, type=type)
        return made

    def describe(self, argument: Any) -> str:
        if isinstance(argument, DenseArgument):
            return "vector"
        if isinstance(argument, DecimalArgument):
            return f"decimal of {argument.scale} decimals"
        if isinstance(argument, Parts):
            return f"{len(argument.columns)} parts"
        if isinstance(argument, Struct):
            return f"Row of {len(argument.names)} fields"
        return "result" if isinstance(argument, _Result) else str(argument.type)

    def call(self, call: Call) -> Any:
        given = (*call.args, *call.kwargs.values())
        handlers = call.prepared.handlers or any(isinstance(a, _Result) and a.handlers for a in given)

        def explored() -> RowResult:
            args = [_given(a) for a in call.args]
            kwargs = {name: _given(a) for name, a in call.kwargs.items()}
            gathers = call.eval_type != BATCHED
            returns = str(call.return_type)
            fields = fields_of(call.return_type) or ()
            current().elements = _elements_of(call.return_type)
            return result_of_row(call.loop, call.prepared.function, args, kwargs, handlers, gathers, returns, fields)

        result = call.traced(explored, handlers=handlers)
        self._probe(call, result)
        return _Result(result, handlers)

    def _probe(self, call: Call, result: RowResult) -> None:
        """Runs the original on synthetic rows, unless an argument is the result of another function."""
        types = [column.type for column in columns_of(call.return_type) or ()] or [str(call.return_type)]
        lists = any(type == VECTOR_TYPE or type.startswith("array<") for type in types)  # lists have no result kind
        given = (*call.args, *call.kwargs.values())
        if lists or call.return_type == "binary" or any(map(_has_no_rows, given)):
            return
        rounded = bool(call.kept) or any(let.op.bound is not None for let in call.loop.body)
        fields = fields_of(call.return_type)
        names = None if fields is None else [field.name for field in fields]
        mark = call.loop.mark()
        try:
            with running(Session(call.loop, call.exact, call.place, dispatch=DISPATCH)):
                tree = result.tree if names is None else self._structs(call, result.tree, fields or ())
                trees = [tree] if names is None else field_trees(tree, names, call.eval_type == BATCHED)
                probe_row(call.original, call.args, call.kwargs, trees, call.loop, call.place, rounded, names)
        finally:
            call.loop.undo(mark)  # an outer function may accept the None that is no struct

    @staticmethod
    def _structs(call: Call, tree: Node, fields: Sequence[StructField]) -> Node:
        """Returns the tree of a struct. Rows with another result are flagged, except None where the struct may be NULL."""
        made = _struct(call, tree, fields)
        if made is not tree:
            call.loop.guard(decided(call.loop, made), local=True)
        return made

    def hand_on(self, result: Any, place: str) -> Any:
        return result

    def handed_on_as(self, call: Call, result: Any) -> str:
        kinds = kinds_of(result.row.tree) - {"None"}
        (kind,) = kinds if len(kinds) == 1 else (" or ".join(sorted(kinds)) or "None",)
        if kind not in _HANDED_ON or holds_numpy(result.row.tree):
            raise refusal("SW645", call.place, function=call.name, what=kind if kind not in _HANDED_ON else "a NumPy scalar")
        return _HANDED_ON[kind]

    def column(self, call: Call, result: Any) -> Value:
        with self._converting(call):
            return self._column(call, result.row.tree, result.row.pruned, str(call.return_type))

    def map(self, call: Call, result: Any) -> list[Value]:
        with self._converting(call):
            if isinstance(call.return_type, StructArray):
                return self._struct_lists(call, call.return_type, result.row)
            return self._columns(call, result.row.tree, result.row.pruned, str(call.return_type))

    def fields(self, call: Call, result: Any, fields: Sequence[StructField]) -> list[Value]:
        names = [field.name for field in fields]
        with self._converting(call):
            row, lists = result.row, call.eval_type == BATCHED
            struct = self._structs(call, row.tree, fields)
            trees = field_trees(struct, names, lists)
            pruned: list[Node | None] = [None] * len(names)
            if row.pruned is not None:
                pruned[:] = field_trees(_struct(call, row.pruned, fields), names, lists)
            parts = zip(trees, pruned, fields, strict=True)
            values = [x for tree, other, field in parts for x in self._columns(call, tree, other, field.type, field=True)]
            values = declared(columns_of(call.return_type) or (), values)
            return [*values, _presence(call.loop, struct)] if call.presence else values

    def _converting(self, call: Call) -> AbstractContextManager[Session]:
        return running(Session(call.loop, call.exact, call.place, call.notes, call.kept, dispatch=DISPATCH))

    def _columns(self, call: Call, tree: Node, pruned: Node | None, type: str, field: bool = False) -> list[Value]:
        """Returns the columns of a result: several arrays for a map or an array of arrays, else one column."""
        if list_parts(type) is not None:
            return self._lists(call, tree, pruned, type)
        keyed = map_of_lists(type)
        if keyed is not None and list_parts(keyed[1]) is not None:
            return self._map_of_lists(call, tree, pruned, type, keyed)
        parts = map_parts(type)
        if parts is None:
            return [self._column(call, tree, pruned, type, field)]
        dicts = self._dicts(call, tree, type)
        trees = map_trees(dicts)
        others = [None] * len(parts) if pruned is None else map_trees(dict_tree(pruned, call.place, type))
        made = zip(trees, others, parts, MAP_PARTS, strict=True)
        return [self._column(call, tree, other, part, none=name == "values") for tree, other, part, name in made]

    @staticmethod
    def _dicts(call: Call, tree: Node, type: str) -> Node:
        """Returns the tree of a map. Rows for which it is no dict are flagged."""
        if call.eval_type == BATCHED:
            raise refusal("SW104", call.place, type=f"{type}, whose order a pickled dict does not keep")
        dicts = dict_tree(tree, call.place, type)
        if dicts is not tree:
            call.loop.guard(decided(call.loop, dicts))
        return dicts

    def _lists(self, call: Call, tree: Node, pruned: Node | None, type: str) -> list[Value]:
        """Returns the columns of an array of arrays."""
        parts = list_parts(type) or ()
        made = ListsResult(call.loop, len(parts) // 2 + 1, call.place, type)
        trees = made.trees(tree)
        others = [None] * len(trees) if pruned is None else replace(made, loop=None).trees(pruned)
        given = zip(trees, others, parts, strict=True)
        return [self._column(call, part, other, of) for part, other, (_, of) in given]

    def _map_of_lists(self, call: Call, tree: Node, pruned: Node | None, type: str, keyed: tuple[str, str]) -> list[Value]:
        """Returns the columns of a map to arrays: the keys, and the parts of the values."""
        dicts = self._dicts(call, tree, type)
        other = None if pruned is None else dict_tree(pruned, call.place, type)
        keys = self._column(call, map_trees(dicts)[0], None if other is None else map_trees(other)[0], keyed[0])
        values = self._lists(call, values_of_maps(dicts), None if other is None else values_of_maps(other), keyed[1])
        return [keys, *values]

    def _struct_lists(self, call: Call, type: StructArray, row: RowResult) -> list[Value]:
        """Returns the columns of an array of structs."""
        fields, columns = type.element_type.fields, columns_of(type) or ()
        check_names([field.name for field in fields], "its result", call.name)
        elements = [I64 if field.type in TIMES else ARRAYS[f"array<{field.type}>"].element for field in fields]
        pickled, table = call.eval_type == BATCHED, is_table(call.original)
        tuples = table and yields_tuples(call.original)
        fixed = tuples or (table and changes_no_rows(call.original))
        made = StructLists(call.loop, fields, elements, type.contains_null, pickled, call.place, str(type), table, tuples, fixed)
        trees = made.trees(row.tree)
        others: list[Node | None] = [None] * len(trees)
        if row.pruned is not None:
            others = [*replace(made, loop=None).trees(row.pruned)]
        parts = zip(trees, others, columns, strict=True)
        return [self._column(call, tree, other, column.type, none=True) for tree, other, column in parts]

    def _column(
        self, call: Call, tree: Node, pruned: Node | None, type: str, field: bool = False, none: bool = False
    ) -> Value:
        return column_of_row(call.loop, tree, type, call.eval_type, call.place, field, pruned, none)


def _elements_of(type: object) -> Any:
    """Returns the type of the values of an array or map, or the fields of an array's structs; an empty string for others."""
    if isinstance(type, StructArray):
        return type.element_type.fields
    if str(type).startswith("map<"):
        return str(type).removesuffix(">").rpartition(",")[2]
    return str(type).removeprefix("array<").removesuffix(">") if str(type).startswith("array<") else ""


def _struct(call: Call, tree: Node, fields: Sequence[StructField]) -> Node:
    """Returns the tree of a struct, in which paths with another result end as if they raised."""
    fitting = fitting_tree(tree, [field.name for field in fields], call.eval_type == BATCHED)
    return fitting if _may_be_null(call, fields) else struct_tree(fitting)


def _may_be_null(call: Call, fields: Sequence[StructField]) -> bool:
    """Whether a None is a NULL struct. Its fields are NULL, so all of them must be declared nullable."""
    return call.presence and all(field.nullable for field in fields)


def _presence(loop: LoopBuilder, tree: Node) -> Value:
    """Returns True where the row's path returns a struct, and NULL where it returns None."""
    return loop.optional(loop.const(True, BOOL), not_none(loop, tree))


def _has_no_rows(argument: Any) -> bool:
    """Whether no synthetic rows are made of an argument.

    These are results of other functions, parts that depend on each other, and structs with parts or structs in them.
    """
    if isinstance(argument, DenseArgument | DecimalArgument):
        return False
    inside = argument.values if isinstance(argument, Struct) else ()
    nested = [x for x in inside if not isinstance(x, DecimalArgument)]
    return isinstance(argument, _Result | Parts) or any(isinstance(x, Struct | Parts) for x in nested)


def _given(argument: Any) -> Any:
    return argument.row if isinstance(argument, _Result) else argument
