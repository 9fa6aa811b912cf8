"""Checks f-strings and str.format of row values: Python's string, or a refusal where the string is inspected otherwise."""

from __future__ import annotations

import pytest

from sparkweld.errors import Refusal
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import payload, python_step, request, udf
from tests.helpers.scalars import check

TEXTS = [
    "f'{a}'", "f'<{a}>'", "f'{a} {a}!'", "f'{a.strip()}-{len(a)}'", "f'{a:>8}'", "f'{a:<8}|'", "f'{a:*>8}'", "'<{}>'.format(a)",
    "'{0}-{x}'.format(a, x=len(a))",
    "f'Dear {a.strip()}' if a else 'nobody'", "f'{a or 1}/{len(a):03d}'", "f'{a:12s}'",
    "f'{a:05}'", "f'{a:<05}|'", "f'{a:>05}'", "f'{a:x>05s}'", "f'{a:0}'", "'{:010}'.format(a)", "f'{a:007}'",
    "f'{a:^8}|'", "f'{a:*^12}'",
]  # fmt: skip


@pytest.mark.parametrize("source", TEXTS)
def test_strings(source):
    check(f"lambda a: {source}", ("str",))


INTS = ["f'{a}'", "f'{a:d}'", "f'{a:05d}'", "f'{a:6d}'", "f'n{a:3}'", "f'{a:02d}:{a % 60:02d}'", "'{:04d}'.format(a)",
    "f'{a > 1}'", "f'{a:,}'", "f'{a:,d}'", "f'{a:9_}|'"]


@pytest.mark.parametrize("kind", ["i64", "i8"])
@pytest.mark.parametrize("source", INTS)
def test_ints(kind, source):
    check(f"lambda a: {source}", (kind,))


@pytest.mark.parametrize("digits", range(4))
def test_fixed_decimals(digits):
    rows = [(x / 8,) for x in range(-400, 400, 3)] + [(x,) for x in (2.675, 1.005, -0.004, -0.0, 1e300, 1e14, 0.1, float("inf"))]
    rows += [(-float("inf"),), (float("nan"),), (123456.785,), (999.9995,), (5e-324,), (0.5,), (1.5,), (2.5,)]
    check(f"lambda a: f'{{a:.{digits}f}} GB'", ("f64",), rows=rows, needless=2)


@pytest.mark.parametrize("spec", [",.2f", "_.0f", "10.3f", "09.1f", "12,.2f", ".1%", "8.0%", ",.2%"])
def test_separators_fields_and_percents(spec):
    rows = [(x / 8,) for x in range(-400, 400, 7)] + [(1234567.885,), (-9876543.21,), (-0.0,), (0.005,), (1e12 / 7,), (1e300,)]
    rows += [(float("inf"),), (-float("inf"),), (float("nan"),), (-999.995,), (0.07,)]
    check(f"lambda a: f'{{a:{spec}}}'", ("f64",), rows=rows, needless=1)


@pytest.mark.parametrize("spec", [">8", "<8d", "^8", "*>6", "+d", "+", "+6", ">+9,", "<9.2f", "^10.1f", ".2f", "08.3f", ".1%"])
def test_fields_and_signs_of_ints(spec):
    check(f"lambda a: f'{{a:{spec}}}|'", ("i64",), needless=9)


@pytest.mark.parametrize("spec", ["+.2f", ">10.1f", "<+9.2f", "^12.3f", "_>8.0f", "+.1%"])
def test_fields_and_signs_of_floats(spec):
    rows = [(x / 8,) for x in range(-40, 40, 3)] + [(0.0,), (-0.0,), (-0.001,)]
    rows += [(float("nan"),), (float("inf"),), (-float("inf"),)]
    check(f"lambda a: f'{{a:{spec}}}|'", ("f64",), rows=rows)


def test_an_odd_centred_field_is_refused():
    with pytest.raises(Refusal, match="odd width"):
        check("lambda a: f'{a:^7}'", ("str",))


@pytest.mark.parametrize("source", ["'%.2f' % a", "'%6.1f|' % a", "'{:.1f}'.format(a)"])
def test_fixed_decimals_of_ints(source):
    check(f"lambda a: ({source}).strip()", ("i32",))


LOOP = """def f(a):
    value = float(a)
    for unit in ("B", "KB", "MB"):
        if value < 1024:
            return f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GB"
"""


def test_a_function_that_returns_one_of_several():
    check(LOOP, ("i32",))


