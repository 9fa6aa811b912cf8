"""Checks the module ipaddress in scalar functions: values and exceptions equal Python's."""

from __future__ import annotations

import ipaddress
import random

import pyarrow as pa
import pytest
from pyspark.sql.types import LongType

from sparkweld.errors import Refusal
from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import PythonEvalType
from tests.helpers.scalars import check

NETWORKS = [ipaddress.ip_network(text) for text in ("10.0.0.0/8", "fe80::/10", "192.168.0.0/16")]
NAMES = {"ipaddress": ipaddress, "NETWORKS": NETWORKS}


def _addresses() -> list[tuple[str, str]]:
    """Returns addresses around the ends of all networks that have a property, and others."""
    ends = [0, 2**32 - 1]
    for held in vars(ipaddress.IPv4Address._constants).values():
        for network in held if isinstance(held, list | tuple) else [held]:
            if type(network) is ipaddress.IPv4Network:
                low, high = int(network.network_address), int(network.broadcast_address)
                ends += [x for x in (low - 1, low, low + 1, high - 1, high, high + 1) if 0 <= x < 2**32]
    made = random.Random(2)
    numbers = [*ends, *(made.randrange(2**32) for _ in range(200))]
    texts = [str(x) for x in map(ipaddress.IPv4Address, numbers) if x not in ipaddress.ip_network("192.0.0.0/24")]
    return list(zip(texts, made.sample(texts, len(texts)), strict=True))


ADDRESSES = _addresses()
OTHERS = """256.1.1.1 a 1.2.3 01.2.3.4 1.2.3.4. 1..2.3 .1.2.3 1.2.3.4.5 00.1.1.1 1.2.3.٣ 0.0.0.0 1.2.3.4/8 -1.2.3.4
    1.2.3.0004 999.1.1.1 255.255.255.255""".split() + ["", "1.2.3.4 ", "1.2.3.4\n"]

PROPERTIES = "is_private is_global is_loopback is_multicast is_reserved is_link_local is_unspecified version exploded".split()
SOURCES = [
    *(f"ipaddress.ip_address(a).{name}" for name in PROPERTIES), "int(ipaddress.ip_address(a))", "str(ipaddress.IPv4Address(a))",
    "any(ipaddress.ip_address(a) in network for network in NETWORKS)", "ipaddress.IPv4Address(a) < ipaddress.IPv4Address(b)",
    "ipaddress.ip_address(a) in ipaddress.ip_network('172.16.0.0/12')", "ipaddress.ip_address(a) == ipaddress.ip_address(b)",
    "ipaddress.ip_address(a) not in ipaddress.IPv4Network('10.1.2.3/16', strict=False)",
    "isinstance(ipaddress.ip_address(a), ipaddress.IPv4Address)", "isinstance(ipaddress.ip_address(a), ipaddress.IPv6Address)",
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_expressions(source):
    check(f"lambda a, b: {source}", ("str", "str"), rows=ADDRESSES, **NAMES)


@pytest.mark.parametrize("call, error", [("ip_address", "ValueError"), ("IPv4Address", "ipaddress.AddressValueError")])
def test_other_strings(call, error):
    source = f"def f(a):\n    try:\n        return int(ipaddress.{call}(a))\n    except {error}:\n        return None"
    check(source, ("str",), rows=[(x,) for x in OTHERS], **NAMES)
    check(source, ("str?",), rows=[("1.2.3.4",), (None,)], **NAMES)


def number(a):
    try:
        return int(ipaddress.IPv4Address(a))
    except ValueError:
        return None


def test_machine_code():
    batch = pa.record_batch([pa.array([*(a for a, _ in ADDRESSES), *OTHERS, None])], ["a"])
    compared = compare_with_worker(number, [batch], LongType(), PythonEvalType.SQL_ARROW_BATCHED_UDF, kernel=True)
    assert (compared.decided, compared.flagged, compared.refused) == (1, 0, "")


def test_rows_that_run_in_python():
    """Addresses of IPv6, and those about which versions of Python differ."""
    check("lambda a: ipaddress.ip_address(a).version", ("str",), rows=[("::1",), ("fe80::1",)], needless=2, **NAMES)
    check("lambda a: ipaddress.ip_address(a).is_private", ("str",), rows=[("192.0.0.8",), ("192.0.0.10",)], needless=2, **NAMES)


REFUSED = [
    ("ipaddress.ip_address(n)", "SW262"), ("ipaddress.ip_address(a).packed", "SW251"), ("ipaddress.ip_network(a)", "SW262"),
    ("a in NETWORKS[0]", "SW262"), ("ipaddress.summarize_address_range(a, a)", "SW263"),
    ("ipaddress.IPv6Address(a)", "SW262"), ("ipaddress.ip_address(a)", "SW293"),
]  # fmt: skip


@pytest.mark.parametrize("source, code", REFUSED)
def test_refusals(source, code):
    with pytest.raises(Refusal) as refused:
        check(f"lambda a, n: {source}", ("str", "i32"), **NAMES)
    assert refused.value.code == code
