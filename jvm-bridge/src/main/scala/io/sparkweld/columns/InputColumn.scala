package io.sparkweld
package columns

import io.sparkweld.nativelib.Shim
import io.sparkweld.spark.VectorInternals

import org.apache.arrow.memory.ArrowBuf
import org.apache.arrow.vector.ValueVector
import org.apache.spark.sql.execution.vectorized._
import org.apache.spark.sql.types.{BinaryType, DataType, Decimal, DecimalType, StringType}
import org.apache.spark.sql.vectorized.{ArrowColumnVector, ColumnVector}
import org.apache.spark.unsafe.Platform

/**
 * Converts any column of a batch to the kernel's layout: one value of `width` bytes and one null byte (1 = NULL) per row.
 *
 * Off-heap memory that already has this layout is used in place; everything else is copied to scratch memory that the next `bind`
 * reuses. One object serves one column of one task and is not thread-safe.
 *
 * @param nullable as in the schema. `bind` finds NULLs regardless of it.
 */
abstract class InputColumn private[columns] (val dataType: DataType, val nullable: Boolean, width: Int) extends AutoCloseable {
  Shim.load()
  private val data = new OffHeapBuffer
  private val nulls = new OffHeapBuffer
  private val ids = new OffHeapBuffer
  private var tableUsed = false
  private lazy val table = {
    tableUsed = true
    newTable()
  }
  private var boundData = 0L
  private var boundNulls = 0L
  private var boundHasNull = false
  private var constantRows = 0 // rows of `data` that hold the last constant; 0 once anything else was written there

  /** Returns the address of the bound rows' values. Values of NULL rows are unspecified, but a string's length is 0. */
  def dataAddress: Long = boundData

  /** Returns the address of the bound rows' null bytes, always readable: shared zeros when there is no NULL. */
  def nullsAddress: Long = boundNulls

  /** Whether at least one of the bound rows is NULL. */
  def hasNull: Boolean = boundHasNull

  /**
   * Binds the first `numRows` rows of `vector`. The addresses, and those of strings, are valid until the next `bind`, `close`, or
   * change of the vector.
   */
  def bind(vector: ColumnVector, numRows: Int): Unit =
    if (numRows == 0) bindNoNulls(SharedPages.zeros(width.toLong), 0)
    else if (!reads(vector)) bindByGetters(vector, numRows)
    else vector match {
      case v: NativeColumnVector => bindNative(v, numRows)
      case v: OffHeapColumnVector => bindOffHeap(v, numRows)
      case v: OnHeapColumnVector => bindOnHeap(v, numRows)
      case v: ConstantColumnVector => bindConstant(v, numRows)
      case v: ArrowColumnVector => bindArrow(v, numRows)
      case v: RowColumnVector => bindRows(v, numRows)
      case other => throw new IllegalStateException(s"nothing reads a ${other.getClass.getName}")
    }

  /**
   * Binds the first `rows` rows of `vector`; for a selection view, binds the column that it shows instead. Returns the address of
   * the selected row numbers; 0: row i is bound row i.
   */
  private[columns] def bindShown(vector: ColumnVector, rows: Int): Long = vector match {
    // for a few rows it is cheaper to read those than to bind the whole column
    case view: SelectedColumnVector if reads(view.shown) && view.rowsShown <= rows * InputColumn.FewRows =>
      bind(view.shown, view.rowsShown)
      view.selectionAddress
    case _ =>
      bind(vector, rows)
      0L
  }

  /**
   * Whether the memory layout of a vector is known, so that binding a whole column is cheap. Any other is read value by value.
   */
  private[columns] def reads(vector: ColumnVector): Boolean = vector match {
    case _: NativeColumnVector | _: OffHeapColumnVector | _: OnHeapColumnVector => vector.dataType == dataType
    case rows: RowColumnVector => vector.dataType == dataType && rows.block.isNative
    case _: ConstantColumnVector | _: ArrowColumnVector => true
    case _ => false
  }

  /** Frees the scratch memory. */
  def close(): Unit = {
    data.close()
    nulls.close()
    ids.close()
    if (tableUsed) table.close()
    constantRows = 0
    boundData = 0
    boundNulls = 0
  }

  // How a family of types reads each kind of vector. `nullBytes` is 0 when no row is NULL.

  /** Returns a decoder of this type's dictionaries. */
  private[columns] def newTable(): DictionaryTable

  /** Returns the address of the values of a kernel's output, in place. */
  private[columns] def nativeValues(vector: NativeColumnVector, nullBytes: Long, numRows: Int): Long

  /** Returns the address of the values of a vector without a dictionary. */
  private[columns] def offHeapValues(vector: OffHeapColumnVector, nullBytes: Long, numRows: Int): Long

  /** Copies the values of a vector without a dictionary and returns their address. */
  private[columns] def onHeapValues(vector: OnHeapColumnVector, nullBytes: Long, numRows: Int): Long

