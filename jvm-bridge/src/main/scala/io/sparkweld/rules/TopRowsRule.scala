package io.sparkweld
package rules

import io.sparkweld.SparkWeldConf
import io.sparkweld.expressions.WorstSoFar
import io.sparkweld.plan.{Ties, WeldAggregateExec, WeldExec, WeldThresholdExec, WeldTopExec}
import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.WarnOnce

import org.apache.spark.sql.catalyst.expressions.{Alias, Ascending, Attribute, AttributeMap, AttributeSet, DenseRank, Descending}
import org.apache.spark.sql.catalyst.expressions.{Expression, NamedExpression, NullsLast, Rank, RowNumber, SortOrder}
import org.apache.spark.sql.catalyst.expressions.aggregate.{AggregateExpression, Max, MaxBy, Min, MinBy, Partial => AggregatePartial}
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.execution.{ColumnarToRowExec, FileSourceScanExec, FilterExec, ProjectExec, RowToColumnarExec, SortExec}
import org.apache.spark.sql.execution.{SparkPlan, TakeOrderedAndProjectExec}
import org.apache.spark.sql.execution.adaptive.BroadcastQueryStageExec
import org.apache.spark.sql.execution.aggregate.{HashAggregateExec, SortAggregateExec}
import org.apache.spark.sql.execution.exchange.BroadcastExchangeExec
import org.apache.spark.sql.execution.joins.{BroadcastHashJoinExec, HashJoin}
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
 * Rewrites: `orderBy(..).limit(k)`, and `row_number`, `rank` or `dense_rank` `<= k`, right over a kernel, or, for a
 * limit, over a projection of it. Also `max_by`, `min_by`, `max` and `min`, right over a kernel, when all aggregates have the
 * same order: a row whose key is strictly behind another one's of its group does not change their buffers. `max` and `min` alone,
 * which kernels merge, are rewritten only where that saves the kernel below work. Exceptions: a nondeterministic order; a
 * limit so large that most rows are among the first.
 */
object TopRowsRule extends Rule[SparkPlan] {
  /** With a larger limit, too many rows are among the first. */
  private[rules] val MostRows = 100000

  override def apply(plan: SparkPlan): SparkPlan =
    if (!plan.exists(_.isInstanceOf[WeldExec]) || !SparkWeldConf.TopKEnabled.get(conf)) plan
    else WarnOnce.guard("the search for top-K queries over kernels", plan)(plan.transform {
      case top @ TakeOrderedAndProjectExec(most, order, _, ColumnarToRowExec(weld: WeldExec), _) if isSmall(most, order) =>
        top.copy(child = ColumnarToRowExec(shared(top, first(Nil, order, most, Ties.First, weld, order.head.child))))
      case top @ TakeOrderedAndProjectExec(most, order, _, project @ ProjectExec(list, ColumnarToRowExec(weld: WeldExec)), _)
          if isSmall(most, order ++ list) =>
        val below = first(Nil, order.map(through(list)), most, Ties.First, weld, order.head.child)
        top.copy(child = project.copy(child = ColumnarToRowExec(shared(top, below))))
      case limit @ WindowGroupLimitExec(groups, order, rank @ (_: RowNumber | _: Rank | _: DenseRank), most, Partial, Sorted(sort, weld))
          if isSmall(most, order ++ groups) && (keepsOrder(sort) || !rank.isInstanceOf[RowNumber]) =>
        val ties = if (rank.isInstanceOf[DenseRank]) Ties.Same else Ties.All
        limit.copy(child = sort.copy(child = ColumnarToRowExec(first(groups, order, most, ties, weld, order.head.child))))
      case Extremes(aggregate, groups, key, weld) =>
        aggregate.withNewChildren(Seq(ColumnarToRowExec(first(groups, Seq(key), 1, Ties.All, weld, key.child))))
      case Merged(aggregate, groups, key, weld) =>
        val rows = first(groups, Seq(key), 1, Ties.All, weld, key.child)
        if (rows.child eq weld) aggregate else aggregate.copy(child = rows)
    })

  /**
   * Returns the first rows of a kernel. The kernel, where that saves it work, and the filters below it receive the worst of them.
   */
  private def first(
      groups: Seq[Expression],
      order: Seq[SortOrder],
      most: Int,
      ties: Ties.Value,
      weld: WeldExec,
      score: Expression): WeldTopExec = {
    val filters = if (groups.isEmpty) filtersOn(weld.child) else Nil
    val below = filters.flatMap(_.collect { case worst: WorstSoFar if isOf(worst, score, order.head) => worst.id })
    Thresholds.below(weld, order.head, groups, most, conf) match {
      case Some((bounded, worst)) => WeldTopExec(groups, order, most, ties, bounded, worst +: below)
      case None => WeldTopExec(groups, order, most, ties, weld, below)
    }
  }

