package io.sparkweld
package ui

import scala.collection.immutable.ListMap

import io.sparkweld.contract.Encoder
import io.sparkweld.plan.{PipelineExec, WeldAggregateExec, WeldExec, WeldTopExec}
import io.sparkweld.rules.{MlNode, PythonNode, PythonTableFunction}
import io.sparkweld.support.{FusedFunction, Refusal, RefusalTags}

import org.apache.spark.sql.execution.{QueryExecution, SparkPlan}

/** Reports an executed query as JSON for programs: the metrics of SparkWeld's operators, and the refusals of all other nodes. */
object WeldReport {
  /** Keys and values of an operator in JSON. */
  private[ui] type Entry = ListMap[String, Any]

  private val Metrics = Seq("numOutputRows", "numOutputBatches", "kernelBatches", "deoptimisedBatches", "otherRows", "guardedRows", "kernelTime",
    "compileTime", "cacheRows", "cachedRows", "textRows", "keptTexts", "shadowRows", "shadowDifferences",
    "watchedRows", "unsureRows")
  private val MergeMetrics = Seq("numOutputRows", "mergedBatches", "blockRows", "fullTables", "sparkTasks", "mergeTime")

  /**
   * Returns `{"operators": [{"udfs": [..], "fused": [..], "kept": [..], "program": hash, <metric>: number..}], "aggregates":
   * [{"what": .., <metric>: number..}], "tops": [{"what": .., <metric>: number..}], "refusals": [{"udfs": [..], "code": ..,
   * "message": ..}], "pipelines": [{"udf": .., "stages": [..], "block": .., "moved": ..}], "measuredPipelines": [{"udfs": [..],
   * <metric>: number..}], "rewritten": [{"udf": .., "kind": .., "what": .., "kept": [..]}]}`. `kept`: approximate operations. The
   * metrics count all executions of this plan instance.
   */
  def report(query: QueryExecution): String = {
    val operators, merged, tops, pipelines, measured = Seq.newBuilder[Entry]
    val refusals = Seq.newBuilder[RefusedFunctions]
    PlanWalk.foreach(query.executedPlan) {
      case weld: WeldExec =>
        val summary = weld.summary
        operators += ListMap[String, Any]("udfs" -> summary.udfs, "fused" -> summary.fused, "kept" -> summary.approximate,
          "program" -> summary.hash) ++ counts(weld, Metrics)
      case merging: WeldAggregateExec => merged += ListMap("what" -> merging.label) ++ counts(merging, MergeMetrics)
      case top: WeldTopExec => tops += ListMap("what" -> top.label) ++ counts(top, top.metrics.keys)
      case pipeline: PipelineExec =>
        val (sent, received) = pipeline.moved
        measured += ListMap("udfs" -> pipeline.udfs) ++ counts(pipeline, pipeline.metrics.keys) +
          ("bytesSent" -> sent) + ("bytesReceived" -> received)
      case node if PlanWalk.aggregates(node).nonEmpty =>
        refusals ++= PlanWalk.aggregates(node).flatMap(udf => RefusalTags.get(udf).map(RefusedFunctions.of(Seq(udf.name), _)))
      case python @ PythonNode(udfs) =>
        refusals ++= RefusalTags.get(python).map(RefusedFunctions.of(udfs.map(_.name), _))
        pipelines ++= FusedFunction.of(python).map { record =>
          ListMap("udf" -> record.udf, "block" -> record.block, "moved" -> record.moved, "stages" -> record.stages)
        }
      case python @ PythonTableFunction(udtf) => refusals ++= RefusalTags.get(python).map(RefusedFunctions.of(Seq(udtf.name), _))
      case node @ MlNode(functions) =>
        val names = functions.map(_.udfName.getOrElse("UDF"))
        refusals ++= node.getTagValue(RefusalTags.Beside).toSeq.flatten.map(RefusedFunctions.of(names, _))
      case _ => ()
    }
    val rewritten = PlanWalk.rewritten(query.executedPlan)
      .map(record => RewrittenUdf(record.udf, record.kind, record.what, record.approximate))
    Encoder.text(Report(operators.result(), merged.result(), tops.result(), refusals.result(), pipelines.result(), measured.result(),
      rewritten))
  }

  private def counts(node: SparkPlan, names: Iterable[String]): Iterable[(String, Long)] =
    names.map(name => name -> node.metrics(name).value)
}

private final case class Report(
    operators: Seq[WeldReport.Entry],
    aggregates: Seq[WeldReport.Entry],
    tops: Seq[WeldReport.Entry],
    refusals: Seq[RefusedFunctions],
    pipelines: Seq[WeldReport.Entry],
    measuredPipelines: Seq[WeldReport.Entry],
    rewritten: Seq[RewrittenUdf])

private final case class RefusedFunctions(udfs: Seq[String], code: String, message: String)

private object RefusedFunctions {
  def of(udfs: Seq[String], refusal: Refusal): RefusedFunctions = RefusedFunctions(udfs, refusal.code, refusal.message)
}

private final case class RewrittenUdf(udf: String, kind: String, what: String, kept: Seq[String])
