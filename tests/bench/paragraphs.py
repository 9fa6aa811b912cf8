"""Builds a table of real strings, labelled rows and a classifier of origin from the docstrings of installed libraries.

A string is the beginning of a docstring paragraph of NumPy, pandas, scikit-learn or PySpark; its label states whether it is
PySpark's. The libraries are installed wherever this runs, so nothing is downloaded. One share of the strings fits the model,
another certifies a cascade, and the table to score repeats the rest many times. Each copy ends in its number as an extra word,
so that all rows differ. The other shares' strings get such numbers too, so that all rows have one distribution.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from flights_data import Progress, data_folder, write_atomically
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline

LIBRARIES = ("numpy", "pandas", "sklearn", "pyspark")
#: Part of the folder's name: files of another recipe are never mistaken for these.
RECIPE = 1
SEED = 20130101
#: Strings that fit the model, that certify a cascade, and that are scored; and the range of their lengths in characters.
FITTED, CERTIFIED, SCORED, LETTERS = 10_000, 16_000, 10_000, range(30, 200)
TEXTS = FITTED + CERTIFIED + SCORED
NUMBERS, FILES = 100, 4


@dataclass(frozen=True)
class PreparedParagraphs:
    """The folder of Parquet files to score, their number of rows, the file of labelled strings, and that of the fitted model."""

    table: Path
    rows: int
    labelled: Path
    model: Path


def prepare_paragraphs(min_rows: int, progress: Progress) -> PreparedParagraphs:
    """Generates the missing data: at least `min_rows` rows, in whole copies of the strings in neither other share."""
    folder = data_folder() / f"paragraphs-v{RECIPE}"
    labelled, unseen, model = folder / "labelled.parquet", folder / "unseen.parquet", folder / "origin.joblib"
    copies = -(-min_rows // SCORED)
    table = folder / f"texts-{copies}x"
    table.mkdir(parents=True, exist_ok=True)
    if not all(path.exists() for path in (labelled, unseen, model)):
        progress(f"reading the docstrings of {', '.join(LIBRARIES)}")
        texts = _texts()
        numbers = np.random.default_rng(SEED).integers(0, NUMBERS, TEXTS).astype(str)
        numbered = texts.assign(text=texts["text"] + " " + numbers)
        given, others = numbered[:FITTED], numbered[FITTED : FITTED + CERTIFIED]
        progress(f"fitting a classifier of strings by library on {FITTED:,} of {TEXTS:,} strings")
        fitted = _unfitted().fit(given["text"], given["pyspark"])
        write_atomically(model, lambda path: joblib.dump(fitted, path))
        write_atomically(labelled, lambda path: others.to_parquet(path, index=False))
        write_atomically(unseen, lambda path: texts[["text"]][-SCORED:].to_parquet(path, index=False))
    _write_copies(table, pd.read_parquet(unseen)["text"], copies)
    return PreparedParagraphs(table, copies * SCORED, labelled, model)


def _write_copies(table: Path, texts: pd.Series, copies: int) -> None:
    for part, numbers in enumerate(np.array_split(np.arange(copies), min(copies, FILES))):
        target = table / f"part-{part:05d}.parquet"
        if not target.exists():
            text = pd.concat([texts + f" {number}" for number in numbers], ignore_index=True)
            rows = pd.DataFrame({"id": np.arange(len(text)) + numbers[0] * len(texts), "text": text})
            write_atomically(target, lambda path, rows=rows: rows.to_parquet(path, index=False))


def _unfitted() -> Pipeline:
    words, chars = TfidfVectorizer(), TfidfVectorizer(analyzer="char", ngram_range=(2, 5), min_df=2)
    terms = FeatureUnion([("words", words), ("chars", chars)])
    return Pipeline([("terms", terms), ("model", LogisticRegression(C=20, solver="liblinear", random_state=0))])


def _texts() -> pd.DataFrame:
    """Returns `TEXTS` rows in a seeded order: distinct `text`s, and `pyspark`, 1 or 0. RuntimeError when there are fewer."""
    found: dict[str, int] = {}
    for library in LIBRARIES:
        for text in _paragraphs(library):
            found.setdefault(text, int(library == "pyspark"))
    if len(found) < TEXTS:
        raise RuntimeError(f"the libraries' docstrings have {len(found):,} paragraphs, and the demo requires {TEXTS:,}")
    rows = pd.DataFrame({"text": found.keys(), "pyspark": found.values()})
    return rows.sample(TEXTS, random_state=SEED).reset_index(drop=True)


def _paragraphs(library: str) -> Iterator[str]:
    origin = importlib.util.find_spec(library).origin
    for path in sorted(Path(origin).parent.rglob("*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue  # templates, and tests of invalid syntax
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                for paragraph in re.split(r"\n\s*\n", ast.get_docstring(node) or ""):
                    text = " ".join(paragraph.split())[: LETTERS.stop]
                    if len(text) >= LETTERS.start:
                        yield text
