"""Defines the compiled kinds of UDF by PySpark's eval type: how functions of each kind take columns and return results."""

from __future__ import annotations

from sparkweld.contract.constants import (
    ARROW_BATCHED,
    BATCHED,
    GROUPED_AGG_PANDAS,
    GROUPED_MAP_PANDAS,
    MAP_ARROW,
    MAP_PANDAS,
    SCALAR_ARROW,
    SCALAR_ARROW_ITERATOR,
    SCALAR_PANDAS,
    SCALAR_PANDAS_ITERATOR,
)
from sparkweld.reasons import refusal
from udf_compiler.eval_types.grouped_aggregate import GroupedAggregate
from udf_compiler.eval_types.grouped_map import GroupedMap
from udf_compiler.eval_types.iterated import Iterated
from udf_compiler.eval_types.kind import Call, Kind, MapKind, declared
from udf_compiler.eval_types.map_arrow import MapArrow
from udf_compiler.eval_types.map_pandas import MapPandas
from udf_compiler.eval_types.row import Row
from udf_compiler.eval_types.scalar_arrow import ScalarArrow
from udf_compiler.eval_types.scalar_pandas import ScalarPandas
from udf_compiler.eval_types.whole_batch import WholeBatch
from udf_compiler.process.spark_line import check_compared

#: PythonEvalType -> kind (pyspark/util.py).
KINDS: dict[int, Kind] = {
    BATCHED: Row(over_arrow=False),
    ARROW_BATCHED: Row(over_arrow=True),
    SCALAR_PANDAS: ScalarPandas(WholeBatch()),
    GROUPED_AGG_PANDAS: GroupedAggregate(),
    SCALAR_PANDAS_ITERATOR: Iterated(ScalarPandas()),
    SCALAR_ARROW: ScalarArrow(),
    SCALAR_ARROW_ITERATOR: Iterated(ScalarArrow()),
}

#: Kinds whose functions return rows; Spark plans each in a node of its own.
MAPS: dict[int, MapKind] = {
    MAP_PANDAS: MapPandas(),
    GROUPED_MAP_PANDAS: GroupedMap(),
    MAP_ARROW: MapArrow(),
}


def kind_of(eval_type: int, udf: str) -> Kind:
    """Returns the kind of an eval type whose functions return columns. Refuses SW206 and SW114."""
    check_compared(udf)
    if eval_type not in KINDS:
        raise refusal("SW206", udf, eval_type=eval_type)
    return KINDS[eval_type]


def map_kind_of(eval_type: int, udf: str) -> MapKind:
    """Returns the kind of an eval type whose functions return rows. Refuses SW206 and SW114."""
    check_compared(udf)
    if eval_type not in MAPS:
        raise refusal("SW206", udf, eval_type=eval_type)
    return MAPS[eval_type]


def sees_batch_state(eval_type: int) -> bool:
    """Whether functions of this eval type see NULLs through the dtype of their whole batch."""
    kind = KINDS.get(eval_type) or MAPS.get(eval_type)
    return kind is not None and kind.sees_batch_state


__all__ = [
    "KINDS",
    "MAPS",
    "Call",
    "Kind",
    "declared",
    "kind_of",
    "map_kind_of",
    "sees_batch_state",
]
