"""Generates Python functions in everyday style: builtins, comprehensions, f-strings, closures, helpers, loops.

`python_functions()` draws the source of a plain function of a row's numbers and strings. `series_functions()` draws a pandas
UDF with statements, helpers and closures around the expressions of tests.helpers.expressions.
"""

from __future__ import annotations

from hypothesis import strategies as st

from tests.helpers.expressions import NAMES, NUMBERS, Function, conditions, numbers

_INTS = ("0", "1", "2", "-1", "3", "7", "10", "100")
_FLOATS = ("0.5", "-1.5", "2.0", "0.1", "0.3", "1e16", "1e3")
_TEXTS = ("'a'", "'b'", "'ab'", "''", "'0'", "' '", "'é'")
_NUMBER = (
    "({n} + {n})", "({n} - {n})", "({n} * {n})", "({n} / {n})", "({n} // {n})", "({n} % {n})", "-{n}", "({n} + {n} - {n})",
    "sum([{n}, {n}, {n}])", "sum(({n}, {n}, {n})) / 3", "sum([{n}, {n}], {n})", "sum([{n}, {n}, {n}, {n}])", "max({n}, 0, {n})",
    "min({n}, {n}, 1.5)", "max([{n}, {n}, {n}])", "min(({n}, {n}))", "sorted([{n}, {n}, {n}])[1]",
    "sorted(({n}, {n}), reverse=True)[0]",
    "round({n}, 2)", "round({n})", "round({n}, -1)", "abs({n})", "int({n})", "float({n})", "divmod({n}, 7)[0]",
    "divmod({n}, 2.5)[1]",
    "pow({n}, 2)", "{n} ** 2", "math.floor({n})", "math.ceil({n})", "math.trunc({n})", "math.sqrt(abs({n}))",
    "math.fsum([{n}, {n}, {n}])", "math.hypot({n}, {n})", "math.copysign({n}, {n})", "math.fmod({n}, 3)",
    "math.prod([{n}, {n}, 2])",
    "np.sign({n})", "np.floor({n})", "float(np.maximum({n}, {n}))", "np.abs({n})", "len({s})", "{s}.count('a')", "{s}.find('b')",
    "(ord({s}[0]) if {s} else 0)", "({n} if {c} else {n})", "[{n}, {n}, {n}][{i} % 3]", "({n}, {n})[{c}]",
    "{{0: {n}, 1: {n}}}.get({i} % 3, {n})", "{{'a': 1, 'bb': 2.5}}.get({s}, 0)", "sum(v * {n} for v in (1, 2, 3))",
    "sum([v for v in [{n}, {n}, {n}] if v > 0])", "max([v + w for v in (1, 2) for w in ({n}, {n})])",
    "len([c for c in {s} if c in 'ab'])",
    "len({{({n}), {n}, 1}})", "len(set({s}))", "helper({n}, {n})", "(lambda v: v * 2 - {n})({n})",
    "sum({n} > v for v in (0, 1, 2))", "sum([w * v for v, w in zip((1, 2), ({n}, {n}))])",
    "sum([k * v for k, v in enumerate([{n}, {n}])])",
    "sum(v for row in [[{n}, 1], [{n}]] for v in row)", "scale({n})", "int({c})", "(({n} > {n}) - ({n} < {n}))",
    "len(f'{{({i})}}')",
    "max(({n}, {n}), key=abs)", "min([{n}, {n}], default=0)", "sum(map(abs, [{n}, {n}]))", "WEIGHTS[{i} % 3] * {n}",
    "TABLE.get({s}, -1)",
    "({i} & 3)", "({i} | 8)", "({i} ^ {i})", "~{i}", "({i} << 2)", "({i} >> 1)", "({i} % 10)", "int(str({i})[-1])",
    "math.isclose({n}, {n})", "({n} or {n})", "({n} and {n})", "float(f'{{({i})}}')", "math.dist(({n}, 0), (1, {n}))",
)  # fmt: skip
_INTEGER = ("({i} + {i})", "({i} * 2)", "({i} % 5)", "len({s})", "abs({i})", "({i} // 3)", "({i} - 1)", "max({i}, 0)",
"sum([{i}, {i}])")
_TEXT = (
    "({s} + {s})", "{s}.upper()", "{s}.lower()", "{s}.strip('a')", "{s}.replace('a', 'bb')", "{s}.replace('a', '', 1)",
    "{s}[1:3]",
    "{s}[::-1]", "{s}[-2:]", "{s}[:{k}]", "{s}[{k}:]", "{s}[::2]", "f'{{({s})}}-{{({i})}}'", "f'{{({n}):.2f}}'",
    "f'{{({i}):05d}}'", "f'{{({s}):>6}}'",
    "f'{{({i}):,}}'", "f'{{({n}):.1e}}'", "str({n})", "str({i})", "'-'.join([{s}, {s}])", "{s}.split('a')[0]", "{s}.split()[-1:]",
    "({s} * 2)",
    "{s}.ljust(5, '.')", "{s}.zfill(4)", "{s}.center(7, '*')", "('%d' % {i})", "('%s:%.1f' % ({s}, {n}))",
    "'{{}}/{{}}'.format({s}, {i})",
    "({s} if {c} else {s})", "{{1: 'one', 2: 'two'}}.get({i} % 4, {s})", "''.join(sorted({s}))",
    "''.join([c.upper() for c in {s} if c != 'a'])",
    "max({s}, {s})", "{s}.partition('b')[2]", "({s} or 'empty')", "{s}.title()", "{s}.removeprefix('a')", "chr(97 + {i} % 26)",
    "''.join(c for c in {s} if c.isalpha())", "str({c})", "repr({i})", "'/'.join(str(v) for v in ({i}, {i}))",
    "{s}.join(['x', 'y'])",
    "re.sub('[ab]', '_', {s})", "{s}.capitalize()", "str(round({n}, 1))", "hex({i})", "{s}.translate({{97: 'z'}})",
    "shown({n}, {s})",
)  # fmt: skip
_TEST = (
    "({n} > {n})", "({n} <= {n})", "({n} == {n})", "(0 < {n} <= {n})", "({n} < {n} < {n})", "({s} in ('a', 'b'))", "('a' in {s})",
    "{s}.startswith(('a', 'b'))", "({c} and {c})", "({c} or {c})", "(not {c})", "any([{c}, {c}])",
    "all(v > 0 for v in ({n}, {n}))",
    "({i} in {{1, 2, 3}})", "({s} < {s})", "({s} == {s})", "isinstance({n}, float)", "math.isnan({n})",

    "bool({n})", "({i} % 2 == 0)", "{s}.isdigit()", "bool({s})", "({n} != {n} != 0)", "any(c == 'a' for c in {s})",
    "({i} in range(0, 9, 2))",
    "(type({n}) is int)", "({i} not in (1, 2))", "bool(re.match('a+', {s}))", "({s} in TABLE)", "(0.1 + 0.2 == {n})",
    "math.isfinite({n})",
)  # fmt: skip
_TEMPLATES = {"n": _NUMBER, "i": _INTEGER, "s": _TEXT, "c": _TEST}
_HELPERS = """WEIGHTS = (0.5, 2, -1.25)
TABLE = {'a': 1, 'ab': 2, '': 0}
def twice(v):
    return v + v
def helper(v, w=1):
    if v is None:
        return 0
    return twice(v) - w if v > w else w * 3
def shown(v, text, *, mark='!'):
    return f'{text}{v}{mark}'
def scaler(by):
    def scale(v):
        return v * by
    return scale
scale = scaler(2.5)
"""
_CAUGHT = ("ZeroDivisionError", "ValueError", "(ValueError, IndexError)", "ArithmeticError", "Exception", "IndexError",
"OverflowError")


