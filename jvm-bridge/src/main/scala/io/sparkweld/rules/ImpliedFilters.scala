package io.sparkweld
package rules

import io.sparkweld.{SparkWeldConf, SparkWeldRuntime}
import io.sparkweld.compile.FunctionService
import io.sparkweld.contract.{ImpliedReply, Operation}
import io.sparkweld.support.{Backend, ExpressionDecoder, Refusal, Rewritten, UnsupportedExpression, WarnOnce}

import org.apache.spark.sql.catalyst.expressions.{Left => _, Right => _, _}
import org.apache.spark.sql.catalyst.plans.InnerLike
import org.apache.spark.sql.catalyst.plans.logical.{Filter, Join, LogicalPlan}
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.{TreeNodeTag, TreePatternBits}
import org.apache.spark.sql.catalyst.trees.TreePattern.{FILTER, JOIN, PYTHON_UDF}
import org.apache.spark.sql.internal.SQLConf

/**
 * Adds to a filter over Python UDFs the conditions that it implies for a column, or for one side of a join.
 *
 * For udf = 2x+1, the filter `udf(x) > 3` stays, and `x >= 1.0000000000000002` is added, which Spark pushes into the scan.
 *
 * Rewrites: a condition over pandas UDFs of one column that is monotone, total and exact (`udf_compiler.backends.catalyst.monotone`),
 * and one over plain UDFs of several joined tables ([[SideConditions]]). Exceptions: a plan with a Python function whose result
 * depends on its batches, because fewer rows reach it. Idempotent: the condition is marked once the service was asked.
 */
object ImpliedFilters extends Rule[LogicalPlan] with PredicateHelper {
  private val Asked = TreeNodeTag[Unit]("sparkweld.implied")

  override def apply(plan: LogicalPlan): LogicalPlan =
    if (!isConditional(plan) || plan.isStreaming) plan
    else SparkWeldRuntime.driver match {
      case Some(driver) if SparkWeldConf.PushdownEnabled.get(conf) &&
          Backend.of(conf) != Backend.Python =>
        WarnOnce.guard("the search for implied filters", plan)(rewrite(plan, driver.compiler))
      case _ => plan
    }

  private[rules] def rewrite(plan: LogicalPlan, service: FunctionService): LogicalPlan = {
    lazy val safe = new CatalystEquivalents(service, conf).batchesDoNotMatter(plan)
    lazy val ofSides = new SideConditions(service, conf)
    plan.transformWithPruning(isConditional) {
      case filter @ Filter(condition, child) if asks(condition) =>
        filter.copy(condition = extended(condition) { asked =>
          val sides = asked.flatMap(ofSides.of(_, condition, child, plan))
          val found = if (sides.isEmpty && safe) asked.flatMap(bound(_, child, service)) else sides
          found.filterNot(known => child.constraints.exists(_.semanticEquals(known)))
        })
      case join @ Join(_, _, _: InnerLike, Some(condition), _) if asks(condition) =>
        join.copy(condition = Some(extended(condition)(_.flatMap(ofSides.of(_, condition, join, plan)))))
    }
  }

  /** Returns the condition with what its new conjuncts imply in front of it. */
  private def extended(condition: Expression)(implied: Seq[Expression] => Seq[Expression]): Expression = {
    val (asked, others) = splitConjunctivePredicates(condition).partition(isNew)
    (implied(asked) ++ others ++ asked.map(marked)).reduce(And(_, _))
  }

  private def isConditional(plan: TreePatternBits): Boolean = plan.containsPattern(PYTHON_UDF) && plan.containsAnyPattern(FILTER, JOIN)

  /** Whether the condition has a conjunct that is new. After one more condition, `rand()` would see fewer rows. */
  private def asks(condition: Expression): Boolean = condition.deterministic && splitConjunctivePredicates(condition).exists(isNew)

  private def isNew(predicate: Expression): Boolean = predicate.containsPattern(PYTHON_UDF) && predicate.getTagValue(Asked).isEmpty

  private def marked(predicate: Expression): Expression = {
    val copy = predicate.clone()
    copy.setTagValue(Asked, ())
    copy
  }

  private def bound(predicate: Expression, child: LogicalPlan, service: FunctionService): Seq[Expression] = {
    val udfs = CatalystEquivalents.outermost(predicate)
    val request = FunctionRequest.ofFilter(Operation.Implied, udfs, predicate, CatalystEquivalents.columnsOf(Seq(child)), conf)
    answered(request, service, conf).flatMap(bound => explained(udfs)(Seq(bound)))
  }

  /** Returns the conditions of the answer: none where the functions are refused, or where an expression cannot be built. */
  private[rules] def answered(
      request: Either[Seq[Refusal], FunctionRequest[ImpliedReply]],
      service: FunctionService,
      conf: SQLConf): Seq[Expression] = {
    val found = for (asked <- request; reply <- asked.answer(service, conf)) yield {
      try reply.bounds.map(new ExpressionDecoder(asked.column).decode)
      catch { case _: UnsupportedExpression => Nil }
    }
    found.getOrElse(Nil)
  }

  /** Records for explain which UDFs imply the conditions: one record of all of them. */
  private[rules] def explained(udfs: Seq[PythonUDF], where: String = "")(conditions: Seq[Expression]): Seq[Expression] =
    conditions.reduceOption(And(_, _)).toSeq.flatMap { all =>
      val names = udfs.map(_.name).distinct.mkString(", ")
      val record = Rewritten(udfs.head.resultId.id, names, "filter", s"its filter implies ${all.sql}$where", Nil, Nil)
      conditions.map(Rewritten.mark(_, record))
    }
}
