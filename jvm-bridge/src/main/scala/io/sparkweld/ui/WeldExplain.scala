package io.sparkweld
package ui

import scala.collection.mutable

import io.sparkweld.SparkWeldConf
import io.sparkweld.plan.{Drift, PipelineExec, Races, RankedExec, WeldAggregateExec, WeldExec, WeldTopExec}
import io.sparkweld.rules.{PythonNode, PythonTableFunction}
import io.sparkweld.spark.ExplainProvider
import io.sparkweld.support.{FusedFunction, Refusal, RefusalTags, Rewritten}

import org.apache.spark.sql.execution.{QueryExecution, SparkPlan}

/**
 * Adds to Spark's `explain` which functions run as kernels, what is fused, and why each other Python UDF stays in Python.
 *
 * A Spark Connect client has no other way to the explanation.
 */
class WeldExplain extends ExplainProvider {
  override def title: String = "SparkWeld"

  override def generateExtendedInfo(plan: SparkPlan): String = WeldExplain.describe(plan)
}

object WeldExplain {

  /**
   * Returns the report on a query for `sparkweld.explain(df)`. It describes the executed plan, which adaptive execution may still
   * change.
   */
  def explain(query: QueryExecution): String = {
    val text = describe(query.executedPlan)
    if (text.isEmpty) "SparkWeld: the query has no Python UDF." else text
  }

  /** Returns the entries in the form that the session's `spark.sparkweld.explain.format` names. */
  private def describe(plan: SparkPlan): String =
    if (SparkWeldConf.ExplainFormat.get(plan.conf) == "json") Explained.json(entries(plan)) else Explained.text(entries(plan))

  /** Returns what SparkWeld did to the plan, from the top node to the leaves. */
  def entries(plan: SparkPlan): Seq[Explained] = {
    val found = mutable.LinkedHashSet.empty[Explained]
    PlanWalk.rewritten(plan).foreach(record => found += (if (record.kind == "unread") unread(record) else rewritten(record)))
    PlanWalk.foreach(plan) {
      case weld: WeldExec => found += compiled(weld)
      case ranked: RankedExec => found += approximate(ranked)
      case top: WeldTopExec =>
        found += Explained("top_rows", s"top rows selected in the kernel: ${top.label}", details = measured(top).toSeq)
      case merging: WeldAggregateExec =>
        found += Explained("merged_aggregation", s"aggregated in the kernel: ${merging.label}",
          details = Seq(Detail("how", Seq(merging.how), merging.how)))
      case pipeline: PipelineExec => found ++= measured(pipeline)
      case python @ PythonNode(_) if FusedFunction.of(python).nonEmpty => FusedFunction.of(python).foreach(found += fused(python, _))
      case python @ PythonTableFunction(udtf) => found += fallback(Seq(udtf.name), RefusalTags.get(python))
      case python if PlanWalk.aggregates(python).nonEmpty =>
        PlanWalk.aggregates(python).foreach(udf => found += fallback(Seq(udf.name), RefusalTags.get(udf)))
      case python @ PythonNode(udfs) => found += fallback(udfs.map(_.name), RefusalTags.get(python))
      case node => node.getTagValue(RefusalTags.Beside).foreach { refusals =>
        found += Explained("not_fused", s"not fused: ${node.nodeName}", refusals = refusals)
      }
    }
    found.toSeq
  }

  private def compiled(weld: WeldExec): Explained = {
    val summary = weld.summary
    val details = Seq(
      Detail.some("fused", summary.fused, " + "),
      Some(Detail("program", Seq(summary.hash), s"program: ${summary.hash.take(12)}")),
      Detail.some("approximate", summary.approximate, ", "),
      Option.when(summary.guarded)(Detail("guards", Seq(weld.elsewhere), s"guards: batches with flagged rows run ${weld.elsewhere}")))
      .flatten ++ summary.notes.map(Detail.note) ++ measured(weld)
    val what = if (summary.udfs.isEmpty) summary.fused else summary.udfs
    Explained("compiled", s"compiled ${what.mkString(", ")}", what, details, Races.lost(weld.kernel.requestKey).toSeq,
      "no longer used: ")
  }

