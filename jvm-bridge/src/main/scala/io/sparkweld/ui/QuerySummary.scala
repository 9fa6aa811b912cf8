package io.sparkweld
package ui

import scala.jdk.CollectionConverters._

import com.fasterxml.jackson.databind.JsonNode

/** The runs of one function in one place, over all queries. */
final case class FunctionTotal(
    function: String,
    kinds: Seq[String],
    where: String,
    queries: Int,
    rows: Long,
    kernelNanos: Long,
    pythonMillis: Long,
    loadMillis: Long,
    batches: Long,
    pythonBatches: Long,
    pythonRows: Long,
    guardedRows: Long,
    cacheLookups: Long,
    cacheHits: Long,
    approximate: Seq[String],
    refusals: Seq[JsonNode])

/** A reason why functions ran in Python, with the time that these took. */
final case class RefusalTotal(refusal: JsonNode, functions: Seq[String], queries: Int, pythonMillis: Long)

/** Adds up the queries of an application for the tab. */
final class QuerySummary(val queries: Seq[SparkWeldQuery]) {
  private val runs: Seq[(Long, JsonNode)] = queries.flatMap(query => query.runs.elements.asScala.map(query.executionId -> _))

  /** The functions, those that took longest first. */
  val functions: Seq[FunctionTotal] = runs.groupBy { case (_, run) => (QuerySummary.name(run), run.get("where").asText) }.toSeq
    .map { case ((name, where), of) =>
      def sum(field: String) = of.map(_._2.path(field).asLong).sum
      def texts(field: String) = of.flatMap(run => QuerySummary.texts(run._2, field)).distinct
      FunctionTotal(name, texts("kinds"), where, of.map(_._1).distinct.size, sum("rows"), sum("kernelNanos"), sum("pythonMillis"),
        sum("loadMillis"), sum("batches"), sum("pythonBatches"), sum("pythonRows"), sum("guardedRows"),
        sum("cacheLookups"), sum("cacheHits"), texts("approximate"),
        of.flatMap(_._2.path("refusals").elements.asScala).distinct)
    }
    .sortBy(total => (-(total.kernelNanos + 1000000 * total.pythonMillis), total.function))

  /** The reasons, those that cost most first. */
  val refusals: Seq[RefusalTotal] = runs.flatMap { case (id, run) =>
    run.path("refusals").elements.asScala.map(refusal => (refusal, QuerySummary.name(run), id, run.path("pythonMillis").asLong))
  }.groupBy(_._1).toSeq.map { case (refusal, of) =>
    RefusalTotal(refusal, of.map(_._2).distinct, of.map(_._3).distinct.size, of.map(_._4).sum)
  }.sortBy(total => (-total.pythonMillis, total.refusal.path("code").asText))

  /** Whether Spark measured the time of all functions in Python: it does not where a limit or a failure ends a task early. */
  def isMeasured: Boolean = functions.forall(total => total.where != "python" || total.pythonMillis > 0)

  def planningMillis: Long = queries.map(_.planningMillis).sum

  def kernelNanos: Long = functions.map(_.kernelNanos).sum

  def pythonMillis: Long = functions.map(_.pythonMillis).sum

  def kernelRows: Long = functions.filter(_.where == "kernel").map(total => total.rows - total.pythonRows).sum

  def pythonRows: Long = functions.map(total => if (total.where == "python") total.rows else total.pythonRows).sum
}

object QuerySummary {
  def name(run: JsonNode): String = texts(run, "functions").mkString(", ")

  def texts(run: JsonNode, field: String): Seq[String] = run.path(field).elements.asScala.map(_.asText).toSeq
}
