"""Represents zoneinfo, pytz and their time zones: constants whose offsets from UTC are tables (`zone_tables`)."""

from __future__ import annotations

import datetime
import sys
import zoneinfo
from typing import Any

from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.python.zoned_datetimes import ZoneConstant, zone_constant
from udf_compiler.frontends.tracing.class_stand_ins import class_stand_in
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import module_stand_in
from udf_compiler.frontends.tracing.values import raw
from udf_compiler.function.modules import MODULES


def constant_of(original: Any) -> ZoneConstant | None:
    """Returns the constant of a time zone of zoneinfo or pytz; None for any other object."""
    if type(original) is zoneinfo.ZoneInfo and original.key is not None:
        return zone_constant(original, False)
    if not _is_of_pytz(original):
        return None
    MODULES.imported("", ["pytz"])
    return zone_constant(original, True)


def _is_of_pytz(x: Any) -> bool:
    """Whether `x` is the object that pytz returns for its name; pytz keeps one for each."""
    pytz = sys.modules.get("pytz")
    if pytz is None or not issubclass(type(x), datetime.tzinfo) or not type(x).__module__.startswith("pytz"):
        return False
    if type(x) is pytz._FixedOffset:
        return x is pytz.FixedOffset(x.utcoffset(None) // datetime.timedelta(minutes=1))
    name = getattr(x, "zone", None)
    return type(name) is str and name in pytz.all_timezones_set and pytz.timezone(name) is x


def _zone_info(key: Any) -> ZoneConstant:
    return _named(zoneinfo.ZoneInfo, key, "zoneinfo.ZoneInfo")


def _timezone(zone: Any) -> ZoneConstant:
    return _named(sys.modules["pytz"].timezone, zone, "pytz.timezone")


def _fixed_offset(offset: Any) -> ZoneConstant | None:
    if type(offset) is not int:
        refuse("SW262", call="pytz.FixedOffset", what="an offset that is not constant")
    return constant_of(as_python(sys.modules["pytz"].FixedOffset, offset))


def _named(make: Any, name: Any, call: str) -> ZoneConstant:
    if type(name) is not str:
        refuse("SW262", call=call, what="a zone that is not constant" if is_scalar(name) else raw(name))
    made = constant_of(as_python(make, name))
    return refuse("SW262", call=call, what=f"the zone {name!r}") if made is None else made


_ZONE_INFO = class_stand_in(zoneinfo.ZoneInfo, "zoneinfo.ZoneInfo", _zone_info)


def _of_zoneinfo(name: str) -> Any:
    if name == "ZoneInfo":
        return _ZONE_INFO
    return zoneinfo.ZoneInfoNotFoundError if name == "ZoneInfoNotFoundError" else refuse("SW263", name=f"zoneinfo.{name}")


def _of_pytz(name: str) -> Any:
    pytz = sys.modules["pytz"]
    if name in ("timezone", "FixedOffset"):
        return _timezone if name == "timezone" else _fixed_offset
    if name in ("utc", "UTC"):
        return constant_of(pytz.utc)
    found = getattr(pytz, name)
    return found if isinstance(found, type) and issubclass(found, Exception) else refuse("SW263", name=f"pytz.{name}")


_BY_OBJECT: dict[int, Any] = {
    id(zoneinfo): module_stand_in(zoneinfo, "zoneinfo", _of_zoneinfo), id(zoneinfo.ZoneInfo): _ZONE_INFO
}  # fmt: skip


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of the modules zoneinfo and pytz, or of their constructors, or None."""
    pytz = sys.modules.get("pytz")
    if pytz is None or not (obj is pytz or obj is pytz.timezone or obj is pytz.FixedOffset):
        return _BY_OBJECT.get(id(obj))
    MODULES.imported("", ["pytz"])
    return module_stand_in(pytz, "pytz", _of_pytz) if obj is pytz else _of_pytz(obj.__name__)