class _Writer:
    """Draws expressions of a kind: number n, integer i, string s, condition c. `names`: the variables of each kind."""

    def __init__(self, draw: st.DrawFn, names: dict[str, list[str]]) -> None:
        self.draw, self.names = draw, names

    def expression(self, kind: str, depth: int) -> str:
        if kind != "c" and (depth <= 0 or self.draw(st.integers(0, 3)) == 0):
            return self.draw(st.sampled_from(self._leaves(kind)))
        if kind == "c" and depth <= 0:
            return f"({self.expression('n', 0)} > {self.draw(st.sampled_from(_INTS))})"
        text, at = self.draw(st.sampled_from(_TEMPLATES[kind])), 0
        made = ""
        while at < len(text):  # the braces of sets and formats are doubled
            if text[at : at + 2] in ("{{", "}}"):
                made, at = made + text[at], at + 2
            elif text[at] == "{":
                key = text[at + 1]
                made += self.draw(st.sampled_from(("0", "1", "2", "-1"))) if key == "k" else self.expression(key, depth - 1)
                at += 3
            else:
                made, at = made + text[at], at + 1
        return made

    def _leaves(self, kind: str) -> list[str]:
        constants = {"n": _INTS + _FLOATS, "i": _INTS, "s": _TEXTS}[kind]
        names = self.names[kind] or {"n": ["1.5"], "i": ["4"], "s": ["'ab'"]}[kind]
        return [*names * 4, *constants]

    def block(self, depth: int, result: str, inside: bool = False) -> list[str]:
        """Draws statements that change z, w and text. `inside`: they are in a loop."""
        lines: list[str] = []
        for _ in range(self.draw(st.integers(1, 2))):
            lines += self._statement(self.draw(st.integers(0, 9)) if depth > 0 else 0, depth - 1, result, inside)
        return lines

    def _statement(self, kind: int, depth: int, result: str, inside: bool) -> list[str]:
        if kind <= 2:
            if self.draw(st.integers(0, 3)) == 0:
                return [f"text = {self.expression('s', 2)}"]
            target, sign = self.draw(st.sampled_from("zzw")), self.draw(st.sampled_from(("=", "=", "+=", "-=")))
            return [f"{target} {sign} {self.expression('n', 2)}"]
        if kind <= 4:
            test = self.draw(st.sampled_from(("{c}", "{c}", "(m := {n}) > 1 and m < {n}", "(m := {n}) == z")))
            lines = [f"if {test.format(c=self.expression('c', 2), n=self.expression('n', 1))}:"]
            lines += _inner(self.block(depth, result, inside))
            return lines + (["else:", *_inner(self.block(depth, result, inside))] if self.draw(st.booleans()) else [])
        if kind == 5:
            over = self.draw(st.sampled_from(("range(3)", "(1, 2.5, -1)", "[i, 2]", "range(i % 4)")))
            return [f"for v in {over}:", *_inner([f"z += v * {self.expression('n', 1)}", *self.block(depth, result, True)])]
        if kind == 6:
            return [f"while {self.expression('c', 1)} and k < 6:", *_inner(["k += 1", *self.block(depth, result, True)])]
        if kind == 7:
            lines = ["try:", *_inner(self.block(depth, result, inside)), f"except {self.draw(st.sampled_from(_CAUGHT))}:"]
            return [*lines, f"    z = {self.draw(st.sampled_from(_INTS + _FLOATS))}"]
        if kind == 8 and inside:
            return [f"if {self.expression('c', 1)}:", f"    {self.draw(st.sampled_from(('break', 'continue')))}"]
        return [f"if {self.expression('c', 1)}:", f"    return {self.expression(result, 1)}"]


