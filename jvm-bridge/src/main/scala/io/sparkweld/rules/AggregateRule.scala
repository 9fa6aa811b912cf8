package io.sparkweld.rules

import io.sparkweld.{SparkWeldConf, SparkWeldRuntime, WeldDriver}
import io.sparkweld.expressions.Moment2
import io.sparkweld.support._

import com.fasterxml.jackson.databind.JsonNode

import scala.collection.mutable
import scala.jdk.CollectionConverters._

import org.apache.spark.sql.catalyst.expressions.{Left => _, Right => _, _}
import org.apache.spark.sql.catalyst.expressions.aggregate._
import org.apache.spark.sql.catalyst.plans.logical.{Aggregate, Filter, LogicalPlan, Project}
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreePattern.{AGGREGATE, PYTHON_UDF}
import org.apache.spark.sql.types.{ArrayType, DataType, DoubleType, FloatType, LongType, MapType, StructType}

/**
 * Turns grouped aggregate pandas UDFs into Spark's own aggregates and expressions over their results.
 *
 * What it rewrites: an Aggregate whose pandas UDFs are all compositions of reductions that the compile service knows.
 * Spark then aggregates partially before the shuffle, without a sort and without Python. When it must not: streams,
 * float keys (Python's plan and a hash aggregate show another zero of a group), one UDF that is refused. The reason is
 * kept on the UDF for explain. Runs once, before Spark pushes operators, and costs a plan without Python UDFs one test
 * of a bit.
 */
object AggregateRule extends Rule[LogicalPlan] {

  override def apply(plan: LogicalPlan): LogicalPlan =
    if (!plan.containsAllPatterns(AGGREGATE, PYTHON_UDF)) plan
    else SparkWeldRuntime.driver match {
      case Some(driver) if SparkWeldConf.Enabled.get(conf) && Backend.of(conf) != Backend.Python =>
        WarnOnce.guard("the rewriting of aggregates", plan)(new AggregateRewriter(driver).rewrite(plan))
      case _ => plan
    }
}

/** A UDF that was translated: the expression that stands in its place, and what explain says of it. */
private final case class Translated(expression: Expression, record: Rewritten)

private final class AggregateRewriter(driver: WeldDriver) {
  private def conf = AggregateRule.conf

  def rewrite(plan: LogicalPlan): LogicalPlan = plan.transformUpWithPruning(_.containsAllPatterns(AGGREGATE, PYTHON_UDF)) {
    case aggregate: Aggregate if !aggregate.isStreaming && calls(aggregate).nonEmpty => rewritten(aggregate).getOrElse(aggregate)
  }

  private def calls(aggregate: Aggregate): Seq[AggregateExpression] = aggregate.aggregateExpressions.flatMap(_.collect {
    case call @ AggregateExpression(_: PythonUDAF, _, _, _, _) => call
  })

  private def rewritten(aggregate: Aggregate): Option[LogicalPlan] = {
    val below = new ArgumentPlan(aggregate.child)
    val outcomes = mutable.LinkedHashMap.empty[Expression, (PythonUDAF, Either[Seq[Refusal], Translated])]
    calls(aggregate).foreach { call =>
      val udf = call.aggregateFunction.asInstanceOf[PythonUDAF]
      outcomes.getOrElseUpdate(call.canonicalized, (udf, refusalOf(aggregate, call).map(r => Left(Seq(r))).getOrElse(translate(udf, below))))
    }
    val refused = outcomes.values.collect { case (udf, Left(refusals)) => udf -> refusals }.toSeq
    if (refused.nonEmpty) {
      calls(aggregate).map(_.aggregateFunction).foreach(udf => RefusalTags.set(udf, refused.flatMap(_._2).distinct))
      None
    } else {
      val made = outcomes.collect { case (key, (_, Right(translated))) => key -> translated }
      Some(assembled(aggregate, below, made.toMap))
    }
  }

  private def refusalOf(aggregate: Aggregate, call: AggregateExpression): Option[Refusal] = {
    val udf = call.aggregateFunction.asInstanceOf[PythonUDAF]
    val floats = aggregate.groupingExpressions.find(key => !key.foldable && holdsFloats(key.dataType))
    if (call.isDistinct || call.filter.isDefined) Some(Refusal("SW386", "eval_type" -> s"${udf.evalType} with DISTINCT or FILTER"))
    else floats.map(key => Refusal("SW389", "key" -> key.sql))
  }

