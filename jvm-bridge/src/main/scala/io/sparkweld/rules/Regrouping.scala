package io.sparkweld
package rules

import io.sparkweld.plan.{BatchLimits, GroupBatchesExec, PythonStep, SparkBatchesExec, WeldExec}
import io.sparkweld.spark.{CurrentSpark, EvalTypes}
import io.sparkweld.support.Refusal

import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.execution.python.ArrowEvalPythonExec
import org.apache.spark.sql.internal.SQLConf

/**
 * Finds the nodes of a chain whose rows Spark regroups into other batches than those of the chain's child.
 *
 * Spark passes the batches of a scan to the Python functions right above it. For functions above a filter, a projection or a
 * join, and for maps, it gathers rows across the batches and files of a partition. That matters to functions that see NULLs as
 * dtypes of a batch.
 */
private[rules] object Regrouping {

  /** Returns the last such node of the chain `nodes` (bottom up) over `child`. */
  def lastOf(nodes: IndexedSeq[SparkPlan], child: SparkPlan): Option[Int] =
    nodes.indices.findLast(i => PipelineBuilder.seesBatchState(nodes(i)) && !isFed(nodes, child, i))

  /** Says of a function that compiles only in batches of Spark that it requires them. */
  def whyOf(refusals: Seq[Refusal]): Option[String] =
    refusals.find(_.has("whole_batches")).map(refusal => s"${refusal.udf.getOrElse("a function")} reads its batch")

  /** Whether functions of the chain see the batches of `child`. */
  def needsBatchesOf(child: SparkPlan, nodes: IndexedSeq[SparkPlan]): Boolean =
    nodes.indices.exists(i => PipelineBuilder.seesBatchState(nodes(i)) && isFed(nodes, child, i))

  /** Whether node `i` receives the batches of `child`, also in Spark: those of a scan, or those made for it. */
  private def isFed(nodes: IndexedSeq[SparkPlan], child: SparkPlan, i: Int): Boolean = child match {
    case _: SparkBatchesExec | _: GroupBatchesExec => i == 0
    case _ => child.supportsColumnar && hasBatchesOfSpark(nodes.head.children.head) && nodes.take(i + 1).forall {
      case python: ArrowEvalPythonExec => CurrentSpark.feedsColumnarBatches(python.conf)
      case _ => false
    }
  }

  /** Returns where Spark ends a batch for `node`, step `step` of its chain. Throws ChainRefused where it has no limit. */
  def limits(node: SparkPlan, step: Int, conf: SQLConf): BatchLimits = {
    val limits = BatchLimits.of(node, conf)
    if (limits.most >= BatchLimits.TooMany) {
      val udf = PythonNode.unapply(node).flatMap(_.headOption).fold(node.nodeName)(_.name)
      throw new ChainRefused(Refusal("SW113", "udf" -> udf, "rows" -> f"${BatchLimits.TooMany}%,d").copy(step = Some(step)))
    }
    limits
  }

  /** Whether Spark would feed batches of its own to this node. Adaptive execution may plan it directly over a kernel. */
  def takesBatches(python: ArrowEvalPythonExec): Boolean = CurrentSpark.takesColumnarInput(python) && hasBatchesOfSpark(python.child)

  /** Whether a Python node is over a kernel whose batches are not Spark's, without a node between. */
  def isBare(node: SparkPlan): Boolean = node match {
    case python: ArrowEvalPythonExec => python.child.isInstanceOf[WeldExec] && !FusedFunctions.has(python) && !takesBatches(python)
    case _ => false
  }

  /** Whether the batches of `ours` are those that Spark feeds to `python`. */
  def hasBatchesOf(python: ArrowEvalPythonExec, ours: SparkPlan): Boolean = takesBatches(python) && hasBatchesOfSpark(ours)

  /** Whether a node has the batches of a scan: a kernel does where it only adds columns to them. */
  private def hasBatchesOfSpark(node: SparkPlan): Boolean = node match {
    case weld: WeldExec => weld.columnarInput && weld.steps.forall {
        case step: PythonStep => step.evalType != EvalTypes.Batched
        case _ => false
      }
    case other => other.supportsColumnar
  }
}
