"""Runs the code of docs/serving.md, in its order: Python in one namespace, and C against the library that it exports.

tests/cascades fit cascades, so the part about them is left out here.
"""

from __future__ import annotations

import importlib
import os
import re
import types
import warnings
from pathlib import Path

import pytest

from tests.serving.test_library import run_c
from tests.serving.test_programs import TABLE, bonus, model

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
with warnings.catch_warnings():  # of its own type hints
    warnings.simplefilter("ignore")
    mlflow = importlib.import_module("mlflow.pyfunc")
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE.partition("## Cascades")[0], re.DOTALL)
SPARK = types.SimpleNamespace(conf=types.SimpleNamespace(get=lambda key: "local[2]"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_the_code_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # It would start a process that loads the model, to find the packages that this imports.
    monkeypatch.setattr(mlflow.mlflow.models, "infer_pip_requirements", lambda *args, **kwargs: [])
    fitted = model()
    names = {"model": fitted, "example": TABLE.head(), "frame": TABLE, "candidates": TABLE, "bonus": bonus, "spark": SPARK}
    assert {language for language, _ in BLOCKS} == {"python", "c"} and len(BLOCKS) == 7
    for language, code in BLOCKS:
        if language == "python":
            exec(compile(code, "docs/serving.md", "exec"), names)
            continue
        begin = '#include "bonus.h"\n#include <stdio.h>\nint main(void) {'
        end = 'printf("%g %d\\n", made.result, status); return 0; }'
        assert run_c(tmp_path, tmp_path / "bonus.so", f"{begin}\n{code}{end}") == [f"{bonus(3100.0, 41, 'cook'):g} 0"]
    assert names["answer"].result() == bonus(3100.0, 41, None)
    assert (names["fast"].predict_proba(TABLE) == names["fast"].predict_proba(TABLE.copy())).all()
    assert names["loaded"].predict(TABLE).tolist() == fitted.predict(TABLE).tolist()
    assert "predict_proba of a frame (age long, pay double, job string): program" in capsys.readouterr().out
    monkeypatch.undo()
