"""Checks that comments, docstrings, messages, titles of tests and pages follow the project's rules of plain English.

The rules: a file's header is one verb sentence, no sentence has more than 25 words, and nothing uses a word that docs/glossary.md
replaces.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("sparkweld", "udf_compiler", "jobs", "jvm-bridge", "tests")
#: All pages; compatibility.md is generated from tables of code.
PAGES = sorted(path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "tests/bench/README.md"))
MOST_WORDS = 25

#: A header's first word. A verb that is missing here is added;
VERBS = frozenset(
    """Accesses Accounts Adds Adjusts Aggregates Allocates Annotates Answers Appends Applies Asks Assembles Asserts Balances
    Batches Benchmarks Bounds Broadcasts Builds Caches Calls Captures Certifies Checks Chooses Closes Collects Combines
    Compares Compiles Completes Computes Concatenates Configures Connects Contains Converts Copies Counts Creates Cuts
    Decides Declares Decodes Defines Derives Describes Detects Dispatches Distinguishes Divides Draws Drops Eliminates
    Emits Encodes Ends Enforces Ensures Escapes Estimates Evaluates Examines Executes Exercises Expands Explains Exports
    Exposes Extends Extracts Feeds Filters Finds Fits Flattens Folds Formats Fuses Fuzzes Gathers Generates Groups Guards
    Handles Hashes Hides Holds Identifies Implements Imports Infers Inlines Inserts Installs Interprets Iterates Joins
    Keeps Launches Lays Limits Links Lints Lists Loads Locates Logs Looks Lowers Maintains Makes Manages Maps Marks
    Matches Materializes Measures Merges Minimises Minimizes Models Modifies Moves Multiplies Names Negotiates Normalises
    Normalizes Notifies Obtains Opens Optimises Optimizes Orders Overrides Packs Parses Partitions Passes Performs Plans
    Polls Precomputes Predicts Prepares Presents Prints Probes Processes Profiles Propagates Proves Provides Prunes Pulls
    Pushes Puts Queries Queues Raises Ranks Reads Rebuilds Recognises Recognizes Reconstructs Records Recycles Redirects
    Reduces Refuses Regenerates Registers Regroups Rejects Releases Removes Renders Reorders Replaces Reports Represents
    Reproduces Requests Resolves Restores Retains Returns Reverses Rewrites Rounds Runs Samples Saves Scales Scans Scores
    Searches Selects Sends Serializes Serves Sets Shares Shows Simplifies Simulates Sinks Skips Snapshots Sorts Splits
    Starts Stores Streams Submits Substitutes Summarizes Sums Supplies Supports Switches Synthesizes Takes Terminates
    Tests Times Traces Tracks Trains Transcribes Transforms Translates Tries Truncates Unpacks Updates Uses Validates
    Vectorises Verifies Visits Walks Warns Watches Wraps Writes""".split()
)

#: (pattern, what to write): words of docs/glossary.md that have no other sense in this project.
BANNED = [
    (r"\bso many\b(?! \w+ that\b)", "n, the number of"),
    (r"\bgives\b", "returns, yields, produces"),
    (r"\btexts\b", "strings"),
    (r"\bstands?\b(?! for\b|-)", "is stored, is located"),
    (r"\bwants\b|\bwanted\b", "requires, requested"),
    (r"\btold\b", "receives, is passed"),
    (r"\bby turns\b|\bturn about\b", "alternately"),
    (r"\bcontests?\b", "A/B timing"),
    (r"\bdear(?:er|est)?\b", "expensive"),
    (r"\bcomes? again\b", "repeats"),
    (r"\bmade[- ]up\b", "synthetic"),
    (r"\bpieces of words\b", "character n-grams"),
    (r"\bhas no room\b", "overflows"),
    (r"\btwins?\b", "equivalent Catalyst expression"),
    (r"\blet go\b|\bspared\b", "evicted, second-chance"),
    (r"\brow by row\b", "row-local"),
    (r"\ball one\b", "equivalent"),
]  # fmt: skip
_ANY_BANNED = re.compile("|".join(pattern for pattern, _ in BANNED), re.I)

#: Names of the code within prose: in backquotes, as parameters, in signatures and in paths.
_NAMES = re.compile(r"``[^`]*``|`[^`]*`|@param \w+|\b\w+\([\w, ]*\)|\]\([^)]*\)|\S+/\S+")


@cache
def sources(*suffixes: str) -> list[Path]:
    """Returns the hand-written sources with these suffixes."""
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in suffixes)
    return sorted(path for path in found if not {"fixtures", "_bridge", "__pycache__"} & set(path.parts))


@cache
def read_once(path: Path) -> tuple[list[tuple[int, str]], list[tuple[int, str]], str | None]:
    """Returns the docstrings of a source, its messages (see `messages`), each with its line, and its header."""
    docs, found, module = [], [], ast.parse(path.read_text())
    for node in ast.walk(module):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            docs.append((node.body[0].lineno, text))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            found.append((node.lineno, node.name.replace("_", " ").replace("stand in", "")))
        elif (message := _message(node)) is not None:
            parts = (part for part in ast.walk(message) if isinstance(part, ast.Constant))
            found += [(part.lineno, part.value) for part in parts if isinstance(part.value, str)]
    return docs, found, ast.get_docstring(module)


def _message(node: ast.AST) -> ast.expr | None:
    """Returns the expression of the message that a node reports, or None."""
    if isinstance(node, ast.Raise):
        return node.exc
    if isinstance(node, ast.Assert):
        return node.msg
    if isinstance(node, ast.keyword) and node.arg in ("id", "ids", "help", "description"):
        return node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
        return node if getattr(node.func, "id", getattr(node.func, "attr", "")) in _REPORTS else None
    return None


#: UDFs as people write them, whose docstrings are the titles of cases, and UDFs within tests.
_USERS = (
    *("tests/corpus", "tests/sample/functions", "tests/bench/annotation_cases.py"),
    *("tests/udf_compiler/requests/test_budgets.py", "tests/udf_compiler/eval_types/test_iterators.py"),
)


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yields (line, text) of each comment and docstring of a source, and of each line of a page."""
    text = path.read_text()
    if path.suffix == ".py":
        yield from _of_python(path, text)
    elif path.suffix == ".md":
        fenced = False
        for number, line in enumerate(text.splitlines(), 1):
            fenced ^= line.lstrip().startswith("```")
            if not fenced:
                yield number, line
    else:
        for found in re.finditer(r'"(?:\\.|[^"\\\n])*"|(//[^\n]*|/\*[\s\S]*?\*/)', text):
            if found[1]:
                yield text.count("\n", 0, found.start()) + 1, found[1]


