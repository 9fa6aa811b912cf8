package io.sparkweld
package plan

import io.sparkweld.support.{Refusal, WarnOnce}

import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, BindReferences, Cast, SortOrder, UnsafeProjection, UnsafeRow}
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, UnaryNode}
import org.apache.spark.sql.catalyst.plans.physical.{Partitioning, SinglePartition}
import org.apache.spark.sql.execution.{SparkPlan, UnaryExecNode}
import org.apache.spark.sql.types.DoubleType

/** The range of last scores for which a certificate holds: from `least` to `most`. */
final case class Shown(least: Double, most: Double) {

  /** Returns why the certificate does not hold for an answer with this last score. */
  def doubt(last: Any): Option[String] = last match {
    case null => Some("the last of these has no score")
    case score: Double if !(score >= least) => Some(s"the last of these has the score $score, and the ranking is certified down to $least")
    case score: Double if !(score <= most) => Some(s"the last of these has the score $score, and the ranking is certified up to $most")
    case _ => None
  }
}

/**
 * Returns the first rows by a score among candidates of a small model, if the certificate in `path` holds for the answer.
 *
 * `shown` decides whether it holds.
 *
 * @param full the query over all rows, which answers otherwise; not a child, because it is rarely run
 */
final case class Ranked(child: LogicalPlan, full: LogicalPlan, rows: Int, score: Attribute, shown: Shown, path: String) extends UnaryNode {
  override def output: Seq[Attribute] = child.output
  override def maxRows: Option[Long] = Some(rows.toLong)
  override protected def withNewChildInternal(newChild: LogicalPlan): LogicalPlan = copy(child = newChild)
}

/** Collects the answer of `child`, at most `rows` rows, and checks its last score before returning it. */
final case class RankedExec(
    child: SparkPlan,
    @transient full: LogicalPlan, // generated code may reference this node
    rows: Int,
    score: Attribute,
    shown: Shown,
    path: String)
  extends UnaryExecNode {
  override def nodeName: String = "Ranked"
  override def output: Seq[Attribute] = child.output
  override def outputPartitioning: Partitioning = SinglePartition
  override def outputOrdering: Seq[SortOrder] = child.outputOrdering
  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)
  override protected def stringArgs: Iterator[Any] = Iterator(s"$rows by ${score.name} of candidates", path)

  /** Why the full model scored all rows, once this has run and it did. */
  @volatile var refused: Option[Refusal] = None

  private def answer(): Array[InternalRow] = {
    val found = child.executeCollect()
    refused = doubt(found)
    refused.fold(found) { why =>
      WarnOnce(s"ranking:${why.code}:$path", s"SparkWeld: the full model scores every row. ${why.text}")
      OriginalQuery.collected(session, full, output)
    }
  }

  /** Returns why the certificate does not hold for these rows. */
  private def doubt(found: Array[InternalRow]): Option[Refusal] = {
    def last = BindReferences.bindReference(Cast(score, DoubleType), output.toIndexedSeq).eval(found.last)
    val why =
      if (found.length < rows) Some(s"only ${found.length} of the rows are candidates")
      else shown.doubt(last)
    why.map(text => Refusal("SW958", "path" -> path, "k" -> rows.toString, "why" -> text))
  }

  override def executeCollect(): Array[InternalRow] = answer()

  override protected def doExecute(): RDD[InternalRow] = {
    val project = UnsafeProjection.create(output, output)
    val copies: Seq[InternalRow] = answer().toSeq.map {
      case row: UnsafeRow => row
      case row => project(row).copy()
    }
    if (copies.isEmpty) sparkContext.emptyRDD[InternalRow] else sparkContext.parallelize(copies, 1)
  }
}
