"""Checks enum classes in functions of one value: lookups by names and values of the row, members in dicts, loops and methods."""

from __future__ import annotations

from enum import Enum, EnumMeta, Flag, IntEnum

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, BooleanType, DoubleType, LongType, StringType

from sparkweld.ir.python_rules import RULES
from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import ARROW_BATCHED


class Color(Enum):
    RED = 1
    GREEN = 2
    CRIMSON = 1


class Level(IntEnum):
    LOW = 1
    MID = 5
    HIGH = 10

    @classmethod
    def _missing_(cls, value):
        return cls.LOW if value is None else cls.HIGH if value > 50 else None


class Parsed(str, Enum):
    @classmethod
    def of(cls, text):
        try:
            return cls(text.strip().lower())
        except (ValueError, AttributeError):
            return None

    @classmethod
    def has(cls, text):
        return text in cls._value2member_map_


class Fruit(Parsed):
    APPLE = "apple"
    PEAR = "pear"

    def __str__(self):
        return f"a {self.value}"


class Planet(Enum):
    EARTH = (5.976e24, 6.37814e6)
    MARS = (6.421e23, 3.3972e6)

    def __init__(self, mass, radius):
        self.mass, self.radius = mass, radius

    @property
    def gravity(self):
        return 6.673e-11 * self.mass / (self.radius * self.radius)

    def weight(self, mass):
        return self.gravity * mass


class Access(Flag):
    READ = 1
    WRITE = 2


class Loose(EnumMeta):
    def __contains__(cls, x):
        return True


class Anything(Enum, metaclass=Loose):
    ONE = 1


class Alike(Enum):
    ONE = 1

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 1


WEIGHTS = {Color.RED: 0.5, Color.GREEN: 1.5}
LETTERS = {Level.LOW: "l", Level.HIGH: "h"}
NAMES = ["RED", "GREEN", "CRIMSON", "red", "", None, "é", "EARTH", "MARS", "apple", " Pear ", "1", "😀"]
TEXTS = pa.RecordBatch.from_pydict({"s": pa.array(NAMES, pa.string())})
NUMBERS = pa.RecordBatch.from_pydict({"x": pa.array([1, 2, 5, 10, 0, -1, 51, None, 2**63 - 1, -(2**63)], pa.int64())})
FLOATS = pa.RecordBatch.from_pydict({"x": pa.array([1.0, 2.0, 1.5, -0.0, float("nan"), float("inf"), None], pa.float64())})
LISTS = pa.RecordBatch.from_pydict({"x": pa.array([[], [1, 5, 5, 2], None, [10], [7, 0, -1]], pa.list_(pa.int64()))})


def value_of_name(s):
    try:
        return Color[s.upper()].value
    except KeyError:
        return -1
    except AttributeError:
        return None


def name_of_value(x):
    try:
        return Color(x).name.lower()
    except ValueError:
        return "unknown"


def missing_member(x):
    try:
        return Level(x).name
    except ValueError:
        return None


def members(s):
    return Color[s].name if s in Color.__members__ else s


def weight(s):
    return WEIGHTS.get(Color[s] if s in Color.__members__ else None, -1.0)


def parsed(s):
    fruit = Fruit.of(s)
    return f"{fruit} {fruit.name}" if fruit else str(Fruit.has(s))


def branches(s):
    fruit = Fruit(s) if s in ("apple", "pear") else None
    if fruit is Fruit.PEAR:
        return 1
    return 2 if fruit == Fruit.APPLE else 3


def planet(s):
    return Planet[s].weight(70.0) if s in ("EARTH", "MARS") else None


def of_string(s):
    return s == Fruit.APPLE or (s is not None and s.startswith(Fruit.APPLE))


def first(s):
    return next((c.value for c in Color if c.name == s), 0)


def matched(s):
    match Fruit.of(s):
        case Fruit.APPLE:
            return "red"
        case Fruit.PEAR:
            return "green"
    return "none"


