"""Emits the row loop of programs that merge rows into groups, as Python source for Numba: one row per iteration.

The groups are stored in the output columns themselves: row g of each column is the state of group g. A state of eight int64
persists from batch to batch; its address follows those of the columns, which are in the order of any kernel:

    0 number of groups so far, 1 capacity of the output columns in groups,
    2 address of the slots, int64 each and 0 when free, 3 their number less one (a power of two, at least twice the groups'),
    4 address for the next string of a key, 5 the end of that memory,
    6 the first row to merge; afterwards the first row that is not merged yet, 7 the cause of an early stop

Another kernel computes the columns that it merges. LLVM vectorises that kernel, and it can still flag rows. `merging.c` calls
the two alternately, one block of rows at a time. So the columns stay in the cache, and no column of a whole batch is needed.
Blocks of 256 to 4,096 rows took the same time. It was 9.9 to 10.2 ns a row with a string key, and 5.6 to 5.7 with an int key.

When a row needs a new group and the groups or the key memory are full, the loop stops before that row. The caller takes the
groups out, resets the first four words and the slots, and calls again. Word 7 is then the bytes of key strings that the row
requires. `result[1]` is 1 when a checked sum cannot take the row, and word 7 is then the group.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir
from numba.core import types

from sparkweld.ir.merges import MOMENTS, Merge, merge_type
from sparkweld.ir.ops import Read
from sparkweld.ir.program import Program, body_types
from sparkweld.ir.types import BOOL, F64, I64, STR, Type
from sparkweld.kernels.codegen import row_operations as make
from sparkweld.kernels.codegen.lowerings import llvm_type
from sparkweld.kernels.codegen.stages import column_operation
from sparkweld.kernels.functions.strings import memory_access as memory
from sparkweld.kernels.functions.strings.key_tables import hash_of
from sparkweld.kernels.functions.strings.search import same_bytes
from sparkweld.kernels.llvm.numba_frontend import Operation, define, numba_type

ARGUMENTS = (types.int64, types.int64, types.int64)
RESULT = types.int64

_FACTOR = 0x2545F4914F6CDD1D  # odd, so that no bit of a key is lost
_KNOWN_BITS = 10  # log2 of the number of entries of cached keys: they fit the first-level cache
_MOST_KNOWN_KEYS = 3
_MOST_MISSES = 256  # once misses exceed hits by this number, cached keys are not looked up any more
_HIGH = -(1 << 32)  # of a slot: the hash; the low half is the group's number plus one

_I64 = ir.IntType(64)


def merge_function(program: Program) -> Callable[..., object]:
    """Returns the function of (columns, n, result), all addresses except n, for Numba."""
    emitter = _Emitter(program)
    return define(emitter.source(), "merge_rows", emitter.namespace)


class _Emitter:
    def __init__(self, program: Program) -> None:
        loop = program.loops[0]
        assert loop.groups is not None
        self.groups = loop.groups
        self.types = body_types(loop)
        entry_of = {i.name: 2 * at for at, i in enumerate(program.inputs)}
        self.entries = [entry_of[let.op.column] for let in loop.body if isinstance(let.op, Read)]
        first = 2 * len(program.inputs)
        self.state_entry = first + 2 * len(program.outputs)
        outputs = {name: first + 2 * at for at, name in enumerate(program.outputs)}
        self.outputs = {part.column: outputs[part.column] for part in self.groups.parts if part.column in outputs}
        self.merges = [merge for merge in self.groups.merges if merge.column in outputs]
        self.namespace: dict[str, object] = {name: getattr(memory, name) for name in _MEMORY}
        self.namespace.update(hash_of=hash_of, same_bytes=same_bytes, address=make.address, load_valid=make.load_valid())

    def source(self) -> str:
        head = [f"state = address(columns, {self.state_entry})", "groups = word(state, 0)", "row = word(state, 48)"]
        entries = sorted({*self.entries, *self.outputs.values()})
        head += [f"a{at} = address(columns, {at})" for entry in entries for at in (entry, entry + 1)]
        parts = (self._fetch, self._step, self._put)
        fetch, step, put = ([line for merge in self.merges for line in part(merge)] for part in parts)
        values = [line for value in range(len(self.types)) for line in self._value(value)]
        if self.groups.keys:
            find = self._known(self._find()) if self._has_known else self._find()
            rows = [*values, *find, "if full:", "    break", *fetch, *self._check(), *step, *put]
            start = [*_TABLE, *(self._no_known() if self._has_known else [])]
            lines = [*head, *start, "while row < n:", *_indented([*rows, "row += 1"])]
            tail = ["store_word(state, 32, cursor)"]
        else:
            start = ["if groups == 0:", "    groups = 1", "    g = 0", *_indented(self._start())]
            rows = [*values, *self._check(), *step]
            lines = [*head, "flagged = 0", "g = 0", *start, *fetch, "while row < n:", *_indented([*rows, "row += 1"]), *put]
            tail = []
        tail += ["store_word(state, 0, groups)", "store_word(state, 48, row)", "store_word(result, 0, row)"]
        lines = [*lines, *tail, "store_word(result, 8, flagged)", "return 0"]
        return "\n".join(["def merge_rows(columns, n, result):", *_indented(lines), ""])

    def _name(self, operation: Operation) -> str:
        self.namespace[operation.name] = operation
        return operation.name

    def _value(self, value: int) -> list[str]:
        type, entry = self.types[value], self.entries[value]
        valid = f"load_valid(a{entry + 1}, row)" if type.nullable else "True"
        return [f"ok{value} = {valid}", f"v{value} = {self._name(make.load(type.plain()))}(a{entry}, row)"]

    @property
    def _has_known(self) -> bool:
        """Whether groups are looked up by the addresses of their key strings first, among those of earlier rows."""
        return len(self.groups.keys) <= _MOST_KNOWN_KEYS and any(self.types[k.value].plain() == STR for k in self.groups.keys)

    def _places(self) -> tuple[list[str], list[str]]:
        """Returns the names of the words that identify a row's keys, and the lines that compute them and their hash, `mixed`.

        A string key is identified by its address and length, not by its bytes.
        """
        names, lines = [], ["mixed = 0"]
        for key in self.groups.keys:
            at, type = key.value, self.types[key.value].plain()
            where = f"address_of(v{at})" if type == STR else f"{self._name(_as_word(type))}(v{at})"
            size = f"length_of(v{at})" if type == STR else "0"
            lines += [f"where{at} = 0", f"size{at} = -1", f"if ok{at}:", f"    where{at} = {where}", f"    size{at} = {size}"]
            lines.append(f"mixed = wrapping_multiply(mixed ^ where{at}, {_FACTOR})")
            names += [f"where{at}", f"size{at}"]
        return names, lines

    def _known(self, find: list[str]) -> list[str]:
        """Emits a small cache in front of `find`, keyed by the addresses of key strings.

        Equal keys of a dictionary-encoded column have one address, so most rows need neither hash nor comparison of bytes. An
        entry is the group's number plus one (0 when free) and the row's addresses. Too many misses turn the cache off.
        """
        names, lines = self._places()
        same = " and ".join(f"word(known, {8 * at}) == {name}" for at, name in enumerate(names, 1))
        put = [f"store_word(known, {8 * at}, {name})" for at, name in enumerate(["g + 1", *names])]
        look = [f"known = entries + {8 + 8 * len(names)} * shift_right(mixed, {64 - _KNOWN_BITS})", f"if {same}:"]
        return [
            "g = -1", f"if misses < {_MOST_MISSES}:", *_indented([*lines, *look]),
            "        g = word(known, 0) - 1", "        misses -= 1",
            "if g < 0:", *_indented(find), f"    if misses < {_MOST_MISSES}:", *_indented(["misses += 1", *put], 8),
        ]  # fmt: skip

    def _no_known(self) -> list[str]:
        """Emits an empty table of cached keys. It is valid for one call only, during which strings do not move."""
        entry = 8 + 16 * len(self.groups.keys)
        column = self._name(column_operation(entry << _KNOWN_BITS))
        return [
            f"entries = {column}()", "misses = 0", "known = entries", f"while known < entries + {entry << _KNOWN_BITS}:",
            "    store_word(known, 0, 0)", f"    known += {entry}",
        ]  # fmt: skip

    def _find(self) -> list[str]:
        """Emits the lines that find the row's group `g`, or create it."""
        lines = ["h = 0"]
        for key in self.groups.keys:
            type, value = self.types[key.value].plain(), f"v{key.value}"
            bits = f"hash_of({value})" if type == STR else f"{self._name(_as_word(type))}({value})"
            lines += ["bits = 1", f"if ok{key.value}:", f"    bits = {bits}"]
            lines += [f"h = wrapping_multiply(h ^ bits, {_FACTOR})", "h = h ^ shift_right(h, 32)"]
        same = [line for key in self.groups.keys for line in self._same(key.column, key.value)]
        lines += [
            "slot = h & mask", "g = -1", "going = True",
            "while going:",
            "    entry = word(slots, 8 * slot)",
            "    if entry == 0:",
            "        going = False",
            f"    elif (entry ^ h) & {_HIGH} == 0:",
            "        g = (entry & 0xFFFFFFFF) - 1", "        same = True", *_indented(same, 8),
            "        if same:",
            "            going = False",
            "        else:",
            "            g = -1",
            "    if going:",
            "        slot = slot + 1 & mask",
            "if g < 0:",
            *_indented(self._new()),
        ]  # fmt: skip
        return lines

    def _same(self, column: str, value: int) -> list[str]:
        type, at = self.types[value], self.outputs[column]
        differs = f"{self._name(make.load(type.plain()))}(a{at}, g) != v{value}"
        if type.plain() == STR:
            load = f"w = {self._name(make.load(STR))}(a{at}, g)"
            length = f"length_of(w) != length_of(v{value})"
            other = f"not same_bytes(address_of(w), address_of(v{value}), length_of(w))"
            found = [load, f"if {length}:", "    same = False", f"elif {other}:", "    same = False"]
        else:
            found = [f"if {differs}:", "    same = False"]
        if not type.nullable:
            return found
        stored = f"load_valid(a{at + 1}, g)"
        return [f"if {stored} != ok{value}:", "    same = False", f"elif ok{value}:", *_indented(found)]

    def _new(self) -> list[str]:
        texts = [key for key in self.groups.keys if self.types[key.value].plain() == STR]
        lines = ["wanted = 0"]
        for key in texts:
            lines += [f"if ok{key.value}:", f"    wanted += length_of(v{key.value})"]
        stop = ["full = True", "store_word(state, 56, wanted)", "break"]
        lines += ["if groups == room or cursor + wanted > end:", *_indented(stop)]
        lines += ["g = groups", "groups += 1", f"store_word(slots, 8 * slot, h & {_HIGH} | groups)"]
        for key in self.groups.keys:
            type, at, value = self.types[key.value], self.outputs[key.column], key.value
            plain = type.plain()
            stored = f"{self._name(make.or_zero(plain))}(v{value}, ok{value})"
            if plain == STR:
                lines += [f"t = {stored}", "copy(cursor, address_of(t), length_of(t))"]
                lines += [f"{self._name(make.store(STR))}(a{at}, g, view(cursor, length_of(t)))", "cursor += length_of(t)"]
            else:
                lines.append(f"{self._name(make.store(plain))}(a{at}, g, {stored})")
            lines.append(f"{self._name(make.store_null())}(a{at + 1}, g, ok{value})")
        return [*lines, *self._start()]

    def _start(self) -> list[str]:
        """Emits the initial state of a group without rows."""
        lines = []
        for merge in self.merges:
            type, at = self._type(merge), self.outputs[merge.column]
            zero = f"{self._name(zero_of(type.plain()))}()"
            lines += [f"{self._name(make.store(type.plain()))}(a{at}, g, {zero})"]
            lines += [f"{self._name(make.store_null())}(a{at + 1}, g, {not type.nullable})"]
        return lines

    def _type(self, merge: Merge) -> Type:
        return merge_type(merge.fn, None if merge.value is None else self.types[merge.value])

    def _fetch(self, merge: Merge) -> list[str]:
        type, at = self._type(merge), self.outputs[merge.column]
        lines = [f"m{at} = {self._name(make.load(type.plain()))}(a{at}, g)"]
        return [*lines, f"has{at} = load_valid(a{at + 1}, g)"] if type.nullable else lines

    def _put(self, merge: Merge) -> list[str]:
        type, at = self._type(merge), self.outputs[merge.column]
        lines = [f"{self._name(make.store(type.plain()))}(a{at}, g, m{at})"]
        return [*lines, f"{self._name(make.store_null())}(a{at + 1}, g, has{at})"] if type.nullable else lines

    def _check(self) -> list[str]:
        """Emits the stop before a row that a checked sum cannot take."""
        lines = []
        for merge in self.merges:
            if merge.fn == "checked_sum":
                at, value = self.outputs[merge.column], self._widened(merge)
                lines += [f"if ok{merge.value} and {self._name(_overflows())}(m{at}, {value}):", "    flagged = 1"]
        stop = ["    store_word(state, 56, g)", "    break"]
        return [*lines, "if flagged != 0:", *stop] if lines else []

    def _step(self, merge: Merge) -> list[str]:
        at, value = self.outputs[merge.column], merge.value
        if merge.fn == "rows":
            return [f"m{at} += 1"]
        if merge.fn in MOMENTS:
            return self._moments(merge) if merge.fn == MOMENTS[0] else []
        if merge.fn == "count":
            step = [f"m{at} += 1"]
        elif merge.fn in ("min", "max"):
            pair = (f"v{value}", f"m{at}") if merge.fn == "max" else (f"m{at}", f"v{value}")
            type = self.types[value or 0].plain()
            is_larger = f"{self._name(larger(type))}({', '.join(pair)})"
            step = [f"if not has{at} or {is_larger}:", f"    m{at} = v{value}"]
        else:
            add = self._name(_add(self._type(merge).plain()))
            step = [f"m{at} = {add}(m{at}, {self._widened(merge)})"]
        if self._type(merge).nullable:
            step.append(f"has{at} = True")
        return [f"if ok{value}:", *_indented(step)]

    def _moments(self, merge: Merge) -> list[str]:
        """Emits the update of the three columns of count, mean and squared deviations (Welford)."""
        of_value = {m.fn: self.outputs[m.column] for m in self.merges if m.value == merge.value and m.fn in MOMENTS}
        n, mean, squares = (f"m{of_value[fn]}" for fn in MOMENTS)
        step = [f"{n} += 1.0", f"delta = v{merge.value} - {mean}", f"step = quotient(delta, {n})", f"{mean} += step"]
        return [f"if ok{merge.value}:", *_indented([*step, f"{squares} += delta * (delta - step)"])]

    def _widened(self, merge: Merge) -> str:
        assert merge.value is not None
        return f"{self._name(_widen(self.types[merge.value].plain(), self._type(merge).plain()))}(v{merge.value})"


