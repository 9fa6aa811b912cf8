"""Defines the replies of the compile service and their parts, as `schema.json` describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sparkweld.contract.expressions import ABSENT, Expression
from sparkweld.contract.spark_types import SparkType
from sparkweld.errors import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalRecord:
    """Why a function or a step stays as Spark planned it."""

    udf: str | None
    step: int | None
    code: str
    title: str
    message: str
    hint: str
    place: str

    @staticmethod
    def of(error: Refusal, udf: str | None = None, step: int | None = 0) -> RefusalRecord:
        """Returns the record of a refusal of a function, or of a step."""
        return RefusalRecord(
            udf=udf, step=step, code=error.code, title=error.title, message=error.message, hint=error.hint, place=error.place
        )

    def error(self) -> Refusal:
        """Returns the refusal, to be raised."""
        return Refusal(self.code, self.title, self.message, self.hint, self.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approximation:
    """An operation whose result differs from PySpark's within a documented bound."""

    op: str
    bound: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UdfNotes:
    """Notes on a function, for explain."""

    name: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A file that a function has loaded; `path` is its name among the files of the job where `of_job` is true."""

    path: str
    of_job: bool
    bytes: int
    modified: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserModule:
    """A module on which a function depends; size and time are those of its file, or of the archive that holds it."""

    name: str
    path: str
    bytes: int
    modified: int
    digest: str
    installed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedPath:
    """A folder or archive where a module would be found first, with the time of its last change."""

    path: str
    modified: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of constants; its bytes are a blob of the reply unless the request `has` its digest."""

    digest: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputColumn:
    """A column that a program stores."""

    name: str
    type: SparkType
    nullable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorShape:
    """An ML vector among the outputs: the number of its columns, and Spark's storage form."""

    size: int
    form: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The rows on which a cascade's certificate was tested, with which its kernel's rows are compared."""

    path: str
    band: float
    sure_cost: float
    full_cost: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    limit: int
    differs: int
    labels: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """The time that a reply took."""

    trace: float
    optimize: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The part of every reply."""

    id: int | None = ABSENT
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReply(Reply):
    """The answer to shutdown, or the request to repeat a request: with all payloads, or to another process."""

    status: Literal["ok", "needs", "stale"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReply(Reply):
    """A fault of SparkWeld, of its environment, or of the message."""

    status: Literal["error"] = "error"
    message: str
    trace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloReply(Reply):
    """The host of the service."""

    status: Literal["ok"] = "ok"
    protocol: int
    pid: int
    versions: Mapping[str, str | None]
    cpu: str | None
    cpu_name: str | None
    cpu_features: str | None
    llvmlite: str | None
    vector_math: str
    numba_error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectReply(Reply):
    """Object code, the reply's only blob, and the data needed to link it."""

    status: Literal["ok"] = "ok"
    symbol: str
    imports: tuple[str, ...]
    cpu: str
    memory: int
    cached: bool
    seconds: float
    warning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionReply(Reply):
    """The part of every reply about functions: the files, modules and libraries on which it depends."""

    files: tuple[ModelFile, ...] = ()
    modules: tuple[UserModule, ...] = ()
    searched: tuple[SearchedPath, ...] = ()
    libraries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(FunctionReply):
    """Every refusal that was found; `payload` is the one in progress when the CPU time ran out."""

    status: Literal["refused"] = "refused"
    refusals: tuple[RefusalRecord, ...]
    seconds: Seconds | None = None
    retire: bool = False
    payload: int | None = ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled(FunctionReply):
    """A program, its columns, and how its kernel behaves."""

    status: Literal["ok"] = "ok"
    program: str
    hash: str
    blocks: tuple[Block, ...]
    inputs: tuple[str, ...]
    outputs: tuple[OutputColumn, ...]
    vectors: tuple[VectorShape, ...]
    watched: tuple[Watch, ...]
    filtered: bool
    flags: bool
    guarded: bool
    piecewise: bool
    batchwise: str | None
    batch_rows: int
    repeatable: bool
    kept: tuple[Approximation, ...]
    single_precision: bool
    nodes: int
    udfs: tuple[UdfNotes, ...]
    fused: tuple[str, ...]
    seconds: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkAggregate:
    """An aggregate of Spark; `states`: it covers all rows of a window's partition, also those outside the frame."""

    kind: str
    expr: Expression | None
    type: str
    states: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RowColumn:
    """A column that a generated scalar function (`payload`, hexadecimal) computes of input columns."""

    name: str
    payload: str
    args: tuple[str, ...]
    type: SparkType


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateReply(FunctionReply):
    """Spark's aggregates, and the result over the columns aggregate0, aggregate1, and so on."""

    status: Literal["ok"] = "ok"
    aggregates: tuple[SparkAggregate, ...]
    columns: tuple[RowColumn, ...]
    result: Expression
    kept: tuple[Approximation, ...]
    notes: tuple[str, ...]
    udfs: tuple[UdfNotes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EquivalentReply(FunctionReply):
    """The equivalent expression of each output."""

    status: Literal["ok"] = "ok"
    results: tuple[Expression, ...]
    nodes: int
    kept: tuple[Approximation, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpliedReply(FunctionReply):
    """Conditions on columns that all hold where the filter does."""

    status: Literal["ok"] = "ok"
    bounds: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndependentReply(FunctionReply):
    """A row has the same result in every batch."""

    status: Literal["ok"] = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepsArgumentsReply(FunctionReply):
    """The functions change none of their arguments."""

    status: Literal["ok"] = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadsReply(FunctionReply):
    """The inputs on which the results depend."""

    status: Literal["ok"] = "ok"
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsReply(FunctionReply):
    """The terms of a score; `udf_compiler.backends.catalyst.parts` defines them."""

    status: Literal["ok"] = "ok"
    own: Expression
    allowed: Expression
    base: float
    size: float
    slack: float
    texts: tuple[str, ...]
    missing: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedGroup:
    """Functions that one plan fuses: their numbers and payloads (hexadecimal), and the sources of their common arguments."""

    udfs: tuple[int, ...]
    arguments: tuple[tuple[int, ...], ...]
    payloads: tuple[str, ...]
    stages: tuple[str, ...]
    block: str
    moved: str
    saves: float
    repeats: bool
    metrics: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedReply(FunctionReply):
    """Groups of fused functions."""

    status: Literal["ok"] = "ok"
    fused: tuple[FusedGroup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutReply(FunctionReply):
    """The number of inner functions that a kernel computes, the type of its result, and the command (hexadecimal) of the rest."""

    status: Literal["ok"] = "ok"
    functions: int
    type: SparkType
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialReply(FunctionReply):
    """Functions (hexadecimal) before and after the shuffle; where Spark can merge the states, their elements and a last one."""

    status: Literal["ok"] = "ok"
    before: str
    after: str
    kept: tuple[Approximation, ...]
    parts: tuple[tuple[AggregateReply, ...], ...] = ()
    finish: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadReply(FunctionReply):
    """The command of a function with other models (base64), and the paths of its cascades; null when nothing is replaced."""

    status: Literal["ok"] = "ok"
    payload: str | None
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingReply(FunctionReply):
    """The command of the small model of a ranking (base64), and the limits of its certificate; null without a model."""

    status: Literal["ok"] = "ok"
    payload: str | None
    limit: float | None = None
    least: float | None = None
    most: float | None = None
    fewest: int | None = None
    path: str | None = None
