package io.sparkweld
package rules

import java.nio.ByteBuffer
import java.nio.charset.StandardCharsets

import io.sparkweld.compile.Lru
import io.sparkweld.spark.CurrentSpark

import org.apache.spark.sql.catalyst.expressions.PythonUDF

/** Remembers the original functions of functions with a cascade, for queries that compare both. */
final class FullModels {
  private val originals = new Lru[ByteBuffer, Array[Byte]](FullModels.Remembered)

  def put(made: Array[Byte], original: Array[Byte]): Unit = originals.put(ByteBuffer.wrap(made), original)

  /** Returns the call with its original functions, where they are known. */
  def undone(udf: PythonUDF): PythonUDF = udf.transform {
    case one: PythonUDF => originals.get(ByteBuffer.wrap(one.func.command.toArray)).fold(one)(CurrentSpark.withCommand(one, _))
  }.asInstanceOf[PythonUDF]
}

private[rules] object FullModels {
  private val Remembered = 16

  /** Whether its command names a cascade, or is a broadcast, whose content only Python knows; other models are not sent. */
  def mayHoldCascade(udf: PythonUDF): Boolean = {
    val command = new String(udf.func.command.toArray, StandardCharsets.ISO_8859_1)
    command.contains("sparkweld.cascades.cascade") || command.contains("pyspark.core.broadcast")
  }
}
