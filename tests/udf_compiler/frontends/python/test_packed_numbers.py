"""Checks struct and the IPv4 conversions of socket in scalar functions: values and exceptions equal Python's."""

from __future__ import annotations

import hashlib
import socket
import struct

import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import check

NAMES = {"hashlib": hashlib, "socket": socket, "struct": struct}
ADDRESSES = [(x,) for x in ("10.0.0.1", "255.255.255.255", "0.0.0.0", "192.168.1.20")]

OF_ADDRESSES = [
    'struct.unpack("!I", socket.inet_aton(a))[0]', 'struct.unpack(">L", socket.inet_aton(a))[0] & 0xFF00',
    'socket.inet_ntoa(socket.inet_aton(a))', 'socket.inet_aton(a).hex()', 'struct.unpack("!4B", socket.inet_aton(a))[2]',
]  # fmt: skip


@pytest.mark.parametrize("source", OF_ADDRESSES)
def test_addresses(source):
    check(f"lambda a: {source}", ("str",), rows=ADDRESSES, **NAMES)
    others = [("1.2.3",), ("0x7f.1",), ("1.2.3.4 ",), ("a",), ("",), ("01.2.3.4",)]
    check(f"lambda a: {source}", ("str",), rows=others, needless=4, **NAMES)


FORMATS = [">I", "<I", "!i", "<i", ">q", "<q", ">H", "<h", ">b", "<B", "!IH", "<hIb", ">2H", "=I", ">Q"]


@pytest.mark.parametrize("format", FORMATS)
def test_unpack(format):
    """Integers of 64 bits without a sign run in Python from 2**63 on."""
    size = struct.calcsize(format)
    source = f"struct.unpack('{format}', hashlib.md5(a.encode()).digest()[:{size}])"
    for at in range(len(struct.unpack(format, bytes(size)))):
        check(f"lambda a: {source}[{at}]", ("str",), **NAMES)
    check("def f(a):\n    try:\n        return " + source.replace(f":{size}", f":{size + 1}") + "[0]\n    except struct.error:\n"
          "        return 'no'", ("str",), **NAMES)  # fmt: skip


def test_errors_of_imports():
    """`from struct import error` binds the class without its module."""
    body = "def f(a):\n    try:\n        return %s\n    except error:\n        return 'no'"
    call = "struct.unpack('>I', hashlib.md5(a.encode()).digest()[:3])[0]"
    check(body % call, ("str",), error=struct.error, **NAMES)
    check(body % "socket.inet_ntoa(hashlib.md5(a.encode()).digest()[:3])", ("str",), error=OSError, **NAMES)


@pytest.mark.parametrize("format", [">I", "<I", "!i", "<h", ">B", "<b", ">H"])
def test_pack(format):
    call = f"struct.pack('{format}', a).hex()"
    check(f"def f(a):\n    try:\n        return {call}\n    except struct.error:\n        return 'no'", ("i64",), **NAMES)


def test_addresses_of_numbers():
    call = "socket.inet_ntoa(struct.pack('!I', a))"
    check(f"def f(a):\n    try:\n        return {call}\n    except struct.error:\n        return None", ("i64",), **NAMES)


REFUSED = [
    ("struct.unpack('I', a.encode())[0]", "SW262"), ("struct.unpack('<d', a.encode())[0]", "SW262"),
    ("struct.pack('<q', n).hex()", "SW262"), ("socket.gethostbyname(a)", "SW214"), ("struct.calcsize(a)", "SW263"),
]  # fmt: skip


@pytest.mark.parametrize("source, code", REFUSED)
def test_refusals(source, code):
    with pytest.raises(Refusal) as refused:
        check(f"lambda a, n: {source}", ("str", "i32"), **NAMES)
    assert refused.value.code == code
