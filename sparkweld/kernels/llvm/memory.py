"""Emits the loads and stores of kernels in LLVM, with metadata that declares them free of loop-carried dependences.

The rows of a kernel are independent, and its outputs never alias its inputs. LLVM cannot see that behind dozens of addresses, and
its run-time overlap checks fail for wide programs. So every access of the row loop joins one access group. The loop's metadata
states that accesses in that group carry no dependence between iterations.
"""

from __future__ import annotations

from llvmlite import ir

_GROUP = "sparkweld.accesses"


class _DistinctNode(ir.MDValue):
    """An empty metadata node that equals no other node, as an access group requires."""

    def descr(self, buf: list[str]) -> None:
        buf += ("distinct !{}", "\n")

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


def _group(module: ir.Module) -> ir.MDValue:
    if _GROUP not in module.namedmetadata:
        module.add_named_metadata(_GROUP).add(_DistinctNode(module, (), name=str(len(module.metadata))))
    return module.namedmetadata[_GROUP].operands[0]


def mark_parallel(access: ir.Instruction) -> ir.Instruction:
    """Adds a load or store to the row loop's access group, and returns it."""
    access.set_metadata("llvm.access.group", _group(access.function.module))
    return access


def mark_row_loops(function: ir.Function, loops: tuple[int, ...], *, one_vector: bool, unrolled: bool = True) -> None:
    """Declares loops of the function free of dependences between rows, and requests their vectorisation.

    `loops` are indices in the order of the loops' first blocks. `one_vector` restricts each iteration to one vector: several
    vectors, which hide latency, may together exceed the rows of a tile. Not `unrolled`: LLVM unrolls a loop over a small tile
    before it vectorises, and so would compute its rows one by one.
    """
    back = _back_edges(function)
    heads = sorted(set(back.values()))
    _mark(function, back, [heads[number] for number in loops], one_vector, unrolled)


def mark_innermost_loops(function: ir.Function, *, one_vector: bool) -> None:
    """Like `mark_row_loops`, for the innermost loops that have an access of the group."""
    back = _back_edges(function)
    spans = {head: at for at, block in enumerate(function.blocks) if (head := back.get(id(block))) is not None}
    chosen = []
    for head, end in spans.items():
        inside = [i for block in function.blocks[head : end + 1] for i in block.instructions]
        if not any(head < other <= end for other in spans) and any("llvm.access.group" in i.metadata for i in inside):
            chosen.append(head)
    _mark(function, back, chosen, one_vector)


def _back_edges(function: ir.Function) -> dict[int, int]:
    """Returns, by the identity of each block that ends a loop, the index of the block that begins it."""
    order = {id(block): index for index, block in enumerate(function.blocks)}
    back: dict[int, int] = {}
    for block in function.blocks:
        targets = [order[id(o)] for o in block.terminator.operands if isinstance(o, ir.Block)]
        back.update({id(block): target for target in targets if target <= order[id(block)]})
    return back


def _mark(function: ir.Function, back: dict[int, int], heads: list[int], one_vector: bool, unrolled: bool = True) -> None:
    module = function.module
    if not heads:
        return
    flags = [
        module.add_metadata([ir.MetaDataString(module, "llvm.loop.parallel_accesses"), _group(module)]),
        module.add_metadata([ir.MetaDataString(module, "llvm.loop.vectorize.enable"), ir.Constant(ir.IntType(1), 1)]),
    ]
    if one_vector:
        count = [ir.MetaDataString(module, "llvm.loop.interleave.count"), ir.Constant(ir.IntType(32), 1)]
        flags.append(module.add_metadata(count))
    if not unrolled:
        flags.append(module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")]))
    marks = {head: _DistinctLoop(module, flags) for head in heads}
    for block in function.blocks:
        if back.get(id(block)) in marks:
            block.terminator.set_metadata("llvm.loop", marks[back[id(block)]])


class _DistinctLoop(_DistinctNode):
    """A loop's metadata: itself, then the flags."""

    def __init__(self, module: ir.Module, flags: list[ir.MDValue]) -> None:
        super().__init__(module, flags, name=str(len(module.metadata)))

    def descr(self, buf: list[str]) -> None:
        references = ", ".join(n.get_reference() for n in (self, *self.operands))
        buf += (f"distinct !{{ {references} }}", "\n")


def pointer(b: ir.IRBuilder, address: ir.Value, element: ir.Type) -> ir.Value:
    """Converts an integer address to a pointer to elements."""
    return b.inttoptr(address, element.as_pointer())


def load(b: ir.IRBuilder, address: ir.Value, index: ir.Value, element: ir.Type) -> ir.Value:
    """Loads element `index` of the row loop's array at `address`, without any assumption on its alignment."""
    at = b.gep(pointer(b, address, element), [index], inbounds=True)
    return mark_parallel(b.load(at, align=1))


def store(b: ir.IRBuilder, address: ir.Value, index: ir.Value, value: ir.Value) -> None:
    """Inverts `load`."""
    at = b.gep(pointer(b, address, value.type), [index], inbounds=True)
    mark_parallel(b.store(value, at, align=1))
