package io.sparkweld
package ml

import java.nio.{ByteBuffer, ByteOrder}

import scala.collection.immutable.ListMap

import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.{ArrayNode, BooleanNode, IntNode, JsonNodeFactory, TextNode}

/**
 * Describes one function of Spark's ML library for the compile service.
 *
 * `name` identifies the computation ("LogisticRegressionModel.predictRaw"). `params` are its few settings. `arrays` are its
 * learned numbers, as the bytes of little-endian values of a NumPy type.
 */
final case class MlStage(name: String, params: Map[String, JsonNode], arrays: Seq[(String, MlArray)]) {
  def ints(key: String, values: Array[Int]): MlStage = array(key, "<i4", 4, values.length)(buffer => values.foreach(buffer.putInt))

  def doubles(key: String, values: Array[Double]): MlStage =
    array(key, "<f8", 8, values.length)(buffer => values.foreach(buffer.putDouble))

  def flag(key: String, value: Boolean): MlStage = param(key, BooleanNode.valueOf(value))

  /** Adds a number as a hexadecimal string, which unlike JSON's numbers can be NaN or an infinity. */
  def number(key: String, value: Double): MlStage = text(key, java.lang.Double.toHexString(value))

  def int(key: String, value: Int): MlStage = param(key, IntNode.valueOf(value))

  def text(key: String, value: String): MlStage = param(key, TextNode.valueOf(value))

  def strings(key: String, values: Seq[String]): MlStage =
    param(key, values.foldLeft(new ArrayNode(JsonNodeFactory.instance, values.size))(_.add(_)))

  private def param(key: String, value: JsonNode): MlStage = copy(params = params + (key -> value))

  private def array(key: String, dtype: String, width: Int, count: Int)(fill: ByteBuffer => Unit): MlStage = {
    val buffer = ByteBuffer.allocate(Math.multiplyExact(width, count)).order(ByteOrder.LITTLE_ENDIAN)
    fill(buffer)
    copy(arrays = arrays :+ (key -> MlArray(dtype, buffer.array())))
  }
}

final case class MlArray(dtype: String, bytes: Array[Byte])

object MlStage {
  def apply(name: String): MlStage = MlStage(name, ListMap.empty, Nil)
}

/** Reports an unsupported model; `what` names the class, or the setting, for the refusal. */
final class UnknownStage(val code: String, val what: String) extends RuntimeException(what)
