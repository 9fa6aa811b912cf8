package io.sparkweld
package rules

import io.sparkweld.SparkWeldConf
import io.sparkweld.contract.Constants
import io.sparkweld.plan.{MapStep, ProjectStep, WeldExec, WeldThresholdExec}
import io.sparkweld.support.Mode

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.execution.{FilterExec, ProjectExec, SparkPlan}
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.DoubleType

/**
 * Makes a kernel below a top-K query drop the rows whose scores are behind the worst of the first K so far.
 *
 * {{{
 *   WeldTop 10, [score DESC]            WeldTop 10, [score DESC]
 *     Weld [f]                   ->       Weld [f, score >= worst]
 *       rows                                WeldThreshold worst
 *                                             rows
 * }}}
 *
 * Rewrites: kernels that have bounds of their models for such a filter, so that the models are not evaluated for all
 * rows. Exceptions: a score that is no double, or not an output of the kernel; a cascade, whose rows are counted; maps.
 * Rows that run in Python pass the same filter, as Spark's own. Where each group has a worst score, its keys must be input
 * columns.
 */
private[rules] object Thresholds {
  /** Marks the notes of a program with bounds. */
  private val Bounded = Constants.shared.boundedNote
  /**
   * Minimum rows of a task per requested row. For the first 10 of each of 10,000 groups of 25 rows, bounds cost more than they
   * save.
   */
  private val RowsPerRequested = 10

  /**
   * Returns the bounded kernel and the id of its threshold. `most`: the number of requested rows, of each group if there are any.
   */
  def below(
      weld: WeldExec,
      order: SortOrder,
      groups: Seq[Expression],
      most: Int,
      conf: SQLConf): Option[(WeldExec, Long)] = order.child match {
    case score: Attribute
        if score.dataType == DoubleType && weld.kernel.models.nonEmpty && suits(weld, score) &&
          groups.forall(incoming(weld, _).nonEmpty) && mayPay(weld, groups, most, conf) =>
      val worst = AttributeReference("worst", DoubleType, nullable = false)()
      val descending = order.direction == Descending
      val source = WeldThresholdExec(worst, descending, groups.flatMap(incoming(weld, _)), weld.child)
      val ahead = if (descending) GreaterThanOrEqual(score, worst) else LessThanOrEqual(score, worst)
      val chain = weld.steps.map {
        case ProjectStep(columns) => ProjectStep(columns :+ worst)
        case step => step
      }.foldLeft(source: SparkPlan)((child, step) => step.over(child))
      val kept = if (score.nullable) Or(IsNull(score), ahead) else ahead
      val query = ProjectExec(weld.output, FilterExec(kept, chain))
      weld.logicalLink.foreach(query.setLogicalLink)
      WeldRule(query) match {
        case made: WeldExec if made.child == source && made.summary.notes.exists(_.contains(Bounded)) &&
            made.output == weld.output =>
          val kernel = made.kernel
          val bounded = made.copy(kernel = kernel, columnarInput = weld.columnarInput)
          weld.logicalLink.foreach(bounded.setLogicalLink)
          Some((bounded, worst.exprId.id))
        case _ => None
      }
    case _ => None
  }

  /** In `auto` mode: whether most rows follow the first worst scores. The number of groups is known from statistics only. */
  private def mayPay(weld: WeldExec, groups: Seq[Expression], most: Int, conf: SQLConf): Boolean =
    SparkWeldConf.ScoreBounds.get(conf) match {
      case Mode.Auto => weld.logicalLink.exists { plan =>
        val wanted = RowEstimate.groups(groups.flatMap(incoming(weld, _)), plan).map(_ * most * RowsPerRequested)
        wanted.exists(least => least.isValidLong && PipelineSettings.bounds(conf, RowEstimate.ofTask(plan, conf), least.toLong))
      }
      case mode => mode == Mode.Always
    }

  /** Returns the child's column that passes through as a column of the kernel. */
  private def incoming(weld: WeldExec, column: Expression): Option[Attribute] = column match {
    case key: Attribute =>
      val at = weld.output.indexWhere(_.exprId == key.exprId)
      Option.when(at >= 0 && weld.kernel.layout(at) >= 0)(weld.child.output(weld.kernel.layout(at)))
    case _ => None
  }

  private def suits(weld: WeldExec, score: Attribute): Boolean = {
    val at = weld.output.indexWhere(_.exprId == score.exprId)
    at >= 0 && weld.kernel.layout(at) < 0 && weld.kernel.watched.isEmpty &&
      !weld.steps.exists(_.isInstanceOf[MapStep])
  }
}
