"""Generates pandas UDFs whose results may depend on which rows share a batch.

`batch_functions()` is a Hypothesis strategy of functions over the columns of `COLUMNS`. Most are refused or exact. All are
common idioms: strings of numbers, integers at the limits of their types, branches on the dtype, NaT, None beside a bool.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

#: Column -> its Spark type. `k` numbers the rows; every other column may hold NULL.
COLUMNS = {
    "k": "int", "h": "smallint", "y": "tinyint", "i": "int", "l": "bigint", "x": "double", "b": "boolean", "s": "string",
    "d": "date", "t": "timestamp", "n": "timestamp_ntz",
}  # fmt: skip
INTEGERS, TIMES = "hyil", "tn"

OF_INTEGERS = (
    "{v}", "({v} + 1)", "({v} * 2)", "(-{v})", "{v}.abs()", "({v} // 2)", "({v} // 3 * 3)", "({v} % 3)", "({v} - 100)",
    "({v} * {v})", "({v} + 32767)", "({v} + 2147483647)", "({v} * 2**40)", "({v} * 2**62)", "{v}.fillna(0)", "{v}.where({v} > 0)",
    "{v}.where({v} > 0, 0)", "{v}.mask({v} > 1, -1)", "{v}.clip(-1, 2)", "{v}.round()", "({v} + {w})", "({v} * {w})",
    "{v}.fillna({w})",
    "{v}.combine_first({w})", "{v}.where({w}.notna(), 5)", "pd.Series(np.where({v}.isna(), -1, {v}))", "{v}.replace(1, 2)",
    "pd.Series(np.where({v} > {w}, {v}, {w}))", "{v}.map({{0: 5, 1: 6, 2: 7}})", "{v}.apply(lambda e: e // 2)",
    "{v}.map(lambda e: e * 3)",
    "np.maximum({v}, {w})", "{v}.astype('float64')", "{v}.astype('int64')", "{v}.astype('Int64')", "np.square({v})", "({v} & 3)",
    "({v} // {w})", "({v} % {w})", "({v} ** 2)",
)  # fmt: skip
#: Template over an integer or float Series -> the return types that it is declared with.
_OF_NUMBERS = {
    "{e}.astype(str)": ("string",), "{e}.apply(str)": ("string",), "{e}.map(str)": ("string",),
    "{e}.map('{{}}'.format)": ("string",),
    "pd.Series([str(q) for q in {e}])": ("string",), "pd.Series([f'{{q}}' for q in {e}])": ("string",),
    "{e}.apply(lambda q: f'<{{q}}>')": ("string",), "'n' + {e}.astype(str)": ("string",),
    "{e}.astype(str).str.len()": ("bigint", "double"),
    "{e}": ("bigint", "double", "int", "string", "float", "smallint"), "{e} / 2": ("double", "float"), "{e} // 2": ("bigint",
    "double"),
    "{e} * 2**62": ("double", "bigint"), "~{e}": ("bigint", "double"), "{e}.isna()": ("boolean", "int", "string"),
    "{e} > 1": ("boolean",), "{e}.isin([0, 1, 2])": ("boolean",), "{e} == {e}": ("boolean",), "{e} ^ 1": ("bigint",),
    "{e} * 1.5 if {e}.dtype == 'float64' else {e}": ("double", "bigint"),
    "{e} if {e}.dtype.kind == 'i' else {e}.fillna(-1)": ("bigint",),
    "{e}.astype(str) if {e}.isna().any() else {e}.astype(str) + '!'": ("string",),
    "pd.Series([type(q).__name__ for q in {e}])": ("string",), "{e}.apply(lambda q: isinstance(q, float))": ("boolean",),
    "{e}.apply(lambda q: q * 10**18)": ("double", "bigint"), "{e}.map(lambda q: q // 2 + 0)": ("double", "bigint"),
    "{e}.apply(lambda q: -1 if q != q else q)": ("double", "bigint"),
    "pd.Series([q if q == q else None for q in {e}])": ("double", "bigint"),
    "pd.Series({e}.to_numpy() * 2)": ("bigint", "double"), "pd.Series({e}.values).astype(str)": ("string",),
    "{e}.astype('int64').astype(str)": ("string",), "{e}.astype('float64').astype(str)": ("string",),
    "{e}.astype(object).astype(str)": ("string",),
    "{e}.apply(lambda q: 10 / q)": ("double",), "{e}.transform(lambda q: 10 // (q - 1))": ("double", "bigint"),
    "{e}.map(lambda q: 'low' if q < 1 else 'high')": ("string",), "pd.Series([2.5 / (q - 1) for q in {e}])": ("double",),
    "{e}.apply(lambda q: math.sqrt(q))": ("double",), "{e}.apply(lambda q: '%.2f' % q)": ("string",),
    "{e}.apply(lambda q: 1.5 if q == q else None)": ("double", "string"),
    "{e}.apply(lambda q: f'{{q:.1f}}' if q > 0 else None)": ("string",),
    "{e}.apply(lambda q: math.floor(q / 2))": ("bigint", "double"),
    "{e}.apply(lambda q: 1 / q if q != 1 else 'one')": ("double", "string"),
    "pd.Series(np.where({e} > 0, 'p', 'n'))": ("string",), "pd.Series(np.sign({e})).astype(str)": ("string",),
}  # fmt: skip
_OF_BOOLS = {
    "{v}": ("boolean", "int", "string"), "~{v}": ("boolean",), "{v} & True": ("boolean",), "{v} | ({k} > 3)": ("boolean",),
    "{v}.astype(str)": ("string",), "{v}.map({{True: 1, False: 0}})": ("bigint", "double"), "{v}.astype(int)": ("bigint",),
    "{v}.fillna(False)": ("boolean",), "{v}.isna()": ("boolean",), "{v} == True": ("boolean",),
    "pd.Series(np.where({v}, 1, 0))": ("bigint",),
    "{v}.apply(lambda q: 1 if q else 0)": ("bigint",), "{v}.map(str)": ("string",),
    "{v}.apply(lambda q: q is None)": ("boolean",),
    "{v} ^ ({k} > 3)": ("boolean",), "{v}.astype('float64')": ("double",), "{v} + 1": ("bigint", "double"),
    "pd.Series([None if q is None else not q for q in {v}])": ("boolean",), "{v}.notna() & ({k} > 2)": ("boolean",),
    "{v}.astype(str) if {v}.dtype == object else {v}.map({{True: 'T', False: 'F'}})": ("string",),
}  # fmt: skip
_OF_DATES = {
    "{v}": ("date", "string"), "{v}.isna()": ("boolean",), "{v}.astype(str)": ("string",), "{v}.map(str)": ("string",),
    "{v}.apply(lambda q: q.year)": ("bigint", "double"), "{v}.apply(lambda q: -1 if q is None else q.year)": ("bigint",),
    "pd.to_datetime({v}).dt.year": ("bigint", "double"), "pd.to_datetime({v}).dt.year.astype(str)": ("string",),
    "pd.to_datetime({v}).dt.day // 2": ("bigint", "double"), "{v} == datetime.date(2020, 1, 1)": ("boolean",),
    "{v}.fillna(datetime.date(2000, 1, 1))": ("date",), "pd.to_datetime({v}).dt.strftime('%Y-%m')": ("string",),
}  # fmt: skip
_OF_TIMES = {
    "{v}": ("timestamp", "timestamp_ntz"), "{v}.dt.year": ("bigint", "double", "int"), "{v}.dt.year.astype(str)": ("string",),
    "{v}.dt.hour // 2": ("bigint", "double"), "{v}.dt.month * 2**28": ("bigint", "double"), "{v}.isna()": ("boolean",),
    "{v}.dt.day.map(str)": ("string",), "{v}.astype(str)": ("string",), "{v}.dt.strftime('%Y-%m-%d %H')": ("string",),
    "({v} - pd.Timestamp('2020-01-01')).dt.days": ("bigint", "double"),
    "({v} - pd.Timestamp('2020-01-01')).dt.days.astype(str)": ("string",),
    "({v} - pd.Timestamp('2020-01-01')).dt.total_seconds()": ("double",), "~({v}.dt.hour)": ("bigint",),
    "{v}.dt.day % 7": ("bigint", "double"),
    "{v}.dt.hour.apply(lambda q: f'{{q}}')": ("string",), "{v}.dt.floor('D')": ("timestamp", "timestamp_ntz"),
    "{v}.dt.date": ("date",),
    "{v}.dt.day.fillna(0)": ("bigint", "double"), "{v}.fillna(pd.Timestamp('2000-01-01')).dt.year.astype(str)": ("string",),
    "{v}.dt.month_name()": ("string",), "{v} > pd.Timestamp('2020-03-29 02:30')": ("boolean",),
    "{v}.dt.is_month_end": ("boolean",),
    "{v}.dt.isocalendar().week.astype(str)": ("string",), "{v}.apply(lambda q: q.year)": ("bigint", "double"),
    "{v}.dt.hour if {v}.dt.hour.dtype.kind == 'i' else -{v}.dt.hour": ("bigint", "double"),
    "{v} + pd.Timedelta(hours=1)": ("timestamp",),
}  # fmt: skip
_OF_TEXTS = {
    "{v}": ("string",), "{v}.str.len()": ("bigint", "double", "int"), "{v}.str.len().astype(str)": ("string",),
    "{v}.str.len() // 2": ("bigint",),
    "{v}.str.find('a') * 2**62": ("double", "bigint"), "~{v}.str.contains('a')": ("boolean",),
    "{v}.str.count('a').map(str)": ("string",),
    "{v}.isna()": ("boolean",), "{v}.fillna('-') + '!'": ("string",), "{v}.astype(str)": ("string",), "{v} == 'a'": ("boolean",),
    "{v}.map({{'a': 1, 'bb': 2}})": ("double", "bigint"), "{v}.map({{'a': 1, 'bb': 2}}).astype(str)": ("string",),
    "{v}.apply(lambda q: len(q))": ("bigint",), "{v}.apply(lambda q: float(len(q)) / q.count('a'))": ("double",),
    "{v}.fillna('').map(lambda q: q.split('a')[1])": ("string",), "{v}.fillna('1').apply(float)": ("double",),
    "{v}.fillna('a').transform(lambda q: q.index('a'))": ("bigint", "double"),
    "{v}.apply(lambda q: q[0] if isinstance(q, str) else 'none')": ("string",),
    "{v}.str.startswith('b').astype(str)": ("string",),
    "{v}.str.upper()": ("string",),
    "pd.Series(np.where({v}.isna(), 0, {v}.str.len()))": ("double", "bigint"),
    "{v}.str.contains('b').fillna(False)": ("boolean",),
    "{v}.str.split('b').str.len().astype(str)": ("string",), "{v}.apply(lambda q: q if isinstance(q, str) else '?')": ("string",),
}  # fmt: skip
_PLAIN = {
    "{v}": ("string", "double", "bigint"), "str({v})": ("string",), "None if {v} is None else {v} + 1": ("bigint", "double",
    "int"),
    "-1 if {v} is None else {v}": ("bigint", "double"), "{v} is None": ("boolean",), "0.5 if {v} is None else {v}": ("double",
    "float", "string"),
    "{v} * 2**62 if {v} else 0": ("bigint", "double"), "f'{{{v}}}'": ("string",), "1 if {v} else 0.5": ("double", "float"),
}  # fmt: skip


@dataclass(frozen=True)
class BatchFunction:
    """An expression's source over the columns that it names, its declared type, and the kind of UDF."""

    columns: str
    body: str
    returns: str
    kind: str

    @property
    def definition(self) -> str:
        """Returns the source of an expression that creates the UDF."""
        names = ", ".join(self.columns)
        if self.kind == "plain":
            return f"F.udf(lambda {names}: {self.body}, {self.returns!r})"
        if self.kind == "series":
            return f"F.pandas_udf(lambda {names}: {self.body}, {self.returns!r})"
        if len(self.columns) == 1:
            return f"iterated(lambda {names}: {self.body}, {self.returns!r}, Iterator[pd.Series])"
        return f"iterated(lambda p: (lambda {names}: {self.body})(*p), {self.returns!r}, Iterator[Tuple[pd.Series, ...]])"


