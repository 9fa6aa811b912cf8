package io.sparkweld.rules

import io.sparkweld.{SparkWeldConf, SparkWeldRuntime, WeldDriver}
import io.sparkweld.support.{Backend, Rewritten, WarnOnce}

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.plans.logical.{Filter, GlobalLimit, LocalLimit, LogicalPlan, Project, Sort, Window}
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreePattern.{LIMIT, PYTHON_UDF, WINDOW}

/**
 * Computes pandas UDFs for the winners of a top-K query only: those that its order does not need move above it.
 *
 * {{{
 *   Limit 10                                        Project [id, score, features(title)]
 *     Sort [score DESC]                       ->      Limit 10
 *       Project [id, f(x) score,                        Sort [score DESC]
 *                features(title) features]                Project [id, f(x) score, title]
 * }}}
 *
 * What it rewrites: `orderBy(..).limit(k)`, and `row_number`, `rank` or `dense_rank` `<= k` over a window. Spark evaluates all
 * UDFs of a projection below or right above the sort for every row. When it must not: a UDF to which its batch matters, or a Python
 * function above to which it does, for batches would change; functions that are not deterministic. A UDF that raises for a row
 * that does not win raises no more, as above Spark's own filters and limits. Runs once, after Spark has pushed operators: its
 * rules would undo it.
 */
object LateMaterialization extends Rule[LogicalPlan] with PredicateHelper {
  /** Past so many rows the columns that the UDFs read may weigh more in the sort than what they give. */
  private val MostRows = 100000

  override def apply(plan: LogicalPlan): LogicalPlan =
    if (!plan.containsPattern(PYTHON_UDF) || !plan.containsAnyPattern(LIMIT, WINDOW) || plan.isStreaming) plan
    else SparkWeldRuntime.driver match {
      case Some(driver) if SparkWeldConf.Enabled.get(conf) && SparkWeldConf.LateMaterializationEnabled.get(conf) &&
          Backend.of(conf) != Backend.Python =>
        WarnOnce.guard("the search for UDFs of a top-K query", plan)(rewrite(plan, driver))
      case _ => plan
    }

  private def rewrite(plan: LogicalPlan, driver: WeldDriver): LogicalPlan = {
    val twins = new ScalarTwins(driver, conf)
    plan.transformDownWithPruning(_.containsPattern(PYTHON_UDF)) {
      case limit @ GlobalLimit(IntegerLiteral(most), local @ LocalLimit(_, Sorted(above, sort))) if most <= MostRows =>
        val split = Split.of(sort.child, AttributeSet(sort.order.flatMap(_.references)))
        val right = above.toSeq.flatMap(_.projectList).flatMap(ScalarTwins.outermost)
        val udfs = right ++ split.udfs
        val independent =
          right.forall(twins.isIndependent(_, Seq(sort))) && split.udfs.forall(twins.isIndependent(_, sort.child.children))
        if (udfs.isEmpty || !independent || twins.batchesMatterAbove(plan, _ eq limit)) limit
        else {
          val record = Split.record(udfs, s"computed for the $most rows that the limit keeps")
          val marked = sort.copy(order = Rewritten.marked(sort.order.head, record) +: sort.order.tail, child = split.early)
          val whole = split.over(sort, limit.copy(child = local.copy(child = marked)))
          above.map(project => project.copy(child = whole)).getOrElse(whole)
        }
      case filter @ Filter(condition, window: Window) if ranksUpTo(condition, window) =>
        val split = Split.of(window.child, filter.references ++ AttributeSet(window.expressions.flatMap(_.references)))
        val independent = split.udfs.forall(twins.isIndependent(_, window.child.children))
        if (split.udfs.isEmpty || !independent || twins.batchesMatterAbove(plan, _ eq filter)) filter
        else {
          val what = s"computed for the rows of which ${condition.sql} holds"
          val marked = Rewritten.marked(condition, Split.record(split.udfs, what))
          split.over(filter, filter.copy(marked, window.copy(child = split.early)))
        }
    }
  }

  /** Whether the condition keeps the rows of a window up to some rank only. */
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

/** The sort of all rows below a limit, and the projection that Spark may have pushed between the two. */
private object Sorted {
  def unapply(plan: LogicalPlan): Option[(Option[Project], Sort)] = plan match {
    case sort: Sort if sort.global => Some((None, sort))
    case project @ Project(list, sort: Sort) if sort.global && list.forall(_.deterministic) => Some((Some(project), sort))
    case _ => None
  }
}

/** A plan in two: `early` gives all but the UDFs `late`, and the columns that these read; the plan itself without a UDF to move. */
private final case class Split(early: LogicalPlan, late: Seq[NamedExpression]) {
  def udfs: Seq[PythonUDF] = late.flatMap(ScalarTwins.outermost)

  /** `top` over the whole plan, given `over`, which is the same over `early`. */
  def over(top: LogicalPlan, over: LogicalPlan): LogicalPlan =
    if (late.isEmpty) over
    else {
      val byId = late.map(expression => expression.exprId -> expression).toMap
      Project(top.output.map(column => byId.getOrElse(column.exprId, column)), over)
    }
}

private object Split {

  /** What is `needed` below stays there, and so does what is not deterministic. */
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
