package io.sparkweld
package rules

import io.sparkweld.columns.NestedParts
import io.sparkweld.support.ExpressionCodec

import org.apache.spark.sql.types._

/**
 * Encodes a value that is stored as parts (see [[NestedParts]]) as an expression of the columns of these.
 *
 * @param column returns the column of a part, by its location, its name and its type
 */
private[rules] final class PartExpressions(nullable: Boolean, column: (Seq[Int], String, DataType) => contract.Expression) {

  /** Returns the expression of a value with this name in messages. */
  def of(dataType: DataType, name: String): contract.Expression = dataType match {
    case map: MapType => entries(map, name, Nil, first = 0)
    case ArrayType(element, _) => elements(element, name, Nil)
    case other => throw new IllegalStateException(s"parts of ${other.catalogString}")
  }

  /** Returns the elements of all arrays at a location, as one array. */
  private def elements(of: DataType, name: String, part: Seq[Int]): contract.Expression = of match {
    case struct: StructType =>
      parts("ArraysZip", ArrayType(of), struct.fields.toSeq.zipWithIndex.map { case (field, i) =>
        field.name -> elements(field.dataType, s"$name.${field.name}", part :+ i)
      })
    case ArrayType(inner, _) => slices(of, name, part, elements(inner, s"$name.elements", part :+ 2))
    case map: MapType => slices(of, name, part, entries(map, name, part, first = 2))
    case time if NestedParts.isTime(time) =>
      val number = if (time == DateType) IntegerType else LongType
      parts("Times", ArrayType(time), Seq("numbers" -> column(part, name, ArrayType(number))))
    case leaf => column(part, name, ArrayType(leaf))
  }

  private def entries(map: MapType, name: String, part: Seq[Int], first: Int): contract.Expression =
    parts("MapFromArrays", map, Seq("keys" -> elements(map.keyType, s"$name.keys", part :+ first),
      "values" -> elements(map.valueType, s"$name.values", part :+ (first + 1))))

  private def slices(of: DataType, name: String, part: Seq[Int], elements: contract.Expression): contract.Expression =
    parts("Slices", ArrayType(of), Seq("starts" -> column(part :+ 0, s"$name.starts", NestedParts.Indices),
      "ends" -> column(part :+ 1, s"$name.ends", NestedParts.Indices), "elements" -> elements))

  private def parts(op: String, of: DataType, named: Seq[(String, contract.Expression)]): contract.Expression =
    contract.Expression(op, `type` = ExpressionCodec.typeOf(of), nullable = Some(nullable), names = Some(named.map(_._1)),
      args = Some(named.map(_._2)))
}
