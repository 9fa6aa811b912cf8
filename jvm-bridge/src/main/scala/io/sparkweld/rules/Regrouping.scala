package io.sparkweld
package rules

import io.sparkweld.plan.{BatchLimits, GroupBatchesExec, ProjectStep, PythonStep, SparkBatchesExec, Step, WeldExec}
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

  /**
   * Returns where to divide a chain whose node `last` requires batches of Spark: at the first node that gets the same batches. One
   * kernel then computes all functions from there on.
   */
  def cut(nodes: IndexedSeq[SparkPlan], child: SparkPlan, last: Int, conf: SQLConf): Int = {
    val limits = BatchLimits.of(nodes(last), conf)
    val same = (last to 0 by -1).takeWhile(i => keepsRows(nodes(i)) && (!PipelineBuilder.seesBatchState(nodes(i)) ||
      !isFed(nodes, child, i) && limits.isLike(BatchLimits.of(nodes(i), conf))))
    same.findLast(i => PipelineBuilder.seesBatchState(nodes(i))).getOrElse(last)
  }

  /**
   * Returns where to divide a chain with functions that compile only in batches of Spark, over columns of the kernel's input, and why:
   * at each function for which Spark makes batches. Empty when there is no such refusal.
   */
  def cuts(nodes: IndexedSeq[SparkPlan], child: SparkPlan, last: Int, refusals: Seq[Refusal]): Seq[(Int, String)] = {
    val asked = refusals.filter(_.has("whole_batches")).map { refusal =>
      refusal.step.getOrElse(-1) -> s"${refusal.udf.getOrElse("a function")} reads its batch"
    }
    val found = asked.distinctBy(_._1).sortBy(_._1).filter { case (i, _) =>
      nodes.indices.contains(i) && PipelineBuilder.seesBatchState(nodes(i)) && !isFed(nodes, child, i)
    }
    if (found.nonEmpty) found else asked.take(1).map { case (_, why) => last -> why }
  }

  /** Whether a node returns each row of its child, in order. */
  private def keepsRows(node: SparkPlan): Boolean = Step.of(node) match {
    case Some(_: PythonStep | _: ProjectStep) => true
    case _ => false
  }

  /** Whether functions of the chain see the batches of `child`. */
  def needsBatchesOf(child: SparkPlan, nodes: IndexedSeq[SparkPlan]): Boolean =
    nodes.indices.exists(i => PipelineBuilder.seesBatchState(nodes(i)) && isFed(nodes, child, i))

  /** Whether node `i` receives the batches of `child`, also in Spark: those of a scan, or those made for it. */
  private def isFed(nodes: IndexedSeq[SparkPlan], child: SparkPlan, i: Int): Boolean = child match {
    case batches: SparkBatchesExec =>
      i == 0 || nodes.take(i + 1).forall(keepsRows) && batches.limits.isLike(BatchLimits.of(nodes(i), nodes(i).conf))
    case _: GroupBatchesExec => i == 0
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
