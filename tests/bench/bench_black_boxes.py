"""Measures functions that no kernel runs alone and behind a cascade, in one Spark session without the plugin.

    make bench BENCH=black_boxes     (or: python tests/bench/bench_black_boxes.py [--cases TEXT] [--repeats N] [--json FILE])

Each function embeds a string with WordLlama and takes the vote of its five nearest neighbours among stored strings. One part of a
real table is stored, one fits the cascade, and the rest is scored. All rows are distinct. The certificate permits a share of
other labels, and the bench fails where more differ. CPU time is that of all processes. The runs alternate. The tables are those
of $SPARKWELD_SOURCES.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import process_memory
from bench_encoder import install
from local_session import local_session
from progress import Progress
from scoring_tables import has_sources, source
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import sparkweld
from sparkweld.errors import Refusal

#: Name -> (file, column of strings, column of labels, stored rows, rows to fit on, permitted share of other labels).
CASES = {
    "categories of product titles": ("pricerunner_products", "title", "category", 8_000, 13_000, 0.01),
    "clickbait among headlines": ("clickbait_headlines", "text", "label", 8_000, 12_000, 0.02),
    "toxic tweets": ("hate_offensive_tweets", "text", "toxic", 6_000, 10_000, 0.02),
}
WAYS = ("function", "cascade")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="", help="a part of the names of the cases to run")
    parser.add_argument("--repeats", type=int, default=3, help="measured runs of each way (default 3)")
    parser.add_argument("--json", type=Path, help="also write all samples to this file")
    return parser.parse_args()


@functools.cache
def encoder() -> Any:
    """Returns the encoder of this process."""
    from encoder_cases import load

    return load()


def function_of(strings: list[str], labels: np.ndarray) -> Callable[[pd.Series], pd.Series]:
    """Returns the function of a column of strings: the label that most of the five nearest of `strings` have."""
    classes, codes = np.unique(labels, return_inverse=True)
    vectors = encoder().embed(strings, norm=True).astype(np.float32)

    def nearest(strings: pd.Series) -> pd.Series:
        from bench_black_boxes import encoder  # a worker loads the encoder once

        close = encoder().embed(strings.tolist(), norm=True).astype(np.float32) @ vectors.T
        voters = codes[np.argpartition(-close, 5, axis=1)[:, :5]]
        votes = np.apply_along_axis(np.bincount, 1, voters, minlength=len(classes))
        return pd.Series(classes[votes.argmax(axis=1)])

    return nearest


class Measured:
    """The certificate, the rows and the samples of one case."""

    def __init__(self, name: str, told: Any, rows: int, different: float, samples: dict[str, list[tuple[float, float]]]) -> None:
        self.name, self.told, self.rows, self.different, self.samples = name, told, rows, different, samples

    def median(self, way: str, at: int) -> float:
        return statistics.median(sample[at] for sample in self.samples[way])

    def line(self) -> str:
        wall, cpu = ((self.median("function", at), self.median("cascade", at)) for at in (0, 1))
        return (f"| {self.name} | {self.rows:,} | {self.told.full_cost / 1000:,.0f} us | {self.told.unsure:.1%} | "
                f"{self.different:.2%} | {wall[0]:.1f} s | {wall[1]:.1f} s | {wall[0] / wall[1]:.2f} | {cpu[0] / cpu[1]:.2f} |")


def measure(name: str, spark: Any, scratch: Path, repeats: int, progress: Progress) -> Measured:
    """Fits the cascade of a case, compares its answers with the function's, and runs both alternately."""
    from pyspark.sql.functions import pandas_udf

    file, text, label, stored, fitted, loss = CASES[name]
    table = pd.read_parquet(source(file), columns=[text, label]).dropna().drop_duplicates(text)
    table = table.sample(frac=1, random_state=0).reset_index(drop=True)
    kept, seen, scored = table[:stored], table[stored : stored + fitted], table[stored + fitted :]
    function = function_of(kept[text].tolist(), kept[label].astype(str).to_numpy())
    progress.tick(f"{name}: fitting on {len(seen):,} rows")
    terms = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    small = make_pipeline(terms, LogisticRegression(C=20, max_iter=500))
    path = scratch / file
    sparkweld.cascade.fit(function, seen.reset_index(drop=True), text=text, small=small, accuracy_loss=loss, path=path)
    folder = scratch / f"{file}.parquet"
    spark.createDataFrame(scored[[text]]).repartition(4).write.parquet(str(folder))
    frame = spark.read.parquet(str(folder))
    made = {"function": function, "cascade": sparkweld.cascade.apply(path)(function)}
    udfs = {way: pandas_udf(made[way], "string") for way in WAYS}
    rows = frame.select(*(udf(text).alias(way) for way, udf in udfs.items())).toPandas()
    samples: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for repeat in range(-1, repeats):  # the first runs are warm-ups
        for way in WAYS if repeat % 2 == 0 else WAYS[::-1]:
            began, cpu = time.monotonic(), process_memory.cpu_seconds()
            frame.select(udfs[way](text).alias("made")).write.format("noop").mode("overwrite").save()
            if repeat >= 0:
                samples[way].append((time.monotonic() - began, process_memory.cpu_seconds() - cpu))
    different = float((rows["function"] != rows["cascade"]).mean())
    return Measured(name, sparkweld.cascade.certificate(path), len(rows), different, samples)


def main() -> int:
    arguments = parse_arguments()
    if not has_sources():
        print("SPARKWELD_SOURCES must name the folder of the real tables", file=sys.stderr)
        return 1
    install()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ["PYTHONPATH"]])
    progress, measured = Progress(), []
    with tempfile.TemporaryDirectory(prefix="sparkweld-black-boxes-") as scratch:
        spark = local_session(2, "2g", {"spark.sparkweld.enabled": "false"})
        for name in CASES:
            if arguments.cases in name:
                try:
                    measured.append(measure(name, spark, Path(scratch), arguments.repeats, progress))
                    progress.say(measured[-1].line())
                except Refusal as refused:  # the table has the others
                    progress.say(f"{name}: {refused}")
        spark.stop()
    print("| labels | rows | function per row | rows for the function | other labels | alone | cascade | ratio | ratio of CPU |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    print("\n".join(one.line() for one in measured))
    if arguments.json:
        made = {one.name: {"samples": one.samples, "different": one.different} for one in measured}
        arguments.json.write_text(json.dumps(made, indent=1), encoding="utf-8")
    kept = all(one.different < one.told.allowed for one in measured)
    return 0 if measured and kept and all(one.median("function", 0) > one.median("cascade", 0) for one in measured) else 1


if __name__ == "__main__":
    sys.exit(main())
