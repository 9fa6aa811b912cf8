package io.sparkweld
package rules

import io.sparkweld.{SparkWeldConf, SparkWeldRuntime, WeldDriver}
import io.sparkweld.plan.Attempt
import io.sparkweld.support.{Backend, Refusal, RefusalTags, WarnOnce}

import org.apache.spark.sql.catalyst.expressions.{Left => _, Right => _, _}
import org.apache.spark.sql.catalyst.expressions.aggregate._
import org.apache.spark.sql.catalyst.plans.logical.{Aggregate, Filter, LogicalPlan, Project, Window}
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreeNodeTag
import org.apache.spark.sql.catalyst.trees.TreePattern.{AGGREGATE, PYTHON_UDF, WINDOW}
import org.apache.spark.sql.execution.python.ExtractPythonUDFFromAggregate
import org.apache.spark.sql.types.{ArrayType, DataType, DoubleType, FloatType, MapType, StringType, StructType}

/**
 * Rewrites grouped and window aggregate pandas UDFs to Spark's own aggregates and expressions over their results.
 *
 * Rewrites: an Aggregate or Window whose pandas UDFs are all compositions of reductions that the compile service
 * supports. Spark then aggregates partially before the shuffle, without a sort and without Python. Aggregates annotated with
 * mergeable results become states before the shuffle (`PartialAggregates`).
 *
 * Exceptions: streams; float keys (Python's plan and a hash aggregate show different zeros of a group); frames that can be
 * empty; one refused UDF; and a Python function above whose result depends on its batches, because the row order would change.
 * The reason is recorded on the UDF for explain. Runs once, before Spark pushes operators, and costs a plan without Python UDFs
 * one bit test.
 */
object AggregateRule extends Rule[LogicalPlan] {
  /** Marks the original of an Aggregate that is tried as a partial aggregation, so that it is not tried again. */
  private[rules] val Tried = TreeNodeTag[Unit]("sparkweld.tried")

  override def apply(plan: LogicalPlan): LogicalPlan =
    if (!plan.containsPattern(PYTHON_UDF) || !plan.containsAnyPattern(AGGREGATE, WINDOW)) plan
    else SparkWeldRuntime.driver match {
      case Some(driver) if Backend.of(conf) != Backend.Python =>
        WarnOnce.guard("the rewriting of aggregates", plan)(new AggregateRewriter(driver).rewrite(plan))
      case _ => plan
    }
}

private final class AggregateRewriter(driver: WeldDriver) {
  private def conf = AggregateRule.conf

  def rewrite(query: LogicalPlan): LogicalPlan = if (query.isStreaming || !query.exists(calls(_).nonEmpty)) query else {
    // An Aggregate may compute scalar functions of its results. Spark moves them above, where they receive its rows.
    val plan = ExtractPythonUDFFromAggregate(query)
    if (new CatalystEquivalents(driver.compiler, conf).batchesMatterAbove(plan, calls(_).nonEmpty)) {
      query.foreach(node => refuse(calls(node), Seq(Refusal("SW392"))))
      query
    } else {
      val (made, inPython) = rewritten(plan, Set.empty)
      val ordered = plan.collect { case node if ids(node).exists(inPython) => node.children.flatMap(idsOfGroups) }.flatten.toSet
      if (ordered.subsetOf(inPython)) made else rewritten(plan, ordered)._1
    }
  }

  /**
   * Returns the rewritten plan, and the calls that stay in Python. The calls `ordered` also stay, because Python aggregates above
   * depend on their row order: a Python function may take the first row of its group, whose rows come in the order of the
   * aggregate below.
   */
  private def rewritten(plan: LogicalPlan, ordered: Set[ExprId]): (LogicalPlan, Set[ExprId]) = {
    val inPython = scala.collection.mutable.Set.empty[ExprId]
    def orElse(node: LogicalPlan)(made: => Option[LogicalPlan]): LogicalPlan = {
      val found = if (ids(node).exists(ordered)) { refuse(calls(node), Seq(Refusal("SW392"))); None } else made
      if (found.isEmpty) inPython ++= ids(node)
      found.getOrElse(node)
    }
    val made = plan.transformUpWithPruning(_.containsPattern(PYTHON_UDF)) {
      case aggregate: Aggregate if calls(aggregate).nonEmpty && !isMixed(aggregate) =>
        orElse(aggregate)(grouped(aggregate).orElse(partial(aggregate)))
      case window: Window if calls(window).nonEmpty => orElse(window)(windowed(window))
    }
    (made, inPython.toSet)
  }

