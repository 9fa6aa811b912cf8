"""Compiles a request (steps over columns, bottom up) to one optimised program, or returns all refusals.

Every step becomes a loop over the current domain. The loop of a filter creates a new domain, and the loop of a map may
create one. The optimizer then fuses the loops. `sparkweld.contract` and the docstring of `compile_pipeline` describe
request and reply.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from sparkweld.contract.constants import BOUNDED_NOTE
from sparkweld.contract.expressions import Expression
from sparkweld.contract.replies import (
    Approximation,
    Block,
    Compiled,
    OutputColumn,
    RefusalRecord,
    Refused,
    Seconds,
    UdfNotes,
    VectorShape,
    Watch,
)
from sparkweld.contract.requests import (
    AggregateStep,
    FilterStep,
    GroupsStep,
    MapStep,
    PipelineRequest,
    ProjectedColumn,
    ProjectStep,
    PythonStep,
    Step,
    UdfEntry,
    udfs_of,
)
from sparkweld.contract.spark_types import columns_of, fields_of
from sparkweld.errors import Refusal
from sparkweld.ir import ROWS, Program, print_program
from sparkweld.ir.program import output_types
from sparkweld.ir.types import I64
from sparkweld.optimizer import optimize
from sparkweld.optimizer.bounds_pay import bounds_pay
from sparkweld.optimizer.choose_layouts import choose_layouts
from sparkweld.optimizer.passes.skip_models import skip_models
from sparkweld.reasons import refusal
from udf_compiler.boundary.columns import (
    Column,
    Unknown,
    columns_in,
    non_null_columns,
    refuse_made_nulls,
    strict_columns,
)
from udf_compiler.boundary.row_flags import guards_as_column
from udf_compiler.eval_types import kind_of, map_kind_of, sees_batch_state
from udf_compiler.frontends.catalyst import expressions
from udf_compiler.frontends.catalyst.merging import merge_rows
from udf_compiler.frontends.spark_ml import MlFunctions, result
from udf_compiler.frontends.spark_ml.stages import Vector
from udf_compiler.frontends.tracing.zones import session_zone
from udf_compiler.function.environment import worker_environment
from udf_compiler.function.model_files import reading
from udf_compiler.probing.differences import has_single_precision
from udf_compiler.requests.compilation import Compilation, batch_rows, columns_of_request, kept, kept_in
from udf_compiler.requests.form_agreement import Form, batchwise
from udf_compiler.requests.udfs import EVALUATED_ONCE, UdfTracer

_BOUNDED = f"{BOUNDED_NOTE} are skipped before full scoring"


T = TypeVar("T")


def compile_pipeline(
    request: PipelineRequest, blobs: Sequence[bytes], check_size: Callable[[Program], None] | None = None
) -> Compilation:
    """Compiles a request, or returns every refusal found.

    `files` of the reply are the files that functions have read (`udf_compiler.function.model_files`). All UDFs are traced even
    when one is refused: a reader of the refused result sees a column of its declared type instead. `check_size` raises the
    refusal of a program that is too large for a kernel. Raises InternalError for SparkWeld's own bugs.
    """
    with worker_environment(request), session_zone(request.conf.timezone), reading(request.python.files) as files:
        made = _Pipeline(request, blobs).compiled(check_size)
    if files is None or not files.states:
        return made
    return replace(made, reply=replace(made.reply, files=tuple(state.described for state in files.states.values())))


class _Pipeline:
    def __init__(self, request: PipelineRequest, blobs: Sequence[bytes]) -> None:
        self.request, self._blobs = request, blobs
        self.exact = request.conf.exact
        self.refusals: list[RefusalRecord] = []
        self.fused: list[str] = []
        self.notes: list[tuple[str, list[str]]] = []
        self.step = 0
        self.logical: Program | None = None
        self.ml = MlFunctions(request.stages, blobs, self.exact)
        self.builder, self.columns = columns_of_request(request, self.ml)
        self.vectors: list[Vector] = []
        self.watched: dict[str, Watch | None] = {}
        self.udfs = UdfTracer(request, blobs, self.columns, self.ml)

    def compiled(self, check_size: Callable[[Program], None] | None) -> Compilation:
        started = time.perf_counter()
        self._trace()
        names = None if self.refusals else self._try(None, self._outputs)
        program = None if names is None else self.builder.finish(names)
        traced = time.perf_counter()
        if program is not None:
            before, program = program, self._optimized(program, check_size)
            if self.notes and program.has_trials:
                self.notes[-1][1].append(_BOUNDED)
            self.step = 0
            self._refuse_inexact(before, program)
            if self.request.rowwise:
                program = guards_as_column(program)
            self._try(None, lambda: self._check_blocks(program))
            if check_size is not None:
                self._try(None, lambda: check_size(program))
        seconds = Seconds(trace=round(traced - started, 6), optimize=round(time.perf_counter() - traced, 6))
        if self.refusals or program is None:
            return Compilation(Refused(refusals=tuple(self.refusals), seconds=seconds))
        return Compilation(self._describe(program, seconds), program, self.logical)

    def _trace(self) -> None:
        for index, step in enumerate(self.request.steps):
            self.step = index
            self._trace_step(step)

    def _trace_step(self, step: Step) -> None:
        if isinstance(step, PythonStep):
            for entry in step.udfs:
                self._one_udf(entry)
        elif isinstance(step, GroupsStep):
            self._groups(step)
        elif isinstance(step, MapStep):
            self._map(step)
        elif isinstance(step, FilterStep):
            self._filter(step)
        elif isinstance(step, ProjectStep):
            self._project(step)
        else:
            self._aggregate(step)

    def _form(self, request: PipelineRequest) -> Form | None:
        """Returns the traced loops of the same request for other batches; None when it is refused for them."""
        other = _Pipeline(request, self._blobs)
        other._trace()
        return None if other.refusals else Form(other.builder.inputs, other.builder.loops, other.udfs.calls)

    def _optimized(self, program: Program, check_size: Callable[[Program], None] | None) -> Program:
        """Optimizes the program, with model bounds if the request enables them.

        They are enabled always, or only where they pay for the number of rows of a task and fit the size limits.
        """
        conf = self.request.conf
        bounds = conf.bounds
        logical = self.logical = optimize(program, without=(skip_models, choose_layouts))
        if bounds is True:
            return optimize(logical)
        plain = choose_layouts(logical)
        if bounds is False or not bounds_pay(logical, plain, bounds, (conf.timeout or 0) / 1000):
            return plain
        bounded = optimize(logical)
        try:
            if check_size is not None:
                check_size(bounded)
        except Refusal:
            return plain
        return bounded

    def _check_blocks(self, program: Program) -> None:
        """Refuses (SW864) constants that are too large for the driver."""
        limit, size = self.request.conf.model_bytes, sum(block.size for block in program.blocks)
        if limit is not None and size > limit:
            raise refusal("SW864", bytes=f"{size:,}", limit=f"{limit:,}")

    def _describe(self, program: Program, seconds: Seconds) -> Compiled:
        types = output_types(program)
        wanted = self.request.outputs
        outputs = [
            OutputColumn(name=name, type=self.columns[name].spark_type, nullable=type.nullable)
            for name, type in zip(wanted, types[: len(wanted)], strict=True)
        ]
        numbers = sum(len(vector.written) for vector in self.vectors)
        others = [*(f"number {at} of vectors" for at in range(numbers)), *self.watched]
        outputs += [OutputColumn(name=name, type="double", nullable=False) for name in others]
        flags = len(types) > len(outputs)
        notes = (UdfNotes(name=name, notes=tuple(notes)) for name, notes in self.notes)
        return Compiled(
            program=print_program(program),
            hash=program.digest,
            blocks=tuple(Block(digest=block.digest, bytes=block.size) for block in program.blocks),
            inputs=tuple(i.name for i in program.inputs),
            outputs=tuple(outputs),
            vectors=tuple(VectorShape(size=len(vector.written), form=vector.form) for vector in self.vectors),
            watched=tuple(about for about in self.watched.values() if about is not None),
            filtered=any(loop.where is not None for loop in program.loops),
            flags=flags,
            guarded=flags or any(loop.guards or loop.some for loop in program.loops),
            piecewise=not program.stages and not any(loop.guards or loop.some for loop in program.loops),
            batchwise=self.udfs.reads_batch or batchwise(self.request, self.udfs.calls, self._form),
            batch_rows=batch_rows(program),
            repeatable=not program.stages
            and not any(loop.some or loop.groups or loop.where is not None for loop in program.loops),
            kept=tuple(Approximation(op=op, bound=bound) for op, bound in self._all_kept(program)),
            single_precision=any(has_single_precision(loop.body) for loop in program.loops),
            nodes=program.size,
            udfs=(*notes, *self.ml.described()),
            fused=tuple(self.fused),
            seconds=seconds,
        )

    def _all_kept(self, program: Program) -> list[tuple[str, str]]:
        return list(dict.fromkeys((*kept(program).items(), *self.udfs.kept, *self.ml.kept)))

    def _one_udf(self, entry: UdfEntry) -> None:
        notes: list[str] = []
        results = list(entry.fields or (entry.result,))

        def traced() -> list[Column]:
            kind_of(entry.udf.eval_type, entry.name).check_confs(self.request.conf.pandas, entry.name)
            if not entry.fields and columns_of(entry.udf.return_type):  # such as a map of strings with a collation
                raise refusal("SW104", entry.name, type=str(entry.udf.return_type))
            return self.udfs.trace(entry.udf, results, notes)

        made = self._try(entry.name, traced)
        if made is None:
            stored = columns_of(entry.udf.return_type) if entry.fields else None
            types = [column.type for column in stored] if stored else [str(entry.udf.return_type)]
            types += ["boolean"] * (len(results) - len(types))  # whether a struct is not NULL
            for result, type in zip(results, types, strict=True):
                self.columns.add_refused(result, type)
        else:
            for column in made:
                self.columns.add(column)
            if EVALUATED_ONCE not in notes:
                self.fused.append(entry.name)
            self.notes.append((entry.name, notes))

    def _groups(self, step: GroupsStep) -> None:
        for entry in step.udfs:
            self._one_udf(entry)
        domain, loop = f"groups{self.step}", self.columns.loop("groups")
        first = loop.call("equal", loop.read(self.builder.whole("position")), loop.const(0, I64))
        loop.close(where=first, makes=domain)
        self.columns.narrow(domain, ())

    def _map(self, step: MapStep) -> None:
        name, domain = step.name, f"mapped{self.step}"
        self.fused.append(name)
        notes: list[str] = []

        def mapped() -> tuple[list[Column], bool]:
            map_kind_of(step.udf.eval_type, name).check_confs(self.request.conf.pandas, name)
            return self.udfs.map(step.udf, step.results, domain, notes)

        made = self._try(name, mapped)
        if made is None:
            for result, field in zip(step.results, fields_of(step.udf.return_type) or (), strict=True):
                self.columns.add_refused(result, field.type)
            return
        for column in made[0]:
            self.columns.add(column)
        if made[1]:
            self.columns.narrow(domain, ())
        self.notes.append((name, notes))

    def _filter(self, step: FilterStep) -> None:
        self.fused.append("filter")
        domain = f"kept{self.step}"

        def filtered() -> str:
            loop = self.columns.loop("filter")
            condition = expressions.translate(loop, step.condition, self.columns.reader(loop), self.ml)
            where = loop.value_of(condition)
            if condition.type.nullable:
                where = loop.call("logical_and", where, loop.is_valid(condition))
            loop.close(where=where, makes=domain)
            return domain

        if self._try(None, filtered) is not None:
            self.columns.narrow(domain, non_null_columns(step.condition))

    def _project(self, step: ProjectStep) -> None:
        if step.columns:
            self.fused.append("project")
        for entry in step.columns:
            if self.ml.is_vector(entry.expr):
                self.ml.define(entry.name, self._try(None, partial(self._vector, entry.expr)))
                continue
            made = self._try(None, partial(self._projected, entry))
            if made is None:
                self.columns.add_refused(entry.name, entry.expr.type)
            else:
                self.columns.add(made, columns_in(entry.expr))

    def _projected(self, entry: ProjectedColumn) -> Column:
        loop = self.columns.loop("project")
        value = expressions.translate(loop, entry.expr, self.columns.reader(loop), self.ml)
        loop.append(entry.name, value)
        loop.close()
        # NULL wherever such a column is, so the batch of the expression has NULLs too
        state = "nullable" if self.columns.with_nulls(strict_columns(entry.expr)) else "dense"
        column = Column(entry.name, entry.expr.type, value.type.nullable, state)
        if column.name in self._arguments():
            refuse_made_nulls(column.title, column.spark_type, value.type, state)
        return column

    def _vector(self, expr: Expression) -> Expression:
        """Returns the expression of a column of vectors or words. Its guards form a loop: Spark raises whoever reads it."""
        loop = self.columns.loop("vector")
        translate = expressions.translate_dense if self.ml.is_of_array(expr) else expressions.translate_vector
        translate(loop, expr, self.columns.reader(loop), self.ml)
        loop.close()
        return expr

    def _aggregate(self, step: AggregateStep) -> None:
        """Merges rows of another kernel.

        An aggregate is the only step of its request, over the block of rows that the other produced.
        """
        self.fused.append("aggregate")
        for column in self._try(None, lambda: merge_rows(self.columns, step)) or ():
            self.columns.add(column)

    def _arguments(self) -> set[str]:
        """Returns the columns that UDFs of this and later steps read, where NULLs decide dtypes."""
        later = [udf for step in self.request.steps[self.step :] for udf in udfs_of(step)]
        calls = [inner for udf in later if sees_batch_state(udf.eval_type) for inner in udf.with_inner]
        return set().union(*(columns_in(expr) for call in calls for expr in call.expressions))

    def _outputs(self) -> list[str]:
        """Returns the names of the result columns, followed by those of the numbers of result vectors.

        A column of a domain before the last filter is appended again in the last domain.
        """
        wanted, vectors = self.request.outputs, self.request.vectors
        if self.columns.domain == ROWS:
            self.watched = {name: about for name, about in self.builder.watched.items() if name in self.builder.columns}
        if self.columns.domain == ROWS and not vectors:
            return [*wanted, *self.watched]
        loop = self.columns.loop("outputs")
        names = list(wanted)
        if self.columns.domain != ROWS:
            names = [f"{name}@{self.columns.domain}" for name in wanted]
            for name, output in zip(wanted, names, strict=True):
                loop.append(output, loop.read(name))
        for name in vectors:
            reader = self.columns.reader(loop)
            vector = expressions.translate_vector(loop, Expression(op="Column", name=name, type="vector"), reader, self.ml)
            assert isinstance(vector, Vector)
            self.vectors.append(result(vector, re.sub(r"#\d+$", "", name)))
            for at, number in enumerate(vector.written):
                names.append(f"{name}[{at}]@{self.columns.domain}")
                loop.append(names[-1], number)
        loop.close()
        return [*names, *self.watched]

    def _refuse_inexact(self, before: Program, after: Program) -> None:
        """Refuses (SW232) approximate operations: all of them, or those of the functions that were declared exact."""
        for op, bound in kept(after).items() if self.exact or self.udfs.exact else ():
            users = [loop.name for loop in before.loops if op in kept_in(loop.body)]
            if not self.exact:
                users = [user for user in users if user in self.udfs.exact]
            for user in dict.fromkeys(users or ([before.name] if self.exact else [])):
                place = self.udfs.places.get(user, user)
                self._refused(user, refusal("SW232", place, op=op, bound=bound))

    def _try(self, udf: str | None, make: Callable[[], T]) -> T | None:
        """Returns the result of `make`; None when it is refused (which is recorded) or needs a column with a recorded refusal."""
        try:
            return make()
        except Refusal as error:
            self._refused(udf, error)
        except Unknown:
            pass
        except RecursionError:
            self._refused(udf, refusal("SW231", udf or ""))
        return None

    def _refused(self, udf: str | None, error: Refusal) -> None:
        entry = RefusalRecord.of(error, udf, self.step)
        if entry not in self.refusals:
            self.refusals.append(entry)
