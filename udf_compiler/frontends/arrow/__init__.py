"""Models pyarrow for Arrow UDFs: symbolic arrays, and pyarrow.compute as tables of rules.

pyarrow itself is the authority for types and for errors that depend on types alone. Each call therefore also runs on one-row
arrays.
"""

from __future__ import annotations

from udf_compiler.frontends.arrow.array import ARROW_TYPES, TracedArrow, name_of, safe_cast
from udf_compiler.frontends.arrow.batch import TracedBatch
from udf_compiler.frontends.arrow.lists import lists_of
from udf_compiler.frontends.arrow.modules import stand_in
from udf_compiler.frontends.arrow.strings import check_utf8
from udf_compiler.frontends.arrow.struct import TracedStructArray

__all__ = [
    "ARROW_TYPES", "TracedArrow", "TracedBatch", "TracedStructArray", "check_utf8", "lists_of", "name_of", "safe_cast",
    "stand_in",
]  # fmt: skip
