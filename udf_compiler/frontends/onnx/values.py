"""Defines the values of a graph beside tensors: shapes, values across the rows, and dictionaries."""

from __future__ import annotations

from dataclasses import dataclass

from udf_compiler.frontends.networks.tensors import Tensor


@dataclass(frozen=True)
class Sizes:
    """The shape of a tensor with these axes beside the rows."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class Across:
    """Values of shape [1, rows], where `values` has the shape [rows]. Only a Reshape to [rows] or [rows, 1] reads them."""

    values: Tensor


@dataclass(frozen=True)
class Maps:
    """The result of ZipMap: a list with a dictionary for each row, from these keys to the values of a row."""

    keys: tuple[int | str, ...]
    values: Tensor
