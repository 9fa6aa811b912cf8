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
 * Answers rows of which a cascade's small model is sure below the joins that make features for the full model alone.
 *
 * {{{
 *   Project [id, f(a, title) score]              Project [id, remaining(sure, small, a, title) score]
 *     LeftOuter Join [key = movie]       ->        LeftOuter Join [if (sure) NULL else key = movie]
 *       Scan                                         Project [id, a, key, flags(a) > 0.5 sure, answers(a) small]
 *       Aggregate [movie, title]                       Scan
 *                                                  Aggregate [movie, title]
 * }}}
 *
 * What it rewrites: a projection over left joins by broadcast, each with one row at most for a key, so that a row comes out once
 * whether it finds one or not; whether a row is sure is asked once, below, and a sure row finds none. Its key is NULL, which Spark
 * never looks up; a condition beside the key would be asked of what was found. When it must not: a side
 * that may have two rows for a key, an inner join, which drops rows; columns of a side that something else reads, or whose
 * NULLs change the dtype of a batch; a function that does more with its model's answer than give it. The cascade then works above
 * the joins, and so it does where less is saved than is lost: rows leave a kernel and come back to one once more, and there are
 * more kernels to plan. Runs once, after Spark has pruned columns and moved filters.
 */
object CascadeJoins extends Rule[LogicalPlan] with JoinSelectionHelper with PredicateHelper {
  /** Nanoseconds of a processor that a value takes on its way from one kernel into a row, and back. */
  private val ValueCost = 15.0
  /** Nanoseconds that planning and starting the kernels takes longer. */
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

  /** Whether each row of the left side comes out once, and small tables are sent to where they are. */
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

  /** Nanoseconds a row that have to be saved. */
  private def least(join: Join): Double =
    if (SparkWeldConf.CascadeJoins.get(conf) == Mode.Always) Double.MinValue
    else (join.left.output.size + 2) * ValueCost + PlanCost / rowsOf(join)

  /** About how many rows there are: a power of two, since the compile service is asked anew for each. */
  private def rowsOf(plan: LogicalPlan): Long = plan match {
    case join: Join if isSingle(join) => rowsOf(join.left)
    case Project(list, child) if list.forall(_.isInstanceOf[Attribute]) => rowsOf(child)
    case other => java.lang.Long.highestOneBit(RowEstimate.of(other, conf).min(Long.MaxValue).max(1).toLong)
  }

  /** The columns that the joins add. */
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

  /** Whether the small model is sure, and what it answers. */
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

  /** The joins, as far down as the small model's columns are there, for rows that are not sure; None when that is nowhere. */
  private def pushed(plan: LogicalPlan, reads: AttributeSet, parts: Seq[Alias]): Option[LogicalPlan] = plan match {
    case join @ Join(left, _, _, Some(condition), _) if isSingle(join) && reads.subsetOf(left.outputSet) =>
      val below = pushed(left, reads, parts).getOrElse(Project(left.output ++ parts, left))
      Some(join.copy(left = below, condition = Some(unlessSure(condition, parts.head.toAttribute, join))))
    case Project(list, child) if list.forall(_.isInstanceOf[Attribute]) =>
      pushed(child, reads, parts).map(Project(list ++ parts.map(_.toAttribute), _))
    case _ => None
  }

  /** The condition, which no sure row meets. */
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
