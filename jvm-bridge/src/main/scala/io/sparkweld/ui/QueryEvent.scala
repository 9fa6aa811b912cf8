package io.sparkweld
package ui

import scala.util.Try

import com.fasterxml.jackson.databind.JsonNode

import io.sparkweld.contract.Encoder
import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.WarnOnce

import org.apache.spark.SparkContext
import org.apache.spark.internal.Logging
import org.apache.spark.scheduler.{SparkListener, SparkListenerApplicationEnd, SparkListenerEvent}
import org.apache.spark.sql.catalyst.QueryPlanningTracker
import org.apache.spark.sql.execution.{QueryExecution, SparkPlan}
import org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionEnd

/**
 * States what became of the functions of one query, at its end. Spark writes it to the event log as one line of JSON:
 *
 * {{{
 * {"Event": "io.sparkweld.ui.SparkWeldQuery", "version": 1, "executionId": 3, "millis": 840, "planningMillis": 60, "failed": false,
 *  "explanation": "..", "runs": [
 *   {"functions": ["score"], "kinds": ["pandas UDF"], "where": "kernel", "fused": [..], "approximate": [..], "rows": 100, "batches": 1,
 *    "kernelNanos": 900, "pythonMillis": 0, "loadMillis": 12, "pythonBatches": 0, "pythonRows": 0, "guardedRows": 0,
 *    "cacheLookups": 0, "cacheHits": 0, "refusals": [
 *      {"code": "SW233", "category": .., "title": .., "message": .., "hint": .., "place": ..}]}]}
 * }}}
 *
 * @param executionId the number of the query in Spark's SQL tab
 * @param planningMillis the time of the optimizer and the planner, with the wait for the compile service; 0 in logs of earlier releases
 * @param explanation the text of `sparkweld.explain` after the query, with its counts; null in logs of earlier releases
 */
final case class SparkWeldQuery(
    version: Int,
    executionId: Long,
    millis: Long,
    planningMillis: Long,
    failed: Boolean,
    runs: JsonNode,
    explanation: String) extends SparkListenerEvent

object SparkWeldQuery {
  /** Increased where a reader of the event log must change; new fields do not count. */
  val Version = 1
}

/**
 * Adds each query with functions to the totals of the application, and posts a `SparkWeldQuery` of it.
 *
 * @param posts whether events are posted
 */
final class QueryEvents(context: SparkContext, totals: ApplicationTotals, posts: Boolean) extends SparkListener with Logging {
  override protected def logName: String = WarnOnce.LogName

  private val reader = new RunReader

  override def onOtherEvent(event: SparkListenerEvent): Unit = event match {
    case end: SparkListenerSQLExecutionEnd => WarnOnce.guard("the report of a query", ()) {
        for (query <- CurrentSpark.finished(end); plan <- planOf(query.execution)) {
          val runs = reader.of(plan)
          if (runs.runs.nonEmpty) totals.add(runs, query.failed)
          if (runs.runs.nonEmpty && posts) {
            CurrentSpark.post(context, SparkWeldQuery(SparkWeldQuery.Version, end.executionId, query.nanos / 1000000,
              planningMillis(query.execution), query.failed, Encoder.read(Encoder.text(runs)).get("runs"),
              Explained.text(WeldExplain.entries(plan))))
          }
        }
      }
    case _ => ()
  }

  override def onApplicationEnd(end: SparkListenerApplicationEnd): Unit = totals.line.foreach(line => logInfo(line))

  private def planningMillis(query: QueryExecution): Long = Seq(QueryPlanningTracker.OPTIMIZATION, QueryPlanningTracker.PLANNING)
    .flatMap(query.tracker.phases.get(_)).map(_.durationMs).sum

  /** Returns the plan that ran; None for a query that failed before it had one, which must not be planned again here. */
  private def planOf(query: QueryExecution): Option[SparkPlan] =
    if (query.tracker.phases.contains(QueryPlanningTracker.PLANNING)) Try(query.executedPlan).toOption else None
}
