package io.sparkweld
package ml

import scala.collection.immutable.ListMap
import scala.collection.mutable

import io.sparkweld.contract.{StageArray, StageDescription}

import org.apache.spark.sql.catalyst.expressions.ScalaUDF

/**
 * Collects the ML functions of one request, each described once regardless of its number of calls.
 *
 * @param blob adds bytes to the request, and returns their number
 */
final class StageTable(blob: Array[Byte] => Int) {
  private val numbers = new java.util.IdentityHashMap[AnyRef, Int]
  private val described = mutable.ArrayBuffer.empty[StageDescription]
  private val found = mutable.LinkedHashSet.empty[String]

  /** Returns their names for explain. */
  def names: Seq[String] = found.toSeq

  /** Returns the class of the model of a function. */
  def nameOf(number: Int): String = described(number).name

  def isEmpty: Boolean = described.isEmpty

  /** Returns the number of a function. Throws UnknownStage. */
  def number(udf: ScalaUDF): Int = Option(numbers.get(udf.function)).filter(_ => numbers.containsKey(udf.function)).getOrElse {
    val stage = MlStages.of(udf)
    found += stage.name
    val arrays = stage.arrays.map { case (key, array) => key -> StageArray(array.dtype, blob(array.bytes)) }
    described += StageDescription(stage.name, stage.params, ListMap(arrays: _*))
    numbers.put(udf.function, described.size - 1)
    described.size - 1
  }

  /** Returns the descriptions, by number. */
  def descriptions: Seq[StageDescription] = described.toList
}
