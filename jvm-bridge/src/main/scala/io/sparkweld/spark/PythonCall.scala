package io.sparkweld
package spark

import scala.collection.mutable.ArrayBuffer

import org.apache.spark.sql.catalyst.expressions.{Expression, NamedArgumentExpression, PythonUDF}
import org.apache.spark.sql.types.{StructField, StructType}

/** An argument of a function: its position among the distinct arguments of the node, and its name when it is passed by name. */
final case class PythonArgument(position: Int, name: Option[String])

/**
 * Collects the distinct argument expressions of one node's functions, and the arguments that each function takes, as Spark does.
 */
final class PythonCall(udfs: Seq[PythonUDF]) {
  private val distinct = ArrayBuffer.empty[Expression]

  /** The chain of each function, the innermost first: Python passes the result of one to the next. */
  val chains: Seq[Seq[PythonUDF]] = udfs.map(chainOf)

  /** The arguments of the innermost function of each chain. */
  val parameters: Seq[Seq[PythonArgument]] = chains.map(_.head.children.map {
    case NamedArgumentExpression(key, value) => PythonArgument(position(value), Some(key))
    case value => PythonArgument(position(value), None)
  })

  val arguments: Seq[Expression] = distinct.toSeq

  val schema: StructType = StructType(arguments.zipWithIndex.map { case (value, i) => StructField(s"_$i", value.dataType) })

  private def position(value: Expression): Int = {
    val known = distinct.indexWhere(_.semanticEquals(value))
    if (known < 0) distinct += value
    if (known < 0) distinct.size - 1 else known
  }

  private def chainOf(udf: PythonUDF): Seq[PythonUDF] = udf.children match {
    case Seq(inner: PythonUDF) => chainOf(inner) :+ udf
    case _ => Seq(udf)
  }
}
