"""Runs all code blocks of all pages, those of a page in its order and in one namespace, with the plugin on."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkweld.bridge.jar import LINES
from tests.helpers.lines import LINE
from tests.helpers.pages import LANGUAGES, PAGES, ROOT, Runner, blocks

#: Pages with code -> the number of their blocks that are not run. Each has its reason before it, in a comment.
NOT_RUN = {
    "README.md": 6, "docs/cascades.md": 5, "docs/install.md": 1, "docs/models.md": 2, "docs/operators.md": 1,
    "docs/quickstart.md": 1, "docs/serving-c.md": 2, "tests/bench/README.md": 2,
}  # fmt: skip
#: Packages that are not installed with all lines of Spark.
OPTIONAL = ("onnxruntime", "skl2onnx")
#: Pages whose code repeats, with larger models and tables, what the tests of these functions run.
LATER = ("serving-mlflow", "profile", "serving-files", "operators")
WITH_CODE = [page for page in PAGES if any(LANGUAGES.get(block.language) != "source" for block in blocks(page))]


@pytest.fixture
def folder(spark, tmp_path, monkeypatch) -> Iterator[Path]:
    """Yields a folder to which relative paths refer, in this process and in Spark's."""
    monkeypatch.chdir(tmp_path)
    files = spark._jvm.org.apache.hadoop.fs
    local = files.FileSystem.get(spark._jsc.hadoopConfiguration())
    before = local.getWorkingDirectory()
    local.setWorkingDirectory(files.Path(str(tmp_path)))
    yield tmp_path
    local.setWorkingDirectory(before)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.nightly] * (page.stem in LATER)) for page in WITH_CODE],
    ids=[str(page.relative_to(ROOT)) for page in WITH_CODE],
)
def test_the_code_of_a_page_runs(page: Path, spark, folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    missing = [package for package in OPTIONAL if importlib.util.find_spec(package) is None]
    runner = Runner(spark, folder, compare_output=".".join(map(str, LINE)) == LINES[-1])
    for block in blocks(page):
        if not block.reason and not any(re.search(rf"^(?:import|from) {package}\b", block.code, re.M) for package in missing):
            runner.run(block)


def test_blocks_have_a_language_and_few_are_not_run():
    every = [block for page in PAGES for block in blocks(page)]
    assert [block.place for block in every if block.language not in LANGUAGES] == []
    left_out = Counter(str(block.page.relative_to(ROOT)) for block in every if block.reason)
    assert dict(left_out) == NOT_RUN
    assert sum(left_out.values()) * 4 < len(every)
