"""Computes fingerprints of the source of the methods that translators follow, and of the library's functions that these call.

Two classes with one fingerprint run the same Python code. Compiled code has no source; the trial of each function on synthetic
rows compares its results. Functions that the compiler calls itself on the model (validation, tags) are left out.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import textwrap
import types
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

#: Modules of scikit-learn whose functions the compiler calls on the model itself, or that do not affect results, and those of
#: PyTorch's tensors, whose functions have translations of their own.
_ASKED = tuple(
    """sklearn.base sklearn.callback sklearn._config sklearn.externals sklearn.utils._array_api sklearn.utils._bunch
    sklearn.utils._dataframe sklearn.utils._indexing sklearn.utils._metadata_requests sklearn.utils._param_validation
    sklearn.utils._set_output sklearn.utils._tags sklearn.utils.fixes sklearn.utils.metadata_routing sklearn.utils.metaestimators
    sklearn.utils.parallel sklearn.utils.validation
    torch._C torch._VF torch._jit_internal torch._tensor torch.jit torch.nn.modules.module torch.overrides torch.types""".split()
)


@cache
def fingerprint(kind: type, methods: tuple[str, ...]) -> str:
    """Returns the fingerprint of these methods of a class; it is the same in all versions of Python."""
    root = kind.__module__.partition(".")[0]
    pending = [function for name in methods for function in _members(kind, name)]
    found: dict[str, str] = {}
    while pending:
        function = inspect.unwrap(pending.pop())
        if not isinstance(function, types.FunctionType) or not _is_followed(function, root):
            continue
        name = f"{function.__module__}.{function.__qualname__}"
        if name in found:
            continue
        tree = _tree(function)
        found[name] = "" if tree is None else _text(tree)
        if tree is not None:
            pending += _reached(function, tree, kind, root)
    parts = sorted(f"{name}\n{text}\n" for name, text in found.items())
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]


def _is_followed(function: types.FunctionType, root: str) -> bool:
    module = getattr(function, "__module__", None) or ""
    special = function.__name__.startswith("__") and function.__name__.endswith("__")
    return not special and module.partition(".")[0] == root and not module.startswith(_ASKED)


def _members(kind: type, name: str) -> Iterator[Any]:
    """Yields the functions behind an attribute, of each class that defines it: one may call the next by `super`."""
    for base in kind.__mro__:
        member = vars(base).get(name)
        yield from _functions(member)


def _functions(member: Any) -> Iterator[Any]:
    if isinstance(member, staticmethod | classmethod):
        member = member.__func__
    if isinstance(member, property):
        yield from (f for f in (member.fget,) if f is not None)
    elif isinstance(member, types.FunctionType):
        yield member
    elif isinstance(getattr(member, "fn", None), types.FunctionType):  # scikit-learn's `available_if`
        yield member.fn


def _reached(function: types.FunctionType, tree: ast.AST, kind: type, root: str) -> Iterator[Any]:
    """Yields the library's functions that a function names: attributes of `self`, and its globals."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield from _members(kind, _mangled(node.attr, function))
            owner = function.__globals__.get(node.value.id) if isinstance(node.value, ast.Name) else None
            if isinstance(owner, types.ModuleType) and owner.__name__.partition(".")[0] == root:
                yield from _of_value(getattr(owner, node.attr, None), root)
        elif isinstance(node, ast.Name):
            yield from _of_value(function.__globals__.get(node.id), root)


def _mangled(name: str, function: types.FunctionType) -> str:
    """Returns the name that the class of the function stores a private attribute by."""
    if not name.startswith("__") or name.endswith("__") or "." not in function.__qualname__:
        return name
    return f"_{function.__qualname__.rpartition('.')[0].rpartition('.')[2].lstrip('_')}{name}"


def _of_value(value: Any, root: str) -> Iterator[Any]:
    if isinstance(value, types.FunctionType):
        yield value
    elif isinstance(value, type) and value.__module__.partition(".")[0] == root and not hasattr(value, "get_params"):
        # A helper class; the estimators that a model holds have fingerprints of their own.
        for member in vars(value).values():
            yield from _functions(member)


def _tree(function: types.FunctionType) -> ast.AST | None:
    """Returns the syntax tree of a function without its docstring; None when it has no source."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return None
    (defined, *_) = tree.body
    if not isinstance(defined, ast.FunctionDef):
        return None
    if ast.get_docstring(defined, clean=False) is not None:
        del defined.body[0]
    defined.decorator_list.clear()
    return defined


def _text(node: Any) -> str:
    """Returns a tree as text. Unlike `ast.dump`, it does not change between versions of Python."""
    if isinstance(node, list):
        return "[" + ",".join(map(_text, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = ((name, getattr(node, name, None)) for name in node._fields if name not in ("ctx", "kind", "type_comment"))
    shown = (f"{name}={_text(value)}" for name, value in fields if value is not None and value != [])
    return f"{type(node).__name__}({','.join(shown)})"


def of_names(kind: type, methods: Iterable[str]) -> tuple[str, ...]:
    """Returns those of the methods that a class has."""
    return tuple(name for name in methods if inspect.getattr_static(kind, name, None) is not None)


def loaded(root: str) -> str:
    """Returns the version of a library that is imported."""
    return str(sys.modules[root].__version__)
