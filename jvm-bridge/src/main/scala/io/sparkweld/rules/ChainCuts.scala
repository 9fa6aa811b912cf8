package io.sparkweld
package rules

import scala.collection.mutable

import io.sparkweld.SparkWeldConf
import io.sparkweld.compile.FunctionService
import io.sparkweld.contract.{CutReply, Operation}
import io.sparkweld.spark.{CurrentSpark, EvalTypes}
import io.sparkweld.support.{CutChain, ExpressionDecoder, UnsupportedExpression}

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.execution.{ProjectExec, SparkPlan}
import org.apache.spark.sql.execution.python.{ArrowEvalPythonExec, BatchEvalPythonExec, EvalPythonExec}
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.DoubleType

/**
 * Divides chains of plain functions `bad(good(x))` that have no kernel as a whole: a kernel computes `good`, Python `bad`.
 *
 * Rewrites: the node of the chains to two nodes. The function of the upper node takes the kernel's result. Where this is NULL or NaN,
 * it computes the whole chain from the chain's arguments, which are NULL in other rows. For a container compares NaN by identity first:
 * it finds an object that is NaN, and no other NaN. Exceptions: other kinds of functions, named,
 * mutable or nondeterministic arguments, inner functions that a kernel cannot compute exactly, and those that cost less than the division.
 */
private[rules] final class ChainCuts(service: FunctionService, conf: SQLConf) {
  import ChainCuts._

  /** Returns the nodes of the inner functions, bottom up, and the outer ones above them; None when no chain can be divided. */
  def of(node: EvalPythonExec): Option[(Seq[SparkPlan], SparkPlan)] =
    if (!SparkWeldConf.PipelineEnabled.get(conf)) None
    else {
      val cuts = node.udfs.zip(node.resultAttrs).map { case (udf, result) => cut(node, udf, result) }
      Option.when(cuts.exists(_.nonEmpty)) {
        val inner = mutable.LinkedHashMap.empty[Expression, (PythonUDF, Attribute)]
        val computed = mutable.LinkedHashMap.empty[Expression, Alias] // Spark passes whole batches on where arguments are columns
        def column(value: Expression, name: String): Attribute =
          computed.getOrElseUpdate(value.canonicalized, Alias(value, s"$name${computed.size}")()).toAttribute
        val outer = node.udfs.zip(cuts).map {
          case (udf, None) => udf
          case (udf, Some(cut)) =>
            val (_, result) = inner.getOrElseUpdate(cut.inner.canonicalized,
              (cut.inner, AttributeReference(cut.inner.name, cut.inner.dataType)()))
            val decided = result.dataType match {
              case DoubleType => column(If(IsNaN(result), Literal(null, DoubleType), result), "decided")
              case _ => result
            }
            val whole = functions(udf)
            val arguments = whole.head.children.map {
              case constant if constant.foldable => constant
              case argument =>
                val isDecided = if (decided.eq(result)) IsNotNull(result) else And(IsNotNull(result), Not(IsNaN(result)))
                column(If(isDecided, Literal(null, argument.dataType), argument), "argument")
            }
            udf.copy(func = CurrentSpark.withCommand(udf.func, cut.payload, whole.map(_.func)), children = decided +: arguments)
        }
        val (udfs, results) = inner.values.toSeq.unzip
        val below = withUdfs(node, udfs, results, node.child)
        val masking = ProjectExec(below.output ++ computed.values, below)
        node.logicalLink.foreach(masking.setLogicalLink)
        val above = withUdfs(node, outer, node.resultAttrs, masking)
        above.copyTagsFrom(node)
        CutChain.set(Seq(below, masking), above, node)
        (Seq(below, masking), above)
      }
    }

  private def cut(node: EvalPythonExec, udf: PythonUDF, result: Attribute): Option[Cut] = {
    val chain = functions(udf)
    val isPlain = udf.evalType == EvalTypes.Batched || udf.evalType == EvalTypes.ArrowBatched
    // a function beside the chain may change a list or a dict before the chain's functions read it
    val fixed = SharedArguments.argumentsOf(udf).isEmpty &&
      chain.head.children.forall(argument => argument.deterministic && !isNamed(argument))
    if (chain.size == 1 || !isPlain || !fixed) None
    else for (reply <- answer(node, udf, result) if chain.indices.tail.contains(reply.functions); made <- inner(chain, reply)) yield made
  }

  private def inner(chain: Seq[PythonUDF], reply: CutReply): Option[Cut] =
    try {
      val last = chain(reply.functions - 1)
      Some(Cut(last.copy(dataType = ExpressionDecoder.typeOf(reply.`type`)), reply.payload.bytes))
    } catch { case _: UnsupportedExpression => None }

  private def answer(node: EvalPythonExec, udf: PythonUDF, result: Attribute): Option[CutReply] =
    try {
      val part = withUdfs(node, Seq(udf), Seq(result), node.child)
      val built = new PipelineBuilder(Seq(part), node.child.output, None, conf, CurrentSpark.sparkConf(node)).build().request
      val request = built.copy(message = built.message.copy(op = Operation.Cut.name))
      service.answer(Operation.Cut, request, QueryPatience.of(conf)).toOption
    } catch { case _: ChainRefused => None }
}

private[rules] object ChainCuts {

  /** The inner functions of a chain, and the command of the function of their result. */
  private final case class Cut(inner: PythonUDF, payload: Array[Byte])

  /** Returns the functions of a chain, innermost first. */
  def functions(udf: PythonUDF): Seq[PythonUDF] = udf.children match {
    case Seq(inner: PythonUDF) => functions(inner) :+ udf
    case _ => Seq(udf)
  }

  /** Returns a node of the same kind, with other functions. */
  def withUdfs(node: EvalPythonExec, udfs: Seq[PythonUDF], results: Seq[Attribute], child: SparkPlan): EvalPythonExec = node match {
    case arrow: ArrowEvalPythonExec => arrow.copy(udfs = udfs, resultAttrs = results, child = child)
    case _ => BatchEvalPythonExec(udfs, results, child)
  }

  private def isNamed(argument: Expression): Boolean = argument.isInstanceOf[NamedArgumentExpression]
}
