package io.sparkweld
package expressions

import io.sparkweld.spark.{CurrentSpark, Throwing}

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.LeafExpression
import org.apache.spark.sql.catalyst.expressions.codegen.{CodegenContext, CodeGenerator, ExprCode, FalseLiteral}
import org.apache.spark.sql.catalyst.expressions.codegen.Block._
import org.apache.spark.sql.types.DataType

/**
 * Ends the task with the exception that PySpark's worker raises for this row.
 *
 * `error` is "<class>: <message>", as Python writes it. It is placed in a branch that only such rows take; like Spark's own
 * RaiseError it is never folded.
 */
final case class RaisePython(error: String, dataType: DataType) extends LeafExpression with Throwing {
  override def nullable: Boolean = true
  override def prettyName: String = "raise_python"

  override def eval(input: InternalRow): Any = throw CurrentSpark.pythonException(error)

  override protected def doGenCode(ctx: CodegenContext, ev: ExprCode): ExprCode = {
    val raise = ctx.addReferenceObj("raise", new RaisePython.Thrower(error))
    ev.copy(
      code = code"""
        $raise.raise();
        ${CodeGenerator.javaType(dataType)} ${ev.value} = ${CodeGenerator.defaultValue(dataType)};""",
      isNull = FalseLiteral)
  }
}

object RaisePython {

  /** Raises the exception for generated code. */
  final class Thrower(error: String) extends Serializable {
    def raise(): Unit = throw CurrentSpark.pythonException(error)
  }
}