  /**
   * Lets tasks share thresholds, which matters where partitions are small. Equal keys must be equal rows of `top`, so that any of
   * them may be taken. Only files, and nodes that return the same rows to a repeated task, may be below.
   */
  private def shared(top: TakeOrderedAndProjectExec, rows: WeldTopExec): WeldTopExec = {
    val keys = AttributeSet(top.sortOrder.map(_.child).collect { case key: Attribute if CurrentSpark.isBinaryStable(key.dataType) => key })
    val one = top.projectList.forall(column => column.deterministic && column.references.subsetOf(keys))
    rows.copy(shared = rows.thresholds.nonEmpty && one && isRepeated(rows.child))
  }

  private def isRepeated(plan: SparkPlan): Boolean = plan match {
    case _: FileSourceScanExec | _: BroadcastQueryStageExec | _: BroadcastExchangeExec => true
    case _: WeldExec | _: WeldThresholdExec | _: ColumnarToRowExec | _: RowToColumnarExec => plan.children.forall(isRepeated)
    case _: FilterExec | _: ProjectExec | _: BroadcastHashJoinExec => plan.expressions.forall(isSteady) && plan.children.forall(isRepeated)
    case _ => false
  }

  private def isSteady(expression: Expression): Boolean = expression.deterministic || expression.isInstanceOf[WorstSoFar] ||
    expression.children.exists(!_.deterministic) && expression.children.forall(isSteady)

  /** Returns the filters on the rows' path. It stops at another query's first rows, which may be more. */
  private def filtersOn(plan: SparkPlan): Seq[Expression] = plan match {
    case FilterExec(condition, child) => condition +: filtersOn(child)
    case _: ProjectExec | _: ColumnarToRowExec | _: RowToColumnarExec | _: HashJoin => plan.children.flatMap(filtersOn)
    case _ => Nil
  }

  private def isOf(worst: WorstSoFar, score: Expression, key: SortOrder): Boolean = score match {
    case column: Attribute => column.exprId == worst.score && worst.descending == (key.direction == Descending)
    case _ => false
  }

  /** Whether rows with equal keys keep their order. A radix sort, used for a single key, moves rows to make room for a NULL. */
  private def keepsOrder(sort: SortExec): Boolean = sort.sortOrder.size > 1 || !sort.sortOrder.head.child.nullable

  private def isSmall(most: Int, expressions: Seq[Expression]): Boolean =
    0 < most && most <= MostRows && expressions.forall(_.deterministic)

  /** Returns the key in terms of the projection's input. */
  private def through(list: Seq[NamedExpression])(key: SortOrder): SortOrder = {
    val made = AttributeMap(list.collect { case alias: Alias => alias.toAttribute -> alias.child })
    key.transform { case column: Attribute => made.getOrElse(column, column) }.asInstanceOf[SortOrder]
  }

  /**
   * Matches a partial aggregate right over a kernel whose functions all depend on the rows with one extreme, which a sort puts
   * first.
   */
  private object Extremes {
    def unapply(plan: SparkPlan): Option[(SparkPlan, Seq[Expression], SortOrder, WeldExec)] = plan match {
      case HashAggregateExec(_, _, _, groups, functions, _, _, _, ColumnarToRowExec(weld: WeldExec)) => of(plan, groups, functions, weld)
      case SortAggregateExec(_, _, _, Nil, functions, _, _, _, ColumnarToRowExec(weld: WeldExec)) => of(plan, Nil, functions, weld)
      case _ => None
    }

    private def of(plan: SparkPlan, groups: Seq[Expression], functions: Seq[AggregateExpression], weld: WeldExec) =
      orderOf(groups, functions).map(key => (plan, groups, key, weld))
  }

  /** As `Extremes`, where a kernel merges the groups. */
  private object Merged {
    def unapply(aggregate: WeldAggregateExec): Option[(WeldAggregateExec, Seq[Expression], SortOrder, WeldExec)] = aggregate.child match {
      case weld: WeldExec => orderOf(aggregate.grouping, aggregate.aggregates).map(key => (aggregate, aggregate.grouping, key, weld))
      case _ => None
    }
  }

  /** Returns the order in which the first row, with rows equal to it, determines all of the functions. */
  private def orderOf(groups: Seq[Expression], functions: Seq[AggregateExpression]): Option[SortOrder] = {
    val keys = functions.map {
      case AggregateExpression(MaxBy(_, key), AggregatePartial, false, None, _) => Some(SortOrder(key, Descending))
      case AggregateExpression(Max(key), AggregatePartial, false, None, _) => Some(SortOrder(key, Descending))
      case AggregateExpression(MinBy(_, key), AggregatePartial, false, None, _) => Some(SortOrder(key, Ascending, NullsLast, Nil))
      case AggregateExpression(Min(key), AggregatePartial, false, None, _) => Some(SortOrder(key, Ascending, NullsLast, Nil))
      case _ => None
    }
    val small = keys.flatten.headOption.filter(key => isSmall(1, key +: groups) && functions.map(_.aggregateFunction).forall(_.deterministic))
    small.filter(first => keys.forall(_.exists(_.semanticEquals(first))))
  }

  private object Sorted {
    def unapply(plan: SparkPlan): Option[(SortExec, WeldExec)] = plan match {
      case sort @ SortExec(_, false, ColumnarToRowExec(weld: WeldExec), _) => Some((sort, weld))
      case _ => None
    }
  }
}
