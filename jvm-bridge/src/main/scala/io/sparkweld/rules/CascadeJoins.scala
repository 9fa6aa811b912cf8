package io.sparkweld.rules

import java.util.Base64

import scala.jdk.CollectionConverters._

import io.sparkweld.{SparkWeldConf, SparkWeldRuntime, WeldDriver}
import io.sparkweld.support.{Backend, Mode, Rewritten, WarnOnce}

import com.fasterxml.jackson.databind.JsonNode
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.optimizer.JoinSelectionHelper
import org.apache.spark.sql.catalyst.planning.ExtractEquiJoinKeys
import org.apache.spark.sql.catalyst.plans.LeftOuter
import org.apache.spark.sql.catalyst.plans.logical.{Join, LogicalPlan, Project}
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreePattern.{OUTER_JOIN, PYTHON_UDF}
import org.apache.spark.sql.execution.python.sparkweld.{EvalTypes, SparkInternals}
import org.apache.spark.sql.types.{DataType, DoubleType, FloatType, StringType}

/**
 * Moves the small model of a cascade below left joins, so that rows for which it is sure are not joined.
 *
 * {{{
 *   Project [id, f(a, title) score]              Project [id, remaining(sure, small, a, title) score]
 *     LeftOuter Join [key = movie]       ->        LeftOuter Join [if (sure) NULL else key = movie]
 *       Scan                                         Project [id, a, key, flags(a) > 0.5 sure, answers(a) small]
 *       Aggregate [movie, title]                       Scan
 *                                                  Aggregate [movie, title]
 * }}}
 *
 * Rewrites: a projection over left broadcast joins whose right sides have at most one row per key. So each left row is
 * returned exactly once, matched or not. Whether a row is sure is computed once, below, and a sure row finds no match: its key is
 * NULL, which Spark never looks up. (A condition beside the key would be evaluated only after the lookup.)
 *
 * Exceptions: a side that may have two rows for a key; an inner join, which drops rows; columns of a side that another
 * expression reads, or whose NULLs change the dtype of a batch; a function that processes its model's answer further. The cascade
 * then works above the joins. It also does so where the rewrite costs more than it saves: rows leave and enter a kernel once
 * more, and more kernels are planned. Runs once, after Spark has pruned columns and moved filters.
 */
object CascadeJoins extends Rule[LogicalPlan] with JoinSelectionHelper with PredicateHelper {
  /** CPU nanoseconds to move a value from one kernel into a row, and back. */
  private val ValueCost = 15.0
  /** Additional nanoseconds to plan and start the kernels. */
  private val PlanCost = 5e8

  override def apply(plan: LogicalPlan): LogicalPlan =
    if (!plan.containsAllPatterns(PYTHON_UDF, OUTER_JOIN) || plan.isStreaming) plan
    else SparkWeldRuntime.driver match {
      case Some(driver) if SparkWeldConf.Enabled.get(conf) && SparkWeldConf.PushdownEnabled.get(conf) &&
          SparkWeldConf.CascadeJoins.get(conf) != Mode.Never &&
          SparkWeldConf.ShadowFraction.get(conf) == 0 && Backend.of(conf) != Backend.Python =>
        WarnOnce.guard("the use of cascades below joins", plan) {
          plan.transformDownWithPruning(_.containsAllPatterns(PYTHON_UDF, OUTER_JOIN)) {
            case project @ Project(list, join: Join) if isSingle(join) && list.forall(_.deterministic) =>
              rewritten(project, join, driver).getOrElse(project)
          }
        }
      case _ => plan
    }

  /** Whether each row of the left side is returned exactly once, and the right side is broadcast. */
  private def isSingle(join: Join): Boolean = join match {
    case ExtractEquiJoinKeys(LeftOuter, _, keys, _, _, _, right, hint) =>
      val asked = Seq(hint.leftHint, hint.rightHint).flatten.flatMap(_.strategy)
      val sent = hintToBroadcastRight(hint) || asked.isEmpty && canBroadcastBySize(right, conf)
      sent && right.distinctKeys.exists(_.subsetOf(ExpressionSet(keys)))
    case _ => false
  }

  private def rewritten(project: Project, join: Join, driver: WeldDriver): Option[LogicalPlan] = {
    val sides = AttributeSet(sidesOf(join))
    val udfs = project.projectList.flatMap(ScalarTwins.outermost)
    val reading = udfs.filter(_.references.exists(sides.contains)).distinctBy(_.canonicalized)
    for {
      udf <- Option.when(reading.size == 1)(reading.head)
      if FullModels.mayHoldCascade(udf) && udf.evalType == EvalTypes.ScalarPandas && !udf.children.exists(_.containsPattern(PYTHON_UDF))
      if project.projectList.forall(onlyIn(_, udf, sides))
      if udf.references.forall(column => !sides.contains(column) || keepsDtype(column.dataType))
      request <- FunctionRequest.of("cascade_parts", udf, ScalarTwins.columnsOf(Seq(join)), conf).toOption
      reply <- driver.compiler.translate(request.saying("least", least(join)).pipeline.request, QueryPatience.of(conf)).toOption
      if !reply.path("flags").isNull
      names = reply.path("reads").elements().asScala.map(_.asText).toSeq
      reads = AttributeSet(names.flatMap(request.column(_).references))
      if reads.nonEmpty
      below = parts(udf, reads, reply)
      plan <- pushed(join, reads, below)
    } yield {
      val known = below.map(_.toAttribute)
      val above = SparkInternals.withCommand(udf, bytes(reply, "remaining")).copy(children = known ++ udf.children)
      val what = "rows of which the cascade's small model is sure are not joined"
      Rewritten.mark(above, Rewritten(udf.resultId.id, udf.name, "joined", what, Nil, Nil))
      project.copy(projectList = project.projectList.map(_.transform {
        case one: PythonUDF if one.semanticEquals(udf) => above
      }.asInstanceOf[NamedExpression]), child = plan)
    }
  }

