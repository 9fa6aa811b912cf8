package io.sparkweld.ml

import scala.collection.mutable

import com.fasterxml.jackson.databind.node.ObjectNode

import io.sparkweld.compile.Frame

import org.apache.spark.sql.catalyst.expressions.ScalaUDF

/**
 * Collects the ML functions of one request, each described once regardless of its number of calls.
 *
 * @param blob adds bytes to the request, and returns their number
 */
final class StageTable(blob: Array[Byte] => Int) {
  private val numbers = new java.util.IdentityHashMap[AnyRef, Int]
  private val described = Frame.mapper.createArrayNode()
  private val found = mutable.LinkedHashSet.empty[String]

  /** Returns their names for explain. */
  def names: Seq[String] = found.toSeq

  def isEmpty: Boolean = described.isEmpty

  /** Returns the number of a function. Throws UnknownStage. */
  def number(udf: ScalaUDF): Int = Option(numbers.get(udf.function)).filter(_ => numbers.containsKey(udf.function)).getOrElse {
    val stage = MlStages.of(udf)
    found += stage.name
    val node = described.addObject().put("name", stage.name)
    node.set[ObjectNode]("params", stage.params)
    val arrays = node.putObject("arrays")
    stage.arrays.foreach { case (key, array) => arrays.putObject(key).put("dtype", array.dtype).put("blob", blob(array.bytes)) }
    numbers.put(udf.function, described.size - 1)
    described.size - 1
  }

  /** Adds the descriptions to the request. */
  def addTo(request: ObjectNode): Unit = request.set[ObjectNode]("stages", described)
}