#: Strings that are inspected: these functions are interpreted.
USED = [
    "f'{a}'.upper()", "len(f'{a}')", "f'{a}' + '!'", "f'{a}' == 'x'", "f'{a!s}'", "f'{a}'[1:]", "f'{a}x' in ('ax', 'bx')",
    "('{}'.format(a)).strip()", "'{0}{0}'.format(a).lower()", "'{x:>4}|'.format(x=a).title()",
    "'%s' % a", "'%s-%s|%%' % (a, 'q')", "'%10s|%-8s' % (a, a)", "'%s' % (a,)", "'100%%' % () + a", "[f'{a}', a][0]",
    "f'{a}'.count('a') if a else '%d' % 3", "(lambda: f'{a}')()[0] if a else a",
]  # fmt: skip
USED_INTS = [
    "f'{a}'.zfill(8)", "'%d' % a", "'%05d|%s' % (a, a)", "'%i|%4d' % (a, a)", "len(f'{a:,}')", "int(f'{a % 10}1')",
    "sum(len(f'{x}') for x in (a, 1, 2))", "'%s' % (a > 3)",
]  # fmt: skip


@pytest.mark.parametrize("source", USED)
def test_strings_that_are_examined(source):
    check(f"lambda a: {source}", ("str",))


@pytest.mark.parametrize("source", USED_INTS)
def test_numbers_in_strings_that_are_examined(source):
    check(f"lambda a: {source}", ("i64",))


def test_percent_of_floats():
    rows = [(x / 8,) for x in range(-400, 400, 7)] + [(2.675,), (-0.0,), (float("inf"),), (float("nan"),), (1e5,)]
    check("lambda a: '%.2f|%8.3f|%09.1f|%f' % (a, a, a, a)", ("f64",), rows=rows, needless=2)


STEPS = """def f(a, b):
    name = f"{a} {b}"
    try:
        key = "%s-%02d" % (name.strip(), len(b))
    except TypeError:
        return "none"
    return key.lower() if b else name
"""


def test_strings_in_variables():
    check(STEPS, ("str", "str"))


LOOKUP = """TABLE = {"a|1": 5, "b|1": 6}
def f(a):
    return TABLE.get(f"{a}|{1}", 0)
"""


def test_a_text_as_a_key():
    check(LOOKUP, ("str",))


BOOLS = ["a is True", "(a > 3) is True", "(a > 3) is not False", "1 if (a > 0) is False else 2", "(a > 0) is (True)"]


@pytest.mark.parametrize("source", BOOLS)
def test_which_bool_a_value_is(source):
    check(f"lambda a: {source}", ("i64",))
    check("lambda a: 'yes' if a is True else 'no' if a is False else None", ("bool",))


HEX = ["f'{a:x}'", "f'{a:02x}'", "f'{a:6X}|'", "'%04x' % a", "'0x%X' % a", "hex(a)", "hex(a)[2:].upper()", "repr(a)",
       "bin(a)", "bin(a)[2:].zfill(8)", "bin(a).count('1')", "f'{a:b}'", "f'{a:08b}|'", "format(a, 'b')", "f'{a:70b}'"]


@pytest.mark.parametrize("source", HEX)
def test_hexadecimal_numbers(source):
    rows = [(x,) for x in (0, 1, 9, 10, 15, 16, 255, -1, -16, 2**31, 2**63 - 1, -(2**63), 0xDEADBEEF)]
    check(f"lambda a: {source}", ("i64",), rows=rows)


REPRS = """def f(a):
    if a.startswith("a"):
        raise ValueError(f"unknown: {a!r}")
    for part in ("b", "c"):
        if part in a:
            return repr(a)
    return a.upper()
"""


def test_a_repr_in_a_rare_branch_is_left_to_python():
    check(REPRS, ("str",), needless=100)


REFUSED = ["f'{a!r}'", "f'{a:^9}'", "max([1, 2], key=lambda v: f'{a}')", "'%r' % a", "'%.3s' % a",
           "'%(x)s' % {'x': a}", "'%s' % (a, a)", "'%s%s' % a", "'{0[0]}'.format(a)"]


@pytest.mark.parametrize("source", REFUSED)
def test_refused(source):
    with pytest.raises(Refusal) as refused:
        check(f"lambda a: {source}", ("str",))
    assert refused.value.code in ("SW602", "SW259", "SW299", "SW219", "SW229")


def test_a_format_that_is_returned_directly_needs_no_interpretation():
    """This holds for any of SparkWeld's frames between the function and its exploration."""
    for function in (lambda s: s.apply(lambda v: format(v)), lambda s: s.apply(lambda v: f"{v} km")):
        reply = compile_pipeline(request(python_step(r=udf(0, "a", returns="string"))), [payload(function)])
        assert reply["status"] == "ok", reply["refusals"]
