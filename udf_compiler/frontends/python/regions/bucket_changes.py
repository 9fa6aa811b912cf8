"""Interprets changes of the lists in a dict of lists: appends to them, and assignments of whole lists to keys."""

from __future__ import annotations

from typing import Any

from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.list_maps import repeated
from udf_compiler.frontends.python.new_lists import element_value
from udf_compiler.frontends.python.of_text import element
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.regions.gathering import element as collected
from udf_compiler.frontends.python.regions.groups import Bucket, Groups, check_size, first_element, is_sequence
from udf_compiler.frontends.python.regions.growing import Growing, current, held
from udf_compiler.frontends.python.regions.list_changes import is_named
from udf_compiler.frontends.python.regions.machine import Machine
from udf_compiler.frontends.python.regions.mappings import Mapping
from udf_compiler.frontends.python.regions.state import State, within
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse


def change(machine: Machine, s: State, bucket: Bucket, name: str, args: list[Any]) -> tuple[None]:
    """Calls ``append`` or ``extend`` of a list in a dict of lists; refuses (SW282) other methods. Returns (None,)."""
    if machine.is_expression or name not in ("append", "extend") or len(args) != 1:
        refuse("SW282", what=f"a list in a dict of lists, which it changes by {name},")
    _check_owner(bucket.owner)
    if name == "append":
        _append(bucket.owner, bucket.key, held(collected(machine, s, args[0])))
    else:
        extend(bucket, args[0])
    return (None,)


def extend(bucket: Bucket, items: Any) -> None:
    """Appends the elements of a list to one in a dict of lists."""
    _check_owner(bucket.owner)
    _extend(bucket.owner, bucket.key, current(items))


def _check_owner(owner: Mapping) -> None:
    owner.check_change()
    if owner.iterated or owner.shared:
        refuse("SW282", what="a list in a dict of lists with another name, or in a loop over the dict, which it changes,")


def _groups(owner: Mapping) -> Groups:
    assert type(owner.log) is Groups
    return owner.log


def _append(owner: Mapping, key: Any, x: Any) -> None:
    of = _groups(owner)
    if of.elements is None:
        grown = first_element(x)
    else:
        items = Growing(of.elements)
        items.append(x)
        grown = items.value
    owner.log = of.with_element(key, grown)


def _extend(owner: Mapping, key: Any, items: Any) -> None:
    items = lists.as_list(items)
    if not is_sequence(items):
        for x in as_python(list, items):
            _append(owner, key, x)
        return
    of, loop = _groups(owner), explorer().loop
    more = Growing(items if of.elements is None else of.elements)
    if of.elements is not None:
        more.extend(items)
    size = lists.call("length", items if lists.is_list(items) else items.columns[0])
    keys = lists.of_list(lists.present(repeated(loop, element_value(loop, element(key)), size)))
    owners = TracedScalar(of.owners.kind, lists.call("concat", of.owners, keys.value))
    check_size(owners)
    owner.log = Groups(of.keys, owners, more.value)


def set_default(machine: Machine, s: State, owner: Mapping, args: list[Any]) -> tuple[Any] | None:
    """Returns ``d.setdefault(key, [])`` of a dict of lists in a tuple; None for other calls."""
    is_list = len(args) == 2 and type(args[1]) is list and not args[1] and not is_named(s, args[1])
    if not is_list or not _becomes_groups(owner, args[0]) or id(args[1]) in (machine.outer or ()):
        return None
    return (owner.bucket(args[0]),)


def assigned(machine: Machine, s: State, owner: Mapping, key: Any, x: Any) -> bool:
    """Assigns a list to a key of a dict of lists; returns False for other dicts and values."""
    if type(x) is Bucket:
        if x.owner is owner and (x.key is key or (is_scalar(key) and is_scalar(x.key) and key.value is x.key.value)):
            return True  # ``d[key] += ...``
        refuse("SW282", what="a list in a dict of lists, which it assigns to another key,")
    value = lists.as_list(current(x))
    if not (type(value) is list or is_sequence(value)) or not _becomes_groups(owner, key):
        return False
    owner.check_change()
    if owner.iterated:
        refuse("SW282", what="a dict of lists that it changes while it iterates over it")
    if type(x) is list and (is_named(s, x) or id(x) in (machine.outer or ())):
        refuse("SW282", what="a list in a dict of lists that has a second name,")
    parts = (part for y in (*s.stack, *s.variables.values()) for part in within(y))
    if any(type(part) is Bucket and part.owner is owner for part in parts):
        refuse("SW282", what="a list in a dict of lists that has a second name,")
    value = held(x) if type(x) is Growing else value
    owner.as_groups(key)
    _replace(owner, key, value)
    owner.shared |= type(x) is not list  # a variable may refer to a list of the row, also one that has passed a block
    return True


def _replace(owner: Mapping, key: Any, items: Any) -> None:
    """Makes `items` the list of a key, which Python adds to the dict where it is new."""
    found = True

    def missing() -> None:
        nonlocal found
        found = False
        owner.add_key(key)

    owner.get(key, missing)
    if found:
        owner.log = _groups(owner).without(key)
    _extend(owner, key, items)


def _becomes_groups(owner: Mapping, key: Any) -> bool:
    """Whether a dict is one of lists, or is empty and gets a key of the row."""
    return type(owner.log) is Groups or owner.missing is list or (owner.log is None and not owner.known and is_scalar(key))


def read(x: Any) -> Any:
    """Returns the list of a key as one that nothing changes any more; anything else unchanged."""
    if type(x) is not Bucket:
        return x
    x.owner.iterated = True
    return x.whole()

