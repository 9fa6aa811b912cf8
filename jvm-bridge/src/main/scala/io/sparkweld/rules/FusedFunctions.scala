package io.sparkweld
package rules

import io.sparkweld.SparkWeldConf
import io.sparkweld.columns.ArrowColumns
import io.sparkweld.compile.{FunctionService, PipelineRequest}
import io.sparkweld.contract.{Constants, FusedGroup, FusedReply, Operation}
import io.sparkweld.plan.{ArrowBatches, ArrowBatchesExec, BatchLimits, PipelineExec}
import io.sparkweld.spark.{CurrentSpark, EvalTypes}
import io.sparkweld.support.{Backend, FusedFunction, Refusal, RefusalTags}

import org.apache.spark.sql.catalyst.expressions.{Alias, Attribute, AttributeReference, Expression, NamedArgumentExpression, PythonUDF}
import org.apache.spark.sql.execution.{ProjectExec, SparkPlan}
import org.apache.spark.sql.execution.python.ArrowEvalPythonExec
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types._

/**
 * Replaces a node's UDFs that have no kernel by functions that are fused for the Python worker.
 *
 * Rewrites: the commands of pandas and Arrow UDFs that call annotated functions of libraries. A function over an
 * iterator, which has its own node, becomes a function over each batch. A chain becomes one function. Adjacent functions take the
 * columns of all, so that one of them computes their common subexpressions. A function that is entirely a kernel is not fused: in
 * the JVM its operations cost less than sending its result from Python. The node, its batches and its columns do not change, and
 * each new command holds the old ones, which run where it may not decide. Exceptions: the body was refused for another
 * reason than a call, or the service is unavailable.
 */
