package io.sparkweld.ui

import com.fasterxml.jackson.databind.ObjectMapper
import com.fasterxml.jackson.databind.node.ArrayNode

import io.sparkweld.plan.{PipelineExec, WeldAggregateExec, WeldExec, WeldTopExec}
import io.sparkweld.rules.{MlNode, PythonNode}
import io.sparkweld.support.{FusedFunction, RefusalTags}

import org.apache.spark.sql.execution.QueryExecution

/** Reports an executed query as JSON for programs: the metrics of SparkWeld's operators, and the refusals of all other nodes. */
object WeldReport {
  private val Metrics = Seq("numOutputRows", "numOutputBatches", "kernelBatches", "deoptimisedBatches", "guardedRows", "kernelTime",
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
    val mapper = new ObjectMapper
    val root = mapper.createObjectNode()
    val operators = root.putArray("operators")
    val merged = root.putArray("aggregates")
    val tops = root.putArray("tops")
    val refusals = root.putArray("refusals")
    val pipelines = root.putArray("pipelines")
    val measured = root.putArray("measuredPipelines")
    PlanWalk.foreach(query.executedPlan) {
      case weld: WeldExec =>
        val entry = operators.addObject()
        val (udfs, fused) = (entry.putArray("udfs"), entry.putArray("fused"))
        weld.summary.udfs.foreach(udfs.add(_))
        weld.summary.fused.foreach(fused.add(_))
        val kept = entry.putArray("kept")
        weld.summary.approximate.foreach(kept.add(_))
        entry.put("program", weld.summary.hash)
        Metrics.foreach(name => entry.put(name, weld.metrics(name).value))
      case merging: WeldAggregateExec =>
        val entry = merged.addObject().put("what", merging.label)
        MergeMetrics.foreach(name => entry.put(name, merging.metrics(name).value))
      case top: WeldTopExec =>
        val entry = tops.addObject().put("what", top.label)
        top.metrics.foreach { case (name, metric) => entry.put(name, metric.value) }
      case pipeline: PipelineExec =>
        val entry = measured.addObject()
        pipeline.udfs.foreach(entry.withArray[ArrayNode]("udfs").add(_))
        pipeline.metrics.foreach { case (name, metric) => entry.put(name, metric.value) }
        val (sent, received) = pipeline.moved
        entry.put("bytesSent", sent).put("bytesReceived", received)
      case python @ PythonNode(udfs) =>
        RefusalTags.get(python).foreach { refusal =>
          val entry = refusals.addObject()
          udfs.foreach(udf => entry.withArray[ArrayNode]("udfs").add(udf.name))
          entry.put("code", refusal.code).put("message", refusal.message)
        }
        FusedFunction.of(python).foreach { record =>
          val entry = pipelines.addObject().put("udf", record.udf).put("block", record.block).put("moved", record.moved)
          record.stages.foreach(entry.withArray[ArrayNode]("stages").add(_))
        }
      case node @ MlNode(functions) => node.getTagValue(RefusalTags.Beside).toSeq.flatten.foreach { refusal =>
          val entry = refusals.addObject()
          functions.foreach(function => entry.withArray[ArrayNode]("udfs").add(function.udfName.getOrElse("UDF")))
          entry.put("code", refusal.code).put("message", refusal.message)
        }
      case node =>
        for (udf <- PlanWalk.aggregates(node); refusal <- RefusalTags.get(udf)) {
          val entry = refusals.addObject()
          entry.putArray("udfs").add(udf.name)
          entry.put("code", refusal.code).put("message", refusal.message)
        }
    }
    val rewritten = root.putArray("rewritten")
    PlanWalk.rewritten(query.executedPlan).foreach { record =>
      val entry = rewritten.addObject().put("udf", record.udf).put("kind", record.kind).put("what", record.what)
      record.approximate.foreach(entry.withArray[ArrayNode]("kept").add(_))
    }
    mapper.writeValueAsString(root)
  }
}
