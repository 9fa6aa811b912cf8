"""Checks digests, Base64 and integers of hexadecimal digits in scalar functions: values and exceptions equal Python's."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib

import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import check

MODULES = {"base64": base64, "binascii": binascii, "hashlib": hashlib, "zlib": zlib}

#: Around the ends of blocks of 64 and 128 bytes.
LONG = [("x" * n,) for n in (54, 55, 56, 63, 64, 65, 110, 111, 112, 119, 120, 127, 128, 129, 1000)] + [("é" * 40,), ("😀" * 100,)]

SOURCES = [
    "hashlib.md5(a.encode()).hexdigest()", "hashlib.sha1(a.encode('utf-8')).hexdigest()",
    "hashlib.sha224(a.encode()).hexdigest()", "hashlib.sha256(a.strip().lower().encode('UTF8')).hexdigest()",
    "hashlib.sha384(a.encode()).hexdigest()", "hashlib.sha512(a.encode()).hexdigest()",
    "hashlib.new('sha256', a.encode()).hexdigest()[:12]", "hashlib.md5(bytes(a, 'utf-8')).hexdigest().upper()",
    "hashlib.md5(a.encode(), usedforsecurity=False).hexdigest()", "hashlib.sha256(b'salt' + a.encode()).hexdigest()",
    "hashlib.sha256(('salt:' + a).encode()).digest().hex()", "hashlib.md5((a + '|' + a[:2]).encode()).hexdigest()",
    "hashlib.md5(b'').hexdigest() + a", "hashlib.md5(a.encode()).digest_size",
    "base64.b64encode(hashlib.sha1(a.encode()).digest()).decode()",
    "binascii.hexlify(hashlib.md5(a.encode()).digest()).decode()", "int(hashlib.md5(a.encode()).hexdigest(), 16) % 10",
    "int(hashlib.sha512(a.encode()).hexdigest(), 16) % (10**16)", "int(hashlib.sha256(a.encode()).hexdigest(), 16) & 1023",
    "int(hashlib.sha1(a.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF", "int(hashlib.sha1(a.encode()).hexdigest()[:15], 16)",
    "int(hashlib.md5(a.encode()).hexdigest()[-4:], base=16) % 7",
    "int(hashlib.sha256(a.encode()).hexdigest()[:16], 16) % 1000",
    "int.from_bytes(hashlib.sha256(a.encode()).digest()[:4], 'big')",
    "int.from_bytes(hashlib.md5(a.encode()).digest(), 'big') % 97", "zlib.crc32(a.encode())",
    "zlib.crc32(a.encode(), 7) & 0xFF", "binascii.crc32(a.encode('utf-8')) % 16",
    "base64.b64encode(a.encode()).decode('utf-8')", "a.encode().hex()",
    "base64.urlsafe_b64encode(a.encode('utf-8')).decode('ascii').rstrip('=')", "str(base64.b64encode(a.encode()), 'utf-8')",
    "binascii.hexlify(a.encode()).decode()", "a.encode('ascii', 'ignore').decode('ascii')",
    "a.encode().decode('ascii', 'ignore')", "a.encode('utf-8').decode('utf-8')", "bool(a.encode())", "len(a.encode())",
    "a.encode() == b'abc'",
    "b'a' != a.encode()", "a.encode() == a", "isinstance(a.encode(), bytes)", "base64.b64encode(b'abc').decode() + a",
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_expressions(source):
    check(f"lambda a: {source}", ("str",), **MODULES)
    check(f"lambda a: {source}", ("str",), rows=LONG, **MODULES)


CAUGHT = "def f(a):\n    try:\n        return {}\n    except {}:\n        return 'no'"

RAISING = [
    ("a.encode('ascii').decode()", "UnicodeEncodeError"), ("a.encode().decode('ascii')", "UnicodeDecodeError"),
    ("hashlib.md5(a).hexdigest()", "TypeError"), ("int(hashlib.md5(a.encode()).hexdigest(), 16) % 0", "ZeroDivisionError"),
    ("zlib.crc32(a)", "TypeError"), ("bytes(a)", "TypeError"), ("a.encode('no such codec')", "LookupError"),
]  # fmt: skip


@pytest.mark.parametrize("source, error", RAISING)
def test_exceptions(source, error):
    check(CAUGHT.format(source, error), ("str",), **MODULES)


NUMBERS = [(x,) for x in ("", "0", "ff", "FF", "0xff", " -0x1F\n", "0x", "x1", "1_0", "1__0", "_1", "0x_f", "g", "12", "7" * 15,
                          "z", "0b1", "0b", "0o7", "é", "1" * 16, "-" + "f" * 20, "+", "1 1")]  # fmt: skip


@pytest.mark.parametrize("base", [2, 8, 10, 16, 36])
def test_integers_in_a_base(base):
    """Numbers of about 62 bits run in Python."""
    check(f"lambda a: int(a, {base})", ("str",), rows=NUMBERS, needless=3)
    check(CAUGHT.format(f"int(a, {base})", "ValueError"), ("str",), rows=NUMBERS, needless=5)


def test_a_row_is_no_text():
    check(CAUGHT.format("int(a, 16)", "TypeError"), ("i32",))
    check(CAUGHT.format("hashlib.md5(a).hexdigest()", "TypeError"), ("i32",), **MODULES)


UPDATED = """
def f(a, b):
    h = hashlib.sha256()
    h.update(b"pepper")
    h.update(a.encode())
    if b > 0:
        h.update(str(b).encode())
    return h.hexdigest()
