"""Fits a certified cascade from a saved model and rows; scoring can use its directory in the model's place.

The rows must not be those that the model was fitted on. With --label, the cascade promises how much accuracy it loses. Without,
it promises how often its answer is the full model's. With --selected, it is for filters by these classes, and promises --recall,
--precision or both, relative to the full model. The promise and its evidence are printed and stored in the directory.
When no cascade both keeps the promise and saves time, the job reports the reason and writes nothing.

    spark-submit jobs/fit_cascade.py --input T --model M [--label C] --output D [--accuracy-loss 0.001] [--rows N] ...
    spark-submit jobs/fit_cascade.py --input T --model M --selected fraud --recall 0.95 --precision 0.95 --output D ...
    spark-submit --conf spark.sparkweld.cascades.path=D job.py                    (an unmodified job with that model)
    spark-submit jobs/score.py --model M --cascade D ...
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

import sparkweld
from sparkweld.api.columns import quoted
from sparkweld.api.fitted import takes_documents
from sparkweld.api.saved_models import load_model
from sparkweld.api.tables import FORMATS, read_table


def main() -> None:
    args = arguments(sys.argv[1:])
    spark = SparkSession.builder.appName("fit cascade").getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    try:
        run(spark, args)
    except (sparkweld.UserError, sparkweld.Refusal, AnalysisException) as error:
        sys.exit(f"fit_cascade: {error}")
    finally:
        spark.stop()


def run(spark: SparkSession, args: argparse.Namespace) -> None:
    model = load_model(args.model, spark)
    table = read_table(spark, args.input, args.input_format)
    names = args.features or [name for name in getattr(model, "feature_names_in_", ()) if name in table.columns]
    label = [] if args.label is None else [args.label]
    absent = [name for name in (*names, *label) if name not in table.columns]
    if absent or not names:
        there = ", ".join(table.columns)
        raise sparkweld.UserError(f"the table has no column {absent[0]!r}: {there}" if absent else "pass --features a,b,c")
    table = table.select(*map(quoted, dict.fromkeys([*names, *label])))
    rows = (table if args.rows is None else drawn(table, args.rows, args.seed)).toPandas()
    made = sparkweld.cascade.fit(
        model, rows, args.label, args.accuracy_loss, args.confidence, path=args.output, band=args.band, seed=args.seed,
        text=names[0] if takes_documents(model) else None, selected=classes(model, args.selected), recall=args.recall,
        precision=args.precision, query=table if args.query else None,
    )  # fmt: skip
    print("\n".join(made.certificate.lines()))
    print(f"written to {args.output}")


def classes(model: Any, selected: list[str] | None) -> list[Any] | None:
    """Returns the model's classes of these names; a name stays as it is if there is none."""
    known = {str(label): label for label in getattr(model, "classes_", ())}
    return selected and [known.get(name, name) for name in selected]


def drawn(table: DataFrame, rows: int, seed: int) -> DataFrame:
    """Returns about that many rows of the table, drawn at random; all if it has no more."""
    share = rows / max(table.count(), 1)
    return table if share >= 1 else table.sample(share, seed)


def arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, help="path, or name of a table, of rows")
    parser.add_argument("--model", required=True, help="path of the saved model of scikit-learn, LightGBM or XGBoost")
    parser.add_argument("--label", help="column of the labels; default: none, answers are compared with the model's")
    parser.add_argument("--rows", type=positive, help="draw about that many rows of the table; default: all")
    parser.add_argument("--output", required=True, help="directory to write, on this machine")
    parser.add_argument("--input-format", choices=FORMATS, help="default: from the file extension")
    parser.add_argument("--features", type=names, help="a,b,c; default: the model's names")
    parser.add_argument("--accuracy-loss", type=float, default=0.001, help="allowed loss, as a share of rows; default 0.001")
    parser.add_argument("--confidence", type=float, default=0.95, help="confidence of that bound; default 0.95")
    parser.add_argument("--selected", type=names, help="a,b: the classes that a filter selects; default: no filter")
    parser.add_argument("--recall", type=float, help="of the rows that the full model selects, the share to find")
    parser.add_argument("--precision", type=float, help="of the selected rows, the share that the full model selects, too")
    parser.add_argument("--band", type=float, help="regressors: allowed increase of an absolute error; default: chosen")
    parser.add_argument("--query", action="store_true", help="also time queries of the whole table, for the certificate")
    parser.add_argument("--seed", type=int, default=0, help="seed of the row split")
    return parser.parse_args(given)


def positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text}: pass a number of rows, 1 or more")
    return number


def names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


if __name__ == "__main__":
    main()