def _inner(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


@st.composite
def python_functions(draw: st.DrawFn) -> tuple[str, str]:
    """Draws (source of ``f(x, i, s)``, its result's kind: n, s or c). Helpers and module constants precede the function."""
    result = draw(st.sampled_from("nnsc"))
    writer = _Writer(draw, {"n": ["x", "i", "x"], "i": ["i"], "s": ["s"], "c": []})
    lines = []
    if draw(st.integers(0, 7)):
        lines += ["if x is None or i is None or s is None:", f"    return {draw(st.sampled_from(('None', 'None', '0', '-1')))}"]
        if result != "n":
            lines[-1] = "    return None"
    if draw(st.booleans()):
        lines += [f"z, w, k, text = {draw(st.sampled_from(('x', '0', 'i', '0.0')))}, 1, 0, s"]
        writer.names = {"n": ["x", "i", "z", "w"], "i": ["i", "i", "k"], "s": ["s", "text"], "c": []}
        lines += writer.block(2, result)
    lines.append(f"return {writer.expression(result, draw(st.integers(1, 3)))}")
    return _HELPERS + "\n".join(["def f(x, i, s):", *_inner(lines)]), result


@st.composite
def series_functions(draw: st.DrawFn) -> Function:
    """Draws ``f(a, b, c)`` of Series with statements around drawn expressions: helpers, loops, closures, dtype branches."""
    types = tuple(draw(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=3)))
    columns = NAMES[: len(types)]
    value = lambda names, depth: draw(numbers(names, depth))  # noqa: E731
    lines = [f"z = {value(columns, 2)}"]
    for _ in range(draw(st.integers(1, 3))):
        lines.append(draw(st.sampled_from((
            "z = helper(z, {a})", "z = z + scale(a)", "for v in (1, 2.5):\n        z = z + v * {a}",
            "z = sum([z, {a}, {a}])", "z = {{'p': z, 'q': {a}}}['q'] + z", "y = [{a}, {a}]\n    z = z + y[0] * y[-1]",
            "if z.dtype == 'float64':\n        z = z * 2\n    else:\n        z = z + 1", "z = (lambda v: v - {a})(z)",
            "z = np.where({c}, z, {a})\n    z = pd.Series(z)", "m = {c}\n    z = z.where(m, {a}).astype('float64')",
            "z = sum(w * v for w, v in zip((1, 2), (z, {a})))",
            "parts = {{n: v for n, v in (('u', z), ('v', {a}))}}\n    z = parts['u'] - parts['v']",
            "try:\n        z = z / {a}\n    except ZeroDivisionError:\n        z = z * 0", "z = z if len((z, {a})) == 2 else {a}",
            "z = pd.concat([z.rename('p'), {a}.rename('q')], axis=1).sum(axis=1)", "z = max([1, 2]) * z + abs(-3)",
            "z = z.astype('float64').round(2)",
        ))).format(a=value(columns, 1), c=draw(conditions(columns, 1))))  # fmt: skip
    lines.append(f"return {draw(st.sampled_from(('z', 'z', 'z > 1', 'z.fillna(0)', 'pd.Series(z.values)', 'twice(z)')))}")
    helpers = "def twice(v):\n    return v + v\ndef helper(v, w):\n    return np.maximum(v, w) + twice(w)\n"
    helpers += "def scaler(by):\n    return lambda v: v * by\nscale = scaler(0.5)\n"
    return Function(helpers + "\n".join([f"def f({', '.join(columns)}):", *_inner(lines)]), types)
