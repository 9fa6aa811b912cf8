"""Lowers StringIndexer, OneHotEncoder and Bucketizer: values to category numbers, and category numbers to indicators."""

from __future__ import annotations

from collections.abc import Sequence

from sparkweld.ir import LoopBuilder, Type, Value
from sparkweld.ir.ops import Const, IsIn, Lookup
from sparkweld.ir.types import F64, I64, STR
from udf_compiler.frontends.models.features import Features, Indicator
from udf_compiler.frontends.pandas.calls.polynomials import count_below
from udf_compiler.frontends.spark_ml.stages import Argument, Maybe, Rule, Stage, Vector, double
from udf_compiler.frontends.tracing.lower import is_negative_zero


def index(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Maybe:
    """Implements StringIndexerModel: the number of a label.

    NULL and unknown strings raise, so they are guarded; with `keepInvalid` they get the number after all labels.
    """
    text, labels = _text(args), stage.params["labels"]
    found = loop.emit(Lookup.of({label: float(number) for number, label in enumerate(labels)}, STR, F64), text.value)
    known = loop.is_valid(found) if text.valid is None else loop.call("logical_and", loop.is_valid(found), text.valid)
    if not stage.params["keepInvalid"]:
        loop.guard(known)
    return Maybe(loop.select(known, loop.value_of(found), double(loop, len(labels))))


def is_known(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Maybe:
    """Implements the filter that `handleInvalid` skip inserts below the indexer."""
    text = _text(args)
    known = loop.emit(IsIn.of(stage.params["labels"], STR), text.value)
    return Maybe(known if text.valid is None else loop.call("logical_and", known, text.valid))


def _text(args: Sequence[Argument]) -> Maybe:
    (text,) = args
    assert isinstance(text, Maybe)
    return text


def one_hot(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Vector:
    """Implements OneHotEncoderModel, which truncates fractions.

    Numbers outside the categories raise, so they are guarded; with `keepInvalid` they form one more category.
    """
    value, column = args
    assert isinstance(value, Maybe) and isinstance(column, Maybe)
    at = loop.body[column.value.id].op
    if not isinstance(at, Const):
        stage.refuse("a column that is not known")
    size, width = (int(stage.arrays[key][at.value]) for key in ("sizes", "widths"))  # type: ignore[union-attr]
    above = loop.call("greater_equal", value.value, double(loop, 0.0))
    inside = loop.call("logical_and", above, loop.call("less", value.value, double(loop, size)))
    if not stage.params["keepInvalid"]:
        loop.guard(inside)
    category = loop.cast(loop.select(inside, value.value, double(loop, size)), I64)

    def by_group(numbers: Sequence[float], type: Type) -> Value:
        table: dict[object, object] = dict(enumerate(numbers))
        return loop.value_of(loop.emit(Lookup.of(table, I64, type), category))  # zero for a row without a group

    return Vector(Features(loop, tuple(Indicator(by_group, width, group, F64) for group in range(width))), "sparse")


def bucket(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Maybe:
    """Implements Bucketizer: the number of splits a value reaches, minus one; the last bucket includes its upper bound.

    Values out of range raise, and so does NaN without `keepInvalid`: such rows are guarded.
    """
    (given,) = args
    assert isinstance(given, Maybe)
    value, splits = given.value, stage.arrays["splits"]
    if 0.0 in splits:  # Arrays.binarySearch orders -0.0 below 0.0
        loop.guard(loop.call("logical_not", is_negative_zero(loop, value)))
    reached = loop.cast(count_below(loop, value, splits, "right", stage.name), F64)
    isnan, last = loop.call("isnan", value), loop.call("equal", value, double(loop, splits[-1]))
    inside = loop.call("logical_and", loop.call("greater_equal", value, double(loop, splits[0])),
                       loop.call("less_equal", value, double(loop, splits[-1])))  # fmt: skip
    if stage.params["keepInvalid"]:
        loop.guard(loop.call("logical_or", inside, isnan))
    else:
        loop.guard(inside)
    number = loop.select(last, double(loop, len(splits) - 2), loop.call("subtract", reached, double(loop, 1.0)))
    return Maybe(loop.select(isnan, double(loop, len(splits) - 1), number), given.valid)


STAGES: dict[str, Rule] = {
    "StringIndexerModel": index,
    "StringIndexerModel.isKnown": is_known,
    "OneHotEncoderModel": one_hot,
    "Bucketizer": bucket,
}
