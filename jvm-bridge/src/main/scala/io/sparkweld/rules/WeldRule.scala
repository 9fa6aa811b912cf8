package io.sparkweld.rules

import io.sparkweld.{SparkWeldConf, SparkWeldRuntime, WeldDriver}
import io.sparkweld.compile.{Compiled, Refused}
import io.sparkweld.plan._
import io.sparkweld.support.{ExpressionCodec, Refusal, RefusalTags, WarnOnce}

import org.apache.spark.sql.catalyst.expressions.PythonUDF
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.execution.python.ArrowEvalPythonExec
import org.apache.spark.sql.execution.python.sparkweld.SparkInternals
import org.apache.spark.sql.types.{BooleanType, ByteType, DataType, DateType, DoubleType, FloatType, IntegerType, LongType, ShortType}

/**
 * Turns maximal chains of Project, Filter and ArrowEvalPython (scalar pandas) into WeldExec nodes.
 *
 * What it rewrites: a chain that the compile service turned into a program. When the service refuses one of its nodes, that node stays
 * Spark's and the parts of the chain below and above it are tried on their own.
 * When it must not: the plugin's driver half is not running, `spark.sparkweld.enabled` is false, or a refusal; the reason is then
 * recorded on the node for explain. It never throws, and a plan without a Python UDF costs it one walk over the nodes.
 */
object WeldRule extends Rule[SparkPlan] {

  override def apply(plan: SparkPlan): SparkPlan =
    if (!plan.exists(_.isInstanceOf[ArrowEvalPythonExec])) plan
    else SparkWeldRuntime.driver match {
      case Some(driver) if SparkWeldConf.Enabled.get(conf) =>
        WarnOnce.guard("the rewriting of a plan", plan)(new ChainRewriter(driver).rewrite(plan))
      case _ => plan
    }
}

/** One application of the rule. */
private final class ChainRewriter(driver: WeldDriver) {
  private def conf = WeldRule.conf

  def rewrite(plan: SparkPlan): SparkPlan = {
    val links = Iterator.iterate(Option(plan).filter(Step.of(_).isDefined))(_.flatMap(below)).takeWhile(_.isDefined).flatten.toIndexedSeq
    if (links.exists(_.isInstanceOf[ArrowEvalPythonExec])) {
      val base = rewrite(links.last.children.head)
      assemble(links.reverse, base, links.filterNot(fusible).toSet)
    } else plan.mapChildren(rewrite)
  }

  private def below(node: SparkPlan): Option[SparkPlan] = node.children.headOption.filter(Step.of(_).isDefined)

  /** Cheap checks that need no service; a Python node that fails them is tagged. */
  private def fusible(node: SparkPlan): Boolean = node match {
    case python: ArrowEvalPythonExec =>
      val supported = python.evalType == SparkInternals.ScalarPandas
      if (!supported) RefusalTags.set(python, Seq(Refusal("SW301", "udf" -> python.udfs.map(_.name).mkString(", "), "type" -> python.evalType.toString)))
      supported
    case _ => SparkWeldConf.FusionEnabled.get(conf)
  }

  /** Puts the chain `nodes` (bottom up) over `base`, with every run of nodes that are not `outside` as one kernel if possible. */
  private def assemble(nodes: IndexedSeq[SparkPlan], base: SparkPlan, outside: Set[SparkPlan]): SparkPlan = {
    var child = base
    var rest = nodes
    while (rest.nonEmpty) {
      val run = rest.takeWhile(!outside(_))
      if (run.exists(_.isInstanceOf[ArrowEvalPythonExec])) child = compile(run, child)
      else child = run.foldLeft(child)(keep)
      rest = rest.drop(run.length)
      rest.headOption.foreach(node => child = keep(child, node))
      rest = rest.drop(1)
    }
    child
  }

  /** `node` as Spark planned it, over the new child. */
  private def keep(child: SparkPlan, node: SparkPlan): SparkPlan = (node, child) match {
    case (_, same) if same eq node.children.head => node
    case (python: ArrowEvalPythonExec, weld: WeldExec) => python.withNewChildren(Seq(RowInputExec(weld)))
    case _ => node.withNewChildren(Seq(child))
  }