  /** Stores the non-NULL constant; returns whether it equals the one stored before. */
  private[columns] def keepConstant(vector: ConstantColumnVector): Boolean

  /** Writes the stored constant `numRows` times to the address `to`. */
  private[columns] def fill(numRows: Int, to: Long): Unit

  /** Whether `arrowValues` supports such a vector. */
  private[columns] def knows(arrow: ValueVector): Boolean

  /** Returns the address of the values of a supported vector. Throws MalformedVector for values outside its buffers. */
  private[columns] def arrowValues(vector: ArrowColumnVector, nullBytes: Long, numRows: Int): Long

  /** Writes the value of a row that is not NULL, read by getters, to the address `to`. */
  private[columns] def copyRow(vector: ColumnVector, row: Int, to: Long): Unit

  /** Reserves scratch for the values of `numRows` rows. */
  private[columns] def scratch(numRows: Int): Long = {
    constantRows = 0
    data.reserve(numRows.toLong * width)
  }

  private def bindNoNulls(values: Long, numRows: Int): Unit = {
    boundData = values
    bindNulls(0, hasNull = false, math.max(numRows, 1))
  }

  private def bindAllNull(numRows: Int): Unit = {
    boundData = SharedPages.zeros(numRows.toLong * width)
    boundNulls = SharedPages.ones(numRows.toLong)
    boundHasNull = true
  }

  /** Binds null bytes after counting them: a vector's own count is wrong after putNotNulls, which does not decrease it. */
  private def bindNulls(nullBytes: Long, numRows: Int): Long =
    bindNulls(nullBytes, Shim.countNulls(nullBytes, numRows.toLong) > 0, numRows)

  /** Binds null bytes and returns them; 0 when none is set. */
  private def bindNulls(nullBytes: Long, hasNull: Boolean, numRows: Int): Long = {
    boundHasNull = hasNull
    boundNulls = if (hasNull) nullBytes else SharedPages.zeros(numRows.toLong)
    if (hasNull) nullBytes else 0
  }

  private def bindNative(vector: NativeColumnVector, numRows: Int): Unit =
    boundData = nativeValues(vector, bindNulls(vector.nullsAddress, numRows), numRows)

  private def bindOffHeap(vector: OffHeapColumnVector, numRows: Int): Unit =
    if (vector.isAllNull) bindAllNull(numRows) // its null bytes are not set
    else {
      requireRows(vector, vector, numRows)
      val nullBytes = bindNulls(VectorInternals.nullsAddress(vector), numRows)
      boundData =
        if (vector.hasDictionary) {
          val idVector = vector.getDictionaryIds.asInstanceOf[OffHeapColumnVector]
          requireRows(idVector, vector, numRows)
          decode(VectorInternals.dictionary(vector), idVector.valuesNativeAddress, nullBytes, numRows)
        } else offHeapValues(vector, nullBytes, numRows)
    }

  private def bindOnHeap(vector: OnHeapColumnVector, numRows: Int): Unit =
    if (vector.isAllNull) bindAllNull(numRows)
    else {
      val copied = InputColumn.copyArray(VectorInternals.nulls(vector), nulls.reserve(numRows.toLong), numRows.toLong)
      val nullBytes = bindNulls(copied, numRows)
      boundData =
        if (vector.hasDictionary) {
          val idVector = vector.getDictionaryIds.asInstanceOf[OnHeapColumnVector]
          val idBytes = InputColumn.copyArray(VectorInternals.values(idVector), ids.reserve(numRows * 4L), numRows * 4L)
          decode(VectorInternals.dictionary(vector), idBytes, nullBytes, numRows)
        } else onHeapValues(vector, nullBytes, numRows)
    }

  private def requireRows(vector: OffHeapColumnVector, shown: ColumnVector, numRows: Int): Unit = {
    val capacity = VectorInternals.capacity(vector)
    MalformedVector.require(capacity >= numRows, shown, numRows, s"it has memory for $capacity rows")
  }

  /** Gathers the values of dictionary ids into scratch. */
  private def decode(dictionary: Dictionary, idBytes: Long, nullBytes: Long, numRows: Int): Long = {
    val maxId = Shim.maxId(idBytes, nullBytes, numRows.toLong)
    if (maxId < 0) SharedPages.zeros(numRows.toLong * width)
    else {
      if (maxId > Int.MaxValue) throw new IndexOutOfBoundsException(s"dictionary id ${maxId.toInt} of a column")
      val values = table.address(dictionary, maxId.toInt)
      val out = scratch(numRows)
      Shim.gather(width, values, idBytes, nullBytes, numRows.toLong, out)
      out
    }
  }

  private def bindConstant(vector: ConstantColumnVector, numRows: Int): Unit =
    if (vector.isNullAt(0)) bindAllNull(numRows)
    else {
      if (!keepConstant(vector) || numRows > constantRows) {
        fill(numRows, scratch(numRows))
        constantRows = numRows
      }
      bindNoNulls(data.address, numRows)
    }

