"""Collects the functions that score tree ensembles, one for each form, type of features and type of sums.

Entry functions are as in `kernels.functions.models`; the number of rows is arbitrary. Parameters: the first tree, and the end
of the trees. For a first tree above 0 there is a third: the index of the argument with the first of the sums so far.
"""

from __future__ import annotations

from sparkweld.ir.types import F32, F64
from sparkweld.kernels.functions.models.tree_masks import mask_entry
from sparkweld.kernels.functions.models.tree_rows import row_entry
from sparkweld.kernels.functions.models.tree_walks import walk_entry

#: (form, type of features, type of sums) -> function.
ENTRIES = {
    (form, width, sums): mask_entry(width, sums) if form == "mask" else walk_entry(width, sums, sets=form == "sets")
    for form in ("mask", "walk", "sets")
    for width, sums in ((F32, F32), (F32, F64), (F64, F64))
}

#: The same for the two walk forms where each row is scored on its own.
ROW_ENTRIES = {
    (form, width, sums): row_entry(width, sums, sets=form == "sets")
    for form in ("walk", "sets")
    for width, sums in ((F32, F32), (F32, F64), (F64, F64))
}

FUNCTIONS = (*ENTRIES.values(), *ROW_ENTRIES.values())
