package io.sparkweld.rules

import io.sparkweld.SparkWeldConf
import io.sparkweld.plan.{WeldExec, WeldTopExec}
import io.sparkweld.support.WarnOnce

import org.apache.spark.sql.catalyst.expressions.{Alias, Attribute, AttributeMap, Expression, NamedExpression, Rank, RowNumber}
import org.apache.spark.sql.catalyst.expressions.SortOrder
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.execution.{ColumnarToRowExec, ProjectExec, SortExec, SparkPlan, TakeOrderedAndProjectExec}
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
 * What it rewrites: `orderBy(..).limit(k)`, and `row_number` or `rank` `<= k`, right over a kernel, or, for a limit, over a
 * projection of it. When it must not: an order that
 * is not deterministic; a limit so large that the first rows are no small part.
 */
object TopRowsRule extends Rule[SparkPlan] {
  private val MostRows = 100000

  override def apply(plan: SparkPlan): SparkPlan =
    if (!plan.exists(_.isInstanceOf[WeldExec]) || !SparkWeldConf.TopKEnabled.get(conf)) plan
    else WarnOnce.guard("the search for top-K queries over kernels", plan)(plan.transform {
      case top @ TakeOrderedAndProjectExec(most, order, _, ColumnarToRowExec(weld: WeldExec), _) if isSmall(most, order) =>
        top.copy(child = ColumnarToRowExec(WeldTopExec(Nil, order, most, ties = false, weld)))
      case top @ TakeOrderedAndProjectExec(most, order, _, project @ ProjectExec(list, ColumnarToRowExec(weld: WeldExec)), _)
          if isSmall(most, order ++ list) =>
        val below = WeldTopExec(Nil, order.map(through(list)), most, ties = false, weld)
        top.copy(child = project.copy(child = ColumnarToRowExec(below)))
      case limit @ WindowGroupLimitExec(groups, order, _: RowNumber | _: Rank, most, Partial, Sorted(sort, weld))
          if isSmall(most, order ++ groups) =>
        limit.copy(child = sort.copy(child = ColumnarToRowExec(WeldTopExec(groups, order, most, ties = true, weld))))
    })

  private def isSmall(most: Int, expressions: Seq[Expression]): Boolean =
    0 < most && most <= MostRows && expressions.forall(_.deterministic)

  /** The key over what the projection reads. */
  private def through(list: Seq[NamedExpression])(key: SortOrder): SortOrder = {
    val made = AttributeMap(list.collect { case alias: Alias => alias.toAttribute -> alias.child })
    key.transform { case column: Attribute => made.getOrElse(column, column) }.asInstanceOf[SortOrder]
  }

  private object Sorted {
    def unapply(plan: SparkPlan): Option[(SortExec, WeldExec)] = plan match {
      case sort @ SortExec(_, false, ColumnarToRowExec(weld: WeldExec), _) => Some((sort, weld))
      case _ => None
    }
  }
}
