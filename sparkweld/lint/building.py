"""Builds UDFs that an import does not reach, from their own code and the simple definitions that they need.

A function inside another, or under `if __name__ == "__main__"`, exists only while the job runs. Its code alone can be built: the
definitions around it that it uses are copied where they only import, define functions or compute constants. Nothing else of
the job runs. What remains, such as parameters of the enclosing function, is unknown.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from sparkweld.lint.declarations import Function, ReadUdf, Scope, last_name
from sparkweld.lint.sources import Source
from sparkweld.lint.stubs import Missing, has_stub, package_of
from udf_compiler.function.bytecode import Namespace

#: Calls that compute a constant, or a type or UDF of PySpark, and have no effect.
_CALLS = frozenset((
    *("set frozenset dict list tuple range sorted reversed zip enumerate len min max sum abs round str int float").split(),
    *("bool date datetime timedelta timezone array asarray linspace arange zeros ones StructField compile namedtuple").split(),
    *("fromkeys split rsplit items keys values lower upper strip replace format join copy union add udf pandas_udf").split(),
    *("arrow_udf broadcast Counter defaultdict OrderedDict ZoneInfo Series DataFrame fromDDL itemgetter partial").split(),
))  # fmt: skip

_STATEMENTS = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True)
class Built:
    """A function's code, ready to run.

    - `unknown`: the names without a value; `opaque`: those of which it uses more than a value. `contained`: it tests `x in` one.
    - `missing`: the packages that it uses and that are not installed.

    `make` returns the function and its options for values of the unknown names.
    """

    unknown: tuple[str, ...]
    missing: tuple[str, ...]
    opaque: tuple[str, ...]
    contained: bool
    make: Callable[[Mapping[str, Any]], tuple[Callable[..., Any], dict[str, Any]]]


def _nothing(name: str) -> bool:
    return False


@dataclass(frozen=True)
class Definitions:
    """Recognizes code that only defines. `inert`: whether calls of methods of a global have no effect."""

    inert: Callable[[str], bool] = _nothing

    def is_simple(self, node: ast.AST) -> bool:
        """Whether an expression computes a constant or a declaration, by names, literals, operators and known calls alone."""
        if isinstance(node, ast.Lambda):
            return True  # only defined
        if isinstance(node, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr):
            return False
        if isinstance(node, ast.Call):
            known = last_name(node.func) in _CALLS or last_name(node.func).endswith("Type") or self.inert(root_name(node.func))
            return known and all(map(self.is_simple, ast.iter_child_nodes(node)))
        return all(map(self.is_simple, ast.iter_child_nodes(node)))

    def __call__(self, node: ast.stmt) -> bool:
        """Whether a statement only defines: an import, a function, a class, or a constant."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return all(map(self.is_simple, (*node.decorator_list, *_defaults(node))))
        if isinstance(node, ast.ClassDef):
            return all(map(self.is_simple, (*node.decorator_list, *node.bases))) and all(map(self, node.body))
        if isinstance(node, ast.Assign | ast.AnnAssign):
            return node.value is None or self.is_simple(node.value)
        if isinstance(node, ast.If):
            return self.is_simple(node.test) and all(map(self, (*node.body, *node.orelse)))
        if isinstance(node, ast.Try):
            handled = [statement for handler in node.handlers for statement in handler.body]
            return all(map(self, (*node.body, *handled, *node.orelse, *node.finalbody)))
        if isinstance(node, ast.Expr):
            return self.is_simple(node.value)
        return isinstance(node, ast.Import | ast.ImportFrom | ast.Pass)


is_definition = Definitions()


