package io.sparkweld.rules

import io.sparkweld.SparkWeldConf
import io.sparkweld.expressions.WorstSoFar
import io.sparkweld.plan.{Ties, WeldExec, WeldTopExec}
import io.sparkweld.support.WarnOnce

import org.apache.spark.sql.catalyst.expressions.{Alias, Ascending, Attribute, AttributeMap, DenseRank, Descending, Expression}
import org.apache.spark.sql.catalyst.expressions.{NamedExpression, NullsLast, Rank, RowNumber, SortOrder}
import org.apache.spark.sql.catalyst.expressions.aggregate.{AggregateExpression, MaxBy, MinBy, Partial => AggregatePartial}
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.execution.{ColumnarToRowExec, FilterExec, ProjectExec, RowToColumnarExec, SortExec, SparkPlan}
import org.apache.spark.sql.execution.TakeOrderedAndProjectExec
import org.apache.spark.sql.execution.aggregate.{HashAggregateExec, SortAggregateExec}
import org.apache.spark.sql.execution.joins.HashJoin
import org.apache.spark.sql.execution.window.{Partial, WindowGroupLimitExec}

/**
 * Puts WeldTopExec between a kernel and an operator that picks the first K rows, or the first K of each group.
 *
 * {{{
 *   TakeOrderedAndProject 10, [score DESC]            TakeOrderedAndProject 10, [score DESC]
 *     ColumnarToRow                             ->      ColumnarToRow
 *       Weld [f]                                          WeldTop 10, [score DESC]
 *                                                           Weld [f]
 * }}}
 *
 * What it rewrites: `orderBy(..).limit(k)`, and `row_number`, `rank` or `dense_rank` `<= k`, right over a kernel, or, for a limit,
 * over a projection of it; and `max_by` and `min_by`, right over a kernel, when all aggregates are of one order: a row whose key
 * comes strictly behind another one's of its group leaves their buffers as they are. When it must not: an order that is not
 * deterministic; a limit so large that the first rows are no small part.
 */
object TopRowsRule extends Rule[SparkPlan] {
  /** Past so many rows the first ones are no small part. */
  private[rules] val MostRows = 100000

  override def apply(plan: SparkPlan): SparkPlan =
    if (!plan.exists(_.isInstanceOf[WeldExec]) || !SparkWeldConf.TopKEnabled.get(conf)) plan
    else WarnOnce.guard("the search for top-K queries over kernels", plan)(plan.transform {
      case top @ TakeOrderedAndProjectExec(most, order, _, ColumnarToRowExec(weld: WeldExec), _) if isSmall(most, order) =>
        top.copy(child = ColumnarToRowExec(first(most, order, weld, order.head.child)))
      case top @ TakeOrderedAndProjectExec(most, order, _, project @ ProjectExec(list, ColumnarToRowExec(weld: WeldExec)), _)
          if isSmall(most, order ++ list) =>
        val below = first(most, order.map(through(list)), weld, order.head.child)
        top.copy(child = project.copy(child = ColumnarToRowExec(below)))
      case limit @ WindowGroupLimitExec(groups, order, rank @ (_: RowNumber | _: Rank | _: DenseRank), most, Partial, Sorted(sort, weld))
          if isSmall(most, order ++ groups) =>
        val ties = if (rank.isInstanceOf[DenseRank]) Ties.Same else Ties.All
        limit.copy(child = sort.copy(child = ColumnarToRowExec(WeldTopExec(groups, order, most, ties, weld))))
      case Extremes(aggregate, groups, key, weld) =>
        aggregate.withNewChildren(Seq(ColumnarToRowExec(WeldTopExec(groups, Seq(key), 1, Ties.All, weld))))
    })

  /** The first rows of a kernel, which is told the worst of them where that spares it work, and so are the filters below it. */
  private def first(most: Int, order: Seq[SortOrder], weld: WeldExec, score: Expression): WeldTopExec = {
    val below = filtersOn(weld.child).flatMap(_.collect { case worst: WorstSoFar if isOf(worst, score, order.head) => worst.id })
    Thresholds.below(weld, order.head, conf) match {
      case Some((bounded, worst)) => WeldTopExec(Nil, order, most, Ties.First, bounded, worst +: below)
      case None => WeldTopExec(Nil, order, most, Ties.First, weld, below)
    }
  }

  /** The conditions that rows pass on their way: another query's first rows below, which may be more, are not among these. */
  private def filtersOn(plan: SparkPlan): Seq[Expression] = plan match {
    case FilterExec(condition, child) => condition +: filtersOn(child)
    case _: ProjectExec | _: ColumnarToRowExec | _: RowToColumnarExec | _: HashJoin => plan.children.flatMap(filtersOn)
    case _ => Nil
  }

  private def isOf(worst: WorstSoFar, score: Expression, key: SortOrder): Boolean = score match {
    case column: Attribute => column.exprId == worst.score && worst.descending == (key.direction == Descending)
    case _ => false
  }

  private def isSmall(most: Int, expressions: Seq[Expression]): Boolean =
    0 < most && most <= MostRows && expressions.forall(_.deterministic)

  /** The key over what the projection reads. */
  private def through(list: Seq[NamedExpression])(key: SortOrder): SortOrder = {
    val made = AttributeMap(list.collect { case alias: Alias => alias.toAttribute -> alias.child })
    key.transform { case column: Attribute => made.getOrElse(column, column) }.asInstanceOf[SortOrder]
  }

  /** A partial aggregate right over a kernel of which all functions are of the rows with one extreme, which a sort puts first. */
  private object Extremes {
    def unapply(plan: SparkPlan): Option[(SparkPlan, Seq[Expression], SortOrder, WeldExec)] = plan match {
      case HashAggregateExec(_, _, _, groups, functions, _, _, _, ColumnarToRowExec(weld: WeldExec)) => of(plan, groups, functions, weld)
      case SortAggregateExec(_, _, _, Nil, functions, _, _, _, ColumnarToRowExec(weld: WeldExec)) => of(plan, Nil, functions, weld)
      case _ => None
    }

    private def of(plan: SparkPlan, groups: Seq[Expression], functions: Seq[AggregateExpression], weld: WeldExec) = {
      val keys = functions.map {
        case AggregateExpression(MaxBy(_, key), AggregatePartial, false, None, _) => Some(SortOrder(key, Descending))
        case AggregateExpression(MinBy(_, key), AggregatePartial, false, None, _) => Some(SortOrder(key, Ascending, NullsLast, Nil))
        case _ => None
      }
      val small = keys.flatten.headOption.filter(key => isSmall(1, key +: groups) && functions.map(_.aggregateFunction).forall(_.deterministic))
      small.filter(first => keys.forall(_.exists(_.semanticEquals(first)))).map(key => (plan, groups, key, weld))
    }
  }

  private object Sorted {
    def unapply(plan: SparkPlan): Option[(SortExec, WeldExec)] = plan match {
      case sort @ SortExec(_, false, ColumnarToRowExec(weld: WeldExec), _) => Some((sort, weld))
      case _ => None
    }
  }
}
