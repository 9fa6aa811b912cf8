"""Shows the tab SparkWeld: of a running application, in the History Server, and as a report from the event log."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
import urllib.request
from html import unescape
from pathlib import Path

import pyspark
import pytest

from sparkweld import report
from sparkweld.bridge.jar import jar_path
from sparkweld.report.pages import to_html
from tests.helpers import browser
from tests.helpers.lines import LINE

#: The kind of a plain UDF; the line decides which one is the default.
KINDS = ("udf", "udf over Arrow")

PROGRAM = """
import time
import urllib.request

def score(x):
    return x * 2.0 + 1

def host(x):
    import socket
    return socket.gethostname() + str(x)

def divided(x):
    return 1 / (x - x)

host.__name__ = "<script>alert(1)</script>"
spark = session()
rows = spark.range(0, 20000, 1, 2).selectExpr("cast(id as double) as x")
cached = rows.select(F.udf(score, "double")("x").alias("r")).cache()
for _ in range(3):
    cached.agg(F.sum("r")).collect()
rows.select(F.udf(host, "string")("x").alias("r")).write.format("noop").mode("overwrite").save()
try:
    rows.select(F.udf(divided, "double")("x").alias("r")).write.format("noop").mode("overwrite").save()
except Exception as error:
    assert "ZeroDivisionError" in str(error)
for broken in (lambda: rows.select("y").collect(), lambda: spark.sql("select * from missing_table").collect(),
               lambda: rows.write.mode("error").parquet("/proc/none"), lambda: rows.selectExpr("raise_error('x')").collect()):
    try:
        broken()
    except Exception:
        pass
spark.range(5).collect()
address = spark.sparkContext.uiWebUrl.rpartition(":")[2]
for _ in range(100):
    page = urllib.request.urlopen(f"http://localhost:{address}/sparkweld/").read().decode()
    if page.count("/SQL/execution/?id=") == 5:
        break
    time.sleep(0.1)
numbers = [int(part.partition('"')[0]) for part in page.split("/sparkweld/query/?id=")[1:]]
def page_of(query):
    return urllib.request.urlopen(f"http://localhost:{address}/sparkweld/query/{query}").read().decode()
strange = [page_of(end) for end in ("", "?id=999999", "?id=%3Cscript%3Ealert(2)%3C/script%3E")]
report(pages={number: page_of(f"?id={number}") for number in numbers}, strange=strange)
from tests.helpers import browser
if not browser.missing():
    with browser.browser() as chromium:
        report(looks=[chromium.look(f"http://localhost:{address}/sparkweld/{path}")
                      for path in ("", *(f"query/?id={number}" for number in (min(numbers), max(numbers))))])
report(page=page, id=spark.sparkContext.applicationId, batches=measured(cached)["operators"][0]["kernelBatches"])
"""


@pytest.fixture(scope="module")
def application(applications, tmp_path_factory):
    """Returns the report of an application with the UI, and the folder of its event log, written as Spark's defaults say."""
    folder = tmp_path_factory.mktemp("events")
    settings = {"spark.ui.enabled": "true", "spark.eventLog.enabled": "true", "spark.eventLog.dir": str(folder)}
    return applications.run(PROGRAM, conf=settings).facts, folder


def texts(page: str) -> list[str]:
    """Returns the contents of the cells of the page's tables."""
    return [unescape(re.sub("<[^>]*>", "", cell)).strip() for cell in re.findall("<td[^>]*>(.*?)</td>", page, re.S)]


def check(page: str) -> None:
    cells = texts(page)
    assert "score" in cells, page
    at = cells.index("score")
    # Three queries read the cached rows, and one computed them.
    assert cells[at + 1] in KINDS and cells[at + 2 : at + 5] == ["kernel", "3", "20,000"]
    at = cells.index("<script>alert(1)</script>")
    assert "<script>alert(1)" not in page and cells[at + 1] in KINDS and cells[at + 2] == "Python"
    assert "fused with" not in page  # each function is alone
    assert re.search(r"planning: </strong>(< )?\d", page.replace("&lt;", "<"))
    reason = next(cell for cell in cells if cell.startswith("SW214 "))
    assert "socket" in reason
    assert sum(cell == "failed" for cell in cells) == 1 and sum(cell == "succeeded" for cell in cells) == 4
    assert "Queries with Python functions: </strong>5" in page


def test_the_tab_of_a_running_application(application):
    facts, _ = application
    assert facts["batches"] > 0
    check(facts["page"])


def test_the_page_of_a_query(application):
    facts, _ = application
    pages = sorted((int(number), page) for number, page in facts["pages"].items())
    assert len(pages) == 5
    computing = pages[0][1]
    shown = ("compiled score", "fused: ", "Physical Plan", "Weld score (", "Planning: </strong>")
    assert all(part in computing for part in shown), computing
    python = next(page for _, page in pages if "SW214" in page)
    assert "in Python: &lt;script&gt;alert(1)&lt;/script&gt;" in python
    assert not any("<script>alert" in page for page in (*facts["pages"].values(), *facts["strange"]))
    assert all("This query is not known" in page for page in facts["strange"])


