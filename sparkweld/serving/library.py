"""Exports a program as a shared library with a C header: rows are structs, so other languages need no columns.

The library holds the kernel, the bytes of its models, and the C code below, which lays rows out as columns. It imports only the
C library, libm and libmvec.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from sparkweld.contract.constants import HEAD_WORDS, KEEPS
from sparkweld.errors import UserError
from sparkweld.serving import file
from sparkweld.serving.forms import Parts
from sparkweld.serving.linking import link
from sparkweld.serving.signature import Column

#: Kind -> type of C.
_C = {
    "bool": "uint8_t", "i8": "int8_t", "i16": "int16_t", "i32": "int32_t", "i64": "int64_t", "f32": "float", "f64": "double",
    "date": "int32_t", "ts": "int64_t",
}  # fmt: skip

_NOTES = {"date": "days since 1970-01-01", "ts": "microseconds since 1970-01-01T00:00"}

#: Keywords of C and C++, which includes the header, too, and names that compilers define as macros.
_KEYWORDS = frozenset(
    "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t char8_t class co_await "
    "co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype default delete do "
    "double dynamic_cast else enum explicit export extern false float for friend goto i386 if inline int linux long mutable "
    "namespace new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast "
    "requires restrict return short signed sizeof static static_assert static_cast struct switch template this thread_local "
    "throw true try typedef typeid typename typeof typeof_unqual union unix unsigned using virtual void volatile wchar_t "
    "while xor xor_eq".split()
)


def export(program: Parts, path: str | os.PathLike[str], prefix: str) -> str:
    """Writes the library and its header, each atomically; returns the header's path. Raises UserError.

    The library computes rows whose NULLs change no dtype (see `Parts`), and the status of other rows says so.
    """
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", prefix):
        raise UserError(f"prefix={prefix!r} is no identifier of C")
    form = program.forms[frozenset()]
    if form.few_kernel.is_linked:
        raise UserError("a program that was loaded from a file has no object code to export: export the one that was saved")
    signature = form.few_kernel.signature
    lists = [column.name for column in (*signature.inputs, *signature.outputs) if column.element]
    if lists:
        raise UserError(f"columns of arrays ({', '.join(lists)}) cannot be exported")
    fields = dict(zip((c.name for c in program.inputs), _identifiers([c.name for c in program.inputs]), strict=True))
    results = _identifiers([c.name for c in program.outputs])
    header = _header(program, prefix, fields, results)
    files = {"program.h": header.encode(), "kernel.o": form.few_kernel.object_code()}
    files |= {f"block{at}.bin": block.tobytes() for at, block in enumerate(form.few_kernel.blocks)}
    files["blocks.S"] = _blocks(prefix, len(form.few_kernel.blocks)).encode()
    files["program.c"] = _source(program, prefix, fields, results).encode()
    where = os.fspath(path)
    beside = os.path.splitext(where)[0] + ".h"
    library = link(files, ["-fvisibility=hidden", "-pthread", "-Wl,-Bsymbolic", "-Wl,-z,nodelete", "-Wno-unused-function"])
    file.write(where, library)
    file.write(beside, header.encode())
    return beside


def _identifiers(names: Sequence[str]) -> list[str]:
    """Returns distinct identifiers of C for the names of columns."""
    made: list[str] = []
    for name in names:
        plain = re.sub("[^A-Za-z0-9_]", "_", name)
        plain = f"_{plain}" if not plain or plain[0].isdigit() or plain in _KEYWORDS else plain
        while plain in made or plain.removesuffix("_is_null") in made or f"{plain}_is_null" in made:
            plain += "_"
        made.append(plain)
    return made


def _header(program: Parts, prefix: str, fields: dict[str, str], results: Sequence[str]) -> str:
    guard = f"{prefix.upper()}_H"
    named = [(fields[column.name], column) for column in program.inputs]
    inputs = "\n".join(line for field, column in named for line in _members(field, column, prefix))
    outputs = "\n".join(line for f, c in zip(results, program.outputs, strict=True) for line in _members(f, c, prefix))
    return f"""/* {_comment(program.title())} */
#ifndef {guard}
#define {guard}

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

/* A string of UTF-8, not terminated. The address of an empty one may be NULL. */
typedef struct {{ const char *data; int64_t length; }} {prefix}_string;

/* The columns of a row. Where `..._is_null` is not 0, the value before it is not read. */
typedef struct {{
{inputs}
}} {prefix}_input;

/* The result of a row. A string stays valid until the next call of the same thread, or until those of the row change:
   it may be a part of one of them. */
typedef struct {{
{outputs}
}} {prefix}_output;

