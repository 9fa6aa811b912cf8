package io.sparkweld.support

import scala.jdk.CollectionConverters._

import com.fasterxml.jackson.databind.JsonNode

import org.apache.spark.sql.catalyst.expressions.Expression
import org.apache.spark.sql.catalyst.trees.TreeNodeTag

/**
 * What explain says of a UDF that became Catalyst expressions, or that such an expression moves, or that was given constants.
 * Kept as a tag on the topmost expression, which Spark's rules carry along, because no operator of ours is left in the plan.
 *
 * @param id Spark's number of the call
 * @param kind "expression", "aggregate", "window", "filter", "late" for UDFs that are computed later, "unread" for columns
 *   that a UDF, still one, never reads, "joined" for one that some rows are joined for, or `Partial`
 */
final case class Rewritten(id: Long, udf: String, kind: String, what: String, kept: Seq[String], notes: Seq[String])

object Rewritten {

  /** The kind of aggregates whose groups have states before the shuffle. */
  val Partial = "partial"
  private val Tag = TreeNodeTag[Rewritten]("sparkweld.rewritten")

  def mark(expression: Expression, record: Rewritten): Expression = {
    expression.setTagValue(Tag, record)
    expression
  }

  /** A copy with the record. */
  def marked[E <: Expression](expression: E, record: Rewritten): E = mark(expression.clone(), record).asInstanceOf[E]

  /** The records on an expression and within it. */
  def in(expression: Expression): Seq[Rewritten] = expression.collect { case e => e.getTagValue(Tag) }.flatten

  def kept(reply: JsonNode): Seq[String] =
    reply.path("kept").elements().asScala.map(kept => s"${kept.path("op").asText} (${kept.path("bound").asText})").toSeq

  def notes(reply: JsonNode): Seq[String] = reply.path("notes").elements().asScala.map(_.asText).toSeq.distinct
}