  private def holdsFloats(dataType: DataType): Boolean = dataType match {
    case FloatType | DoubleType => true
    case struct: StructType => struct.fields.exists(field => holdsFloats(field.dataType))
    case array: ArrayType => holdsFloats(array.elementType)
    case map: MapType => holdsFloats(map.keyType) || holdsFloats(map.valueType)
    case _ => false
  }

  private def translate(udf: PythonUDAF, below: ArgumentPlan): Either[Seq[Refusal], Translated] =
    for {
      request <- FunctionRequest.of("aggregate", below.scalar(udf), below.output, conf)
      reply <- driver.compiler.translate(request.pipeline.request, SparkWeldConf.CompileTimeout.get(conf))
      translated <- decoded(udf, request, reply)
    } yield translated

  private def decoded(udf: PythonUDAF, request: FunctionRequest, reply: JsonNode): Either[Seq[Refusal], Translated] =
    try {
      val rows = new ExpressionDecoder(request.column)
      val aggregates = reply.path("aggregates").elements().asScala.map(aggregateOf(_, rows)).toIndexedSeq
      val groups = new ExpressionDecoder(name => aggregates(name.stripPrefix("aggregate").toInt))
      val result = groups.decode(reply.path("result"))
      if (result.dataType != udf.dataType) throw new UnsupportedExpression(s"a result of type ${result.dataType.sql}")
      val record = Rewritten(udf.resultId.id, udf.name, "aggregate", "partial and final aggregation", Rewritten.kept(reply), Rewritten.notes(reply))
      // A bare aggregate would become a mere attribute, without the record. What the service calls plain is never NULL.
      val tagged = if (result.isInstanceOf[AggregateExpression]) KnownNotNull(result) else result
      Right(Translated(tagged, record))
    } catch {
      case unknown: UnsupportedExpression => Left(Seq(Refusal("SW512", "what" -> s"it holds ${unknown.what}")))
    }

  private def aggregateOf(json: JsonNode, rows: ExpressionDecoder): Expression = {
    lazy val value = rows.decode(json.path("expr"))
    val function: AggregateFunction = json.path("kind").asText match {
      case "rows" => Count(Literal(1))
      case "sum" if value.dataType == LongType || value.dataType == DoubleType => Sum(value, ExpressionDecoder.wraps)
      case "min" => Min(value)
      case "max" => Max(value)
      case "moment2" => Moment2(value)
      case other => throw new UnsupportedExpression(s"an aggregate $other")
    }
    function.toAggregateExpression()
  }

  /** The Aggregate without Python. Without keys and rows, PySpark's gives no row, Spark's own one: a Filter drops it. */
  private def assembled(aggregate: Aggregate, below: ArgumentPlan, made: Map[Expression, Translated]): LogicalPlan = {
    def replaced(expression: NamedExpression): NamedExpression = expression.transform {
      case call: AggregateExpression if made.contains(call.canonicalized) =>
        val translated = made(call.canonicalized)
        Rewritten.mark(translated.expression.clone(), translated.record)
    }.asInstanceOf[NamedExpression]
    val expressions = aggregate.aggregateExpressions.map(replaced)
    if (aggregate.groupingExpressions.nonEmpty) aggregate.copy(aggregateExpressions = expressions, child = below.plan)
    else {
      val rows = Alias(Count(Literal(1)).toAggregateExpression(), "rows")()
      val all = aggregate.copy(aggregateExpressions = expressions :+ rows, child = below.plan)
      Project(expressions.map(_.toAttribute), Filter(GreaterThan(rows.toAttribute, Literal(0L)), all))
    }
  }
}

/** The plan below an aggregate, with the scalar UDFs among the arguments as columns of a Project. */
private final class ArgumentPlan(child: LogicalPlan) {
  private val computed = mutable.LinkedHashMap.empty[Expression, Alias]

  def plan: LogicalPlan = if (computed.isEmpty) child else Project(child.output ++ computed.values, child)

  def output: Seq[Attribute] = plan.output

  /** The aggregate UDF as a scalar one, whose form requests speak of. */
  def scalar(udf: PythonUDAF): PythonUDF = {
    val arguments = udf.children.map(_.transformUp {
      case inner: PythonUDF => computed.getOrElseUpdate(inner.canonicalized, Alias(inner, inner.name)()).toAttribute
    })
    PythonUDF(udf.name, udf.func, udf.dataType, arguments, udf.evalType, udf.udfDeterministic, udf.resultId)
  }
}
