"""Collects all ops of the IR; each module defines one family."""

from sparkweld.ir.ops.base import Array, Op, Optional, of_rows
from sparkweld.ir.ops.calendar import DatePart
from sparkweld.ir.ops.casts import Cast, Fits
from sparkweld.ir.ops.category_statistics import CategoryStatistics
from sparkweld.ir.ops.elementwise import Call, Select
from sparkweld.ir.ops.forests import ForestSums
from sparkweld.ir.ops.instance_based import KernelSums, Neighbours
from sparkweld.ir.ops.keys import KeyTable
from sparkweld.ir.ops.leaves import Const, Read, Trial
from sparkweld.ir.ops.lists import ListAppend, ListCall, ListCopy, ListStore, MakeList
from sparkweld.ir.ops.matches import RegexCall
from sparkweld.ir.ops.models import Distances, Mlp, ModelOp
from sparkweld.ir.ops.regions import Arg, Region
from sparkweld.ir.ops.statistics import Interpolate, WeightedMedian
from sparkweld.ir.ops.strings import StrCall
from sparkweld.ir.ops.tables import IsIn, Lookup, Steps
from sparkweld.ir.ops.texts import TextSums, TextTotals
from sparkweld.ir.ops.trees import TreeEnsemble
from sparkweld.ir.ops.validity import IsValid, MakeOptional, ValueOf
from sparkweld.ir.ops.vectors import VectorColumns, VectorSums

#: Every op class. The text form, the verifier and the tests iterate over this tuple.
OPS: tuple[type[Op], ...] = (
    Const, Read, Trial, IsValid, ValueOf, MakeOptional, Cast, Fits, Call, Select, IsIn, Lookup, Steps, DatePart,
    StrCall, RegexCall, ListCall, MakeList, ListAppend, ListCopy, ListStore, Mlp, Distances, TextSums, TextTotals, ForestSums,
    TreeEnsemble, KernelSums, Neighbours, Interpolate, WeightedMedian, VectorColumns, VectorSums, KeyTable,
    CategoryStatistics, Region, Arg,
)  # fmt: skip

__all__ = [
    "Arg", "Array", "Call", "Cast", "CategoryStatistics", "Const", "DatePart", "Distances", "Fits", "ForestSums",
    "Interpolate", "IsIn", "IsValid", "KernelSums", "KeyTable", "ListAppend", "ListCall", "ListCopy", "ListStore", "Lookup",
    "MakeList", "MakeOptional", "Mlp", "ModelOp", "Neighbours", "OPS", "Op", "Optional", "Read", "RegexCall", "Region", "Select",
    "Steps", "StrCall", "TextSums", "TextTotals", "TreeEnsemble", "Trial", "ValueOf", "VectorColumns", "VectorSums",
    "WeightedMedian", "of_rows",
]  # fmt: skip
