package io.sparkweld
package rules

import io.sparkweld.ml.MlStages
import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.FusedFunction

import org.apache.spark.sql.catalyst.expressions.{Expression, PythonUDF, PythonUDTF}
import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.execution.python.{EvalPythonExec, EvalPythonUDTFExec}

/** Matches a node of Spark's that calls Python functions. */
object PythonNode {
  private val Folder = packageOf(classOf[EvalPythonExec])

  def is(node: SparkPlan): Boolean = unapply(node).isDefined

  def unapply(node: SparkPlan): Option[Seq[PythonUDF]] =
    if (packageOf(node.getClass) != Folder) None
    else {
      val udfs = node match {
        case python: EvalPythonExec => python.udfs.filterNot(_.name == FusedFunction.Metrics)
        case other => CurrentSpark.aggregateOf(other).map(_.udfs)
            .getOrElse(other.expressions.flatMap(_.collect { case udf: PythonUDF => udf }))
      }
      Option.when(udfs.nonEmpty)(udfs)
    }

  /** Whether an expression calls a Python function with one of these names. */
  def calls(expression: Expression, names: Set[String]): Boolean = expression.exists {
    case udf: PythonUDF => names(udf.name)
    case _ => false
  }

  private def packageOf(of: Class[_]) = of.getName.take(of.getName.lastIndexOf('.'))
}

/** Matches a node that calls a Python table function (UDTF). */
object PythonTableFunction {
  def is(node: SparkPlan): Boolean = unapply(node).isDefined

  def unapply(node: SparkPlan): Option[PythonUDTF] = node match {
    case python: EvalPythonUDTFExec => Some(python.udtf)
    case _ => None
  }
}

/**
 * Matches a node of Spark's that is worth a kernel: it calls Python functions, or functions of Spark's ML library. A vector that
 * is only assembled, for a function that stays Spark's, is not.
 */
object KernelNode {
  def is(node: SparkPlan): Boolean = PythonNode.is(node) || MlNode.unapply(node).exists(_.exists(!MlStages.isAssembler(_)))
}