def _of_python(path: Path, text: str) -> Iterator[tuple[int, str]]:
    yield from read_once(path)[0]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def files(folder: str, *suffixes: str) -> Iterator[tuple[str, Path]]:
    """Yields the pages, or the sources of a folder with these suffixes, without this file; with their names."""
    for path in PAGES if folder == "docs" else sources(*suffixes):
        name = str(path.relative_to(ROOT))
        if folder in ("docs", name.split("/")[0]) and path != Path(__file__):
            yield name, path


def banned(text: str, line: int) -> Iterator[str]:
    """Yields a fault for each banned word of a text that begins at that line."""
    if _ANY_BANNED.search(text) is None:
        return
    plain = _NAMES.sub("", text)
    for pattern, better in BANNED:
        for found in re.finditer(pattern, plain, re.I):
            yield f"line {line + plain.count(chr(10), 0, found.start())}: {found[0]!r}; write: {better}"


#: Functions whose arguments are messages, beside errors.
_REPORTS = ("refuse", "refusal", "_require", "_wants", "warn", "warning", "say")


def messages(path: Path) -> list[tuple[int, str]]:
    """Returns (line, text) of the titles of tests and cases, and of messages: errors, assertions, refusals, warnings, help."""
    return read_once(path)[1]


def paragraphs(path: Path) -> Iterator[tuple[int, str]]:
    """Yields (line, text) of the paragraphs, list items and cells of tables of docstrings or of a page, each as one line.

    Code and tables are not sentences: indented lines of docstrings, trees drawn with lines, and cells without a full stop.
    """
    if path.suffix == ".md":
        if path.name == "compatibility.md":
            return
        yield from _split(list(prose(path)))
    else:
        for line, found in read_once(path)[0]:
            kept = [(line + at, "" if text.startswith("    ") else text) for at, text in enumerate(found.splitlines())]
            yield from _split(kept)


def _split(lines: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    start, kept = 0, ""
    for line, text in [*lines, (0, "")]:
        if not text.strip() or re.match(r"\s*([-*#|<]|\d+\.|``\w+``)(\s|$)|\||\s*[├└]", text):
            if kept:
                yield start, kept
            kept = ""
            if text.startswith("|"):
                yield from ((line, cell.strip()) for cell in text.split("|") if ". " in cell)
                continue
            if re.match(r"``|\s*[├└]", text):
                continue
        start, kept = (start, f"{kept} {text.strip()}") if kept else (line, text.strip())


def header(path: Path) -> str | None:
    """Returns the first paragraph of a Python module's docstring; None for a file without code."""
    if not path.read_text().strip():
        return None
    return (read_once(path)[2] or "").split("\n\n")[0]


@pytest.mark.parametrize("folder", FOLDERS)
def test_headers_are_one_verb_sentence(folder):
    wrong = []
    for path in sources(".py"):
        if path.relative_to(ROOT).parts[0] == folder and (text := header(path)) is not None:
            words = text.split()
            if not words or words[0].rstrip(",:") not in VERBS or len(text.split(". ")[0].split()) > 25:
                wrong.append(f"{path.relative_to(ROOT)}: {' '.join(words)[:120]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", [*FOLDERS, "docs"])
def test_no_banned_words(folder):
    wrong = []
    for name, path in files(folder, ".py", ".scala", ".java", ".c", ".h"):
        if not name.startswith(_USERS) and _ANY_BANNED.search(path.read_text()):
            wrong += [f"{name}:{line}: {fault}" for line, text in prose(path) for fault in banned(text, line)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", FOLDERS)
def test_messages_and_titles_use_no_banned_words(folder):
    wrong = []
    for name, path in files(folder, ".py"):
        wrong += [f"{name}:{line}: {fault}" for line, text in messages(path) for fault in banned(text, line)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", [*FOLDERS, "docs"])
def test_sentences_are_short(folder):
    wrong = []
    for name, path in files(folder, ".py"):
        for line, text in paragraphs(path):
            for sentence in re.split(r"(?<=[.!?])\**\s+", text):
                if len(sentence.split()) <= MOST_WORDS:
                    continue
                names = re.sub(r"\bX(?:'s)?(?:[,;]? (?:and |or )?X\b)+", "X", _NAMES.sub("X", sentence))
                words = [word for word in names.split() if re.search(r"\w", word)]
                if len(words) > MOST_WORDS:
                    wrong.append(f"{name}:{line}: {len(words)} words: {sentence}")
    assert not wrong, "\n".join(wrong)