  private def compile(nodes: IndexedSeq[SparkPlan], child: SparkPlan): SparkPlan = {
    val outcome: Either[Seq[Refusal], SparkPlan] =
      try {
        checkConversions(nodes, child)
        val pipeline = new PipelineBuilder(nodes, child.output, conf, SparkInternals.sparkConf(nodes.head)).build()
        driver.compiler.compile(pipeline.request, Set.empty, SparkWeldConf.CompileTimeout.get(conf)) match {
          case Refused(refusals) => Left(refusals)
          case program: Compiled => Right(weld(nodes, child, pipeline, program))
        }
      } catch { case refused: ChainRefused => Left(Seq(refused.refusal)) }
    outcome match {
      case Right(weld) => weld
      case Left(refusals) => without(nodes, child, refusals)
    }
  }

  /** The chain without the nodes that were refused; with a refusal of no node in particular, all of it stays Spark's. */
  private def without(nodes: IndexedSeq[SparkPlan], child: SparkPlan, refusals: Seq[Refusal]): SparkPlan = {
    val byNode = refusals.map(refusal => refusal -> refusedNodes(nodes, refusal))
    val refused = byNode.flatMap(_._2).toSet
    nodes.foreach {
      case python: ArrowEvalPythonExec =>
        val own = byNode.collect { case (refusal, about) if about.isEmpty || about.contains(python) => refusal }
        if (own.nonEmpty) RefusalTags.set(python, own)
      case _ => ()
    }
    if (byNode.exists(_._2.isEmpty)) nodes.foldLeft(child)(keep) else assemble(nodes, child, refused)
  }

  /** The nodes that a refusal is about: that of its step, unless its UDF is elsewhere; none when it names neither. */
  private def refusedNodes(nodes: IndexedSeq[SparkPlan], refusal: Refusal): Seq[SparkPlan] = {
    val atStep = refusal.step.flatMap(nodes.lift)
    val withUdf = refusal.udf.toSeq.flatMap(udf => nodes.filter(hasUdf(_, udf)))
    if (withUdf.isEmpty || atStep.exists(withUdf.contains)) atStep.toSeq else withUdf
  }

  private def hasUdf(node: SparkPlan, name: String): Boolean = node match {
    case python: ArrowEvalPythonExec => python.udfs.exists(_.exists { case udf: PythonUDF => udf.name == name; case _ => false })
    case _ => false
  }

  private def weld(nodes: IndexedSeq[SparkPlan], child: SparkPlan, pipeline: Pipeline, program: Compiled): SparkPlan = {
    val types = program.outputTypes.map(ChainRewriter.typeNamed).toArray
    val loaded = program.inputs.map(pipeline.inputs(_).dataType)
    (types ++ loaded).find(!ExpressionCodec.holds(_)).foreach { wrong =>
      throw new ChainRefused(Refusal("SW512", "what" -> s"its kernel has a column of type ${wrong.sql}"))
    }
    val first = nodes.collectFirst { case python: ArrowEvalPythonExec => python }.get
    val columnarInput = (nodes.head eq first) && SparkInternals.takesColumnarInput(first)
    val kernel = pipeline.plan(types, PipelineBuilder.rowLimit(first, columnarInput, conf))
    val summary = KernelSummary(program.hash, pipeline.udfs, program.fused, program.kept, program.notes, program.guarded)
    val node = WeldExec(nodes.map(Step.of(_).get), kernel, summary, columnarInput, nodes.last.output, child)
    node.copyTagsFrom(nodes.last)
    driver.compiler.prefetch(pipeline.request.service, program.program, program.hash)
    node
  }

  /** Rows on the way in, and results on the way back from Python, must have a columnar form in Spark. */
  private def checkConversions(nodes: Seq[SparkPlan], child: SparkPlan): Unit = {
    val converted = (if (child.supportsColumnar) Nil else child.output) ++ nodes.last.output
    converted.find(column => !SparkInternals.hasColumnarForm(column.dataType, column.nullable)).foreach { column =>
      throw new ChainRefused(Refusal("SW308", "column" -> column.name, "type" -> column.dataType.sql))
    }
  }
}

private object ChainRewriter {
  private val types: Map[String, DataType] =
    Seq(BooleanType, ByteType, ShortType, IntegerType, LongType, FloatType, DoubleType, DateType).map(t => t.typeName -> t).toMap

  def typeNamed(name: String): DataType =
    types.getOrElse(name, throw new ChainRefused(Refusal("SW512", "what" -> s"its kernel gives a column of type $name")))
}
