"""Defines the requests of the JVM and their parts, as `schema.json` describes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar, get_args

from sparkweld.contract.decoding import MessageError, decode, hints_of
from sparkweld.contract.expressions import Expression
from sparkweld.contract.spark_types import ReturnType, SparkType
from sparkweld.errors import InternalError

#: Whether the batch has a NULL in a column.
State = Literal["dense", "nullable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A column of the batch."""

    name: str
    type: SparkType
    nullable: bool
    state: State = "dense"


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastFile:
    """A broadcast variable of a function; an encrypted one has no path."""

    id: int
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Udf:
    """A call of a Python function; `payload` is the number of the blob with its pickled command."""

    name: str
    payload: int
    eval_type: int
    return_type: ReturnType
    deterministic: bool = True
    broadcasts: tuple[BroadcastFile, ...] = ()
    args: tuple[Argument, ...]

    @property
    def inner(self) -> tuple[Udf, ...]:
        """Returns the calls whose results are its arguments."""
        return tuple(argument.udf for argument in self.args if argument.udf is not None)

    @property
    def with_inner(self) -> Iterator[Udf]:
        """Yields the call, then those among its arguments, at any depth."""
        yield self
        for udf in self.inner:
            yield from udf.with_inner

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Returns its arguments that are no calls."""
        return tuple(argument.expr for argument in self.args if argument.udf is None and argument.expr is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """An argument of a call, by keyword if it has a name: an expression, or the result of another call."""

    name: str | None = None
    expr: Expression | None = None
    udf: Udf | None = None

    @property
    def value(self) -> Expression | Udf:
        """Returns the expression or the call. Raises InternalError for an argument without either."""
        given = self.expr if self.udf is None else self.udf
        if given is None:
            raise InternalError("an argument is neither an expression nor a call")
        return given


@dataclass(frozen=True, slots=True, kw_only=True)
class UdfEntry:
    """A function of a python step, and the column that it makes; `fields` are the columns of a struct or a map."""

    name: str
    result: str
    udf: Udf
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonStep:
    """Calls scalar functions."""

    kind: Literal["python"] = "python"
    udfs: tuple[UdfEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsStep:
    """Calls functions of the whole batch, which is a group; keeps its first row."""

    kind: Literal["groups"] = "groups"
    udfs: tuple[UdfEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterStep:
    """Keeps the rows where the condition is true."""

    kind: Literal["filter"] = "filter"
    condition: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectedColumn:
    """A column that Spark computes."""

    name: str
    expr: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectStep:
    """Computes columns."""

    kind: Literal["project"] = "project"
    columns: tuple[ProjectedColumn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapStep:
    """Calls a function that returns rows, of the columns `results`."""

    kind: Literal["map"] = "map"
    name: str
    udf: Udf
    results: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupKey:
    """A key of an aggregation, and the input column with its values."""

    name: str
    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedColumn:
    """A buffer of an aggregation: a function of the input column `column`, or of the rows."""

    name: str
    fn: str
    column: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateStep:
    """Merges rows into groups."""

    kind: Literal["aggregate"] = "aggregate"
    keys: tuple[GroupKey, ...]
    merges: tuple[MergedColumn, ...]


P = TypeVar("P", bound="PipelineRequest")
Step = PythonStep | GroupsStep | FilterStep | ProjectStep | MapStep | AggregateStep


def udfs_of(step: Step) -> tuple[Udf, ...]:
    """Returns the calls that a step makes, without those among their arguments."""
    if isinstance(step, PythonStep | GroupsStep):
        return tuple(entry.udf for entry in step.udfs)
    return (step.udf,) if isinstance(step, MapStep) else ()


def _with_udfs(step: Step, change: Callable[[Udf], Udf]) -> Step:
    def changed(udf: Udf) -> Udf:
        args = (one if one.udf is None else replace(one, udf=changed(one.udf)) for one in udf.args)
        return change(replace(udf, args=tuple(args)))

    if isinstance(step, PythonStep | GroupsStep):
        return replace(step, udfs=tuple(replace(entry, udf=changed(entry.udf)) for entry in step.udfs))
    return replace(step, udf=changed(step.udf)) if isinstance(step, MapStep) else step


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The session's settings that a reply may depend on."""

    exact: bool = False
    timezone: str | None = None
    ansi: bool = True
    model_bytes: int | None = None
    bounds: bool | int = True
    timeout: int | None = None
    block_rows: int = 0
    denied_modules: tuple[str, ...] = ()
    allowed_modules: tuple[str, ...] = ()
    pandas: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAccess:
    """The files that functions may load while they are traced."""

    limit: int
    folder: str
    job_files: str
    wanted: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDescription:
    """The Python workers of the request's functions."""

    includes: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    folder: str | None = None
    importable: bool = False
    local: bool = True
    files: FileAccess | None = None
    modules: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageArray:
    """Learned numbers of an ML function: the blob `blob`, as values of a NumPy type."""

    dtype: str
    blob: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDescription:
    """A function of Spark's ML library; each function has its own `params`."""

    name: str
    params: Mapping[str, Any]
    arrays: Mapping[str, StageArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The part of every request that controls the exchange."""

    op: str
    id: int | None = None
    cpu_ms: int | None = None
    digests: tuple[str, ...] | None = None
    sent: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainRequest(Request):
    """A request without content."""

    op: Literal["hello", "shutdown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRequest(Request):
    """Asks for the object code of a program."""

    op: Literal["object"]
    program: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRequest(Request):
    """The part of every request about functions: steps over columns, bottom up."""

    label: str = "pipeline"
    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]
    vectors: tuple[str, ...] = ()
    stages: tuple[StageDescription, ...] = ()
    filtered: bool = False
    may_filter: bool = False
    rowwise: bool = False
    regrouped: bool = False
    whole_batches: bool = False
    conf: Settings = Settings()
    python: WorkerDescription = WorkerDescription()
    has: tuple[str, ...] = ()

    @property
    def udfs(self) -> tuple[Udf, ...]:
        """Returns all calls of functions, each before those among its arguments."""
        return tuple(udf for step in self.steps for outer in udfs_of(step) for udf in outer.with_inner)

    def with_udfs(self: P, change: Callable[[Udf], Udf]) -> P:
        """Returns the request in which `change` replaces each call of a function, those among its arguments first."""
        return replace(self, steps=tuple(_with_udfs(step, change) for step in self.steps))

    @property
    def first_udf(self) -> UdfEntry:
        """Returns the first function of a request about functions of one step. Raises InternalError for another request."""
        return self.udf_entries[0]

    @property
    def udf_entries(self) -> tuple[UdfEntry, ...]:
        """Returns the functions of the first step. Raises InternalError for a request without any."""
        first = self.steps[0] if self.steps else None
        if not isinstance(first, PythonStep) or not first.udfs:
            raise InternalError(f"a request {self.op!r} without a function")
        return first.udfs


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileRequest(PipelineRequest):
    """Asks for a program, for equivalents in Catalyst or facts about the functions, or for fused functions."""

    op: Literal[
        "compile", "catalyst_equivalent", "implied", "independent", "keeps_arguments", "reads", "fuse", "cut", "full_model",
        "table",
    ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateRequest(PipelineRequest):
    """Asks for the Spark aggregates of one aggregate function."""

    op: Literal["aggregate"]
    frames: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsRequest(PipelineRequest):
    """Asks for the terms that columns of two joined tables add to a score."""

    op: Literal["parts"]
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SideConditionRequest(PipelineRequest):
    """Asks for a condition on the inputs that are not in `others`, which a filter above a join implies."""

    op: Literal["side_condition"]
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialRequest(PipelineRequest):
    """Asks for the functions that make and merge the states of annotated aggregate functions."""

    op: Literal["partial"]
    keys: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeRequest(PipelineRequest):
    """Asks for the function with the cascade of its model."""

    op: Literal["cascade"]
    cascades: str
    state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingRequest(PipelineRequest):
    """Asks for the function with the small model of a ranking."""

    op: Literal["ranking"]
    rankings: str
    state: str = ""


#: Operation -> the class of its requests.
REQUESTS: dict[str, type[Request]] = {
    op: cls
    for cls in (
        *(PlainRequest, ObjectRequest, CompileRequest, AggregateRequest, PartsRequest, PartialRequest, CascadeRequest),
        *(RankingRequest, SideConditionRequest),
    )
    for op in get_args(hints_of(cls)["op"])
}


def read_request(given: Mapping[str, Any]) -> Request:
    """Returns the request of a message. Raises MessageError for an unknown operation, and as `decode`."""
    op = given.get("op")
    if not isinstance(op, str) or op not in REQUESTS:
        raise MessageError(f"unknown request {op!r}; known: {', '.join(REQUESTS)}")
    return decode(REQUESTS[op], given)
