"""Proves that a row's result is the same in batches with NULLs in a column and in batches without."""

from udf_compiler.forms.agreement import BatchCall, Form, batchwise

__all__ = ["BatchCall", "Form", "batchwise"]
