"""Scores a table with a saved model and writes a table of the predictions.

Models: scikit-learn (joblib, pickle), LightGBM (text), XGBoost (JSON, UBJSON), CatBoost (CBM) or pyspark.ml (folder).
Tables: Parquet, ORC, CSV (with a header), JSON lines, or names in the catalog. All arguments are checked before any work starts.
The output appears whole or not at all.

    spark-submit jobs/score.py --input T --model M --output O [--where "prediction > 0.9"] [--top-k 100] ...

--top-k keeps the rows with the largest predictions; NULL comes last. Ties are ordered by the columns of --keep, ascending,
in the order of the table, so the same input always yields the same rows.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

import sparkweld
from sparkweld.api.columns import quoted
from sparkweld.api.explain import watched
from sparkweld.api.scoring import approximate_rows, first_rows
from sparkweld.api.tables import FORMATS, check_output, read_table, write_table


def main() -> None:
    args = arguments(sys.argv[1:])
    spark = SparkSession.builder.appName("score").config("spark.ui.showConsoleProgress", "true").getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    try:
        run(spark, args)
    except (sparkweld.UserError, AnalysisException) as error:
        sys.exit(f"score: {error}")
    finally:
        spark.stop()


def run(spark: SparkSession, args: argparse.Namespace) -> None:
    check_output(spark, args.output, args.output_format, overwrite=args.overwrite)
    scored = predictions(read_table(spark, args.input, args.input_format), args)
    print(sparkweld.explain(scored), flush=True)
    started = time.monotonic()
    with watched(spark) as did:
        write_table(scored, args.output, args.output_format, overwrite=args.overwrite, partition_by=args.partition_by)
    seconds, ran = time.monotonic() - started, did()
    print(f"{ran.written:,} rows written to {args.output} in {seconds:.1f} s")
    print(f"{ran.read:,} rows read, {ran.read / seconds:,.0f} a second")
    print(f"batches scored in kernels: {ran.in_kernels:,}; handed on to Python: {ran.in_python:,}")


def predictions(table: DataFrame, args: argparse.Namespace) -> DataFrame:
    """Returns the rows and columns of the output. Raises UserError for columns that the table or the model lacks."""
    if args.approximate and (args.top_k is None or args.where):
        raise sparkweld.UserError("--approximate DIR applies to the first of all rows: it requires --top-k and excludes --where")
    scored = sparkweld.score(table, args.model, args.features, args.name, args.proba, args.cascade)
    made = [name for name in scored.columns if name not in table.columns]
    kept = table.columns if args.keep is None else args.keep
    absent = [name for name in (*kept, *args.partition_by) if name not in scored.columns]
    absent += [name for name in args.partition_by if name not in (*kept, *made)]
    if absent:
        raise sparkweld.UserError(f"the output cannot have the column {absent[0]!r}: there are {', '.join(scored.columns)}")
    if args.where:
        scored = scored.where(args.where)
    scored = scored.select(*map(quoted, [name for name in kept if name not in made] + made))
    if args.top_k is None:
        return scored
    first = first_rows(scored, kept, args.top_k)
    return approximate_rows(first, args.model, args.proba, args.top_k, args.approximate) if args.approximate else first


def arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda text: [name.strip() for name in text.split(",") if name.strip()]  # noqa: E731
    parser.add_argument("--input", required=True, help="path, or name of a table")
    parser.add_argument("--model", required=True, help="path of the saved model")
    parser.add_argument("--output", required=True, help="path, or name of a table, that does not exist yet")
    parser.add_argument("--input-format", choices=FORMATS, help="default: from the file extension")
    parser.add_argument("--output-format", choices=FORMATS, help="default: from the file extension")
    parser.add_argument("--features", type=names, help="a,b,c in the order of fitting; default: the model's names")
    parser.add_argument("--keep", type=names, help="columns to keep next to the predictions; default: all")
    parser.add_argument("--name", default="prediction", help="name of the column of predictions")
    parser.add_argument("--proba", nargs="?", const=True, default=False, metavar="CLASS", help="probabilities, or that of CLASS")
    parser.add_argument("--cascade", metavar="DIR", help="a cascade of this model, as jobs/fit_cascade.py writes it")
    parser.add_argument("--where", help="SQL condition on the table's columns and the predictions")
    parser.add_argument("--top-k", type=int, metavar="N", help="only the N rows with the largest predictions")
    parser.add_argument("--approximate", metavar="DIR", help="with --top-k: a ranking of this model, which selects candidates")
    parser.add_argument("--partition-by", type=names, default=[], help="columns that become folders of the output")
    parser.add_argument("--overwrite", action="store_true", help="replace the output, once the new one is complete")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
