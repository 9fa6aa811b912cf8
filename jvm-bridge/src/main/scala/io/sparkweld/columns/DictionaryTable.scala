package io.sparkweld
package columns

import io.sparkweld.spark.VectorInternals

import org.apache.spark.sql.execution.vectorized.Dictionary

/**
 * Decodes the dictionary of a lazily decoded column once, into a table from which the shim gathers.
 *
 * It decodes the whole dictionary when its values are an array that can be copied, else up to the largest id of a batch.
 */
private[columns] abstract class DictionaryTable(width: Int) extends AutoCloseable {
  private val buffer = new OffHeapBuffer
  private var source: AnyRef = _
  private var decoded = 0

  /** Decodes one entry to the address `to`. */
  protected def decode(dictionary: Dictionary, id: Int, to: Long): Unit

  /** Returns all entries of an `identity` as an array whose elements have the table's layout; null when there is none. */
  protected def valuesOf(dictionary: AnyRef): AnyRef = null

  /** Forgets the entries decoded so far. */
  protected def restart(): Unit = decoded = 0

  /** Returns the address of a table with the values of ids 0 to `maxId` of `dictionary`. */
  def address(dictionary: Dictionary, maxId: Int): Long = {
    val identity = VectorInternals.identity(dictionary)
    if (identity ne source) {
      source = identity
      restart()
    }
    VectorInternals.largestId(identity).filter(_ < maxId).foreach { largest => // before memory is reserved for a wrong id
      throw new IndexOutOfBoundsException(s"entry $maxId of a dictionary of ${largest + 1L}")
    }
    if (maxId >= decoded) {
      val values = valuesOf(identity)
      if (values != null) decodeAll(values) else decodeTo(dictionary, maxId)
    }
    if (maxId >= decoded) throw new IndexOutOfBoundsException(s"entry $maxId of a dictionary of $decoded")
    buffer.address
  }

  private def decodeAll(values: AnyRef): Unit = {
    val entries = java.lang.reflect.Array.getLength(values)
    val bytes = entries.toLong * width
    decoded = 0
    InputColumn.copyArray(values, buffer.reserve(bytes), bytes)
    decoded = entries
  }

  private def decodeTo(dictionary: Dictionary, maxId: Int): Unit = {
    val bytes = (maxId + 1L) * width
    if (!buffer.holds(bytes)) restart() // growing loses the content
    val table = buffer.reserve(bytes)
    while (decoded <= maxId) {
      decode(dictionary, decoded, table + decoded.toLong * width)
      decoded += 1
    }
  }

  def close(): Unit = {
    buffer.close()
    source = null
    decoded = 0
  }
}
