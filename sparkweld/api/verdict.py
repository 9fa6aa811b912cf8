"""Predicts how SparkWeld treats a user's function, before any query, by compiling it for likely column types.

A pandas UDF does not declare the types of its columns. So the compiler is asked about the types that annotations name, else
about likely ones, and the verdict lists those with a kernel. A refusal is attributed to the function itself only when no tried
types compile and it does not follow from them. "Reads other rows" is such a refusal, "raises for strings" is not.
"""

from __future__ import annotations

import builtins
import datetime
import dis
import inspect
import itertools
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pyspark import cloudpickle

from sparkweld.api.asking import AGGREGATES, MAPS, Answer, Given, Struct, ask
from sparkweld.contract.constants import GROUPED_MAP_PANDAS
from sparkweld.contract.replies import RefusalRecord, Refused
from sparkweld.contract.requests import State
from sparkweld.errors import SparkWeldError
from sparkweld.reasons import category, has

#: Type of an argument: a Spark type name, or the (name, type) pairs of a struct's fields.
Prototype = str | tuple[tuple[str, str], ...]

#: Types to try for a column of unknown type, the most likely first.
LIKELY = ("double", "long", "string", "timestamp", "date", "boolean")

#: Types of arrays to try after them.
_ARRAYS = ("array<double>", "array<string>")

_OF_HINTS: dict[Any, str] = {
    float: "double",
    int: "long",
    str: "string",
    bool: "boolean",
    datetime.date: "date",
    datetime.datetime: "timestamp",
}

_MOST_TRIALS = 40


@dataclass(frozen=True)
class Trial:
    """One compilation: the types of the arguments, and the compiler's answer. `likelihood`: that the job has these types."""

    types: tuple[Prototype, ...]
    answer: Answer
    likelihood: float = 1.0

    @property
    def compiled(self) -> bool:
        return not isinstance(self.answer.reply, Refused)

    @property
    def refusals(self) -> tuple[RefusalRecord, ...]:
        return self.answer.reply.refusals if isinstance(self.answer.reply, Refused) else ()


@dataclass(frozen=True)
class Verdict:
    """The trials of a function. `fault`: why there are none, when it cannot be pickled or its signature is unknown."""

    name: str
    trials: tuple[Trial, ...] = ()
    fault: str = ""
    types_given: bool = field(default=False, kw_only=True)

    @property
    def compiled(self) -> Trial | None:
        """The first trial that yields a kernel, and that does not raise for all rows."""
        return next((trial for trial in self.trials if trial.compiled and trial.likelihood), None)

    @property
    def refusal(self) -> RefusalRecord | None:
        """Why no kernel will be built, when that is known."""
        if self.compiled is not None or not self.trials:
            return None
        first = [trial.refusals[0] for trial in self.trials]
        if any(has(refused.code, "undefined_yet") for refused in first):
            return None
        own = [refused for refused in first if has(refused.code, "any_columns")]
        same = len({refused.code for refused in first}) == 1
        return own[0] if own else first[0] if same or self.types_given else None

    @property
    def row_local(self) -> bool | None:
        """Whether each row of the result is a function of its row alone; None when that is not known."""
        if self.compiled is not None:
            return self.compiled.answer.reads_batch is None
        return False if self.refusal is not None and has(self.refusal.code, "not_row_local") else None

    def __str__(self) -> str:
        """Formats the verdict, as `explain` of a decorated function returns it."""
        lines = [self.name]
        if self.fault:
            return "\n".join([*lines, f"  not examined: {self.fault}"])
        if self.compiled is not None:
            lines += _of_compiled(self.compiled)
        elif self.refusal is not None:
            lines += [f"  runs in Python, {line}" if at == 0 else f"    {line}" for at, line in enumerate(told(self.refusal))]
        else:
            lines.append("  depends on the types of its columns; none of these compiles:")
            lines += [f"    {named(trial.types)}: {told(trial.refusals[0])[0]}" for trial in self.trials[:4]]
            lines.append("  Pass the types, explain('string', 'double'), or use sparkweld.explain(df) for a query.")
        return "\n".join(lines)


def told(refusal: RefusalRecord) -> list[str]:
    """Formats a refusal for people: code and message, place, hint."""
    where = [f"at {refusal.place}"] if refusal.place else []
    return [f"{refusal.code} {refusal.title}: {refusal.message}", *where, refusal.hint]


