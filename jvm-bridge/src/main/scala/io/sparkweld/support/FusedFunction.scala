package io.sparkweld.support

import org.apache.spark.sql.catalyst.trees.TreeNodeTag
import org.apache.spark.sql.execution.SparkPlan

/** What explain says of UDFs that run as one pipeline in the Python worker: its stages, the rows of a block, bytes moved. */
final case class FusedFunction(udf: String, stages: Seq[String], block: String, moved: String)

object FusedFunction {
  private val Tag = TreeNodeTag[Seq[FusedFunction]]("sparkweld.fused")

  def set(node: SparkPlan, fused: Seq[FusedFunction]): Unit = node.setTagValue(Tag, fused)

  def of(node: SparkPlan): Seq[FusedFunction] = node.getTagValue(Tag).getOrElse(Nil)
}