"""


def test_updates():
    check(UPDATED, ("str", "i8"), **MODULES)


ROUNDS = """
def f(a):
    total = 0
    for word in a.split():
        key = word.encode()
        if len(word) > 2:
            key = b"long " + key
        total += int(hashlib.md5(key).hexdigest(), 16) % 7
    return total
"""


def test_bytes_in_a_loop():
    check(ROUNDS, ("str",), rows=[("a bb ccc ccc",), ("",), ("x " * 30,), ("été",)], **MODULES)


ENCODED = [(x,) for x in ("YWJj", "YWI=", "YQ==", "YQ", "YQ=", "YWJj\n", " YWJj ", "", "Y", "YWJjZ", "4pyT", "8J+YgA==",
                          "-_-_",
                          "w6k=", "!!!!", "YW=Jj", "YQ===", "é", "/w==", "=", "YWJj=")]  # fmt: skip


@pytest.mark.parametrize("call", ["b64decode(a)", "b64decode(a.encode())", "urlsafe_b64decode(a)", "standard_b64decode(a)"])
def test_decoding(call):
    """Bytes that are not UTF-8, and padding that versions of Python read differently, run in Python."""
    check(f"lambda a: base64.{call}.decode()", ("str",), rows=ENCODED, needless=6, **MODULES)
    check(CAUGHT.format(f"base64.{call}.decode('utf-8')", "binascii.Error"), ("str",), rows=ENCODED, needless=6, **MODULES)


REFUSED = [
    "hashlib.blake2b(a.encode()).hexdigest()", "str(a.encode())", "f'{a.encode()}'", "a.encode('latin-1').hex()",
    "a.encode()[0]", "a.encode('ascii', 'replace').decode()",
    "int(hashlib.md5(a.encode()).hexdigest(), 16) // 7", "str(int(hashlib.md5(a.encode()).hexdigest(), 16))",
    "hashlib.md5(a.encode()).digest().decode()", "int(a, 0)", "a.encode()", "hashlib.new(a).hexdigest()",
    "base64.b64decode(a, validate=True).decode()", "hash(a.encode())", "{a.encode(): 1}", "zlib.adler32(a.encode())",
    "int(hashlib.md5(a.encode()).hexdigest(), 16) % -3", "hashlib.md5(a.encode()).copy().hexdigest()",
]  # fmt: skip


@pytest.mark.parametrize("source", REFUSED)
def test_refused(source):
    with pytest.raises(Refusal):
        check(f"lambda a: {source}", ("str",), **MODULES)


@pytest.mark.parametrize("call", ["base64.b64decode(a, validate=True)", "base64.b64encode(a.encode(), altchars=b'-_')"])
def test_parameters_that_only_the_real_function_has(call):
    """The stand-in raises TypeError for such a call, and the real function does not: no handler may catch that."""
    source = f"def f(a):\n    try:\n        return {call}.decode()\n    except Exception:\n        return 'bad'"
    with pytest.raises(Refusal, match="SW299"):
        check(source, ("str",), **MODULES)
