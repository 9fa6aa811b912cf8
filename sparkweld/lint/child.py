"""Runs one target with Spark replaced, and prints its UDFs as the JSON of a `findings.Answer`.

`python -m sparkweld.lint.child TARGET`. The user's prints are redirected to standard error.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from pathlib import Path
from typing import Any

from sparkweld.contract.decoding import encode
from sparkweld.lint.findings import Answer, Udf
from sparkweld.lint.importing import source_file
from sparkweld.lint.sources import Source


def _described(source: Source, declared: Any) -> Udf:
    """Returns a UDF that the import declared, not examined yet."""
    from sparkweld.lint.examining import KINDS

    function = inspect.unwrap(declared.function) if callable(declared.function) else declared.function
    code = getattr(function, "__code__", None)
    file, line = (code.co_filename, code.co_firstlineno) if code is not None else ("", 0)
    name = getattr(function, "__name__", type(function).__name__)
    return Udf(name, KINDS.get(declared.eval_type, declared.kind), file, line, None, "")


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # Spark may print while it loads, and from here on to standard error
    from sparkweld.lint.declarations import udfs as declarations
    from sparkweld.lint.examining import examined
    from sparkweld.lint.examining_source import examined_source, uses_stubs
    from sparkweld.lint.missing import MissingPackages
    from sparkweld.lint.running import run, undefined
    from sparkweld.lint.stubs import Recorder, replace_spark

    recorder = Recorder()
    replace_spark(recorder)
    # absolute and read now: the target may change the working folder
    source = Source.of(source_file(sys.argv[1]).absolute())
    folders = [Path(folder).absolute() for folder in sys.argv[2:]]
    packages = MissingPackages((source.path.parent, *folders), undefined(source.tree))
    sys.meta_path.append(packages)
    namespace, notes = run(source, recorder, folders)
    if packages.found:
        notes.insert(0, f"not installed here, and replaced by stubs: {', '.join(packages.found)}")
    read = {(udf.name, udf.line): udf for udf in declarations(source)}
    found: list[Udf] = []

    def attempt(name: str, examine: Any) -> None:
        try:
            found.append(examine())
        except Exception as error:  # noqa: BLE001 - a boundary: one UDF that fails here must not hide the others
            notes.append(f"{name} was not examined: {type(error).__name__}: {error}")

    for declared in recorder.declared:
        udf = _described(source, declared)
        known = read.get((udf.name, udf.line)) if source.is_file(udf.file) else None
        if known is None or not uses_stubs(declared.function):
            read.pop((udf.name, udf.line), None) if known is not None else None
            attempt(udf.name, lambda declared=declared, udf=udf: examined(declared, udf, source))
    for udf_read in read.values():
        attempt(udf_read.name, lambda udf_read=udf_read: examined_source(source, udf_read, namespace, recorder.declared))
    json.dump(encode(Answer(tuple(found), tuple(notes))), answers)
    answers.flush()
    os._exit(0)  # skips exit handlers and waiting for threads of the user's modules


if __name__ == "__main__":
    main()
