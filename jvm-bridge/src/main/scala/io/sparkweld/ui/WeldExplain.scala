package io.sparkweld.ui

import scala.collection.mutable

import io.sparkweld.plan.{PipelineExec, Races, RankedExec, WeldAggregateExec, WeldExec, WeldTopExec}
import io.sparkweld.rules.PythonNode
import io.sparkweld.spark.ExplainProvider
import io.sparkweld.support.{FusedFunction, Refusal, RefusalTags, Rewritten}

import org.apache.spark.sql.catalyst.expressions.{PythonUDAF, PythonUDF}
import org.apache.spark.sql.execution.{QueryExecution, SparkPlan}

/** Adds to Spark's `explain` which functions run as kernels, what is fused, and why each other Python UDF stays in Python. */
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

  def describe(plan: SparkPlan): String = {
    val lines = mutable.LinkedHashSet.empty[String]
    PlanWalk.rewritten(plan).foreach(record => lines += (if (record.kind == "unread") unread(record) else rewritten(record)))
    PlanWalk.foreach(plan) {
      case weld: WeldExec => lines += compiled(weld)
      case ranked: RankedExec => lines += approximate(ranked)
      case top: WeldTopExec => lines += (s"top rows picked in the loop: ${top.label}" +: measured(top).toSeq).mkString("\n  ")
      case merging: WeldAggregateExec => lines += s"aggregated inside the loop: ${merging.label}\n  ${merging.how}"
      case pipeline: PipelineExec => lines ++= measured(pipeline)
      case python @ PythonNode(_) if FusedFunction.of(python).nonEmpty => FusedFunction.of(python).foreach(lines += fused(python, _))
      case python @ PythonNode(udfs) => lines += fallback(python, udfs)
      case python if PlanWalk.aggregates(python).nonEmpty => PlanWalk.aggregates(python).foreach(udf => lines += fallback(udf))
      case node => node.getTagValue(RefusalTags.Beside).foreach(refusals => lines += beside(node, refusals))
    }
    lines.mkString("\n")
  }

  private def compiled(weld: WeldExec): String = {
    val summary = weld.summary
    val details = Seq(
      Some(s"fused: ${summary.fused.mkString(" + ")}").filter(_ => summary.fused.nonEmpty),
      Some(s"program: ${summary.hash.take(12)}"),
      Some(s"kept differences: ${summary.kept.mkString(", ")}").filter(_ => summary.kept.nonEmpty),
      Some(s"guards: batches with flagged rows run ${weld.elsewhere}")
        .filter(_ => summary.guarded)).flatten ++
      summary.notes.map(note => s"note: $note") ++ measured(weld)
    val what = if (summary.udfs.isEmpty) summary.fused else summary.udfs
    (s"compiled ${what.mkString(", ")}" +: details).mkString("\n  ")
  }

  /** Returns the counts of all executions of this plan instance. */
  private def measured(weld: WeldExec): Seq[String] = {
    def share(part: String, of: String, what: String, unit: String = "rows") = {
      val (some, all) = (weld.metrics(part).value, weld.metrics(of).value)
      Option.when(all > 0)(f"measured: $all%,d $unit, ${100.0 * some / all}%.1f%% $what")
    }
    val saving = Option.when(weld.kernel.watched.length == 1) {
      val share = weld.metrics("unsureRows").value.toDouble / math.max(weld.metrics("watchedRows").value, 1L)
      f": ${weld.kernel.watched.head.saving(share)}%.2fx by the costs of the certificate"
    }
    Seq(share("unsureRows", "watchedRows", s"deferred to the full model${saving.getOrElse("")}"), share("cachedRows", "cacheRows", "found in the feature cache"),
      share("keptTexts", "textRows", "found in the string cache", "strings")).flatten ++
      Races.lost(weld.kernel.requestKey).map(why => s"dropped from now on: ${reason(why)}")
  }

  /** Returns the counts of all executions of this plan instance. */
  private def measured(top: WeldTopExec): Option[String] = {
    val (kept, dropped) = (top.metrics("numOutputRows").value, top.metrics("droppedRows").value)
    Option.when(kept + dropped > 0)(f"measured: ${kept + dropped}%,d rows of the kernel, ${100.0 * kept / (kept + dropped)}%.1f%% kept")
  }

  /** Returns the counts of all executions of this plan instance. */
  private def measured(pipeline: PipelineExec): Option[String] = {
    def metric(name: String) = pipeline.metrics(name).value
    val (sent, received) = pipeline.moved
    Option.when(metric("numOutputRows") > 0)(f"measured: ${pipeline.udfs.mkString(", ")}: ${metric("numOutputRows")}%,d rows, " +
      f"${metric("kernelTime") / 1e9}%.2f s in kernels, ${metric("callTime") / 1e9}%.2f s in calls, " +
      f"${metric("originalRows")}%,d rows by the original function, $sent%,d bytes sent, $received%,d received")
  }

  /**
   * Describes a ranking query: the candidates and their counts. The certificate is a note of the kernel that uses the ranking.
   */
  private def approximate(ranked: RankedExec): String = {
    val head = s"approximate: ${ranked.rows} rows by ${ranked.score.name} among the candidates of ${ranked.path}"
    val small = mutable.Buffer.empty[WeldExec]
    PlanWalk.foreach(ranked.child) {
      case weld: WeldExec if weld.summary.notes.exists(_.contains(s"ranking: ${ranked.path}")) => small += weld
      case _ => ()
    }
    val counts = small.headOption.map(weld => (weld.collectLeaves().flatMap(_.metrics.get("numOutputRows")).map(_.value).sum,
      weld.metrics("numOutputRows").value))
    val measured = counts.filter(_._1 > 0).map { case (all, some) =>
      f"measured: the small model scored $all%,d rows, the full one $some%,d (${100.0 * some / all}%.2f%%)"
    }
    (head +: (measured.toSeq ++ ranked.refused.map(why => s"the full model scored every row: ${reason(why)}"))).mkString("\n  ")
  }

  private def rewritten(record: Rewritten): String = {
    val details = Seq(Some(record.what).filter(_.nonEmpty),
      Some(s"kept differences: ${record.kept.mkString(", ")}").filter(_ => record.kept.nonEmpty)).flatten ++
      record.notes.map(note => s"note: $note")
    val head = record.kind match {
      case "late" => s"late: ${record.udf}"
      case Rewritten.Partial => s"partial aggregation in Python: ${record.udf}"
      case kind => s"Spark's own expressions for ${record.udf} ($kind)"
    }
    (head +: details).mkString("\n  ")
  }

  private def unread(record: Rewritten): String = s"columns that ${record.udf} never reads: ${record.what}"

  private def fused(node: SparkPlan, record: FusedFunction): String = {
    val stages = record.stages.zipWithIndex.map { case (stage, i) => s"${i + 1}. $stage" }
    val why = RefusalTags.get(node).map(refusal => s"no kernel in the JVM: ${reason(refusal)}")
    (s"pipeline in Python: ${record.udf}" +: stages :+ s"block: ${record.block}" :+ s"moved: ${record.moved}") ++ why
  }.mkString("\n  ")

  private def fallback(udf: PythonUDAF): String =
    (s"in Python: ${udf.name}" +: reasonsOf(RefusalTags.get(udf))).mkString("\n  ")

  private def reasonsOf(refusals: Seq[Refusal]): Seq[String] =
    if (refusals.isEmpty) Seq("SparkWeld was off when this was planned") else refusals.map(reason)

  private def beside(node: SparkPlan, refusals: Seq[Refusal]): String =
    (s"not fused: ${node.nodeName}" +: refusals.map(reason)).mkString("\n  ")

  private def reason(refusal: Refusal): String = {
    val where = if (refusal.place.isEmpty) "" else s"\n    at ${refusal.place}"
    val hint = if (refusal.hint.isEmpty) "" else s"\n    ${refusal.hint}"
    s"${refusal.code} ${refusal.title}: ${refusal.message}$where$hint"
  }

  private def fallback(python: SparkPlan, udfs: Seq[PythonUDF]): String = {
    val reasons = RefusalTags.get(python).map(reason)
    val why = if (reasons.isEmpty) Seq("SparkWeld was off when this was planned") else reasons
    (s"in Python: ${udfs.map(_.name).mkString(", ")}" +: why).mkString("\n  ")
  }
}
