package io.sparkweld.columns

import io.sparkweld.nativelib.Shim

import org.apache.arrow.vector._
import org.apache.spark.sql.execution.vectorized._
import org.apache.spark.sql.types._
import org.apache.spark.sql.vectorized.{ArrowColumnVector, ColumnVector}
import org.apache.spark.unsafe.Platform

/**
 * Turns any column of a batch into the kernel's layout: values in their natural width, one null byte a row (1 = NULL).
 *
 * Off-heap memory that has this layout already is used where it lies; everything else is brought into scratch memory
 * that the next `bind` reuses. One object serves one column of one task and is not thread-safe.
 *
 * @param nullable what the schema says. `bind` finds NULLs whatever it says.
 */
final class InputColumn(val dataType: DataType, val nullable: Boolean) extends AutoCloseable {
  Shim.load()
  private val layout = ColumnLayout.of(dataType)
  private val width = layout.width
  private val data = new OffHeapBuffer
  private val nulls = new OffHeapBuffer
  private val ids = new OffHeapBuffer
  private lazy val table = new DictionaryTable(layout)
  private var tableUsed = false
  private var boundData = 0L
  private var boundNulls = 0L
  private var boundHasNull = false
  private var constantBits = 0L
  private var constantRows = 0 // rows of `data` that hold constantBits; 0 once anything else was written there

  /** The address of the bound rows' values. Values of NULL rows are unspecified. */
  def dataAddress: Long = boundData

  /** The address of the bound rows' null bytes, always readable: shared zeros when there is no NULL. */
  def nullsAddress: Long = boundNulls

  /** Whether at least one of the bound rows is NULL. */
  def hasNull: Boolean = boundHasNull

