package io.sparkweld
package columns

import io.sparkweld.nativelib.NoMemory
import io.sparkweld.spark.CurrentSpark

import org.apache.spark.sql.execution.vectorized.OnHeapColumnVector
import org.apache.spark.sql.types._
import org.apache.spark.sql.vectorized.ColumnVector

/**
 * Combines columns of numbers into one column of ML vectors in Spark's storage form: a struct of type, size, indices and values.
 *
 * `form`: "dense", "sparse", "compressed" (each row in the smaller form, as `Vector.compressed`), or "mixed", where one more
 * column is 1 for dense rows.
 */
final class VectorColumn(numbers: Array[NativeColumnVector], form: String) extends AutoCloseable {
  import VectorColumn._

  private val size = if (form == "mixed") numbers.length - 1 else numbers.length
  private val row = new Array[Double](size)
  private val nonZero = new Array[Int](size)
  private var vector: OnHeapColumnVector = _
  private var capacity = 0

  /** Returns the column of the first `rows` rows, valid until the next call. Throws NoMemory. */
  def fill(rows: Int): ColumnVector = {
    try {
      if (rows > capacity) {
        close()
        vector = new OnHeapColumnVector(rows, Layout)
        capacity = rows
      }
      vector.reset()
      var i = 0
      while (i < rows) {
        write(i)
        i += 1
      }
      vector
    } catch {
      case full: OutOfMemoryError =>
        close()
        throw new NoMemory(s"the heap is too small for $rows vectors of $size numbers (${full.getMessage})")
    }
  }

  override def close(): Unit = {
    if (vector != null) vector.close()
    vector = null
    capacity = 0
  }

  private def write(i: Int): Unit = {
    var count = 0
    var j = 0
    while (j < size) {
      row(j) = numbers(j).getDouble(i)
      if (row(j) != 0.0) {
        nonZero(count) = j
        count += 1
      }
      j += 1
    }
    val (indices, values) = (vector.getChild(2), vector.getChild(3))
    if (isSparse(i, count)) {
      vector.getChild(0).putByte(i, Sparse)
      vector.getChild(1).putInt(i, size)
      val at = indices.arrayData().getElementsAppended
      indices.arrayData().appendInts(count, nonZero, 0)
      indices.putArray(i, at, count)
      j = 0
      while (j < count) {
        row(j) = row(nonZero(j))
        j += 1
      }
    } else {
      count = size
      vector.getChild(0).putByte(i, Dense)
      vector.getChild(1).putNull(i)
      indices.putNull(i)
    }
    val at = values.arrayData().getElementsAppended
    values.arrayData().appendDoubles(count, row, 0)
    values.putArray(i, at, count)
  }

  private def isSparse(i: Int, nonZeros: Int): Boolean = form match {
    case "compressed" => CurrentSpark.compressesToSparse(nonZeros, size)
    case "mixed" => numbers(size).getDouble(i) == 0.0
    case _ => form == "sparse"
  }
}

object VectorColumn {
  private val Sparse: Byte = 0
  private[columns] val Dense: Byte = 1

  /** VectorUDT.sqlType, without its class. */
  private[columns] val Layout = StructType(Seq(StructField("type", ByteType, nullable = false), StructField("size", IntegerType),
    StructField("indices", ArrayType(IntegerType, containsNull = false)),
    StructField("values", ArrayType(DoubleType, containsNull = false))))
}