/* Computes `n` rows. The status of a row becomes 0, or 1 where only the Python function can compute it, or where a string is
   no valid UTF-8. Returns the number of rows with status 1, -1 where memory is exhausted, or -2 where `n` is negative or one
   of the pointers is NULL although `n` is not 0. Any number of threads may call it. */
int64_t {prefix}_score(const {prefix}_input *rows, int64_t n, {prefix}_output *results, uint8_t *status);

#ifdef __cplusplus
}}
#endif

#endif
"""


def _members(field: str, column: Column, prefix: str) -> list[str]:
    kind = f"{prefix}_string" if column.is_view else _C[column.kind]
    note = f"  /* {_comment(column.name)} {column.type}{', ' + _NOTES[column.kind] if column.kind in _NOTES else ''} */"
    return [f"    {kind} {field};{note}", f"    uint8_t {field}_is_null;"]


def _comment(text: str) -> str:
    return text.replace("*/", "* /").replace("\n", " ")


def _blocks(prefix: str, count: int) -> str:
    """Returns assembly that embeds the bytes of the models."""
    lines = [".section .rodata"]
    for at in range(count):
        lines += [".balign 64", f".global {prefix}_block{at}", f".hidden {prefix}_block{at}", f"{prefix}_block{at}:"]
        lines.append(f'.incbin "block{at}.bin"')
    return "\n".join([*lines, '.section .note.GNU-stack,"",%progbits', ""])


def _source(program: Parts, prefix: str, fields: dict[str, str], results: Sequence[str]) -> str:
    """Returns the C code: for pieces of rows, columns are filled, the kernel is called, and results are copied."""
    form = program.forms[frozenset()]
    signature, blocks = form.few_kernel.signature, len(form.few_kernel.blocks)
    declared, fill, take, table = [], [], [], []
    for at, column in enumerate(signature.inputs):
        field = fields[column.name]
        kind = f"{prefix}_string" if column.is_view else _C[column.kind]
        declared.append(f"    {kind} i{at}[PIECE]; uint8_t n{at}[PIECE];")
        zero = f"({prefix}_string){{0, 0}}" if column.is_view else "0"
        value = f"rows[r].{field}" if column.kind != "bool" else f"rows[r].{field} != 0"
        fill.append(f"        s->n{at}[r] = rows[r].{field}_is_null != 0; s->i{at}[r] = s->n{at}[r] ? {zero} : {value};")
        if column.is_view:
            fill.append(f"        lacks |= !is_utf8(s->i{at}[r]);")
        if not column.nullable:
            fill.append(f"        lacks |= s->n{at}[r];")
        table += [f"s->i{at}", f"s->n{at}"]
    for at, (field, column) in enumerate(zip(results, signature.outputs, strict=True)):
        kind = f"{prefix}_string" if column.is_view else _C[column.kind]
        declared.append(f"    {kind} o{at}[PIECE]; uint8_t m{at}[PIECE];")
        null = f"s->m{at}[r]" if column.nullable else "0"
        take.append(f"        results[r].{field} = s->o{at}[r]; results[r].{field}_is_null = {null};")
        table += [f"s->o{at}", f"s->m{at}" if column.nullable else "0"]
    strings = any(column.is_view for column in signature.outputs)
    table += ["0", "s->ends" if signature.allocates else "0", *(f"{prefix}_block{at}" for at in range(blocks))]
    table += ["s->memory"] if blocks else []
    externs = "\n".join(f"extern const char {prefix}_block{at}[];" for at in range(blocks))
    words = ", ".join(["0", *[f"{KEEPS}LL"] * (HEAD_WORDS - 1)] if blocks else ["0"])
    return _TEMPLATE.format(
        prefix=prefix, symbol=signature.symbol, externs=externs, columns="\n".join(declared), fill="\n".join(fill),
        take="\n".join(take), table=", ".join(f"(int64_t) {x}" for x in table), outputs=len(signature.outputs),
        memory=max(signature.memory, 64), keeps=words, allocates=int(signature.allocates), strings=int(strings),
    )  # fmt: skip


_TEMPLATE = """#include "program.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PIECE 64
#define FIRST_ARENA 65536

extern void {symbol}(const int64_t *columns, int64_t n, int64_t *result);
{externs}

/* The memory of a thread: columns of a piece of rows, the memory of the models, and arenas of strings. */
typedef struct space {{
{columns}
    int64_t ends[2];
    char *memory, *held;
    char *arena; int64_t used, size;
    struct arena {{ struct arena *next; }} *old;
}} space;

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void forget(space *s) {{
    while (s->old) {{ struct arena *next = s->old->next; free(s->old); s->old = next; }}
    s->used = 0;
}}

