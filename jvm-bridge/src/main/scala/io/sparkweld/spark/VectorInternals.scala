package io.sparkweld
package spark

import java.lang.reflect.Field

import io.sparkweld.nativelib.NativeError

import org.apache.parquet.column.values.dictionary.PlainValuesDictionary._
import org.apache.spark.sql.execution.datasources.parquet.ParquetDictionary
import org.apache.spark.sql.execution.vectorized._
import org.apache.spark.sql.types._

/**
 * Accesses private fields of Spark's column vectors and Parquet's dictionaries, such as the addresses of values and null bytes.
 *
 * This is the only file that knows the names of their fields. Spark's jars are in the unnamed module, so reflection needs no JVM
 * flag.
 */
object VectorInternals {
  private val vectorDictionary = field(classOf[WritableColumnVector], "dictionary")
  private val parquetDictionary = field(classOf[ParquetDictionary], "dictionary")
  private val parquetTransforms = field(classOf[ParquetDictionary], "needTransform")
  private val intEntries = field(classOf[PlainIntegerDictionary], "intDictionaryContent")
  private val longEntries = field(classOf[PlainLongDictionary], "longDictionaryContent")
  private val floatEntries = field(classOf[PlainFloatDictionary], "floatDictionaryContent")
  private val doubleEntries = field(classOf[PlainDoubleDictionary], "doubleDictionaryContent")
  private val capacities = field(classOf[WritableColumnVector], "capacity")
  private val offHeapOffsets = field(classOf[OffHeapColumnVector], "offsetData")
  private val offHeapLengths = field(classOf[OffHeapColumnVector], "lengthData")
  private val onHeapOffsets = field(classOf[OnHeapColumnVector], "arrayOffsets")
  private val onHeapLengths = field(classOf[OnHeapColumnVector], "arrayLengths")
  private val offHeapNulls = field(classOf[OffHeapColumnVector], "nulls")
  private val onHeapNulls = field(classOf[OnHeapColumnVector], "nulls")
  private val onHeapBytes = field(classOf[OnHeapColumnVector], "byteData")
  private val onHeapShorts = field(classOf[OnHeapColumnVector], "shortData")
  private val onHeapInts = field(classOf[OnHeapColumnVector], "intData")
  private val onHeapLongs = field(classOf[OnHeapColumnVector], "longData")
  private val onHeapFloats = field(classOf[OnHeapColumnVector], "floatData")
  private val onHeapDoubles = field(classOf[OnHeapColumnVector], "doubleData")

  /** Returns the dictionary of lazily decoded values; null when the vector holds the values themselves. */
  def dictionary(vector: WritableColumnVector): Dictionary = vectorDictionary.get(vector).asInstanceOf[Dictionary]

  /**
   * Returns an object that dictionaries with the same values share: Spark's Parquet reader wraps the dictionary of a row group
   * anew for every batch.
   */
  def identity(dictionary: Dictionary): AnyRef = dictionary match {
    case parquet: ParquetDictionary if !parquetTransforms.getBoolean(parquet) => parquetDictionary.get(parquet)
    case other => other
  }

  /**
   * Returns all values of one of Parquet's own dictionaries (an `identity`), a primitive array by id; null for another
   * dictionary.
   */
  def dictionaryValues(dictionary: AnyRef): AnyRef = dictionary match {
    case ints: PlainIntegerDictionary => intEntries.get(ints)
    case longs: PlainLongDictionary => longEntries.get(longs)
    case floats: PlainFloatDictionary => floatEntries.get(floats)
    case doubles: PlainDoubleDictionary => doubleEntries.get(doubles)
    case _ => null
  }

  /**
   * Returns the largest id of one of Parquet's own dictionaries (an `identity`); None for another dictionary, which checks ids
   * itself.
   */
  def largestId(dictionary: AnyRef): Option[Int] = dictionary match {
    case parquet: org.apache.parquet.column.Dictionary => Some(parquet.getMaxId)
    case _ => None
  }

  /** Returns the number of values, or bytes of strings, for which the vector has memory. */
  def capacity(vector: WritableColumnVector): Int = capacities.getInt(vector)

  /** Returns the address of the int32 offsets of the vector's strings in its child's bytes; those of NULL rows are stale. */
  def offsetsAddress(vector: OffHeapColumnVector): Long = offHeapOffsets.getLong(vector)

  /** Returns the address of the int32 lengths of the vector's strings; those of NULL rows are stale. */
  def lengthsAddress(vector: OffHeapColumnVector): Long = offHeapLengths.getLong(vector)

  def offsets(vector: OnHeapColumnVector): Array[Int] = onHeapOffsets.get(vector).asInstanceOf[Array[Int]]

  def lengths(vector: OnHeapColumnVector): Array[Int] = onHeapLengths.get(vector).asInstanceOf[Array[Int]]

  /** Returns the address of the vector's null bytes, which are not set when `isAllNull`. */
  def nullsAddress(vector: OffHeapColumnVector): Long = offHeapNulls.getLong(vector)

  def nulls(vector: OnHeapColumnVector): Array[Byte] = onHeapNulls.get(vector).asInstanceOf[Array[Byte]]

  /** Returns the primitive array that holds the vector's values. */
  def values(vector: OnHeapColumnVector): AnyRef = (vector.dataType match {
    case BooleanType | ByteType => onHeapBytes
    case ShortType => onHeapShorts
    case IntegerType | DateType | _: YearMonthIntervalType => onHeapInts
    case LongType | TimestampType | TimestampNTZType | _: DayTimeIntervalType => onHeapLongs
    case decimal: DecimalType if decimal.precision <= Decimal.MAX_INT_DIGITS => onHeapInts
    case decimal: DecimalType if decimal.precision <= Decimal.MAX_LONG_DIGITS => onHeapLongs
    case FloatType => onHeapFloats
    case DoubleType => onHeapDoubles
    case other => throw new IllegalArgumentException(s"no primitive array for type ${other.catalogString}")
  }).get(vector)

  private def field(owner: Class[_], name: String): Field =
    try {
      val found = owner.getDeclaredField(name)
      found.setAccessible(true)
      found
    } catch {
      case e: ReflectiveOperationException =>
        throw new NativeError(s"this Spark's ${owner.getSimpleName} has no field $name: SparkWeld was built for another " +
          "Spark version; build the bridge against this one", e)
    }
}
