package io.sparkweld
package columns

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.util.{ArrayData, GenericArrayData, MapData}
import org.apache.spark.sql.types._
import org.apache.spark.sql.vectorized.ColumnVector

/**
 * Takes maps, and arrays of structs, arrays or maps, apart: into arrays of elements that kernels support.
 *
 * Structs have one part for each field. Arrays within an array, and maps, are stored as the indices at which they start and end
 * among all elements of the row, and as these elements. A part is located by the numbers of the parts that hold it:
 *  - of structs: the number of the field;
 *  - of arrays within an array: 0 the starts, 1 the ends, 2 their elements;
 *  - of maps within an array: 0 the starts, 1 the ends, 2 their keys, 3 their values;
 *  - of the map of a row: 0 its keys, 1 its values.
 */
private[sparkweld] object NestedParts {
  /** The type of the indices. */
  val Indices: DataType = ArrayType(LongType)

  /** Whether values of a type are stored as parts. */
  def holds(dataType: DataType): Boolean = dataType match {
    case MapType(key, value, _) => holdsElements(key) && holdsElements(value)
    case ArrayType(element, _) => !ListViews.holds(dataType) && holdsElements(element)
    case _ => false
  }

  private def holdsElements(of: DataType): Boolean = of match {
    case struct: StructType => struct.nonEmpty && struct.forall(field => holdsElements(field.dataType))
    case ArrayType(element, _) => holdsElements(element)
    case MapType(key, value, _) => holdsElements(key) && holdsElements(value)
    case other => ListViews.holds(ArrayType(other)) || isTime(other)
  }

  /** Whether values of a type are dates or timestamps, whose arrays are stored as arrays of numbers. */
  def isTime(dataType: DataType): Boolean = dataType match {
    case DateType | TimestampType | TimestampNTZType => true
    case _ => false
  }

  /**
   * Returns the arrays that are one part of a row's value when they are joined. An array or a map that is NULL has no elements, and
   * its indices are NULL. A NULL struct has NULL fields.
   */
  def arrays(vector: ColumnVector, row: Int, part: Seq[Int]): Seq[ArrayData] = (vector.dataType, part) match {
    case (map: MapType, 0 +: inside) => within(map.keyType, Seq(vector.getMap(row).keyArray), inside)
    case (map: MapType, _ +: inside) => within(map.valueType, Seq(vector.getMap(row).valueArray), inside)
    case (ArrayType(element, _), _) => within(element, Seq(vector.getArray(row)), part)
    case (other, _) => throw new IllegalStateException(s"parts of ${other.catalogString}")
  }

  private def within(element: DataType, arrays: Seq[ArrayData], part: Seq[Int]): Seq[ArrayData] = (element, part) match {
    case (_, Seq()) => arrays
    case (struct: StructType, at +: inside) => within(struct(at).dataType, arrays.map(fields(struct, at, _)), inside)
    case (_: ArrayType | _: MapType, Seq(at @ (0 | 1))) => Seq(indices(element, arrays, at))
    case (ArrayType(of, _), _ +: inside) => within(of, arrays.flatMap(eachPresent(_)(_.getArray(_))), inside)
    case (map: MapType, at +: inside) =>
      val maps = arrays.flatMap(eachPresent(_)(_.getMap(_)))
      if (at == 2) within(map.keyType, maps.map(_.keyArray()), inside) else within(map.valueType, maps.map(_.valueArray()), inside)
    case (other, _) => throw new IllegalStateException(s"parts of ${other.catalogString}")
  }

  private def eachPresent[A](array: ArrayData)(get: (ArrayData, Int) => A): Seq[A] =
    (0 until array.numElements()).filterNot(array.isNullAt).map(get(array, _))

  private def fields(struct: StructType, at: Int, structs: ArrayData): ArrayData = {
    val get = InternalRow.getAccessor(struct(at).dataType, nullable = true)
    new GenericArrayData(Array.tabulate[Any](structs.numElements()) { i =>
      if (structs.isNullAt(i)) null else get(structs.getStruct(i, struct.length), at)
    })
  }

  /** Returns where each array or map starts (`at` 0) or ends (1) among the elements of all. */
  private def indices(element: DataType, arrays: Seq[ArrayData], at: Int): ArrayData = {
    val size: (ArrayData, Int) => Int = element match {
      case _: MapType => (array, i) => (array.getMap(i): MapData).numElements()
      case _ => (array, i) => array.getArray(i).numElements()
    }
    var end = 0
    new GenericArrayData(arrays.flatMap { array =>
      (0 until array.numElements()).map { i =>
        if (array.isNullAt(i)) null
        else {
          val start = end
          end = Math.addExact(end, size(array, i))
          (if (at == 0) start else end).toLong
        }
      }
    }.toArray[Any])
  }
}
