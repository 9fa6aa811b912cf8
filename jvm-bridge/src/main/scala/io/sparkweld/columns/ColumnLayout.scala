package io.sparkweld
package columns

import java.lang.{Double => JDouble, Float => JFloat}

import org.apache.spark.sql.execution.vectorized.Dictionary
import org.apache.spark.sql.types._
import org.apache.spark.sql.vectorized.ColumnVector
import org.apache.spark.unsafe.Platform

/**
 * Defines the layout of fixed-width types in a kernel's column: one value of `width` bytes and one null byte (1 = NULL) per row.
 *
 * Strings and arrays have their own layouts, see [[StringViews]] and [[ListViews]]. The getters and dictionary decoders are those
 * that Spark's own vectors use for the type.
 */
private[sparkweld] sealed abstract class ColumnLayout(val width: Int) {
  /** Copies the value of a row that is not NULL to the address `to`. */
  def copy(vector: ColumnVector, row: Int, to: Long): Unit

  /** Returns the value of a row that is not NULL, in the low `width` bytes. */
  def bits(vector: ColumnVector, row: Int): Long

  /** Decodes one dictionary entry to the address `to`. */
  def decode(dictionary: Dictionary, id: Int, to: Long): Unit

  /** Whether the elements of a primitive array have this layout. */
  def isOf(array: AnyRef): Boolean = false
}