  private def ids(node: LogicalPlan): Seq[ExprId] = calls(node).map(_.resultId)

  /** Returns the ids of the Aggregates in the plan; a Window keeps the order of its rows. */
  private def idsOfGroups(plan: LogicalPlan): Seq[ExprId] = plan.collect { case aggregate: Aggregate => ids(aggregate) }.flatten

  private def calls(node: LogicalPlan): Seq[AggregateExpression] = {
    val expressions = node match {
      case aggregate: Aggregate => aggregate.aggregateExpressions
      case window: Window => window.windowExpressions
      case _ => Nil
    }
    expressions.flatMap(_.collect { case call @ AggregateExpression(_: PythonUDAF, _, _, _, _) => call })
  }

  /** Whether Spark's own functions are mixed with Python's, which Spark rejects. */
  private def isMixed(aggregate: Aggregate): Boolean =
    aggregate.aggregateExpressions.flatMap(_.collect { case call: AggregateExpression => call }).size > calls(aggregate).size

  private def refuse(calls: Seq[AggregateExpression], refusals: Seq[Refusal]): Unit =
    calls.map(_.aggregateFunction).foreach(RefusalTags.set(_, refusals))

  /** Translates each distinct call once; None when one is refused, which is then recorded on all of them. */
  private def translated(
      node: LogicalPlan, below: ArgumentPlan, kind: String, slices: AggregateExpression => Boolean = _ => false)(
      refusalOf: AggregateExpression => Option[Refusal]): Option[Map[Expression, Reductions]] = {
    val found = calls(node).groupBy(_.canonicalized).map { case (key, same) =>
      val call = same.head
      val udf = call.aggregateFunction.asInstanceOf[PythonUDAF]
      key -> refusalOf(call).map(refusal => Left(Seq(refusal)))
        .getOrElse(Reductions.of(udf, below, kind, slices(call), driver.compiler, conf))
    }
    val refused = found.values.collect { case Left(refusals) => refusals }.flatten.toSeq.distinct
    if (refused.nonEmpty) {
      refuse(calls(node), refused)
      None
    } else Some(found.collect { case (key, Right(made)) => key -> made })
  }

  private def plain(call: AggregateExpression): Option[Refusal] = Option.when(call.isDistinct || call.filter.isDefined) {
    Refusal("SW386", "eval_type" -> "an aggregate with DISTINCT or FILTER")
  }

  /**
   * Returns the Aggregate without Python. For no keys and no rows, PySpark returns no row and Spark's aggregate one: a Filter
   * drops it.
   */
  private def grouped(aggregate: Aggregate): Option[LogicalPlan] = {
    val below = new ArgumentPlan(aggregate.child)
    val loose = aggregate.groupingExpressions.find(key => !key.foldable && hasDistinctEquals(key.dataType))
    val byLoose = loose.map(key => Refusal("SW389", "key" -> key.sql))
    translated(aggregate, below, "aggregate")(plain(_).orElse(byLoose)).map { made =>
      val expressions = aggregate.aggregateExpressions.map(_.transform {
        case call: AggregateExpression if made.contains(call.canonicalized) => made(call.canonicalized).expression
      }.asInstanceOf[NamedExpression])
      if (aggregate.groupingExpressions.nonEmpty) aggregate.copy(aggregateExpressions = expressions, child = below.plan)
      else {
        val rows = Alias(Count(Literal(1)).toAggregateExpression(), "rows")()
        val all = aggregate.copy(aggregateExpressions = expressions :+ rows, child = below.plan)
        Project(expressions.map(_.toAttribute), Filter(GreaterThan(rows.toAttribute, Literal(0L)), all))
      }
    }
  }