private[rules] final class FusedFunctions(service: FunctionService, conf: SQLConf) {
  import ChainCuts.functions
  import FusedFunctions._

  def in(node: ArrowEvalPythonExec, refusals: Seq[Refusal]): ArrowEvalPythonExec =
    if (!isRequested || !refusals.exists(aboutBody) || refusals.exists(aboutService)) node
    else {
      val groups = runs(node).flatMap(fused(node, _))
      if (groups.isEmpty) node
      else {
        val made = groups.flatMap(_.udfs).toMap
        val rewritten = node.copy(udfs = node.udfs.zipWithIndex.map { case (udf, i) => made.getOrElse(i, udf) }, evalType = fusedType(node))
        rewritten.copyTagsFrom(node)
        FusedFunction.set(rewritten, groups.map(_.record), node)
        rewritten
      }
    }

  private def isRequested = SparkWeldConf.PipelineEnabled.get(conf) && Backend.of(conf) != Backend.Python

  /** Returns the runs of adjacent UDFs of the node, by number, for which a request can be built. */
  private def runs(node: ArrowEvalPythonExec): Seq[Seq[Int]] =
    node.udfs.indices.foldLeft(Seq.empty[Seq[Int]]) { (runs, i) =>
      if (request(node, Seq(i)).isEmpty) runs
      else runs.lastOption match {
        case Some(last) if last.last == i - 1 => runs.init :+ (last :+ i)
        case _ => runs :+ Seq(i)
      }
    }

  /** Returns the groups of UDFs, each with one plan, that the service makes of those with these numbers. */
  private def fused(node: ArrowEvalPythonExec, numbers: Seq[Int]): Seq[Group] = {
    val asked = numbers.map(node.udfs)
    for (request <- request(node, numbers).toSeq; reply <- answer(node, request).toSeq; group <- reply.fused if fits(group, asked)) yield {
      val arguments = group.arguments.map(from => valueOf(functions(asked(from.head)).head.children(from.last)))
      val udfs = group.udfs.zip(group.payloads).map { case (i, payload) =>
        val chain = functions(asked(i))
        val function = CurrentSpark.withCommand(chain.last.func, payload.bytes, chain.map(_.func))
        numbers(i) -> asked(i).copy(func = function, children = arguments, evalType = fusedType(node))
      }
      val names = group.udfs.map(i => functions(asked(i)).map(_.name).mkString(", ")).mkString(" + ")
      Group(udfs, FusedFunction(names, udfs.size, group.stages, group.block, group.moved, group.saves, group.repeats,
        group.metrics.bytes.toSeq))
    }
  }

  /** Returns the service's reply. Refusals about annotated calls are added to those of the kernel. */
  private def answer(node: ArrowEvalPythonExec, request: PipelineRequest): Option[FusedReply] = {
    val reply = service.answer(Operation.Fuse, request, QueryPatience.of(conf))
    val known = RefusalTags.get(node)
    val added = reply.left.toSeq.flatten.filter(refusal => refusal.has("annotated_call") && !known.contains(refusal))
    if (added.nonEmpty) RefusalTags.set(node, known ++ added)
    reply.toOption
  }

  private def valueOf(argument: Expression): Expression = argument match {
    case NamedArgumentExpression(_, value) => value
    case value => value
  }

  /**
   * Returns the node over the batches of its child; or over larger ones in Arrow's memory, when all of its functions are fused
   * and take columns directly, so that the JVM touches no row. Returns Spark's own node when its pipelines do not pay without
   * that.
   */
  def placed(node: ArrowEvalPythonExec): SparkPlan = {
    val fed = if (CurrentSpark.takesColumnarInput(node)) overBatches(node, None, node.output) else None
    fed.getOrElse {
      val records = FusedFunction.of(node)
      val pays = records.exists(record => record.repeats || record.saves > 0)
      FusedFunction.original(node).filterNot(_ => pays).fold(node: SparkPlan)(original => notPaying(original, node.child, records))
    }
  }

  /**
   * Returns Spark's own node. The reason is also set on the original node, because Spark does not replace a plan by an equal one.
   */
  private def notPaying(original: SparkPlan, child: SparkPlan, records: Seq[FusedFunction]): SparkPlan = {
    val costs = Refusal("SW649", "function" -> records.map(_.udf).mkString(" + "), "costs" -> f"${-records.map(_.saves).sum}%.1f")
    RefusalTags.set(original, RefusalTags.get(original) :+ costs)
    if (original.children.head eq child) original else original.withNewChildren(Seq(child))
  }

  /**
   * Returns the node over batches of a kernel, with the columns `output`, in place of the rows that Spark would feed to it; None
   * where rows are required.
   */
  def fedFromKernel(node: ArrowEvalPythonExec, kernel: SparkPlan, output: Seq[Attribute]): Option[SparkPlan] = {
    val over = node.withNewChildren(Seq(kernel)).asInstanceOf[ArrowEvalPythonExec]
    val limits = ArrowBatches.limitsOf(node, conf)
    Option.when(limits.nonEmpty && CurrentSpark.takesColumnarInput(over))(over).flatMap(overBatches(_, limits, output))
  }

  /** Returns the node over a projection that computes its non-column arguments; None where Arrow has no such column. */
  def lifted(node: ArrowEvalPythonExec): Option[ArrowEvalPythonExec] = {
    val computed = node.udfs.flatMap(_.children).filterNot(_.isInstanceOf[Attribute]).distinctBy(_.canonicalized)
    if (computed.isEmpty) Some(node)
    else Option.when(computed.forall(argument => argument.deterministic && ArrowColumns.holds(argument.dataType))) {
      val columns = computed.zipWithIndex.map { case (argument, i) => argument.canonicalized -> Alias(argument, s"argument$i")() }.toMap
      val udfs = node.udfs.map(udf => udf.copy(children = udf.children.map(c => columns.get(c.canonicalized).fold(c)(_.toAttribute))))
      val made = node.copy(udfs = udfs, child = ProjectExec(node.child.output ++ columns.values, node.child))
      made.copyTagsFrom(node)
      made
    }
  }

  private def overBatches(node: ArrowEvalPythonExec, limits: Option[BatchLimits], output: Seq[Attribute]): Option[PipelineExec] = {
    val places = node.udfs.flatMap(_.children).map(place(node, _))
    val held = node.child.output.forall(column => ArrowColumns.holds(column.dataType))
    val allFused = FusedFunction.of(node).map(_.functions).sum == node.udfs.size
    Option.when(allFused && !conf.arrowUseLargeVarTypes && held && !places.contains(None)) {
      val starts = AttributeReference(Starts, BooleanType, nullable = false)()
      val stateful = places.flatten.distinct.filter(i => EvalTypes.seesBatchState(node.evalType) && isStateful(node.child.output(i)))
      val udfs = node.udfs.map { udf =>
        udf.copy(evalType = EvalTypes.ScalarArrow, children = udf.children :+ NamedArgumentExpression(Starts, starts))
      }
      val function = CurrentSpark.withCommand(udfs.head, FusedFunction.of(node).head.metrics.toArray)
      val counted = AttributeReference(FusedFunction.Metrics, ByteType)()
      val counts = function.copy(name = FusedFunction.Metrics, dataType = ByteType, children = Seq(starts), resultId = counted.exprId)
      val made = node.copy(udfs = udfs :+ counts, resultAttrs = node.resultAttrs :+ counted,
        child = ArrowBatchesExec(starts, stateful, limits, node.child), evalType = EvalTypes.ScalarArrow)
      made.copyTagsFrom(node)
      PipelineExec(output, output, node.udfs.map(_.name), counted, made)
    }
  }

  /** Returns the index of the child's column that an argument is; None for any other expression. */
  private def place(node: ArrowEvalPythonExec, argument: Expression): Option[Int] = argument match {
    case NamedArgumentExpression(_, value) => place(node, value)
    case column: AttributeReference => Some(node.child.output.indexWhere(_.exprId == column.exprId)).filter(_ >= 0)
    case _ => None
  }

  /** Returns the request for the UDFs with these numbers; None when they cannot be sent. */
  private def request(node: ArrowEvalPythonExec, numbers: Seq[Int]): Option[PipelineRequest] =
    if (!numbers.map(node.udfs(_).evalType).forall(Fusable)) None
    else try {
      val part = node.copy(udfs = numbers.map(node.udfs), resultAttrs = numbers.map(node.resultAttrs))
      val built = new PipelineBuilder(Seq(part), node.child.output, None, conf, CurrentSpark.sparkConf(node)).build().request
      val message = built.message
      val settings = message.conf.copy(blockRows = Some(SparkWeldConf.PipelineBlockRows.get(conf)))
      Some(built.copy(message = message.copy(op = Operation.Fuse.name, conf = settings)))
    } catch { case _: ChainRefused => None }
}

