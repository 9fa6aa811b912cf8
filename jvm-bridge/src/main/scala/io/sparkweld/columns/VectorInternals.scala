package io.sparkweld.columns

import java.lang.reflect.Field

import io.sparkweld.nativelib.NativeError

import org.apache.parquet.column.values.dictionary.PlainValuesDictionary._
import org.apache.spark.sql.execution.datasources.parquet.ParquetDictionary
import org.apache.spark.sql.execution.vectorized._
import org.apache.spark.sql.types._

/**
 * The parts of Spark's column vectors, and of Parquet's dictionaries, that have no public accessor: where the values and null
 * bytes lie.
 *
 * This is the only place that knows names of their fields. Spark's jars are in the unnamed module, so that reflection needs no
 * JVM flag.
 */
private[columns] object VectorInternals {
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

  /** The dictionary of lazily decoded values; null when the vector holds the values themselves. */
  def dictionary(vector: WritableColumnVector): Dictionary = vectorDictionary.get(vector).asInstanceOf[Dictionary]

  /**
   * What two dictionaries share when they hold the same values: Spark's Parquet reader wraps the dictionary of a row group
   * anew for every batch.
   */
  def identity(dictionary: Dictionary): AnyRef = dictionary match {
    case parquet: ParquetDictionary if !parquetTransforms.getBoolean(parquet) => parquetDictionary.get(parquet)
    case other => other
  }

  /** All values of a dictionary (an `identity`) of Parquet's own, a primitive array by id; null for another dictionary. */
  def dictionaryValues(dictionary: AnyRef): AnyRef = dictionary match {
    case ints: PlainIntegerDictionary => intEntries.get(ints)
    case longs: PlainLongDictionary => longEntries.get(longs)
    case floats: PlainFloatDictionary => floatEntries.get(floats)
    case doubles: PlainDoubleDictionary => doubleEntries.get(doubles)
    case _ => null
  }

  /** The largest id of a dictionary (an `identity`) of Parquet's own; None for another dictionary, which looks at ids itself. */
  def largestId(dictionary: AnyRef): Option[Int] = dictionary match {
    case parquet: org.apache.parquet.column.Dictionary => Some(parquet.getMaxId)
    case _ => None
  }

  /** For how many values, or bytes of texts, the vector has memory. */
  def capacity(vector: WritableColumnVector): Int = capacities.getInt(vector)

  /** The address of the int32 offsets of the vector's texts in its child's bytes; what NULL rows have is left over. */
  def offsetsAddress(vector: OffHeapColumnVector): Long = offHeapOffsets.getLong(vector)

  /** The address of the int32 lengths of the vector's texts; what NULL rows have is left over. */
  def lengthsAddress(vector: OffHeapColumnVector): Long = offHeapLengths.getLong(vector)

  def offsets(vector: OnHeapColumnVector): Array[Int] = onHeapOffsets.get(vector).asInstanceOf[Array[Int]]

  def lengths(vector: OnHeapColumnVector): Array[Int] = onHeapLengths.get(vector).asInstanceOf[Array[Int]]

  /** The address of the vector's null bytes. They do not tell when `isAllNull`. */
  def nullsAddress(vector: OffHeapColumnVector): Long = offHeapNulls.getLong(vector)

  def nulls(vector: OnHeapColumnVector): Array[Byte] = onHeapNulls.get(vector).asInstanceOf[Array[Byte]]

  /** The primitive array that holds the vector's values. */
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
