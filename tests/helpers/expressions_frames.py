"""Draws random DataFrame functions: of struct columns, of a map's rows, and with struct results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql.types import (
    BooleanType,
    DataType,
    DateType,
    DoubleType,
    LongType,
    StringType,
    TimestampNTZType,
    TimestampType,
)

from tests.helpers.generated_batches import WORDS
from tests.helpers.templates import Grammar

#: Columns of every frame: name -> types, and the kind under which expressions refer to it.
COLUMNS: Mapping[str, tuple[Sequence[pa.DataType], str]] = {
    "a": ((pa.int64(), pa.int32(), pa.int16(), pa.int8()), "N"),
    "x": ((pa.float64(), pa.float64(), pa.float32()), "N"),
    "k": ((pa.int64(), pa.int32()), "N"),
    "s": ((pa.string(),), "S"),
    "b": ((pa.bool_(),), "B"),
    "t": ((pa.timestamp("us", "UTC"), pa.timestamp("us")), "T"),
    "d": ((pa.date32(),), "D"),
}

_FORMS: dict[str, tuple[str, ...]] = {
    "N": (
        "({N} + {N})", "({N} - {N})", "({N} * {N})", "({N} / {N})", "({N} // {N})", "({N} % {N})", "({N} * {c})", "-{N}",
        "{N}.fillna({c})", "{N}.abs()", "{N}.round(1)", "{N}.clip(0, 5)", "{N}.astype('float64')", "{N}.astype(int)",
        "pd.Series(np.where({B}, {N}, {N}))", "{N}.where({B})", "{N}.where({B}, {N})", "{N}.mask({B}, {c})", "{S}.str.len()",
        "{N}.map(lambda v: v * 2)", "{N}.apply(lambda v: 1 if v > 2 else 0)", "np.sqrt({N})", "{N}.map({1: 2, 3: 4})",
        "{T}.dt.year", "{T}.dt.hour", "{B}.astype(int)", "pd.to_numeric({S}, errors='coerce')", "np.maximum({N}, {N})",
        "pd.Series([v * 2 for v in {N}])", "{P}.sum(axis=1)", "{P}.max(axis=1)", "{P}.mean(axis=1)", "{N}.shift()", "{N}.rank()",
        "{P}.apply(lambda r: r.iloc[0], axis=1)", "({N} - {N}.mean())", "{P}.iloc[:, 0]", "{N}.combine_first({N})",
        "pd.Series({P}.to_numpy().sum(axis=1))", "pd.Series({P}.to_numpy()[:, 0])", "{N}.reset_index(drop=True)",
        "{N}.rename('r')",
        "pd.Series({N}.to_numpy())", "{N}.values", "{N}.add({N}, fill_value=0)", "{N}.pow(2)", "{P}.eval('{n} + {n}')",
        "{N}.diff()", "{N}.cumsum()", "{N}[{B}]", "{N}.replace(1, 2)", "{N}.astype('int32')", "{N}.pipe(lambda v: v + 1)",
    ),
    "B": (
        "({N} > {c})", "({N} <= {N})", "({N} == {N})", "{N}.isna()", "{S}.notna()", "{N}.isin([0, 1])", "{N}.between(0, 5)",
        "({B} & {B})", "({B} | {B})", "~{B}", "{S}.str.contains('a', na=False)", "({S} == 'a')", "{S}.isin(['a', 'ab'])",
        "{P}.isna().any(axis=1)", "({T}.dt.month > 6)", "{T}.notna()", "{D}.isna()", "({N} != {N})", "{B}.fillna(False)",
        "{P}.notna().all(axis=1)", "{S}.str.startswith('a')", "({P} > 0).all(axis=1)", "{B}.astype(bool)",
    ),
    "S": (
        "{S}.str.upper()", "{S}.str.strip()", "({S} + 'x')", "{S}.fillna('')", "{S}.str[:2]", "{N}.astype(str)",
        "{S}.str.replace('a', 'b', regex=False)", "{S}.where({B}, 'no')", "pd.Series(np.where({B}, 'y', 'n'))",
        "{T}.dt.strftime('%Y')", "({S} + {S})", "{S}.map(lambda v: v)", "{S}.str.cat({S}, sep='-')", "{S}.str.split('-').str[0]",
    ),
    "T": (
        "{T}.dt.floor('D')", "({T} + pd.Timedelta(days=1))", "{T}.fillna(pd.Timestamp('2020-01-01'))",
        "pd.to_datetime({S}, errors='coerce')",
    ),
    "P": (
        "{P}.fillna(0)", "{P}.astype(float)", "{P}[['x', 'k']]", "({P} * 2)", "{P}.clip(0, 3)", "{P}.copy()", "{P}.abs()",
        "{P}.rename(columns={'a': 'z'})",
    ),
    # Statements that change the frame pdf.
    "Z": (
        *["pdf = pdf.assign(r={N})", "pdf['r'] = {N}", "pdf = pdf[{B}]", "pdf = pdf.loc[{B}]", "pdf['x'] = {N}"] * 4,
        "pdf['s'] = {S}",
        "pdf['b'] = {B}", "pdf.loc[{B}, 'r'] = 1.0", "pdf.loc[{B}, 'x'] = {c}", "pdf = pdf.loc[{B}, ['a', 'x']]",
        "pdf = pdf.query('a > 1')",
        "pdf = pdf.dropna()", "pdf = pdf.dropna(subset=['x'])", "pdf = pdf.dropna(subset=['{n}', 'x'], how='all')",
        "pdf = pdf.fillna(0)",
        "pdf = pdf.fillna({'x': 0.0})", "pdf = pdf.rename(columns={'a': 'r'})", "pdf = pdf.drop(columns=['k'])",
        "pdf = pdf.drop('k', axis=1)",
        "pdf = pdf.astype({'a': 'float64'})", "pdf = pdf.reset_index(drop=True)", "pdf = pdf.copy()",
        "pdf.insert(0, 'r', {N})", "pdf['r'] = pdf.pop('x')",
        "pdf = pdf.sort_values('a')", "pdf = pdf.head(3)", "pdf = pdf.drop_duplicates()",
        "pdf = pdf.groupby('a', as_index=False).sum()",
        "pdf = pdf.merge(pdf, on='a')", "pdf = pdf.where({B})", "pdf = pdf.mask({B}, 0)", "pdf = pdf.set_index('a')",
        "pdf.columns = list(pdf.columns)",
        "pdf['r'] = pdf.apply(lambda row: row['a'] + row.x, axis=1)", "pdf['r'] = [v * 2 for v in pdf['a']]",
        "pdf['r'] = [a + x for a, x in zip(pdf.a, pdf.x)]", "pdf['r'] = pdf[['a', 'x']].max(axis=1)",
        "pdf = pdf.join(pdf[['x']].rename(columns={'x': 'r'}))",
        "pdf = pdf.replace(0, 1)", "pdf = pdf.clip(0, 3)", "pdf = pdf.round(1)", "pdf = pdf.eval('r = a + x')",
        "pdf = pd.concat([pdf, {N}.rename('r')], axis=1)",
        "pdf = pdf.pipe(lambda p: p)", "pdf = pdf.assign(r=lambda p: p['a'] * 2)",
        "pdf = pdf.assign(r={N}, q=lambda p: p.r + 1)", "pdf['a'] += 1",
        "pdf['r'] = 1", "pdf['r'] = 'k'", "pdf['r'] = np.nan", "pdf['r'] = None", "del pdf['k']",
        "pdf.drop(columns='k', inplace=True)",
        "pdf.rename(columns={'x': 'r'}, inplace=True)", "pdf.fillna(0, inplace=True)", "pdf.loc[:, 'r'] = {N}",
        "pdf.at[0, 'a'] = 1", "pdf.iloc[0] = 1",
        "pdf = pdf.iloc[1:]", "pdf = pdf if len(pdf) > 3 else pdf[['a']]",
        "for c in pdf.columns:\n        pdf[c] = pdf[c].fillna(0)",
        "for c in ['a', 'x']:\n        pdf[c] = pdf[c] * 2", "pdf = pdf.select_dtypes('number')",
        "pdf = pdf.filter(items=['a', 'x'])",
        "pdf = pdf.reindex(columns=['a', 'r'])", "pdf.a = pdf.a + 1", "pdf = pdf.T", "pdf = pdf.to_dict()",
        "pdf = pdf.nothing()", "pdf = pdf['nothing']",
        "pdf = pdf[pdf.columns[::-1]]", "pdf[['x', 'r']] = pdf[['x', 'a']]", "pdf = pdf.infer_objects()",
        "pdf = pdf.convert_dtypes()", "pdf = pdf.explode('s')",
        "pdf = pdf.sample(2)", "pdf = pdf.isna()", "pdf = pdf.describe()", "pdf.index = pdf.index + 1",
        "pdf = pdf.set_axis(list(pdf.columns), axis=1)",
        "pdf = pdf[[{B}.any()]]", "pdf = pdf[~({B})]", "pdf = pdf[{B} & {B}].copy()", "pdf['r'] = pdf['a'].values",
        "pdf['r'] = pd.Series({N}.to_numpy())",
        "pdf = pdf.drop(pdf.index[0])", "pdf = pdf.assign(a=pdf.a.where({B}))",
        "pdf = pd.DataFrame({'a': pdf['a'], 'r': {N}})", "pdf = pd.DataFrame(pdf)",
        "pdf = pd.DataFrame({'a': {N}, 's': {S}, 'b': {B}})", "pdf = pd.DataFrame({'r': {N}.to_numpy()})",
        "pdf = pd.DataFrame([[1, 2]], columns=['a', 'x'])",
        "pdf = pd.DataFrame(pdf[['a', 'x']].to_numpy(), columns=['a', 'x'])", "pdf = pdf.stack()", "pdf = {N}", "pdf = {P}",
    ),
}  # fmt: skip
_CONSTANTS = {"c": ("0", "1", "2.5", "-1"), "n": ("a", "x", "k")}
#: Forms for a kind that has no column, derived from a column {0}.
_WITHOUT = {
    "N": ("1.5",), "B": ("({0} > 1)", "{0}.isna()"), "S": ("{0}.astype(str)",), "D": ("{0}",),
    "T": ("pd.to_datetime({0}.fillna(0), unit='s')",),
}  # fmt: skip


def grammar(columns: Sequence[str], frame: str | None = None, inside: Sequence[str] = ()) -> Grammar:
    """Returns the grammar for Series of these names; those `inside` are columns of `frame`."""
    leaves: dict[str, tuple[str, ...]] = {**_CONSTANTS, "Z": ("pass",)}
    shown = {name: (f"{frame}['{name}']", f"{frame}.{name}") if name in inside else (name, name) for name in columns}
    for kind, without in _WITHOUT.items():
        mine = tuple(form for name in columns if COLUMNS[name][1] == kind for form in shown[name])
        leaves[kind] = mine or tuple(form.replace("{0}", shown["x"][0]) for form in without)
    numbers = [name for name in inside or columns if COLUMNS[name][1] == "N"]
    whole = f"pd.DataFrame({{{', '.join(f'{n!r}: {n}' for n in numbers)}}})"
    made = whole, f"pd.concat([{', '.join(numbers)}], axis=1, keys={numbers})"
    leaves["P"] = (f"{frame}[{numbers}]", f"{frame}[{numbers}]", frame) if inside else made
    return Grammar(_FORMS, leaves)


@cache
def frame_batches(types: tuple[pa.DataType, ...], names: tuple[str, ...]) -> tuple[pa.RecordBatch, ...]:
    """Returns batches: odd values with all, no or some columns NULL, one row, and ordinary rows (the last batch)."""
    rng = np.random.default_rng(37)

    def batch(rows: int, nulls: Sequence[float], wild: bool) -> pa.RecordBatch:
        arrays = []
        for type, share in zip(types, nulls, strict=True):
            values = [None if rng.random() < share else v for v in _values(rng, type, rows, wild)]
            arrays.append(pa.array(values, pa.int64()).cast(type) if pa.types.is_timestamp(type) else pa.array(values, type))
        return pa.RecordBatch.from_arrays(arrays, list(names))

    every, none, some = [0.2] * len(types), [0.0] * len(types), [0.3 * (at % 2) for at in range(len(types))]
    return batch(30, none, True), batch(1, none, False), batch(30, some, False), batch(40, every, True), batch(30, none, False)


def _values(rng: np.random.Generator, type: pa.DataType, rows: int, wild: bool) -> list[object]:
    if pa.types.is_string(type):
        return [str(w) for w in rng.choice(np.array(WORDS if wild else [w for w in WORDS if w.isascii()], object), rows)]
    if pa.types.is_boolean(type):
        return [bool(x) for x in rng.integers(0, 2, rows)]
    if pa.types.is_integer(type):
        edge = 2 ** (type.bit_width - 1) - 1
        return [int(v) for v in (rng.choice([0, 1, -1, edge, -edge - 1, 7], rows) if wild else rng.integers(-9, 10, rows))]
    if pa.types.is_floating(type):
        odd = (0.0, -0.0, 1.5, np.nan, np.inf, -2.5, 1e16, 0.1)
        values = rng.choice(odd, rows) if wild else rng.integers(-9, 10, rows) / 4
        return values.astype(type.to_pandas_dtype()).tolist()  # type: ignore[no-any-return]
    if pa.types.is_date32(type):
        return pa.array(rng.integers(-3_000, 20_000, rows), pa.int32()).cast(type).to_pylist()  # type: ignore[no-any-return]
    return [int(v) * (1 if wild else 10**6) for v in rng.integers(0, 1_700_000_000, rows)]


def type_of_series(result: object, zone: str = "timestamp_ntz") -> DataType:
    """Returns a Spark type that the values of a Series convert to."""
    if not isinstance(result, pd.Series):
        return DoubleType()
    if result.dtype == object or isinstance(result.dtype, pd.StringDtype):
        kinds = {type(v).__name__ for v in result if v is not None and v == v}
        return {"bool": BooleanType(), "str": StringType(),
        "date": DateType()}.get(kinds.pop() if kinds else "str", DoubleType())  # fmt: skip
    if result.dtype.kind == "M":
        return TimestampType() if zone == "timestamp" else TimestampNTZType()
    return {"b": BooleanType(), "i": LongType(), "u": LongType()}.get(result.dtype.kind, DoubleType())


__all__ = ["COLUMNS", "frame_batches", "grammar", "type_of_series"]
