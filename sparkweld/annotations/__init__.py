"""Defines split annotations: how to split the arguments and merge the results of a function that is not compiled.

After Palkar and Zaharia, "Optimizing Data-Intensive Computations in Existing Libraries with Split Annotations" (SOSP 2019). An
annotation promises that the function applied to chunks, with the results merged, equals the function applied to the whole. The
promise is checked when it is made (`checking`), with random cuts, empty chunks and chunks of one row.

    @splittable((Rows(), Rows()), returns=Rows())
    def distance(a, b): ...

    erf = annotate(scipy.special.erf, (Rows(),), returns=Rows())

Start at `split_types`, then `annotation`, `checking`, and `tables` for the libraries that are annotated already.
"""

from sparkweld.annotations.annotating import annotate, annotation_of, row_local, splittable
from sparkweld.annotations.annotation import Annotation
from sparkweld.annotations.checking import check
from sparkweld.annotations.domains import RowDomain
from sparkweld.annotations.split_types import (
    Broadcast,
    Concat,
    Count,
    Filtered,
    Matrix,
    Max,
    Merge,
    Merged,
    Min,
    Mutated,
    Rows,
    SplitType,
    Sum,
    Unknown,
)

__all__ = [
    "Annotation", "Broadcast", "Concat", "Count", "Filtered", "Matrix", "Max", "Merge", "Merged", "Min", "Mutated", "RowDomain",
    "Rows", "SplitType", "Sum", "Unknown", "annotate", "annotation_of", "check", "row_local", "splittable",
]  # fmt: skip
