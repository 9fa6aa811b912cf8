package io.sparkweld
package rules

import io.sparkweld.{SparkWeldConf, SparkWeldRuntime}
import io.sparkweld.compile.FunctionService
import io.sparkweld.contract.Operation
import io.sparkweld.expressions.{MayReach, WorstSoFar}
import io.sparkweld.spark.{CurrentSpark, EvalTypes}
import io.sparkweld.support.{Backend, ExpressionDecoder, Mode, Rewritten, UnsupportedExpression, WarnOnce}

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.expressions.aggregate.{Max, Min}
import org.apache.spark.sql.catalyst.plans.{InnerLike, LeftOuter, RightOuter}
import org.apache.spark.sql.catalyst.plans.logical.{Aggregate, Filter, GlobalLimit, Join, LeafNode, LocalLimit, LogicalPlan, Project}
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreePattern.{JOIN, PYTHON_UDF}
import org.apache.spark.sql.execution.LogicalRDD
import org.apache.spark.sql.types.{BooleanType, DecimalType, DoubleType, NumericType, StringType}

/**
 * Drops rows before a join when, with any joined row, their scores cannot pass a filter or be among the first K.
 *
 * {{{
 *   Filter f(x, text) > 9                   Filter f(x, text) > 9
 *     Join [key]                              Join [key]
 *       Scan [key, x]              ->           Filter may_reach(part of x, (select max(f(0, text)) from side), 9)
 *       Scan side [key, text]                     Scan [key, x]
 *                                               Scan side [key, text]
 * }}}
 *
 * Rewrites: comparisons of a UDF's result with a number, and `orderBy(score).limit(k)`. For the latter, the threshold is the
 * worst of the first K so far in the same task. Three conditions are required. The UDF's score is the sum of a function of x and
 * one of the strings (`udf_compiler.backends.catalyst.parts`). The table of the strings is small enough to be broadcast. The join keeps
 * nothing of a dropped row: it is inner, or outer with all rows of x. The subquery scores each row of that table once, with the
 * very same function.
 *
 * Exceptions: a Python function whose result depends on its batches, because fewer rows reach it. As above Spark's own filters, a
 * dropped row raises no error. Runs once, after Spark has pushed operators.
 */
object JoinBounds extends Rule[LogicalPlan] with PredicateHelper {
  override def apply(plan: LogicalPlan): LogicalPlan =
    if (!plan.containsAllPatterns(PYTHON_UDF, JOIN) || plan.isStreaming) plan
    else SparkWeldRuntime.driver match {
      case Some(driver) if SparkWeldConf.ScoreBounds.get(conf) != Mode.Never &&
          Backend.of(conf) != Backend.Python =>
        WarnOnce.guard("the search for bounds below joins", plan)(rewrite(plan, driver.compiler))
      case _ => plan
    }

  /** The goal of a score: to reach a threshold, from above or from below. `what`: for explain. */
  private final case class Goal(score: PythonUDF, threshold: Expression, above: Boolean, what: String)

