"""Builds C programs against exported libraries, and compares their results with the program in Python."""

from __future__ import annotations

import subprocess

import pytest

import sparkweld
from sparkweld.errors import UserError
from tests.serving.test_programs import BONUS, bonus, trees


def run_c(folder, library, source):
    """Compiles a C program against a library and its header without warnings; returns the lines that it prints."""
    (folder / "main.c").write_text(source)
    options = ["-Wall", "-Wextra", "-Werror", "-O1", "-fsanitize=undefined", "-Wl,-rpath,."]
    subprocess.run(["cc", *options, "main.c", str(library), "-o", "main"], cwd=folder, check=True)
    return subprocess.run(["./main"], cwd=folder, check=True, capture_output=True, text=True).stdout.splitlines()


def test_trees_in_c(tmp_path):
    fitted, features = trees()
    program = sparkweld.compile(fitted, {"age": "double", "pay": "double"})
    header = program.export_shared_library(tmp_path / "trees.so", prefix="trees")
    assert header == str(tmp_path / "trees.h")
    rows = features.astype(float).to_numpy()[:130].tolist()
    values = ", ".join(f"{{ {a.hex()}, 0, {p.hex()}, 0 }}" for a, p in rows)
    lines = run_c(
        tmp_path, tmp_path / "trees.so",
        f"""#include "trees.h"
        #include <stdio.h>
        int main(void) {{
            static const trees_input rows[] = {{ {values} }};
            static trees_output made[{len(rows)}]; static uint8_t status[{len(rows)}];
            printf("%d\\n", (int) trees_score(rows, {len(rows)}, made, status));
            for (int i = 0; i < {len(rows)}; i++)
                printf("%a %d %d\\n", made[i].prediction, made[i].prediction_is_null, status[i]);
            return 0;
        }}""",
    )  # fmt: skip
    assert lines[0] == "0"
    assert [float.fromhex(line.split()[0]) for line in lines[1:]] == fitted.predict(features)[:130].tolist()
    assert {line.split(maxsplit=1)[1] for line in lines[1:]} == {"0 0"}


