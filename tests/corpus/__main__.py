"""Prints the compiled functions of the corpus and the reasons for the rest: `python -m tests.corpus`, `make corpus`.

`--explain NAME` prints the program or the refusals of one case, and `--write` rewrites the expectations. `--spark` also runs
every case with SparkWeld off and on and compares (needs the bridge). `--each` runs one query per case.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from sparkweld.reasons import reasons
from tests.corpus.runner import EXPECTED, THEMES, Answer, answer, cases, expected_text


def report(answers: list[Answer]) -> str:
    """Returns the number of compiled cases per theme, then the reasons with their cases."""
    lines = [f"{'theme':<12} {'compiled':>8} {'cases':>6}"]
    for theme in THEMES:
        mine = [a for a in answers if a.case.theme == theme]
        lines.append(f"{theme:<12} {sum(a.compiled for a in mine):>8} {len(mine):>6}")
    compiled = sum(a.compiled for a in answers)
    lines.append(f"{'all':<12} {compiled:>8} {len(answers):>6}  {compiled / len(answers):.1%}")
    by_code: dict[str, list[str]] = defaultdict(list)
    for refused in answers:
        if not refused.compiled:
            by_code[refused.code].append(refused.case.name + ("" if refused.case.never else " *"))
    lines += ["", f"reasons for the other {len(answers) - compiled} (* could be compiled one day)"]
    for code, names in sorted(by_code.items(), key=lambda item: -len(item[1])):
        lines.append(f"{code} {len(names):>3}  {reasons()[code]['title']}: {', '.join(names)}")
    return "\n".join(lines)


def run_in_spark(answers: list[Answer], each: bool) -> int:
    """Compares off and on; returns the number of problems."""
    import pyarrow.parquet as pq
    from pyspark.sql import SparkSession

    import sparkweld
    from tests.corpus.queries import compare, groups
    from tests.corpus.tables import TABLES, table

    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sparkweld.compile.tinyRows", "0")
    builder = builder.config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "2")
    spark = sparkweld.configure(builder).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    chosen, kept = [a.case for a in answers], {a.case.name for a in answers if a.kept}
    problems, ran = 0, Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        frames = {}
        for name in TABLES:
            pq.write_table(table(name), f"{folder}/{name}.parquet")
            frames[name] = spark.read.parquet(f"{folder}/{name}.parquet")
        for group in [(case,) for case in chosen] if each else list(groups(chosen)):
            result = compare(spark, frames[group[0].table], group, kept)
            for case in group:
                ran["kernels" if case.name in result.names else result.refusals.get(case.name, "no reason")] += 1
            for problem in result.problems:
                problems += 1
                print(problem)
    spark.stop()
    print(f"\nin Spark: {dict(ran.most_common())}; {problems} problems")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--explain", metavar="NAME", help="print what the compiler says of one case")
    parser.add_argument("--theme", choices=THEMES, help="only the cases of one theme")
    parser.add_argument("--write", action="store_true", help=f"rewrite {EXPECTED.name}")
    parser.add_argument("--spark", action="store_true", help="also run the cases with SparkWeld off and on and compare")
    parser.add_argument("--each", action="store_true", help="with --spark: a query for each case")
    options = parser.parse_args()
    chosen = [c for c in cases() if options.theme in (None, c.theme) and options.explain in (None, c.name)]
    answers = [answer(case) for case in chosen]
    if options.explain:
        print("\n\n".join(a.text for a in answers) or f"no case {options.explain}")
    else:
        print(report(answers))
    if options.write:
        EXPECTED.write_text(expected_text([answer(case) for case in cases()]), encoding="utf-8")
        print(f"wrote {Path(EXPECTED).name}")
    return 1 if options.spark and run_in_spark(answers, options.each) else 0


if __name__ == "__main__":
    sys.exit(main())
