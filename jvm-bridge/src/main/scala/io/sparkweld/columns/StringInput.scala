package io.sparkweld
package columns

import io.sparkweld.nativelib.Shim
import io.sparkweld.spark.{CurrentSpark, VectorInternals}

import org.apache.arrow.vector._
import org.apache.spark.sql.execution.vectorized._
import org.apache.spark.sql.types.{BinaryType, DataType, DecimalType}
import org.apache.spark.sql.vectorized.{ArrowColumnVector, ColumnVector}
import org.apache.spark.unsafe.Platform
import org.apache.spark.unsafe.types.UTF8String

/**
 * Converts columns of strings, and of other bytes that are only written into rows, to views.
 *
 * Bytes are copied only from the JVM's heap.
 */
private[columns] final class StringInput(dataType: DataType, nullable: Boolean)
  extends InputColumn(dataType, nullable, StringViews.Width) {
  private val bytes = new OffHeapBuffer // of an on-heap vector
  private val offsets = new OffHeapBuffer
  private val lengths = new OffHeapBuffer
  private val rows = new ByteStore // copies of values from getters
  private val constantBytes = new OffHeapBuffer
  private var constant: UTF8String = _ // its bytes are in constantBytes

  override def close(): Unit = {
    super.close()
    Seq(bytes, offsets, lengths, rows, constantBytes).foreach(_.close())
    constant = null
  }

  /**
   * False for decimals: their bytes in a vector may differ from those of a row or be out of range, which Spark's getters handle.
   */
  private[columns] override def reads(vector: ColumnVector): Boolean = !dataType.isInstanceOf[DecimalType] && super.reads(vector)

  private[columns] override def newTable(): DictionaryTable = new DictionaryTable(StringViews.Width) {
    private val entries = new ByteStore

    override protected def decode(dictionary: Dictionary, id: Int, to: Long): Unit = {
      val entry = dictionary.decodeToBinary(id)
      StringViews.put(to, 0, entries.put(entry), entry.length)
    }

    override protected def restart(): Unit = {
      super.restart()
      entries.reset()
    }

    override def close(): Unit = {
      super.close()
      entries.close()
    }
  }

  private[columns] override def nativeValues(vector: NativeColumnVector, nullBytes: Long, numRows: Int): Long = {
    if (nullBytes != 0) Shim.clearNullViews(vector.dataAddress, nullBytes, numRows.toLong)
    vector.dataAddress
  }

  private[columns] override def offHeapValues(vector: OffHeapColumnVector, nullBytes: Long, numRows: Int): Long = {
    val out = scratch(numRows)
    val child = vector.arrayData.asInstanceOf[OffHeapColumnVector]
    val size = VectorInternals.capacity(child)
    val right = Shim.views(child.valuesNativeAddress, size.toLong, VectorInternals.offsetsAddress(vector),
      VectorInternals.lengthsAddress(vector), nullBytes, numRows.toLong, out)
    MalformedVector.require(right, vector, numRows, s"some of its strings lie outside its $size bytes")
    out
  }

  /** Copies the range of bytes that the rows refer to. */
  private[columns] override def onHeapValues(vector: OnHeapColumnVector, nullBytes: Long, numRows: Int): Long = {
    val (starts, sizes) = (VectorInternals.offsets(vector), VectorInternals.lengths(vector))
    var first = Int.MaxValue
    var last = 0L
    var wrong = 0
    var row = 0
    while (row < numRows) {
      // offsets and lengths of NULL rows are left over from earlier batches
      if (nullBytes == 0 || Platform.getByte(null, nullBytes + row) == 0) {
        wrong |= starts(row) | sizes(row)
        first = math.min(first, starts(row))
        last = math.max(last, starts(row).toLong + sizes(row))
      }
      row += 1
    }
    MalformedVector.require(wrong >= 0, vector, numRows, "the offset or length of a string is negative")
    val size = math.max(last - first, 0L)
    val base = bytes.reserve(math.max(size, 1))
    if (size > 0) {
      val child = vector.arrayData.asInstanceOf[OnHeapColumnVector]
      InputColumn.copyArray(VectorInternals.values(child), base, size, first.toLong)
    }
    val startBytes = InputColumn.copyArray(starts, offsets.reserve(numRows * 4L), numRows * 4L)
    val sizeBytes = InputColumn.copyArray(sizes, lengths.reserve(numRows * 4L), numRows * 4L)
    val out = scratch(numRows)
    Shim.views(base - first, last, startBytes, sizeBytes, nullBytes, numRows.toLong, out)
    out
  }

  private[columns] override def keepConstant(vector: ConstantColumnVector): Boolean = {
    val text = bytesOf(vector, 0)
    val known = constant != null && constant.equals(text)
    if (!known) {
      val size = text.numBytes.toLong
      constant = null
      val to = constantBytes.reserve(math.max(size, 1))
      Platform.copyMemory(text.getBaseObject, text.getBaseOffset, null, to, size)
      constant = UTF8String.fromAddress(null, to, text.numBytes)
    }
    known
  }

  private[columns] override def fill(numRows: Int, to: Long): Unit =
    Shim.fillViews(constant.getBaseOffset, constant.numBytes.toLong, numRows.toLong, to)

  private[columns] override def startRows(): Unit = rows.reset()

  private[columns] override def copyRow(vector: ColumnVector, row: Int, to: Long): Unit = {
    val text = bytesOf(vector, row)
    val address =
      if (text.getBaseObject == null) text.getBaseOffset // off-heap memory of the batch
      else rows.put(text.getBaseObject, text.getBaseOffset, text.numBytes)
    StringViews.put(to, 0, address, text.numBytes)
  }

  private def bytesOf(vector: ColumnVector, row: Int): UTF8String = dataType match {
    case BinaryType => UTF8String.fromBytes(vector.getBinary(row))
    case decimal: DecimalType =>
      UTF8String.fromBytes(vector.getDecimal(row, decimal.precision, decimal.scale).toJavaBigDecimal.unscaledValue.toByteArray)
    case _ => vector.getUTF8String(row)
  }

  private[columns] override def knows(arrow: ValueVector): Boolean = arrow match {
    case _: VarCharVector | _: LargeVarCharVector => true
    case other => CurrentSpark.stringViews(other).isDefined
  }

  private[columns] override def arrowValues(vector: ArrowColumnVector, nullBytes: Long, numRows: Int): Long = {
    val out = scratch(numRows)
    val arrow = vector.getValueVector
    val right = CurrentSpark.stringViews(arrow) match {
      case Some((views, buffers)) =>
        val bytes = numRows.toLong * StringViews.Width
        MalformedVector.requireBytes(views, bytes, vector, numRows, "views")
        val words = InputColumn.aligned(views, 4, bytes, offsets)
        Shim.arrowViews(words, buffers.map(_.memoryAddress).toArray, buffers.map(_.capacity).toArray, nullBytes, numRows.toLong, out)
      case None =>
        val width = if (arrow.isInstanceOf[LargeVarCharVector]) 8 else 4
        val (data, size) = (arrow.getDataBuffer, (numRows + 1L) * width)
        MalformedVector.requireBytes(arrow.getOffsetBuffer, size, vector, numRows, "offsets")
        val ends = InputColumn.aligned(arrow.getOffsetBuffer, width, size, offsets)
        Shim.arrowStrings(width, data.memoryAddress, data.capacity, ends, nullBytes, numRows.toLong, out)
    }
    MalformedVector.require(right, vector, numRows, "some of its strings lie outside its memory")
    out
  }
}
