package io.sparkweld.columns

import java.lang.reflect.Field

import io.sparkweld.nativelib.NativeError

import org.apache.spark.sql.execution.vectorized._
import org.apache.spark.sql.types._

/**
 * The parts of Spark's column vectors that have no public accessor: where the values and null bytes lie.
 *
 * This is the only place that knows field names of Spark's vectors. Spark's jars are in the unnamed module, so that
 * reflection needs no JVM flag.
 */
private[columns] object VectorInternals {
  private val vectorDictionary = field(classOf[WritableColumnVector], "dictionary")
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

  /** The address of the vector's null bytes. They do not tell when `isAllNull`. */
  def nullsAddress(vector: OffHeapColumnVector): Long = offHeapNulls.getLong(vector)

  def nulls(vector: OnHeapColumnVector): Array[Byte] = onHeapNulls.get(vector).asInstanceOf[Array[Byte]]

  /** The primitive array that holds the vector's values. */
  def values(vector: OnHeapColumnVector): AnyRef = (vector.dataType match {
    case BooleanType | ByteType => onHeapBytes
    case ShortType => onHeapShorts
    case IntegerType | DateType => onHeapInts
    case LongType => onHeapLongs
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
