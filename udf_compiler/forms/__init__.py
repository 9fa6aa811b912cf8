"""Whether the forms of a program agree: those for batches that have NULLs in a column, and those for batches without."""

from udf_compiler.forms.agreement import BatchCall, Form, batchwise

__all__ = ["BatchCall", "Form", "batchwise"]
