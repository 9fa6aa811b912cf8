"""Imports one target with Spark replaced, and prints its declared UDFs as the JSON of a `findings.Answer`.

`python -m sparkweld.lint.child TARGET`. The user's prints are redirected to standard error.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from sparkweld.contract.constants import (
    GROUPED_AGG_PANDAS,
    SCALAR_ARROW,
    SCALAR_ARROW_ITERATOR,
    SCALAR_PANDAS,
    SCALAR_PANDAS_ITERATOR,
)
from sparkweld.contract.decoding import encode
from sparkweld.lint.findings import Answer, Udf
from sparkweld.lint.importing import source_file
from sparkweld.lint.reading import Source

KINDS = {
    SCALAR_PANDAS: "pandas_udf", SCALAR_PANDAS_ITERATOR: "pandas_udf iterator", GROUPED_AGG_PANDAS: "pandas_udf aggregate",
    SCALAR_ARROW: "arrow_udf", SCALAR_ARROW_ITERATOR: "arrow_udf iterator",
}  # fmt: skip


def _import(target: str, path: Path) -> list[str]:
    """Imports the target, whose file is `path`; returns a note when its code raised."""
    try:
        if target.endswith(".py") or os.sep in target:
            sys.path.insert(0, str(path.parent))
            spec = importlib.util.spec_from_file_location(path.stem, path)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[path.stem] = module
            spec.loader.exec_module(module)
        else:
            importlib.import_module(target)
    except BaseException as error:  # noqa: BLE001 - user code, which may raise anything and call sys.exit
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = f" at line {lines[-1]}" if lines else ""
        return [f"{path.name} raised {type(error).__name__}{where} when imported ({error}); the code after it was only read"]
    return []


def _described(source: Source, declared: Any) -> Udf:
    from sparkweld.lint.examining import examined

    function = inspect.unwrap(declared.function) if callable(declared.function) else declared.function
    code = getattr(function, "__code__", None)
    file, line = (code.co_filename, code.co_firstlineno) if code is not None else ("", 0)
    name = getattr(function, "__name__", type(function).__name__)
    kind = KINDS.get(declared.eval_type, declared.kind)
    udf = Udf(name, kind, file, line, None, "not examined (only the running job knows its schema)")
    return examined(declared, udf, source)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # Spark may print while it loads, and from here on to standard error
    from sparkweld.lint.stubs import Recorder, replace_spark

    recorder = Recorder()
    replace_spark(recorder)
    # absolute and read now: the target may change the working folder
    source = Source.of(source_file(sys.argv[1]).absolute())
    notes = _import(sys.argv[1], source.path)
    udfs = []
    for declared in recorder.declared:
        try:
            udfs.append(_described(source, declared))
        except Exception as error:  # noqa: BLE001 - a boundary: one UDF that fails here must not hide the others
            notes.append(f"{getattr(declared.function, '__name__', '?')} was not examined: {type(error).__name__}: {error}")
    json.dump(encode(Answer(tuple(udfs), tuple(notes))), answers)
    answers.flush()
    os._exit(0)  # skips exit handlers and waiting for threads of the user's modules


if __name__ == "__main__":
    main()
