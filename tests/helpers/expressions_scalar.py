"""Random scalar Python functions with branches: source of a `def f(x, y)` over numbers, for `apply`, `vectorize` and `udf`."""

from __future__ import annotations

from hypothesis import strategies as st

_INTS = ("0", "1", "2", "-1", "3", "10", "100")
_FLOATS = ("0.5", "-1.5", "2.0", "0.0", "1e3")
_CALLS = ("abs({x})", "min({x}, {y})", "max({x}, {k})", "float({x})", "round({x})", "-{x}", "int({x})", "math.floor({x})",
          "math.sqrt(abs({x}))", "bool({x})", "divmod({x}, 7)[1]", "pow({x}, 2)")  # fmt: skip
_OPS = ("+", "-", "*", "/", "//", "%")
_COMPARE = ("<", "<=", ">", ">=", "==", "!=")


@st.composite
def _value(draw: st.DrawFn, names: str, depth: int) -> str:
    if depth <= 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from((*names, *names, *_INTS, *_FLOATS)))
    kind = draw(st.integers(0, 3))
    if kind == 0:
        x, y, k = draw(_value(names, depth - 1)), draw(_value(names, depth - 1)), draw(st.sampled_from(_INTS))
        return draw(st.sampled_from(_CALLS)).format(x=x, y=y, k=k)
    if kind == 1 and depth > 1:
        then, test, other = draw(_value(names, depth - 1)), draw(_test(names, depth - 1)), draw(_value(names, depth - 1))
        return f"({then} if {test} else {other})"
    return f"({draw(_value(names, depth - 1))} {draw(st.sampled_from(_OPS))} {draw(_value(names, depth - 1))})"


@st.composite
def _test(draw: st.DrawFn, names: str, depth: int) -> str:
    kind = draw(st.integers(0, 7))
    if kind == 0 and depth > 0:
        return f"({draw(_test(names, depth - 1))} {draw(st.sampled_from(('and', 'or')))} {draw(_test(names, depth - 1))})"
    if kind == 1 and depth > 0:
        return f"not {draw(_test(names, depth - 1))}"
    if kind == 2:
        low, high = draw(st.sampled_from(_INTS)), draw(st.sampled_from(_INTS))
        return f"({low} <= {draw(st.sampled_from(names))} < {high})"
    return f"({draw(_value(names, depth - 1))} {draw(st.sampled_from(_COMPARE))} {draw(_value(names, depth - 1))})"


@st.composite
def scalar_functions(draw: st.DrawFn, names: str = "xy", none: bool = False) -> str:
    """Source of ``def f(x, y)``. `none`: it may be handed None, and tests for it first; it may give None too."""
    lines = [f"def f({', '.join(names)}):"]
    if none:
        lines.append(f"    if {' or '.join(f'{n} is None' for n in names)}:")
        lines.append(f"        return {draw(st.sampled_from(('None', '0', '-1')))}")
    if draw(st.booleans()):
        lines.append(f"    z = {draw(_value(names, 2))}")
        names += "z"
    for _ in range(draw(st.integers(0, 3))):
        lines += [f"    if {draw(_test(names, 2))}:", f"        return {draw(_value(names, 2))}"]
    if draw(st.integers(0, 3)) == 0:
        lines += ["    total = 0", f"    for i in range({draw(st.integers(1, 3))}):"]
        lines.append(f"        total += {draw(_value(names + 'i', 1))}")
        lines.append("    return total")
    elif draw(st.integers(0, 3)) == 0:
        lines += ["    try:", f"        return {draw(_value(names, 2))} / {draw(st.sampled_from(names))}"]
        lines += ["    except ZeroDivisionError:", f"        return {draw(st.sampled_from(_FLOATS))}"]
    else:
        lines.append(f"    return {draw(_value(names, 2))}")
    return "\n".join(lines)