  private def bindArrow(vector: ArrowColumnVector, numRows: Int): Unit = {
    val arrow = vector.getValueVector
    if (knows(arrow)) {
      MalformedVector.requireBytes(arrow.getValidityBuffer, (numRows + 7L) / 8, vector, numRows, "validity bits")
      val unpacked = nulls.reserve(numRows.toLong)
      val count = Shim.unpackValidity(arrow.getValidityBuffer.memoryAddress, numRows.toLong, unpacked)
      boundData = arrowValues(vector, bindNulls(unpacked, count > 0, numRows), numRows)
    } else bindByGetters(vector, numRows)
  }

  private def bindRows(vector: RowColumnVector, numRows: Int): Unit = {
    val out = scratch(numRows)
    val nullBytes = nulls.reserve(numRows.toLong)
    val (block, ordinal) = (vector.block, vector.ordinal)
    val count = Shim.rowField(block.rowsAddress, numRows.toLong, block.fields, ordinal, width, out, nullBytes)
    bindNulls(nullBytes, count > 0, numRows)
    boundData = out
  }

  /** Reads any vector value by value. Values of NULL rows are 0. */
  private def bindByGetters(vector: ColumnVector, numRows: Int): Unit = {
    val out = scratch(numRows)
    val nullBytes = nulls.reserve(numRows.toLong)
    Platform.setMemory(out, 0, numRows.toLong * width)
    Platform.setMemory(nullBytes, 0, numRows.toLong)
    startRows()
    var row = 0
    while (row < numRows) {
      if (vector.isNullAt(row)) Platform.putByte(null, nullBytes + row, 1)
      else copyRow(vector, row, out + row.toLong * width)
      row += 1
    }
    bindNulls(nullBytes, numRows)
    boundData = out
  }

  /** Called before the rows of a batch are passed to `copyRow`. */
  private[columns] def startRows(): Unit = ()
}

object InputColumn {
  private val FewRows = 8

  /** Returns the address of `bytes` bytes of `width`-byte numbers, copied if unaligned: an imported buffer may begin anywhere. */
  private[columns] def aligned(buffer: ArrowBuf, width: Int, bytes: Long, copy: OffHeapBuffer): Long = {
    val address = buffer.memoryAddress
    if (address % width == 0) address
    else {
      Platform.copyMemory(null, address, null, copy.reserve(bytes), bytes)
      copy.address
    }
  }

  /** Copies `bytes` bytes of a primitive array, from its byte `from`, to the address `to`; returns `to`. */
  private[columns] def copyArray(array: AnyRef, to: Long, bytes: Long, from: Long = 0): Long = {
    // the offset is the same for all on the JVMs that Spark runs on, but that is not guaranteed
    val (offset, size) = array match {
      case bytes: Array[Byte] => (Platform.BYTE_ARRAY_OFFSET, bytes.length.toLong)
      case shorts: Array[Short] => (Platform.SHORT_ARRAY_OFFSET, shorts.length * 2L)
      case ints: Array[Int] => (Platform.INT_ARRAY_OFFSET, ints.length * 4L)
      case longs: Array[Long] => (Platform.LONG_ARRAY_OFFSET, longs.length * 8L)
      case floats: Array[Float] => (Platform.FLOAT_ARRAY_OFFSET, floats.length * 4L)
      case doubles: Array[Double] => (Platform.DOUBLE_ARRAY_OFFSET, doubles.length * 8L)
      case _ => throw new IllegalStateException("a batch with an on-heap column that was closed") // null: no array
    }
    if (from < 0 || bytes < 0 || bytes > size - from) {
      throw new IndexOutOfBoundsException(s"$bytes bytes from byte $from on of an on-heap column of $size bytes")
    }
    Platform.copyMemory(array, offset + from, null, to, bytes)
    to
  }

  /** Returns an input for a type. Throws IllegalArgumentException for one that kernels do not support. */
  def of(dataType: DataType, nullable: Boolean): InputColumn = of(dataType, nullable, Nil)

  /** As above. `part`: of a nested type, see [[NestedParts]]. */
  def of(dataType: DataType, nullable: Boolean, part: Seq[Int]): InputColumn =
    if (StringViews.holds(dataType) || dataType == BinaryType) new StringInput(dataType, nullable)
    else ListViews.elementOf(dataType).map(new ListInput(dataType, nullable, _, part)).getOrElse(
      new FixedWidthInput(dataType, nullable, ColumnLayout.of(dataType)))

  /** Returns an input for a column that is written into rows; None for a nested type. */
  private[columns] def forRows(dataType: DataType): Option[InputColumn] = dataType match {
    case _: StringType | BinaryType => Some(new StringInput(dataType, nullable = true))
    case decimal: DecimalType if decimal.precision > Decimal.MAX_LONG_DIGITS => Some(new StringInput(dataType, nullable = true))
    case _ => ColumnLayout.forRows(dataType).map(new FixedWidthInput(dataType, nullable = true, _))
  }
}
