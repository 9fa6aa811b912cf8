"""Checks the corpus: compiled functions are pinned, and functions that must never compile do not."""

from __future__ import annotations

import json

import pytest

from sparkweld.reasons import reasons
from tests.corpus import __main__ as command
from tests.corpus.case import EVAL_TYPES
from tests.corpus.runner import COMPILED, EXPECTED, THEMES, Answer, answer, cases, column_names, expected, is_expected
from tests.corpus.tables import ROWS, TABLES, table
from tests.helpers.compiled import FAULTS
from tests.helpers.lines import LINE, is_refused

CASES = cases()


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    return {case.name: answer(case) for case in CASES}


def test_there_are_enough_cases_of_each_kind():
    assert len(CASES) >= 120 and len({case.name for case in CASES}) == len(CASES)
    assert {case.theme for case in CASES} == set(THEMES)
    assert all(case.summary.endswith(".") for case in CASES)
    never = sum(bool(case.never) for case in CASES)
    assert 0.05 <= never / len(CASES) <= 0.15, "a realistic share cannot be compiled"


def test_every_case_has_its_recorded_outcome(answers):
    pinned = expected()
    changed = {name: one.text for name, one in answers.items() if not is_expected(one.case, one.code)}
    told = [f"{name}, pinned as {pinned[name]}: {text[:300]}" for name, text in changed.items()]
    assert not told, "\n".join([*told, "run `python -m tests.corpus --write`, then read the diff"])


def test_most_cases_are_compiled(answers):
    here = [one for one in answers.values() if not is_refused(EVAL_TYPES[one.case.kind])]
    assert sum(one.compiled for one in here) >= (0.85 if LINE >= (4, 2) else 0.8) * len(here)


def test_every_case_is_pinned():
    assert list(expected()) == [case.name for case in CASES], "run `python -m tests.corpus --write`, then read the diff"
    assert set(expected().values()) <= {COMPILED, *reasons()} - FAULTS


@pytest.mark.parametrize("case", [case for case in CASES if case.never], ids=lambda case: case.name)
def test_calls_without_a_kernel_are_refused(answers, case):
    assert not answers[case.name].compiled, answers[case.name].text
    assert expected()[case.name] != COMPILED


@pytest.mark.parametrize("name", list(TABLES))
def test_tables_are_reproducible_and_match_their_schema(name):
    data = table(name)
    assert data.num_rows == ROWS and repr(data.to_pydict()) == repr(table.__wrapped__(name).to_pydict())
    for field in data.schema:
        assert (data[field.name].null_count > 0) == field.nullable, field.name
    used = {column for case in CASES if case.table == name for column in column_names(case)}
    assert used <= set(data.column_names)


def test_the_command_prints_the_table_of_reasons(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["corpus", "--theme", "beyond"])
    assert command.main() == 0
    text = capsys.readouterr().out
    assert "beyond" in text and "SW250" in text and "decayed" in text


def test_the_expectations_are_written_as_they_are_made(answers):
    assert EXPECTED.read_text(encoding="utf-8") == json.dumps(expected(), indent=2) + "\n"
