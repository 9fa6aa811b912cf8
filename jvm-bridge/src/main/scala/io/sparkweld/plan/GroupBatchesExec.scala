package io.sparkweld
package plan

import scala.jdk.CollectionConverters._

import io.sparkweld.SparkWeldConf
import io.sparkweld.columns.GroupBatches

import org.apache.spark.TaskContext
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Ascending, Expression, SortOrder}
import org.apache.spark.sql.catalyst.plans.physical.{AllTuples, ClusteredDistribution, Distribution}
import org.apache.spark.sql.catalyst.util.truncatedString
import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.vectorized.ColumnarBatch

/**
 * Makes one batch of each group, in the order in which Spark would pass the groups and their rows to a function.
 *
 * It requires of its child what Spark's node over the groups requires. Groups beyond the limits are divided: see
 * [[io.sparkweld.columns.PartOfGroup]].
 */
final case class GroupBatchesExec(grouping: Seq[Expression], child: SparkPlan) extends SameRows {
  override def nodeName: String = "WeldGroups"
  override def supportsColumnar: Boolean = true
  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)
  override def simpleString(maxFields: Int): String = s"$nodeName ${truncatedString(grouping, "[", ", ", "]", maxFields)}"

  override def requiredChildDistribution: Seq[Distribution] =
    Seq(if (grouping.isEmpty) AllTuples else ClusteredDistribution(grouping))

  override def requiredChildOrdering: Seq[Seq[SortOrder]] = Seq(grouping.map(SortOrder(_, Ascending)))

  override lazy val metrics: Map[String, SQLMetric] = Map(
    "numOutputBatches" -> SQLMetrics.createMetric(sparkContext, "number of groups"))

  override protected def doExecute(): RDD[InternalRow] =
    throw new UnsupportedOperationException("WeldGroups produces columnar batches for a kernel")

  override protected def doExecuteColumnar(): RDD[ColumnarBatch] = {
    val (keys, attributes, batches) = (grouping, Fallback.storedAs(output), longMetric("numOutputBatches"))
    val (mostRows, mostBytes) = (SparkWeldConf.GroupRows.get(conf), GroupBatchesExec.MostBytes)
    val rows = if (child.supportsColumnar) child.executeColumnar().mapPartitions(_.flatMap(_.rowIterator().asScala)) else child.execute()
    rows.mapPartitions { rows =>
      if (rows.isEmpty) Iterator.empty
      else {
        val groups = new GroupBatches(rows, keys, attributes, mostRows, mostBytes)
        TaskContext.get().addTaskCompletionListener[Unit](_ => groups.close())
        groups.map { batch =>
          batches += 1
          batch
        }
      }
    }
  }
}

object GroupBatchesExec {
  /** The most bytes of a group that a kernel takes: all of its rows are in memory at a time. */
  private val MostBytes = 256L << 20
}
