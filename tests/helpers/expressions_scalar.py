"""Draws random scalar Python functions with branches: a `def f(x, y)` over numbers for `apply`, `vectorize` and `udf`."""

from __future__ import annotations

from hypothesis import strategies as st

_INTS = ("0", "1", "2", "-1", "3", "10", "100")
_FLOATS = ("0.5", "-1.5", "2.0", "0.0", "1e3")
_CALLS = ("abs({x})", "min({x}, {y})", "max({x}, {k})", "float({x})", "round({x})", "-{x}", "int({x})", "math.floor({x})",
          "math.sqrt(abs({x}))", "math.erf({x})", "bool({x})", "divmod({x}, 7)[1]", "pow({x}, 2)")  # fmt: skip
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
    """Draws the source of ``def f(x, y)``. `none`: it may receive None, which it tests first, and may return None."""
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


#: What loops range over, outside of other loops and in them. Three nested loops of the former take twenty seconds to trace.
_LONG = ("int(x) % 7", "3", "12", "int(y) % 5, 9", "9, int(y) % 11, -2", "int(z) % 20")
_SHORT = ("int(x) % 4", "2", "3", "int(y) % 2, 3", "4, int(y) % 5, -2", "int(z) % 5")


@st.composite
def _block(draw: st.DrawFn, names: str, depth: int, inside: bool) -> list[str]:
    """Draws statements that change z and t. `inside`: they are in a loop, which they may break or continue."""
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.integers(0, 9)) if depth > 0 else draw(st.integers(0, 2))
        if kind <= 2:
            target, sign = draw(st.sampled_from(("z", "t", "t"))), draw(st.sampled_from(("=", "+=", "+=", "-=", "*=")))
            lines.append(f"{target} {sign} {draw(_value(names, 2))}")
        elif kind <= 5:
            lines += [f"if {draw(_test(names, 1))}:", *_inner(draw(_block(names, depth - 1, inside)))]
            if draw(st.booleans()):
                lines += [f"elif {draw(_test(names, 1))}:", *_inner(draw(_block(names, depth - 1, inside)))]
            if draw(st.booleans()):
                lines += ["else:", *_inner(draw(_block(names, depth - 1, inside)))]
        elif kind == 6:
            bound = draw(st.sampled_from(_SHORT if inside else _LONG))
            lines += [f"for i in range({bound}):", *_inner(draw(_block(names + "i", depth - 1, True)))]
        elif kind == 7:
            lines += [f"while {draw(_test(names, 1))} and k < 20:", "    k += 1"]
            lines += _inner(draw(_block(names + "k", depth - 1, True)))
        elif kind == 8:
            caught = draw(st.sampled_from(("ZeroDivisionError", "ValueError", "OverflowError", "ArithmeticError")))
            lines += ["try:", *_inner(draw(_block(names, depth - 1, inside)))]
            lines += [f"except {caught}:", f"    t = {draw(st.sampled_from((*_INTS, *_FLOATS)))}"]
        elif inside:
            lines += [f"if {draw(_test(names, 1))}:", f"    {draw(st.sampled_from(('break', 'continue')))}"]
        else:
            lines += [f"if {draw(_test(names, 1))}:", f"    return {draw(st.sampled_from(('t', 'z', '1', '0.5', 'x')))}"]
    return lines


def _inner(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


@st.composite
def looping_functions(draw: st.DrawFn, none: bool = False) -> str:
    """Draws the source of ``def f(x, y)`` with loops, many branches and handlers. `none`: see `scalar_functions`."""
    lines = ["if x is None or y is None:", "    return None"] if none else []
    lines += [f"z, t, k = {draw(st.sampled_from(('x', '0', '1.5')))}, {draw(st.sampled_from(('0', '0', '0.0', 'None')))}, 0"]
    if "None" in lines[-1]:
        lines += [f"if {draw(_test('xy', 1))}:", "    t = 1", "else:", "    t = 0"]
    lines += draw(_block("xyzt", 3, False))
    lines.append(f"return {draw(st.sampled_from(('t', 't', 'z', 't + z', 't + k')))}")
    return "\n".join(["def f(x, y):", *_inner(lines)])
