"""Represents ipaddress: IPv4 addresses of the row, and constant networks. Rows with the string of an IPv6 address run in Python.

Each property of an address is a table over all addresses, which this process's own ipaddress fills. Versions of Python differ
about 192.0.0.0/24: rows with such an address run in Python where a property is read.
"""

from __future__ import annotations

import ipaddress
from functools import cache
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.ops import Steps, StrCall
from sparkweld.ir.types import BOOL, I64
from udf_compiler.frontends.python.library_modules import checked, module_of
from udf_compiler.frontends.python.operands import as_text, is_text, make_bool, make_int, make_text
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import scalar_kind
from udf_compiler.frontends.tracing.class_stand_ins import class_stand_in
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.integer_checks import between
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, in_place
from udf_compiler.frontends.tracing.values import COMPARISONS, Traced, raw

_NETWORKS = (ipaddress.IPv4Network, ipaddress.IPv6Network)

#: The network whose addresses have other properties in other versions of Python.
_DIFFERS = ipaddress.IPv4Network("192.0.0.0/24")

_PROPERTIES = frozenset("is_private is_global is_loopback is_multicast is_reserved is_link_local is_unspecified".split())


class TracedAddress(Traced):
    """An IPv4 address of the row: its number, and its string, which Python accepts in one form only."""

    __slots__ = ("number", "text")
    what = "IPv4 address"
    stands_for = ipaddress.IPv4Address

    def __init__(self, number: Value, text: Value) -> None:
        self.number, self.text = number, text

    def __bool__(self) -> bool:
        return True

    def __format__(self, spec: str) -> str:
        if spec:
            refuse("SW262", call="format() of an IPv4 address", what="this form")
        text = make_text(self.text)
        return scalar_kind(text).format(text, "")

    def __getattr__(self, name: str) -> Any:
        if name in ("version", "max_prefixlen"):
            return 4 if name == "version" else 32
        if name in ("exploded", "compressed"):
            return make_text(self.text)
        if name not in _PROPERTIES:
            refuse("SW251", call=f"an IPv4 address.{name}")
        loop = self.number.loop
        if name in ("is_private", "is_global"):
            explorer().guard(loop.call("logical_not", _inside(self, _DIFFERS)))
        return make_bool(loop.emit(_property(name), self.number))

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        if type(other) is not TracedAddress or name not in COMPARISONS:
            refuse("SW251", call=f"{name} of an IPv4 address")
        return make_bool(self.number.loop.call(COMPARISONS[name], self.number, other.number))


def number_of(x: Any) -> Any:
    """Returns ``int(x)`` of an address; other objects unchanged."""
    return make_int(x.number, (0, 2**32 - 1)) if type(x) is TracedAddress else x


class NetworkConstant(StandIn):
    """A constant network, for membership tests."""

    __slots__ = ("network",)
    what = "network"
    of_instances = frozenset({"network_address", "netmask"})

    def __init__(self, network: Any) -> None:
        self.network = network

    @property  # type: ignore[override]
    def stands_for(self) -> type:
        return type(self.network)

    def __contains__(self, x: Any) -> bool:
        if type(x) is not TracedAddress:
            refuse("SW262", call="in of a network", what=raw(x))
        return bool(make_bool(_inside(x, self.network)))

    def __getattr__(self, name: str) -> Any:
        if name in ("version", "prefixlen", "num_addresses"):
            return getattr(self.network, name)
        refuse("SW251", call=f"a network.{name}")


def _inside(x: TracedAddress, network: Any) -> Value:
    """Returns the condition that an address is in a network. None is in one of IPv6."""
    loop = x.number.loop
    if type(network) is not ipaddress.IPv4Network:
        return loop.const(False, BOOL)
    return between(loop, x.number, int(network.network_address), int(network.broadcast_address))


@cache
def _property(name: str) -> Steps:
    """Returns the table of a property. It changes at the ends of the networks that the module names, and at 0.0.0.0."""
    found = vars(ipaddress.IPv4Address._constants).values()  # type: ignore[attr-defined]
    named = [x for held in found for x in (held if type(held) in (list, tuple) else [held])]
    networks = [x for x in named if type(x) is ipaddress.IPv4Network] + [ipaddress.IPv4Network("0.0.0.0/32")]
    starts = {int(end) for x in networks for end in (x.network_address, int(x.broadcast_address) + 1)}
    bounds = sorted(x for x in starts if 0 < x < 2**32)
    return Steps.of(bounds, [getattr(ipaddress.IPv4Address(x), name) for x in (0, *bounds)], I64, BOOL)


def _parsed(text: Any, call: str, error: type[ValueError], several: bool) -> Any:
    """Returns the address that a string states. `several`: strings of IPv6 are valid, too; their rows run in Python."""
    if text is None:
        raise in_place(error("no address"))
    if not is_text(text):
        refuse("SW262", call=call, what=raw(text))
    run, loop, value = explorer(), explorer().loop, as_text(text)
    if several:
        run.guard(loop.call("logical_not", loop.emit(StrCall("contains", (":",)), value)))
    found = loop.emit(StrCall("parse_ipv4"), value)
    run.raise_if(loop.call("logical_not", loop.is_valid(found)), lambda: in_place(error("no address")))
    return TracedAddress(loop.value_of(found), value)


def _address(address: Any) -> Any:
    return _parsed(address, "ipaddress.ip_address", ValueError, several=True)


def _of_version_4(address: Any) -> Any:
    return _parsed(address, "ipaddress.IPv4Address", ipaddress.AddressValueError, several=False)


def _network(real: Any) -> Any:
    """Returns a constructor of constant networks."""

    def network(address: Any, strict: Any = True) -> Any:
        if type(address) not in (str, int, bytes) or type(strict) is not bool:
            refuse("SW262", call=f"ipaddress.{real.__name__}", what="a network that is not constant")
        return NetworkConstant(as_python(real, address, strict))

    return network


def _class(real: type, make: Any) -> Any:
    return class_stand_in(real, f"ipaddress.{real.__name__}", make)


def _of_version_6(address: Any) -> Any:
    refuse("SW262", call="ipaddress.IPv6Address", what=raw(address))


_NAMES: dict[str, Any] = {
    "ip_address": checked(_address, "ipaddress.ip_address"),
    "ip_network": checked(_network(ipaddress.ip_network), "ipaddress.ip_network"),
    "IPv4Address": _class(ipaddress.IPv4Address, _of_version_4),
    "IPv6Address": _class(ipaddress.IPv6Address, _of_version_6),
    **{kind.__name__: _class(kind, _network(kind)) for kind in _NETWORKS},
    "AddressValueError": ipaddress.AddressValueError,
    "NetmaskValueError": ipaddress.NetmaskValueError,
}


_BY_OBJECT = module_of(ipaddress, "ipaddress", {}, _NAMES)


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of the module ipaddress, of its classes or functions, or None."""
    return _BY_OBJECT.get(id(obj))


def constant_of(original: Any) -> NetworkConstant | None:
    """Returns the constant of a network that a function captures; None for any other object."""
    return NetworkConstant(original) if type(original) in _NETWORKS else None