def _of_compiled(trial: Trial) -> list[str]:
    reply = trial.answer.reply
    assert not isinstance(reply, Refused)
    notes = [note for udf in reply.udfs for note in udf.notes[1:]]
    kept = [f"  approximate: {kept.op}, {kept.bound}" for kept in reply.kept]
    shown = trial.types[:1] if len(trial.types) > 1 and all(isinstance(given, tuple) for given in trial.types) else trial.types
    return [f"  compiled for {named(shown)}: {', '.join(notes)}", *kept]


def named(types: Sequence[Prototype]) -> str:
    """Formats the types of arguments."""
    one = [t if isinstance(t, str) else "struct<" + ", ".join(f"{name}: {kind}" for name, kind in t) + ">" for t in types]
    return f"({', '.join(one)})"


def examine(
    function: Callable[..., Any],
    return_type: Any,
    eval_type: int,
    types: Sequence[str] | None = None,
    *,
    keys: Sequence[str] = (),
    windowed: bool = False,
    likelihood: Callable[[Trial], float] | None = None,
) -> Verdict:
    """Asks the compiler about `function`, whose declared return type is `return_type` (a pyspark DataType).

    `types`: Spark type names of the arguments, when they are known. `keys`: the columns of its groups. `windowed`: an aggregate
    is used over a window. `likelihood`: from 0 to 1, that types which compile are those of the job; the likeliest are used.

    The compiler proves the function pure before it runs it on symbolic columns; impure code never runs. Never raises for a fault
    of the function or of SparkWeld: the verdict reports it.
    """
    name = getattr(function, "__name__", type(function).__name__)
    try:
        payload = cloudpickle.dumps((function, return_type))
        tried = [tuple(types)] if types is not None else _likely_types(function, return_type, eval_type, keys)
    except Exception as error:  # noqa: BLE001 - pickling runs user code; Spark will raise the error where it matters
        return Verdict(name, fault=f"{type(error).__name__}: {error}")
    trials: list[Trial] = []
    best = -1.0
    try:
        for at, given in enumerate(tried):
            trial = Trial(given, answer_of(payload, name, return_type, eval_type, given, windowed=windowed))
            if not trial.compiled:
                trials.append(trial)
                if category(trial.refusals[0].code) == "purity":
                    break  # other types change nothing
                continue
            found = 1.0 if likelihood is None else likelihood(trial)
            if found:
                trials.insert(0 if found > best else len(trials), replace(trial, likelihood=found))
            best = max(best, found)
            if best >= 1 or at >= len(LIKELY) + len(_ARRAYS):
                break
    except SparkWeldError as error:
        return Verdict(name, fault=f"SparkWeld failed: {error}")
    except Exception as error:  # noqa: BLE001 - a boundary: a fault of SparkWeld must not break the definition of a UDF
        return Verdict(name, fault=f"SparkWeld failed: {type(error).__name__}: {error}")
    return Verdict(name, tuple(trials), types_given=types is not None)


def _likely_types(
    function: Callable[..., Any], return_type: Any, eval_type: int, keys: Sequence[str]
) -> list[tuple[Prototype, ...]]:
    return list(itertools.islice(prototypes(function, eval_type, return_type, keys), _MOST_TRIALS))


def answer_of(
    payload: bytes,
    name: str,
    return_type: Any,
    eval_type: int,
    types: Sequence[Prototype],
    state: State = "dense",
    windowed: bool = False,
) -> Answer:
    """Returns the compiler's answer for columns of these types. `state`: "nullable" when each of them has a NULL."""
    arguments: list[Given | Struct] = []
    for at, given in enumerate(types):
        if isinstance(given, str):
            arguments.append(Given(f"c{at}", given, state=state))
        else:
            of_rows = eval_type in MAPS or eval_type == GROUPED_MAP_PANDAS
            fields = tuple(Given(name if of_rows else f"c{at}.{name}", kind, state=state) for name, kind in given)
            arguments.append(Struct(fields, tuple(name for name, _ in given)))
    declared = return_type.jsonValue() if hasattr(return_type, "jsonValue") else return_type.typeName()
    return ask(payload, name, declared, eval_type, arguments, windowed)


