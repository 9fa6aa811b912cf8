"""Compiles a request (steps over columns, bottom up) to one optimised program, or returns all refusals.

Every step becomes a loop over the current domain. The loop of a filter creates a new domain, and the loop of a map may
create one. The optimizer then fuses the loops. `udf_compiler.service.protocol` and the docstring of `compile_pipeline` describe
request and reply.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from sparkweld.contract.constants import BOUNDED_NOTE
from sparkweld.errors import Refusal
from sparkweld.ir import ROWS, Input, Program, ProgramBuilder, print_program
from sparkweld.ir.layouts.trees import BLOCK
from sparkweld.ir.ops import Call, TreeEnsemble
from sparkweld.ir.program import output_types
from sparkweld.optimizer import optimize
from sparkweld.optimizer.bounds_pay import bounds_pay
from sparkweld.optimizer.choose_layouts import choose_layouts
from sparkweld.optimizer.passes.skip_models import skip_models
from sparkweld.reasons import refusal
from udf_compiler.boundary.columns import (
    Column,
    Columns,
    Unknown,
    columns_in,
    non_null_columns,
    refuse_made_nulls,
    strict_columns,
)
from udf_compiler.boundary.row_flags import guards_as_column
from udf_compiler.boundary.series import ir_type
from udf_compiler.boundary.type_names import with_names
from udf_compiler.eval_types import fields_of, kind_of, map_kind_of, sees_batch_state
from udf_compiler.frontends.catalyst import expressions
from udf_compiler.frontends.catalyst.merging import merge_rows
from udf_compiler.frontends.spark_ml import MlFunctions, result
from udf_compiler.frontends.spark_ml.stages import Vector
from udf_compiler.frontends.tracing.zones import session_zone
from udf_compiler.function.environment import worker_environment
from udf_compiler.function.model_files import reading
from udf_compiler.requests.form_agreement import Form, batchwise
from udf_compiler.requests.udfs import EVALUATED_ONCE, UdfTracer

_BOUNDED = f"{BOUNDED_NOTE} are skipped before full scoring"


def compile_pipeline(
    request: dict[str, Any], blobs: Sequence[bytes], check_size: Callable[[Program], None] | None = None
) -> dict[str, Any]:
    """Replies to a compile request: status "ok" with the program's text, or "refused" with every refusal found.

    `blocks` are the program's constant blocks with their bytes, which the service sends separately. `files` are the files
    that functions have read (`udf_compiler.function.model_files`). All UDFs are traced even when one is refused: a reader of the
    refused result sees a column of its declared type instead. `check_size` raises the refusal of a program that is too large
    for a kernel. Raises InternalError for SparkWeld's own bugs.
    """
    python, zone = request.get("python", {}), request.get("conf", {}).get("timezone")
    with worker_environment(request), session_zone(zone), reading(python.get("files")) as files:
        reply = _Pipeline(request, blobs).reply(check_size)
    if files is not None and files.states:
        reply["files"] = [state.described for state in files.states.values()]
    return reply


class _Pipeline:
    def __init__(self, request: dict[str, Any], blobs: Sequence[bytes]) -> None:
        self._given, self._blobs = request, blobs
        self.request = request = with_names(request)
        self.exact = bool(request.get("conf", {}).get("exact", False))
        self.refusals: list[dict[str, Any]] = []
        self.fused: list[str] = []
        self.notes: list[dict[str, Any]] = []
        self.step = 0
        inputs = [_input(given) for given in request["inputs"]]
        self.builder = ProgramBuilder(request.get("label", "pipeline"), [i for _, i in inputs if isinstance(i, Input)])
        known = [column for column, input in inputs if isinstance(input, Input)]
        self.ml = MlFunctions(request.get("stages", ()), blobs, self.exact)
        refused = {c.name: error for c, error in inputs if isinstance(error, Refusal)}
        self.columns = Columns(self.builder, known, refused, self.ml)
        self.vectors: list[Vector] = []
        self.watched: dict[str, dict[str, Any]] = {}
        settings = {name: request.get(name, {}) for name in ("conf", "python")}
        self.udfs = UdfTracer(blobs, self.columns, self.exact, settings, bool(request.get("regrouped", False)), self.ml)
        self._steps = {
            "python": self._python, "filter": self._filter, "project": self._project, "map": self._map,
            "aggregate": self._aggregate,
        }  # fmt: skip

    def reply(self, check_size: Callable[[Program], None] | None) -> dict[str, Any]:
        started = time.perf_counter()
        self._trace()
        names = None if self.refusals else self._try(None, self._outputs)
        program = None if names is None else self.builder.finish(names)
        traced = time.perf_counter()
        if program is not None:
            before, program = program, self._optimized(program, check_size)
            if self.notes and program.has_trials:
                self.notes[-1]["notes"].append(_BOUNDED)
            self.step = 0
            self._refuse_inexact(before, program)
            if self.request.get("rowwise", False):
                program = guards_as_column(program)
            self._try(None, lambda: self._check_blocks(program))
            if check_size is not None:
                self._try(None, lambda: check_size(program))
        seconds = {"trace": round(traced - started, 6), "optimize": round(time.perf_counter() - traced, 6)}
        if self.refusals or program is None:
            return {"status": "refused", "refusals": self.refusals, "seconds": seconds}
        return {"status": "ok", **self._describe(program), "seconds": seconds}

    def _trace(self) -> None:
        for index, step in enumerate(self.request["steps"]):
            self.step = index
            self._steps[step["kind"]](step)

    def _form(self, request: dict[str, Any]) -> Form | None:
        """Returns the traced loops of the same request for other batches; None when it is refused for them."""
        other = _Pipeline(request, self._blobs)
        other._trace()
        return None if other.refusals else Form(other.builder.inputs, other.builder.loops, other.udfs.calls)

    def _optimized(self, program: Program, check_size: Callable[[Program], None] | None) -> Program:
        """Optimizes the program, with model bounds if the request enables them.

        They are enabled always, or only where they pay for the number of rows of a task and fit the size limits.
        """
        conf = self.request.get("conf", {})
        bounds = conf.get("bounds", True)
        if bounds is True:
            return optimize(program)
        logical = optimize(program, without=(skip_models, choose_layouts))
        plain = choose_layouts(logical)
        if bounds is False or not bounds_pay(plain, bounds, conf["timeout"] / 1000):
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
        limit, size = self.request.get("conf", {}).get("modelBytes"), sum(block.size for block in program.blocks)
        if limit is not None and size > limit:
            raise refusal("SW864", bytes=f"{size:,}", limit=f"{limit:,}")

    def _describe(self, program: Program) -> dict[str, Any]:
        types = output_types(program)
        outputs = [
            {"name": name, "type": self.columns[name].spark_type, "nullable": type.nullable}
            for name, type in zip(self.request["outputs"], types[: len(self.request["outputs"])], strict=True)
        ]
        numbers = sum(len(vector.written) for vector in self.vectors)
        outputs += [{"name": f"number {at} of vectors", "type": "double", "nullable": False} for at in range(numbers)]
        outputs += [{"name": name, "type": "double", "nullable": False} for name in self.watched]
        flags = len(types) > len(outputs)
        return {
            "program": print_program(program),
            "hash": program.digest,
            "blocks": program.blocks,
            "inputs": [i.name for i in program.inputs],
            "outputs": outputs,
            "vectors": [{"size": len(vector.written), "form": vector.form} for vector in self.vectors],
            "watched": list(self.watched.values()),
            "filtered": any(loop.where is not None for loop in program.loops),
            "flags": flags,
            "guarded": flags or any(loop.guards or loop.some for loop in program.loops),
            "piecewise": not any(loop.guards or loop.some for loop in program.loops),
            "batchwise": batchwise(self._given, self.udfs.calls, self._form),
            "batchRows": _batch_rows(program),
            "repeatable": not any(loop.some or loop.groups or loop.where is not None for loop in program.loops),
            "kept": [{"op": op, "bound": bound} for op, bound in self._all_kept(program)],
            "nodes": program.size,
            "udfs": [*self.notes, *self.ml.described()],
            "fused": self.fused,
        }

    def _all_kept(self, program: Program) -> list[tuple[str, str]]:
        return list(dict.fromkeys((*_kept(program).items(), *self.udfs.kept, *self.ml.kept)))

    def _python(self, step: dict[str, Any]) -> None:
        for entry in step["udfs"]:
            self._one_udf(entry)

    def _one_udf(self, entry: dict[str, Any]) -> None:
        notes: list[str] = []
        results = entry.get("fields") or [entry["result"]]

        def traced() -> list[Column]:
            kind = kind_of(entry["udf"]["evalType"], entry["name"])
            kind.check_confs(self.request.get("conf", {}).get("pandas", {}), entry["name"])
            return self.udfs.trace(entry["udf"], results, notes)

        made = self._try(entry["name"], traced)
        if made is None:
            fields = fields_of(entry["udf"]["returnType"])
            types = [field["type"] for field in fields] if fields else [entry["udf"]["returnType"]]
            for result, type in zip(results, types, strict=True):
                self.columns.add_refused(result, type)
        else:
            for column in made:
                self.columns.add(column)
            if EVALUATED_ONCE not in notes:
                self.fused.append(entry["name"])
            self.notes.append({"name": entry["name"], "notes": notes})

    def _map(self, step: dict[str, Any]) -> None:
        name, domain = step["name"], f"mapped{self.step}"
        self.fused.append(name)
        notes: list[str] = []

        def mapped() -> tuple[list[Column], bool]:
            map_kind_of(step["udf"]["evalType"], name).check_confs(self.request.get("conf", {}).get("pandas", {}), name)
            return self.udfs.map(step["udf"], step["results"], domain, notes)

        made = self._try(name, mapped)
        if made is None:
            for result, field in zip(step["results"], step["udf"]["returnType"]["fields"], strict=True):
                self.columns.add_refused(result, field["type"])
            return
        for column in made[0]:
            self.columns.add(column)
        if made[1]:
            self.columns.narrow(domain, ())
        self.notes.append({"name": name, "notes": notes})

    def _filter(self, step: dict[str, Any]) -> None:
        self.fused.append("filter")
        domain = f"kept{self.step}"

        def filtered() -> str:
            loop = self.columns.loop("filter")
            condition = expressions.translate(loop, step["condition"], self.columns.reader(loop), self.ml)
            where = loop.value_of(condition)
            if condition.type.nullable:
                where = loop.call("logical_and", where, loop.is_valid(condition))
            loop.close(where=where, makes=domain)
            return domain

        if self._try(None, filtered) is not None:
            self.columns.narrow(domain, non_null_columns(step["condition"]))

    def _project(self, step: dict[str, Any]) -> None:
        if step["columns"]:
            self.fused.append("project")
        for entry in step["columns"]:
            if self.ml.is_vector(entry["expr"]):
                self.ml.define(entry["name"], self._try(None, lambda entry=entry: self._vector(entry)))  # type: ignore[misc]
                continue
            made = self._try(None, lambda entry=entry: self._projected(entry))  # type: ignore[misc]
            if made is None:
                self.columns.add_refused(entry["name"], entry["expr"]["type"])
            else:
                self.columns.add(made, columns_in(entry["expr"]))

    def _projected(self, entry: dict[str, Any]) -> Column:
        loop = self.columns.loop("project")
        value = expressions.translate(loop, entry["expr"], self.columns.reader(loop), self.ml)
        loop.append(entry["name"], value)
        loop.close()
        # NULL wherever such a column is, so the batch of the expression has NULLs too
        state = "nullable" if self.columns.with_nulls(strict_columns(entry["expr"])) else "dense"
        column = Column(entry["name"], entry["expr"]["type"], value.type.nullable, state)
        if column.name in self._arguments():
            refuse_made_nulls(column.title, column.spark_type, value.type, state)
        return column

    def _vector(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Returns the expression of a column of vectors or words.

        Only its guards form a loop: Spark raises here, regardless of the readers.
        """
        loop = self.columns.loop("vector")
        expressions.translate_vector(loop, entry["expr"], self.columns.reader(loop), self.ml)
        loop.close()
        return entry["expr"]  # type: ignore[no-any-return]

    def _aggregate(self, step: dict[str, Any]) -> None:
        """Merges rows of another kernel.

        An aggregate is the only step of its request, over the block of rows that the other produced.
        """
        self.fused.append("aggregate")
        for column in self._try(None, lambda: merge_rows(self.columns, step)) or ():
            self.columns.add(column)

    def _arguments(self) -> set[str]:
        """Returns the columns that UDFs of this and later steps read, where NULLs decide dtypes."""
        later = [e["udf"] for s in self.request["steps"][self.step :] if s["kind"] == "python" for e in s["udfs"]]
        later += [s["udf"] for s in self.request["steps"][self.step :] if s["kind"] == "map"]
        udfs = [udf for udf in later if sees_batch_state(udf["evalType"])]
        names: set[str] = set()
        while udfs:
            for argument in udfs.pop()["args"]:
                if argument.get("udf") is not None:
                    udfs.append(argument["udf"])
                else:
                    names |= columns_in(argument["expr"])
        return names

    def _outputs(self) -> list[str]:
        """Returns the names of the result columns, followed by those of the numbers of result vectors.

        A column of a domain before the last filter is appended again in the last domain.
        """
        wanted, vectors = self.request["outputs"], self.request.get("vectors", ())
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
            vector = expressions.translate_vector(loop, {"op": "Column", "name": name, "type": "vector"}, reader, self.ml)
            assert isinstance(vector, Vector)
            self.vectors.append(result(vector, re.sub(r"#\d+$", "", name)))
            for at, number in enumerate(vector.written):
                names.append(f"{name}[{at}]@{self.columns.domain}")
                loop.append(names[-1], number)
        loop.close()
        return [*names, *self.watched]

    def _refuse_inexact(self, before: Program, after: Program) -> None:
        """Refuses (SW232) approximate operations: all of them, or those of the functions that were declared exact."""
        for op, bound in _kept(after).items() if self.exact or self.udfs.exact else ():
            users = [loop.name for loop in before.loops if op in _kept_in(loop.body)]
            if not self.exact:
                users = [user for user in users if user in self.udfs.exact]
            for user in dict.fromkeys(users or ([before.name] if self.exact else [])):
                place = self.udfs.places.get(user, user)
                self._refused(user, refusal("SW232", place, op=op, bound=bound))

    def _try(self, udf: str | None, make: Callable[[], Any]) -> Any:
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
        entry = {"udf": udf, "step": self.step, "code": error.code, "title": error.title, "message": error.message}
        entry.update(hint=error.hint, place=error.place)
        if entry not in self.refusals:
            self.refusals.append(entry)


