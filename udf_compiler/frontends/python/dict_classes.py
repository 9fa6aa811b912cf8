"""Lists the classes of dicts in the module collections, which compiled functions use as they are."""

from __future__ import annotations

import collections

_CLASSES: tuple[type, ...] = (collections.Counter, collections.OrderedDict, collections.defaultdict)

#: The classes of dicts that functions make.
DICTS = (dict, *_CLASSES)


def stand_in(obj: object) -> object | None:
    """Returns the class itself, or None for another object."""
    return next((known for known in _CLASSES if obj is known), None)