def prototypes(
    function: Callable[..., Any], eval_type: int, return_type: Any = None, keys: Sequence[str] = ()
) -> Iterator[tuple[Prototype, ...]]:
    """Yields types to try for the arguments: those that annotations name, else likely ones, first uniform and then mixed.

    A column of the rows that a function returns probably has the same type among those that it receives.
    Raises ValueError or TypeError for a function without a signature.
    """
    if eval_type in MAPS or eval_type == GROUPED_MAP_PANDAS:
        declared = {field.name: field.dataType.typeName() for field in getattr(return_type, "fields", ())}
        for kind in LIKELY[:3]:
            rows = _rows(function, kind, declared, keys)
            if eval_type in MAPS:
                yield (rows,)
            else:
                named = [*keys] or [rows[0][0]]
                yield rows, tuple((name, type) for name, type in rows if name in named)
        return
    known = [_of_parameter(hint, function) for hint in _hints(function)]
    free = [at for at, kind in enumerate(known) if kind is None]

    def filled(kinds: Sequence[str]) -> tuple[Prototype, ...]:
        chosen = dict(zip(free, kinds, strict=True))
        return tuple(chosen[at] if kind is None else kind for at, kind in enumerate(known))

    seen = set()
    uniform = LIKELY if eval_type in AGGREGATES else (*LIKELY, *_ARRAYS)
    for kinds in itertools.chain(((kind,) * len(free) for kind in uniform), _mixed(len(free))):
        if kinds not in seen:
            seen.add(kinds)
            yield filled(kinds)


def _mixed(count: int) -> Iterator[tuple[str, ...]]:
    """Yields mixtures of types: all for two columns; for more, one column that differs from the others."""
    if count == 2:
        yield from itertools.product(LIKELY[:4], repeat=2)
    elif count > 2:
        for most, other in itertools.permutations(LIKELY[:3], 2):
            yield from (tuple(other if at == odd else most for at in range(count)) for odd in range(count))


def _hints(function: Callable[..., Any]) -> list[Any]:
    """Returns the annotation of each argument that a call of the UDF passes, None without one."""
    try:
        annotated = typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        annotated = {}
    found = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            found.append(annotated.get(parameter.name))
        elif parameter.kind is not parameter.VAR_KEYWORD and parameter.default is parameter.empty:
            found.append(annotated.get(parameter.name))
    if len(found) == 1 and found[0] is not None and "Iterator" in str(typing.get_origin(found[0])):
        (inside,) = typing.get_args(found[0]) or (None,)
        return list(typing.get_args(inside)) or [inside]
    return found


def _of_parameter(hint: Any, function: Callable[..., Any]) -> Prototype | None:
    options = [option for option in typing.get_args(hint) if option is not type(None)] or [hint]
    if options[0] in _OF_HINTS:
        return _OF_HINTS[options[0]]
    if getattr(hint, "__name__", "") == "DataFrame":
        return _struct(function, "double")
    return None


def _struct(function: Callable[..., Any], kind: str) -> Prototype:
    """Returns a struct of the columns that a function names, all of one type."""
    return tuple((name, kind) for name in _columns(function))


def _columns(function: Callable[..., Any]) -> list[str]:
    return _texts(getattr(function, "__code__", None), getattr(function, "__globals__", {})) or ["a", "b"]


def _rows(
    function: Callable[..., Any], kind: str, known: Mapping[str, str], keys: Sequence[str] = ()
) -> tuple[tuple[str, str], ...]:
    """Returns the columns that a function of rows names, those of `known`, and the keys of its groups; others of one type."""
    columns = dict.fromkeys(keys, "long") | dict.fromkeys(_columns(function), kind) | dict(known)
    return tuple(columns.items())


def _texts(code: types.CodeType | None, defined: Mapping[str, Any]) -> list[str]:
    """Returns possible column names of a function.

    These are the identifiers among its string constants, and attributes that pandas does not have.
    """
    if code is None:
        return []
    names = [name for name in code.co_names if name not in defined and not _is_of_pandas(name)]
    keywords = _keywords(code)
    for constant in code.co_consts:
        if constant in keywords:
            continue
        if isinstance(constant, types.CodeType):
            names += _texts(constant, defined)
        names += [text for text in (constant if isinstance(constant, tuple) else (constant,)) if isinstance(text, str)]
    return list(dict.fromkeys(name for name in names if name.isidentifier() and not _is_of_numpy(name)))


def _keywords(code: types.CodeType) -> list[Any]:
    """Returns the tuples of the names of keyword arguments among the constants of code."""
    instructions = list(dis.get_instructions(code))
    before = zip(instructions, instructions[1:], strict=False)
    passed = [one.argval for one, two in before if two.opname == "CALL_KW" or two.opname == "CALL_FUNCTION_KW"]
    return passed + [one.argval for one in instructions if one.opname == "KW_NAMES"]


def _is_of_numpy(name: str) -> bool:
    """Whether a string is the name of a dtype rather than of a column."""
    import numpy as np

    return isinstance(getattr(np, name, None), type)


def _is_of_pandas(name: str) -> bool:
    # pandas takes 0.3 s to load, which a module that only declares UDFs need not pay
    import numpy as np
    import pandas as pd

    return any(hasattr(owner, name) for owner in (pd.DataFrame, pd.Series, pd.Series.str, pd, np, builtins))
