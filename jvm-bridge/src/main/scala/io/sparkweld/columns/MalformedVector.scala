package io.sparkweld
package columns

import org.apache.arrow.memory.ArrowBuf
import org.apache.spark.sql.vectorized.{ArrowColumnVector, ColumnVector}

/**
 * Fails the task for a column whose offsets or sizes reach outside its own memory, where a read may end the JVM.
 *
 * Running the rows in Python is no remedy: Spark's getters, which fill its batches, follow the same offsets unchecked.
 */
final class MalformedVector(vector: ColumnVector, rows: Int, what: String) extends RuntimeException(
  s"A column of type ${vector.dataType.catalogString} in a batch of $rows rows is malformed: $what (${MalformedVector.name(vector)}). " +
    "Its values lie outside its memory. The producer of the batch is at fault, such as a data source, a file or mapInArrow: fix it " +
    "there (in PyArrow, `validate(full=True)` finds the error)")

private[columns] object MalformedVector {

  /** Throws unless `enough` holds for the vector's first `rows` rows. */
  def require(enough: Boolean, vector: ColumnVector, rows: Int, what: => String): Unit =
    if (!enough) throw new MalformedVector(vector, rows, what)

  /** Throws unless a buffer of the vector has at least `bytes` bytes. */
  def requireBytes(buffer: ArrowBuf, bytes: Long, vector: ColumnVector, rows: Int, what: String): Unit =
    require(buffer.capacity >= bytes, vector, rows, s"its $what have ${buffer.capacity} bytes, not $bytes")

  private def name(vector: ColumnVector): String = vector match {
    case arrow: ArrowColumnVector => arrow.getValueVector.getClass.getSimpleName
    case other => other.getClass.getSimpleName
  }
}