def root_name(node: ast.AST) -> str:
    """Returns the name at the root of a chain of attributes, calls and subscripts; an empty string without one."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def build(source: Source, udf: ReadUdf, namespace: Namespace) -> Built:
    """Returns the function of a declaration. `namespace`: the globals of the file, as far as it was imported."""
    udf = replace(udf, node=_without_self(udf))
    found = _Definitions(source, udf, namespace)
    found.need(_names(udf.node))
    options = {name: node for name, node in udf.options.items() if name != "name" and is_definition.is_simple(node)}
    for node in options.values():
        found.need(_names(node), options=True)
    split = _Attributes(found.read, found.unknown)
    names = [name for name in found.unknown if name not in split.split] + [*split.made]
    code = _code(source, udf, split, [*found.statements()], names, options)
    unknown = tuple(name for name in names if name not in found.missing)
    opaque = tuple(name for name in unknown if name in _opened(found.read))

    def make(values: Mapping[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
        here: dict[str, Any] = {}
        exec(code, namespace, here)
        (outer,) = here.values()
        function, given = outer(*(values.get(name, Missing(name)) for name in names))
        if not udf.home:  # it is in no function, unlike in `outer`
            function.__qualname__ = function.__name__
            if hasattr(function.__code__, "co_qualname"):
                function.__code__ = function.__code__.replace(**{"co_qualname": function.__name__})
        return function, given

    parts = [part for node in found.read for part in ast.walk(node) if isinstance(part, ast.Compare)]
    pairs = [pair for part in parts for pair in zip(part.ops, part.comparators, strict=True)]
    looked = {ast.unparse(right) for operator, right in pairs if isinstance(operator, ast.In | ast.NotIn)}
    return Built(unknown, tuple(dict.fromkeys(found.missing.values())), opaque, bool(looked & set(unknown)), make)


class _Attributes(ast.NodeTransformer):
    """Replaces plain attributes of unknown objects, such as `args.rate`, by names that can have a value of their own.

    `split`: the objects of which code only reads plain attributes. `made`: the attributes.
    """

    def __init__(self, nodes: Sequence[ast.AST], unknown: Iterable[str]) -> None:
        parts = [part for node in nodes for part in ast.walk(node)]
        called = {id(part.func) for part in parts if isinstance(part, ast.Call)}
        plain = [part for part in parts if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name)]
        opened = {id(part.value) for part in parts if isinstance(part, ast.Attribute | ast.Subscript)}
        inside = {id(part.value) for part in plain if id(part) not in called and id(part) not in opened}
        others = {part.id for part in parts if isinstance(part, ast.Name) and id(part) not in inside}
        self.split = frozenset(unknown) - others
        self.made = dict.fromkeys(_dotted(part) for part in plain if cast(ast.Name, part.value).id in self.split)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id in self.split:
            return ast.copy_location(ast.Name(_dotted(node), ast.Load()), node)
        return self.generic_visit(node)


def _dotted(node: ast.Attribute) -> str:
    return f"{last_name(node.value)}.{node.attr}"


class _Definitions:
    """The definitions around a function that its code uses, found by name."""

    def __init__(self, source: Source, udf: ReadUdf, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace
        home = [scope for scope in udf.home if not isinstance(scope, ast.ClassDef)]
        around = [scope for scope in udf.scopes if not isinstance(scope, ast.ClassDef)]
        self._scopes: list[Sequence[ast.stmt]] = [scope.body for scope in reversed(home) if not isinstance(scope, ast.Lambda)]
        self._parameters = [_parameters(scope) for scope in reversed(home)]
        self._outer: list[Sequence[ast.stmt]] = [s.body for s in reversed(around) if not isinstance(s, ast.Lambda)]
        self._module = source.tree.body
        self._taken: dict[int, ast.stmt] = {}
        self.unknown: dict[str, None] = {}
        self.missing: dict[str, str] = {}
        self.read: list[ast.AST] = [udf.node]

    def statements(self) -> Iterator[ast.stmt]:
        """Yields the definitions in order of place."""
        yield from sorted(self._taken.values(), key=lambda node: node.lineno)

    def need(self, names: set[str], options: bool = False) -> None:
        for name in sorted(names):
            if name not in self.unknown and not self._found(name, options):
                self.unknown[name] = None
                if package := package_of(self._namespace.get(name)):
                    self.missing[name] = package

    def _found(self, name: str, options: bool) -> bool:
        """Whether a name has a definition, which is then taken if no global has it."""
        for body in [*self._scopes, *(self._outer if options else ())]:
            statements = [node for node in _within(body) if name in _bound(node)]
            if statements:
                return self._take(statements)
        if any(name in parameters for parameters in self._parameters):
            return False
        known = self._namespace.get(name, self)
        if known is self:
            defined = hasattr(builtins, name)
            return defined or self._take([node for node in _within(self._module) if name in _bound(node)])
        if not has_stub(known):
            return self._whole(name)
        return not isinstance(known, Missing) and self._take([n for n in _within(self._module) if name in _bound(n)])

    def _whole(self, name: str) -> bool:
        """Whether a global's own code has all that it uses; a helper that uses unknown names is taken with them."""
        own = [node for node in self._module if isinstance(node, ast.FunctionDef) and node.name == name]
        used = set().union(*map(_names, own)) - {name}
        if any(has_stub(self._namespace.get(other)) for other in used):
            return self._take(own[-1:])
        return True

    def _take(self, statements: Sequence[ast.stmt]) -> bool:
        if len(statements) != 1 or not isinstance(statements[0], _STATEMENTS) or not is_definition(_bare(statements[0])):
            return False
        node = statements[0]
        if id(node) in self._taken:
            return True
        self._taken[id(node)] = _bare(node)
        before = dict(self.unknown), dict(self.missing), len(self.read)
        self.read.append(node)
        self.need(_names(node) - _bound(node))
        if isinstance(node, ast.Assign | ast.AnnAssign) and len(self.unknown) > len(before[0]):
            del self._taken[id(node)]  # only the job knows its value; the names that it reads do not matter
            self.unknown, self.missing = before[0], before[1] | self.missing
            del self.read[before[2] :]
            return False
        return True