@st.composite
def _integer(draw: st.DrawFn, v: str, w: str, depth: int) -> str:
    template = draw(st.sampled_from(OF_INTEGERS))
    inner = draw(_integer(v, w, depth - 1)) if depth > 1 and draw(st.booleans()) else v
    return template.format(v=inner, w=w)


@st.composite
def batch_functions(draw: st.DrawFn, kinds: tuple[str, ...] = ("series", "series", "series", "iterator",
"plain")) -> BatchFunction:
    """Draws a function of one or two columns."""
    kind = draw(st.sampled_from(kinds))
    column = draw(st.sampled_from("hyillxbbsdttn"))
    other = draw(st.sampled_from("khyil"))
    if kind == "plain":
        template, types = draw(st.sampled_from(list(_PLAIN.items())))
        body = template.format(v=column)
    elif column in INTEGERS + "x":
        template, types = draw(st.sampled_from(list(_OF_NUMBERS.items())))
        body = template.format(e=draw(_integer(column, other, 2)))
    else:
        tables = {"b": _OF_BOOLS, "d": _OF_DATES, "t": _OF_TIMES, "n": _OF_TIMES, "s": _OF_TEXTS}
        template, types = draw(st.sampled_from(list(tables[column].items())))
        body = template.format(v=column, k="k")
    names = "".join(c for c in dict.fromkeys((column, other, "k")) if _reads(body, c))
    return BatchFunction(names or column, body, draw(st.sampled_from(types)), kind)


def _reads(body: str, name: str) -> bool:
    code = compile(body, "body", "eval")
    return name in code.co_names
