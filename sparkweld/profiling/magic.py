"""Defines the cell magic ``%%sparkweld`` of IPython and Jupyter, which profiles the DataFrame of a cell's last line."""

from __future__ import annotations

import ast
from typing import Any

from sparkweld.errors import UserError
from sparkweld.profiling import Profile, profile

_USAGE = (
    "%%sparkweld profiles the DataFrame that the cell's last line returns, or that the first line names: "
    "`%%sparkweld [--seconds N] [NAME]`. Lines that write, such as df.write.save(...), return none."
)


def register(shell: Any) -> None:
    """Defines the magic in a shell of IPython."""

    def sparkweld(line: str, cell: str) -> Profile:
        return run(shell, line, cell)

    sparkweld.__doc__ = _USAGE
    shell.register_magic_function(sparkweld, "cell", "sparkweld")


def run(shell: Any, line: str, cell: str) -> Profile:
    """Runs a cell in the shell's namespace and profiles its DataFrame. Raises what the cell raises.

    Raises UserError where the cell has no DataFrame, and for arguments that it does not know.
    """
    seconds, name = _arguments(line)
    text = shell.transform_cell(cell)
    tree = ast.parse(text)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) and not name else None
    # the name under which IPython finds the source, so that a function of the cell can be shown and changed
    file = shell.compile.cache(text, shell.execution_count, raw_code=cell)
    exec(compile(tree, file, "exec"), shell.user_ns)
    if last is not None:
        assert isinstance(last, ast.Expr)
        found = eval(compile(ast.Expression(last.value), file, "eval"), shell.user_ns)
    else:
        found = shell.user_ns.get(name)
    if not hasattr(found, "sparkSession"):
        raise UserError(f"no DataFrame to profile: the cell's result is a {type(found).__name__}. {_USAGE}")
    return profile(found, seconds=seconds)


def _arguments(line: str) -> tuple[float, str]:
    """Returns the seconds and the name of the magic's line."""
    words = line.split()
    seconds = 30.0
    if words[:1] == ["--seconds"]:
        try:
            seconds = float(words[1])
        except (IndexError, ValueError):
            raise UserError(_USAGE) from None
        words = words[2:]
    if len(words) > 1 or any(not word.isidentifier() for word in words):
        raise UserError(_USAGE)
    return seconds, words[0] if words else ""