TESTED = [
    (value_of_name, TEXTS, LongType()),
    (name_of_value, NUMBERS, StringType()),
    (name_of_value, FLOATS, StringType()),
    (missing_member, NUMBERS, StringType()),
    (members, TEXTS, StringType()),
    (weight, TEXTS, DoubleType()),
    (parsed, TEXTS, StringType()),
    (branches, TEXTS, LongType()),
    (planet, TEXTS, DoubleType()),
    (of_string, TEXTS, BooleanType()),
    (first, TEXTS, LongType()),
    (matched, TEXTS, StringType()),
    (lambda s: s == Color.RED, TEXTS, BooleanType()),
    (lambda s: ",".join(c.name for c in Color if c.name != s), TEXTS, StringType()),
    (lambda x: LETTERS.get(x, "?"), NUMBERS, StringType()),
    (lambda x: x is not None and x >= Level.MID, NUMBERS, BooleanType()),
    (lambda x: (x or 0) % 100 * Level.MID + Level.LOW, NUMBERS, LongType()),
]


@pytest.mark.parametrize(("function", "batch", "returns"), TESTED)
def test_members_of_one_value(function, batch, returns):
    compared = compare_with_worker(function, [batch], returns, ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.flagged) == (1, 0)


@pytest.mark.parametrize("function", [lambda s: Color[s].value, lambda s: Planet[s].gravity])
def test_rows_without_a_member_run_in_python(function):
    compared = compare_with_worker(function, [TEXTS.slice(0, 1), TEXTS.slice(7, 1)], DoubleType(), ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.flagged, compared.raised) == (1, 1, 1)


def counted(x):
    counts = dict.fromkeys(Color, 0)
    for n in x or []:
        counts[Color.RED if n > 4 else Color.GREEN] += 1
    return [counts[color] for color in Color]


def state(x):
    level = Level.LOW
    for n in x or []:
        if level is Level.LOW and n > 4:
            level = Level.MID
        elif level == Level.MID and n < 5:
            level = Level.HIGH
    return [level.value, level + 1]


def levels(x):
    return [Level(n).value for n in x or [] if n in (1, 5, 10)]


def letters(x):
    counts = dict.fromkeys("ab", 0)
    for n in x or []:
        counts["a" if n > 4 else "b"] += n
    return list(counts.values())


@pytest.mark.parametrize("function", [counted, letters, state, levels])
def test_members_in_loops(function):
    compared = compare_with_worker(function, [LISTS], ArrayType(LongType()), ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.flagged) == (1, 0)


def test_members_in_pandas():
    def named(s: pd.Series) -> pd.Series:
        return s.map({name: color.value for name, color in Color.__members__.items()}).fillna(-1)

    def listed(s: pd.Series) -> pd.Series:
        return pd.Series([Color[name].value if name in Color.__members__ else 0 for name in s])

    for function in (named, listed):
        assert compare_with_worker(function, [TEXTS], DoubleType(), kernel=True).decided == 1


@pytest.mark.skipif(not RULES.finds_enum_values, reason="before CPython 3.12, a value that is no member raises TypeError")
def test_values_of_the_row_in_a_class():
    compared = compare_with_worker(lambda x: x in Color, [NUMBERS], BooleanType(), ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.flagged) == (1, 0)


def caught(x):
    try:
        return x[Level.LOW]
    except (TypeError, IndexError):
        return "none"


def test_a_member_is_the_number_that_it_holds():
    """A string or a function of `math` takes the member of an IntEnum as its int, so no TypeError is caught."""
    assert compare_with_worker(caught, [TEXTS], StringType(), ARROW_BATCHED, kernel=True).decided == 1


def writes(s):
    Color.RED.seen = True
    return s


def assigns(s):
    Color.last = 1
    return s


def adds(s):
    Color.__members__["NEW"] = 1
    return s


REFUSED = [
    (writes, "SW217"), (adds, "SW217"), (assigns, "SW256"),
    (lambda s: s in Access.__members__, "SW221"), (lambda s: s in Anything, "SW221"), (lambda s: s == Alike.ONE, "SW221"),
    (lambda s: Level.HIGH, "SW293"), (lambda s: Color(s, s), "SW262"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "code"), REFUSED)
def test_what_is_refused_of_enums(function, code):
    assert compare_with_worker(function, [TEXTS], LongType(), ARROW_BATCHED).refused == code


def test_members_that_are_strings_are_refused_in_pandas():
    """Operations of columns would compare with the string of the member, which `Enum.__str__` makes."""
    assert compare_with_worker(lambda s: s == Fruit.APPLE, [TEXTS], BooleanType()).refused == "SW221"
