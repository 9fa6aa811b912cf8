"""Checks the module hmac in scalar functions: values and exceptions equal Python's."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import check

NAMES = {"hashlib": hashlib, "hmac": hmac, "KEY": b"pepper", "LONG": b"x" * 200, "WIDE": b"\xff\x80abc"}

#: Keys and messages around the ends of blocks of 64 and 128 bytes.
ROWS = [(a, b) for a in ("", "a", "é" * 30, "k" * 63, "k" * 64, "😀") for b in ("", "m", "é", "z" * 300, "a" * 64)]

SOURCES = [
    "hmac.new(KEY, a.encode(), hashlib.sha256).hexdigest()", "hmac.new(LONG, a.encode(), hashlib.sha256).hexdigest()",
    "hmac.new(WIDE, a.encode('utf-8'), 'md5').hexdigest()", "hmac.new(a.encode(), b.encode(), hashlib.sha512).hexdigest()",
    "hmac.new(a.encode(), msg=b.encode(), digestmod=hashlib.sha1).hexdigest()[:10]",
    "hmac.new(KEY, digestmod='sha384').hexdigest() + a", "hmac.new(a.encode(), b'abc', digestmod='sha224').digest().hex()",
    "hmac.new(KEY, None, 'sha256').hexdigest() + a", "hmac.digest(KEY, a.encode(), 'sha256').hex()",
    "hmac.compare_digest(hmac.new(KEY, a.encode(), 'md5').hexdigest(), b)",
    "hmac.compare_digest(a.encode(), b.encode())", "hmac.compare_digest('a', 'a') and a == b",
    "hmac.compare_digest(hmac.new(KEY, a.encode(), 'md5').digest(), hmac.new(KEY, b.encode(), 'md5').digest())",
    "int(hmac.new(KEY, a.encode(), hashlib.sha256).hexdigest()[:8], 16) % 100",
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_expressions(source):
    rows = [(a, b) for a, b in ROWS if b.isascii() or "hexdigest(), b)" not in source]
    check(f"lambda a, b: {source}", ("str", "str"), rows=rows, **NAMES)


UPDATED = """
def f(a, b):
    h = hmac.new(KEY, digestmod=hashlib.sha256)
    h.update(a.encode())
    if b > 0:
        h.update(b"|" + str(b).encode())
    return h.hexdigest()
"""


def test_updates():
    check(UPDATED, ("str", "i8"), **NAMES)


def test_longer_keys_run_in_python():
    rows = [("k" * 65, "m"), ("k" * 64, "m"), ("é" * 33, "m")]
    check("lambda a, b: hmac.new(a.encode(), b.encode(), 'sha256').hexdigest()", ("str", "str"), rows=rows, needless=2, **NAMES)


@pytest.mark.parametrize("call", ["hmac.new(a, b'm', 'md5')", "hmac.new(KEY, a, 'md5')", "hmac.compare_digest(a, b'x')"])
def test_exceptions(call):
    source = f"def f(a):\n    try:\n        {call}\n        return 'yes'\n    except TypeError:\n        return 'no'"
    check(source, ("str",), **NAMES)


REFUSED = [
    ("hmac.new(KEY, a.encode(), 'blake2b').hexdigest()", "SW262"),
    ("hmac.new(KEY, a.encode()).hexdigest()", "SW262"),
    ("hmac.HMAC(KEY, a.encode(), 'md5').hexdigest()", "SW263"),
    ("hmac.new(KEY, a.encode(), 'md5').copy()", "SW251"),
]


@pytest.mark.parametrize("source, code", REFUSED)
def test_refusals(source, code):
    with pytest.raises(Refusal) as refused:
        check(f"lambda a: {source}", ("str",), **NAMES)
    assert refused.value.code == code