def test_strings_and_the_status_of_rows_in_c(tmp_path):
    function = lambda s, n: s + "é" + str(n) if n != 3 else str(1 // (n - 3))  # noqa: E731
    program = sparkweld.compile(function, {"s": "string", "n": "long"}, "string")
    program.export_shared_library(tmp_path / "texts.so", prefix="texts")
    lines = run_c(
        tmp_path, tmp_path / "texts.so",
        """#include "texts.h"
        #include <stdio.h>
        int main(void) {
            texts_input rows[] = {
                { { "ab", 2 }, 0, 2, 0 }, { { "", 0 }, 0, 1, 0 }, { { "x", 1 }, 0, 3, 0 }, { { "\\xff", 1 }, 0, 1, 0 },
                { { 0, 0 }, 1, 1, 0 },
            };
            texts_output made[5]; uint8_t status[5];
            for (int n = 0; n < 2; n++) printf("%d\\n", (int) texts_score(rows, 5, made, status));
            for (int i = 0; i < 5; i++) printf("%d %.*s\\n", status[i], (int) made[i].result.length, made[i].result.data);
            return 0;
        }""",
    )  # fmt: skip
    assert lines == ["3", "3", "0 abé2", "0 é1", "1 ", "1 ", "1 "]


def test_strings_of_all_rows_stay_valid_until_the_next_call(tmp_path):
    """Rows in several pieces, among them flagged ones, whose strings fill the arena several times."""
    function = lambda s, n: s.upper() + s if n != 3 else str(1 // (n - 3))  # noqa: E731
    program = sparkweld.compile(function, {"s": "string", "n": "long"}, "string")
    program.export_shared_library(tmp_path / "texts.so", prefix="texts")
    lines = run_c(
        tmp_path, tmp_path / "texts.so",
        """#include "texts.h"
        #include <stdio.h>
        enum { N = 400, LONG = 60000 };
        static char text[2 * LONG + 20];
        static texts_input rows[N]; static texts_output made[N]; static uint8_t status[N];
        int main(void) {
            int wrong = 0, left = 0;
            for (int i = 0; i < 2 * LONG + 20; i++) text[i] = 'a' + i % 26;
            for (int round = 0; round < 3; round++) {
                for (int i = 0; i < N; i++) {
                    rows[i].s.data = i % 5 ? text + i % 20 : 0; rows[i].s.length = i % 5 * (i % 6) * 40;
                    if (i % 90 == 81) rows[i].s.length = LONG * round;
                    rows[i].n = i % 50 == 7 ? 3 : 1;
                }
                left = (int) texts_score(rows, N, made, status);
                for (int i = 0; i < N; i++) {
                    wrong += status[i] != (rows[i].n == 3);
                    if (status[i]) continue;
                    int size = (int) rows[i].s.length;
                    wrong += made[i].result.length != 2 * size;
                    const char *data = made[i].result.data;
                    for (int k = 0; k < size; k++)
                        wrong += data[k] != rows[i].s.data[k] - 32 || data[size + k] != rows[i].s.data[k];
                }
            }
            printf("%d %d\\n", wrong, left);
            return (int) texts_score(0, 0, 0, 0);
        }""",
    )  # fmt: skip
    assert lines == ["0 8"]


def test_wrong_arguments_in_c(tmp_path):
    """Pointers that are NULL, a negative number of rows, and strings without bytes are reported, not read."""
    sparkweld.compile(lambda s: s + "!", {"s": "string"}, "string").export_shared_library(tmp_path / "texts.so", prefix="texts")
    lines = run_c(
        tmp_path, tmp_path / "texts.so",
        """#include "texts.h"
        #include <stdio.h>
        int main(void) {
            texts_input rows[] = { { { 0, 5 }, 0 }, { { "ab", -1 }, 0 }, { { 0, 0 }, 0 }, { { "ab", 2 }, 0 } };
            texts_output made[4]; uint8_t status[4];
            printf("%d %d", (int) texts_score(0, 1, made, status), (int) texts_score(rows, 1, 0, status));
            printf(" %d %d", (int) texts_score(rows, 1, made, 0), (int) texts_score(rows, -1, made, status));
            printf(" %d %d\\n", (int) texts_score(0, 0, 0, 0), (int) texts_score(rows, 4, made, status));
            for (int i = 0; i < 4; i++) printf("%d %.*s\\n", status[i], (int) made[i].result.length, made[i].result.data);
            return 0;
        }""",
    )  # fmt: skip
    assert lines == ["-2 -2 -2 -2 0 2", "1 ", "1 ", "0 !", "0 ab!"]


def test_names_of_columns_become_identifiers(tmp_path):
    columns = dict.fromkeys(("int", "a b", "a-b", "é */", "9", "a_b_is_null", "class", "linux", "bool"), "long")
    program = sparkweld.compile(lambda *v: sum(v), columns, "long")
    header = program.export_shared_library(tmp_path / "odd.so", prefix="odd")
    with open(header) as text:
        fields = [line.split()[1].rstrip(";") for line in text if line.startswith("    int64_t")]
    assert len({*fields}) == len(fields) == 10
    lines = run_c(
        tmp_path, tmp_path / "odd.so",
        f"""#include "odd.h"
        #include <stdio.h>
        int main(void) {{
            odd_input row = {{ 0 }}; odd_output made; uint8_t status;
            row.{fields[0]} = 40; row.{fields[4]} = 2;
            odd_score(&row, 1, &made, &status);
            printf("%d %d\\n", (int) made.result, status);
            return 0;
        }}""",
    )  # fmt: skip
    assert lines == ["42 0"]


def test_what_cannot_be_exported(tmp_path):
    program = sparkweld.compile(bonus, BONUS, "double")
    for prefix in ("", "1a", "a b"):
        with pytest.raises(UserError, match="no identifier of C"):
            program.export_shared_library(tmp_path / "x.so", prefix)
    lists = sparkweld.compile(lambda xs: sum(xs), {"xs": "array<double>"}, "double")
    with pytest.raises(UserError, match=r"columns of arrays \(xs\) cannot be exported"):
        lists.export_shared_library(tmp_path / "x.so")
    program.save(tmp_path / "program.sparkweld")
    with pytest.raises(UserError, match="was loaded from a file"):
        sparkweld.load(tmp_path / "program.sparkweld").export_shared_library(tmp_path / "x.so")
    assert not (tmp_path / "x.so").exists()
