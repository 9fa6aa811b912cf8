"""Decides which lists of a state become lists of the row at a loop head, and of which kind."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from udf_compiler.frontends.python.listed import is_held
from udf_compiler.frontends.python.nested_lists import Lists, TracedLists, kind_of_lists, lists_of
from udf_compiler.frontends.python.new_lists import element_value, kind_of, list_of
from udf_compiler.frontends.python.records import Records, TracedRecords, kind_of_records, kind_with_gaps, records_of, with_gaps
from udf_compiler.frontends.python.regions.groups import GroupKind, Groups
from udf_compiler.frontends.python.regions.growing import Growing, numpy_of_both
from udf_compiler.frontends.python.regions.mappings import Mapping
from udf_compiler.frontends.python.regions.overwritten import Overwritten
from udf_compiler.frontends.python.regions.state import State, within
from udf_compiler.frontends.python.regions.stored import Cells, Place, Stored, Table
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.session import refuse


def element_of(draft: Any, x: Any) -> Value:
    """Returns an element, or a list of the row, as a value of a block."""
    x = x.element if is_held(x) else x
    return draft.value(element_value(draft.loop, draft.leaf(x)))  # type: ignore[no-any-return]


def of_both(known: Any, kind: Any) -> Any:
    """Returns the kind of a list that grows: the known one, or that of the elements, records or lists of both."""
    if Stored in (type(known), type(kind)):
        return kind if type(kind) is Stored and known == (kind.inner, "") and not kind.rows else known
    if Records in (type(known), type(kind)):
        known, kind = (x if type(x) is not tuple else (kind_with_gaps(x) or x) for x in (known, kind))
    if type(known) in (Records, Lists, GroupKind):
        return known.joined(kind) or known
    numpy = numpy_of_both(known, kind)
    return known if numpy is None else (known[0], numpy)


def as_known(draft: Any, items: Any, kind: Any, known: Any) -> Growing | None:
    """Returns a list at a loop head as one of plain elements of a known kind; None where it is one, or has other elements."""
    if type(items) is Growing and type(items.value) is Overwritten:
        return None
    fits = kind == known or (numpy_of_both(known, kind) == known[1] and type(known) is tuple)
    if type(items) is list and (not items or fits):
        return Growing(list_of(draft.loop, known, [element_of(draft, x) for x in items]))
    if type(items) is Growing and fits and kind != known:
        return Growing(TracedScalar(known[0], draft.value(items.value.value), numpy=known[1]), items.frozen)
    return None


def _as_stored(draft: Any, items: Any, kind: Any, known: Stored, place: Place) -> Growing | None:
    if known.rows:
        return Growing(Table.empty(draft.loop, known.inner, place)) if type(items) is list and not items else None
    plain = (known.inner, "")
    if type(items) is list and (not items or kind == plain):
        made = list_of(draft.loop, plain, [element_of(draft, x) for x in items])
        return Growing(Cells.of(draft.loop, made, place))
    if type(items) is Growing and kind == plain:
        return Growing(Cells.of(draft.loop, draft.leaf(items.value), place), items.frozen, items.lent)
    return None


def of_kind(draft: Any, items: Any, kind: Any, known: Records | Lists | Stored, place: Place) -> Growing | None:
    """Returns a list at a loop head as one of a known kind; None where it is one, or has other elements.

    `place`: what distinguishes a copy that it makes.
    """
    if type(known) is Stored:
        return _as_stored(draft, items, kind, known, place)
    if type(known) is Lists:
        return _as_lists(draft, items, kind, known)
    assert type(known) is Records
    return _as_records(draft, items, kind, known)


def _as_records(draft: Any, items: Any, kind: Any, known: Records) -> Growing | None:
    gaps = kind_with_gaps(kind) if type(kind) is tuple else None
    if gaps is not None and known.joined(gaps) == known:
        if type(items) is list:
            return Growing(records_of(draft.loop, known, items, partial(element_of, draft)))
        return Growing(with_gaps(draft.leaf(items.value)).widened(draft.loop, known), items.frozen)
    fits = type(kind) is Records and known.joined(kind) == known
    if type(items) is list and (fits or not items):
        return Growing(records_of(draft.loop, known, items, partial(element_of, draft)))
    if type(items) is Growing and fits and kind != known:
        return Growing(items.value.mapped(draft.leaf).widened(draft.loop, known), items.frozen, items.lent)
    return None


def _as_lists(draft: Any, items: Any, kind: Any, known: Lists) -> Growing | None:
    fits = type(kind) is Lists and known.joined(kind) == known
    if type(items) is list and (fits or not items):
        return Growing(lists_of(draft.loop, known, items, partial(element_of, draft)))
    if type(items) is Growing and fits and kind != known:
        return Growing(items.value.moved(draft.leaf).widened(draft.loop, known), items.frozen, items.lent)
    return None


def as_logged(draft: Any, items: Mapping, kind: Any, known: Any) -> Mapping | None:
    """Returns a dict at a loop head as a log of a known kind; None where it is one, or has other contents."""
    if type(known) is GroupKind:
        fits = kind is None or (type(kind) is GroupKind and known.joined(kind) == known)
        if kind == known or items.known or not fits:
            return None
        log = Groups.empty(draft.loop, known) if items.log is None else items.log
        return replace(items, log=log.widened(draft.loop, known) if type(log) is Groups else log)
    if items.log is None and (not items.known or kind == known):
        return items.logged(draft.loop, known, partial(element_of, draft))
    return None


def check_shared(state: State, items: Any, known: Any, outer: dict[int, Any]) -> None:
    """Refuses (SW282) a list of lists that becomes one of the row while another object refers to one of its lists.

    A change of that object would change the list of lists, too. Nothing changes the objects that outlive the call, `outer`.
    """
    lists = items if type(items) is list and type(known) is Lists else []
    inner = {id(x) for x in lists if type(x) is list and id(x) not in outer}
    if not inner:
        return
    held = [id(part) for x in (*state.stack, *state.variables.values()) for part in within(x)]
    if any(held.count(x) > 1 for x in inner):
        refuse("SW282", what="a list that is an element of another one and has a second name,")


def varying(x: Any) -> tuple[Any, Any]:
    """Returns the kind of a list or dict, and what must be equal in all rounds for a constant shape; None where it differs."""
    if type(x) is Mapping:
        return x.kinds, None if x.log is not None else tuple(x.known)
    if type(x) is Growing:
        if type(x.value) in (Cells, Table):
            return x.value.kind, None
        return x.value.kind if type(x.value) in (TracedRecords, TracedLists) else (x.value.kind, x.value.numpy), None
    return kind_of(x) or kind_of_records(x) or kind_of_lists(x), len(x)


def empty_of(loop: LoopBuilder, kind: Any) -> Any:
    """Returns the empty list of a kind."""
    if type(kind) is Records:
        return records_of(loop, kind, ())
    if type(kind) is Lists:
        return TracedLists.of(kind, [list_of(loop, (str(x), ""), ()) for x in kind.types])
    return list_of(loop, kind, ())
