package io.sparkweld
package ui

import java.util.{Collections, IdentityHashMap, LinkedHashMap, Map => JMap}

import io.sparkweld.plan.{GroupAggregateStep, GroupMapStep, MapStep, PipelineExec, PythonStep, Step, WeldExec}
import io.sparkweld.rules.{PythonNode, PythonTableFunction}
import io.sparkweld.spark.EvalTypes
import io.sparkweld.support.{Refusal, RefusalTags}

import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.execution.columnar.InMemoryTableScanExec
import org.apache.spark.sql.execution.metric.SQLMetric

/**
 * Represents what one node of an executed plan did with its functions. Times are sums over all tasks.
 *
 * @param kinds what the functions are for Spark, such as "pandas UDF"; empty for Spark's own expressions
 * @param where "kernel", "pipeline" (a pipeline in the Python worker), "python", or "spark" (Spark's own expressions)
 * @param pythonMillis the time of Python workers; 0 where Spark does not measure it (3.5)
 * @param loadMillis the time in which tasks waited for a kernel's code
 * @param batches all batches of a kernel, also those that ran in Python
 * @param pythonBatches the batches of a kernel that ran in Python, because a guard flagged a row or because of a failure
 * @param pythonRows the rows of these
 * @param cacheLookups the rows and strings that a kernel looked up in its caches; `cacheHits` of them were there
 */
final case class FunctionRun(
    functions: Seq[String],
    kinds: Seq[String],
    where: String,
    fused: Seq[String] = Nil,
    approximate: Seq[String] = Nil,
    rows: Long = 0,
    batches: Long = 0,
    kernelNanos: Long = 0,
    pythonMillis: Long = 0,
    loadMillis: Long = 0,
    pythonBatches: Long = 0,
    pythonRows: Long = 0,
    guardedRows: Long = 0,
    cacheLookups: Long = 0,
    cacheHits: Long = 0,
    refusals: Seq[RefusalEntry] = Nil)

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
          found += FunctionRun(weld.summary.udfs, kindsOf(weld.steps), "kernel", weld.summary.fused, weld.summary.approximate,
            rows = metric("numOutputRows"), batches = metric("kernelBatches") + metric("deoptimisedBatches"),
            kernelNanos = metric("kernelTime"), pythonMillis = python, loadMillis = metric("compileTime"),
            pythonBatches = metric("deoptimisedBatches"), pythonRows = metric("otherRows"), guardedRows = metric("guardedRows"),
            cacheLookups = metric("cacheRows") + metric("textRows"), cacheHits = metric("cachedRows") + metric("keptTexts"))
        case pipeline: PipelineExec =>
          found += FunctionRun(pipeline.udfs, Seq(EvalTypes.name(EvalTypes.ScalarPandas)), "pipeline", rows = metric("numOutputRows"),
            batches = metric("numOutputBatches"), kernelNanos = metric("kernelTime"), pythonMillis = metric("callTime") / 1000000,
            guardedRows = metric("originalRows"))
        case PythonTableFunction(udtf) =>
          found += inPython(Seq(udtf.name), Seq(udtf.evalType), metric("pythonNumRowsReceived"), python, RefusalTags.get(node))
        case node if PlanWalk.aggregates(node).nonEmpty =>
          val udfs = PlanWalk.aggregates(node)
          val refusals = udfs.flatMap(RefusalTags.get).distinct
          found += inPython(udfs.map(_.name), udfs.map(_.evalType), metric("pythonNumRowsReceived"), python, refusals)
        case PythonNode(udfs) =>
          found += inPython(udfs.map(_.name), udfs.map(_.evalType), metric("pythonNumRowsReceived"), python, RefusalTags.get(node))
        case _ => ()
      }
    }
    found ++= PlanWalk.rewritten(plan).map(_.udf).distinct.map(udf => FunctionRun(Seq(udf), Nil, "spark"))
    FunctionRuns(found.result())
  }

  private def inPython(functions: Seq[String], evalTypes: Seq[Int], rows: Long, millis: Long, refusals: Seq[Refusal]): FunctionRun =
    FunctionRun(functions, evalTypes.map(EvalTypes.name).distinct, "python", rows = rows, pythonMillis = millis,
      refusals = refusals.map(RefusalEntry.of))

  /** Returns the kinds of a kernel's functions. A kernel without a Python function computes models of Spark's ML library. */
  private def kindsOf(steps: Seq[Step]): Seq[String] = {
    val evalTypes = steps.flatMap {
      case PythonStep(udfs, _, _, _) => udfs.map(_.evalType)
      case MapStep(function, _, _) => Seq(function.evalType)
      case GroupMapStep(function, _, _) => Seq(function.evalType)
      case GroupAggregateStep(aggregate) => aggregate.udfs.map(_.evalType)
      case _ => Nil
    }
    if (evalTypes.isEmpty) Seq("model of pyspark.ml") else evalTypes.map(EvalTypes.name).distinct
  }

  private def added(metric: SQLMetric, isCached: Boolean): Long =
    if (!isCached) metric.value
    else {
      val last = before.put(metric.id, metric.value)
      metric.value - (if (last == null) 0L else last.longValue)
    }
}
