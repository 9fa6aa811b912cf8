package io.sparkweld
package columns

import io.sparkweld.nativelib.Shim
import io.sparkweld.spark.VectorInternals

import org.apache.arrow.vector._
import org.apache.spark.sql.execution.vectorized._
import org.apache.spark.sql.types._
import org.apache.spark.sql.vectorized.{ArrowColumnVector, ColumnVector}
import org.apache.spark.unsafe.Platform

/** Converts columns of fixed-width types. */
private[columns] final class FixedWidthInput(dataType: DataType, nullable: Boolean, layout: ColumnLayout)
  extends InputColumn(dataType, nullable, layout.width) {
  private val width = layout.width
  private var constant = Option.empty[Long]

  private[columns] override def newTable(): DictionaryTable = new DictionaryTable(width) {
    override protected def decode(dictionary: Dictionary, id: Int, to: Long): Unit = layout.decode(dictionary, id, to)
    override protected def valuesOf(dictionary: AnyRef): AnyRef = {
      val values = VectorInternals.dictionaryValues(dictionary)
      if (layout.isOf(values)) values else null
    }
  }

  private[columns] override def nativeValues(vector: NativeColumnVector, nullBytes: Long, numRows: Int): Long =
    vector.dataAddress

  private[columns] override def offHeapValues(vector: OffHeapColumnVector, nullBytes: Long, numRows: Int): Long =
    vector.valuesNativeAddress

  private[columns] override def onHeapValues(vector: OnHeapColumnVector, nullBytes: Long, numRows: Int): Long =
    InputColumn.copyArray(VectorInternals.values(vector), scratch(numRows), numRows.toLong * width)

  private[columns] override def keepConstant(vector: ConstantColumnVector): Boolean = {
    val bits = layout.bits(vector, 0)
    val known = constant.contains(bits)
    constant = Some(bits)
    known
  }

  private[columns] override def fill(numRows: Int, to: Long): Unit = Shim.fill(width, constant.get, numRows.toLong, to)

  private[columns] override def copyRow(vector: ColumnVector, row: Int, to: Long): Unit = layout.copy(vector, row, to)

  /** Whether the type is known. Arrow vectors of Java start at bit and byte 0 of their buffers. */
  private[columns] override def knows(arrow: ValueVector): Boolean = arrow match {
    case _: BitVector => dataType == BooleanType
    case _: TinyIntVector => dataType == ByteType
    case _: SmallIntVector => dataType == ShortType
    case _: IntVector => dataType == IntegerType
    case _: BigIntVector => dataType == LongType
    case _: Float4Vector => dataType == FloatType
    case _: Float8Vector => dataType == DoubleType
    case _: DateDayVector => dataType == DateType
    case _: TimeStampMicroTZVector => dataType == TimestampType
    case _: TimeStampMicroVector => dataType == TimestampNTZType
    case _ => false // also durations, whose unit the vector's getters ignore
  }

  private[columns] override def arrowValues(vector: ArrowColumnVector, nullBytes: Long, numRows: Int): Long = {
    val arrow = vector.getValueVector
    val bytes = if (arrow.isInstanceOf[BitVector]) (numRows + 7L) / 8 else numRows.toLong * width
    MalformedVector.requireBytes(arrow.getDataBuffer, bytes, vector, numRows, "values")
    val address = arrow.getDataBuffer.memoryAddress
    if (arrow.isInstanceOf[BitVector]) {
      val out = scratch(numRows)
      Shim.unpackBooleans(address, numRows.toLong, out)
      out
    } else if (address % width == 0) address
    else { // kernels rely on natural alignment, which an imported buffer need not have
      val out = scratch(numRows)
      Platform.copyMemory(null, address, null, out, numRows.toLong * width)
      out
    }
  }
}
