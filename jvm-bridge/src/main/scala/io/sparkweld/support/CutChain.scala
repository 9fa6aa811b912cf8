package io.sparkweld
package support

import org.apache.spark.sql.catalyst.expressions.AttributeSet
import org.apache.spark.sql.catalyst.trees.TreeNodeTag
import org.apache.spark.sql.execution.SparkPlan

/**
 * Marks the nodes that replace a node with chains of plain functions: the inner functions, which are for a kernel only, a projection
 * of the arguments, and above them the outer functions, in Python.
 *
 * The outer functions compute the whole chain where the inner result is NULL. So rows that the kernel does not decide need no
 * other computation than NULL.
 */
object CutChain {
  private val Inner = TreeNodeTag[Boolean]("sparkweld.cut.inner")
  private val Whole = TreeNodeTag[(SparkPlan, AttributeSet)]("sparkweld.cut.whole")

  /** @param whole the node that both replace */
  def set(inner: Seq[SparkPlan], outer: SparkPlan, whole: SparkPlan): Unit = {
    inner.foreach(_.setTagValue(Inner, true))
    outer.setTagValue(Whole, (whole, inner.last.outputSet -- whole.children.head.outputSet))
  }

  def isInner(node: SparkPlan): Boolean = node.getTagValue(Inner).isDefined

  def isOuter(node: SparkPlan): Boolean = node.getTagValue(Whole).isDefined

  /** Returns the replaced node, when `child` lacks the results of the inner functions that `outer` requires. */
  def whole(outer: SparkPlan, child: SparkPlan): Option[SparkPlan] =
    outer.getTagValue(Whole).collect { case (whole, results) if !results.subsetOf(child.outputSet) => whole }
}
