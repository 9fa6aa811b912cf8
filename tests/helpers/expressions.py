"""Draws random bodies of pandas UDFs, as source text, over the calls that SparkWeld traces.

`functions()` is a Hypothesis strategy of (source, column types). A source is ``lambda a, b: ...``, uses `np` and `pd`, and
returns a Series. Most trace; a few are refused because their dtypes would depend on the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

NUMBERS = ("f64", "f32", "i8", "i16", "i32", "i64")
NAMES = "abcd"

_ARITHMETIC = ("+", "-", "*", "/", "//", "%")
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_CONSTANTS = ("0", "1", "2", "-3", "7", "0.5", "-1.5", "100", "np.float64(0.25)", "np.int64(3)")
_UNARY = (
    "abs({x})", "-{x}", "{x}.abs()", "{x}.round(1)", "np.sign({x})", "np.floor({x})", "np.ceil({x})", "np.rint({x})",
    "np.square({x})", "np.sqrt({x}.astype('float64'))", "np.exp({x}.astype('float64'))", "np.log1p({x}.astype('float64').abs())",
    "np.tanh({x}.astype('float64'))", "{x} ** 2", "{x}.fillna(0)", "{x}.astype('float64')", "{x}.astype('float32')",
    "{x}.clip(-2, 5)", "{x}.clip(lower=0)", "pd.Series(np.nan_to_num({x}))", "np.negative({x})", "{x}.copy()", "{x}.add(1)",
    "{x}.map({{0: 1.5, 1: -2.5, 7: 0.0}})", "pd.Series({x}.values * 2, index={x}.index)", "{x}.rename('r')",
    "pd.Series(np.column_stack([{x}, {x} * 2])[:, 1])", "pd.Series(np.digitize({x}, [-1, 0, 2.5]))",
    "pd.Series(np.polyval([2, -1, 0.5], {x}))", "np.fmod({x}, 3)", "np.trunc({x})", "{x}.pipe(np.abs)",
)  # fmt: skip
_BINARY = (
    "np.maximum({x}, {y})", "np.minimum({x}, {y})", "pd.Series(np.where({c}, {x}, {y}))", "pd.Series(np.where({c}, {x}, {k}))",
    "{x}.astype('float64').where({c}, {y}.astype('float64'))", "{x}.astype('float64').mask({c}, {k})", "{x}.where({c}, 1)",
    "pd.Series(np.select([{c}, {d}], [{x}, {y}], {k}))", "{x}.astype('float64').fillna({y}.astype('float64'))",
    "np.fmax({x}, {y})", "{x}.mul({y})", "{x}.sub({y}, fill_value=1)", "{x}.div({y})", "{x}.floordiv({y})", "{x}.rsub({k})",
    "np.hypot({x}.astype('float64'), {y}.astype('float64'))", "sum([{x}, {y}])", "np.copysign({x}.astype('float64'), {y})",
    "pd.Series(np.column_stack([{x}.astype('float64'), {y}.astype('float64')]).sum(axis=1))",
    "pd.DataFrame({{'p': {x}, 'q': {y}}}).assign(r=lambda t: t.p * 2).r",
)  # fmt: skip
_CONDITIONS = (
    "{x}.isna()", "{x}.notna()", "{x}.between(-1, 3)", "{x}.isin([0, 1, 7])", "{x}.isin([0.5, np.nan])", "np.isfinite({x})",
    "~{c}", "({c} & {d})", "({c} | {d})", "({c} ^ {d})", "np.logical_and({c}, {d})", "np.signbit({x}.astype('float64'))",
    "{x}.gt({y})", "{x}.ne({k})", "{x}.astype(bool)", "pd.Series(np.isclose({x}, {y}))", "({c} == {d})",
)  # fmt: skip


@dataclass(frozen=True)
class Function:
    """The source of a function and the types of its columns (`ir.types` names)."""

    source: str
    types: tuple[str, ...]


def _fill(draw: st.DrawFn, template: str, columns: str, depth: int) -> str:
    parts = {}
    for key in "xy":
        if "{" + key + "}" in template:
            parts[key] = draw(numbers(columns, depth - 1))
    for key in "cd":
        if "{" + key + "}" in template:
            parts[key] = draw(conditions(columns, depth - 1))
    if "{k}" in template:
        parts["k"] = draw(st.sampled_from(_CONSTANTS))
    return template.format(**parts)


@st.composite
def numbers(draw: st.DrawFn, columns: str, depth: int) -> str:
    """Draws an expression whose value is a numeric Series."""
    if depth <= 0:
        return draw(st.sampled_from(columns))
    kind = draw(st.sampled_from(("operator", "constant", "unary", "unary", "binary")))
    if kind == "operator":
        op = draw(st.sampled_from(_ARITHMETIC))
        return f"({draw(numbers(columns, depth - 1))} {op} {draw(numbers(columns, depth - 1))})"
    if kind == "constant":
        x, k, op = draw(numbers(columns, depth - 1)), draw(st.sampled_from(_CONSTANTS)), draw(st.sampled_from(_ARITHMETIC))
        return f"({x} {op} {k})" if draw(st.booleans()) else f"({k} {op} {x})"
    return "(" + _fill(draw, draw(st.sampled_from(_UNARY if kind == "unary" else _BINARY)), columns, depth) + ")"


@st.composite
def conditions(draw: st.DrawFn, columns: str, depth: int) -> str:
    """Draws an expression whose value is a bool Series."""
    if depth <= 0 or draw(st.booleans()):
        right = draw(st.one_of(st.sampled_from(_CONSTANTS), numbers(columns, depth - 1)))
        return f"({draw(numbers(columns, depth - 1))} {draw(st.sampled_from(_COMPARISONS))} {right})"
    return "(" + _fill(draw, draw(st.sampled_from(_CONDITIONS)), columns, depth) + ")"


@st.composite
def functions(draw: st.DrawFn, types: tuple[str, ...] = NUMBERS, depth: int = 3) -> Function:
    """Draws a function of one to three columns."""
    drawn = tuple(draw(st.lists(st.sampled_from(types), min_size=1, max_size=3)))
    columns = NAMES[: len(drawn)]
    body = draw(st.one_of(numbers(columns, depth), numbers(columns, depth), conditions(columns, depth)))
    return Function(f"lambda {', '.join(columns)}: {body}", drawn)
