package io.sparkweld.rules

import io.sparkweld.SparkWeldConf
import io.sparkweld.plan.{MapStep, ProjectStep, WeldExec, WeldThresholdExec}
import io.sparkweld.support.Mode

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.execution.{FilterExec, ProjectExec, SparkPlan}
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.DoubleType

/**
 * A kernel below a top-K query to one that drops the rows whose scores come behind the worst of the first K so far.
 *
 * {{{
 *   WeldTop 10, [score DESC]            WeldTop 10, [score DESC]
 *     Weld [f]                   ->       Weld [f, score >= worst]
 *       rows                                WeldThreshold worst
 *                                             rows
 * }}}
 *
 * What it rewrites: kernels that have bounds of their models for such a filter, so that these are not computed for all rows. When it
 * must not: a score that is no double, or not what the kernel makes; a cascade, whose rows are counted; maps.
 * Rows that go to Python pass the same filter, as Spark's own. Where each group has a worst score, its keys have to be columns that
 * come in.
 */
private[rules] object Thresholds {
  /** In the notes of a program with bounds: see udf_compiler/pipeline.py. */
  private val Bounded = "rows whose bounds cannot pass the filter"
  /** Rows of a task to each one that is wanted of it: of 10 that 10,000 groups of 25 rows want, bounds cost more than they spare. */
  private val RowsPerWanted = 10

  /** `most`: how many rows are wanted, of each group if there are any. */
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

  /** In `auto` mode: whether most rows come when there are worst scores to be behind of. Statistics alone tell the groups. */
  private def mayPay(weld: WeldExec, groups: Seq[Expression], most: Int, conf: SQLConf): Boolean =
    SparkWeldConf.ScoreBounds.get(conf) match {
      case Mode.Auto => weld.logicalLink.exists { plan =>
        val wanted = RowEstimate.groups(groups.flatMap(incoming(weld, _)), plan).map(_ * most * RowsPerWanted)
        wanted.exists(least => least.isValidLong && PipelineSettings.bounds(conf, RowEstimate.ofTask(plan, conf), least.toLong))
      }
      case mode => mode == Mode.Always
    }

  /** The column of the child's that a column of the kernel's is. */
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
