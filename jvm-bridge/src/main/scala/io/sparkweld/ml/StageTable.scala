package io.sparkweld.ml

import scala.collection.mutable

import com.fasterxml.jackson.databind.node.ObjectNode

import io.sparkweld.compile.Frame

import org.apache.spark.sql.catalyst.expressions.ScalaUDF

/**
 * The ML functions of one request, each described once however often it is called.
 *
 * @param blob adds bytes to the request, and gives their number
 */
final class StageTable(blob: Array[Byte] => Int) {
  private val numbers = new java.util.IdentityHashMap[AnyRef, Int]
  private val described = Frame.mapper.createArrayNode()
  private val found = mutable.LinkedHashSet.empty[String]

  /** What explain calls them. */
  def names: Seq[String] = found.toSeq

  def isEmpty: Boolean = described.isEmpty

  /** The number of a function. Throws UnknownStage. */
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

  /** Adds them to the request. */
  def addTo(request: ObjectNode): Unit = request.set[ObjectNode]("stages", described)
}
