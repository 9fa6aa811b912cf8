package io.sparkweld
package ui

import java.util.{Collections, IdentityHashMap, LinkedHashMap, Map => JMap}

import io.sparkweld.plan.{PipelineExec, WeldExec}
import io.sparkweld.rules.{PythonNode, PythonTableFunction}
import io.sparkweld.support.{Refusal, RefusalTags}

import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.execution.columnar.InMemoryTableScanExec
import org.apache.spark.sql.execution.metric.SQLMetric

/**
 * Represents what one node of an executed plan did with its functions. Times are sums over all tasks.
 *
 * @param where "kernel", "pipeline" (a pipeline in the Python worker), "python", or "spark" (Spark's own expressions)
 * @param pythonMillis the time of Python workers; 0 where Spark does not measure it (3.5)
 * @param loadMillis the time in which tasks waited for a kernel's code
 * @param batches all batches of a kernel, also those that ran in Python
 * @param pythonBatches the batches of a kernel that ran in Python, because a guard flagged a row or because of a failure
 * @param pythonRows the rows of these
 */
final case class FunctionRun(
    functions: Seq[String],
    where: String,
    fused: Seq[String],
    approximate: Seq[String],
    rows: Long,
    batches: Long,
    kernelNanos: Long,
    pythonMillis: Long,
    loadMillis: Long,
    pythonBatches: Long,
    pythonRows: Long,
    guardedRows: Long,
    refusals: Seq[RefusalEntry])

/** The functions of one executed query. */
final case class FunctionRuns(runs: Seq[FunctionRun])

/** Reads the runs of functions from executed plans; the driver has one for each application. */
final class RunReader {
  private val MostMetrics = 10000

  /** Metric of a cached relation -> its value after the query before. Each query counts what was added since then. */
  private val before: JMap[java.lang.Long, java.lang.Long] = new LinkedHashMap[java.lang.Long, java.lang.Long] {
    override def removeEldestEntry(eldest: JMap.Entry[java.lang.Long, java.lang.Long]): Boolean = size > MostMetrics
  }

  /** Returns the runs of a query's plan; empty for a query without functions. */
  def of(plan: SparkPlan): FunctionRuns = synchronized {
    val cached, seen = Collections.newSetFromMap(new IdentityHashMap[SparkPlan, java.lang.Boolean])
    PlanWalk.foreach(plan) {
      case scan: InMemoryTableScanExec => PlanWalk.foreach(scan.relation.cachedPlan)(cached.add(_))
      case _ => ()
    }
    val found = Seq.newBuilder[FunctionRun]
    PlanWalk.foreach(plan) { node =>
      def metric(name: String): Long =
        node.metrics.get(name).map(added(_, cached.contains(node))).getOrElse(0L)
      val python = Some(metric("pythonProcessingTime")).filter(_ > 0).getOrElse(metric("pythonTotalTime"))
      node match {
        case again if !seen.add(again) => () // a reused exchange: its rows were counted
        case weld: WeldExec if weld.summary.udfs.nonEmpty =>
          found += FunctionRun(weld.summary.udfs, "kernel", weld.summary.fused, weld.summary.approximate, metric("numOutputRows"),
            metric("kernelBatches") + metric("deoptimisedBatches"), metric("kernelTime"), python, metric("compileTime"),
            metric("deoptimisedBatches"), metric("otherRows"), metric("guardedRows"), Nil)
        case pipeline: PipelineExec =>
          found += FunctionRun(pipeline.udfs, "pipeline", Nil, Nil, metric("numOutputRows"), metric("numOutputBatches"),
            metric("kernelTime"), metric("callTime") / 1000000, 0, 0, 0, metric("originalRows"), Nil)
        case PythonTableFunction(udtf) =>
          found += inPython(Seq(udtf.name), metric("pythonNumRowsReceived"), python, RefusalTags.get(node))
        case node if PlanWalk.aggregates(node).nonEmpty =>
          val udfs = PlanWalk.aggregates(node)
          found += inPython(udfs.map(_.name), metric("pythonNumRowsReceived"), python, udfs.flatMap(RefusalTags.get).distinct)
        case PythonNode(udfs) =>
          found += inPython(udfs.map(_.name), metric("pythonNumRowsReceived"), python, RefusalTags.get(node))
        case _ => ()
      }
    }
    found ++= PlanWalk.rewritten(plan).map(_.udf).distinct.map(udf => FunctionRun(Seq(udf), "spark", Nil, Nil, 0, 0, 0, 0, 0, 0, 0, 0, Nil))
    FunctionRuns(found.result())
  }

  private def inPython(functions: Seq[String], rows: Long, millis: Long, refusals: Seq[Refusal]): FunctionRun =
    FunctionRun(functions, "python", Nil, Nil, rows, 0, 0, millis, 0, 0, 0, 0, refusals.map(RefusalEntry.of))

  private def added(metric: SQLMetric, isCached: Boolean): Long =
    if (!isCached) metric.value
    else {
      val last = before.put(metric.id, metric.value)
      metric.value - (if (last == null) 0L else last.longValue)
    }
}
