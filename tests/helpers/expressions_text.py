"""Draws random bodies of pandas UDFs over the string columns `s`, `t` and the long column `n`, in the form of `expressions`."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.helpers.expressions import Function

_TEXTS = ("'a'", "' '", "'ab'", "'é'", "'-'", "''", "'0'", "'B'", "'aa'", "'ß'")
_PATTERNS = (
    "'[0-9]+'", "'^a'", "'b$'", "'a|b'", "'[a-z]{2}'", "r'\\\\d'", "r'\\\\s+'", "'a.b'", "'(?i)ab'", "'x*'", "'[^a-z ]'",
    "r'\\\\w+'",
    "'^[0-9]{5}$'", "'(ab)+'", "'a?b'", "''",
)  # fmt: skip
_NUMBERS = ("0", "1", "2", "3", "5", "-1", "-2", "20")
_TO_TEXT = (
    "{s}.str.lower()", "{s}.str.upper()", "{s}.str.title()", "{s}.str.capitalize()", "{s}.str.swapcase()", "{s}.str.strip()",
    "{s}.str.lstrip()", "{s}.str.rstrip({k})", "{s}.str.strip({k})", "{s}.str.slice({i}, {j})",
    "{s}.str[{i}:]", "{s}.str[:{i}]",
    "{s}.str[{i}]", "{s}.str.get({i})", "{s}.str.replace({k}, {l}, regex=False)", "{s}.str.replace({k}, '', n=1, regex=False)",
    "{s}.str.replace({p}, {l}, regex=True)", "({s} + {k})", "({k} + {s})", "({s} + {t})", "{s}.str.zfill({w})",
    "{s}.str.pad({w}, fillchar='x')", "{s}.str.ljust({w})", "{s}.str.rjust({w}, '0')", "{s}.str.center({w}, '*')",
    "{s}.str.repeat(2)", "{s}.str.split({q}).str[{i}]", "{s}.str.split().str[{i}]", "{s}.str.split({q}, n=1).str.get({i})",
    "{s}.str.rsplit({q}, n=1).str[{i}]", "{s}.str.partition({q})[0]", "{s}.str.rpartition({q})[2]", "{s}.fillna({k})",
    "{s}.where({c})", "{s}.where({c}, {k})", "{s}.mask({c}, {t})", "pd.Series(np.where({c}, {s}, {t}))",
    "pd.Series(np.where({c}, {s}, {k}))", "{s}.map({{'a': 'x', 'ab': 'y', '': 'z'}})", "{s}.replace('a', 'z')",
    "{s}.str.removeprefix({k})", "{s}.str.removesuffix({k})", "{s}.str.extract('([a-z]+)', expand=False)",
    "{s}.str.extract('([0-9]+)')[0]", "{s}.str.cat({t})", "{s}.str.cat({t}, sep='-', na_rep='?')", "{n}.astype(str)",
    "{s}.astype(str)", "{s}.copy()", "{s}.rename('x')",
)  # fmt: skip
_TO_NUMBER = (
    "{s}.str.len()", "{s}.str.count({k})", "{s}.str.count({p})", "{s}.str.find({k})", "{s}.str.rfind({k})",
    "{s}.str.find({k}, 1)", "pd.to_numeric({s}, errors='coerce')", "{s}.str.len().fillna(0)",
    "{s}.map({{'a': 1, 'ab': 2, '': 0}})",
    "({n} + {s}.str.len())",
    "{s}.str.split({q}).str.len()", "{s}.str.len() * 2 + 1", "{s}.notna().astype('int64')", "{c}.astype('int64')",
)  # fmt: skip
_TO_BOOL = (
    "{s}.str.contains({k}, regex=False)", "{s}.str.contains({p})", "{s}.str.contains({k}, case=False)",
    "{s}.str.contains({k}, na=False, regex=False)", "{s}.str.startswith({k})", "{s}.str.endswith({k}, na=False)",
    "{s}.str.startswith(({k}, {l}))", "{s}.str.match({p})", "{s}.str.fullmatch({p})", "{s}.str.match({p}, na=False)",
    "({s} == {k})",
    "({s} != {t})", "({s} < {k})", "({s} == {t})", "{s}.isin(['a', 'ab', ''])", "{s}.isna()",
    "{s}.notna()", "{s}.str.isdigit()",
    "{s}.str.isalpha()", "{s}.str.isspace()", "{s}.str.islower()", "{s}.str.isupper()", "{s}.str.isalnum()",
    "{s}.str.isnumeric()",
    "({s}.str.len() > {i})", "({n} > {i})", "({c} & {d})", "({c} | {d})", "~{c}", "{s}.str.isdecimal()", "{s}.str.istitle()",
)  # fmt: skip


@st.composite
def _filled(draw: st.DrawFn, templates: tuple[str, ...], depth: int) -> str:
    template = draw(st.sampled_from(templates))
    parts = {"n": "n", "w": draw(st.sampled_from(("0", "3", "8"))), "q": draw(st.sampled_from(("' '", "'-'", "'ab'")))}
    for key, values in (("k", _TEXTS), ("l", _TEXTS), ("p", _PATTERNS), ("i", _NUMBERS), ("j", _NUMBERS)):
        if "{" + key + "}" in template:
            parts[key] = draw(st.sampled_from(values)).replace("\\\\", "\\")
    for key in "st":
        if "{" + key + "}" in template:
            parts[key] = draw(texts(depth - 1))
    for key in "cd":
        if "{" + key + "}" in template:
            parts[key] = draw(_filled(_TO_BOOL, depth - 1)) if depth > 0 else "(n > 0)"
    return template.format(**parts)


@st.composite
def texts(draw: st.DrawFn, depth: int) -> str:
    """Draws an expression whose value is a string Series."""
    if depth <= 0:
        return draw(st.sampled_from("sst"))
    return draw(_filled(_TO_TEXT, depth))


@st.composite
def text_functions(draw: st.DrawFn, depth: int = 2) -> Function:
    """Draws a function of (s, t, n) with a string, number or bool result."""
    templates = draw(st.sampled_from((_TO_TEXT, _TO_TEXT, _TO_NUMBER, _TO_BOOL)))
    return Function(f"lambda s, t, n: {draw(_filled(templates, depth))}", ("str", "str", "i64"))
