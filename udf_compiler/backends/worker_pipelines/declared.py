"""Compiles a chain of UDFs that are declared row-local to a function that takes only the distinct rows of its batches.

Nothing is traced or probed: the functions are black boxes, and their author promises what a trace would prove. Workers check the
promise on real rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from sparkweld.annotations.annotating import is_row_local, tolerance_of
from sparkweld.contract.replies import FusedGroup
from sparkweld.reasons import refusal
from udf_compiler.backends.worker_pipelines.chains import Chain
from udf_compiler.backends.worker_pipelines.payload import Taken, command, metrics_command

#: PySpark's names of types without parts.
_ATOMIC = frozenset("boolean byte short integer long float double decimal string binary date timestamp timestamp_ntz".split())


def is_declared(chain: Chain) -> bool:
    """Whether each of the chain's functions is declared row-local."""
    return all(map(is_row_local, chain.functions))


def _is_plain(type: Any) -> bool:
    """Whether PySpark's type has neither structs nor maps."""
    return _is_plain(type.elementType) if type.typeName() == "array" else type.typeName().partition("(")[0] in _ATOMIC


def declared_group(
    chain: Chain, number: int, arguments: Sequence[int], taken: Taken, columns: Sequence[tuple[Any, ...]],
    confs: Mapping[str, str | None], exact: bool,
) -> FusedGroup:  # fmt: skip
    """Returns the group of the reply to a fuse request. `arguments`: the numbers of the chain's distinct arguments.

    `columns`: the columns of its arguments, with types. Workers keep a function only for the same ones: results may depend on
    dtypes. Refuses (SW645) results of structs and maps, which Spark does not read back in batches of columns. Refuses
    (SW232) a tolerance if `exact`.
    """
    if not _is_plain(chain.return_type):
        what = f"a column of {chain.return_type.simpleString()}"
        raise refusal("SW645", chain.name, function=chain.name, what=what)
    rtol = max(tolerance_of(function) or 0.0 for function in chain.functions)
    if exact and rtol:
        raise refusal("SW232", chain.name, op=chain.name, bound=f"rtol={rtol:g}, as declared")
    identity = repr((list(taken), list(columns), sorted(confs.items()), chain.arrow)).encode()
    digest = sha256(b"".join((*chain.payloads, identity))).hexdigest()
    made = command(
        f"{digest} {rtol!r} {chain.name}".encode(), number, chain.payloads, taken, chain.return_type, confs, 0, chain.arrow,
        "sparkweld.worker.row_local",
    )  # fmt: skip
    kept = f", floats within {rtol:g} of the largest of their row" if rtol else ""
    return FusedGroup(
        udfs=(number,),
        arguments=tuple((number, at) for at in arguments),
        payloads=(made.hex(),),
        stages=(f"call: {chain.name}, declared row-local, {len(columns)} columns in, 1 out, for distinct rows{kept}",),
        block="rows of a call as workers measure, at most those of a batch of Spark",
        moved="each row in and out; the call receives the distinct ones",
        saves=0.0,
        repeats=True,
        metrics=metrics_command().hex(),
    )