def check_look(found: dict, *headings: str) -> None:
    """Checks what a browser shows: the whole width, names for screen readers, parts that a keyboard reaches, and no script."""
    assert set(headings) <= set(found["headings"]), found["headings"]
    assert found["needed"] <= found["width"] == browser.WIDTH
    assert found["regions"] and not found["unreachable"] and not found["unnamed"] and not found["unscoped"]
    assert found["scripts"] == 0 and found["errors"] == []


@browser.of_chromium
def test_the_tab_in_a_browser(application, tmp_path):
    facts, folder = application
    tab, first, last = facts["looks"]
    check_look(tab, "SparkWeld", "Functions", "What would help most", "Queries")
    assert "<script>alert(1)</script>" in tab["cells"]
    check_look(first, "Functions", "What was fused, and why not", "Plan")
    check_look(last, "Functions", "Plan")
    (log,) = folder.iterdir()
    (tmp_path / "report.html").write_text(to_html(report.of(log)))
    with browser.browser() as chromium:
        page = chromium.look((tmp_path / "report.html").as_uri())
    check_look(page, "Functions", "What would help most")
    assert "<script>alert(1)</script>" in page["cells"]


def test_the_tab_in_the_history_server(application, tmp_path):
    facts, folder = application
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    home = Path(pyspark.__file__).parent
    history = {"fs.logDirectory": f"file:{folder}", "ui.port": port, "fs.update.interval": "1s"}
    options = " ".join(f"-Dspark.history.{key}={value}" for key, value in history.items())
    environment = {
        **os.environ, "SPARK_HOME": str(home), "SPARK_DAEMON_CLASSPATH": str(jar_path()), "SPARK_HISTORY_OPTS": options,
        "SPARK_DAEMON_MEMORY": "512m", "SPARK_LOCAL_IP": "127.0.0.1",
    }  # fmt: skip
    log = (tmp_path / "server.log").open("w")
    command = [str(home / "bin" / "spark-class"), "org.apache.spark.deploy.history.HistoryServer"]
    server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=tmp_path)
    try:
        address = f"http://localhost:{port}/history/{facts['id']}/sparkweld/"
        check(fetched(address, server, log.name))
        if not browser.missing():
            with browser.browser() as chromium:
                check_look(chromium.look(address), "SparkWeld", "Functions", "What would help most", "Queries")
    finally:
        server.kill()
        server.wait()
        log.close()


def fetched(address: str, server: subprocess.Popen, log: str) -> str:
    """Returns a page of the server once it has read the whole application."""
    end, page = time.monotonic() + 120, ""
    while server.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                page = answer.read().decode()
            if page.count("/SQL/execution/?id=") == 5:
                return page
        except OSError:
            pass
        time.sleep(0.3)
    pytest.fail(f"the History Server has no whole page {address}:\n{page}\n{Path(log).read_text()[-2000:]}")


def test_the_report_from_the_event_log(application):
    _, folder = application
    (log,) = folder.iterdir()
    made = report.of(log)
    found = {total.function: total for total in made.functions}
    assert made.application.plugin and made.application.spark == pyspark.__version__
    assert (found["score"].where, found["score"].queries, found["score"].rows) == ("kernel", 3, 20_000)
    host = found["<script>alert(1)</script>"]
    assert host.where == "python" and "SW214" in host.codes
    assert host.python_seconds > 0 or LINE < (4, 0)  # Spark 3.5 does not measure it
    assert [query.failed for query in made.application.queries] == [False, False, False, False, True]


GRAPH = """
from sparkweld.bridge import jvm as live

def score(x):
    return x * 2.0 + 1

score.__name__ = "<script>alert(1)</script>"
spark = session()
last = live.last_execution(spark)
rows = spark.range(0, 20000, 1, 2).selectExpr("cast(id as double) as x")
rows.select(F.udf(score, "double")("x").alias("r")).agg(F.sum("r")).collect()
report(nodes=[[name, counts] for name, counts in live.operators_since(spark, last) if name.startswith("Weld ")])
"""


def test_the_graph_of_the_tab_sql_names_functions_and_hides_what_did_not_happen(applications):
    """The graph's labels are HTML, so they have no more than the letters of names."""
    ((name, counts),) = applications.run(GRAPH, conf={"spark.ui.enabled": "true"}).facts["nodes"]
    assert name == "Weld scriptalert1script"
    shown = {"number of output rows", "number of output batches", "batches run in kernels"}
    assert set(counts) == shown
    assert counts["number of output rows"] == 20_000


def test_an_application_without_the_tab(applications):
    ran = applications.run(
        """
        import urllib.error
        import urllib.request
        spark = session()
        address = spark.sparkContext.uiWebUrl.rpartition(":")[2]
        page = urllib.request.urlopen(f"http://localhost:{address}/environment/").read().decode()
        report(tab='/sparkweld/"' in page, jobs='/jobs/"' in page)
        """,
        conf={"spark.ui.enabled": "true", "spark.sparkweld.ui.enabled": "false"},
    )
    assert ran.facts == {"tab": False, "jobs": True}
