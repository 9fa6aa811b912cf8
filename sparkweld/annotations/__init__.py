"""Split annotations: how the arguments and results of a function that no compiler translates are cut and put together.

After Palkar and Zaharia, "Optimizing Data-Intensive Computations in Existing Libraries with Split Annotations" (SOSP 2019).
An annotation is a promise: the function applied to pieces, and the pieces' results merged, is the function applied to the whole.
Here the promise is checked when it is made (`checking`), with random cuts, empty pieces and pieces of one row.

    @splittable((Rows(), Rows()), returns=Rows())
    def distance(a, b): ...

    erf = annotate(scipy.special.erf, (Rows(),), returns=Rows())

Start at `split_types`, then `annotation`, `checking`, and `tables` for the libraries that are annotated already.
"""

from sparkweld.annotations.annotation import Annotation, annotate, annotation_of, splittable
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
    "Rows", "SplitType", "Sum", "Unknown", "annotate", "annotation_of", "check", "splittable",
]  # fmt: skip
