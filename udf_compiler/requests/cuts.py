"""Divides a chain of plain functions: a kernel computes the first ones, and Python computes the rest from its results.

PySpark's worker passes the result of a function to the next one as it is, without a conversion to the declared type. So the
kernel's column has the type whose values Python receives as the very same objects, such as `long` for an int. The worker
computes the whole chain for each row in which this column is NULL or NaN. These are the rows where the first functions return
None or NaN, or raise, and those that a guard of the kernel flags. Values and errors, and the order of errors, are therefore those
of the chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sparkweld.contract.constants import ARROW_BATCHED, BATCHED
from sparkweld.contract.replies import CutReply
from sparkweld.contract.requests import PipelineRequest, Udf
from sparkweld.errors import Refusal
from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Const, IsValid, MakeOptional, Read, ValueOf
from sparkweld.reasons import refusal
from udf_compiler.backends.worker_pipelines.payload import MOST_BYTES, cut_command
from udf_compiler.eval_types import kind_of
from udf_compiler.frontends.tracing.zones import session_zone
from udf_compiler.function.environment import worker_environment
from udf_compiler.function.identity import sees_identity
from udf_compiler.function.model_files import reading
from udf_compiler.function.payload import load_command
from udf_compiler.process.cpu_time import working_on
from udf_compiler.requests.compilation import columns_of_request
from udf_compiler.requests.udfs import UdfTracer

#: Longer chains are not divided: each of their functions is tried.
_MOST_FUNCTIONS = 8
#: Nanoseconds per row of one operation in Python, at least: of a number, of a string or a list, a loop, a search by a pattern.
_NUMBER, _OBJECT, _LOOP, _SEARCH = 12.0, 30.0, 600.0, 300.0
#: As above, of a pattern that is searched in all of a string.
_SEARCHES, _WHOLE_STRING = 1000.0, ("replace", "findall", "split", "count")
#: Nanoseconds per row of the kernel's column on its way to the worker, and of each argument beside it, which is None.
_COLUMN, _ARGUMENT = 700.0, 100.0
#: Operations without a counterpart in Python.
_NOTHING = (Const, Read, IsValid, ValueOf, MakeOptional)


def compile_cut(request: PipelineRequest, blobs: Sequence[bytes]) -> CutReply:
    """Returns the longest start of the chain that a kernel computes. Refuses when there is none, or when it does not pay."""
    chain = _chain_of(request.first_udf.udf)
    originals = [blobs[udf.payload] for udf in chain]
    if len(chain) > _MOST_FUNCTIONS or sum(map(len, originals)) > MOST_BYTES:
        raise refusal("SW650", chain[-1].name, function=chain[-1].name, what="it is a long chain")
    with worker_environment(request), session_zone(request.conf.timezone), reading(request.python.files):
        number, type, value = _longest(request, blobs, chain)
        saved = _in_python(value) - _COLUMN - _ARGUMENT * len(chain[0].args)
        if saved <= 0:
            raise refusal("SW649", chain[-1].name, function=chain[-1].name, costs=f"{-saved:.0f}")
        _check_identity(chain[number:], originals[number:])
        command = cut_command(originals, number, load_command(originals[-1]).return_type)
    return CutReply(functions=number, type=type, payload=command.hex())


def _chain_of(udf: Udf) -> list[Udf]:
    """Returns the functions, innermost first. Refuses chains that are not of deterministic plain functions."""
    chain = [udf]
    while chain[0].inner and len(chain[0].args) == 1:
        chain.insert(0, chain[0].inner[0])
    for one in chain:
        if one.eval_type not in (BATCHED, ARROW_BATCHED):
            raise refusal("SW206", one.name, eval_type=one.eval_type)
        if not one.deterministic:
            raise refusal("SW207", one.name)
    named = any(argument.name is not None for one in chain for argument in one.args)
    if len(chain) == 1 or chain[0].inner or named:
        raise refusal("SW646", udf.name, function=udf.name, what="other arguments than the result of one function")
    return chain


def _longest(request: PipelineRequest, blobs: Sequence[bytes], chain: list[Udf]) -> tuple[int, str, Value]:
    """Returns the number of functions that a kernel computes, the type of the result, and its column."""
    for number in range(len(chain) - 1, 0, -1):
        try:
            _, columns = columns_of_request(request)
            return (number, *_Tracer(request, blobs, columns).handed_on(chain[number - 1]))
        except Refusal as error:
            last = error
    raise last


def _check_identity(rest: Sequence[Udf], commands: Sequence[bytes]) -> None:
    """Refuses (SW645) functions that compare objects by identity: the kernel's result is an equal object, not the same."""
    for udf, command in zip(rest, commands, strict=True):
        if sees_identity(load_command(command).function):
            raise refusal("SW645", udf.name, function=udf.name, what="a value whose identity the next function reads")


class _Tracer(UdfTracer):
    """Traces a call whose result another function receives."""

    def handed_on(self, udf: Udf) -> tuple[str, Value]:
        """Returns the type of Spark whose values are the very results of a call, apart from None, and its column in a loop.

        Refuses (SW645) results that are not of one such type, and (SW232) approximate ones: any function may receive them.
        """
        kind, loop = kind_of(udf.eval_type, udf.name), self._columns.loop(udf.name)
        with working_on(udf):
            call = self._call(kind, loop, udf, [])
            result = kind.call(call)
            to = kind.handed_on_as(call, result)
            value = kind.column(replace(call, return_type=to), result)
        self.kept += call.kept
        bounds = [*self.kept, *((let.op.name, let.op.bound) for let in loop.body if let.op.bound is not None)]
        if bounds:
            raise refusal("SW232", call.place, op=bounds[0][0], bound=bounds[0][1])
        return to, value


def _in_python(value: Value) -> float:
    """Estimates the nanoseconds of the operations that compute a value, without those of guards, in Python."""
    loop, found, left = value.loop, set[int](), [value.id]
    while left:
        at = left.pop()
        if at not in found:
            found.add(at)
            left += loop.body[at].args
    return sum(_cost(loop, at) for at in found)


def _cost(loop: LoopBuilder, at: int) -> float:
    op = loop.body[at].op
    if isinstance(op, _NOTHING):
        return 0.0
    if op.name == "regex":
        return _SEARCHES if getattr(op, "fn", "") in _WHOLE_STRING else _SEARCH
    if op.name == "region":
        return _LOOP
    views = any(loop.value(i).type.is_view for i in (at, *loop.body[at].args))
    return _OBJECT if views else _NUMBER