  /** Returns the nanoseconds per row that must be saved. */
  private def least(join: Join): Double =
    if (SparkWeldConf.CascadeJoins.get(conf) == Mode.Always) Double.MinValue
    else (join.left.output.size + 2) * ValueCost + PlanCost / rowsOf(join)

  /** Estimates the number of rows as a power of two, because each different value is a new request to the compile service. */
  private def rowsOf(plan: LogicalPlan): Long = plan match {
    case join: Join if isSingle(join) => rowsOf(join.left)
    case Project(list, child) if list.forall(_.isInstanceOf[Attribute]) => rowsOf(child)
    case other => java.lang.Long.highestOneBit(RowEstimate.of(other, conf).min(Long.MaxValue).max(1).toLong)
  }

  /** Returns the columns that the joins add. */
  private def sidesOf(plan: LogicalPlan): Seq[Attribute] = plan match {
    case join: Join if isSingle(join) => join.right.output ++ sidesOf(join.left)
    case Project(list, child) if list.forall(_.isInstanceOf[Attribute]) => sidesOf(child)
    case _ => Nil
  }

  /** Whether only the function reads columns of the sides. */
  private def onlyIn(expression: Expression, udf: PythonUDF, sides: AttributeSet): Boolean = expression match {
    case one: PythonUDF if one.semanticEquals(udf) => true
    case column: Attribute => !sides.contains(column)
    case other => other.children.forall(onlyIn(_, udf, sides))
  }

  private def keepsDtype(dataType: DataType): Boolean = dataType match {
    case DoubleType | FloatType | _: StringType => true
    case _ => false
  }

  /** Returns the two columns of the small model: whether it is sure, and its answer. */
  private def parts(udf: PythonUDF, reads: AttributeSet, reply: JsonNode): Seq[Alias] = {
    def call(part: String, dataType: DataType): PythonUDF = {
      val made = SparkInternals.withCommand(udf, bytes(reply, part))
      made.copy(dataType = dataType, resultId = NamedExpression.newExprId, children = udf.children.map(_.transform {
        case column: Attribute if !reads.contains(column) => Literal.default(column.dataType)
      }))
    }
    val sure = GreaterThan(call("flags", DoubleType), Literal(0.5))
    Seq(Alias(Coalesce(Seq(sure, Literal(false))), "sure")(), Alias(call("answers", udf.dataType), "small")())
  }

  private def bytes(reply: JsonNode, part: String): Array[Byte] = Base64.getDecoder.decode(reply.path(part).asText)

  /**
   * Pushes the small model's columns below as many joins as possible, which then skip sure rows; None when it cannot be pushed.
   */
  private def pushed(plan: LogicalPlan, reads: AttributeSet, parts: Seq[Alias]): Option[LogicalPlan] = plan match {
    case join @ Join(left, _, _, Some(condition), _) if isSingle(join) && reads.subsetOf(left.outputSet) =>
      val below = pushed(left, reads, parts).getOrElse(Project(left.output ++ parts, left))
      Some(join.copy(left = below, condition = Some(unlessSure(condition, parts.head.toAttribute, join))))
    case Project(list, child) if list.forall(_.isInstanceOf[Attribute]) =>
      pushed(child, reads, parts).map(Project(list ++ parts.map(_.toAttribute), _))
    case _ => None
  }

  /** Returns the condition, changed so that no sure row satisfies it. */
  private def unlessSure(condition: Expression, sure: Attribute, join: Join): Expression = {
    def isKey(one: Expression, other: Expression) = canEvaluate(one, join.left) && canEvaluate(other, join.right) &&
      one.references.nonEmpty && other.references.nonEmpty
    def orNull(key: Expression) = If(sure, Literal(null, key.dataType), key)
    splitConjunctivePredicates(condition).map {
      case EqualTo(one, other) if isKey(one, other) => EqualTo(orNull(one), other)
      case EqualTo(one, other) if isKey(other, one) => EqualTo(one, orNull(other))
      case other => other
    } match {
      case made if made.exists(_.references.contains(sure)) => made.reduce[Expression](And(_, _))
      case _ => And(Not(sure), condition) // keys that match NULL
    }
  }
}
