"""Implements the commands of `python -m sparkweld`: jar, install, uninstall, doctor, conf, lint, report and annotations."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from sparkweld.errors import UserError

CONF_CLASS = "io.sparkweld.SparkWeldConf"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Exit codes: 0 success, 1 a fault (the output names the remedy), 2 wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] | None = getattr(options, "run", None)
    if command is None:
        parser.print_help()
        return 2
    try:
        return command(options)
    except UserError as fault:
        print(f"sparkweld {options.command}: {fault}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # the reader, such as `head`, closed the pipe
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sparkweld",
        description="Manages an installation of SparkWeld, the Spark plugin that compiles pandas UDFs.",
    )
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    jar = commands.add_parser("jar", help="print the path of the plugin's jar, for spark-submit --jars")
    jar.set_defaults(run=_jar)
    jar.add_argument("--spark", metavar="VERSION", help="line or version of Spark, such as 4.1; default: as for install")

    install = commands.add_parser("install", help="copy the jar into Spark's jars folder: jobs then need only the flag")
    uninstall = commands.add_parser("uninstall", help="remove the jar from Spark's jars folder")
    doctor = commands.add_parser("doctor", help="check Java, Spark, Python packages, the shim, the cache and a kernel")
    conf = commands.add_parser("conf", help="print all spark.sparkweld.* keys with their defaults")
    for sub, run in ((install, _install), (uninstall, _uninstall), (doctor, _doctor), (conf, _conf)):
        sub.set_defaults(run=run)
        sub.add_argument("--spark-home", metavar="DIR", help="default: $SPARK_HOME, else the one in pip's pyspark")
    lint = commands.add_parser("lint", help="find UDFs that depend on batches, and report which would be compiled")
    lint.description = (
        "Reports for each UDF of a file, notebook, module or folder whether it is row-local, whether it would be compiled, "
        "and its faults with or without the plugin. THE TARGET IS IMPORTED, so its top-level code runs, in a child process "
        "without Spark and without network. Sessions, DataFrames, columns and missing packages are replaced by stand-ins that do "
        "nothing. Of a folder, only files that declare a UDF are run. With --no-import, only the source is read."
    )
    lint.epilog = "Exit codes: 0 no warnings, 1 warnings, 2 no such target."
    lint.set_defaults(run=_lint)
    lint.add_argument("target", metavar="FILE|FOLDER|MODULE", nargs="+", help="job.py, notebook.ipynb, jobs/, or package.module")
    form = lint.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON report per target")
    form.add_argument("--sarif", action="store_true", help="print one SARIF 2.1.0 log of all findings, for code review")
    lint.add_argument("--no-import", action="store_true", help="do not run the target: finds less")
    lint.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS", help="time limit of one import; default 120")
    report = commands.add_parser("report", help="report from an event log where Python functions ran, and why")
    report.description = (
        "Reads an event log of Spark (spark.eventLog.enabled) and states where each Python function ran, how long it took, and "
        "which reasons cost most. Applications that ran without the plugin are reported as well; --jobs says which of their "
        "functions would be compiled. THE JOBS ARE IMPORTED, as by lint."
    )
    report.set_defaults(run=_report)
    report.add_argument("log", metavar="EVENTLOG", help="the file of an event log, or the folder of a rolling one")
    report.add_argument("--jobs", metavar="TARGET", nargs="+", default=[], help="job files, folders or modules, as for lint")
    report.add_argument("--json", action="store_true", help="print the report as JSON")
    report.add_argument("--html", metavar="FILE", help="write the report as a page, too")
    report.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS", help="time limit of one import; default 120")
    annotations = commands.add_parser("annotations", help="check the split annotations of a file or module")
    actions = annotations.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="check each annotation on random chunks; THE TARGET IS IMPORTED")
    check.set_defaults(run=_check_annotations)
    check.add_argument("target", metavar="FILE|MODULE", help="annotations.py, or package.module")
    doctor.add_argument("--json", action="store_true", help="print the results as JSON")
    return parser


class _Version(argparse.Action):
    """Prints the version; reads the package metadata only when the option is given."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest=argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"sparkweld {version('sparkweld')}")
        parser.exit()


def _jar(options: argparse.Namespace) -> int:
    # each command loads only what it uses
    from sparkweld.bridge.jar import jar_path

    print(jar_path(options.spark))
    return 0


def _install(options: argparse.Namespace) -> int:
    from sparkweld.bridge import jar

    home = jar.spark_home(options.spark_home)
    target, changed = jar.install(home)
    print(f"{'installed' if changed else 'already there:'} {target} (Spark {jar.spark_version(home)})")
    print(f"A job now needs only: --conf spark.plugins={jar.PLUGIN_CLASS}")
    return 0


def _uninstall(options: argparse.Namespace) -> int:
    from sparkweld.bridge import jar

    target, removed = jar.uninstall(jar.spark_home(options.spark_home))
    print(f"removed {target}" if removed else f"nothing to remove: {target} does not exist")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from sparkweld.cli import doctor

    checks = doctor.examine(options.spark_home)
    print(doctor.to_json(checks) if options.json else doctor.to_text(checks))
    return 1 if any(check.status == doctor.FAIL for check in checks) else 0


def _lint(options: argparse.Namespace) -> int:
    from sparkweld.lint import check

    try:
        reports = [check(target, options.timeout, run=not options.no_import) for target in options.target]
    except UserError as fault:
        print(f"sparkweld lint: {fault}", file=sys.stderr)
        return 2
    if options.sarif:
        from sparkweld.lint.sarif import to_sarif

        print(to_sarif(reports))
    else:
        print("\n".join(report.to_json() if options.json else report.to_text() for report in reports))
    return 1 if any(report.warnings for report in reports) else 0


def _report(options: argparse.Namespace) -> int:
    from sparkweld import report
    from sparkweld.report import pages
    from sparkweld.serving.file import write

    summary = report.of(options.log, options.jobs, options.timeout)
    if options.html:
        write(options.html, pages.to_html(summary).encode())
    print(summary.to_json() if options.json else pages.to_text(summary))
    return 0


def _check_annotations(options: argparse.Namespace) -> int:
    from sparkweld.annotations.module import check_module

    return 0 if check_module(options.target, print) else 1


def _conf(options: argparse.Namespace) -> int:
    print(conf_table(options.spark_home), end="")
    return 0


def conf_table(spark_home: str | None = None) -> str:
    """Returns the Markdown table of all `spark.sparkweld.*` keys, which the jar generates from their single declaration."""
    from sparkweld.bridge import jar, java

    answer = java.run_class(CONF_CLASS, home=jar.spark_home(spark_home))
    if answer.returncode != 0:
        raise UserError(f"the jar does not print its keys (exit {answer.returncode}): {answer.stderr.strip()[-800:]}")
    return answer.stdout
