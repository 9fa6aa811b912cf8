"""Flattens nested UDFs of a fuse request into a chain of functions and evaluates the chain without a pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sparkweld.annotations.annotating import is_row_local
from sparkweld.contract.constants import SCALAR_ARROW, SCALAR_ARROW_ITERATOR, SCALAR_PANDAS, SCALAR_PANDAS_ITERATOR
from sparkweld.contract.requests import Udf
from sparkweld.reasons import refusal
from udf_compiler.backends.worker_pipelines.payload import batch_command
from udf_compiler.eval_types.iterated import of_one_batch
from udf_compiler.function.options import options_of
from udf_compiler.function.payload import load_command

_SCALARS, _ITERATORS = (SCALAR_PANDAS, SCALAR_ARROW), (SCALAR_PANDAS_ITERATOR, SCALAR_ARROW_ITERATOR)
#: Eval types of functions that take Arrow arrays.
_ARROW = (SCALAR_ARROW, SCALAR_ARROW_ITERATOR)


def chain_of(udf: Udf) -> list[Udf]:
    """Returns the chain, innermost function first. Refuses non-pandas, non-Arrow UDFs (SW206) and unsupported chains (SW646)."""
    chain = [udf]
    while chain[0].inner:
        if len(chain[0].args) != 1:
            raise refusal("SW646", udf.name, function=udf.name, what="several results of UDFs")
        chain.insert(0, chain[0].inner[0])
    for one in chain:
        kinds = _SCALARS if len(chain) > 1 else _SCALARS + _ITERATORS
        if one.eval_type not in kinds or one.eval_type != udf.eval_type:
            raise refusal("SW206", one.name, eval_type=one.eval_type)
        named = [argument.name for argument in one.args if argument.name is not None]
        if named and one.eval_type in _ITERATORS:
            raise refusal("SW362", one.name, name=named[0])
        if not one.deterministic:
            raise refusal("SW207", one.name)
    return chain


class Chain:
    """A chain of functions, each applied to the result of the previous one. `args`: the arguments of the first.

    `iterates`: the chain is one iterator UDF, and its payload is rewritten to a function of one batch. `arrow`: the functions
    take Arrow arrays.
    """

    def __init__(self, udfs: list[Udf], blobs: Sequence[bytes]) -> None:
        self.udfs = udfs
        self.name = udfs[-1].name
        self.args = udfs[0].args
        self.payloads = [blobs[udf.payload] for udf in udfs]
        commands = [load_command(data) for data in self.payloads]
        self.functions = [made.function for made in commands]
        self.return_type = commands[-1].return_type
        self.iterates, self.arrow = (udfs[0].eval_type in kinds for kinds in (_ITERATORS, _ARROW))
        if self.iterates:
            in_pieces = is_row_local(self.functions[0])
            self.payloads = [batch_command(self.payloads[0], self.return_type, self.arrow, in_pieces)]
        self.exact = any(options_of(f).exact for f in self.functions)
        for function, udf in zip(self.functions, udfs, strict=True):
            if options_of(function).backend == "python":
                raise refusal("SW700", udf.name)

    def original(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Returns the result of the user's functions."""
        if self.iterates:
            return of_one_batch(self.functions[0])(*args)
        result = self.functions[0](*args, **kwargs)
        for function in self.functions[1:]:
            result = function(result)
        return result
