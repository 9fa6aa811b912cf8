"""Lists the names of array types that kernels support."""

from __future__ import annotations

from sparkweld.contract.spark_types import ELEMENTS
from sparkweld.ir.types import BOOL, F32, F64, I8, I16, I32, I64, STR, Type, list_of

#: Array types that kernels support -> their list types.
ARRAYS: dict[str, Type] = {
    f"array<{name}>": list_of(element)
    for name, element in zip(ELEMENTS, (BOOL, I8, I16, I32, I64, F32, F64, STR), strict=True)
}
