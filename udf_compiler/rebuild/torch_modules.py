"""Rebuilds modules of PyTorch: layers of the library become stand-ins, and users' classes keep their code on a base of ours."""

from __future__ import annotations

import io
import sys
import types
from functools import partial
from typing import TYPE_CHECKING, Any

from udf_compiler.frontends.models.loaders import Memory, OpenFile, allowed, path_named, unpickled
from udf_compiler.frontends.models.tested_versions import refusal_of
from udf_compiler.frontends.torch.modules import CONTAINERS, LAYERS, PARTS, Module, created, layer_of, qualified
from udf_compiler.frontends.torch.namespace import stand_in, within
from udf_compiler.frontends.torch.scripts import script_of
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.function.bytecode import Use
from udf_compiler.function.libraries import is_library

if TYPE_CHECKING:
    from udf_compiler.rebuild.objects import Rebuilder

#: Attributes with functions that PyTorch calls around `forward`.
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


def rebuild(rebuilder: Rebuilder, original: Any, use: Use) -> Any:
    """Returns the copy of an object of PyTorch: a module, a tensor, a function; None for other objects."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "nn"):
        return None
    if isinstance(original, torch.jit.ScriptModule):
        return script_of(original)
    if isinstance(original, torch.nn.Module):
        return _module(rebuilder, original, use)
    if isinstance(original, types.FunctionType) and (found := _decorated(torch, original)) is not None:
        return within(found[0], rebuilder.value(found[1], use))
    if isinstance(original, type) and issubclass(original, torch.nn.Module) and not is_library(original):
        return None  # a class of the user's
    return rebuilder.lazily(lambda: stand_in(original, partial(_loader, rebuilder, use)))


def base_of(kind: type) -> type | None:
    """Returns the stand-in of a class of PyTorch from which users derive; None for another class."""
    return CONTAINERS.get(qualified(kind)) if kind.__module__.startswith("torch.nn.modules.") else None


def _loader(rebuilder: Rebuilder, use: Use, original: Any) -> Any:
    """Returns the stand-in of torch.load or torch.jit.load, for constant paths and bytes."""
    script = original is sys.modules["torch"].jit.load
    call = "torch.jit.load" if script else "torch.load"

    def load(f: Any, map_location: Any = None, *, weights_only: Any = None, mmap: Any = None) -> Any:
        wrong = weights_only not in (None, True, False) or (script and weights_only is not None)
        if (map_location is not None and str(map_location) != "cpu") or wrong or mmap:
            refuse("SW840", call=call, option="map_location, weights_only or mmap")
        options = {} if weights_only is None else {"weights_only": weights_only}

        def read(source: Any) -> Any:
            return original(source, map_location="cpu", **options)

        if isinstance(f, Memory):
            return rebuilder.value(unpickled(read, io.BytesIO(f.data), call), use)
        where = f.name if isinstance(f, OpenFile) else path_named(f, call)
        return rebuilder.value(allowed(call).load(where, (original, weights_only), read), use)

    return lambda *args, **kwargs: rebuilder.lazily(lambda: as_python(load, *args, **kwargs))


def _decorated(torch: Any, function: types.FunctionType) -> tuple[Any, Any] | None:
    """Returns (the mode of gradients, the function) of a function behind ``@torch.no_grad()``."""
    code = function.__code__
    if code.co_name != "decorate_context" or code.co_filename != torch.utils._contextlib.__file__:
        return None
    cells = dict(zip(code.co_freevars, (c.cell_contents for c in function.__closure__ or ()), strict=True))
    context = cells.get("ctx_factory")
    mode = type(getattr(context, "__self__", None))
    if mode not in (torch.no_grad, torch.inference_mode) or "func" not in cells:
        return None
    return mode, cells["func"]


def _module(rebuilder: Rebuilder, original: Any, use: Use) -> Module:
    """Returns the copy of a module. Refuses SW803 and SW806 by its version, SW843 a layer without a translation, and hooks."""
    kind, name = type(original), qualified(type(original))
    library = next(base for base in kind.__mro__ if base.__module__.partition(".")[0] == "torch")
    untested = refusal_of(library, ("forward",))
    if untested is not None:
        raise use.refusal(untested.code, **untested.params)
    if any(vars(original).get(hooks) for hooks in _HOOKS):
        raise use.refusal("SW843", call=kind.__name__, what="hooks")
    if name in LAYERS:
        return layer_of(original, _parts(rebuilder, original, use))
    if qualified(library) not in CONTAINERS:
        what = "no translation" if library is kind else f"the base class {library.__name__}"
        raise use.refusal("SW843", call=kind.__name__, what=what)
    held: dict[str, dict[str, Any]] = {}
    copy: Module = created(base_of(kind) or rebuilder.value(kind, use), kind, held, {})
    rebuilder.remember(original, copy)  # before its parts, which may hold it
    held.update(_parts(rebuilder, original, use))
    own = vars(sys.modules["torch"].nn.Module())
    for attribute, value in vars(original).items():
        if attribute not in own:
            vars(copy)[attribute] = rebuilder.value(value, use.named(f"{use.name}.{attribute}"))
    if not original.training:
        vars(copy)["training"] = False
    return copy


def _parts(rebuilder: Rebuilder, original: Any, use: Use) -> dict[str, dict[str, Any]]:
    return {part: {name: rebuilder.value(value, use) for name, value in vars(original)[part].items()} for part in PARTS}