def _input(given: dict[str, Any]) -> tuple[Column, Input | Refusal]:
    """Returns a column, and its program input or its refusal."""
    column = Column(given["name"], given["type"], bool(given["nullable"]), given.get("state", "dense"))
    try:
        return column, Input(column.name, ir_type(column.spark_type, column.holds_null, column.title))
    except Refusal as error:
        return column, error


def _batch_rows(program: Program) -> int:
    """Returns the number of rows that makes a batch efficient; 0 for any number, or if rows depend on others of their batch.

    The few rows that a filter leaves of a batch still read a whole forest.
    """
    if any(loop.some or loop.groups for loop in program.loops):
        return 0
    lets = (let for loop in program.loops if loop.where is not None for let in loop.body)
    rows = max((let.op.block_rows(some=True) for let in lets if isinstance(let.op, TreeEnsemble)), default=0)
    return rows if rows > BLOCK else 0


def _kept(program: Program) -> dict[str, str]:
    return {op: bound for loop in program.loops for op, bound in _kept_in(loop.body).items()}


def _kept_in(body: Sequence[Any]) -> dict[str, str]:
    """Returns name -> bound of the ops whose kernels differ from `evaluate` within a documented bound."""
    kept: dict[str, str] = {}
    for let in body:
        if let.op.bound is not None:
            kept[let.op.fn if isinstance(let.op, Call) else let.op.name] = let.op.bound
    return kept