  private[rules] def rewrite(plan: LogicalPlan, service: FunctionService): LogicalPlan = {
    lazy val equivalents = new CatalystEquivalents(service, conf)
    def below(child: LogicalPlan, goal: Goal): LogicalPlan =
      bounded(child, goal, service).filter(_ => equivalents.batchesDoNotMatter(plan, _.semanticEquals(goal.score))).getOrElse(child)
    plan.transformDownWithPruning(_.containsAllPatterns(PYTHON_UDF, JOIN)) {
      case filter @ Filter(condition, child) if condition.deterministic =>
        filter.copy(child = splitConjunctivePredicates(condition).flatMap(goalOf).foldLeft(child)(below))
      // Spark moves a filter into the condition of an inner join, and out of it when it extracts Python UDFs.
      case join @ Join(_, _, _: InnerLike, Some(condition), _) if condition.deterministic =>
        splitConjunctivePredicates(condition).flatMap(goalOf).foldLeft[LogicalPlan](join)(below)
      case limit @ GlobalLimit(IntegerLiteral(most), local @ LocalLimit(_, Sorted(above, sort))) if 0 < most && most <= TopRowsRule.MostRows =>
        val lower = for {
          (project, score) <- Option(sort.child).collect { case p: Project if p.deterministic => p -> sort.order.head.child }
          udf <- project.projectList.collectFirst { case made @ Alias(Score(udf), _) if made.toAttribute.semanticEquals(score) => udf }
        } yield {
          val descending = sort.order.head.direction == Descending
          val worst = WorstSoFar(NamedExpression.newExprId.id, score.asInstanceOf[Attribute].exprId, descending)
          project.copy(child = below(project.child, Goal(udf, worst, descending, s"be among the first $most")))
        }
        lower.fold(limit) { project =>
          val whole = sort.copy(child = project)
          limit.copy(child = local.copy(child = above.fold[LogicalPlan](whole)(_.copy(child = whole))))
        }
    }
  }

  /** Minimum rows per task in `auto` mode: the subquery is an additional query with its own kernel. */
  private val LeastRows = 1L << 20

  /** Matches a scalar function over columns whose result is a double. */
  private object Score {
    def unapply(expression: Expression): Option[PythonUDF] = Some(expression).collect {
      case udf: PythonUDF if udf.dataType == DoubleType && udf.evalType == EvalTypes.ScalarPandas && udf.deterministic &&
          !udf.children.exists(_.containsPattern(PYTHON_UDF)) => udf
    }
  }

  private def goalOf(predicate: Expression): Option[Goal] = {
    def goal(udf: PythonUDF, threshold: Literal, above: Boolean) =
      Option.when(threshold.value != null)(Goal(udf, threshold, above, s"pass ${predicate.sql}"))
    predicate match {
      case GreaterThan(Score(udf), t: Literal) => goal(udf, t, above = true)
      case GreaterThanOrEqual(Score(udf), t: Literal) => goal(udf, t, above = true)
      case LessThan(Score(udf), t: Literal) => goal(udf, t, above = false)
      case LessThanOrEqual(Score(udf), t: Literal) => goal(udf, t, above = false)
      case GreaterThan(t: Literal, Score(udf)) => goal(udf, t, above = false)
      case GreaterThanOrEqual(t: Literal, Score(udf)) => goal(udf, t, above = false)
      case LessThan(t: Literal, Score(udf)) => goal(udf, t, above = true)
      case LessThanOrEqual(t: Literal, Score(udf)) => goal(udf, t, above = true)
      case _ => None
    }
  }

  /** Returns the plan with a filter below its topmost join; None without such a bound. */
  private def bounded(plan: LogicalPlan, goal: Goal, service: FunctionService): Option[LogicalPlan] = plan match {
    case project: Project if project.deterministic && goal.score.references.subsetOf(project.child.outputSet) =>
      bounded(project.child, goal, service).map(child => project.copy(child = child))
    case filter: Filter if filter.deterministic => bounded(filter.child, goal, service).map(child => filter.copy(child = child))
    case join @ Join(left, right, kind @ (_: InnerLike | LeftOuter | RightOuter), _, _) =>
      val first = if (kind == RightOuter) None else condition(join, left, right, goal, service).map(c => join.copy(left = Filter(c, left)))
      first.orElse {
        if (kind == LeftOuter) None else condition(join, right, left, goal, service).map(c => join.copy(right = Filter(c, right)))
      }
    case _ => None
  }