  /** Returns the counts of all executions of this plan instance. */
  private def measured(weld: WeldExec): Seq[Detail] = {
    def share(part: String, of: String, what: String, unit: String = "rows") = {
      val (some, all) = (weld.metrics(part).value, weld.metrics(of).value)
      Option.when(all > 0)(Detail.measured(f"$all%,d $unit, ${100.0 * some / all}%.1f%% $what"))
    }
    val saving = Option.when(weld.kernel.watched.length == 1) {
      val share = weld.metrics("unsureRows").value.toDouble / math.max(weld.metrics("watchedRows").value, 1L)
      f": ${weld.kernel.watched.head.saving(share)}%.2fx by the costs of the certificate"
    }
    val drifted = weld.kernel.watched.flatMap(watch => Drift.alarm(watch.path)).distinct.map(what => Detail("drift", Seq(what), s"drift: $what"))
    drifted ++ Seq(share("unsureRows", "watchedRows", s"deferred to the full model${saving.getOrElse("")}"),
      share("cachedRows", "cacheRows", "found in the feature cache"),
      share("keptTexts", "textRows", "found in the string cache", "strings")).flatten
  }

  /** Returns the counts of all executions of this plan instance. */
  private def measured(top: WeldTopExec): Option[Detail] = {
    val (kept, dropped) = (top.metrics("numOutputRows").value, top.metrics("droppedRows").value)
    Option.when(kept + dropped > 0)(
      Detail.measured(f"${kept + dropped}%,d rows of the kernel, ${100.0 * kept / (kept + dropped)}%.1f%% kept"))
  }

  /** Returns the counts of all executions of this plan instance. */
  private def measured(pipeline: PipelineExec): Option[Explained] = {
    def metric(name: String) = pipeline.metrics(name).value
    val (sent, received) = pipeline.moved
    Option.when(metric("numOutputRows") > 0)(Explained("pipeline_measured",
      s"measured: ${pipeline.udfs.mkString(", ")}: " + f"${metric("numOutputRows")}%,d rows, " +
        f"${metric("kernelTime") / 1e9}%.2f s in kernels, ${metric("callTime") / 1e9}%.2f s in calls, " +
        f"${metric("originalRows")}%,d rows by the original function, ${metric("repeatedRows")}%,d with the result of an equal row, " +
        f"$sent%,d bytes sent, $received%,d received", pipeline.udfs))
  }

  /**
   * Describes a ranking query: the candidates and their counts. The certificate is a note of the kernel that uses the ranking.
   */
  private def approximate(ranked: RankedExec): Explained = {
    val head = s"approximate: ${ranked.rows} rows by ${ranked.score.name} among the candidates of ${ranked.path}"
    val small = mutable.Buffer.empty[WeldExec]
    PlanWalk.foreach(ranked.child) {
      case weld: WeldExec if weld.summary.notes.exists(_.contains(s"ranking: ${ranked.path}")) => small += weld
      case _ => ()
    }
    val counts = small.headOption.map(weld => (weld.collectLeaves().flatMap(_.metrics.get("numOutputRows")).map(_.value).sum,
      weld.metrics("numOutputRows").value))
    val measured = counts.filter(_._1 > 0).map { case (all, some) =>
      Detail.measured(f"the small model scored $all%,d rows, the full one $some%,d (${100.0 * some / all}%.2f%%)")
    }
    Explained("ranking", head, Seq(ranked.score.name), measured.toSeq, ranked.refused.toSeq, "the full model scored every row: ")
  }

  private def rewritten(record: Rewritten): Explained = {
    val details = Option.when(record.what.nonEmpty)(Detail("what", Seq(record.what), record.what)) ++
      Detail.some("approximate", record.approximate, ", ") ++ record.notes.map(Detail.note)
    val (kind, head) = record.kind match {
      case "late" => ("late", s"late materialization: ${record.udf}")
      case Rewritten.Partial => ("partial_aggregation", s"partial aggregation in Python: ${record.udf}")
      case kind => ("spark_expressions", s"Spark's own expressions for ${record.udf} ($kind)")
    }
    Explained(kind, head, Seq(record.udf), details.toSeq)
  }

  private def unread(record: Rewritten): Explained = Explained("unread_columns",
    s"columns that ${record.udf} never reads: ${record.what}", Seq(record.udf))

  private def fused(node: SparkPlan, record: FusedFunction): Explained = {
    val stages = record.stages.zipWithIndex.map { case (stage, i) => Detail("stages", Seq(stage), s"${i + 1}. $stage") }
    val details = stages ++ Seq(Detail("block", Seq(record.block), s"block: ${record.block}"),
      Detail("moved", Seq(record.moved), s"moved: ${record.moved}"))
    Explained("pipeline_in_python", s"pipeline in Python: ${record.udf}", Seq(record.udf), details, RefusalTags.get(node),
      "no kernel in the JVM: ")
  }

  private def fallback(functions: Seq[String], refusals: Seq[Refusal]): Explained = {
    val off = "SparkWeld was off when this was planned"
    Explained("in_python", s"in Python: ${functions.mkString(", ")}", functions,
      if (refusals.isEmpty) Seq(Detail("why", Seq(off), off)) else Nil, refusals)
  }
}
