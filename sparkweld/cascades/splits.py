"""Splits rows and their labels into three disjoint sets: to fit, to choose with and to certify on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.errors import UserError
from sparkweld.reasons import refusal

#: Shares of the rows. Evidence is the scarce resource, so the largest share certifies. With few rows it is larger still.
SHARES = (0.4, 0.15, 0.45)
_MOST_EVIDENCE = 0.66
#: How many times the rows that could prove the promise are held out, where the rows allow it: some answers will differ.
_SPARE = 1.5
NAMES = ("fit", "choose", "certify")


@dataclass(frozen=True)
class Rows:
    """A subset of the rows: a DataFrame or a Series of strings, and the label of each row."""

    data: Any
    label: np.ndarray

    def __len__(self) -> int:
        return len(self.label)

    def take(self, positions: np.ndarray) -> Rows:
        """Returns the rows at these positions."""
        return Rows(self.data.iloc[positions].reset_index(drop=True), self.label[positions])


@dataclass(frozen=True)
class Splits:
    """The three sets. `fingerprint`: SHA-256 of all input rows. `repeated`: the number of rows that were dropped as
    duplicates.
    """

    fit: Rows
    choose: Rows
    certify: Rows
    fingerprint: str
    repeated: int

    @property
    def sizes(self) -> dict[str, int]:
        """Returns the number of rows of each set."""
        return {"fit": len(self.fit), "choose": len(self.choose), "certify": len(self.certify)}


def check_labels(label: Any, rows: int, kind: str) -> np.ndarray:
    """Returns the labels as an array. Refuses (SW940) missing, constant or unsuitable labels."""
    values = np.asarray(label)
    if values.ndim != 1 or len(values) != rows:
        raise refusal("SW940", what=f"the shape {values.shape} for {rows:,} rows")
    missing = int(np.count_nonzero(pd.isna(values)))
    if missing:
        raise refusal("SW940", what=f"{missing:,} missing values")
    if kind == "numbers" and values.dtype.kind not in "biuf":
        raise refusal("SW940", what=f"values of {values.dtype} for a regressor")
    if kind == "numbers" and not np.isfinite(values.astype(np.float64)).all():
        raise refusal("SW940", what="infinite values")
    if kind == "classes":
        _check_classes(values)
    if rows > 1 and len(pd.unique(values)) < 2:
        raise refusal("SW940", what="a single value")
    return values


def _check_classes(values: np.ndarray) -> None:
    if values.dtype == object:
        kinds = {_kind_of(kind) for kind in set(map(type, values))}
        if kinds not in ({"text"}, {"numbers"}):
            raise refusal("SW940", what=f"values of {' and '.join(sorted(kinds))} for a classifier")
    if values.dtype.kind == "f" and (values % 1 != 0).any():
        raise refusal("SW940", what="numbers with fractions for a classifier")


def _kind_of(value: type) -> str:
    if issubclass(value, int | float | np.number | np.bool_):
        return "numbers"
    return "text" if issubclass(value, str) else value.__name__


def evidence_shares(rows: int, needed: int) -> tuple[float, float, float]:
    """Returns the shares for this number of distinct rows, of which `needed` could prove the promise."""
    evidence = min(max(SHARES[2], _SPARE * needed / max(rows, 1)), _MOST_EVIDENCE)
    rest = (1 - evidence) / (SHARES[0] + SHARES[1])
    return SHARES[0] * rest, SHARES[1] * rest, evidence


def split(data: Any, label: np.ndarray, seed: int, shares_of: Callable[[int], tuple[float, float, float]]) -> Splits:
    """Draws the three sets at random; `shares_of` returns their shares for a number of distinct rows.

    Only the first of rows with equal features is kept: a duplicate could be in two sets, or count as evidence twice.
    """
    hashes = _hashes(data)
    digest = hashlib.sha256(hashes.tobytes())
    digest.update(pd.util.hash_array(np.asarray(label, object) if label.dtype.kind in "OU" else label).tobytes())
    _, first = np.unique(hashes, return_index=True)
    try:
        order = np.random.default_rng(seed).permutation(np.sort(first))
    except (TypeError, ValueError) as error:
        raise UserError(f"seed={seed!r}: pass an integer, 0 or more") from error
    ends = np.cumsum([int(share * len(order)) for share in shares_of(len(order))[:2]])
    rows = Rows(data, label)
    fit, choose, certify = (rows.take(positions) for positions in np.split(order, ends))
    return Splits(fit, choose, certify, digest.hexdigest(), len(hashes) - len(first))


def _hashes(data: Any) -> np.ndarray:
    """Returns a hash of each row; -0.0 counts as 0.0. Raises UserError for columns of unhashable values such as lists."""
    whole = data.apply(_without_signed_zeros) if isinstance(data, pd.DataFrame) else data
    try:
        return np.asarray(pd.util.hash_pandas_object(whole, index=False))
    except TypeError as error:
        columns = [name for name in data.columns if data[name].dtype == object] if isinstance(data, pd.DataFrame) else ["text"]
        raise UserError(f"rows cannot be compared by {columns}: {error}; omit columns of lists and the like") from error


def _without_signed_zeros(column: pd.Series) -> pd.Series:
    return column + 0.0 if pd.api.types.is_float_dtype(column.dtype) else column


def rows_in_all(certify: int) -> int:
    """Returns the number of distinct rows whose split has `certify` rows to certify on."""
    return int(np.ceil(certify / _MOST_EVIDENCE)) + 2