  /** Returns the Window over Spark's aggregates, and a Project that computes the results from them. */
  private def windowed(window: Window): Option[LogicalPlan] = {
    val below = new ArgumentPlan(window.child)
    val frames = window.windowExpressions.collect { case Alias(WindowExpression(call, spec), _) =>
      call.canonicalized -> spec.frameSpecification // one call may have several frames
    }.groupMap(_._1)(_._2)
    def framesOf(call: AggregateExpression) = frames.getOrElse(call.canonicalized, Nil)
    translated(window, below, "window", framesOf(_).exists(!WindowFrames.isWhole(_))) { call =>
      val mine = framesOf(call)
      plain(call).orElse(Option.when(mine.isEmpty || !mine.forall(WindowFrames.holdTheirRow(_)))(Refusal("SW393")))
    }.map { made =>
      val computed = scala.collection.mutable.LinkedHashMap.empty[Expression, Alias]
      val results = window.windowExpressions.map {
        case alias @ Alias(WindowExpression(call, spec), name) =>
          val expression = made(call.canonicalized).over { (aggregate, whole) =>
            val over = WindowExpression(aggregate, if (whole) WindowFrames.whole(spec) else spec)
            computed.getOrElseUpdate(over.canonicalized, Alias(over, "aggregate")()).toAttribute
          }
          Alias(expression, name)(alias.exprId, alias.qualifier, alias.explicitMetadata)
        case other => other
      }
      Project(window.child.output ++ results, window.copy(windowExpressions = computed.values.toList, child = below.plan))
    }
  }

  /** Returns the partial aggregation, when all functions are annotated for it. Their other refusals are recorded. */
  private def partial(aggregate: Aggregate): Option[LogicalPlan] = {
    val found = calls(aggregate)
    val tried = aggregate.getTagValue(AggregateRule.Tried).nonEmpty
    if (tried || !SparkWeldConf.PipelineEnabled.get(conf) || found.exists(plain(_).isDefined)) None
    else new PartialAggregates(driver.compiler, conf).of(aggregate, found) match {
      case Right(plan) =>
        val original = aggregate.clone()
        original.setTagValue(AggregateRule.Tried, ())
        Some(Attempt(plan, original, found.map(_.aggregateFunction).collect { case udf: PythonUDAF => udf.name }.distinct.mkString(", ")))
      case Left(refusals) =>
        if (!refusals.exists(_.has("no_annotation"))) refuse(found, refusals) // the relevant reason for annotated functions
        None
    }
  }

  /** Whether Spark may consider different values of the type equal: floats, and strings with a collation. */
  private def hasDistinctEquals(dataType: DataType): Boolean = dataType match {
    case FloatType | DoubleType => true
    case text: StringType => text != StringType
    case struct: StructType => struct.fields.exists(field => hasDistinctEquals(field.dataType))
    case array: ArrayType => hasDistinctEquals(array.elementType)
    case map: MapType => hasDistinctEquals(map.keyType) || hasDistinctEquals(map.valueType)
    case _ => false
  }
}

/** Decides which frames of windows can be translated. */
private object WindowFrames {

  /** Whether every frame includes its own row, so that none is empty. */
  def holdTheirRow(frame: WindowFrame): Boolean = frame match {
    case SpecifiedWindowFrame(kind, lower, upper) => reaches(kind, lower, _ <= 0) && reaches(kind, upper, _ >= 0)
    case _ => false
  }

  /** Whether each row's frame is the whole partition. A worker calls the function once for it, not once for each row. */
  def isWhole(frame: WindowFrame): Boolean = frame match {
    case SpecifiedWindowFrame(_, UnboundedPreceding, UnboundedFollowing) => true
    case _ => false
  }

  /** Returns the same window with the whole partition as every row's frame: a worker makes its Series, and slices them. */
  def whole(spec: WindowSpecDefinition): WindowSpecDefinition =
    spec.copy(frameSpecification = SpecifiedWindowFrame(RowFrame, UnboundedPreceding, UnboundedFollowing))

  private def reaches(kind: FrameType, bound: Expression, inside: Int => Boolean): Boolean = bound match {
    case UnboundedPreceding | UnboundedFollowing | CurrentRow => true
    case Literal(rows: Int, _) => kind == RowFrame && inside(rows)
    case UnaryMinus(Literal(rows: Int, _), _) => kind == RowFrame && inside(-rows)
    case _ => false
  }
}
