package io.sparkweld
package columns

import io.sparkweld.nativelib.Shim
import io.sparkweld.spark.VectorInternals

import org.apache.arrow.vector.ValueVector
import org.apache.arrow.vector.complex.ListVector
import org.apache.spark.sql.catalyst.util.ArrayData
import org.apache.spark.sql.execution.vectorized._
import org.apache.spark.sql.types._
import org.apache.spark.sql.vectorized.{ArrowColumnVector, ColumnVector}
import org.apache.spark.unsafe.Platform

/**
 * Converts columns of arrays to views of elements; `elements` converts the elements of any vector to a kernel's layout.
 *
 * @param part of a map, or of an array of structs, arrays or maps: the part that is read, see [[NestedParts]]
 */
private[columns] final class ListInput(dataType: DataType, nullable: Boolean, element: DataType, part: Seq[Int])
  extends InputColumn(dataType, nullable, StringViews.Width) {
  private val width = ColumnLayout.width(element)
  private val elements = InputColumn.of(element, nullable = true)
  private val offsets = new OffHeapBuffer // of an on-heap vector
  private val lengths = new OffHeapBuffer
  private val rows = new ByteStore // copies of values from getters
  private val isFloat = element == FloatType || element == DoubleType
  private val filled = new OffHeapBuffer // elements with NaN for NULL

  override def close(): Unit = {
    super.close()
    elements.close()
    Seq(offsets, lengths, filled).foreach(_.close())
    rows.close()
  }

  /** Whether the elements have the right type; their nullability is irrelevant. */
  private[columns] override def reads(vector: ColumnVector): Boolean = vector match {
    case _: NativeColumnVector | _: OffHeapColumnVector | _: OnHeapColumnVector => typeOf(vector.dataType).contains(element)
    case _: ArrowColumnVector => part.isEmpty && typeOf(vector.dataType).contains(element)
    case _ => false
  }

  private def typeOf(dataType: DataType): Option[DataType] = (dataType, part) match {
    case (map: MapType, Seq(at)) => Some(if (at == 0) map.keyType else map.valueType)
    case (ArrayType(struct: StructType, _), Seq(at)) => Some(struct(at).dataType)
    case (other, Seq()) => ListViews.elementOf(other)
    case _ => None
  }

  /** Returns the column of the elements, in which a NULL struct has NULL fields. */
  private def elementsOf(vector: WritableColumnVector): WritableColumnVector = (vector.dataType, part) match {
    case (_: MapType, Seq(at)) => vector.getChild(at)
    case (_, Seq(at)) => vector.arrayData.getChild(at)
    case _ => vector.arrayData
  }

  private[columns] override def newTable(): DictionaryTable =
    throw new IllegalStateException("a column of arrays with a dictionary")

  private[columns] override def nativeValues(vector: NativeColumnVector, nullBytes: Long, numRows: Int): Long = {
    if (nullBytes != 0) Shim.clearNullViews(vector.dataAddress, nullBytes, numRows.toLong)
    vector.dataAddress
  }

  private[columns] override def offHeapValues(vector: OffHeapColumnVector, nullBytes: Long, numRows: Int): Long =
    views(vector, VectorInternals.offsetsAddress(vector), VectorInternals.lengthsAddress(vector), nullBytes, numRows)

  private[columns] override def onHeapValues(vector: OnHeapColumnVector, nullBytes: Long, numRows: Int): Long = {
    val bytes = numRows * 4L
    val starts = InputColumn.copyArray(VectorInternals.offsets(vector), offsets.reserve(bytes), bytes)
    val sizes = InputColumn.copyArray(VectorInternals.lengths(vector), lengths.reserve(bytes), bytes)
    views(vector, starts, sizes, nullBytes, numRows)
  }

  private def views(vector: WritableColumnVector, starts: Long, sizes: Long, nullBytes: Long, numRows: Int): Long = {
    val end = Shim.listEnd(starts, sizes, nullBytes, numRows.toLong)
    val child = elementsOf(vector)
    val capacity = VectorInternals.capacity(child)
    MalformedVector.require(0 <= end && end <= capacity, vector, numRows, s"some of its arrays lie outside its $capacity elements")
    val count = end.toInt
    elements.bind(child, count)
    val out = scratch(numRows)
    Shim.lists(elementAddress(count), width, elementNulls, starts, sizes, nullBytes, numRows.toLong, out)
    out
  }

  /** Returns the address of the elements, with NaN for NULL floats as in pandas. */
  private def elementAddress(count: Int): Long =
    if (!elements.hasNull || !isFloat) elements.dataAddress
    else {
      val out = filled.reserve(count.toLong * width)
      Shim.filled(elements.dataAddress, width, elements.nullsAddress, count.toLong, out)
      out
    }

  private def elementNulls: Long = if (elements.hasNull) elements.nullsAddress else 0

  private[columns] override def knows(arrow: ValueVector): Boolean = arrow.isInstanceOf[ListVector]

  private[columns] override def arrowValues(vector: ArrowColumnVector, nullBytes: Long, numRows: Int): Long = {
    val list = vector.getValueVector.asInstanceOf[ListVector]
    val bytes = (numRows + 1L) * 4
    MalformedVector.requireBytes(list.getOffsetBuffer, bytes, vector, numRows, "offsets")
    val starts = InputColumn.aligned(list.getOffsetBuffer, 4, bytes, offsets)
    val count = Platform.getInt(null, starts + numRows * 4L)
    val most = list.getDataVector.getValueCount
    MalformedVector.require(0 <= count && count <= most, vector, numRows, s"its arrays end at element $count of $most")
    elements.bind(new ArrowColumnVector(list.getDataVector), count)
    val out = scratch(numRows)
    val right = Shim.arrowLists(elementAddress(count), width, elementNulls, count.toLong, starts, nullBytes,
      numRows.toLong, out)
    MalformedVector.require(right, vector, numRows, s"some of its arrays lie outside its $count elements")
    out
  }

  private[columns] override def keepConstant(vector: ConstantColumnVector): Boolean = notRead()

  private[columns] override def fill(numRows: Int, to: Long): Unit = notRead()

  private def notRead(): Nothing = throw new IllegalStateException("constant arrays come by getters")

  private[columns] override def startRows(): Unit = rows.reset()

  private[columns] override def copyRow(vector: ColumnVector, row: Int, to: Long): Unit = {
    val arrays = if (part.isEmpty) Seq(vector.getArray(row)) else NestedParts.arrays(vector, row, part)
    val length = arrays.map(_.numElements()).sum
    val (values, offset) = arrays match {
      case Seq(array) => elementsOf(array)
      case several => joined(several, length)
    }
    val address = rows.put(values, offset.toLong, Math.multiplyExact(length, width))
    val missing = arrays.exists(hasNull)
    StringViews.put(to, 0, address, if (missing) ~length else length)
  }

  /** Returns a JVM array of the elements in the kernel's layout, with NaN for NULL floats, and the array's base offset. */
  private def elementsOf(array: ArrayData): (AnyRef, Int) = {
    val (values, offset) = if (StringViews.holds(element)) (strings(array), Platform.LONG_ARRAY_OFFSET) else primitives(array)
    if (isFloat && hasNull(array)) {
      val missing = (0 until array.numElements()).filter(array.isNullAt)
      (values: @unchecked) match {
        case floats: Array[Float] => missing.foreach(floats(_) = Float.NaN)
        case doubles: Array[Double] => missing.foreach(doubles(_) = Double.NaN)
      }
    }
    (values, offset)
  }

  private def hasNull(array: ArrayData): Boolean = {
    val length = array.numElements()
    var at = 0
    while (at < length && !array.isNullAt(at)) at += 1
    at < length
  }

  private def joined(arrays: Seq[ArrayData], length: Int): (AnyRef, Int) = {
    val made = new Array[Byte](Math.multiplyExact(length, width))
    var at = 0
    arrays.foreach { array =>
      val (values, offset) = elementsOf(array)
      val bytes = array.numElements() * width
      Platform.copyMemory(values, offset.toLong, made, (Platform.BYTE_ARRAY_OFFSET + at).toLong, bytes.toLong)
      at += bytes
    }
    (made, Platform.BYTE_ARRAY_OFFSET)
  }

  /** Copies the elements' bytes into the store and returns their views; the view of a NULL is empty. */
  private def strings(array: ArrayData): Array[Long] = {
    val views = new Array[Long](2 * array.numElements())
    for (at <- 0 until array.numElements() if !array.isNullAt(at)) {
      val text = array.getUTF8String(at)
      views(2 * at) = rows.put(text.getBaseObject, text.getBaseOffset, text.numBytes)
      views(2 * at + 1) = text.numBytes.toLong
    }
    views
  }

  /** Returns a copy of the elements as a JVM array, with arbitrary values for NULL, and the array's base offset. */
  private def primitives(array: ArrayData): (AnyRef, Int) = element match {
    case BooleanType => (array.toBooleanArray(), Platform.BOOLEAN_ARRAY_OFFSET)
    case ByteType => (array.toByteArray(), Platform.BYTE_ARRAY_OFFSET)
    case ShortType => (array.toShortArray(), Platform.SHORT_ARRAY_OFFSET)
    case IntegerType => (array.toIntArray(), Platform.INT_ARRAY_OFFSET)
    case LongType => (array.toLongArray(), Platform.LONG_ARRAY_OFFSET)
    case FloatType => (array.toFloatArray(), Platform.FLOAT_ARRAY_OFFSET)
    case DoubleType => (array.toDoubleArray(), Platform.DOUBLE_ARRAY_OFFSET)
    case other => throw new IllegalStateException(s"arrays of ${other.catalogString}")
  }
}
