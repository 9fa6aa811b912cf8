"""Proves a user function pure and returns a checked copy that can run on symbolic values, or refuses it.

A kernel may replace a function only if the function is pure in its arguments. It carries no state from batch to batch, and uses
no I/O, randomness or time. This is proved before anything runs, for all code that the function can reach.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sparkweld.errors import Refusal
from sparkweld.reasons import has, refusal
from udf_compiler.frontends.python.path_explorer import is_exploring
from udf_compiler.frontends.tracing.session import current, noting_unseen
from udf_compiler.function.bytecode import Namespace, Use, first_use, place
from udf_compiler.function.captured_changes import may_change_captured
from udf_compiler.function.delegation import generator_behind
from udf_compiler.function.options import options_of
from udf_compiler.function.payload import name_of
from udf_compiler.function.wrappers import user_function
from udf_compiler.rebuild.objects import Rebuilder


@dataclass(frozen=True, slots=True)
class Prepared:
    """The checked copy, and the place of the original for messages. Run the copy inside `checked`."""

    function: Callable[..., Any]
    _use: Use
    _rebuilder: Rebuilder
    _user: object = None

    @property
    def place(self) -> str:
        """Returns where the original is defined, such as ``speed, line 12 of job.py``, or its name if nothing else is known."""
        return self._use.place or self._use.function

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Refuses (SW217), at the end of the block, a function that changed captured data: its next result might differ.

        Refuses (SW213) handlers that end an exception in code that sees whole columns, as what they catch depends on the batch.
        They are accepted where flagged rows concern their whole batch. A refusal for an exception of user code (SW261) gets the
        line that raised it.
        """
        try:
            with _watched(self._rebuilder), noting_unseen() as unseen:
                yield
        except Refusal as error:
            raise self._placed(error) from None
        self._rebuilder.snapshot.check()
        if unseen:
            self._check_unseen()

    def _check_unseen(self) -> None:
        """Refuses functions whose branches without a trace may assign to globals (SW211) or change captured data (SW217)."""
        if self.assigned:
            raise self.assigned[0][2].refusal("SW211")
        if may_change_captured(self._rebuilder.codes, self._user, self._rebuilder.nested):
            raise self._use.refusal("SW217", name="captured data")

    @property
    def assigned(self) -> list[tuple[Namespace, str, Use]]:
        """Returns the globals that the copy assigns: the dict that holds each, its name and its use."""
        return self._rebuilder.assigned

    @property
    def handlers(self) -> bool:
        """Whether code of the function can catch exceptions."""
        return bool(self._rebuilder.handlers)

    def _placed(self, error: Refusal) -> Refusal:
        cause = error.__context__
        if cause is None or not has(error.code, "raises"):
            return error
        where = self._raised_at(cause.__traceback__) or error.place
        if isinstance(cause, ValueError) and "read-only" in str(cause):
            # the copy's arrays are read-only and the worker's are not, so this is not the user's error
            return refusal("SW217", where, function=self._use.function, name="a captured array")
        return replace(error, place=where)

    def _raised_at(self, traceback: types.TracebackType | None) -> str:
        where = ""
        while traceback is not None:
            if traceback.tb_frame.f_code in self._rebuilder.codes:
                where = place(traceback.tb_frame.f_code, traceback.tb_lineno)
            traceback = traceback.tb_next
        return where


@contextmanager
def _watched(rebuilder: Rebuilder) -> Iterator[None]:
    """Refuses calls of code that is unsupported in the current mode of tracing.

    - Code in which a handler may end an exception, outside a scalar function, whose rows raise individually (SW213). The trace
      decides about it: it may flag whole batches (`Session.catching`), and a handler in a loop over rows only sees its own row.
    - In a scalar function, code that tests object identity, which differs in a trace (SW603).
    - In a scalar function, code that assigns to a global, which the next row would see (SW211).
    """
    identities, writers = rebuilder.identities, rebuilder.writers
    handlers = {code: use for code, use in rebuilder.handlers.items() if code in rebuilder.swallowers}

    def watch(frame: types.FrameType, event: str, arg: object) -> None:
        if event != "call":
            return
        session = current()
        code = session.originals.get(frame.f_code, frame.f_code)
        error = None
        if code in handlers and not is_exploring():
            session.handling.add(code, handlers[code].refusal("SW213"))
        elif code in identities and is_exploring():
            error = identities[code].refusal("SW603")
        elif code in writers and is_exploring():
            error = writers[code].refusal("SW211")
        if error is not None:
            session.refused = session.refused or error
            raise error

    if not handlers and not identities and not writers:
        yield
        return
    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(before)


def prepare(
    function: Callable[..., Any],
    stand_in: Callable[[object], object | None],
    generator: bool = False,
    settles: bool = False,
    helpers: bool = False,
) -> Prepared:
    """Returns the checked copy of `function`.

    `stand_in` maps library objects to those the copy sees, and unsupported ones to None.

    `generator`: the function itself, but none that it calls, may be a generator. `helpers`: those that it calls may be. They do
    not outlive the call, as the function returns no generator. `settles`: it may assign to globals.
    Refuses SW210 to SW221 with the place in the user's code.
    """
    function = generator_behind(function) if generator else function
    code = _code_of(function)
    rebuilder = Rebuilder(stand_in, code if generator else None, settles, code if helpers else None)
    use = use_of(user_function(function))
    copy = rebuilder.value(function, use)
    return Prepared(copy, use, rebuilder, user_function(function))


def use_of(function: Callable[..., Any]) -> Use:
    """Returns the function itself as a place: its first line when it is written in Python."""
    code = _code_of(function)
    name = name_of(function)
    return first_use(code, name) if code is not None else Use(name, "", name)


def refuse_left_to_python(function: Callable[..., Any], name: str) -> None:
    """Refuses a function that its author leaves to Python: by an option (SW700), or as a black box behind a cascade (SW960)."""
    options = options_of(function)
    if options.backend == "python":
        raise refusal("SW700", use_of(function).place or name)
    if options.cascade:
        own = use_of(inspect.unwrap(function))
        raise refusal("SW960", own.place or name, function=own.function, path=options.cascade)


def _code_of(function: Any) -> types.CodeType | None:
    while not isinstance(function, types.FunctionType):
        if isinstance(function, types.MethodType):
            function = function.__func__
        elif hasattr(function, "func"):
            function = function.func  # functools.partial
        else:
            method = vars(type(function)).get("__call__")
            return method.__code__ if isinstance(method, types.FunctionType) else None
    return function.__code__