  /** Returns the condition for rows of `own` that may reach the goal with some row of `side`. */
  private def condition(join: Join, own: LogicalPlan, side: LogicalPlan, goal: Goal, service: FunctionService): Option[Expression] = {
    val udf = goal.score
    val (mine, others) = (udf.references.filter(own.outputSet.contains), udf.references.filter(side.outputSet.contains))
    val suits = mine.nonEmpty && others.nonEmpty && mine.size + others.size == udf.references.size && mine.forall(hasZero) &&
      isSmall(side) && PipelineSettings.bounds(conf, RowEstimate.ofTask(own, conf), LeastRows)
    if (!suits) None
    else {
      val found = for {
        plain <- FunctionRequest.of(Operation.Parts, udf, CatalystEquivalents.columnsOf(Seq(join)), conf)
        ofOthers = plain.columns.collect { case (name, column) if column.references.subsetOf(AttributeSet(others)) => name }.toSeq
        request = plain.having(_.copy(others = Some(ofOthers)))
        reply <- request.answer(service, conf)
      } yield {
        val decoder = new ExpressionDecoder(request.column)
        try {
          val documents = reply.texts.map(request.column)
          documents.find(!_.references.subsetOf(AttributeSet(others))).foreach(one => throw new UnsupportedExpression(one.sql))
          val joined = most(udf, mine.toSeq, others.toSeq, documents, side, goal.above)
          val missing = reply.missing.filterNot(_ => join.joinType.isInstanceOf[InnerLike])
          val all = missing.fold(joined) { score =>
            if (goal.above) Greatest(Seq(joined, Literal(score))) else Least(Seq(joined, Literal(score)))
          }
          val reach = MayReach(decoder.decode(reply.own), all, goal.threshold, reply.base, reply.size, reply.slack, goal.above)
          val what = s"rows that cannot ${goal.what} are pruned before the join"
          val told = Rewritten.mark(reach, Rewritten(udf.resultId.id, udf.name, "filter", what, Nil, Nil))
          decoder.decode(reply.allowed) match {
            case Literal.TrueLiteral => Some(told)
            case allowed => Some(Or(told, Not(allowed)))
          }
        } catch { case _: UnsupportedExpression => None }
      }
      found.toOption.flatten
    }
  }

  /** Returns the largest score, or the least, of a row of `side`, with zero or empty values for the columns of `own`. */
  private def most(
      udf: PythonUDF,
      own: Seq[Attribute],
      others: Seq[Attribute],
      documents: Seq[Expression],
      side: LogicalPlan,
      above: Boolean): Expression = {
    val mine = AttributeSet(own)
    val function = udf.withNewChildren(udf.children.map(_.transform {
      case column: Attribute if mine.contains(column) => Literal.default(column.dataType)
    })).asInstanceOf[PythonUDF].copy(resultId = NamedExpression.newExprId)
    // For these rows the function would raise, although perhaps no row joins them.
    val strings = others.filter(_.dataType == StringType).map(column => Or(IsNull(column), CurrentSpark.isValidUtf8(column)))
    val rows = (documents.map(IsNotNull(_)) ++ strings).reduceOption[Expression](And(_, _)).fold(side)(Filter(_, side))
    val score = Alias(function, "score")()
    val extreme = if (above) Max(score.toAttribute) else Min(score.toAttribute)
    val query = Aggregate(Nil, Seq(Alias(extreme.toAggregateExpression(), "most")()), Project(Seq(score), rows))
    ScalarSubquery(CurrentSpark.activeSession.sessionState.optimizer.execute(query))
  }

  private def hasZero(column: Attribute): Boolean = column.dataType match {
    case _: DecimalType => false
    case _: NumericType | StringType | BooleanType => true
    case _ => false
  }

  /** Whether it is a selection of a table that returns the same rows each time, and is small enough to be read twice. */
  private def isSmall(side: LogicalPlan): Boolean = {
    val same = side.deterministic && !side.exists {
      case _: Project | _: Filter => false
      case _: LogicalRDD => true
      case node => !node.isInstanceOf[LeafNode]
    }
    same && !side.containsPattern(PYTHON_UDF) && side.stats.sizeInBytes <= conf.autoBroadcastJoinThreshold
  }
}
