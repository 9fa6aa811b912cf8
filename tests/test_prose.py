"""Checks that comments, docstrings and pages follow the project's rules of plain English.

The rules: a file's header is one verb sentence of at most 25 words, and no prose uses a word that docs/glossary.md replaces.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("sparkweld", "udf_compiler", "jobs", "jvm-bridge", "tests")
_DOCS = ("annotations", "compiled", "decorators", "models", "security")
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", *(f"docs/{name}.md" for name in _DOCS))

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


#: Names of the code within prose: in backquotes, as parameters, in signatures and in paths.
_NAMES = re.compile(r"``[^`]*``|`[^`]*`|@param \w+|\b\w+\([\w, ]*\)|\S+/\S+")


def sources(*suffixes: str) -> list[Path]:
    """Returns the hand-written sources with these suffixes."""
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in suffixes)
    return sorted(path for path in found if not {"fixtures", "_bridge", "__pycache__"} & set(path.parts))


#: UDFs as people write them, whose docstrings are the titles of cases, and UDFs within tests.
_USERS = ("tests/corpus", "tests/bench/annotation_cases.py", "tests/test_budgets.py", "tests/test_iterator_kinds.py")


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yields (line, text) of each comment and docstring of a source, and of each line of a page."""
    text = path.read_text()
    if path.suffix == ".py":
        yield from _of_python(text)
    elif path.suffix == ".md":
        fenced = False
        for number, line in enumerate(text.splitlines(), 1):
            fenced ^= line.startswith("```")
            if not fenced:
                yield number, line
    else:
        for found in re.finditer(r'"(?:\\.|[^"\\\n])*"|(//[^\n]*|/\*[\s\S]*?\*/)', text):
            if found[1]:
                yield text.count("\n", 0, found.start()) + 1, found[1]


def _of_python(text: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (found := ast.get_docstring(node)):
            yield node.body[0].lineno, found
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def header(path: Path) -> str | None:
    """Returns the first paragraph of a Python module's docstring; None for a file without code."""
    module = ast.parse(path.read_text())
    found = ast.get_docstring(module)
    return found.split("\n\n")[0] if found else (None if not module.body else "")


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
    paths = [ROOT / page for page in PAGES] if folder == "docs" else sources(".py", ".scala", ".java", ".c", ".h")
    wrong = []
    for path in paths:
        name = str(path.relative_to(ROOT))
        if folder in ("docs", name.split("/")[0]) and path != Path(__file__) and not name.startswith(_USERS):
            for line, text in prose(path):
                plain = _NAMES.sub("", text)
                for pattern, better in BANNED:
                    for found in re.finditer(pattern, plain, re.I):
                        at = line + plain.count("\n", 0, found.start())
                        wrong.append(f"{name}:{at}: {found[0]!r}; write: {better}")
    assert not wrong, "\n".join(wrong)