private[rules] object FusedFunctions {

  /** UDFs of a node, by number, with the commands of one plan. */
  private final case class Group(udfs: Seq[(Int, PythonUDF)], record: FusedFunction)

  /**
   * The argument of a fused function that marks where Spark's batches start. With it, all arguments are Arrow arrays, not Series
   * (`sparkweld.worker.function`).
   */
  private val Starts = Constants.shared.workerPipelines.starts

  /** Whether pandas uses another dtype for the column in a batch with NULLs. */
  private def isStateful(column: Attribute): Boolean = column.nullable && (column.dataType match {
    case ByteType | ShortType | IntegerType | LongType | BooleanType | DateType => true
    case _ => false
  })

  /** Whether a refusal is about a function's body, for which a black-box call may be the cause. */
  private def aboutBody(refusal: Refusal): Boolean = Set("purity", "function", "model")(refusal.category)

  /** Kinds of UDF that may call them. */
  private val Fusable = Set(EvalTypes.ScalarPandas, EvalTypes.ScalarPandasIterator, EvalTypes.ScalarArrow, EvalTypes.ScalarArrowIterator)

  /** Returns the kind of the fused functions of a node: a function over an iterator becomes one over each batch. */
  private def fusedType(node: ArrowEvalPythonExec): Int =
    if (EvalTypes.seesBatchState(node.evalType)) EvalTypes.ScalarPandas else EvalTypes.ScalarArrow

  private def aboutService(refusal: Refusal): Boolean = Set("environment", "bug")(refusal.category)

  /** Whether a group is about the functions of its request. */
  private def fits(group: FusedGroup, asked: Seq[PythonUDF]): Boolean =
    group.udfs.nonEmpty && group.udfs.forall(asked.indices.contains) && group.payloads.size == group.udfs.size && group.arguments.forall {
      case Seq(of, at) => asked.indices.contains(of) && ChainCuts.functions(asked(of)).head.children.indices.contains(at)
      case _ => false
    }

  /** Whether a node has fused functions, so that nothing is left to do. */
  def has(node: SparkPlan): Boolean = FusedFunction.of(node).nonEmpty
}
