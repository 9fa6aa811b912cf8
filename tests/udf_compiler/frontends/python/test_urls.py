"""Checks urllib.parse and html in scalar functions: the parts of URLs, queries and escapes equal Python's."""

from __future__ import annotations

import html
import urllib.parse
from urllib.parse import parse_qs, quote, unquote, urlparse

import numpy as np
import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import check

NAMES = {"html": html, "parse_qs": parse_qs, "quote": quote, "unquote": unquote, "urllib": urllib, "urlparse": urlparse}

PIECES = [
    "http", "https://", "HTTPS://", "a", "b", "://", "//", "www.Shop.org", ":80", ":99999", ":x", "/p", "?", "&", "=", "#", "k",
    "k=", "k=v", "&k=%6b", "&%6B=x", "%41", "%4", "%C3%A9", "%C3", "+", " ", "é", "@", "user:pw@", ".", "ftp:", "?k=1&j=2",
]  # fmt: skip


def _urls(count: int, more: tuple[str, ...] = ()) -> list[tuple[str]]:
    random = np.random.default_rng(11)
    pieces = [*PIECES, *more]
    made = ["".join(pieces[i] for i in random.integers(0, len(pieces), random.integers(0, 9))) for _ in range(count)]
    whole = ["https://user:secret@www.Shop.org:8080/a/b%20c?k=v&utm_source=News+x&k=2#top", "", "/a?k", "http://h", "mailto:a@b"]
    return [(url,) for url in (*whole, *made)]


PARTS = [
    "urlparse(a).netloc", "urlparse(a).scheme", "urllib.parse.urlsplit(a).path", "urlparse(a).query", "urlparse(a).fragment",
    "urllib.parse.urlsplit(a)[1]", "urlparse(a).hostname", "urlparse(a).username", "urlparse(a).password", "urlparse(a).path",
    "urlparse(a).params + '!'", "urlparse(a)[-1]", "'/'.join(urlparse(a).path.split('/')[:2])", "urlparse(a).netloc or None",
    "isinstance(urlparse(a), tuple)", "list(urllib.parse.urlsplit(a))[2]",
]  # fmt: skip


@pytest.mark.parametrize("source", PARTS)
def test_parts(source):
    """URLs that begin with digits, a dot or a space run in Python, as do hosts that are not ASCII."""
    check(f"lambda a: {source}", ("str",), rows=_urls(400), needless=120, **NAMES)
    check(f"lambda a: {source}", ("str",), rows=[(f"x{url}",) for (url,) in _urls(400)], needless=25, **NAMES)


def test_urls_on_which_versions_of_python_differ_run_in_python():
    rows = [(x,) for x in ("\thttp://a", "http://a\nb", " http://a", "http://[::1]/", "http://é.org", "127.0.0.1:80/a")]
    check("lambda a: urlparse(a).netloc", ("str",), rows=rows, needless=6, **NAMES)


def test_ports():
    rows = _urls(300)
    check("lambda a: urlparse(a).port", ("str",), rows=rows, needless=90, **NAMES)
    source = "def f(a):\n    try:\n        return urlparse('h' + a).port\n    except ValueError:\n        return -1"
    check(source, ("str",), rows=rows, needless=20, **NAMES)


QUERIES = [
    "parse_qs(urlparse('h' + a).query).get('k', [None])[0]", "parse_qs(a).get('k', [''])[0].lower()", "'k' in parse_qs(a)",
    "len(parse_qs(a).get('k', []))", "parse_qs(a, keep_blank_values=True).get('k', ['none'])[-1]", "parse_qs(a)['k'][0]",
    "','.join(parse_qs(a).get('k', ['-']))", "parse_qs(a).get(a[:1])", "(parse_qs(a).get('utm_source') or ['x'])[0]",
]  # fmt: skip


@pytest.mark.parametrize("source", QUERIES)
def test_queries(source):
    """Escapes that are not UTF-8 run in Python."""
    check(f"lambda a: {source}", ("str",), rows=_urls(400), needless=60, **NAMES)


CAUGHT = """
def f(url, name):
    try:
        values = parse_qs(urlparse(url).query).get(name)
        return values[0].lower() if values else None
    except Exception:
        return None
"""


def test_a_parameter_that_another_column_names():
    rows = [(url, name) for (url,) in _urls(150) for name in ("k", "utm_source", "")]
    check(CAUGHT, ("str", "str"), rows=rows, needless=150, **NAMES)


ESCAPES = [
    "quote(a)", "quote(a, safe='')", "urllib.parse.quote_plus(a)", "unquote(a)", "urllib.parse.unquote_plus(a)",
    "html.escape(a)", "html.escape(a, quote=False)", "quote(a.lower(), ' /&')", "unquote(unquote(a))", "quote('a b') + a",
]  # fmt: skip


@pytest.mark.parametrize("source", ESCAPES)
def test_escapes(source):
    check(f"lambda a: {source}", ("str",), rows=_urls(400, ("<b>", "'", '"', "😀", "%f0%9f%98%80")), needless=60, **NAMES)


def test_entities_run_in_python():
    check("lambda a: html.unescape(a).strip()", ("str",), rows=[("a b",), ("a &amp; b",), ("&#39;",)], needless=2, **NAMES)


def test_a_number_is_refused():
    """Python returns the parts of an empty URL for 0, and raises an error for other numbers."""
    with pytest.raises(Refusal):
        check("lambda a: urlparse(a).netloc", ("i32",), **NAMES)


REFUSED = [
    "urlparse(a).geturl()", "dict(parse_qs(a))", "str(urlparse(a))", "unquote(a, 'latin-1')",
    "urllib.parse.urljoin('http://h', a)", "parse_qs(a, max_num_fields=a)", "len(parse_qs(a))", "parse_qs(a).keys()",
    "urlparse(a)._replace(query='')", "urlparse(a) == a", "unquote(a, errors='strict')", "quote(a, a)",
]  # fmt: skip


@pytest.mark.parametrize("source", REFUSED)
def test_refused(source):
    with pytest.raises(Refusal):
        check(f"lambda a: {source}", ("str",), **NAMES)