_MEMORY = (
    "word", "store_word", "quotient", "address_of", "length_of", "view", "copy", "shift_right", "wrapping_multiply",
)  # fmt: skip

_TABLE = (
    "room = word(state, 8)", "slots = word(state, 16)", "mask = word(state, 24)", "cursor = word(state, 32)",
    "end = word(state, 40)", "full = False", "flagged = 0",
)  # fmt: skip


def _indented(lines: list[str], by: int = 4) -> list[str]:
    return [" " * by + line for line in lines]


def _as_word(type: Type) -> Operation:
    """Converts a key's value to 64 bits."""
    def build(b: ir.IRBuilder, x: ir.Value) -> ir.Value:
        if type == BOOL:
            return b.zext(x, _I64)
        return x if x.type == _I64 else b.sext(x, _I64)

    return Operation(f"as_word_{type}", (numba_type(type),), types.int64, build)


def _widen(type: Type, to: Type) -> Operation:
    """Converts a number to the type of its sum, as the JVM widens it."""
    def build(b: ir.IRBuilder, x: ir.Value) -> ir.Value:
        if type.is_float:
            return x if type == to else b.fpext(x, llvm_type(to))
        if to == F64:
            return b.sitofp(x, llvm_type(to))
        return x if type == I64 else b.sext(x, _I64)

    return Operation(f"widen_{type}_{to}", (numba_type(type),), numba_type(to), build)


def _add(type: Type) -> Operation:
    """Adds two values; integers wrap."""
    of = numba_type(type)
    return Operation(f"add_{type}", (of, of), of, lambda b, x, y: b.fadd(x, y) if type.is_float else b.add(x, y))


def _overflows() -> Operation:
    """Whether the sum of two int64 overflows."""
    def build(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
        return b.extract_value(b.sadd_with_overflow(x, y), 1)

    return Operation("overflows", (types.int64, types.int64), types.boolean, build)


def larger(type: Type) -> Operation:
    """Whether x is larger than y in Spark's order: NaN is larger than all other values."""
    def build(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
        if not type.is_float:
            return b.icmp_unsigned(">", x, y) if type == BOOL else b.icmp_signed(">", x, y)
        nan = b.and_(b.fcmp_unordered("uno", x, x), b.fcmp_ordered("ord", y, y))
        return b.or_(b.fcmp_ordered(">", x, y), nan)

    return Operation(f"larger_{type}", (numba_type(type),) * 2, types.boolean, build)


def zero_of(type: Type) -> Operation:
    value = ir.Constant(llvm_type(type), 0.0 if type.is_float else 0)
    return Operation(f"zero_{type}", (), numba_type(type), lambda b: value)
