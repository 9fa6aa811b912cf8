"""Checks each annotation of a file or module: `python -m sparkweld annotations check`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from sparkweld.annotations.annotating import ATTRIBUTE, unchecked
from sparkweld.annotations.annotation import Annotation
from sparkweld.annotations.checking import check
from sparkweld.annotations.errors import AnnotationError
from sparkweld.errors import UserError


def check_module(target: str, say: Callable[[str], None]) -> bool:
    """Checks all annotations of a module, and reports one line for each. Raises UserError when the module cannot be imported.

    Returns whether all annotations hold.
    """
    with unchecked():  # a wrong annotation would end the import and hide the others
        module = _imported(target)
    found = _annotations_of(module)
    if not found:
        raise UserError(f"{target} has no annotation: use sparkweld.annotations.splittable or annotate in it")
    good = True
    for name, made in found.items():
        try:
            say(f"ok     {name}: {check(made)} trials")
        except AnnotationError as fault:
            good = False
            say(f"wrong  {name}: {fault}")
    return good


def _annotations_of(module: ModuleType) -> dict[str, Annotation]:
    found: dict[str, Annotation] = {}
    for name, value in vars(module).items():
        made = value if isinstance(value, Annotation) else getattr(value, ATTRIBUTE, None)
        if isinstance(made, Annotation):
            found[name] = made
    return found


def _imported(target: str) -> ModuleType:
    path = Path(target)
    try:
        if path.suffix != ".py":
            return importlib.import_module(target)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise UserError(f"{target} is not a file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module  # so that classes of the file are found by their module's name
        spec.loader.exec_module(module)
        return module
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(f"{target} cannot be imported: {type(error).__name__}: {error}") from error
