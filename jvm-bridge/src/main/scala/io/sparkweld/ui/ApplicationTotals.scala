package io.sparkweld
package ui

import scala.jdk.CollectionConverters._

import com.codahale.metrics.{Counter, MetricRegistry}

/**
 * Adds up what became of the functions of an application, in counters that Spark's metric sinks report.
 *
 * Counters of reasons are added to the registry when the reason first occurs.
 */
final class ApplicationTotals(registry: MetricRegistry) {
  import ApplicationTotals._

  private val queries = counter("queries")
  private val failed = counter("failedQueries")
  private val kernelRows = counter("rows.kernel")
  private val pythonRows = counter("rows.python")
  private val guardedRows = counter("rows.guarded")
  private val kernelNanos = counter("time.kernelNanos")
  private val pythonMillis = counter("time.pythonMillis")
  private val waitMillis = counter("time.kernelWaitMillis")
  private val kernelBatches = counter("batches.kernel")
  private val pythonBatches = counter("batches.fallback")

  def add(runs: FunctionRuns, isFailed: Boolean): Unit = {
    queries.inc()
    if (isFailed) failed.inc()
    for (run <- runs.runs) {
      if (run.where == "python") pythonRows.inc(run.rows)
      if (run.where == "kernel") {
        kernelRows.inc(run.rows - run.pythonRows)
        pythonRows.inc(run.pythonRows)
        kernelBatches.inc(run.batches - run.pythonBatches)
      }
      guardedRows.inc(run.guardedRows)
      kernelNanos.inc(run.kernelNanos)
      pythonMillis.inc(run.pythonMillis)
      waitMillis.inc(run.loadMillis)
      pythonBatches.inc(run.pythonBatches)
      run.refusals.map(_.code).distinct.foreach(code => counter(Refusals + code).inc())
    }
  }

  /** Returns one line for the log; None when no query had functions. */
  def line: Option[String] = Option.when(queries.getCount > 0) {
    val reasons = registry.getCounters.asScala.toSeq
      .collect { case (name, count) if name.startsWith(Refusals) => (name.drop(Refusals.length), count.getCount) }
      .sortBy { case (code, count) => (-count, code) }.take(Most)
    val frequent = if (reasons.isEmpty) "" else reasons.map { case (code, count) => s"$code ($count)" }.mkString("; reasons: ", ", ", "")
    f"SparkWeld: ${queries.getCount}%,d queries with Python functions (${failed.getCount}%,d failed); ${kernelRows.getCount}%,d rows " +
      f"in kernels (${kernelNanos.getCount / 1e9}%.1f s), ${pythonRows.getCount}%,d in Python (${pythonMillis.getCount / 1e3}%.1f s); " +
      f"kernels left ${pythonBatches.getCount}%,d batches and ${guardedRows.getCount}%,d rows to Python$frequent"
  }

  private def counter(name: String): Counter = registry.counter(name)
}

private object ApplicationTotals {
  private val Refusals = "refusals."

  /** Reasons in the line. */
  private val Most = 5
}
