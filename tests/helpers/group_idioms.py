"""Generates aggregate UDFs whose results may depend on which rows of a group are NULL.

`group_functions(columns)` is a Hypothesis strategy of functions over named columns, of pandas Series or Arrow arrays. Many
are supported; the others must be refused or exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.helpers.batch_idioms import OF_INTEGERS

#: Spark's name of a type -> the family of idioms for it.
FAMILY_OF_TYPE = {
    "tinyint": "integers", "smallint": "integers", "int": "integers", "bigint": "integers", "float": "floats", "double": "floats",
    "boolean": "bools", "string": "texts", "date": "dates", "timestamp": "times", "timestamp_ntz": "times",
}  # fmt: skip

#: Expressions applied first to an integer column. Most are supported with and without NULLs.
_ROWS = ("{v}", "{v}", "{v}", "({v} + 1)", "({v} * 2)", "({v} // 3)", "({v} % 3)", "({v} * 2**40)", "({v} * 2**62)", "(-{v})",
    "{v}.abs()",
    "({v} > 1)", "({v} * {v})", "({v} + 32767)", "{v}.fillna(0)", "{v}.astype('float64')", "{v}.dropna()", "{v}[{v} > 0]",
    "{v}[{v}.notna()]", "{v}.isna()", "({v} * 0.5)", "{v}.to_numpy()", "{v}.values", "({v} == 7)", "{v}.clip(-1, 2)")  # fmt: skip
_FLOATS = ("{v}", "{v}", "{v}", "({v} + 1)", "({v} * 2)", "({v} > 1)", "{v}.fillna(0)", "{v}.dropna()", "{v}[{v} > 0]",
    "{v}.isna()",
    "{v}.abs()", "({v} * {v})", "{v}.to_numpy()", "{v}.astype('float32')", "{v}.round()", "(-{v})")  # fmt: skip
_ANY_NUMBER = ("bigint", "double", "int", "float", "string", "smallint", "boolean")
_REDUCED = {
    "{e}.sum()": ("bigint", "bigint", "double", *_ANY_NUMBER), "{e}.mean()": ("double", "double", "float", "bigint"),
    "{e}.max()": ("bigint", "double", "int", "float", "string", "boolean", "smallint"), "{e}.min()": ("bigint", "double", "int"),
    "len({e})": _ANY_NUMBER, "{e}.size": ("bigint", "int"), "float({e}.sum())": ("double", "bigint", "float"),
    "float({e}.max())": ("double", "bigint"), "float({e}.mean())": ("double",), "{e}.any()": ("boolean", "int"),
    "{e}.all()": ("boolean", "bigint"), "np.sum({e})": ("bigint", "double"), "np.max({e})": ("bigint", "double"),
    "np.mean({e})": ("double",), "{e}.sum() / len({e})": ("double",), "{e}.max() - {e}.min()": ("bigint", "double", "int"),
    "{e}.sum() + len({e})": ("bigint", "double"), "np.nansum({e})": ("double", "bigint"), "{e}.sum() > 3": ("boolean",),
    "-{e}.sum()": ("bigint", "double"), "int({e}.sum())": ("bigint", "int"), "round({e}.mean(), 1)": ("double",),
    "{e}.max() * 2": ("bigint", "double", "int"), "{e}.sum() // 2": ("bigint", "double"),
    "{e}.sum() * 2**62": ("bigint", "double"),
    "{e}.sum() % 3": ("bigint", "double"), "{e}.std() * 1": ("double",), "{e}.var(ddof=0)": ("double",),
}  # fmt: skip
_OF_SERIES = {
    "{e}.count()": _ANY_NUMBER, "{e}.sum(min_count=1)": ("bigint", "double"), "{e}.sum(skipna=False)": ("bigint", "double"),
    "{e}.nunique()": ("bigint",), "{e}.iloc[0]": ("bigint", "double"), "{e}.astype(str).max()": ("string",),
    "{e}.prod()": ("bigint",),
    "{e}.median()": ("double",), "str({e}.max())": ("string",), "{e}.dtype.itemsize": ("bigint",), "str({e}.dtype)": ("string",),
    "{e}.sum() / {e}.count()": ("double",), "{e}.isna().any()": ("boolean",), "{e}.notna().mean()": ("double",),
    "{e}.sum() if {e}.dtype.kind == 'i' else -1.0": ("double", "bigint"), "{e}.quantile(0.5)": ("double",),
}  # fmt: skip
_TWO = {
    "({v} * {w}).sum()": ("bigint", "double"), "({v} > {w}).sum()": ("bigint", "int"), "{v}[{w} > 1].sum()": ("bigint", "double"),
    "({v} * {w}).sum() / {w}.sum()": ("double",), "({v} + {w}).max()": ("bigint", "double"),
    "({v} // 2 + {w}).sum()": ("bigint",),
    "np.average({v}, weights={w})": ("double",), "{v}.sum() + {w}.sum()": ("bigint", "double"),
    "{v}.corr({w}, method='spearman')": ("double",),
    "{v}.fillna({w}).sum()": ("bigint", "double"), "{v}.max() if len({w}) > 3 else {w}.min()": ("double", "bigint"),
    "np.where({v} > {w}, {v}, {w}).sum()": ("bigint", "double"), "({v} == {w}).any()": ("boolean",),
    "{v}.where({w} > 1, 0).sum()": ("bigint", "double"), "{v}.sum() - {w}.sum()": ("bigint", "double", "int"),
}  # fmt: skip
_OF = {
    "bools": {
        "{v}.sum()": ("bigint", "double", "int", "boolean"), "{v}.mean()": ("double", "float"), "{v}.count()": ("bigint", "int"),
        "len({v})": ("bigint",), "{v}.any()": ("boolean", "int"), "{v}.all()": ("boolean",), "{v}.min()": ("boolean", "int"),
        "{v}.max()": ("boolean", "string"), "(~{v}).sum()": ("bigint",), "{v}.isna().sum()": ("bigint",),
        "{v}.notna().all()": ("boolean",), "{v}.astype(int).sum()": ("bigint",), "{v}.fillna(False).sum()": ("bigint",),
        "({v} == True).sum()": ("bigint",), "{v}.sum() / len({v})": ("double",), "({v} & True).sum()": ("bigint",),
        "{v}.iloc[0]": ("boolean",), "np.sum({v})": ("bigint",), "{v}.nunique()": ("bigint",), "{v}.values.sum()": ("bigint",),
        "{v}.dropna().sum()": ("bigint",), "{v}.sum() - {v}.count()": ("bigint", "double"),
    },
    "texts": {
        "{v}.count()": ("bigint",), "len({v})": ("bigint", "string"), "{v}.str.len().sum()": ("bigint", "double"),
        "{v}.isna().sum()": ("bigint",), "({v} == 'a').sum()": ("bigint",), "{v}.max()": ("string",),
        "{v}.nunique()": ("bigint",),
        "{v}.str.len().max()": ("bigint", "double", "string"), "{v}.str.contains('a').sum()": ("bigint",),
        "{v}.size": ("bigint",),
        "''.join(sorted({v}.fillna('-')))": ("string",), "{v}.str.len().fillna(0).sum()": ("bigint", "double"),
        "{v}.notna().mean()": ("double",), "{v}.isin(['a', 'bb']).sum()": ("bigint",),
    },
    "dates": {
        "{v}.count()": ("bigint",), "len({v})": ("bigint",), "{v}.isna().sum()": ("bigint",), "{v}.max()": ("date",),
        "pd.to_datetime({v}).dt.year.max()": ("bigint", "double"), "pd.to_datetime({v}).dt.year.astype(str).max()": ("string",),
        "({v} == datetime.date(2020, 1, 31)).sum()": ("bigint",), "pd.to_datetime({v}).dt.day.sum()": ("bigint", "double"),
        "{v}.nunique()": ("bigint",), "{v}.notna().mean()": ("double",),
    },
    "times": {
        "{v}.count()": ("bigint",), "len({v})": ("bigint",), "{v}.isna().sum()": ("bigint",), "{v}.max()": ("timestamp",),
        "{v}.dt.year.max()": ("bigint", "double", "string"), "{v}.dt.hour.sum()": ("bigint", "double"),
        "{v}.dt.day.mean()": ("double",),
        "({v} > pd.Timestamp('2020-03-29 02:30')).sum()": ("bigint",), "({v}.max() - {v}.min()).days": ("bigint",),
        "({v}.dt.month * 2**62).sum()": ("bigint", "double"), "{v}.dt.hour.astype(str).max()": ("string",),
        "({v} - pd.Timestamp('2020-01-01')).dt.days.sum()": ("bigint", "double"), "{v}.dt.day.min() // 2": ("bigint", "double"),
        "(~{v}.dt.day).sum()": ("bigint",), "{v}.dt.floor('D').nunique()": ("bigint",),
        "({v}.dt.day // 2).sum()": ("bigint", "double"),
    },
}  # fmt: skip
_ARROW_NUMBERS = {
    "pc.sum({v})": _ANY_NUMBER, "pc.sum({v}, min_count=0)": ("bigint", "double"),
    "pc.sum({v}, skip_nulls=False)": ("bigint", "double"),
    "pc.max({v})": ("bigint", "double", "int", "string"), "pc.min({v}).as_py()": ("bigint", "double", "int"),
    "pc.mean({v})": ("double", "bigint"), "pc.count({v})": ("bigint", "int"),
    "pc.count({v}, mode='only_null').as_py()": ("bigint",),
    "pc.count({v}, mode='all')": ("bigint",), "pc.stddev({v}, ddof=1)": ("double",), "pc.variance({v})": ("double",),
    "pc.sum(pc.multiply({v}, {v}))": ("bigint", "double"), "pc.sum({v}).as_py()": ("bigint", "double"), "len({v})": ("bigint",),
    "pc.sum(pc.multiply({v}, 0.5)).as_py() / 4.0": ("double",), "{v}.null_count": ("bigint",),
    "pc.first({v})": ("bigint", "double"),
    "pc.max(pc.add({v}, 1))": ("bigint",), "pc.mean({v}, skip_nulls=False)": ("double",),
    "pc.sum({v}, min_count=3).as_py()": ("bigint",),
    "pc.sum(pc.greater({v}, 1))": ("bigint",), "pc.any(pc.greater({v}, 1))": ("boolean",), "pc.sum(pc.is_null({v}))": ("bigint",),
    "pc.sum(pc.fill_null({v}, 0))": ("bigint", "double"), "pc.count_distinct({v})": ("bigint",),
}  # fmt: skip
_ARROW_BOOLS = {
    "pc.any({v})": ("boolean",), "pc.all({v}).as_py()": ("boolean",), "pc.sum({v})": ("bigint",), "pc.count({v})": ("bigint",),
    "pc.any(pc.invert({v}))": ("boolean",), "pc.any({v}, min_count=0)": ("boolean",), "pc.mean({v})": ("double",),
}  # fmt: skip
_ARROW_OTHERS = {
    "pc.count({v})": ("bigint",), "pc.count({v}, mode='only_null')": ("bigint",), "len({v})": ("bigint",),
    "pc.max({v})": ("string",),
    "pc.count_distinct({v})": ("bigint",),
}  # fmt: skip
_ITERATED = ("sum(len(p) for p in parts)", "len(list(parts))", "float(sum(p.sum() for p in parts))",
    "max(p.max() for p in parts)")


@dataclass(frozen=True)
class GroupFunction:
    """An expression's source over the columns that it names, its declared type, and the kind of UDF."""

    columns: tuple[str, ...]
    body: str
    returns: str
    kind: str

    @property
    def definition(self) -> str:
        """Returns the source of an expression that creates the UDF."""
        names = "parts" if self.kind == "iterator" else ", ".join(self.columns)
        return f"{self.kind}(lambda {names}: {self.body}, {self.returns!r})"