private[sparkweld] object ColumnLayout {
  /** Returns the layout of a type. Throws IllegalArgumentException for a type that kernels do not support. */
  def of(dataType: DataType): ColumnLayout = find(dataType).getOrElse(
    throw new IllegalArgumentException(s"no kernel layout for columns of type ${dataType.catalogString}"))

  /**
   * Whether columns of this type can be a kernel's input or output, and part of an expression; this is the only list of such types.
   * Beside these, columns of other types are arguments and results of functions alone, see [[isOfFunctions]].
   */
  def supports(dataType: DataType): Boolean = !isOfFunctions(dataType) && (holdsViews(dataType) || find(dataType).isDefined)

  /** Whether columns of this type are only arguments and results of functions: binary values, and decimals that fit an int64. */
  def isOfFunctions(dataType: DataType): Boolean = dataType == BinaryType || isUnscaled(dataType)

  /** Whether it is a type of decimals that Spark's vectors store as numbers without a decimal point. */
  def isUnscaled(dataType: DataType): Boolean = dataType match {
    case decimal: DecimalType => decimal.precision <= Decimal.MAX_LONG_DIGITS
    case _ => false
  }

  /**
   * Returns the layout of a column that is only written into rows, for more types than kernels support. None without a fixed
   * width.
   */
  def forRows(dataType: DataType): Option[ColumnLayout] = find(dataType).orElse(dataType match {
    case _: YearMonthIntervalType => Some(Ints)
    case _: DayTimeIntervalType => Some(Longs)
    case _ => None
  })

  /**
   * Returns the bytes of one value in a kernel's column. Throws IllegalArgumentException for a type that kernels do not support.
   */
  def width(dataType: DataType): Int = if (holdsViews(dataType)) StringViews.Width else of(dataType).width

  /** Whether values of the type are stored outside the kernel's column, which holds views. */
  def holdsViews(dataType: DataType): Boolean = dataType == BinaryType || StringViews.holds(dataType) || ListViews.holds(dataType)

  private def find(dataType: DataType): Option[ColumnLayout] = dataType match {
    case BooleanType => Some(Booleans)
    case ByteType => Some(Bytes)
    case ShortType => Some(Shorts)
    case IntegerType | DateType => Some(Ints)
    case LongType | TimestampType | TimestampNTZType => Some(Longs)
    case DayTimeIntervalType(DayTimeIntervalType.DAY, DayTimeIntervalType.SECOND) => Some(Longs)
    case FloatType => Some(Floats)
    case DoubleType => Some(Doubles)
    case decimal: DecimalType if decimal.precision <= Decimal.MAX_INT_DIGITS => Some(new Unscaled(decimal, 4))
    case decimal: DecimalType if isUnscaled(decimal) => Some(new Unscaled(decimal, 8))
    case _ => None
  }

  private object Booleans extends ColumnLayout(1) {
    def copy(vector: ColumnVector, row: Int, to: Long): Unit = Platform.putByte(null, to, bits(vector, row).toByte)
    def bits(vector: ColumnVector, row: Int): Long = if (vector.getBoolean(row)) 1 else 0
    def decode(dictionary: Dictionary, id: Int, to: Long): Unit =
      throw new UnsupportedOperationException("Spark decodes no boolean dictionaries")
  }

  private object Bytes extends ColumnLayout(1) {
    def copy(vector: ColumnVector, row: Int, to: Long): Unit = Platform.putByte(null, to, vector.getByte(row))
    def bits(vector: ColumnVector, row: Int): Long = vector.getByte(row).toLong
    def decode(dictionary: Dictionary, id: Int, to: Long): Unit =
      Platform.putByte(null, to, dictionary.decodeToInt(id).toByte)
  }

  private object Shorts extends ColumnLayout(2) {
    def copy(vector: ColumnVector, row: Int, to: Long): Unit = Platform.putShort(null, to, vector.getShort(row))
    def bits(vector: ColumnVector, row: Int): Long = vector.getShort(row).toLong
    def decode(dictionary: Dictionary, id: Int, to: Long): Unit =
      Platform.putShort(null, to, dictionary.decodeToInt(id).toShort)
  }

  private object Ints extends ColumnLayout(4) {
    def copy(vector: ColumnVector, row: Int, to: Long): Unit = Platform.putInt(null, to, vector.getInt(row))
    def bits(vector: ColumnVector, row: Int): Long = vector.getInt(row).toLong
    def decode(dictionary: Dictionary, id: Int, to: Long): Unit = Platform.putInt(null, to, dictionary.decodeToInt(id))
    override def isOf(array: AnyRef): Boolean = array.isInstanceOf[Array[Int]]
  }

  private object Longs extends ColumnLayout(8) {
    def copy(vector: ColumnVector, row: Int, to: Long): Unit = Platform.putLong(null, to, vector.getLong(row))
    def bits(vector: ColumnVector, row: Int): Long = vector.getLong(row)
    def decode(dictionary: Dictionary, id: Int, to: Long): Unit = Platform.putLong(null, to, dictionary.decodeToLong(id))
    override def isOf(array: AnyRef): Boolean = array.isInstanceOf[Array[Long]]
  }

  /** Decimals that Spark's vectors store as numbers. Only Spark's own vectors have getInt and getLong for them. */
  private final class Unscaled(decimal: DecimalType, width: Int) extends ColumnLayout(width) {
    private val layout = if (width == 4) Ints else Longs
    def copy(vector: ColumnVector, row: Int, to: Long): Unit = {
      val unscaled = bits(vector, row)
      if (width == 4) Platform.putInt(null, to, unscaled.toInt) else Platform.putLong(null, to, unscaled)
    }
    def bits(vector: ColumnVector, row: Int): Long = vector.getDecimal(row, decimal.precision, decimal.scale).toUnscaledLong
    def decode(dictionary: Dictionary, id: Int, to: Long): Unit = layout.decode(dictionary, id, to)
    override def isOf(array: AnyRef): Boolean = layout.isOf(array)
  }

  private object Floats extends ColumnLayout(4) {
    def copy(vector: ColumnVector, row: Int, to: Long): Unit = Platform.putFloat(null, to, vector.getFloat(row))
    def bits(vector: ColumnVector, row: Int): Long = JFloat.floatToRawIntBits(vector.getFloat(row)).toLong
    def decode(dictionary: Dictionary, id: Int, to: Long): Unit =
      Platform.putFloat(null, to, dictionary.decodeToFloat(id))
    override def isOf(array: AnyRef): Boolean = array.isInstanceOf[Array[Float]]
  }

  private object Doubles extends ColumnLayout(8) {
    def copy(vector: ColumnVector, row: Int, to: Long): Unit = Platform.putDouble(null, to, vector.getDouble(row))
    def bits(vector: ColumnVector, row: Int): Long = JDouble.doubleToRawLongBits(vector.getDouble(row))
    def decode(dictionary: Dictionary, id: Int, to: Long): Unit =
      Platform.putDouble(null, to, dictionary.decodeToDouble(id))
    override def isOf(array: AnyRef): Boolean = array.isInstanceOf[Array[Double]]
  }
}
