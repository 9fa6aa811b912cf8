"""Draws plain UDFs of bytes, keyed digests, packed integers, IPv4 addresses, runs and characters of strings, and relative dates.

`byte_functions()` draws the source of ``f(s, u, i, j, a)`` and the kind of its result; `byte_batches()` has rows for it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from tests.helpers.templates import Grammar

_NUMBER = (
    "i", "j", "0", "1", "len({s})", "len({b})", "sum({b})", "max({b})", "min({b})", "sum(x * 2 for x in {b})", "list({b})[0]",
    "{b}[0]", "{b}[-1]", "Counter({b})[97]", "len(set({b}))", "len(Counter({s}))", "struct.unpack({f}, {b})[0]",
    "sum(struct.unpack({f}, {b}))", "struct.unpack({f}, struct.pack({f}, {n}))[0]",
    "struct.unpack('>i', struct.pack('>I', {n}))[0]", "struct.unpack('<hB', {b}[:3])[1]", "int(ipaddress.ip_address({a}))",
    "int(ipaddress.IPv4Address({a})) % 256", "ipaddress.ip_address({a}).version", "int({h}, 16) % 100",
    "struct.unpack('!I', socket.inet_aton({a}))[0]", "({n} + {n})", "({n} * 2)", "abs({n})", "({n} if {c} else {n})",
    "int({h}[:8], 16)", "len([k for k, g in groupby({s})])", "max(len(list(g)) for _, g in groupby({s}))",
    "max([len(list(g)) for _, g in groupby({s})], default=0)", "len([k for k, g in groupby({s}) if k == 'a'])",
    "sum(len(list(g)) for k, g in groupby({s}) if k in 'ab')", "ord(max({s}))", "zlib.crc32({b})",
    "relativedelta({t}, {t}).years", "relativedelta({t}, {t}).months", "relativedelta({t}, {t}).days",
    "({t} + relativedelta({r}={n})).day", "({t} - relativedelta({r}={n})).toordinal()", "parse({s}, dayfirst={o}).day",
    "parse({s}).month", "len(sorted(set({s})))", "int.from_bytes({b}, 'big')", "relativedelta(months={n}).years",
    "len({s}.encode())", "{b}.count(b'a')", "{s}.count(max({s}))", "sum(map(ord, reversed({s})))", "{b}.find(97)",
)  # fmt: skip
_TEXT = (
    "s", "u", "s", "u", "''", "'é'", "({s} + {s})", "{s}[::-1]", "''.join(reversed({s}))", "''.join(sorted({s}))",
    "''.join(sorted({s}, reverse=True))", "'-'.join({s})", "max({s})", "min({s}, default='z')", "{b}.hex()", "{b}.decode()",
    "{h}", "{h}[:8]", "str(ipaddress.ip_address({a}))", "socket.inet_ntoa(struct.pack('!I', {n}))",
    "socket.inet_ntoa(socket.inet_aton({a}))", "''.join(k for k, g in groupby({s}))",
    "''.join(f'{name}{len(list(g))}' for name, g in groupby({s}))", "''.join(k + str(len(list(g))) for k, g in groupby({s}))",
    "max([''.join(g) for _, g in groupby({s})], key=len)", "','.join(''.join(g) for k, g in groupby({s}))",
    "Counter({s}).most_common(1)[0][0]", "({t} + relativedelta({r}={n})).isoformat()", "parse({s}, dayfirst={o}).isoformat()",
    "struct.pack({f}, {n}).hex()", "({s} if {c} else {s})", "{s}[{n}:{n}]", "{s}[{n}]", "{s} * ({n} % 4)", "{s}.upper()",
    "str({n})", "sorted(set({s}))[0]", "list(reversed({s}))[0]", "base64.b64encode({b}).decode()", "{s}.split('.')[-1]",
    "''.join(chr(x) for x in {b} if x < 128)", "''.join(dict.fromkeys({s}))", "next(reversed({s}))", "str(list({b}))",
)  # fmt: skip
_BYTES = ("s.encode()", "s.encode()", "u.encode('utf-8')", "{s}.encode()", "{b}[:{k}]", "{b}[1:{k}]", "b'ab' + {b}",
    "struct.pack({f}, {n})", "hashlib.md5({b}).digest()", "bytes({s}, 'utf-8')", "b'abcd'",
    "hmac.new({b}, {b}, hashlib.sha256).digest()", "{s}.encode('ascii', 'ignore')", "{b} + {b}", "bytes(reversed({b}))",
    "bytes(x ^ 1 for x in {b})", "{b}[::-1]", "bytes.fromhex({h})", "binascii.unhexlify({h})")  # fmt: skip
_DIGEST = ("hmac.new({b}, {b}, hashlib.sha256).hexdigest()", "hmac.new(KEY, {b}, 'md5').hexdigest()",
    "hmac.new({b}, msg={b}, digestmod='sha1').hexdigest()", "hmac.digest(KEY, {b}, 'sha512').hex()",
    "hashlib.sha1({b}).hexdigest()", "hmac.new(b'', {b}, hashlib.sha224).hexdigest()", "hashlib.new('sha256', {b}).hexdigest()",
    "hashlib.md5(u.encode()).hexdigest()")  # fmt: skip
_ADDRESS = ("u", "u", "s", "'10.0.0.1'", "{s}", "socket.inet_ntoa(struct.pack('!I', {n}))", "{s}.strip()")
_TIME = ("a", "a", "a.date()", "parse({s})", "parse(u, dayfirst=True)", "({t} + relativedelta(months={n}))",
    "datetime(2024, 2, 29)", "date(2023, 1, 31)", "({t} + timedelta(days={n}))", "{t}.replace(day=31)")  # fmt: skip
_TEST = (
    "({n} > {n})", "({s} == {s})", "({b} == {b})", "hmac.compare_digest({h}, {s})", "(ipaddress.ip_address({a}) in NET)",
    "ipaddress.ip_address({a}).is_private", "ipaddress.ip_address({a}).is_global", "ipaddress.ip_address({a}).is_loopback",
    "(ipaddress.ip_address({a}) < ipaddress.ip_address({a}))", "ipaddress.ip_address({a}).is_reserved",
    "ipaddress.ip_address({a}).is_multicast", "(({t}.month, {t}.day) in DAYS)", "(({s}, {n}) in PAIRS)", "({s} == {s}[::-1])",
    "(97 in {b})", "({t} > {t})", "bool({b})", "({s} < {s})", "(tuple({s}) in WORDS)", "(({n}, {n}) in GRID)",
    "({t} + relativedelta({r}={n}) > {t})", "(({n} > 1, {n}) in GRID)", "(({s}, None) in PAIRS)",
    "any(len(list(g)) > 2 for _, g in groupby({s}))", "all(x < 128 for x in {b})", "({s} in {s})", "({b}.startswith(b'a'))",
    "ipaddress.ip_address({a}).is_link_local",
)  # fmt: skip
_FORMS = {"n": _NUMBER, "s": _TEXT, "b": _BYTES, "h": _DIGEST, "a": _ADDRESS, "t": _TIME, "c": _TEST}
_LEAVES = {"n": ("i", "j"), "s": ("s", "u"), "b": ("s.encode()", "u.encode()"), "h": ("hashlib.md5(s.encode()).hexdigest()",
    ), "a": ("u",),
             "t": ("a", "a.date()"), "c": ("(i > 0)",)}  # fmt: skip
_CONSTANTS = {
    "f": ("'>I'", "'<I'", "'!H'", "'>q'", "'<b'", "'=i'", "'>2H'", "'<h'", "'<Q'", "'!BB'", "'>i'", "'<l'"),
    "k": ("1", "2", "4", "8", "0"), "o": ("True", "False"), "r": ("years", "months", "days", "weeks", "year", "month", "day"),
}  # fmt: skip
_GRAMMAR = Grammar(_FORMS, {**_LEAVES, **_CONSTANTS})
_HEAD = """import base64, binascii, hashlib, hmac, ipaddress, socket, struct, zlib
from collections import Counter
from datetime import date, datetime, timedelta
from itertools import groupby
from dateutil.parser import parse
from dateutil.relativedelta import relativedelta
KEY, NET = b'k\\xffy', ipaddress.ip_network({net!r})
DAYS, PAIRS = {{(1, 1), (2, 29), (12, 31)}}, {{('a', 1), ('', 0), ('é', -1), ('b', None)}}
WORDS, GRID = {{('a',), (), ('a', 'b')}}, {{(0, 0), (1, 1), (True, 2), (-1, 2.0), (0.5, 3), (2**53, 1)}}
def f(s, u, i, j, a):
"""


@st.composite
def byte_functions(draw: st.DrawFn) -> tuple[str, str]:
    """Returns the source of `f` and the kind of its result ("n", "s", "b", "t" or "c")."""
    gives = draw(st.sampled_from("nnnsssbtc"))
    made = _GRAMMAR.filled(draw, f"{{{gives}}}", draw(st.integers(1, 3)))
    body = f"    return {made}\n"
    if gives == "s" and draw(st.booleans()):
        body = f"    out = ''\n    for w in {made}:\n        if w not in out:\n            out += w\n    return out\n"
    if not draw(st.integers(0, 2)):
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        body = f"    try:\n{lines}    except {draw(st.sampled_from(_ERRORS))}:\n        return None\n"
    test = "    if s is None or u is None or i is None or j is None:\n        return None\n" if draw(st.integers(0, 4)) else ""
    net = draw(st.sampled_from(("10.0.0.0/8", "192.168.1.0/30", "0.0.0.0/0", "::/8")))
    return _HEAD.format(net=net) + test + body, gives


_ERRORS = ("ValueError", "Exception", "(struct.error, OverflowError)", "OSError", "(TypeError, AttributeError)", "IndexError")
_CHARACTERS = ["a", "b", "aa", "", "é", "B", "1", ".", "0", "e\u0301", "\ud7ff", "\ue000", "\U0001f600", "ß", " ", "\0", "-"]
_WORDS = ["10.0.0.1", "192.168.1.3", "127.0.0.1", "255.255.255.255", "0.0.0.0", "1.2.3", "01.2.3.4", "::1", "1.2.3.256",
    "224.0.0.1", "192.0.0.9", "100.64.0.1", "169.254.1.1", "31/12/2024", "12/11/2024", "2024-03-05", "5-6-2023",
    "31-12-2024 10:00:00", "2024-02-30", "13/13/2020", "2024-01-31T10:00:00", "1/2/03", "2024-12-31 23:59:59.5", "abcd", "",
    "10.0.0.1 ", "240.0.0.1", "198.18.0.1", "\u0661.2.3.4", "2023-13-01"]  # fmt: skip


def byte_batches() -> tuple[pa.RecordBatch, ...]:
    """Returns batches of strings, addresses and dates as strings, integers at limits of their widths, and times."""
    random = np.random.default_rng(17)

    def batch(rows: int, nulls: float, large: float) -> pa.RecordBatch:
        def column(values: list, type: pa.DataType) -> pa.Array:  # type: ignore[type-arg]
            return pa.array(values, type, mask=random.random(rows) < nulls)

        def numbers() -> list[int]:
            edges = [2**31, 2**31 - 1, -(2**31), 2**32, 2**32 - 1, 2**63 - 1, -(2**63), 255, 256, 32767, 65535, 65536, -128,
    -129, 2**53]
            return [edges[random.integers(len(edges))] if random.random() < large else int(random.integers(-3,
            9)) for _ in range(rows)]

        days = [random.integers(-800_000, 2_000_000) if random.random() < large else random.integers(19_000,
    20_500) for _ in range(rows)]
        return pa.RecordBatch.from_arrays([
            column(["".join(random.choice(_CHARACTERS, random.integers(7))) for _ in range(rows)], pa.string()),
            column([str(random.choice(_WORDS)) for _ in range(rows)], pa.string()),
            column(numbers(), pa.int64()), column(numbers(), pa.int64()),
            pa.array([max(-62_000_000_000, min(250_000_000_000, int(d) * 86_400 + 3_600)) * 10**6 for d in days],
            pa.timestamp("us")),
        ], ["s", "u", "i", "j", "a"])  # fmt: skip

    return batch(60, 0.1, 0.3), batch(60, 0.0, 0.1), batch(1, 0.0, 0.0)