@st.composite
def group_functions(draw: st.DrawFn, columns: Mapping[str, str], kind: str) -> GroupFunction:
    """Draws a function of a kind ("series", "arrow", "iterator") of one or two of the `columns`, which map names to types."""
    column = draw(st.sampled_from(sorted(columns)))
    family = FAMILY_OF_TYPE[columns[column]]
    if kind == "iterator":
        return GroupFunction((column,), draw(st.sampled_from(_ITERATED)), draw(st.sampled_from(("bigint", "double"))), kind)
    if kind == "arrow":
        table = {"integers": _ARROW_NUMBERS, "floats": _ARROW_NUMBERS, "bools": _ARROW_BOOLS}.get(family, _ARROW_OTHERS)
        template, types = draw(st.sampled_from(list(table.items())))
        return GroupFunction((column,), template.format(v=column), draw(st.sampled_from(types)), kind)
    numbers = [name for name, type in columns.items() if FAMILY_OF_TYPE[type] in ("integers", "floats")]
    if family not in ("integers", "floats"):
        template, types = draw(st.sampled_from(list(_OF[family].items())))
        return GroupFunction((column,), template.format(v=column), draw(st.sampled_from(types)), kind)
    if draw(st.integers(0, 4)) == 0:
        other = draw(st.sampled_from(numbers))
        template, types = draw(st.sampled_from(list(_TWO.items())))
        names = tuple(dict.fromkeys((column, other)))
        return GroupFunction(names, template.format(v=column, w=other), draw(st.sampled_from(types)), kind)
    others = tuple(template for template in OF_INTEGERS if "{w}" not in template)
    inner = draw(st.sampled_from(_FLOATS if family == "floats" else (*_ROWS, *_ROWS, *others)))
    table = {**_REDUCED, **_OF_SERIES} if draw(st.integers(0, 3)) == 0 else _REDUCED
    template, types = draw(st.sampled_from(list(table.items())))
    return GroupFunction((column,), template.format(e=inner.format(v=column)), draw(st.sampled_from(types)), kind)
