package io.sparkweld
package rules

import io.sparkweld.{SparkWeldConf, SparkWeldRuntime, WeldDriver}
import io.sparkweld.support.{Backend, Rewritten, WarnOnce}

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.plans.logical.{Filter, GlobalLimit, LocalLimit, LogicalPlan, Project, Sort, Window}
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreePattern.{LIMIT, PYTHON_UDF, WINDOW}

/**
 * Moves pandas UDFs that the order of a top-K query does not need above it, so that only the winners compute them.
 *
 * {{{
 *   Limit 10                                        Project [id, score, features(title)]
 *     Sort [score DESC]                       ->      Limit 10
 *       Project [id, f(x) score,                        Sort [score DESC]
 *                features(title) features]                Project [id, f(x) score, title]
 * }}}
 *
 * Rewrites: `orderBy(..).limit(k)`, and `row_number`, `rank` or `dense_rank` `<= k` over a window. Spark evaluates all
 * UDFs of a projection below or right above the sort for every row. Exceptions: a UDF whose result depends on its batch, or
 * such a Python function above, because batches would change; nondeterministic functions. A UDF that raises for a row that does
 * not win raises no more, as above Spark's own filters and limits. Runs once, after Spark has pushed operators: its rules would
 * undo it.
 */
object LateMaterialization extends Rule[LogicalPlan] with PredicateHelper {
  /** With more rows, the UDFs' input columns may cost more in the sort than the results. */
  private val MostRows = 100000

  override def apply(plan: LogicalPlan): LogicalPlan =
    if (!plan.containsPattern(PYTHON_UDF) || !plan.containsAnyPattern(LIMIT, WINDOW) || plan.isStreaming) plan
    else SparkWeldRuntime.driver match {
      case Some(driver) if SparkWeldConf.LateMaterializationEnabled.get(conf) &&
          Backend.of(conf) != Backend.Python =>
        WarnOnce.guard("the search for UDFs of a top-K query", plan)(rewrite(plan, driver))
      case _ => plan
    }

  private def rewrite(plan: LogicalPlan, driver: WeldDriver): LogicalPlan = {
    val equivalents = new CatalystEquivalents(driver.compiler, conf)
    plan.transformDownWithPruning(_.containsPattern(PYTHON_UDF)) {
      case limit @ GlobalLimit(IntegerLiteral(most), local @ LocalLimit(_, Sorted(above, sort))) if most <= MostRows =>
        val split = Split.of(sort.child, AttributeSet(sort.order.flatMap(_.references)))
        val right = above.toSeq.flatMap(_.projectList).flatMap(CatalystEquivalents.outermost)
        val udfs = right ++ split.udfs
        val independent =
          right.forall(equivalents.isIndependent(_, Seq(sort))) && split.udfs.forall(equivalents.isIndependent(_, sort.child.children))
        if (udfs.isEmpty || !independent || equivalents.batchesMatterAbove(plan, _ eq limit)) limit
        else {
          val record = Split.record(udfs, s"computed for the $most rows that the limit keeps")
          val marked = sort.copy(order = Rewritten.marked(sort.order.head, record) +: sort.order.tail, child = split.early)
          val whole = split.over(sort, limit.copy(child = local.copy(child = marked)))
          above.map(project => project.copy(child = whole)).getOrElse(whole)
        }
      case filter @ Filter(condition, window: Window) if ranksUpTo(condition, window) =>
        val split = Split.of(window.child, filter.references ++ AttributeSet(window.expressions.flatMap(_.references)))
        val independent = split.udfs.forall(equivalents.isIndependent(_, window.child.children))
        if (split.udfs.isEmpty || !independent || equivalents.batchesMatterAbove(plan, _ eq filter)) filter
        else {
          val what = s"computed for the rows where ${condition.sql} holds"
          val marked = Rewritten.marked(condition, Split.record(split.udfs, what))
          split.over(filter, filter.copy(marked, window.copy(child = split.early)))
        }
    }
  }

  /** Whether the condition keeps only the rows of a window up to some rank. */
  private def ranksUpTo(condition: Expression, window: Window): Boolean = {
    val ranks = AttributeSet(window.windowExpressions.collect {
      case alias @ Alias(WindowExpression(_: RowNumber | _: RankLike, _), _) => alias.toAttribute
    })
    splitConjunctivePredicates(condition).exists {
      case LessThanOrEqual(a: Attribute, Literal(_, _)) => ranks.contains(a)
      case LessThan(a: Attribute, Literal(_, _)) => ranks.contains(a)
      case EqualTo(a: Attribute, Literal(_, _)) => ranks.contains(a)
      case _ => false
    }
  }
}

/** Matches the sort of all rows below a limit, and the projection that Spark may have pushed between the two. */
private object Sorted {
  def unapply(plan: LogicalPlan): Option[(Option[Project], Sort)] = plan match {
    case sort: Sort if sort.global => Some((None, sort))
    case project @ Project(list, sort: Sort) if sort.global && list.forall(_.deterministic) => Some((Some(project), sort))
    case _ => None
  }
}

/**
 * A plan split in two: `early` returns all columns but those of the UDFs `late`, and the inputs of these. Without late UDFs, the
 * plan itself.
 */
private final case class Split(early: LogicalPlan, late: Seq[NamedExpression]) {
  def udfs: Seq[PythonUDF] = late.flatMap(CatalystEquivalents.outermost)

  /** Returns `top` over the whole plan, where `over` is `top` over `early`. */
  def over(top: LogicalPlan, over: LogicalPlan): LogicalPlan =
    if (late.isEmpty) over
    else {
      val byId = late.map(expression => expression.exprId -> expression).toMap
      Project(top.output.map(column => byId.getOrElse(column.exprId, column)), over)
    }
}

private object Split {

  /** Splits a plan; columns in `needed` and nondeterministic ones stay early. */
  def of(plan: LogicalPlan, needed: AttributeSet): Split = plan match {
    case whole: Project =>
      val (late, early) = whole.projectList.partition { expression =>
        expression.containsPattern(PYTHON_UDF) && expression.deterministic && !needed.contains(expression.toAttribute)
      }
      val read = AttributeSet(late.flatMap(_.references)) -- early.map(_.toAttribute)
      if (late.isEmpty) Split(plan, Nil) else Split(whole.copy(projectList = early ++ read.toSeq), late)
    case _ => Split(plan, Nil)
  }

  def record(udfs: Seq[PythonUDF], what: String): Rewritten =
    Rewritten(udfs.head.resultId.id, udfs.map(_.name).distinct.mkString(", "), "late", what, Nil, Nil)
}