def _bare(node: ast.stmt) -> ast.stmt:
    """Returns a function's definition without decorators: a UDF that another calls is called as a plain function there."""
    if not isinstance(node, ast.FunctionDef):
        return node
    fields = dict(ast.iter_fields(node)) | {"decorator_list": []}
    return ast.copy_location(ast.FunctionDef(**fields), node)


def _without_self(udf: ReadUdf) -> Function:
    """Returns the function as a caller of a bound method sees it: its object is no argument, but a name with an unknown value."""
    node = udf.node
    assert not isinstance(node, ast.ClassDef)
    static = "staticmethod" in map(last_name, getattr(node, "decorator_list", ()))
    if isinstance(node, ast.Lambda) or static or not udf.home or not isinstance(udf.home[-1], ast.ClassDef):
        return node
    given = copy.copy(node.args)
    given.args = given.args[1:]
    return ast.copy_location(ast.FunctionDef(**(dict(ast.iter_fields(node)) | {"args": given})), node)


def _within(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yields the statements of a body, and those in its branches and blocks, but not those of functions inside of it."""
    for node in body:
        yield node
        if not isinstance(node, Scope):
            for part in ("body", "orelse", "finalbody"):
                yield from _within(getattr(node, part, ()))
            for handler in getattr(node, "handlers", ()):
                yield from _within(handler.body)


def _bound(node: ast.stmt) -> set[str]:
    """Returns the names that a statement itself binds."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(name.asname or name.name).partition(".")[0] for name in node.names}
    heads = [part for part in ast.iter_child_nodes(node) if not isinstance(part, ast.stmt | ast.ExceptHandler)]
    stored = (n for head in heads for n in ast.walk(head) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load))
    return {name.id for name in stored}


def _names(node: ast.AST) -> set[str]:
    """Returns the names that code reads from outside. It may also return some that are only inside, as those of branches."""
    own = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}
    if not isinstance(node, Scope):
        return own
    inner = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    inner |= {part.name for part in ast.walk(node) if isinstance(part, ast.ExceptHandler) and part.name}
    inner |= {a.arg for part in ast.walk(node) if isinstance(part, ast.arguments) for a in _all_arguments(part)}
    inner |= set().union(*(_bound(part) for part in ast.walk(node) if part is not node and isinstance(part, _STATEMENTS)))
    return own - inner


def _all_arguments(given: ast.arguments) -> list[ast.arg]:
    more = [one for one in (given.vararg, given.kwarg) if one is not None]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *more]


def _parameters(scope: Scope) -> set[str]:
    return set() if isinstance(scope, ast.ClassDef) else {argument.arg for argument in _all_arguments(scope.args)}


def _defaults(node: Function | ast.AsyncFunctionDef) -> list[ast.expr]:
    return [value for value in (*node.args.defaults, *node.args.kw_defaults) if value is not None]


def _opened(nodes: list[ast.AST]) -> set[str]:
    """Returns the names of which code reads attributes, or which it calls."""
    parts = [part for node in nodes for part in ast.walk(node)]
    opened = [p.value for p in parts if isinstance(p, ast.Attribute)] + [p.func for p in parts if isinstance(p, ast.Call)]
    return {node.id for node in opened if isinstance(node, ast.Name)}


def _code(
    source: Source,
    udf: ReadUdf,
    split: _Attributes,
    body: list[ast.stmt],
    unknown: list[str],
    options: dict[str, ast.expr],
) -> Any:
    """Compiles a function that defines the UDF's function and returns it with the options of its declaration."""
    result: ast.expr
    if isinstance(udf.node, ast.Lambda):
        result = udf.node
    else:
        assert isinstance(udf.node, ast.FunctionDef)
        body = [*body, _bare(udf.node)]
        result = ast.Name(udf.node.name, ast.Load())
    given = ast.Dict([ast.Constant(name) for name in options], list(options.values()))
    last = ast.Return(ast.Tuple([result, given], ast.Load()))
    scopes = [scope.name for scope in udf.home if not isinstance(scope, ast.Lambda)]
    arguments = ast.arguments([], [ast.arg(name) for name in unknown], None, [], [], None, [])
    outer = ast.FunctionDef(scopes[-1] if scopes else "job", arguments, [*body, last], [], None)
    if "type_params" in ast.FunctionDef._fields:
        outer.type_params = []
    module = ast.Module([outer], [])
    if split.split:
        module = split.visit(copy.deepcopy(module))
    for node in ast.walk(module):
        if isinstance(node, ast.stmt | ast.expr | ast.arg) and not hasattr(node, "lineno"):
            ast.copy_location(node, udf.node)
    return compile(ast.fix_missing_locations(module), str(source.path), "exec", flags=flags_of(source.tree), dont_inherit=True)


def flags_of(tree: ast.Module) -> int:
    """Returns the compiler flags of a file's `from __future__` imports."""
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    names = [name.name for node in imports for name in node.names]
    flags: int = sum({getattr(__future__, name).compiler_flag for name in names if hasattr(__future__, name)})
    return flags