static void release(void *given) {{
    space *s = given;
    forget(s);
    free(s->held); free(s->arena); free(s);
}}

static void make_key(void) {{ pthread_key_create(&key, release); }}

static space *space_of_thread(void) {{
    pthread_once(&once, make_key);
    space *s = pthread_getspecific(key);
    if (s) return s;
    s = calloc(1, sizeof *s);
    if (!s) return 0;
    s->held = calloc(1, {memory} + 64);
    s->size = {allocates} ? FIRST_ARENA : 0;
    s->arena = {allocates} ? malloc(sizeof(struct arena) + FIRST_ARENA) : 0;
    if (!s->held || ({allocates} && !s->arena) || pthread_setspecific(key, s)) {{ release(s); return 0; }}
    s->memory = (char *) (((uintptr_t) s->held + 63) & ~(uintptr_t) 63);
    static const int64_t keeps[] = {{{keeps}}};
    memcpy(s->memory, keeps, sizeof keeps);
    return s;
}}

/* Calls the kernel for the rows in the columns. Returns the number of flagged rows, or -1 where memory is exhausted. */
static int64_t call(space *s, int64_t n) {{
    int64_t result[2 + {outputs}];
    for (;;) {{
        int64_t begin = (int64_t) s->arena + (int64_t) sizeof(struct arena);
        s->ends[0] = begin + s->used; s->ends[1] = begin + s->size;
        const int64_t table[] = {{{table}}};
        {symbol}(table, n, result);
        if (!{allocates} || s->ends[0] <= s->ends[1]) break;
        int64_t size = s->ends[0] - begin;
        size = ((size > 2 * s->size ? size : 2 * s->size) + 7) & ~(int64_t) 7;
        struct arena *larger = malloc(sizeof(struct arena) + size), *full = (struct arena *) s->arena;
        if (!larger) return -1;
        /* The strings of earlier pieces are valid until the next call of the thread. */
        if (s->used) {{ full->next = s->old; s->old = full; }} else free(full);
        s->arena = (char *) larger; s->used = 0; s->size = size;
    }}
    return result[1];
}}

/* Whether a string is valid UTF-8, which kernels rely on (table 3-7 of the Unicode Standard). */
static int is_utf8({prefix}_string given) {{
    if (!given.length) return 1;  /* the address may be NULL */
    if (!given.data || given.length < 0) return 0;
    const unsigned char *s = (const unsigned char *) given.data, *end = s + given.length;
    while (s < end) {{
        unsigned char first = *s++, low = 0x80, high = 0xBF;
        if (first < 0x80) continue;
        int more = first < 0xC2 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : first < 0xF5 ? 3 : 0;
        if (!more || end - s < more) return 0;
        if (first == 0xE0) low = 0xA0; else if (first == 0xED) high = 0x9F;
        else if (first == 0xF0) low = 0x90; else if (first == 0xF4) high = 0x8F;
        if (*s < low || *s > high) return 0;
        for (s++; --more; s++) if (*s < 0x80 || *s > 0xBF) return 0;
    }}
    return 1;
}}

static int64_t piece(space *s, const {prefix}_input *rows, int64_t n, {prefix}_output *results, uint8_t *status) {{
    int lacks = 0;
    for (int64_t r = 0; r < n; r++) {{
{fill}
    }}
    int64_t flagged = lacks ? n : call(s, n);
    if (flagged < 0) return -1;
    if (flagged && n > 1) {{
        int64_t left = 0;
        for (int64_t r = 0; r < n; r++) {{
            int64_t one = piece(s, rows + r, 1, results + r, status + r);
            if (one < 0) return -1;
            left += one;
        }}
        return left;
    }}
    if (flagged) {{ status[0] = 1; memset(results, 0, sizeof *results); return 1; }}
    for (int64_t r = 0; r < n; r++) {{
        status[r] = 0;
{take}
    }}
    if ({strings}) s->used = (s->ends[0] - (int64_t) s->arena - (int64_t) sizeof(struct arena) + 7) & ~(int64_t) 7;
    return 0;
}}

__attribute__((visibility("default")))
int64_t {prefix}_score(const {prefix}_input *rows, int64_t n, {prefix}_output *results, uint8_t *status) {{
    if (n < 0 || (n && (!rows || !results || !status))) return -2;
    space *s = space_of_thread();
    if (!s) return -1;
    forget(s);
    int64_t left = 0;
    for (int64_t at = 0; at < n; at += PIECE) {{
        int64_t count = n - at < PIECE ? n - at : PIECE;
        int64_t found = piece(s, rows + at, count, results + at, status + at);
        if (found < 0) return -1;
        left += found;
    }}
    return left;
}}
"""
