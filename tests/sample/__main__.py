"""Prints what share of the sample runs natively, and whether its rows are equal: `python -m tests.sample`.

It takes some minutes, and needs the bridge. `--only NAME ...` runs only these cases.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any


def session(folder: str) -> Any:
    """Returns a session with the plugin."""
    from pyspark.sql import SparkSession

    import sparkweld

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sparkweld.compile.tinyRows", "0")
    builder = builder.config("spark.sql.warehouse.dir", folder).config("spark.ui.showConsoleProgress", "false")
    builder = builder.config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "2")
    spark = sparkweld.configure(builder).getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sample", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run only these cases")
    options = parser.parse_args()

    from tests.sample import runner, tables

    chosen = [case for case in runner.cases() if not options.only or case.name in options.only]
    if unknown := set(options.only or ()) - {case.name for case in chosen}:
        parser.error(f"the sample has no case {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        spark = session(folder)
        tables.write(Path(folder))
        read = tables.read(spark, Path(folder))
        results = []
        for at, case in enumerate(chosen, 1):
            results.append(runner.result(spark, read, case))
            print(f"\r{at} of {len(chosen)}", end="", file=sys.stderr, flush=True)
        spark.stop()
    print("\n" + runner.report(results))
    return 1 if any(each.problems for each in results) else 0


if __name__ == "__main__":
    sys.exit(main())