  /**
   * Takes the first `numRows` rows of `vector`. The addresses hold until the next `bind`, `close`, or change of the
   * vector.
   */
  def bind(vector: ColumnVector, numRows: Int): Unit =
    if (numRows == 0) bindNoNulls(SharedPages.zeros(width), 0)
    else vector match {
      case v: NativeColumnVector if v.dataType == dataType => bindBytes(v.dataAddress, v.nullsAddress, numRows)
      case v: OffHeapColumnVector if v.dataType == dataType => bindOffHeap(v, numRows)
      case v: OnHeapColumnVector if v.dataType == dataType => bindOnHeap(v, numRows)
      case v: ConstantColumnVector => bindConstant(v, numRows)
      case v: ArrowColumnVector => bindArrow(v, numRows)
      case v => bindByGetters(v, numRows)
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

  private def bindNoNulls(values: Long, numRows: Int): Unit = {
    boundData = values
    boundNulls = SharedPages.zeros(math.max(numRows, 1).toLong)
    boundHasNull = false
  }

  private def bindAllNull(numRows: Int): Unit = {
    boundData = SharedPages.zeros(numRows.toLong * width)
    boundNulls = SharedPages.ones(numRows.toLong)
    boundHasNull = true
  }

  /** Null bytes tell by themselves: a vector's own count is wrong after putNotNulls, which does not decrease it. */
  private def bindBytes(values: Long, nullBytes: Long, numRows: Int): Unit =
    if (Shim.countNulls(nullBytes, numRows.toLong) == 0) bindNoNulls(values, numRows)
    else {
      boundData = values
      boundNulls = nullBytes
      boundHasNull = true
    }

  private def bindOffHeap(vector: OffHeapColumnVector, numRows: Int): Unit =
    if (vector.isAllNull) bindAllNull(numRows) // its null bytes are not set
    else {
      bindBytes(vector.valuesNativeAddress, VectorInternals.nullsAddress(vector), numRows)
      if (vector.hasDictionary) {
        val idVector = vector.getDictionaryIds.asInstanceOf[OffHeapColumnVector]
        boundData = decode(VectorInternals.dictionary(vector), idVector.valuesNativeAddress, numRows)
      }
    }

  private def bindOnHeap(vector: OnHeapColumnVector, numRows: Int): Unit =
    if (vector.isAllNull) bindAllNull(numRows)
    else {
      val nullBytes = copyArray(VectorInternals.nulls(vector), nulls.reserve(numRows.toLong), numRows.toLong)
      if (vector.hasDictionary) {
        bindBytes(0, nullBytes, numRows)
        val idVector = vector.getDictionaryIds.asInstanceOf[OnHeapColumnVector]
        val idBytes = copyArray(VectorInternals.values(idVector), ids.reserve(numRows * 4L), numRows * 4L)
        boundData = decode(VectorInternals.dictionary(vector), idBytes, numRows)
      } else {
        val bytes = numRows.toLong * width
        bindBytes(copyArray(VectorInternals.values(vector), scratch(numRows), bytes), nullBytes, numRows)
      }
    }

  /** The values of dictionary ids, gathered into scratch; the null bytes are bound already. */
  private def decode(dictionary: Dictionary, idBytes: Long, numRows: Int): Long = {
    val nullBytes = if (boundHasNull) boundNulls else 0L
    val maxId = Shim.maxId(idBytes, nullBytes, numRows.toLong)
    if (maxId < 0) SharedPages.zeros(numRows.toLong * width)
    else {
      if (maxId > Int.MaxValue) throw new IndexOutOfBoundsException(s"dictionary id ${maxId.toInt} of a column")
      tableUsed = true
      val values = table.address(dictionary, maxId.toInt)
      val out = scratch(numRows)
      Shim.gather(width, values, idBytes, nullBytes, numRows.toLong, out)
      out
    }
  }

  private def bindConstant(vector: ConstantColumnVector, numRows: Int): Unit =
    if (vector.isNullAt(0)) bindAllNull(numRows)
    else {
      val bits = layout.bits(vector, 0)
      if (bits != constantBits || numRows > constantRows) {
        Shim.fill(width, bits, numRows.toLong, scratch(numRows))
        constantBits = bits
        constantRows = numRows
      }
      bindNoNulls(data.address, numRows)
    }

  private def bindArrow(vector: ArrowColumnVector, numRows: Int): Unit = vector.getValueVector match {
    case arrow: BaseFixedWidthVector if hasKernelLayout(arrow) && holds(arrow, numRows) =>
      val nullBytes = nulls.reserve(numRows.toLong)
      val count = Shim.unpackValidity(arrow.getValidityBuffer.memoryAddress, numRows.toLong, nullBytes)
      val values = arrowValues(arrow, numRows)
      if (count == 0) bindNoNulls(values, numRows)
      else {
        boundData = values
        boundNulls = nullBytes
        boundHasNull = true
      }
    case _ => bindByGetters(vector, numRows)
  }

  private def hasKernelLayout(arrow: BaseFixedWidthVector): Boolean = arrow match {
    case _: BitVector => dataType == BooleanType
    case _: TinyIntVector => dataType == ByteType
    case _: SmallIntVector => dataType == ShortType
    case _: IntVector => dataType == IntegerType
    case _: BigIntVector => dataType == LongType
    case _: Float4Vector => dataType == FloatType
    case _: Float8Vector => dataType == DoubleType
    case _: DateDayVector => dataType == DateType
    case _ => false
  }

  /** Whether both buffers reach over `numRows` rows. Arrow vectors of Java start at bit and byte 0 of their buffers. */
  private def holds(arrow: BaseFixedWidthVector, numRows: Int): Boolean = {
    val bits = (numRows + 7L) / 8
    val values = if (arrow.isInstanceOf[BitVector]) bits else numRows.toLong * width
    arrow.getValidityBuffer.capacity >= bits && arrow.getDataBuffer.capacity >= values
  }

  private def arrowValues(arrow: BaseFixedWidthVector, numRows: Int): Long = {
    val address = arrow.getDataBuffer.memoryAddress
    if (arrow.isInstanceOf[BitVector]) {
      val out = scratch(numRows)
      Shim.unpackBooleans(address, numRows.toLong, out)
      out
    } else if (address % width == 0) address
    else { // kernels rely on natural alignment, a buffer imported from elsewhere need not have it
      val out = scratch(numRows)
      Platform.copyMemory(null, address, null, out, numRows.toLong * width)
      out
    }
  }

  /** Any vector, value by value. Values of NULL rows are 0. */
  private def bindByGetters(vector: ColumnVector, numRows: Int): Unit = {
    val out = scratch(numRows)
    val nullBytes = nulls.reserve(numRows.toLong)
    Platform.setMemory(out, 0, numRows.toLong * width)
    Platform.setMemory(nullBytes, 0, numRows.toLong)
    var row = 0
    while (row < numRows) {
      if (vector.isNullAt(row)) Platform.putByte(null, nullBytes + row, 1)
      else layout.copy(vector, row, out + row.toLong * width)
      row += 1
    }
    bindBytes(out, nullBytes, numRows)
  }

  private def scratch(numRows: Int): Long = {
    constantRows = 0
    data.reserve(numRows.toLong * width)
  }

  private def copyArray(array: AnyRef, to: Long, bytes: Long): Long = {
    // the offset is the same for all on the JVMs that Spark runs on, but that is not promised
    val offset = array match {
      case _: Array[Byte] => Platform.BYTE_ARRAY_OFFSET
      case _: Array[Short] => Platform.SHORT_ARRAY_OFFSET
      case _: Array[Int] => Platform.INT_ARRAY_OFFSET
      case _: Array[Long] => Platform.LONG_ARRAY_OFFSET
      case _: Array[Float] => Platform.FLOAT_ARRAY_OFFSET
      case _: Array[Double] => Platform.DOUBLE_ARRAY_OFFSET
      case _ => throw new IllegalStateException("a batch with an on-heap column that was closed") // null: no array
    }
    Platform.copyMemory(array, offset.toLong, null, to, bytes)
    to
  }
}
